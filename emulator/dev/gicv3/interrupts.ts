/**
 * The interrupts of a GICv3 and what each CPU should be told about: state and rules that the distributor, the
 * redistributors and the CPU interfaces share. Affinity routing is always on (GICD_CTLR.ARE = 1). There is one security
 * state (DS = 1), or there are two: then group 1 is Non-secure state's, and Secure state has a group 1 of its own.
 * Source: Arm IHI 0069 (GIC architecture specification, GICv3), chapter 4.
 */
import { BankedInterrupts, emptyBank, pendingOf, type Bank } from './banks';
import type { Security } from './security';

/** Group 0, group 1, and group 1 of Secure state where there are two. */
export type Group = 0 | 1 | 2;

/** GICD state: SPIs from INTID 32. */
export interface DistributorState {
  /** GICD_CTLR: bit n enables group n. */
  enableGroups: number;
  banks: Bank[];
  /** GICD_IROUTER, indexed by INTID - 32. */
  route: bigint[];
}

/** One CPU's redistributor (SGIs and PPIs, INTID 0-31) and physical CPU interface. */
export interface RedistributorState {
  /** GICR_WAKER.ProcessorSleep. */
  sleep: boolean;
  bank: Bank;
  cpu: CpuInterfaceState;
}

export interface CpuInterfaceState {
  pmr: number;
  /** Binary points by group. */
  bpr: number[];
  /** ICC_IGRPEN0, ICC_IGRPEN1: by group. */
  groupEnable: boolean[];
  /** ICC_CTLR_EL1.CBPR and EOImode. */
  commonBpr: boolean;
  splitEoi: boolean;
  /** ICC_AP0R0, ICC_AP1R0 by group: one bit for each active preemption level. */
  activePriorities: number[];
  /** With two security states: the settings of Secure state and of EL3, those above being Non-secure state's. */
  secure?: { commonBpr: boolean; splitEoi: boolean; splitEoiEl3: boolean };
}

/** INTIDs 0-255: as many as the board's GICD_TYPER.ITLinesNumber = 7 says. */
export const intids = 256;
/** ICC_IAR: no pending interrupt of that group with sufficient priority. */
export const SPURIOUS = 1023;
/** Implemented priority bits that can preempt: 5, as on cortex-a57. */
export const preemptionBits = 5;
/** Priority of an idle CPU: lower than any interrupt. */
export const IDLE = 0xff;

/** An interrupt that a CPU could be sent. */
export interface Candidate {
  readonly intid: number;
  readonly group: Group;
  readonly priority: number;
}

/** Nothing pending: an INTID and priority that lose every comparison. */
const none: Candidate = { intid: SPURIOUS, group: 0, priority: 0x100 };

/** Affinity of a CPU in the layout of IROUTER and of GICR_TYPER[63:32]: 16 CPUs to a cluster (MPIDR of the board). */
export function affinityOf(cpu: number): number {
  return (cpu & 0xf) | ((cpu >> 4) << 8);
}

/** The state of all interrupts, and a hook that hears of every change that may alter what a CPU is told. */
export class Interrupts extends BankedInterrupts {
  readonly distributor: DistributorState;
  readonly redistributors: { cpus: RedistributorState[] };
  /** GICD_CTLR.DS = 0. */
  readonly twoStates: boolean;

  /** `strict`: a redistributor forwards nothing while GICR_WAKER.ProcessorSleep is set, as the architecture says; QEMU does. */
  constructor(
    readonly cpus: number,
    private readonly strict = false,
    security: Security = 'none',
  ) {
    super();
    this.twoStates = security !== 'none';
    const spis = intids - 32;
    this.distributor = {
      enableGroups: 0,
      banks: Array.from({ length: spis / 32 }, emptyBank),
      route: new Array<bigint>(spis).fill(0n),
    };
    this.redistributors = { cpus: Array.from({ length: cpus }, () => newRedistributor(this.twoStates)) };
    if (security !== 'handed over') return;
    // Firmware has put all interrupts into Non-secure group 1, and has woken the redistributors.
    for (const bank of this.distributor.banks) bank.group = 0xffffffff;
    for (const r of this.redistributors.cpus) {
      r.bank.group = 0xffffffff;
      r.sleep = false;
    }
  }

  redistributor(cpu: number): RedistributorState {
    const r = this.redistributors.cpus[cpu];
    if (!r) throw new Error(`there is no CPU ${cpu}`);
    return r;
  }

  /** The bank that holds an INTID as this CPU sees it; undefined for numbers that do not exist. */
  bankOf(intid: number, cpu: number): Bank | undefined {
    return intid < 32 ? this.redistributor(cpu).bank : this.distributor.banks[(intid >> 5) - 1];
  }

  /** Makes an SGI pending at a CPU if it belongs to that group there; Secure group 1 reaches group 0 as well. */
  sendSgi(intid: number, cpu: number, group: Group): void {
    const bank = this.redistributor(cpu).bank;
    const its = groupOf(bank, intid);
    if (its !== group && !(group === 2 && its === 0)) return;
    bank.pending = (bank.pending | (1 << intid)) >>> 0;
    this.changed(cpu);
  }

  /** Pending to active: what an acknowledge does to the interrupt. A level interrupt stays pending while its wire is up. */
  activate(intid: number, cpu: number): void {
    const bank = this.bankOf(intid, cpu);
    if (!bank) return;
    const bit = 1 << (intid & 31);
    bank.active = (bank.active | bit) >>> 0;
    bank.pending = (bank.pending & ~bit) >>> 0;
    this.hasChanged(intid, cpu);
  }

  /** The CPU to which an SPI goes; undefined when its route names no CPU of this board. */
  target(spi: number): number | undefined {
    const route = this.distributor.route[spi] ?? 0n;
    // Interrupt_Routing_Mode 1 lets the hardware choose: this one chooses CPU 0.
    if ((route >> 31n) & 1n) return 0;
    if (route >> 32n || (route >> 16n) & 0xffn) return undefined;
    const cpu = Number(((route >> 8n) & 0xffn) * 16n + (route & 0xffn));
    return (route & 0xffn) < 16n && cpu < this.cpus ? cpu : undefined;
  }

  /**
   * The interrupt with the highest priority among those pending, enabled, not active, and in a group that is enabled
   * here and in GICD_CTLR. Equal priorities: the lowest INTID. Its intid is SPURIOUS when there is none.
   */
  highestPending(cpu: number): Candidate {
    const r = this.redistributor(cpu);
    const groups = this.distributor.enableGroups;
    const open = (g: Group): number => ((groups >> g) & 1 && r.cpu.groupEnable[g] ? 0xffffffff : 0);
    const masks = [open(0), open(1), open(2)] as const;
    if ((!masks[0] && !masks[1] && !masks[2]) || (this.strict && r.sleep)) return none;
    let best = none;
    for (let b = 0; b < intids / 32; b++) {
      const bank = b === 0 ? r.bank : this.distributor.banks[b - 1];
      if (!bank) continue;
      const zero = (bank.modifier & masks[2]) | (~bank.modifier & masks[0]);
      const allowed = (bank.group & masks[1]) | (~bank.group & zero);
      let rest = pendingOf(bank) & bank.enable & ~bank.active & allowed;
      while (rest !== 0) {
        const n = 31 - Math.clz32(rest & -rest);
        rest &= rest - 1;
        const priority = bank.priority[n] ?? 0;
        if (priority >= best.priority) continue;
        if (b > 0 && this.target((b - 1) * 32 + n) !== cpu) continue;
        best = { intid: b * 32 + n, group: groupOf(bank, n), priority };
      }
    }
    return best;
  }
}

/** The group of an interrupt of a bank. */
export function groupOf(bank: Bank, intid: number): Group {
  const n = intid & 31;
  return (bank.group >>> n) & 1 ? 1 : (bank.modifier >>> n) & 1 ? 2 : 0;
}

function newRedistributor(twoStates: boolean): RedistributorState {
  return {
    sleep: true,
    // SGIs are always edge-triggered (GICR_ICFGR0).
    bank: { ...emptyBank(), edge: 0xffff },
    cpu: newCpuInterface(twoStates),
  };
}

/** A physical CPU interface after reset. */
export function newCpuInterface(twoStates = false): CpuInterfaceState {
  const least = 7 - preemptionBits;
  const groups = <T>(zero: T, one: T, secure: T): T[] => [zero, one, ...(twoStates ? [secure] : [])];
  return {
    pmr: 0,
    bpr: groups(least, least + 1, least),
    groupEnable: groups(false, false, false),
    commonBpr: false,
    splitEoi: false,
    activePriorities: groups(0, 0, 0),
    ...(twoStates ? { secure: { commonBpr: false, splitEoi: false, splitEoiEl3: false } } : {}),
  };
}
