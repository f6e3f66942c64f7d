/** The physical CPU interfaces (GICC): 8 bits of priority, of which 7 can preempt. */
import { lowestBit } from '../gicv3/priorities';
import type { Register } from '../gicv3/cpu-interface';
import {
  IDLE,
  interfaceRegisters,
  newSettings,
  type Settings,
  type Side,
  type WindowRegister,
} from './cpu-interface';
import type { Candidate, Interrupts } from './interrupts';

/** GICC state of one CPU. */
export interface PhysicalState extends Settings {
  /** GICC_APR0-3 and GICC_NSAPR0-3: a bit for each active preemption level of group 0 and 1. */
  active: [number[], number[]];
}

const MIN_BPR = 0;
/** Words of 32 preemption levels. */
const WORDS = 4;

/** A CPU's interface after reset. */
export const newPhysical = (): PhysicalState => ({
  ...newSettings(MIN_BPR),
  active: [new Array<number>(WORDS).fill(0), new Array<number>(WORDS).fill(0)],
});

export class PhysicalInterface implements Side {
  readonly prefix = 'GICC';
  readonly minBpr = MIN_BPR;
  readonly priorityMask = 0xff;
  readonly state: { cpus: PhysicalState[] };
  readonly registers: Readonly<Record<string, WindowRegister>>;

  constructor(private readonly irqs: Interrupts) {
    this.state = { cpus: Array.from({ length: irqs.cpus }, newPhysical) };
    const active = (group: 0 | 1, n: number): Register => ({
      read: (cpu) => BigInt(this.settings(cpu).active[group][n] ?? 0),
      write: (cpu, v) => {
        this.settings(cpu).active[group][n] = Number(v & 0xffffffffn);
        this.changed(cpu);
      },
    });
    const names = ['GICC_APR', 'GICC_NSAPR'] as const;
    this.registers = {
      ...interfaceRegisters(this),
      ...Object.fromEntries(
        names.flatMap((name, group) =>
          Array.from({ length: WORDS }, (_, n) => [
            `${name}${n}`,
            { at: 0xd0 + 0x10 * group + 4 * n, ...active(group as 0 | 1, n) },
          ]),
        ),
      ),
    };
  }

  settings(cpu: number): PhysicalState {
    const s = this.state.cpus[cpu];
    if (!s) throw new Error(`there is no CPU ${cpu}`);
    return s;
  }

  highest(cpu: number): Candidate {
    return this.irqs.highestPending(cpu);
  }

  running(cpu: number): number {
    const [group0, group1] = this.settings(cpu).active;
    for (let n = 0; n < WORDS; n++) {
      const word = group0[n]! | group1[n]!;
      if (word) return (32 * n + lowestBit(word)) << (MIN_BPR + 1);
    }
    return IDLE;
  }

  accept(cpu: number, next: Candidate, priority: number): number {
    const level = priority >> (MIN_BPR + 1);
    const words = this.settings(cpu).active[next.group];
    words[level >> 5] = (words[level >> 5]! | (1 << (level & 31))) >>> 0;
    return this.irqs.activate(next.intid, cpu);
  }

  name(cpu: number, { intid }: Candidate): number {
    return intid < 16 ? intid | (lowestBit(this.irqs.sources(intid, cpu)) << 10) : intid;
  }

  end(cpu: number, value: number, split: boolean): void {
    const intid = value & 0x3ff;
    const words = this.settings(cpu).active[this.groupOf(cpu, intid)];
    const n = words.findIndex((w) => w !== 0);
    if (n >= 0) words[n] = (words[n]! & (words[n]! - 1)) >>> 0;
    if (!split) this.irqs.deactivate(intid, cpu);
  }

  deactivate(cpu: number, value: number): void {
    this.irqs.deactivate(value & 0x3ff, cpu);
  }

  groupOf(cpu: number, intid: number): 0 | 1 {
    return this.irqs.groupOf(intid, cpu);
  }

  changed(cpu: number): void {
    this.irqs.changed(cpu);
  }
}
