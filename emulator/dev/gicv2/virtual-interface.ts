/**
 * The virtualization extensions (IHI 0048B chapter 5): GICH, by which a hypervisor fills list registers, and GICV, the
 * CPU interface that its guest finds in place of GICC. Both look at the same state.
 */
import { SPURIOUS } from '../gicv3/interrupts';
import { lowestBit } from '../gicv3/priorities';
import {
  IDLE,
  interfaceRegisters,
  linesOf,
  newSettings,
  type Settings,
  type Side,
  type WindowRegister,
} from './cpu-interface';
import type { Candidate, Interrupts } from './interrupts';

/** Number of list registers (GICH_VTR.ListRegs + 1). */
export const LIST_REGISTERS = 4;
const MIN_BPR = 2;

/** State of one CPU. */
export interface VirtualState extends Settings {
  hcr: number;
  /** GICH_APR: a bit for each active preemption level, of both groups. */
  active: number;
  lr: number[];
}

/** GICH_LR<n>, 5.3.9. */
const Lr = { pending: 1 << 28, active: 1 << 29, group1: 1 << 30, hw: 1 << 31, eoi: 1 << 19 } as const;
const LR_MASK = 0xff8fffff;
const virtualId = (lr: number): number => lr & 0x3ff;
const isPending = (lr: number): boolean => (lr & (Lr.pending | Lr.active)) === Lr.pending;
const isValid = (lr: number): boolean => (lr & (Lr.pending | Lr.active)) !== 0;
/** An empty one that asks for a maintenance interrupt. */
const asksForEoi = (lr: number): boolean => !isValid(lr) && !(lr & Lr.hw) && (lr & Lr.eoi) !== 0;

/** GICH_HCR, 5.3.1. */
const Hcr = { en: 1, uie: 2, lrenpie: 4, npie: 8, groups: 0xf0 } as const;
const EOI_COUNT = 1 << 27;
const HCR_MASK = 0xf80000ff;

/** A virtual interrupt and the list register that it is in. */
interface VirtualCandidate extends Candidate {
  readonly n: number;
}
const none: VirtualCandidate = { intid: SPURIOUS, group: 0, priority: 0x100, n: -1 };

/** A CPU's virtual interface after reset. */
export const newVirtual = (): VirtualState => ({
  ...newSettings(MIN_BPR),
  hcr: 0,
  active: 0,
  lr: new Array<number>(LIST_REGISTERS).fill(0),
});

export class VirtualInterface implements Side {
  readonly prefix = 'GICV';
  readonly minBpr = MIN_BPR;
  readonly priorityMask = 0xf8;
  readonly state: { cpus: VirtualState[] };
  /** GICV. */
  readonly guest: Readonly<Record<string, WindowRegister>>;
  /** GICH. */
  readonly hypervisor: Readonly<Record<string, WindowRegister>>;

  /** `changed` is told of each CPU whose virtual lines may have to change. */
  constructor(
    private readonly irqs: Interrupts,
    readonly changed: (cpu: number) => void,
  ) {
    this.state = { cpus: Array.from({ length: irqs.cpus }, newVirtual) };
    const active = this.stored(
      0xd0,
      (s) => s.active,
      (s, v) => (s.active = v),
    );
    this.guest = { ...interfaceRegisters(this), GICV_APR0: active };
    this.hypervisor = this.hypervisorRegisters({ ...active, at: 0xf0 });
  }

  settings(cpu: number): VirtualState {
    const s = this.state.cpus[cpu];
    if (!s) throw new Error(`there is no CPU ${cpu}`);
    return s;
  }

  highest(cpu: number): VirtualCandidate {
    const { hcr, lr } = this.settings(cpu);
    let best = none;
    if (!(hcr & Hcr.en)) return best;
    lr.forEach((value, n) => {
      const priority = ((value >>> 23) & 0x1f) << 3;
      if (!isPending(value) || priority >= best.priority) return;
      best = { intid: virtualId(value), group: value & Lr.group1 ? 1 : 0, priority, n };
    });
    return best;
  }

  running(cpu: number): number {
    const { active } = this.settings(cpu);
    return active === 0 ? IDLE : lowestBit(active) << (MIN_BPR + 1);
  }

  accept(cpu: number, next: Candidate, priority: number): number {
    const s = this.settings(cpu);
    const { n } = this.highest(cpu);
    s.active = (s.active | (1 << (priority >> (MIN_BPR + 1)))) >>> 0;
    const value = this.name(cpu, next);
    s.lr[n] = ((s.lr[n]! & ~Lr.pending) | Lr.active) >>> 0;
    return value;
  }

  /** With the sender of a software interrupt, which is in the place of the physical number. */
  name(cpu: number, { intid }: Candidate): number {
    const lr = this.settings(cpu).lr[this.highest(cpu).n] ?? 0;
    return intid < 16 ? intid | (((lr >>> 10) & 7) << 10) : intid;
  }

  end(cpu: number, value: number, split: boolean): void {
    const s = this.settings(cpu);
    const dropped = s.active !== 0;
    s.active = (s.active & (s.active - 1)) >>> 0;
    if (split) return;
    if (!this.endEntry(cpu, value & 0x3ff) && dropped) this.countEoi(s);
  }

  deactivate(cpu: number, value: number): void {
    if (!this.endEntry(cpu, value & 0x3ff)) this.countEoi(this.settings(cpu));
  }

  groupOf(cpu: number, intid: number): 0 | 1 {
    const entry = this.settings(cpu).lr.find((lr) => isValid(lr) && virtualId(lr) === intid) ?? 0;
    return entry & Lr.group1 ? 1 : 0;
  }

  /** Drives the virtual lines and returns whether the maintenance interrupt is asserted. */
  update(cpu: number, drive: (irq: boolean, fiq: boolean) => void): boolean {
    const { irq, fiq } = linesOf(this, cpu);
    drive(irq, fiq);
    const s = this.settings(cpu);
    return (s.hcr & Hcr.en) !== 0 && maintenanceCauses(s) !== 0;
  }

  /** Ends the active entry with a virtual number, and the physical interrupt behind it. @returns if there is one */
  private endEntry(cpu: number, intid: number): boolean {
    const { lr } = this.settings(cpu);
    const n = lr.findIndex((v) => v & Lr.active && virtualId(v) === intid);
    const value = lr[n];
    if (value === undefined) return false;
    lr[n] = (value & ~Lr.active) >>> 0;
    const physical = (value >>> 10) & 0x3ff;
    // The hardware interrupt is a PPI or SPI: an SGI has no meaning here (5.3.9).
    if (value & Lr.hw && physical >= 16) this.irqs.deactivate(physical, cpu);
    return true;
  }

  /** An EOI for an interrupt that is in no list register: the hypervisor learns the number of them. */
  private countEoi(s: VirtualState): void {
    s.hcr = ((s.hcr + EOI_COUNT) & HCR_MASK) >>> 0;
  }

  private stored(
    at: number,
    get: (s: VirtualState) => number,
    set: (s: VirtualState, v: number) => void,
  ): WindowRegister {
    return {
      at,
      read: (cpu) => BigInt(get(this.settings(cpu)) >>> 0),
      write: (cpu, v) => {
        set(this.settings(cpu), Number(v & 0xffffffffn));
        this.changed(cpu);
      },
    };
  }

  private hypervisorRegisters(active: WindowRegister): Record<string, WindowRegister> {
    const computed = (at: number, of: (s: VirtualState) => number): WindowRegister => ({
      at,
      read: (cpu) => BigInt(of(this.settings(cpu)) >>> 0),
    });
    const lists = Array.from({ length: LIST_REGISTERS }, (_, n): [string, WindowRegister] => [
      `GICH_LR${n}`,
      this.stored(
        0x100 + 4 * n,
        (s) => s.lr[n]!,
        (s, v) => (s.lr[n] = (v & LR_MASK) >>> 0),
      ),
    ]);
    return {
      GICH_HCR: this.stored(
        0,
        (s) => s.hcr,
        (s, v) => (s.hcr = (v & HCR_MASK) >>> 0),
      ),
      // 5 bits of priority and of preemption, 4 list registers.
      GICH_VTR: computed(4, () => 0x90000000 | (LIST_REGISTERS - 1)),
      GICH_VMCR: this.stored(8, vmcrOf, setVmcr),
      GICH_MISR: computed(0x10, maintenanceCauses),
      GICH_EISR0: computed(0x20, (s) => bitsOf(s, asksForEoi)),
      GICH_ELRSR0: computed(0x30, (s) => bitsOf(s, (lr) => !isValid(lr) && !asksForEoi(lr))),
      GICH_APR: active,
      ...Object.fromEntries(lists),
    };
  }
}

const bitsOf = (s: VirtualState, holds: (lr: number) => boolean): number =>
  s.lr.reduce((bits, lr, n) => (holds(lr) ? bits | (1 << n) : bits), 0);

/** GICH_VMCR (5.3.3): the guest's settings in one word. */
const vmcrOf = (s: VirtualState): number =>
  (s.control | (s.abpr << 18) | (s.bpr << 21) | ((s.pmr >> 3) << 27)) >>> 0;

function setVmcr(s: VirtualState, v: number): void {
  s.control = v & 0x21f;
  s.abpr = Math.max((v >>> 18) & 7, MIN_BPR + 1);
  s.bpr = Math.max((v >>> 21) & 7, MIN_BPR);
  s.pmr = (v >>> 27) << 3;
}

/** GICH_MISR (5.3.4): what asks for the hypervisor; all but the EOI cause have an enable bit at their own position. */
function maintenanceCauses(s: VirtualState): number {
  const groups = [s.control & 1, ~s.control & 1, (s.control >> 1) & 1, (~s.control >> 1) & 1];
  const causes = [
    true,
    s.lr.filter(isValid).length <= 1,
    s.hcr >>> 27 !== 0,
    !s.lr.some(isPending),
    ...groups.map(Boolean),
  ].reduce((bits, holds, n) => (holds ? bits | (1 << n) : bits), 0);
  return (causes & s.hcr & ~1) | (s.lr.some(asksForEoi) ? 1 : 0);
}
