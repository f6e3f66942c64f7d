/**
 * SMCCC (DEN 0028, "Register use in AArch64"): what a host's HVC may change. Looked at when the HVC executes and when
 * EL2 returns to the host, of every call from boot to power off.
 *
 * V0-V31 are the exception that FPSIMD laziness makes: they may come back as those of the guest that ran in the call, if
 * the hypervisor's own books (`owner`) say so.
 */
import { changedFp, changedSystem, changedX, type Registers } from '../cpu-view';
import type { Moment, Observer, Rig } from '../rig';

const RESULTS = new Set([0, 1, 2, 3]);
/** The stub's soft restart does not come back. */
const SOFT_RESTART = 1n;
/** PAR_EL1 belongs to the call: translation instructions at EL2 write it. */
const SCRATCH: ReadonlySet<string> = new Set();

interface Call {
  readonly id: bigint;
  readonly at: bigint;
  readonly before: Registers;
  /** FP registers of the guests that ran in the call, at their last exit. */
  readonly guests: Map<string, Registers>;
}

/** The vcpu, in the words of CpuView.vcpu, whose FP registers the hypervisor believes to be in a CPU; undefined: the host's. */
export type OwnerOf = (rig: Rig, cpu: number) => string | undefined;

export class SmcccChecker implements Observer {
  readonly name = 'smccc';
  readonly kinds = ['hvc', 'entry', 'guestEntry'] as const;
  /** Calls that came back, by function id. */
  readonly calls = new Map<bigint, number>();
  private readonly open = new Map<number, Call>();

  constructor(
    private readonly rig: Rig,
    private readonly owner: OwnerOf,
  ) {}

  event(m: Moment): void {
    const { view } = this.rig;
    if (m.kind === 'hvc') {
      if (m.from !== 1 || view.isGuest(m.cpu)) return;
      const id = view.x(m.cpu, 0);
      if (id === SOFT_RESTART) return;
      this.open.set(m.cpu, {
        id,
        at: m.pc,
        before: view.registers(m.cpu),
        guests: new Map(),
      });
      return;
    }
    if (m.kind === 'entry') {
      if (m.from < 2 && m.to === 2 && view.isGuest(m.cpu) && !view.fpTraps(m.cpu))
        this.open.get(m.cpu)?.guests.set(view.vcpu(m.cpu), view.registers(m.cpu));
      return;
    }
    if (view.isGuest(m.cpu)) return;
    const call = this.open.get(m.cpu);
    this.open.delete(m.cpu);
    if (call) this.returned(m, call);
  }

  private returned(m: Moment, call: Call): void {
    this.calls.set(call.id, (this.calls.get(call.id) ?? 0) + 1);
    const after = this.rig.view.registers(m.cpu);
    const what = `HVC 0x${call.id.toString(16)} at 0x${call.at.toString(16)}`;
    const complain = (text: string): void => this.rig.complain(this.name, `${what}: ${text}`);
    if (m.pc !== call.at + 4n) complain(`returned to 0x${m.pc.toString(16)}`);
    const x = changedX(call.before.x, after.x, RESULTS);
    if (x.length > 0) complain(`changed ${x.join(', ')}`);
    const system = changedSystem(call.before, after, SCRATCH);
    if (system.length > 0) complain(`changed ${system.join(', ')}`);
    const owner = this.owner(this.rig, m.cpu);
    const own = changedFp(call.before, after);
    if (owner === undefined) {
      if (own.length > 0) complain(`the FP registers are the host's, but changed: ${own.join(', ')}`);
      return;
    }
    const guest = call.guests.get(owner);
    // A vcpu whose registers stay in the CPU over a call in which it did not run: as they were.
    const wrong = guest ? changedFp(guest, after) : own;
    if (wrong.length > 0)
      complain(`the FP registers are those of vcpu ${owner}, but differ: ${wrong.join(', ')}`);
  }
}
