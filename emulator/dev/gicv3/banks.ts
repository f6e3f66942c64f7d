/**
 * Interrupts in banks of 32, as the registers of a GIC have them: what GICv2 and GICv3 share. Those below INTID 32 are
 * each CPU's own.
 */

/** 32 interrupts with consecutive INTIDs; bit n of a word is INTID first + n. */
export interface Bank {
  /** 1: group 1. */
  group: number;
  /** IGRPMODR: 1 makes group 1 of Secure state of what is in group 0. */
  modifier: number;
  enable: number;
  /** Latched: an edge, or a write to ISPENDR. */
  pending: number;
  active: number;
  /** 1: edge-triggered. */
  edge: number;
  /** The input wires as they are now. */
  line: number;
  priority: number[];
}

/** A bank after reset. */
export function emptyBank(): Bank {
  return {
    group: 0,
    modifier: 0,
    enable: 0,
    pending: 0,
    active: 0,
    edge: 0,
    line: 0,
    priority: new Array<number>(32).fill(0),
  };
}

/** Pending as ISPENDR shows it: latched, or a level interrupt with its wire up. */
export function pendingOf(bank: Bank): number {
  return (bank.pending | (bank.line & ~bank.edge)) >>> 0;
}

/** The banks of all CPUs, and a hook that hears of every change that may alter what a CPU is told. */
export abstract class BankedInterrupts {
  /** Called after a change; the argument is the CPU concerned, or undefined when it may be any. */
  changed: (cpu?: number) => void = () => undefined;

  /** The bank that holds an INTID as a CPU sees it; undefined for numbers that do not exist. */
  abstract bankOf(intid: number, cpu: number): Bank | undefined;

  protected hasChanged(intid: number, cpu: number): void {
    this.changed(intid < 32 ? cpu : undefined);
  }

  /** Moves an input wire. A rising edge is latched where the interrupt is edge-triggered. */
  setLine(intid: number, cpu: number, level: boolean): void {
    const bank = this.bankOf(intid, cpu);
    if (!bank) return;
    const bit = 1 << (intid & 31);
    if (((bank.line & bit) !== 0) === level) return;
    bank.line = (level ? bank.line | bit : bank.line & ~bit) >>> 0;
    if (level) bank.pending = (bank.pending | (bank.edge & bit)) >>> 0;
    this.hasChanged(intid, cpu);
  }

  /** Ends an active interrupt. */
  deactivate(intid: number, cpu: number): void {
    const bank = this.bankOf(intid, cpu);
    if (!bank) return;
    bank.active = (bank.active & ~(1 << (intid & 31))) >>> 0;
    this.hasChanged(intid, cpu);
  }
}
