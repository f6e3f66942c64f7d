/**
 * The interrupts of a GICv2 and what each CPU should be told about: state and rules that the distributor and the CPU
 * interfaces share. No Security Extensions: both groups are everybody's.
 * Source: Arm IHI 0048B (GIC architecture specification, GICv2), chapters 3 and 4.
 */
import { BankedInterrupts, emptyBank, pendingOf, type Bank } from '../gicv3/banks';
import { SPURIOUS } from '../gicv3/interrupts';

/** SGIs and PPIs of one CPU (INTID 0-31). */
export interface PrivateState {
  bank: Bank;
  /** For each SGI the CPUs, a bit each, that have sent it and are not served yet; bank.pending follows from it. */
  sources: number[];
}

/** GICD state. */
export interface DistributorState {
  /** GICD_CTLR.EnableGrp0 (bit 0) and EnableGrp1 (bit 1). */
  enableGroups: number;
  /** SPIs from INTID 32 on. */
  banks: Bank[];
  /** GICD_ITARGETSR, indexed by INTID - 32: a bit for each CPU. */
  targets: number[];
  privates: PrivateState[];
}

/** INTIDs 0-287: as many as the board's GICD_TYPER.ITLinesNumber = 8 says. */
export const intids = 288;
/** CPUs that the one byte of a target list has room for. */
export const MAX_CPUS = 8;

/** An interrupt that a CPU could be sent. */
export interface Candidate {
  readonly intid: number;
  readonly group: 0 | 1;
  readonly priority: number;
}

const none: Candidate = { intid: SPURIOUS, group: 0, priority: 0x100 };
/** The INTIDs of SGIs, as bits of bank 0. */
const SGIS = 0xffff;

export class Interrupts extends BankedInterrupts {
  readonly distributor: DistributorState;

  constructor(readonly cpus: number) {
    super();
    if (cpus > MAX_CPUS) throw new Error(`A GICv2 serves 1 to ${MAX_CPUS} CPUs, not ${cpus}.`);
    const spis = intids - 32;
    this.distributor = {
      enableGroups: 0,
      banks: Array.from({ length: spis / 32 }, emptyBank),
      // The only CPU there is gets everything, and the registers read as zero (IHI 0048 4.3.12).
      targets: new Array<number>(spis).fill(cpus === 1 ? 1 : 0),
      privates: Array.from({ length: cpus }, () => ({
        bank: { ...emptyBank(), enable: SGIS, edge: SGIS },
        sources: new Array<number>(16).fill(0),
      })),
    };
  }

  private own(cpu: number): PrivateState {
    const p = this.distributor.privates[cpu];
    if (!p) throw new Error(`there is no CPU ${cpu}`);
    return p;
  }

  /** The bank with this number as a CPU sees it; undefined for numbers that do not exist. */
  bank(n: number, cpu: number): Bank | undefined {
    return n === 0 ? this.own(cpu).bank : this.distributor.banks[n - 1];
  }

  bankOf(intid: number, cpu: number): Bank | undefined {
    return this.bank(intid >> 5, cpu);
  }

  /** After a write to bank 0: SGIs are always enabled and edge-triggered, and pending by their sources alone. */
  settlePrivate(cpu: number): void {
    const { bank, sources } = this.own(cpu);
    bank.enable = (bank.enable | SGIS) >>> 0;
    bank.edge = (bank.edge | SGIS) >>> 0;
    const sent = sources.reduce((bits, from, n) => (from ? bits | (1 << n) : bits), 0);
    bank.pending = ((bank.pending & ~SGIS) | sent) >>> 0;
  }

  /** CPUs that have sent an SGI to this one, a bit each. */
  sources(sgi: number, cpu: number): number {
    return this.own(cpu).sources[sgi] ?? 0;
  }

  setSources(sgi: number, cpu: number, from: number): void {
    this.own(cpu).sources[sgi] = from & (2 ** this.cpus - 1);
    this.settlePrivate(cpu);
  }

  /** CPU `from` sends an SGI to the CPUs of a list. */
  sendSgi(sgi: number, from: number, targets: number): void {
    for (let cpu = 0; cpu < this.cpus; cpu++)
      if ((targets >> cpu) & 1) this.setSources(sgi, cpu, this.sources(sgi, cpu) | (1 << from));
    this.changed();
  }

  /**
   * Pending to active: what an acknowledge does. Of an SGI that several CPUs have sent, one is served (the lowest number
   * first) and the others stay pending. @returns what GICC_IAR reads: the INTID, and for an SGI its sender
   */
  activate(intid: number, cpu: number): number {
    const bank = this.bankOf(intid, cpu);
    if (!bank) return intid;
    const bit = 1 << (intid & 31);
    bank.active = (bank.active | bit) >>> 0;
    let value = intid;
    if (intid < 16) {
      const from = this.sources(intid, cpu);
      value |= (31 - Math.clz32(from & -from)) << 10;
      this.setSources(intid, cpu, from & (from - 1));
    } else bank.pending = (bank.pending & ~bit) >>> 0;
    this.hasChanged(intid, cpu);
    return value;
  }

  groupOf(intid: number, cpu: number): 0 | 1 {
    return (((this.bankOf(intid, cpu)?.group ?? 0) >>> (intid & 31)) & 1) as 0 | 1;
  }

  /**
   * The interrupt with the highest priority among those pending, enabled, not active, targeted at this CPU, and in a
   * group that GICD_CTLR enables. Equal priorities: the lowest INTID. Its intid is SPURIOUS when there is none.
   */
  highestPending(cpu: number): Candidate {
    const groups = this.distributor.enableGroups;
    const open = (g: 0 | 1): number => ((groups >> g) & 1 ? 0xffffffff : 0);
    const masks = [open(0), open(1)] as const;
    if (!groups) return none;
    let best = none;
    for (let b = 0; b < intids / 32; b++) {
      const bank = this.bank(b, cpu);
      if (!bank) continue;
      const allowed = (bank.group & masks[1]) | (~bank.group & masks[0]);
      let rest = pendingOf(bank) & bank.enable & ~bank.active & allowed;
      while (rest !== 0) {
        const n = 31 - Math.clz32(rest & -rest);
        rest &= rest - 1;
        const priority = bank.priority[n] ?? 0;
        if (priority >= best.priority) continue;
        if (b > 0 && !(((this.distributor.targets[(b - 1) * 32 + n] ?? 0) >> cpu) & 1)) continue;
        best = { intid: b * 32 + n, group: ((bank.group >>> n) & 1) as 0 | 1, priority };
      }
    }
    return best;
  }
}
