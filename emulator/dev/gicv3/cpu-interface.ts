/**
 * The physical CPU interface (ICC_* system registers, IHI 0069 12.2) with one security state and 5 preemption bits.
 * Which exception level may use a register, and when an access goes to the virtual interface instead, is decided by the
 * system register rows before they come here.
 */
import type { MachineBus } from '../../core/device';
import {
  preemptionBits,
  SPURIOUS,
  type Candidate,
  type CpuInterfaceState,
  type Interrupts,
} from './interrupts';
import { groupPriorityMask, lowestBit, runningPriority, signalsPreemption } from './priorities';

/** A register of the physical or the virtual interface. */
export interface Register {
  read?(cpu: number): bigint;
  write?(cpu: number, value: bigint): void;
  /** Where a read has an effect: the same without it. */
  peek?(cpu: number): bigint;
}

type Group = 0 | 1;

/** ICC_CTLR_EL1: A3V, 24-bit INTIDs (IDbits 1), PRIbits - 1 = 4; CBPR is bit 0, EOImode bit 1. */
const CTLR_FIXED = 0x8000 | (1 << 11) | ((preemptionBits - 1) << 8);
const PRIORITY_MASK = (0xff << (8 - preemptionBits)) & 0xff;
/** System register access is the only one: SRE, DFB and DIB read as one (and Enable, at EL2). */
const SRE_EL1 = 7n;
const SRE_EL2 = 15n;

export class CpuInterface {
  /** Registers by name, as the system register rows call them. */
  readonly registers: Readonly<Record<string, Register>>;

  constructor(
    private readonly irqs: Interrupts,
    private readonly bus: MachineBus,
  ) {
    this.registers = {
      ICC_PMR_EL1: this.field(
        (c) => c.pmr,
        (c, v) => (c.pmr = v & PRIORITY_MASK),
      ),
      ICC_CTLR_EL1: this.field(
        (c) => CTLR_FIXED | (c.commonBpr ? 1 : 0) | (c.splitEoi ? 2 : 0),
        (c, v) => {
          c.commonBpr = (v & 1) !== 0;
          c.splitEoi = (v & 2) !== 0;
        },
      ),
      ICC_SRE_EL1: { read: () => SRE_EL1, write: () => undefined },
      ICC_SRE_EL2: { read: () => SRE_EL2, write: () => undefined },
      ICC_BPR0_EL1: this.field(
        (c) => c.bpr[0],
        (c, v) => (c.bpr[0] = Math.max(v & 7, 7 - preemptionBits)),
      ),
      ICC_BPR1_EL1: this.field(
        (c) => (c.commonBpr ? Math.min(c.bpr[0] + 1, 7) : c.bpr[1]),
        (c, v) => {
          if (!c.commonBpr) c.bpr[1] = Math.max(v & 7, 8 - preemptionBits);
        },
      ),
      ICC_RPR_EL1: { read: (cpu) => BigInt(this.runningPriority(cpu)) },
      ICC_DIR_EL1: { write: (cpu, v) => this.deactivate(cpu, Number(v & 0xffffffn)) },
      ...this.perGroup(0),
      ...this.perGroup(1),
      ICC_SGI1R_EL1: { write: (cpu, v) => this.generate(cpu, v, 1) },
      // The other security state's group 1. With one state only an SGI in group 0 answers to it (seen on QEMU).
      ICC_ASGI1R_EL1: { write: (cpu, v) => this.generate(cpu, v, 0) },
      ICC_SGI0R_EL1: { write: (cpu, v) => this.generate(cpu, v, 0) },
    };
  }

  /** Drives the CPU's IRQ (group 1) and FIQ (group 0) lines. */
  updateLines(cpu: number): void {
    const next = this.irqs.highestPending(cpu);
    const signalled = this.canPreempt(cpu, next);
    this.bus.setCpuLine(cpu, 1, signalled && next.group === 1);
    this.bus.setCpuLine(cpu, 2, signalled && next.group === 0);
  }

  private state(cpu: number): CpuInterfaceState {
    return this.irqs.redistributor(cpu).cpu;
  }

  /** A register that is a view of CpuInterfaceState. */
  private field(
    get: (c: CpuInterfaceState) => number,
    set: (c: CpuInterfaceState, v: number) => void,
  ): Register {
    return {
      read: (cpu) => BigInt(get(this.state(cpu)) >>> 0),
      write: (cpu, v) => {
        set(this.state(cpu), Number(v & 0xffffffffn));
        this.irqs.changed(cpu);
      },
    };
  }

  private perGroup(group: Group): Record<string, Register> {
    const pending = (cpu: number): bigint => {
      const next = this.irqs.highestPending(cpu);
      return BigInt(next.group === group ? next.intid : SPURIOUS);
    };
    const peekAck = (cpu: number): bigint =>
      this.canPreempt(cpu, this.irqs.highestPending(cpu)) ? pending(cpu) : BigInt(SPURIOUS);
    return {
      [`ICC_IAR${group}_EL1`]: { read: (cpu) => this.acknowledge(cpu, group), peek: peekAck },
      [`ICC_EOIR${group}_EL1`]: { write: (cpu, v) => this.endOfInterrupt(cpu, Number(v & 0xffffffn), group) },
      [`ICC_HPPIR${group}_EL1`]: { read: pending },
      [`ICC_IGRPEN${group}_EL1`]: this.field(
        (c) => (c.groupEnable[group] ? 1 : 0),
        (c, v) => (c.groupEnable[group] = (v & 1) !== 0),
      ),
      [`ICC_AP${group}R0_EL1`]: this.field(
        (c) => c.activePriorities[group],
        (c, v) => (c.activePriorities[group] = v),
      ),
    };
  }

  /** Priority of the highest active preemption level (ICC_RPR_EL1). */
  private runningPriority(cpu: number): number {
    return runningPriority(this.state(cpu).activePriorities);
  }

  private canPreempt(cpu: number, next: Candidate): boolean {
    const c = this.state(cpu);
    return next.intid !== SPURIOUS && signalsPreemption(next, c.pmr, c, c.activePriorities);
  }

  private acknowledge(cpu: number, group: Group): bigint {
    const next = this.irqs.highestPending(cpu);
    if (next.group !== group || !this.canPreempt(cpu, next)) return BigInt(SPURIOUS);
    const c = this.state(cpu);
    const level = (next.priority & groupPriorityMask(c, group)) >> (8 - preemptionBits);
    c.activePriorities[group] = (c.activePriorities[group] | (1 << level)) >>> 0;
    this.irqs.activate(next.intid, cpu);
    return BigInt(next.intid);
  }

  private endOfInterrupt(cpu: number, intid: number, group: Group): void {
    if (intid >= 1020) return;
    const c = this.state(cpu);
    const [ap0, ap1] = c.activePriorities;
    // The drop is of the highest active priority; an EOI for the other group, or for nothing, is ignored.
    const mine = c.activePriorities[group];
    if (mine === 0 || lowestBit(ap0 | ap1) !== lowestBit(mine)) return;
    c.activePriorities[group] = (mine & (mine - 1)) >>> 0;
    if (!c.splitEoi) this.irqs.deactivate(intid, cpu);
    this.irqs.changed(cpu);
  }

  private deactivate(cpu: number, intid: number): void {
    if (this.state(cpu).splitEoi && intid < 1020) this.irqs.deactivate(intid, cpu);
  }

  /** ICC_SGI*R_EL1: INTID 27:24, IRM 40, affinity 3.2.1 in 55:48, 39:32, 23:16, range selector 47:44, target list 15:0. */
  private generate(from: number, value: bigint, group: Group): void {
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
