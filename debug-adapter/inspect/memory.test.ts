import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { requireTool } from '../../test/support/oracles';
import { UserError } from '../errors';
import { InspectBench, SAMPLE } from './testing/bench';

const refused = (message: RegExp) => (e: unknown) => e instanceof UserError && message.test(e.message);
const base64 = (...bytes: number[]): string => Buffer.from(bytes).toString('base64');

describe('memory requests', () => {
  let b: InspectBench;
  beforeEach(() => void (b = new InspectBench({ program: SAMPLE })));

  const read = async (memoryReference: string, count: number, offset?: number): Promise<unknown> =>
    b.ask('readMemory', { memoryReference, count, ...(offset === undefined ? {} : { offset }) });

  it('reads up to the first byte that is not there, and says how far the gap is', async () => {
    // RAM begins at 0x40000000; below it nothing answers.
    assert.deepEqual(await read('PA:0x3fffff00', 0x200), { address: '0x3fffff00', unreadableBytes: 0x100 });
    const end = 0x40000000 + (512 << 20);
    const last = (await read(`PA:0x${(end - 16).toString(16)}`, 64)) as {
      data: string;
      unreadableBytes: number;
    };
    assert.equal(Buffer.from(last.data, 'base64').length, 16);
    assert.equal(last.unreadableBytes, 48);
    assert.deepEqual(await read('PA:0x40000000', 0), { address: '0x40000000' });
  });

  it('reads across pages and by offset', async () => {
    await b.ask('writeMemory', { memoryReference: 'PA:0x48000ffe', data: base64(1, 2, 3, 4) });
    const whole = (await read('0x48001000', 4, -2)) as { address: string; data: string };
    assert.deepEqual([whole.address, whole.data], ['0x48000ffe', base64(1, 2, 3, 4)]);
  });

  it('writes all or nothing, unless a part is enough', async () => {
    const end = 0x40000000 + (512 << 20);
    const memoryReference = `PA:0x${(end - 2).toString(16)}`;
    const data = base64(1, 2, 3, 4);
    await assert.rejects(b.ask('writeMemory', { memoryReference, data }), refused(/Nothing was changed/));
    assert.deepEqual(await read(memoryReference, 2), {
      address: `0x${(end - 2).toString(16)}`,
      data: base64(0, 0),
    });
    assert.deepEqual(await b.ask('writeMemory', { memoryReference, data, allowPartial: true }), {
      offset: 0,
      bytesWritten: 2,
    });
    const events = b.events.filter((e) => e.event === 'memory').map((e) => e.body);
    assert.deepEqual(events, [{ memoryReference, offset: 0, count: 2 }]);
  });

  it('does not poke devices', async () => {
    await assert.rejects(
      b.ask('writeMemory', { memoryReference: 'PA:0x9000000', data: base64(65), allowPartial: true }),
      refused(/0x9000000 in PA cannot be written: it is not RAM/),
    );
  });

  it('changes code that runs next', async () => {
    // mov x0, #42 (0xd2800540) in place of the first instruction.
    const { pc } = { pc: (await b.evaluate('pc', 'clipboard')).split(' ')[0] ?? '' };
    await b.ask('writeMemory', { memoryReference: pc, data: base64(0x40, 0x05, 0x80, 0xd2) });
    await b.step();
    assert.equal(await b.evaluate('x0'), '0x2a (42)'.split(' ')[0]);
  });

  const bad: readonly (readonly [string, object, RegExp])[] = [
    ['readMemory', { memoryReference: 'nonsense', count: 4 }, /"nonsense" is no address/],
    ['readMemory', { memoryReference: '0x40000000', count: -1 }, /The count must be a whole number/],
    ['readMemory', { memoryReference: '0x40000000', count: 1e9 }, /The count must be a whole number/],
    ['readMemory', { memoryReference: '0x40000000', count: 4, offset: 1.5 }, /offset must be a whole number/],
    ['readMemory', { count: 4 }, /needs a memoryReference/],
    ['readMemory', { memoryReference: 'EL1,vmid=4:0x0', count: 4 }, /VMID 4 are not loaded/],
    ['readMemory', { memoryReference: 'IPA:0x0', count: 4 }, /No virtual machine is loaded/],
    ['writeMemory', { memoryReference: '0x40000000', data: '***' }, /not base64/],
    ['disassemble', { memoryReference: '0x40000000', instructionCount: 1e6 }, /instructionCount must be/],
  ];
  for (const [command, args, message] of bad)
    it(`refuses ${command} ${JSON.stringify(args)}`, () =>
      assert.rejects(async () => b.ask(command as 'readMemory', args as never), refused(message)));
});

describe('disassemble', () => {
  let b: InspectBench;
  before(() => void (b = new InspectBench({ program: SAMPLE })));

  it('gives as many rows as were asked for, unreadable ones too', async () => {
    const found = await b.ask('disassemble', {
      memoryReference: 'PA:0x40000000',
      instructionOffset: -3,
      instructionCount: 5,
    });
    assert.deepEqual(
      found?.instructions.map((i) => [i.address, i.presentationHint]),
      [
        ['0x3ffffff4', 'invalid'],
        ['0x3ffffff8', 'invalid'],
        ['0x3ffffffc', 'invalid'],
        ['0x40000000', undefined],
        ['0x40000004', undefined],
      ],
    );
  });

  it('goes round the ends of the address space', async () => {
    const found = await b.ask('disassemble', {
      memoryReference: 'PA:0x0',
      instructionOffset: -1,
      instructionCount: 2,
    });
    assert.deepEqual(
      found?.instructions.map((i) => i.address),
      ['0xfffffffffffffffc', '0x0'],
    );
  });

  it('names symbols, files and lines', async () => {
    const found = await b
      .ask('disassemble', { memoryReference: 'pc', instructionCount: 1 })
      .catch((e: unknown) => e);
    assert.ok(found instanceof UserError);
    const pc = (await b.frame()).instructionPointerReference ?? '';
    const rows = (
      await b.ask('disassemble', { memoryReference: pc, instructionCount: 3, resolveSymbols: true })
    )?.instructions;
    assert.equal(rows?.[0]?.symbol, '_start');
    assert.equal(rows?.[1]?.symbol, '_start+0x4');
    assert.equal(rows?.[0]?.location?.name, 'el2.S');
    assert.equal(rows?.[1]?.location, undefined);
    assert.ok((rows?.[1]?.line ?? 0) >= (rows?.[0]?.line ?? 0));
  });

  it('agrees with objdump', function () {
    requireTool(this, 'aarch64-linux-gnu-objdump');
    const folder = mkdtempSync(path.join(tmpdir(), 'ws-disassemble-'));
    return (async () => {
      const count = 400;
      const rows = (await b.ask('disassemble', { memoryReference: 'PA:0x40080000', instructionCount: count }))
        ?.instructions;
      const file = path.join(folder, 'code.bin');
      const bytes = (rows ?? []).flatMap((r) =>
        (r.instructionBytes ?? '').split(' ').map((x) => Number(`0x${x}`)),
      );
      writeFileSync(file, Buffer.from(bytes));
      const args = ['-D', '-b', 'binary', '-m', 'aarch64', '--adjust-vma=0x40080000', file];
      const out = spawnSync('aarch64-linux-gnu-objdump', args, { encoding: 'utf8' }).stdout;
      const theirs = out.split('\n').flatMap((l) => {
        const m = /^\s*[0-9a-f]+:\s+[0-9a-f]{8}\s+(.*)$/.exec(l);
        return m ? [plain(m[1] ?? '')] : [];
      });
      const ours = (rows ?? []).map((r) => plain(r.instruction));
      assert.equal(ours.length, count);
      assert.deepEqual(ours, theirs);
    })().finally(() => rmSync(folder, { recursive: true, force: true }));
  });
});

/** Without comments and symbols, which only one side has. */
const plain = (text: string): string =>
  text
    .replace(/\s*(\/\/|;).*$/, '')
    .replace(/<[^>]*>/, '')
    .replace(/^udf\b.*|^\.inst\b.*/, '(none)')
    .replace(/\b0x(?=400[0-9a-f]{5}\b)/, '')
    .replace(/\s+/g, ' ')
    .trim();
