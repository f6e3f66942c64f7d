/**
 * Counts how often FP and SIMD registers go to memory and come back, by host or hypervisor. A save begins with
 * `stp q0, q1`, a load with `ldp q0, q1`: every such instruction outside of the guests' code is found in the program and
 * watched, whatever routine it belongs to; its address says whose registers they are.
 */
import type { Rig } from '../rig';
import { state } from '../../../emulator/isa/a64/state';

export interface FpMove {
  readonly what: 'save' | 'load';
  /** What the memory belongs to. */
  readonly whose: string;
  readonly cpu: number;
  readonly el: number;
  readonly time: bigint;
  /** The physical address of the 512 bytes. */
  readonly pa: bigint;
}

/** LDP and STP of Q0 and Q1: Arm ARM DDI 0487 C7.2.193 and C7.2.357, any addressing mode. */
const PAIR = { mask: 0xfe00_7c1f, value: 0xac00_0400, load: 1 << 22, offset: 15, base: 5 } as const;

export class FpMoves {
  readonly moves: FpMove[] = [];

  /** `whose` names what lies at a physical address. Sections whose names begin with `.guest` are left out. */
  constructor(
    private readonly rig: Rig,
    private readonly whose: (pa: bigint) => string,
  ) {
    for (const section of rig.program.sections.filter((s) => (s.flags & 4) !== 0)) {
      if (section.name.startsWith('.guest')) continue;
      const words = Buffer.from(section.content);
      for (let at = 0; at + 4 <= words.length; at += 4) {
        const word = words.readUInt32LE(at);
        if ((word & PAIR.mask) >>> 0 !== PAIR.value) continue;
        rig.breakAt(section.address + BigInt(at), (cpu) => this.note(cpu, word));
      }
    }
  }

  private note(cpu: number, word: number): void {
    const { view, machine } = this.rig;
    const mode = (word >>> 23) & 3;
    const imm = BigInt((((word >>> PAIR.offset) & 0x7f) << 25) >> 25) * 16n;
    const base = machine.state.get(cpu, state.x, (word >>> PAIR.base) & 31);
    const pa = view.physical(cpu, mode === 1 ? base : base + imm) ?? 0n;
    this.moves.push({
      what: word & PAIR.load ? 'load' : 'save',
      whose: this.whose(pa),
      cpu,
      el: view.el(cpu),
      time: machine.now(),
      pa,
    });
  }

  /** `save host 1, load vcpu 0 2`: how often each happened since move number `from`. */
  summary(from = 0): string {
    const counts = new Map<string, number>();
    for (const m of this.moves.slice(from)) {
      const key = `${m.what} ${m.whose}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    return [...counts]
      .map(([key, n]) => `${key}: ${n}`)
      .sort()
      .join(', ');
  }
}
