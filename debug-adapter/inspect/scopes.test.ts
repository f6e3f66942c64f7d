import assert from 'node:assert/strict';
import { UserError } from '../errors';
import { InspectBench, SAMPLE } from './testing/bench';

const launch = (): InspectBench => new InspectBench({ program: SAMPLE });

describe('scopes and variables', () => {
  let b: InspectBench;

  describe('at the first instruction', () => {
    before(() => void (b = launch()));

    it('has the registers first and open, and nothing that does not exist yet', async () => {
      const { scopes } = await b.ask('scopes', { frameId: (await b.frame()).id });
      assert.deepEqual(
        scopes.map((s) => [s.name, s.expensive, s.presentationHint]),
        [
          ['Registers', false, 'registers'],
          ['PSTATE', false, undefined],
          ['FP/SIMD', true, undefined],
          ['EL1 system registers', true, undefined],
          ['EL2 system registers', true, undefined],
        ],
      );
    });

    it('groups the system registers', async () => {
      const groups = async (scope: string): Promise<string[]> =>
        (await b.variables((await b.scope(scope)).variablesReference)).map((v) => v.name);
      const wanted = ['Trap control', 'Translation', 'Exception', 'Timer', 'GIC', 'Debug', 'ID'];
      for (const scope of ['EL1 system registers', 'EL2 system registers']) {
        const found = await groups(scope);
        assert.deepEqual(
          wanted.filter((w) => !found.includes(w)),
          [],
          scope,
        );
      }
    });

    it('shows the registers of the interrupt controller that there is', async () => {
      const names = async (level: string, bench: InspectBench): Promise<string[]> => {
        const gic = await bench.variable(`${level} system registers`, 'GIC');
        return (await bench.variables(gic.variablesReference)).map((v) => v.name);
      };
      assert.ok((await names('EL2', b)).includes('ICH_LR3_EL2'));
      assert.ok(!(await names('EL2', b)).some((n) => n.startsWith('GICH_')));
      const old = new InspectBench({ program: SAMPLE, gic: 2 });
      assert.ok(!(await names('EL1', old)).some((n) => n.startsWith('ICC_')));
      assert.ok((await names('EL1', old)).includes('GICC_PMR'));
      await old.set('EL2 system registers', ['GIC', 'GICH_LR1'], '0x5a006c1b');
      const lr = await old.variable('EL2 system registers', 'GIC', 'GICH_LR1', 'State');
      assert.equal(lr.value, '0x1 (pending)');
      assert.equal(await old.evaluate('GICH_ELRSR0'), '0xd');
      await old.set('EL1 system registers', ['GIC', 'GICC_CTLR'], '0x201');
      assert.equal(
        (await old.variable('EL1 system registers', 'GIC', 'GICC_CTLR')).value,
        '0x201 EnableGrp0 EOImode',
      );
    });

    it('shows a register by its set fields, and takes it apart', async () => {
      await b.set('EL2 system registers', ['Trap control', 'HCR_EL2'], '0x80000019');
      const hcr = await b.variable('EL2 system registers', 'Trap control', 'HCR_EL2');
      assert.equal(hcr.value, '0x80000019 VM FMO IMO RW');
      assert.equal(hcr.evaluateName, 'HCR_EL2');
      const rw = await b.variable('EL2 system registers', 'Trap control', 'HCR_EL2', 'RW');
      assert.deepEqual([rw.value, rw.type, rw.evaluateName], ['1 (EL1 is AArch64)', 'bit 31', 'HCR_EL2.RW']);
      assert.equal(await b.evaluate('HCR_EL2.RW'), rw.value);
    });

    it('shows 64 bits exactly', async () => {
      for (const value of ['0xffffffffffffffff', '0x8000000000000001', '0x20000000000001']) {
        assert.equal(await b.set('Registers', ['x7'], value), value);
        assert.equal((await b.variable('Registers', 'x7')).value, value);
        assert.equal(b.target.machine.state.get(0, b.target.machine.fieldByName('x')!, 7), BigInt(value));
      }
    });
  });

  describe('in a world switch', () => {
    beforeEach(async () => {
      b = launch();
      await b.runTo('guest-entry');
      await b.runTo('trap-entry');
    });

    it('leaves the machine as it is when everything is opened', async () => {
      const before = b.target.machine.hash();
      const entries = b.target.machine.log.entries.length;
      let count = 0;
      for (const frame of await b.frames()) {
        if (frame.presentationHint === 'label') continue;
        const { scopes } = await b.ask('scopes', { frameId: frame.id });
        for (const s of scopes) count += await b.open(s.variablesReference, 3);
      }
      assert.ok(count > 3000, `only ${count} variables`);
      await b.evaluate('ICC_IAR1_EL1');
      await b.ask('disassemble', { memoryReference: 'PA:0x8000000', instructionCount: 2000 });
      await b.ask('readMemory', { memoryReference: 'PA:0x8000000', count: 0x20000 });
      await b.ask('readMemory', { memoryReference: 'PA:0x9000000', count: 0x1000 });
      assert.equal(b.target.machine.hash(), before);
      assert.equal(b.target.machine.log.entries.length, entries);
    });

    it('shows the vcpu by the layout, its registers by their fields, its pointers followed', async () => {
      const vmid = await b.variable('Current vcpu', 'vm', 'vmid');
      assert.equal(vmid.value, '0x1');
      const hcr = await b.variable('Current vcpu', 'hcr_el2');
      assert.match(hcr.value, /^0x[0-9a-f]+ VM .*RW TLOR TERR$/);
      assert.match((await b.variable('Current vcpu', 'exit_reason')).value, /^\d+ \(EXIT_[A-Z0-9]+\)$/);
      const x3 = await b.variable('Current vcpu', 'ctxt', 'x', 'x3');
      assert.equal(x3.evaluateName, 'vcpu.ctxt.x[3]');
      const bytes = async (): Promise<bigint> => {
        const read = await b.ask('readMemory', { memoryReference: x3.memoryReference ?? '', count: 8 });
        return Buffer.from(read?.data ?? '', 'base64').readBigUInt64LE();
      };
      assert.equal(await bytes(), BigInt(x3.value));
      await b.set('Current vcpu', ['ctxt', 'x', 'x3'], '0x123456789abcdef0');
      assert.equal(await bytes(), 0x123456789abcdef0n);
      assert.equal(await b.evaluate('vcpu.ctxt.x[3]'), '0x123456789abcdef0');
      await b.set('Current vcpu', ['exit_reason'], 'EXIT_WFX');
      assert.equal((await b.variable('Current vcpu', 'exit_reason')).value, '4 (EXIT_WFX)');
      await assert.rejects(b.set('Current vcpu', ['ctxt'], '5'), /open it and change one of its parts/);
    });

    it('shows the host context with the values that the host left', async () => {
      const ttbr = await b.variable('Host context', 'ctxt', 'ttbr0_el1');
      assert.match(ttbr.value, /^0x4[0-9a-f]{7}/);
      assert.match((await b.variable('Host context', 'fp_owner')).value, /\(FP_(HOST|GUEST)\)$/);
      assert.match((await b.variable('Host context', 'running_vcpu')).value, /-> struct vcpu$/);
    });

    it('decodes the syndrome, with a sentence and the reason', async () => {
      assert.equal((await b.variable('Syndrome', 'What')).value, 'HVC #0 at EL1, taken to EL2 (EC 0x16).');
      assert.match((await b.variable('Syndrome', 'Why')).value, /HVC at EL1 is taken to EL2/);
      assert.equal((await b.variable('Syndrome', 'ESR_EL2', 'EC')).value, '0x16 (HVC)');
      assert.equal((await b.variable('Syndrome', 'ESR_EL2', 'imm16')).value, '0x0');
      await b.runTo('stage2-fault');
      assert.match(
        (await b.variable('Syndrome', 'What')).value,
        /stage 2 (translation|permission) fault, level \d/,
      );
      assert.match((await b.variable('Syndrome', 'IPA')).memoryReference ?? '', /^IPA\(1\):0x/);
      await b.runTo('irq');
      assert.match((await b.variable('Syndrome', 'What')).value, /^IRQ at EL1, taken to EL2 before/);
      assert.match((await b.variable('Syndrome', 'Why')).value, /^HCR_EL2\.IMO = 1: IRQ/);
    });

    it('changes fields as the hardware would, and says what to ask for again', async () => {
      const events = (): unknown[] =>
        b.events
          .splice(0)
          .filter((e) => e.event === 'invalidated')
          .map((e) => e.body);
      events();
      await b.set('EL2 system registers', ['Trap control', 'HCR_EL2', 'TVM'], '1');
      assert.match((await b.variable('EL2 system registers', 'Trap control', 'HCR_EL2')).value, / TVM /);
      assert.deepEqual(events(), [{ areas: ['stacks', 'variables'] }]);
      await b.set('Registers', ['x9'], '1 + 2 * 3');
      assert.deepEqual(events(), [{ areas: ['variables'] }]);
      // HCR_EL2[63:34] is RES0 on this CPU: a write leaves it.
      assert.equal(await b.evaluate('HCR_EL2 & ~0x3ffffffff'), '0x0');
      await b.set('EL2 system registers', ['Trap control', 'HCR_EL2'], '0xffffffff80000001');
      assert.equal(await b.evaluate('HCR_EL2'), '0x380000001 VM RW CD ID');
      await b.set('PSTATE', ['N'], '1');
      assert.equal(await b.evaluate('NZCV.N'), '1');
      await assert.rejects(b.set('PSTATE', ['N'], '2'), /does not fit: N has 1 bit\./);
      await assert.rejects(
        b.set('EL1 system registers', ['ID', 'MIDR_EL1'], '1'),
        /^UserError: MIDR_EL1 cannot be changed: it is a read-only register\.$/,
      );
      await assert.rejects(
        b.set('EL1 system registers', ['ID', 'MIDR_EL1', 'Revision'], '1'),
        /^UserError: Revision cannot be changed: it is a read-only register\.$/,
      );
      await assert.rejects(b.set('Registers', ['x9'], 'nonsense_name'), /"nonsense_name" is no register/);
      await assert.rejects(b.set('Registers', ['x9'], ''), /There is no value for x9/);
    });

    it('takes the shown text of an edited value for its number', async () => {
      const pc = (await b.variable('Registers', 'pc')).value;
      assert.match(pc, /^0x[0-9a-f]+ <hyp_guest_vectors\+0x400>$/);
      assert.equal(await b.set('Registers', ['pc'], pc.replace('400>', '400>')), pc);
      const hcr = (await b.variable('EL2 system registers', 'Trap control', 'HCR_EL2')).value;
      assert.equal(await b.set('EL2 system registers', ['Trap control', 'HCR_EL2'], `${hcr} `), hcr);
    });

    it('writes the registers of an interrupted context where they are', async () => {
      const frames = await b.frames();
      const guest = frames.findIndex((f) => f.presentationHint === 'label') + 1;
      const registers = await b.scope('Registers', guest);
      const all = await b.variables(registers.variablesReference);
      assert.equal(all.find((v) => v.name === 'pc')?.value.split(' ')[0], await elr());
      await b.ask('setVariable', {
        variablesReference: registers.variablesReference,
        name: 'pc',
        value: '0x400a0010',
      });
      assert.equal(await elr(), '0x400a0010');
      assert.notEqual(await b.evaluate('pc'), '0x400a0010');

      async function elr(): Promise<string> {
        return (await b.evaluate('ELR_EL2')).split(' ')[0] ?? '';
      }
    });

    it('brings changes about: the guest sees them, and a replay makes them again', async () => {
      const before = b.target.machine.log.entries.length;
      await b.set('Registers', ['x5'], '0x55');
      await b.set('EL2 system registers', ['Thread', 'TPIDR_EL2'], '0x1234');
      await b.ask('writeMemory', { memoryReference: 'PA:0x48000000', data: 'AQID' });
      const entries = b.target.machine.log.entries.slice(before);
      assert.deepEqual(
        entries.map((e) => e.input.kind),
        ['state', 'state', 'memory'],
      );
    });

    it('ends handles when the guest resumes, with a clear error', async () => {
      const frame = await b.frame();
      const scope = await b.scope('Registers');
      await b.step();
      const stale = (e: unknown): boolean =>
        e instanceof UserError && /belongs to an earlier stop/.test(e.message);
      await assert.rejects(b.ask('scopes', { frameId: frame.id }), stale);
      await assert.rejects(b.ask('variables', { variablesReference: scope.variablesReference }), stale);
      await assert.rejects(b.ask('evaluate', { expression: 'x0', frameId: frame.id }), stale);
      await assert.rejects(b.ask('variables', { variablesReference: 987654 }), /There is no variable 987654/);
    });

    it('pages arrays and lists', async () => {
      const scope = await b.scope('Registers');
      const page = await b.variables(scope.variablesReference, { start: 3, count: 2 });
      assert.deepEqual(
        page.map((v) => v.name),
        ['x3', 'x4'],
      );
      await b.set('FP/SIMD', ['v3'], '0x00112233445566778899aabbccddeeff');
      const d = await b.variable('FP/SIMD', 'v3', 'b');
      assert.equal(d.indexedVariables, 16);
      const bytes = await b.variables(d.variablesReference, { filter: 'indexed', start: 14, count: 5 });
      assert.deepEqual(
        bytes.map((v) => [v.name, v.value]),
        [
          ['[14]', '0x11'],
          ['[15]', '0x0'],
        ],
      );
    });
  });
});
