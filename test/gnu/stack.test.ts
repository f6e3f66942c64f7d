/** Call stacks over both exception levels, and the events between them. */
import assert from 'node:assert/strict';
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { requireTool } from '../support/oracles';
import { buildGuest, GNU_TOOLS, lineOf, type Variant } from './build';
import { gdbAnswers } from './gdb';
import { place, Session, type Where } from './session';

const hypercall: Where = { file: 'start.S', line: lineOf('start.S', 'hvc\t#1'), function: 'hypercall' };
const entry: Where = { file: 'start.S', line: lineOf('start.S', 'bl\tguest_main'), function: 'guest_start' };
const inGuest = (line: string, name: string): Where => ({
  file: 'guest.c',
  line: lineOf('guest.c', line),
  function: name,
});
const calls = inGuest('hypercall(CALL_ADD_ONE', 'calls');
const main = inGuest('checksum += (u64)calls', 'guest_main');
const inVectors: Where = {
  file: 'start.S',
  line: lineOf('start.S', 'b\ttrap_from_guest'),
  function: 'hyp_vectors',
};

describe('Stacks and world switches of C code of the GNU toolchain', function () {
  let session: Session;

  beforeEach(function () {
    requireTool(this, ...GNU_TOOLS);
  });
  afterEach(async () => {
    await session?.end();
  });

  const places = async (): Promise<Where[]> =>
    (await session.frames()).filter((f) => f.presentationHint !== 'label').map(place);
  const labels = async (): Promise<string[]> =>
    (await session.frames()).filter((f) => f.presentationHint === 'label').map((f) => f.name);

  const variants: readonly Variant[] = [
    { optimise: 0, dwarf: 5 },
    { optimise: 0, dwarf: 4 },
    { optimise: 2, dwarf: 5 },
  ];
  for (const variant of variants) {
    it(`are those of gdb at EL1 in a recursion, -O${variant.optimise} -gdwarf-${variant.dwarf}`, async () => {
      const elf = buildGuest(variant);
      session = await Session.start(elf);
      const at = variant.optimise === 0 ? 'factorial' : 'hypercall';
      await session.functions({ name: at, ...(variant.optimise === 0 ? { condition: 'n == 2' } : {}) });
      await session.resume();
      const condition = variant.optimise === 0 ? ' if n == 2' : '';
      const expected = gdbAnswers(elf, [
        `run('tbreak ${at}${condition}')`,
        "run('continue')",
        'frames()',
      ]) as Where[];
      assert.ok(expected.length >= 2);
      const ours = (await places()).map((w) => ({ ...w, function: w.function.replace(' (inlined)', '') }));
      assert.deepEqual(ours, expected);
    });
  }

  it('go from the handler at EL2 over the exception to the callers at EL1', async () => {
    session = await Session.start(buildGuest());
    await session.functions({ name: 'handle_call' });
    await session.resume();
    assert.deepEqual(
      (await session.frames()).map((f) => f.name),
      [
        'handle_call',
        'handle_trap',
        'trap_from_guest',
        'HVC #1 from EL1',
        'hypercall',
        'calls',
        'guest_main',
        'guest_start',
      ],
    );
    assert.deepEqual((await places()).slice(3), [hypercall, calls, main, entry]);
    // The interrupted frames have their own locals and registers.
    assert.equal((await session.evaluate('value', { frame: 'calls' })).result, '41');
    assert.equal((await session.evaluate('shape.layer', { frame: 'guest_main' })).result, '42');
    assert.equal((await session.evaluate('x1', { frame: 'hypercall' })).result, '0x29');
    assert.equal((await session.evaluate('frame->x[1]', { frame: 'handle_trap' })).result, '41');
    // The next line of the handler's caller is at EL2 still.
    assert.equal((await session.resume('stepOut')).reason, 'step');
    assert.equal((await session.where()).function, 'handle_trap');
  });

  it('have the same frames below a handler of optimised code', async () => {
    session = await Session.start(buildGuest({ optimise: 2, dwarf: 5 }));
    await session.functions({ name: 'handle_trap' });
    await session.resume();
    const names = (await session.frames()).map((f) => f.name);
    assert.deepEqual(names.slice(0, 4), ['handle_trap', 'trap_from_guest', 'HVC #1 from EL1', 'hypercall']);
    assert.equal(names.at(-1), 'guest_start');
    assert.ok(names.includes('guest_main'));
  });

  it('keep the locals of inlined functions and of those around them apart', async () => {
    session = await Session.start(buildGuest({ optimise: 2, dwarf: 5 }));
    await session.functions({ name: 'hypercall' });
    await session.resume();
    const names = async (frame: string): Promise<string[]> => {
      const { id: frameId } = await session.frame(frame);
      const scopes = (await session.client.ok('scopes', { frameId }))['scopes'] as DP.Scope[];
      const own = scopes.filter((v) => /^(Arguments|Locals?)/.test(v.name));
      const lists = await Promise.all(own.map((v) => session.variables(v.variablesReference)));
      return lists.flat().map((v) => v.name);
    };
    assert.deepEqual((await names('calls (inlined)')).sort(), ['count', 'more', 'value']);
    assert.deepEqual((await names('guest_main')).sort(), ['area', 'product', 'shape', 'total']);
  });

  it('name a data abort and what it interrupted', async () => {
    session = await Session.start(buildGuest());
    await session.functions({ name: 'handle_abort' });
    await session.resume();
    const [label] = await labels();
    assert.match(label ?? '', /^data abort/);
    assert.match(label ?? '', /from EL1$/);
    assert.deepEqual((await places()).slice(3, 5), [
      inGuest('u32 value = *nowhere', 'probe'),
      inGuest('checksum += probe', 'guest_main'),
    ]);
    assert.equal((await session.evaluate('nowhere', { frame: 'probe' })).result, '0x80000000');
  });

  it('follow a call into the hypervisor with step in, and come back with step out', async () => {
    session = await Session.start(buildGuest());
    await session.filters('hvc');
    const stop = await session.resume();
    assert.match(stop.description ?? '', /HVC #1 from EL1/);
    assert.deepEqual(await session.where(), hypercall);
    await session.filters();
    assert.deepEqual(await session.steps(['stepIn']), [inVectors]);
    assert.deepEqual(await labels(), ['HVC #1 from EL1']);
    assert.deepEqual((await places()).slice(1), [hypercall, calls, main, entry]);
    const [back] = await session.steps(['stepOut']);
    assert.deepEqual(back, { ...hypercall, line: hypercall.line + 1 });
  });

  it('step over an HVC line and over a load that traps, as if nothing were between', async () => {
    session = await Session.start(buildGuest());
    await session.filters('hvc');
    await session.resume();
    await session.filters();
    assert.deepEqual(await session.steps(['next']), [{ ...hypercall, line: hypercall.line + 1 }]);
    assert.equal((await session.evaluate('x0')).result, '0x2a');
    await session.lines('guest.c', { line: lineOf('guest.c', 'u32 value = *nowhere') });
    await session.resume();
    assert.deepEqual(await session.steps(['next']), [inGuest('return value;', 'probe')]);
    assert.equal((await session.evaluate('value')).result.split(' ')[0], '4294967295');
  });

  it('stop at the filters of world switches', async () => {
    session = await Session.start(buildGuest());
    await session.filters('trap-entry', 'trap-exit', 'stage2-fault', 'smc');
    const kinds: string[] = [];
    while (await session.resumeUnlessEnded()) {
      const { line, file } = await session.where();
      kinds.push(`${file}:${line}`);
    }
    const vector = `start.S:${inVectors.line}`;
    const first = `start.S:${lineOf('start.S', 'eret', 2)}`;
    const handler = `start.S:${lineOf('start.S', 'eret', 1)}`;
    const smc = `start.S:${lineOf('start.S', 'smc\t#0')}`;
    // Two calls, the abort and the print.
    const pair = [vector, handler];
    assert.deepEqual(kinds, [first, ...pair, ...pair, ...pair, ...pair, smc]);
  });
});
