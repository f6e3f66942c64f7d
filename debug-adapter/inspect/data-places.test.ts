/** Data breakpoints on the sample hypervisor: whose byte is meant, and who touches it. */
import assert from 'node:assert/strict';
import type { StopReport } from '../control/types';
import { InspectBench, SAMPLE } from './testing/bench';

type AccessType = 'read' | 'write' | 'readWrite';

describe('data breakpoints on the sample', function () {
  let b: InspectBench;
  /** What one run has told, for the next one: the same program has the same addresses. */
  let facts: { readonly stage2: string; readonly guestStack: bigint; readonly hostStack: bigint };

  before(async () => {
    b = new InspectBench({ program: SAMPLE });
    await b.runTo('hvc');
    const hostStack = BigInt((await b.evaluate('sp')).split(' ')[0]!);
    await b.runTo('guest-exit');
    const number = async (e: string): Promise<bigint> => BigInt((await b.evaluate(e)).split(' ')[0]!);
    const vttbr = await number('vcpu.vm.vttbr_el2');
    facts = {
      stage2: `PA:0x${(vttbr & 0xffff_ffff_f000n).toString(16)}`,
      guestStack: await number('SP_EL1'),
      hostStack,
    };
  });
  afterEach(() => b.control.halt());

  const info = (name: string, more: object = {}) => b.ask('dataBreakpointInfo', { name, ...more });
  async function watch(dataId: string | null, accessType: AccessType = 'write', condition?: string) {
    assert.ok(dataId !== null);
    const { breakpoints } = await b.ask('setDataBreakpoints', {
      breakpoints: [{ dataId, accessType, ...(condition === undefined ? {} : { condition }) }],
    });
    return breakpoints[0]!;
  }
  const who = (r: StopReport): string =>
    /by (\w+)(?:\+0x[0-9a-f]+)? \(\S+\.S:\d+\)/.exec(r.description)?.[1] ?? '';

  describe('at a guest exit', () => {
    beforeEach(async () => {
      b = new InspectBench({ program: SAMPLE });
      await b.runTo('guest-exit');
      await b.ask('setExceptionBreakpoints', { filters: [] });
    });

    it('who wrote this vcpu field', async () => {
      const found = await info('vcpu.ctxt.pc');
      assert.match(found.description, /^vcpu\.ctxt\.pc \(8 bytes, EL2:0x7\w+ -> PA 0x4\w+\)$/);
      assert.deepEqual(found.accessTypes, ['read', 'write', 'readWrite']);
      assert.equal(found.canPersist, true);
      const set = await watch(found.dataId);
      assert.match(set.message ?? '', /^EL2:0x7\w+ -> PA 0x4\w+$/);
      assert.equal(set.verified, true);
      const report = await b.continue();
      assert.match(report.description, /^Paused on write of vcpu\.ctxt\.pc, written by /);
      assert.match(report.text ?? '', /^vcpu\.ctxt\.pc 0x\w+ -> 0x\w+: written by .* in EL2 on CPU 0/);
      assert.notEqual(who(report), '');
      assert.deepEqual(report.hitBreakpointIds, [set.id]);
      assert.ok((report.text ?? '').includes(`-> ${(await b.evaluate('vcpu.ctxt.pc')).split(' ')[0]}:`));
    });

    it('a variable of the Variables pane, shown by its type', async () => {
      const { variablesReference } = await b.ask('evaluate', { expression: 'vcpu', context: 'watch' });
      const ctxt = (await b.variables(variablesReference)).find((v) => v.name === 'ctxt')!;
      const found = await info('pc', { variablesReference: ctxt.variablesReference });
      assert.equal(found.dataId, (await info('vcpu.ctxt.pc')).dataId);
      const whole = await info('ctxt', { variablesReference });
      assert.match(whole.description, /^vcpu\.ctxt \(\d\d\d+ bytes/);
      const element = await info('vcpu.ctxt.x[3]');
      assert.match(element.description, /^vcpu\.ctxt\.x\[3\] \(8 bytes/);
    });

    it('what is in no memory is refused with a sentence', async () => {
      for (const [name, message] of [
        ['x0', /^x0 is no piece of memory: choose a variable/],
        ['HCR_EL2', /^HCR_EL2 is no piece of memory/],
        ['vcpu.ctxt.nothing', /has no part "nothing"/],
        ['nothing', /is no register, field, variable or symbol/],
        ['1 + 1', /^1 \+ 1 is no piece of memory/],
      ] as const) {
        const found = await info(name);
        assert.equal(found.dataId, null);
        assert.match(found.description, message);
      }
      assert.match((await info('0x40080000', { bytes: 1 << 30 })).description, /from 1 to \d+ bytes/);
    });

    it('addresses of every space, and expressions', async () => {
      for (const [name, more, expected] of [
        ['EL2:0x7040088000', {}, 'EL2:0x7040088000+8'],
        ['0x40088000', { asAddress: true, bytes: 16 }, 'EL2:0x40088000+16'],
        ['1074298880', { asAddress: true, bytes: 4 }, 'EL2:0x40088000+4'],
        ['PA:0x40088000', { asAddress: true, bytes: 4 }, 'PA:0x40088000+4'],
        ['EL1,vmid=1:0x40080000', {}, 'EL1,vmid=1:0x40080000+8'],
        ['IPA(1):0x40080000', { bytes: 2 }, 'IPA(1):0x40080000+2'],
        ['IPA,vmid=1:0x40080000', {}, 'IPA(1):0x40080000+8'],
        ['*(u32*)0x40088000', {}, 'EL2:0x40088000+4 *(u32*)0x40088000'],
        ['*(uint8_t *)PA:0x40088000', {}, 'PA:0x40088000+1 *(uint8_t *)PA:0x40088000'],
      ] as const)
        assert.equal((await info(name, more)).dataId, expected, name);
      assert.match((await info('_start')).dataId ?? '', /^EL2:0x\w+\+\d+ _start$/);
    });
  });

  describe('from the start', () => {
    beforeEach(() => {
      b = new InspectBench({ program: SAMPLE });
    });

    it('who wrote this table entry (by PA)', async () => {
      const found = await info(facts.stage2, { bytes: 4096 });
      await watch(found.dataId, 'write', 'new & 1');
      const report = await b.continue();
      assert.match(report.text ?? '', /0x0 -> 0x\w+[13]: written by .* in EL1 host/);
      assert.notEqual(who(report), '');
    });

    it('a guest writes its own memory (by IPA), which waits for the guest', async () => {
      const set = await watch(
        (await info(`IPA(1):0x${(facts.guestStack - 64n).toString(16)}`, { bytes: 64 })).dataId,
      );
      assert.equal(set.verified, false);
      assert.match(set.message ?? '', /has no memory yet/);
      const report = await b.continue();
      assert.match(report.text ?? '', / in EL1 guest on CPU 0/);
      const [now] = b.control.data.all();
      assert.match(now?.chain ?? '', /^IPA\(1\):0x\w+ -> PA 0x\w+$/);
      assert.notEqual(now?.chain?.split(' ').at(-1), `0x${(facts.guestStack - 64n).toString(16)}`);
    });

    it('a guest address goes through both stages', async () => {
      await b.runTo('guest-entry');
      await b.ask('setExceptionBreakpoints', { filters: [] });
      const name = `EL1,vmid=1:0x${(facts.guestStack - 64n).toString(16)}`;
      await watch((await info(name, { bytes: 64 })).dataId);
      const report = await b.continue();
      assert.match(report.text ?? '', / in EL1 guest on CPU 0/);
      const [now] = b.control.data.all();
      assert.match(now?.chain ?? '', /^EL1,vmid=1:(0x\w+) -> IPA \1 -> PA 0x\w+$/);
    });

    it('the host writes its stack (by EL1 address)', async () => {
      await b.runTo('hvc');
      await b.ask('setExceptionBreakpoints', { filters: [] });
      const name = `EL1:0x${(facts.hostStack - 64n).toString(16)}`;
      await watch((await info(name, { bytes: 64 })).dataId);
      const report = await b.continue();
      assert.match(report.text ?? '', / in EL1 host on CPU 0/);
      assert.notEqual(who(report), '');
    });
  });
});
