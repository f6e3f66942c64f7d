/** The calls of the host, from the stub vectors to the hypervisor: what each answers, and what hyp-init may use. */
import assert from 'node:assert/strict';
import { common } from '../../emulator/ir/state';
import { state } from '../../emulator/isa/a64/state';
import { SmcccChecker } from './checkers/smccc';
import { changedX } from './cpu-view';
import { fpOwner } from './checkers/owner';
import { buildProgram } from './program';
import { Rig, type Moment, type Observer } from './rig';

const HYP_OFFSET = 0x70_0000_0000n;
const NOT_SUPPORTED = 0xffff_ffff_ffff_ffffn;
const INIT = 0xc600_0000n;
const RUN = 0xc600_0001n;

/** The vectors that EL2 has when a call comes. */
type Phase = 'stub' | 'init' | 'hypervisor';

interface Answer {
  readonly phase: Phase;
  readonly id: bigint;
  readonly cpu: number;
  readonly x: readonly bigint[];
}

/** Ids that nobody knows: other services, other calling conventions, PSCI (which is not EL2's), and one beyond the stub's. */
const UNKNOWN = [
  3n,
  0x10n,
  0x8400_0000n,
  0x8600_0003n,
  0xc600_00ffn,
  0xc600_ffffn,
  0x4600_0000n,
  0xffff_ffffn,
];

/**
 * Notes what each HVC of the host came back with; and makes calls of its own: before the first call of the host in each
 * phase, the same HVC is executed with other registers, again and again, and at last as the host meant it.
 */
class Answers implements Observer {
  readonly name = 'answers';
  readonly kinds = ['hvc', 'guestEntry'] as const;
  readonly all: Answer[] = [];
  private readonly open = new Map<number, Pick<Answer, 'phase' | 'id'> & { readonly at: bigint }>();
  /** Calls to be made yet, x0 and x1, for each phase; and on which CPU they are being made, for which registers. */
  private readonly more: Map<Phase, (readonly [bigint, bigint])[]>;
  private meant: { readonly cpu: number; readonly phase: Phase; readonly x: readonly bigint[] } | undefined;
  private readonly phases: ReadonlyMap<bigint, Phase>;

  constructor(private readonly rig: Rig) {
    const at = (name: string): bigint => rig.program.symbol(name);
    this.phases = new Map([
      [at('stub_vectors'), 'stub'],
      [at('hyp_init_vectors'), 'init'],
      [at('hyp_host_vectors') + HYP_OFFSET, 'hypervisor'],
    ]);
    const unknown = UNKNOWN.map((id) => [id, 0x1111n] as const);
    const set = [0n, at('hyp_init_vectors')] as const;
    this.more = new Map([
      ['stub', unknown.slice()],
      // The stub calls work with the init vectors: set them again; reset them, which the stub must undo.
      ['init', [...unknown, set, [2n, 0n], set]],
      ['hypervisor', [...unknown, set]],
    ]);
  }

  event(m: Moment): void {
    const { view } = this.rig;
    if (view.isGuest(m.cpu)) return;
    if (m.kind === 'hvc') {
      const phase = this.phases.get(view.reg(m.cpu, 'VBAR_EL2'));
      if (!phase) return;
      if (!this.meant && this.more.get(phase)?.length) {
        this.meant = { cpu: m.cpu, phase, x: [0, 1, 2, 3].map((n) => view.x(m.cpu, n)) };
        this.put(m.cpu, this.more.get(phase)!.shift()!);
      }
      this.open.set(m.cpu, { phase, id: view.x(m.cpu, 0), at: m.pc });
      return;
    }
    const call = this.open.get(m.cpu);
    this.open.delete(m.cpu);
    if (!call) return;
    this.all.push({ ...call, cpu: m.cpu, x: [0, 1, 2, 3].map((n) => view.x(m.cpu, n)) });
    if (this.meant?.cpu !== m.cpu) return;
    // Once more, from the HVC on.
    this.rig.machine.state.set(m.cpu, common.pc, call.at);
    const next = this.more.get(this.meant.phase)?.shift();
    this.put(m.cpu, next ?? this.meant.x);
    if (!next) this.meant = undefined;
  }

  private put(cpu: number, x: readonly bigint[]): void {
    x.forEach((v, n) => this.rig.machine.state.set(cpu, state.x, v, n));
  }

  /** The different values of x0 that an id got in a phase. */
  of(phase: Phase, id: bigint): bigint[] {
    return [...new Set(this.all.filter((a) => a.phase === phase && a.id === id).map((a) => a.x[0]!))];
  }
}

describe('Calls of the host', function () {
  const story = 'stories/init.S';
  let answers: Answers;
  let checker: SmcccChecker;
  let rig: Rig;

  before(() => {
    rig = new Rig(buildProgram(story), { cpus: 2, strict: true });
    answers = rig.observe((r) => new Answers(r));
    checker = rig.observe((r) => new SmcccChecker(r, fpOwner));
    assert.equal(rig.run(), 'off');
  });

  it('keep x4-x30, the stack pointers, EL1 and FP registers', () => {
    assert.deepEqual(rig.complaints, []);
    assert.ok([...checker.calls.values()].reduce((a, b) => a + b) > 200);
  });

  it('are the stub calls only, before there are other vectors', () => {
    assert.deepEqual(answers.of('stub', 0n), [0n]);
    assert.deepEqual(answers.of('stub', INIT), [NOT_SUPPORTED]);
    for (const id of UNKNOWN) assert.deepEqual(answers.of('stub', id), [NOT_SUPPORTED], id.toString(16));
  });

  it('are hyp-init and the stub calls, with the init vectors', () => {
    assert.deepEqual(answers.of('init', 0n), [0n]);
    assert.deepEqual(answers.of('init', 2n), [0n]);
    assert.deepEqual(answers.of('init', RUN), [NOT_SUPPORTED]);
    for (const id of UNKNOWN) assert.deepEqual(answers.of('init', id), [NOT_SUPPORTED], id.toString(16));
    const made = answers.all.filter((a) => a.phase === 'init' && a.id === INIT);
    assert.ok(made.length >= 4, `${made.length}`);
    assert.deepEqual([...new Set(made.map((a) => a.cpu))], [0, 1]);
    for (const { x } of made) assert.deepEqual(x, [0n, 0n, 0n, 0n]);
  });

  it('are those of the hypervisor, once it is there, and hyp-init is refused', () => {
    assert.deepEqual(answers.of('hypervisor', 0n), [NOT_SUPPORTED]);
    assert.deepEqual(answers.of('hypervisor', INIT), [NOT_SUPPORTED]);
    assert.deepEqual(answers.of('hypervisor', 2n), [0n]);
    assert.deepEqual(answers.of('hypervisor', RUN), [0n]);
    for (const id of UNKNOWN)
      assert.deepEqual(answers.of('hypervisor', id), [NOT_SUPPORTED], id.toString(16));
  });

  it('reach hyp-init, which uses x0-x3 alone and writes TPIDR_EL2 first', () => {
    const program = buildProgram('main.S');
    const r = new Rig(program);
    const order = ['TPIDR_EL2', 'TTBR0_EL2', 'TCR_EL2', 'MAIR_EL2', 'SCTLR_EL2'];
    let started = false;
    r.breakAt(program.symbol('hyp_init'), (cpu) => (started = r.view.x(cpu, 0) === INIT));
    r.run(() => started);
    const { x } = r.view.registers(0);
    const values = (): bigint[] => order.map((name) => r.view.reg(0, name));
    const written: string[] = [];
    let steps = 0;
    for (let old = values(); r.machine.pc(0) !== program.symbol('hyp_start') + HYP_OFFSET; steps++) {
      assert.ok(steps < 100);
      r.machine.run({ instructions: 1 });
      const now = values();
      written.push(...order.filter((_, n) => now[n] !== old[n]));
      old = now;
      assert.deepEqual(changedX(x, r.view.registers(0).x, new Set([0, 1, 2, 3])), []);
    }
    // TPIDR_EL2 may have the value already; the others may not.
    assert.deepEqual(written, order);
    assert.ok(steps > 20);
  });
});
