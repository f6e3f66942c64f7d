/**
 * The virtual CPU interface: what a guest reaches as ICC_* while HCR_EL2.IMO or FMO is set (ICV_*, IHI 0069 12.3). All of
 * its state is in the hypervisor's ICH_* registers: list registers, active priorities, the guest's own settings (VMCR). What
 * it drives is the CPU's own to compute, and which list register is next: isa/a64/wires/virtual-interface.ts.
 */
import type { MachineBus } from '../../core/device';
import { nextVirtual } from '../../isa/a64/wires/virtual-interface';
import type { Register } from './cpu-interface';
import { groupPriorityMask, lowestBit, runningPriority } from './priorities';
import { preemptionBits, SPURIOUS, type Interrupts } from './interrupts';

type Group = 0 | 1;

/** Number of list registers (ICH_VTR_EL2.ListRegs + 1). */
export const LIST_REGISTERS = 4;

const aprNames = ['ICH_AP0R0_EL2', 'ICH_AP1R0_EL2'] as const;
const lrNames = Array.from({ length: LIST_REGISTERS }, (_, n) => `ICH_LR${n}_EL2`);

/** ICH_LR<n>_EL2.State: bit 62 pending, bit 63 active. */
const PENDING = 1n << 62n;
const ACTIVE = 1n << 63n;
const HW = 1n << 61n;
const EOI = 1n << 41n;
/** A list register without any of these has no effect on anything. */
const IN_USE = PENDING | ACTIVE | EOI;

/** ICH_HCR_EL2. */
const EOI_COUNT = 1n << 27n;
const EOI_COUNT_MASK = 0x1fn << 27n;

/** ICH_VMCR_EL2: [lowest bit, width]. */
const vmcr = {
  enable0: [0n, 1n],
  enable1: [1n, 1n],
  commonBpr: [4n, 1n],
  splitEoi: [9n, 1n],
  bpr1: [18n, 3n],
  bpr0: [21n, 3n],
  pmr: [24n, 8n],
} as const;

/** ICV_CTLR_EL1: as the physical interface reports itself. */
const CTLR_FIXED = 0x8000n | (1n << 11n) | (BigInt(preemptionBits - 1) << 8n);
const PRIORITY_MASK = BigInt((0xff << (8 - preemptionBits)) & 0xff);

interface ListEntry {
  readonly n: number;
  readonly value: bigint;
  readonly intid: bigint;
  readonly group: Group;
  readonly priority: number;
}

function entryOf(n: number, value: bigint): ListEntry {
  return {
    n,
    value,
    intid: value & 0xffffffffn,
    group: (value >> 60n) & 1n ? 1 : 0,
    priority: Number((value >> 48n) & 0xffn),
  };
}

export class VirtualInterface {
  /** Registers by name, as the system register rows call them. */
  readonly registers: Readonly<Record<string, Register>>;

  constructor(
    private readonly irqs: Interrupts,
    private readonly bus: MachineBus,
  ) {
    this.registers = {
      ICV_PMR_EL1: this.field('pmr', (v) => v & PRIORITY_MASK),
      ICV_BPR0_EL1: this.field('bpr0', (v) => atLeast(v & 7n, 7 - preemptionBits)),
      ICV_BPR1_EL1: {
        read: (cpu) =>
          BigInt(this.settings(cpu).commonBpr ? Math.min(this.bpr(cpu)[0] + 1, 7) : this.bpr(cpu)[1]),
        write: (cpu, v) => {
          if (!this.settings(cpu).commonBpr) this.put(cpu, 'bpr1', atLeast(v & 7n, 8 - preemptionBits));
        },
      },
      ICV_CTLR_EL1: {
        read: (cpu) => CTLR_FIXED | this.get(cpu, 'commonBpr') | (this.get(cpu, 'splitEoi') << 1n),
        write: (cpu, v) => {
          this.put(cpu, 'commonBpr', v & 1n);
          this.put(cpu, 'splitEoi', (v >> 1n) & 1n);
        },
      },
      ICV_RPR_EL1: { read: (cpu) => BigInt(runningPriority(this.active(cpu))) },
      ICV_DIR_EL1: { write: (cpu, v) => this.deactivateByGuest(cpu, v & 0xffffffn) },
      ...this.perGroup(0),
      ...this.perGroup(1),
    };
  }

  private perGroup(group: Group): Record<string, Register> {
    const next = (cpu: number, signalled: boolean): ListEntry | undefined => {
      const found = nextVirtual(this.bus.virtualNext(cpu));
      if (!found || (signalled && !found.signalled)) return undefined;
      const entry = entryOf(found.lr, this.bus.readSysreg(cpu, lrNames[found.lr]!));
      return entry.group === group ? entry : undefined;
    };
    const candidate = (cpu: number): ListEntry | undefined => next(cpu, true);
    const number = (e: ListEntry | undefined): bigint => e?.intid ?? BigInt(SPURIOUS);
    return {
      [`ICV_IAR${group}_EL1`]: {
        read: (cpu) => this.acknowledge(cpu, candidate(cpu)),
        peek: (cpu) => number(candidate(cpu)),
      },
      [`ICV_HPPIR${group}_EL1`]: { read: (cpu) => number(next(cpu, false)) },
      [`ICV_EOIR${group}_EL1`]: { write: (cpu, v) => this.endOfInterrupt(cpu, v & 0xffffffn, group) },
      [`ICV_IGRPEN${group}_EL1`]: this.field(group === 0 ? 'enable0' : 'enable1', (v) => v & 1n),
      [`ICV_AP${group}R0_EL1`]: {
        read: (cpu) => this.bus.readSysreg(cpu, aprNames[group]),
        write: (cpu, v) => this.bus.writeSysreg(cpu, aprNames[group], v & 0xffffffffn),
      },
    };
  }

  /** A register that shows a field of ICH_VMCR_EL2. */
  private field(name: keyof typeof vmcr, legal: (v: bigint) => bigint): Register {
    return {
      read: (cpu) => legal(this.get(cpu, name)),
      write: (cpu, v) => this.put(cpu, name, legal(v)),
    };
  }

  private get(cpu: number, name: keyof typeof vmcr): bigint {
    const [at, width] = vmcr[name];
    return (this.bus.readSysreg(cpu, 'ICH_VMCR_EL2') >> at) & ((1n << width) - 1n);
  }

  private put(cpu: number, name: keyof typeof vmcr, value: bigint): void {
    const [at, width] = vmcr[name];
    const rest = this.bus.readSysreg(cpu, 'ICH_VMCR_EL2') & ~(((1n << width) - 1n) << at);
    this.bus.writeSysreg(cpu, 'ICH_VMCR_EL2', rest | (value << at));
  }

  /** Binary points; a hypervisor may have written less than the minimum into VMCR. */
  private bpr(cpu: number): [number, number] {
    return [
      Math.max(Number(this.get(cpu, 'bpr0')), 7 - preemptionBits),
      Math.max(Number(this.get(cpu, 'bpr1')), 8 - preemptionBits),
    ];
  }

  private settings(cpu: number): { bpr: [number, number]; commonBpr: boolean } {
    return { bpr: this.bpr(cpu), commonBpr: this.get(cpu, 'commonBpr') !== 0n };
  }

  private active(cpu: number): [number, number] {
    return [Number(this.bus.readSysreg(cpu, aprNames[0])), Number(this.bus.readSysreg(cpu, aprNames[1]))];
  }

  /** The list registers in use. A world switch writes them all, one by one, and nearly always most are empty. */
  private entries(cpu: number): ListEntry[] {
    const found: ListEntry[] = [];
    for (let n = 0; n < LIST_REGISTERS; n++) {
      const value = this.bus.readSysreg(cpu, lrNames[n]!);
      if (value & IN_USE) found.push(entryOf(n, value));
    }
    return found;
  }

  private acknowledge(cpu: number, next: ListEntry | undefined): bigint {
    if (!next) return BigInt(SPURIOUS);
    // INTIDs 1020-1023 mean something else in IAR: such an entry is dropped (IHI 0069 12.3.8).
    if (isSpecial(next.intid)) {
      this.bus.writeSysreg(cpu, lrNames[next.n]!, next.value & ~PENDING);
      return next.intid;
    }
    this.bus.writeSysreg(cpu, lrNames[next.n]!, (next.value & ~PENDING) | ACTIVE);
    const level = (next.priority & groupPriorityMask(this.settings(cpu), next.group)) >> (8 - preemptionBits);
    const old = this.active(cpu)[next.group];
    this.bus.writeSysreg(cpu, aprNames[next.group], BigInt((old | (1 << level)) >>> 0));
    return next.intid;
  }

  private endOfInterrupt(cpu: number, intid: bigint, group: Group): void {
    if (isSpecial(intid)) return;
    const [ap0, ap1] = this.active(cpu);
    if ((ap0 | ap1) === 0) return;
    const dropped = runningPriority([ap0, ap1]);
    const from: Group = ap0 !== 0 && (ap1 === 0 || lowestBit(ap0) <= lowestBit(ap1)) ? 0 : 1;
    const word = from === 0 ? ap0 : ap1;
    this.bus.writeSysreg(cpu, aprNames[from], BigInt((word & (word - 1)) >>> 0));
    if (this.get(cpu, 'splitEoi')) return;
    const entry = this.find(cpu, intid);
    if (!entry) return intid < FIRST_LPI ? this.countEoi(cpu) : undefined;
    const mask = groupPriorityMask(this.settings(cpu), entry.group);
    if (entry.group === group && (entry.priority & mask) === dropped) this.deactivate(cpu, entry);
  }

  private deactivateByGuest(cpu: number, intid: bigint): void {
    // LPIs have no active state of their own, and 1020-1023 name nothing.
    if (!this.get(cpu, 'splitEoi') || intid >= 1020n) return;
    const entry = this.find(cpu, intid);
    if (entry) this.deactivate(cpu, entry);
    else this.countEoi(cpu);
  }

  private find(cpu: number, intid: bigint): ListEntry | undefined {
    return this.entries(cpu).find((e) => e.value & ACTIVE && e.intid === intid);
  }

  /** An EOI for an interrupt that is in no list register: the hypervisor learns the number of them. */
  private countEoi(cpu: number): void {
    const hcr = this.bus.readSysreg(cpu, 'ICH_HCR_EL2');
    const count = (hcr + EOI_COUNT) & EOI_COUNT_MASK;
    this.bus.writeSysreg(cpu, 'ICH_HCR_EL2', (hcr & ~EOI_COUNT_MASK) | count);
  }

  /** Ends the entry; if it stands for a physical interrupt (HW), that one as well. */
  private deactivate(cpu: number, e: ListEntry): void {
    this.bus.writeSysreg(cpu, lrNames[e.n]!, e.value & ~ACTIVE);
    if (e.value & HW) this.irqs.deactivate(Number((e.value >> 32n) & 0x1fffn), cpu);
  }
}

/** LPIs have no active state that a list register could have lost. */
const FIRST_LPI = 8192n;

/** INTIDs 1020-1023 name no interrupt. */
const isSpecial = (intid: bigint): boolean => intid >= 1020n && intid <= 1023n;

const atLeast = (v: bigint, least: number): bigint => (v < BigInt(least) ? BigInt(least) : v);
