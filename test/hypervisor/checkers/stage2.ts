/**
 * What stage 2 lets a guest reach, by a walk of its tables that owes nothing to the emulator's (Arm ARM DDI 0487, "VMSAv8-64
 * translation table format descriptors", 4 KiB granule): never the program, never a device, never a page of another machine.
 */
import type { Moment, Observer, Rig } from '../rig';

const TABLES = 0xffff_ffff_fffen;
const ADDRESS = 0xffff_ffff_f000n;
const RAM = 0x4000_0000n;

/** A run of memory that one guest reaches. */
interface Leaf {
  readonly ipa: bigint;
  readonly pa: bigint;
  readonly size: bigint;
}

/** The leaves of a tree that starts at `level`. */
export function leaves(rig: Rig, table: bigint, level: number, ipa = 0n): Leaf[] {
  const out: Leaf[] = [];
  const entries = Buffer.from(rig.machine.physical.peek(table, 4096));
  const size = 1n << BigInt(39 - 9 * level);
  for (let n = 0; n < 512; n++) {
    const d = entries.readBigUInt64LE(8 * n);
    const at = ipa + BigInt(n) * size;
    if ((d & 1n) === 0n) continue;
    if (level < 3 && d & 2n) out.push(...leaves(rig, d & ADDRESS, level + 1, at));
    else out.push({ ipa: at, pa: d & ADDRESS & ~(size - 1n), size });
  }
  return out;
}

export class Stage2Checker implements Observer {
  readonly name = 'stage2';
  readonly kinds = ['stage2Fault', 'guestEntry'] as const;
  /** Trees that were walked, and how often. */
  readonly walks = new Map<bigint, number>();
  private readonly pages = new Map<bigint, bigint>();
  private readonly stale = new Set<bigint>();
  private readonly program: { readonly from: bigint; readonly to: bigint };

  constructor(private readonly rig: Rig) {
    const loaded = rig.program.sections.filter((s) => s.flags & 2);
    const ends = loaded.map((s) => s.address + BigInt(s.size));
    this.program = {
      from: loaded.map((s) => s.address).reduce((a, b) => (a < b ? a : b)),
      to: ends.reduce((a, b) => (a > b ? a : b)),
    };
  }

  event(m: Moment): void {
    const { view } = this.rig;
    const root = view.reg(m.cpu, 'VTTBR_EL2') & TABLES;
    if (m.kind === 'stage2Fault') {
      this.stale.add(root);
      return;
    }
    if (!view.isGuest(m.cpu) || (this.walks.has(root) && !this.stale.delete(root))) return;
    this.walks.set(root, (this.walks.get(root) ?? 0) + 1);
    // VTCR_EL2.SL0: 1 starts at level 1, 0 at level 2.
    const level = (view.reg(m.cpu, 'VTCR_EL2') >> 6n) & 3n ? 1 : 2;
    for (const leaf of leaves(this.rig, root, level)) this.check(root, leaf);
  }

  private check(root: bigint, { ipa, pa, size }: Leaf): void {
    const complain = (what: string): void =>
      this.rig.complain(
        this.name,
        `the tables at 0x${root.toString(16)} map IPA 0x${ipa.toString(16)} to 0x${pa.toString(16)}: ${what}`,
      );
    if (pa < RAM) return complain('no memory');
    if (pa < this.program.to && pa + size > this.program.from) return complain("the program's own memory");
    for (let at = pa; at < pa + size; at += 4096n) {
      const other = this.pages.get(at);
      if (other !== undefined && other !== root)
        return complain(`memory of the machine with the tables at 0x${other.toString(16)}`);
      this.pages.set(at, root);
    }
  }
}
