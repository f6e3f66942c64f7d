/**
 * The physical CPU interface (ICC_* system registers, IHI 0069 12.2) with 5 preemption bits and one or two security states.
 * Which exception level may use a register, and when an access goes to the virtual interface instead, is decided by the
 * system register rows before they come here.
 */
import type { MachineBus } from '../../core/device';
import {
  groupOf,
  IDLE,
  preemptionBits,
  SPURIOUS,
  type Candidate,
  type CpuInterfaceState,
  type Group,
  type Interrupts,
} from './interrupts';
import { groupPriorityMask, lowestBit, runningPriority, signalsPreemption } from './priorities';
import { accessorOf, type Accessor } from './security';

/** A register of the physical or the virtual interface. */
export interface Register {
  read?(cpu: number): bigint;
  write?(cpu: number, value: bigint): void;
  /** Where a read has an effect: the same without it. */
  peek?(cpu: number): bigint;
}

/** ICC_CTLR_EL1: A3V, 24-bit INTIDs (IDbits 1), PRIbits - 1 = 4; CBPR is bit 0, EOImode bit 1. */
const CTLR_FIXED = 0x8000 | (1 << 11) | ((preemptionBits - 1) << 8);
const PRIORITY_MASK = (0xff << (8 - preemptionBits)) & 0xff;
/** System register access is the only one: SRE, DFB and DIB read as one (and Enable, at EL2). */
const SRE_EL1 = 7n;
const SRE_EL2 = 15n;
/** ICC_CTLR_EL3: nDS, since this GIC cannot go back to one security state, and what ICC_CTLR_EL1 has. */
const CTLR_EL3_FIXED = (1 << 17) | CTLR_FIXED;
/** Special INTIDs: the pending interrupt belongs to group 1 of Secure or of Non-secure state. */
const FOR_SECURE = 1020;
const FOR_NON_SECURE = 1021;

/** With one security state all accesses are alike. */
const anybody: Accessor = { el3: false, secure: false, secureBank: false, lowerHalf: false };

/** A priority as Non-secure state sees it: what is above its half is 0 (IHI 0069 4.8.1). */
const lowerHalfOf = (priority: number): number => (priority & 0x80 ? (priority << 1) & 0xff : 0);

export class CpuInterface {
  /** Registers by name, as the system register rows call them. */
  readonly registers: Readonly<Record<string, Register>>;

  constructor(
    private readonly irqs: Interrupts,
    private readonly bus: MachineBus,
  ) {
    this.registers = {
      ICC_PMR_EL1: this.field(
        (c, a) => (a.lowerHalf ? lowerHalfOf(c.pmr) : c.pmr),
        (c, v, a) => {
          if (!a.lowerHalf) c.pmr = v & PRIORITY_MASK;
          // A mask in the upper half is Secure state's to change.
          else if (c.pmr & 0x80) c.pmr = ((v >> 1) | 0x80) & PRIORITY_MASK;
        },
      ),
      ICC_CTLR_EL1: this.field(
        (c, a) => {
          const bank = settings(c, a);
          return CTLR_FIXED | (bank.commonBpr ? 1 : 0) | (bank.splitEoi ? 2 : 0);
        },
        (c, v, a) => {
          const bank = settings(c, a);
          // With two states CBPR is EL3's to set, in ICC_CTLR_EL3.
          if (!c.secure) bank.commonBpr = (v & 1) !== 0;
          bank.splitEoi = (v & 2) !== 0;
        },
      ),
      ...this.ofEl3(),
      ICC_SRE_EL1: { read: () => SRE_EL1, write: () => undefined },
      ICC_SRE_EL2: { read: () => SRE_EL2, write: () => undefined },
      ICC_BPR0_EL1: this.field(
        (c) => c.bpr[0] ?? 0,
        (c, v) => (c.bpr[0] = Math.max(v & 7, 7 - preemptionBits)),
      ),
      ICC_BPR1_EL1: this.field(
        (c, a) => {
          const common = settings(c, a).commonBpr && !a.el3;
          if (!common) return c.bpr[groupOne(a)] ?? 0;
          return a.secureBank ? (c.bpr[0] ?? 0) : Math.min((c.bpr[0] ?? 0) + 1, 7);
        },
        (c, v, a) => {
          const common = settings(c, a).commonBpr && !a.el3;
          if (a.secureBank) c.bpr[common ? 0 : 2] = Math.max(v & 7, 7 - preemptionBits);
          else if (!common) c.bpr[1] = Math.max(v & 7, 8 - preemptionBits);
        },
      ),
      ICC_RPR_EL1: {
        read: (cpu) => {
          const running = runningPriority(this.state(cpu).activePriorities);
          const lower = running !== IDLE && this.accessor(cpu).lowerHalf;
          return BigInt(lower ? lowerHalfOf(running) : running);
        },
      },
      ICC_DIR_EL1: { write: (cpu, v) => this.deactivate(cpu, Number(v & 0xffffffn)) },
      ...this.perGroup(0),
      ...this.perGroup(1),
      ICC_SGI1R_EL1: { write: (cpu, v) => this.generate(cpu, v, this.accessor(cpu).secure ? 2 : 1) },
      // The other security state's group 1. With one state only an SGI in group 0 answers to it (seen on QEMU).
      ICC_ASGI1R_EL1: {
        write: (cpu, v) =>
          this.generate(cpu, v, !this.irqs.twoStates ? 0 : this.accessor(cpu).secure ? 1 : 2),
      },
      ICC_SGI0R_EL1: { write: (cpu, v) => this.generate(cpu, v, 0) },
    };
  }

  /** Drives the CPU's lines: FIQ for group 0, IRQ for group 1, or with two states one for each group 1. */
  updateLines(cpu: number): void {
    const next = this.irqs.highestPending(cpu);
    const signalled = this.canPreempt(cpu, next);
    this.bus.setCpuLine(cpu, 2, signalled && next.group === 0);
    this.bus.setCpuLine(cpu, this.irqs.twoStates ? 32 : 1, signalled && next.group === 1);
    if (this.irqs.twoStates) this.bus.setCpuLine(cpu, 16, signalled && next.group === 2);
  }

  private accessor(cpu: number): Accessor {
    return this.irqs.twoStates ? accessorOf(this.bus, cpu) : anybody;
  }

  /** The registers by which EL3 reaches both security states. */
  private ofEl3(): Record<string, Register> {
    if (!this.irqs.twoStates) return {};
    const bit = (v: boolean | undefined, n: number): number => (v ? 1 << n : 0);
    return {
      ICC_CTLR_EL3: this.field(
        (c) =>
          CTLR_EL3_FIXED |
          bit(c.secure?.commonBpr, 0) |
          bit(c.commonBpr, 1) |
          bit(c.secure?.splitEoiEl3, 2) |
          bit(c.secure?.splitEoi, 3) |
          bit(c.splitEoi, 4),
        (c, v) => {
          const on = (n: number): boolean => ((v >> n) & 1) !== 0;
          c.secure = { commonBpr: on(0), splitEoiEl3: on(2), splitEoi: on(3) };
          c.commonBpr = on(1);
          c.splitEoi = on(4);
        },
      ),
      ICC_IGRPEN1_EL3: this.field(
        (c) => bit(c.groupEnable[1], 0) | bit(c.groupEnable[2], 1),
        (c, v) => {
          c.groupEnable[1] = (v & 1) !== 0;
          c.groupEnable[2] = (v & 2) !== 0;
        },
      ),
    };
  }

  private state(cpu: number): CpuInterfaceState {
    return this.irqs.redistributor(cpu).cpu;
  }

  /** A register that is a view of CpuInterfaceState. */
  private field(
    get: (c: CpuInterfaceState, a: Accessor) => number,
    set: (c: CpuInterfaceState, v: number, a: Accessor) => void,
  ): Register {
    return {
      read: (cpu) => BigInt(get(this.state(cpu), this.accessor(cpu)) >>> 0),
      write: (cpu, v) => {
        set(this.state(cpu), Number(v & 0xffffffffn), this.accessor(cpu));
        this.irqs.changed(cpu);
      },
    };
  }

  private perGroup(group: 0 | 1): Record<string, Register> {
    const pending = (cpu: number): bigint =>
      BigInt(this.visible(this.irqs.highestPending(cpu), group, this.accessor(cpu)));
    const bank = (a: Accessor): Group => (group === 0 ? 0 : groupOne(a));
    const peekAck = (cpu: number): bigint =>
      this.canPreempt(cpu, this.irqs.highestPending(cpu)) ? pending(cpu) : BigInt(SPURIOUS);
    return {
      [`ICC_IAR${group}_EL1`]: { read: (cpu) => this.acknowledge(cpu, group), peek: peekAck },
      [`ICC_EOIR${group}_EL1`]: { write: (cpu, v) => this.endOfInterrupt(cpu, Number(v & 0xffffffn), group) },
      [`ICC_HPPIR${group}_EL1`]: { read: pending },
      [`ICC_IGRPEN${group}_EL1`]: this.field(
        (c, a) => (c.groupEnable[bank(a)] ? 1 : 0),
        (c, v, a) => (c.groupEnable[bank(a)] = (v & 1) !== 0),
      ),
      [`ICC_AP${group}R0_EL1`]: this.field(
        (c, a) => c.activePriorities[bank(a)] ?? 0,
        (c, v, a) => {
          // Non-secure priorities are in the lower half of the range.
          const mine = bank(a) === 1 && this.irqs.twoStates ? 0xffff0000 : 0xffffffff;
          c.activePriorities[bank(a)] = (v & mine) >>> 0;
        },
      ),
    };
  }

  /**
   * What an acknowledge register of group 0 or 1 shows of the pending interrupt. Each security state sees its own group 1;
   * EL3 sees both, and learns in the register of group 0 that one is pending.
   */
  private visible(next: Candidate, group: 0 | 1, a: Accessor): number {
    if (next.intid === SPURIOUS) return SPURIOUS;
    if (next.group === 0) return group === 0 && (a.secure || !this.irqs.twoStates) ? next.intid : SPURIOUS;
    if (group === 0) return !a.el3 ? SPURIOUS : next.group === 2 ? FOR_SECURE : FOR_NON_SECURE;
    return a.el3 || next.group === groupOne(a) ? next.intid : SPURIOUS;
  }

  private canPreempt(cpu: number, next: Candidate): boolean {
    const c = this.state(cpu);
    return next.intid !== SPURIOUS && signalsPreemption(next, c.pmr, c, c.activePriorities);
  }

  private acknowledge(cpu: number, register: 0 | 1): bigint {
    const next = this.irqs.highestPending(cpu);
    if (!this.canPreempt(cpu, next)) return BigInt(SPURIOUS);
    const shown = this.visible(next, register, this.accessor(cpu));
    if (shown !== next.intid) return BigInt(shown);
    const c = this.state(cpu);
    const { group } = next;
    const level = (next.priority & groupPriorityMask(c, group)) >> (8 - preemptionBits);
    c.activePriorities[group] = ((c.activePriorities[group] ?? 0) | (1 << level)) >>> 0;
    this.irqs.activate(next.intid, cpu);
    return BigInt(next.intid);
  }

  private endOfInterrupt(cpu: number, intid: number, register: 0 | 1): void {
    if (intid >= 1020) return;
    const c = this.state(cpu);
    const a = this.accessor(cpu);
    // The drop is of the highest active priority; an EOI for the other group, or for nothing, is ignored.
    const highest = lowestBit(c.activePriorities.reduce((x, y) => x | y, 0));
    const isHighest = (g: Group): boolean => (((c.activePriorities[g] ?? 0) >>> highest) & 1) !== 0;
    const group = endsWith(register, a, this.irqs.twoStates).find(isHighest);
    if (group === undefined) return;
    const mine = c.activePriorities[group] ?? 0;
    c.activePriorities[group] = (mine & (mine - 1)) >>> 0;
    if (!splitsEoi(c, a)) this.irqs.deactivate(intid, cpu);
    this.irqs.changed(cpu);
  }

  private deactivate(cpu: number, intid: number): void {
    const a = this.accessor(cpu);
    if (!splitsEoi(this.state(cpu), a) || intid >= 1020) return;
    const bank = this.irqs.bankOf(intid, cpu);
    // Non-secure state deactivates its own interrupts only.
    if (this.irqs.twoStates && !a.secure && (!bank || groupOf(bank, intid) !== 1)) return;
    this.irqs.deactivate(intid, cpu);
  }

  /** ICC_SGI*R_EL1: INTID 27:24, IRM 40, affinity 3.2.1 in 55:48, 39:32, 23:16, range selector 47:44, target list 15:0. */
  private generate(from: number, value: bigint, group: Group): void {
    // Non-secure state generates interrupts of its own only, as long as there is no GICR_NSACR.
    if (this.irqs.twoStates && group !== 1 && !this.accessor(from).secure) return;
    const bits = (at: bigint, width: bigint): number => Number((value >> at) & ((1n << width) - 1n));
    const intid = bits(24n, 4n);
    if (bits(40n, 1n)) {
      for (let cpu = 0; cpu < this.irqs.cpus; cpu++) if (cpu !== from) this.irqs.sendSgi(intid, cpu, group);
      return;
    }
    if (bits(48n, 8n) || bits(32n, 8n) || bits(44n, 4n)) return;
    for (let n = 0; n < 16; n++) {
      const cpu = bits(16n, 8n) * 16 + n;
      if ((bits(0n, 16n) >> n) & 1 && cpu < this.irqs.cpus) this.irqs.sendSgi(intid, cpu, group);
    }
  }
}

/** The group 1 of a security state. */
const groupOne = (a: Accessor): 1 | 2 => (a.secureBank ? 2 : 1);

/** ICC_CTLR_EL1 of a security state. */
const settings = (c: CpuInterfaceState, a: Accessor): { commonBpr: boolean; splitEoi: boolean } =>
  a.secureBank && c.secure ? c.secure : c;

/** Does an EOI leave deactivation to ICC_DIR_EL1? */
const splitsEoi = (c: CpuInterfaceState, a: Accessor): boolean =>
  a.el3 && c.secure ? c.secure.splitEoiEl3 : settings(c, a).splitEoi;

/** The groups whose interrupts a write of ICC_EOIR0_EL1 or ICC_EOIR1_EL1 can end. */
function endsWith(register: 0 | 1, a: Accessor, twoStates: boolean): readonly Group[] {
  if (register === 0) return twoStates && !a.secure ? [] : [0];
  return a.el3 ? [1, 2] : [groupOne(a)];
}
