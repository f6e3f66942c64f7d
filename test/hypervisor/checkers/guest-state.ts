/**
 * What a guest finds when it is entered: what it left at its last exit, but for what the exit's cause lets a hypervisor
 * change, and at its first entry nothing of anybody else. Followed by vcpu, over all CPUs.
 */
import { changedFp, changedSystem, changedX, type Registers } from '../cpu-view';
import type { Moment, Observer, Rig } from '../rig';

/** Exception classes (Arm ARM DDI 0487, ESR_ELx.EC). */
const EC = { wfx: 0x01, fp: 0x07, hvc: 0x16, smc: 0x17, sysreg: 0x18, abort: 0x24 } as const;

const NOTHING: ReadonlySet<number> = new Set();
const CALL: ReadonlySet<number> = new Set([0, 1, 2, 3]);
/** What an exception injected into EL1 writes. */
const INJECTED: ReadonlySet<string> = new Set(['ESR_EL1', 'ELR_EL1', 'SPSR_EL1', 'FAR_EL1']);
const NONE: ReadonlySet<string> = new Set();

interface Exit {
  readonly registers: Registers;
  readonly pc: bigint;
  readonly sync: boolean;
  readonly esr: bigint;
  readonly vbar: bigint;
  readonly vgic: ReadonlyMap<string, bigint>;
}

/** General registers that the answer to an exit may change. */
function answered({ sync, esr }: Exit): ReadonlySet<number> {
  if (!sync) return NOTHING;
  const ec = Number(esr >> 26n) & 0x3f;
  const bits = (lsb: bigint, n: bigint): number => Number((esr >> lsb) & ((1n << n) - 1n));
  if (ec === EC.hvc || ec === EC.smc) return CALL;
  // Direction 1: MRS. Rt is in bits 9-5.
  if (ec === EC.sysreg) return bits(0n, 1n) ? new Set([bits(5n, 5n)]) : NOTHING;
  // ISV 1, WnR 0: a load that somebody emulated; SRT is in bits 20-16.
  if (ec === EC.abort) return bits(24n, 1n) && !bits(6n, 1n) ? new Set([bits(16n, 5n)]) : NOTHING;
  return NOTHING;
}

export class GuestStateChecker implements Observer {
  readonly name = 'guest-state';
  readonly kinds = ['entry', 'guestEntry'] as const;
  /** Exits by vcpu. */
  readonly exits = new Map<string, number>();
  /** When the first and the last exit happened. */
  firstExit = 0n;
  lastExit = 0n;
  /** Entries that were compared with an exit. */
  compared = 0;
  /** Entries at which FP registers were compared. */
  comparedFp = 0;
  private readonly last = new Map<string, Exit>();
  /** FP registers of a vcpu when it last had them. */
  private readonly fp = new Map<string, Registers>();

  constructor(
    private readonly rig: Rig,
    /** General registers that a first entry may give a value. */
    private readonly arguments_: ReadonlySet<number> = new Set([0, 1]),
  ) {}

  event(m: Moment): void {
    const { view } = this.rig;
    if (!view.isGuest(m.cpu)) return;
    const key = view.vcpu(m.cpu);
    if (m.kind === 'guestEntry') return this.entered(m, key);
    if (m.to !== 2 || m.from === 2) return;
    this.exits.set(key, (this.exits.get(key) ?? 0) + 1);
    this.lastExit = m.time;
    if (this.firstExit === 0n) this.firstExit = m.time;
    const registers = view.registers(m.cpu);
    this.last.set(key, {
      registers,
      pc: m.pc,
      sync: (m.vector & 0x1ff) === 0,
      esr: m.esr,
      vbar: view.reg(m.cpu, 'VBAR_EL1'),
      vgic: view.vgic(m.cpu),
    });
    if (!view.fpTraps(m.cpu)) this.fp.set(key, registers);
  }

  private entered(m: Moment, key: string): void {
    const { view } = this.rig;
    const now = view.registers(m.cpu);
    const complain = (text: string): void =>
      this.rig.complain(this.name, `vcpu ${key}, entered at 0x${m.pc.toString(16)}: ${text}`);
    const last = this.last.get(key);
    if (last) this.compare(m, last, now, complain);
    else this.first(now, complain);
    if (view.fpTraps(m.cpu)) return;
    this.comparedFp++;
    const had = this.fp.get(key);
    const wrong = had
      ? changedFp(had, now)
      : now.v.some((b) => b !== 0) || now.fpcr !== 0n || now.fpsr !== 0n
        ? ['not zero at first']
        : [];
    if (wrong.length > 0) complain(`FP registers: ${wrong.join(', ')}`);
  }

  private compare(m: Moment, last: Exit, now: Registers, complain: (text: string) => void): void {
    this.compared++;
    const injected = m.pc >= last.vbar && m.pc < last.vbar + 0x800n && m.pc !== last.pc;
    if (!injected && m.pc !== last.pc && m.pc !== last.pc + 4n)
      complain(`it left at 0x${last.pc.toString(16)}`);
    const wrong = [
      ...changedX(last.registers.x, now.x, injected ? NOTHING : answered(last)),
      ...changedSystem(last.registers, now, injected ? INJECTED : NONE),
    ];
    for (const [name, value] of this.rig.view.vgic(m.cpu))
      if (last.vgic.get(name) !== value) wrong.push(name);
    if (wrong.length > 0) complain(`since its last exit changed ${wrong.join(', ')}`);
  }

  private first(now: Registers, complain: (text: string) => void): void {
    for (let n = 0; n < 31; n++)
      if (!this.arguments_.has(n) && now.x.readBigUInt64LE(8 * n) !== 0n)
        complain(`at its first entry x${n} is 0x${now.x.readBigUInt64LE(8 * n).toString(16)}`);
    for (const [name, value] of [...now.el1, ['SP_EL0', now.spEl0], ['SP_EL1', now.spEl1]] as const)
      if (value !== 0n && !INITIAL.has(name))
        complain(`at its first entry ${name} is 0x${value.toString(16)}`);
  }
}

/** Registers that a hypervisor must give a value: SCTLR_EL1 has RES1 bits. */
const INITIAL: ReadonlySet<string> = new Set(['SCTLR_EL1']);
