/**
 * What the physical (GICC) and the virtual (GICV) CPU interface have in common: the same registers at the same offsets
 * over two kinds of state (Arm IHI 0048B 4.4 and 5.5).
 */
import type { Device } from '../../core/device';
import { SPURIOUS } from '../gicv3/interrupts';
import type { Register } from '../gicv3/cpu-interface';
import type { Candidate } from './interrupts';

/** GICC_CTLR, GICV_CTLR. */
export const Control = {
  enableGroup0: 1,
  enableGroup1: 2,
  /** A read of IAR acknowledges group 1 too. */
  ackCtl: 4,
  /** Group 0 is signalled by FIQ. */
  fiq: 8,
  /** Group 1 uses the binary point of group 0. */
  commonBpr: 0x10,
  /** EOIR drops the priority only, DIR deactivates. */
  splitEoi: 0x200,
} as const;
const CONTROL_MASK = 0x21f;

/** IAR, HPPIR: a group 1 interrupt waits, which needs AckCtl or the aliased register. */
const OTHER_GROUP = 1022;
/** The distributor's numbers end here; 1020-1023 mean something else. */
const SPECIAL = 1020;
/** No priority is active. */
export const IDLE = 0x100;

/** Settings of an interface that software makes. */
export interface Settings {
  control: number;
  pmr: number;
  bpr: number;
  abpr: number;
}

/** One of the two interfaces, by its state. */
export interface Side {
  readonly prefix: 'GICC' | 'GICV';
  /** The smallest binary point of group 0; that of group 1 is one more. */
  readonly minBpr: number;
  /** Priority bits that exist. */
  readonly priorityMask: number;
  settings(cpu: number): Settings;
  /** The interrupt of highest priority that is pending, whatever the settings. */
  highest(cpu: number): Candidate;
  /** Priority of the highest active level; IDLE when none is. */
  running(cpu: number): number;
  /** Makes a pending interrupt active at a priority. @returns what IAR reads */
  accept(cpu: number, next: Candidate, priority: number): number;
  /** What IAR would read for it. */
  name(cpu: number, next: Candidate): number;
  /** EOIR: drops the priority and, unless `split`, deactivates. */
  end(cpu: number, value: number, split: boolean): void;
  deactivate(cpu: number, value: number): void;
  groupOf(cpu: number, intid: number): 0 | 1;
  changed(cpu: number): void;
}

/** The settings of an interface after reset. */
export const newSettings = (minBpr: number): Settings => ({
  control: 0,
  pmr: 0,
  bpr: minBpr,
  abpr: minBpr + 1,
});

/** The priority bits that decide preemption by an interrupt of a group. */
function priorityBits(s: Settings, group: 0 | 1): number {
  const shift = group === 1 && !(s.control & Control.commonBpr) ? s.abpr : s.bpr + 1;
  return (0xff << shift) & 0xff;
}

const groupEnabled = (s: Settings, group: 0 | 1): boolean =>
  (s.control & (group === 0 ? Control.enableGroup0 : Control.enableGroup1)) !== 0;

/** The pending interrupt of highest priority, if its group is enabled and it passes the priority mask. */
function unmasked(side: Side, cpu: number): Candidate | undefined {
  const s = side.settings(cpu);
  const next = side.highest(cpu);
  return next.priority < s.pmr && groupEnabled(s, next.group) ? next : undefined;
}

function preempts(side: Side, cpu: number, next: Candidate): boolean {
  const running = side.running(cpu);
  const bits = priorityBits(side.settings(cpu), next.group);
  return running === IDLE || (next.priority & bits) < (running & bits);
}

/** The lines that an interface drives. */
export function linesOf(side: Side, cpu: number): { irq: boolean; fiq: boolean } {
  const next = unmasked(side, cpu);
  if (!next || !preempts(side, cpu, next)) return { irq: false, fiq: false };
  const fiq = next.group === 0 && (side.settings(cpu).control & Control.fiq) !== 0;
  return { irq: !fiq, fiq };
}

/** A register in a window. */
export interface WindowRegister extends Register {
  readonly at: number;
}

/** The registers of an interface by name. */
export function interfaceRegisters(side: Side): Record<string, WindowRegister> {
  const { prefix } = side;
  /** Which of the pending interrupts a register names: the plain ones show group 1 with AckCtl only. */
  const visible = (cpu: number, next: Candidate | undefined, aliased: boolean): Candidate | number => {
    if (!next || next.intid === SPURIOUS) return SPURIOUS;
    if (aliased) return next.group === 1 ? next : SPURIOUS;
    return next.group === 0 || side.settings(cpu).control & Control.ackCtl ? next : OTHER_GROUP;
  };
  const named = (cpu: number, found: Candidate | number): bigint =>
    BigInt(typeof found === 'number' ? found : side.name(cpu, found));
  /** What IAR names: 1022 tells of the other group's interrupt even while it has to wait. */
  const next = (cpu: number, aliased: boolean): Candidate | number => {
    const found = visible(cpu, unmasked(side, cpu), aliased);
    return typeof found === 'number' || preempts(side, cpu, found) ? found : SPURIOUS;
  };
  const acknowledge = (at: number, aliased: boolean): WindowRegister => ({
    at,
    read: (cpu) => {
      const found = next(cpu, aliased);
      if (typeof found === 'number') return BigInt(found);
      const value = side.accept(cpu, found, found.priority & priorityBits(side.settings(cpu), found.group));
      side.changed(cpu);
      return BigInt(value);
    },
    peek: (cpu) => named(cpu, next(cpu, aliased)),
  });
  const pending = (at: number, aliased: boolean): WindowRegister => ({
    at,
    read: (cpu) => {
      const next = side.highest(cpu);
      const enabled = groupEnabled(side.settings(cpu), next.group);
      return named(cpu, visible(cpu, enabled ? next : undefined, aliased));
    },
  });
  const end = (at: number, aliased: boolean): WindowRegister => ({
    at,
    write: (cpu, v) => {
      const value = Number(v & 0x1fffn);
      if ((value & 0x3ff) >= SPECIAL || (aliased && side.groupOf(cpu, value & 0x3ff) === 0)) return;
      if (side.running(cpu) === IDLE && side.prefix === 'GICC') return;
      side.end(cpu, value, (side.settings(cpu).control & Control.splitEoi) !== 0);
      side.changed(cpu);
    },
  });
  const setting = (at: number, name: keyof Settings, legal: (v: number) => number): WindowRegister => ({
    at,
    read: (cpu) => BigInt(side.settings(cpu)[name]),
    write: (cpu, v) => {
      side.settings(cpu)[name] = legal(Number(v & 0xffffn));
      side.changed(cpu);
    },
  });
  return {
    [`${prefix}_CTLR`]: setting(0, 'control', (v) => v & CONTROL_MASK),
    [`${prefix}_PMR`]: setting(4, 'pmr', (v) => v & side.priorityMask),
    [`${prefix}_BPR`]: setting(8, 'bpr', (v) => Math.max(v & 7, side.minBpr)),
    [`${prefix}_IAR`]: acknowledge(0xc, false),
    [`${prefix}_EOIR`]: end(0x10, false),
    [`${prefix}_RPR`]: { at: 0x14, read: (cpu) => BigInt(Math.min(side.running(cpu), 0xff)) },
    [`${prefix}_HPPIR`]: pending(0x18, false),
    [`${prefix}_ABPR`]: setting(0x1c, 'abpr', (v) => Math.max(v & 7, side.minBpr + 1)),
    [`${prefix}_AIAR`]: acknowledge(0x20, true),
    [`${prefix}_AEOIR`]: end(0x24, true),
    [`${prefix}_AHPPIR`]: pending(0x28, true),
    // Implementer Arm, architecture version 2.
    [`${prefix}_IIDR`]: { at: 0xfc, read: () => 0x2043bn },
    [`${prefix}_DIR`]: {
      at: 0x1000,
      write: (cpu, v) => {
        const value = Number(v & 0x1fffn);
        // Without EOImode the write is UNPREDICTABLE: here it does nothing.
        if ((value & 0x3ff) >= SPECIAL || !(side.settings(cpu).control & Control.splitEoi)) return;
        side.deactivate(cpu, value);
        side.changed(cpu);
      },
    },
  };
}

/** A window of 32-bit registers that each CPU has for itself. */
export class RegisterWindow implements Device {
  private readonly byOffset: ReadonlyMap<number, WindowRegister>;

  constructor(
    readonly name: string,
    readonly size: number,
    readonly state: object,
    readonly registers: Readonly<Record<string, WindowRegister>>,
    private readonly recompute: () => void,
  ) {
    this.byOffset = new Map(Object.values(registers).map((r) => [r.at, r]));
  }

  read(offset: number, bytes: number, cpu: number): bigint {
    return (bytes === 4 ? this.byOffset.get(offset)?.read?.(cpu) : undefined) ?? 0n;
  }

  /** That of CPU 0. */
  peek(offset: number, bytes: number): bigint {
    const r = bytes === 4 ? this.byOffset.get(offset) : undefined;
    return (r?.peek ?? r?.read)?.(0) ?? 0n;
  }

  write(offset: number, bytes: number, value: bigint, cpu: number): boolean {
    if (bytes === 4) this.byOffset.get(offset)?.write?.(cpu, value);
    return true;
  }

  restored(): void {
    this.recompute();
  }
}
