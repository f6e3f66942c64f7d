import assert from 'node:assert/strict';
import path from 'node:path';
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { UserError } from '../errors';
import { InspectBench } from './testing/bench';

/** Two virtual machines with three vcpus: see its main.S. */
const VMS = path.join(__dirname, 'testing/vms');
const HYP_OFFSET = 0x4000000000n;

const launch = (): InspectBench => new InspectBench({ program: VMS, memory: '16M', smp: 2 });
const hex = (v: bigint): string => `0x${v.toString(16)}`;

describe('several virtual machines', () => {
  let b: InspectBench;
  const link = (symbol: string): bigint => b.target.symbols.symbolByName(symbol)[0]?.address ?? 0n;
  /** What lies at a link address, which is the physical one too. */
  const word = (address: bigint): bigint => {
    const bytes = b.target.machine.physical.peek(address, 8);
    return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  };
  const offset = (struct: string, field: string): bigint =>
    BigInt(
      b.target.symbols.modules[0]?.layout?.structs.get(struct)?.fields.find((f) => f.name === field)
        ?.offset ?? NaN,
    );
  /** The physical address of a vcpu's struct, by its place in the array. */
  const vcpuAt = (n: number): bigint =>
    link('vcpu_area') +
    BigInt(n * (b.target.symbols.modules[0]?.layout?.structs.get('virtual_cpu')?.size ?? NaN));
  const threads = async (): Promise<DP.Thread[]> => (await b.ask('threads', {})).threads;
  const thread = async (name: string): Promise<number> =>
    (await threads()).find((t) => t.name.startsWith(name))?.id ?? -1;
  const framesOf = async (name: string): Promise<DP.StackFrame[]> =>
    (await b.ask('stackTrace', { threadId: await thread(name) })).stackFrames;
  const scopeOf = async (frame: DP.StackFrame | undefined, name: string): Promise<DP.Scope> => {
    const { scopes } = await b.ask('scopes', { frameId: frame?.id ?? 0 });
    const found = scopes.find((s) => s.name === name);
    assert.ok(found, `no ${name}, but ${scopes.map((s) => s.name).join(', ')}`);
    return found;
  };
  const inScope = async (name: string, scope: string, variable: string): Promise<DP.Variable | undefined> => {
    const { variablesReference } = await scopeOf((await framesOf(name))[0], scope);
    return (await b.variables(variablesReference)).find((v) => v.name === variable);
  };

  describe('while none of them runs', () => {
    before(async () => {
      b = launch();
      await b.runToFunction('all_waiting');
    });

    it('shows the way from the register to the running vcpu with both addresses of each step', async () => {
      const cpu = await b.variable('hyp context', 'CPU 0');
      assert.equal(cpu.value, 'runs the host');
      const steps = await b.variables(cpu.variablesReference);
      const area = link('cpu_area');
      const state = area + offset('cpu_data', 'state');
      const both = (pa: bigint): string => `EL2:${hex(pa + HYP_OFFSET)} = PA:${hex(pa)}`;
      assert.deepEqual(
        steps.map((v) => [v.name, v.value]),
        [
          ['TPIDR_EL2', hex(area + HYP_OFFSET)],
          ['per-CPU data', `struct cpu_data at ${both(area)}`],
          ['state', `struct host_state at ${both(state)}`],
          ['running', 'null: no virtual_cpu'],
          ['FP/SIMD owner', 'A_GUEST: guest of vcpu 2.0'],
        ],
      );
      const fields = await b.variables(steps[2]?.variablesReference ?? 0);
      const holder = fields.find((f) => f.name === 'holder');
      assert.equal(holder?.value, `${hex(vcpuAt(2) + HYP_OFFSET)} -> struct virtual_cpu`);
      assert.equal((await b.variable('hyp context', 'CPU 1')).value, 'off');
    });

    it('lists each vcpu under its machine, with where it is and what waits for it', async () => {
      assert.equal((await b.variable('hyp context', 'VM 1')).value, 'VMID 5, 2 vcpus');
      assert.equal((await b.variable('hyp context', 'VM 2')).value, 'VMID 6, 1 vcpu');
      const pc = (n: number): string => hex(word(vcpuAt(n) + offset('virtual_cpu', 'where')));
      assert.equal(
        (await b.variable('hyp context', 'VM 1', 'vcpu 1.0')).value,
        `not running, PC ${pc(0)} <after_hvc>, 2 interrupts pending`,
      );
      assert.equal(
        (await b.variable('hyp context', 'VM 2', 'vcpu 2.0')).value,
        `not running, PC ${pc(2)} <after_hvc>, FP/SIMD in CPU 0`,
      );
      const { variablesReference } = await b.variable(
        'hyp context',
        'VM 1',
        'vcpu 1.0',
        'pending interrupts',
      );
      assert.deepEqual(
        (await b.variables(variablesReference)).map((v) => v.value),
        // INTID 96 is bit 32 of the second word.
        ['27 pending (ICH_LR1_EL2, priority 0x0)', 'waiting: 96'],
      );
      const lr = await b.variable('hyp context', 'VM 1', 'vcpu 1.0', 'virtual_cpu', 'ich_lr', '[1]', 'State');
      assert.equal(lr.value, '0x1 (pending)');
      const x19 = await b.variable('hyp context', 'VM 1', 'vcpu 1.1', 'Registers', 'x19');
      assert.equal(x19.value, '0x1');
    });

    it('has a thread for each of them, below the CPUs', async () => {
      const all = await threads();
      assert.deepEqual(
        all.map((t) => t.name),
        [
          'CPU 0: EL2',
          'CPU 1: off',
          'vcpu 1.0 (not running)',
          'vcpu 1.1 (not running)',
          'vcpu 2.0 (not running)',
        ],
      );
      assert.deepEqual(
        all.map((t) => t.id),
        [1, 2, 1001, 1002, 1003],
      );
    });

    it('unwinds each from its saved registers through its own stage 2', async () => {
      const line = (text: string): number =>
        (b.target.program.image &&
          b.target.symbols.lineAt(link(text) - (text === 'guest_end' ? 4n : 0n))?.line) ??
        0;
      for (const [name, guest, space] of [
        ['vcpu 1.0', 0n, 'EL1,vmid=5,vcpu=1.0'],
        ['vcpu 1.1', 0n, 'EL1,vmid=5,vcpu=1.1'],
        ['vcpu 2.0', 0x4000_0000n, 'EL1,vmid=6,vcpu=2.0'],
      ] as const) {
        const frames = await framesOf(name);
        assert.deepEqual(
          frames.map((f) => [f.name, f.instructionPointerReference]),
          [
            ['after_hvc', `${space}:${hex(link('after_hvc') + guest)}`],
            ['guest_main', `${space}:${hex(link('guest_main') + 12n + guest)}`],
            ['guest_code', `${space}:${hex(link('guest_end') + guest)}`],
          ],
        );
        assert.equal(frames[2]?.line, line('guest_end'));
        assert.equal(path.basename(frames[0]?.source?.path ?? ''), 'main.S');
      }
    });

    it('shows what was saved, and nothing of the CPU', async () => {
      const { scopes } = await b.ask('scopes', { frameId: (await framesOf('vcpu 1.1'))[0]?.id ?? 0 });
      assert.deepEqual(
        scopes.map((s) => s.name),
        [
          'Registers',
          'PSTATE',
          'FP/SIMD',
          'EL1 system registers',
          'EL2 system registers',
          'vcpu 1.1',
          'hyp context',
        ],
      );
      assert.equal((await inScope('vcpu 1.1', 'Registers', 'x0'))?.value, '0x701');
      assert.match((await inScope('vcpu 1.1', 'Registers', 'pc'))?.value ?? '', / <after_hvc>$/);
      assert.equal((await inScope('vcpu 1.1', 'PSTATE', 'EL'))?.value, '0x1 (EL1)');
      const { variablesReference } = await scopeOf((await framesOf('vcpu 1.1'))[0], 'EL1 system registers');
      const groups = await b.variables(variablesReference);
      const registers = (await Promise.all(groups.map((g) => b.variables(g.variablesReference)))).flat();
      assert.deepEqual(
        registers.map((r) => r.name),
        ['SCTLR_EL1', 'SP_EL1'],
      );
      const frameId = (await framesOf('vcpu 1.1'))[0]?.id ?? 0;
      const evaluate = async (expression: string): Promise<string> =>
        (await b.ask('evaluate', { expression, context: 'watch', frameId })).result;
      assert.equal(await evaluate('vcpu.vcpu_id'), '0x1');
      assert.equal(await evaluate('vmid'), '0x5');
      assert.equal(await evaluate('*(u32*)pc == *(u32*)after_hvc'), '0x1');
      await assert.rejects(evaluate('TTBR0_EL1 + 1'), /not saved|no part|is <not saved>/);
    });

    it('takes FP and SIMD registers from the CPU where they are still there', async () => {
      // Each machine's first vcpu has put its frame pointer into d0 before it called.
      const live = b.target.machine.state.get(0, b.target.machine.fieldByName('v')!, 0);
      assert.equal(live >> 32n, 0n);
      assert.equal(BigInt((await inScope('vcpu 2.0', 'FP/SIMD', 'v0'))?.value ?? 0), live);
      const saved = BigInt((await inScope('vcpu 1.0', 'FP/SIMD', 'v0'))?.value ?? 0);
      assert.equal(saved, word(vcpuAt(0) + offset('virtual_cpu', 'vectors')));
      assert.notEqual(saved, live);
      assert.equal(word(vcpuAt(2) + offset('virtual_cpu', 'vectors')), 0n);
    });

    it('reads memory as one vcpu sees it', async () => {
      const read = async (memoryReference: string): Promise<string> =>
        (await b.ask('readMemory', { memoryReference, count: 8 }))?.data ?? '';
      const plain = await read(`PA:${hex(link('guest_code'))}`);
      assert.equal(await read(`EL1,vcpu=1.1:${hex(link('guest_code'))}`), plain);
      assert.equal(await read(`EL1,vmid=6,vcpu=2.0:${hex(link('guest_code') + 0x4000_0000n)}`), plain);
      assert.equal(await read(`EL1,vcpu=2.0:${hex(link('guest_code'))}`), '');
      await assert.rejects(
        read('EL1,vcpu=3.0:0x0'),
        /There is no vcpu 3\.0: the hypervisor has created 1\.0, 1\.1, 2\.0\./,
      );
      const { instructions } = (await b.ask('disassemble', {
        memoryReference: `EL1,vcpu=2.0:${hex(link('guest_end') + 0x4000_0000n)}`,
        instructionCount: 1,
      })) ?? { instructions: [] };
      assert.match(instructions[0]?.instruction ?? '', /^b\s/);
    });

    it('names arrays of structs in expressions', async () => {
      assert.equal(await b.evaluate('vcpus[2].vm.vmid'), '0x6');
      assert.equal(await b.evaluate('vms[0].vmid'), '0x5');
      assert.equal(await b.evaluate('percpus[0].state.fp_owner'), '1 (A_GUEST)');
      assert.equal(
        await b.evaluate('vcpus'),
        '3 virtual_cpus: vcpu 1.0 not running; vcpu 1.1 not running; vcpu 2.0 not running',
      );
      await assert.rejects(b.evaluate('vcpus[3].vcpu_id'), /has no part "\[3\]"/);
    });

    it('answers run control of a vcpu in one sentence', async () => {
      const threadId = await thread('vcpu 1.1');
      const sentence = (e: unknown): boolean =>
        e instanceof UserError &&
        e.message ===
          'vcpu 1.1 waits in memory and cannot go on by itself: select a CPU in the call stack, then continue or step.';
      await assert.rejects(b.ask('continue', { threadId }), sentence);
      for (const command of ['next', 'stepIn', 'stepOut'] as const)
        await assert.rejects(b.ask(command, { threadId }), sentence);
    });

    it('leaves the machine as it is when everything is opened', async () => {
      const before = b.target.machine.hash();
      await b.open((await b.scope('hyp context')).variablesReference, 5);
      for (const { name } of (await threads()).slice(2))
        for (const frame of await framesOf(name)) {
          const { scopes } = await b.ask('scopes', { frameId: frame.id });
          for (const s of scopes) if (s.name !== 'hyp context') await b.open(s.variablesReference, 2);
        }
      assert.equal(b.target.machine.hash(), before);
    });
  });

  it('makes a waiting vcpu go on with the registers that were written', async () => {
    b = launch();
    await b.runToFunction('all_waiting');
    const frame = (await framesOf('vcpu 1.1'))[0];
    const { variablesReference } = await scopeOf(frame, 'Registers');
    await b.ask('setVariable', { variablesReference, name: 'x19', value: '0x4000' });
    const r = offset('virtual_cpu', 'r');
    assert.equal(word(vcpuAt(1) + r + 19n * 8n), 0x4000n);
    await assert.rejects(
      b.ask('setVariable', { variablesReference, name: 'x19', value: 'x99' }),
      /"x99" is no register/,
    );
    await b.ask('evaluate', {
      expression: 'x21 = 0x21',
      context: 'repl',
      frameId: (await framesOf('vcpu 1.1'))[0]?.id ?? 0,
    });
    assert.equal(word(vcpuAt(1) + r + 21n * 8n), 0x21n);
    await b.runTo('hvc');
    assert.equal(await b.evaluate('vcpu'), 'struct virtual_cpu at EL2:' + hex(vcpuAt(0) + HYP_OFFSET));
    assert.deepEqual(
      (await threads()).map((t) => t.name),
      [
        'CPU 0: EL1 guest, VM 1 vCPU 0, VMID 5',
        'CPU 1: off',
        'vcpu 1.1 (not running)',
        'vcpu 2.0 (not running)',
      ],
    );
    assert.match(
      (await b.variable('hyp context', 'VM 1', 'vcpu 1.0')).value,
      /^runs on CPU 0, PC 0x[0-9a-f]+ <guest_call\+0x14>/,
    );
    assert.match(
      (await b.variable('hyp context', 'CPU 0', 'running')).value,
      /^struct virtual_cpu at EL2:.*, vcpu 1\.0$/,
    );
    await b.continue();
    // guest_main adds 0x10 after each call, and guest_call 0x700.
    assert.equal(await b.evaluate('x0'), '0x4710');
    assert.equal(await b.evaluate('x21'), '0x21');
    await assert.rejects(b.ask('stackTrace', { threadId: 1002 }), /runs on a CPU now: ask for the threads/);
  });
});
