/**
 * Random translation tables of a batch: pools of descriptors in which every walk finds something, and roots that keep
 * what the runner needs where it is.
 */
import type { Blob } from './batch';
import { memory } from './record';
import type { Rng } from './rng';
import { symbol } from './runner';

const PAGE = 0x1000;
const TABLE_PAGES = 256;
const POOL_PAGES = 48;
const AF = 1n << 10n;
/** Memory that the tables map: BRK instructions, so that a fetch ends at once. */
export const PLAYGROUND_BYTES = 0x400000;
const BRK = 0xd4200000;

const at = (page: number): bigint => BigInt(memory.tables + page * PAGE);
const playground = BigInt(memory.playground);

/** A stage 2 mapping of everything at its own address: Normal memory, read and write. */
const S2_ALL = AF | (3n << 8n) | (3n << 6n) | (15n << 2n);

export interface Stage2Root {
  readonly vttbr: bigint;
  readonly sl0: number;
  /** T0SZ values that reach the runner's memory from this root. */
  readonly t0sz: readonly [from: number, to: number];
}

export interface El2Root {
  readonly ttbr: bigint;
  readonly t0sz: readonly [from: number, to: number];
}

export class Tables {
  private readonly bytes = Buffer.alloc(TABLE_PAGES * PAGE);
  private next = 0;
  private readonly pool1: readonly number[];
  private readonly pool2: readonly number[];
  readonly stage2Roots: readonly Stage2Root[];
  readonly el2Roots: readonly El2Root[];

  constructor(private readonly rng: Rng) {
    this.pool1 = this.pages(POOL_PAGES);
    this.pool2 = this.pages(POOL_PAGES);
    for (const p of this.pool1) this.fill(p, () => this.stage1Descriptor());
    for (const p of this.pool2) this.fill(p, () => this.stage2Descriptor());
    this.stage2Roots = [this.fromLevel0(), this.fromLevel1(), this.fromLevel1(), this.fromLevel2()];
    this.el2Roots = this.makeEl2Roots();
  }

  /** A table for an upper range: any page of the pool. */
  root(): bigint {
    return at(this.rng.pick(this.pool1));
  }

  blobs(): Blob[] {
    const fill = Buffer.alloc(PLAYGROUND_BYTES);
    for (let i = 0; i < PLAYGROUND_BYTES; i += 4) fill.writeUInt32LE(BRK, i);
    return [
      { pa: memory.tables, bytes: this.bytes },
      { pa: memory.playground, bytes: fill },
    ];
  }

  /** A descriptor; undefined outside the tables: what the playground holds changes with every store. */
  read(pa: bigint): bigint | undefined {
    const offset = pa - BigInt(memory.tables);
    const inside = offset >= 0n && offset < BigInt(this.bytes.length);
    return inside ? this.bytes.readBigUInt64LE(Number(offset)) : undefined;
  }

  inPlayground(pa: bigint): boolean {
    return pa >= playground && pa < playground + BigInt(PLAYGROUND_BYTES - 64);
  }

  inTables(pa: bigint): boolean {
    return pa >= at(0) && pa < at(TABLE_PAGES - 1);
  }

  private pages(count: number, align = 1): number[] {
    this.next = Math.ceil(this.next / align) * align;
    const first = this.next;
    this.next += count;
    if (this.next > TABLE_PAGES) throw new RangeError('the tables do not fit');
    return Array.from({ length: count }, (_, i) => first + i);
  }

  private set(page: number, index: number, d: bigint): void {
    this.bytes.writeBigUInt64LE(BigInt.asUintN(64, d), page * PAGE + 8 * index);
  }

  private fill(page: number, make: () => bigint): void {
    for (let i = 0; i < 512; i++) this.set(page, i, make());
  }

  /** Where a leaf points: the playground, mostly; tables are read-only for cases. */
  private target(pool: readonly number[]): bigint {
    const n = this.rng.below(100);
    const inside = BigInt(this.rng.below(PLAYGROUND_BYTES / PAGE)) << 12n;
    if (n < 60) return at(this.rng.pick(pool));
    if (n < 92) return playground + inside;
    if (n < 94) return BigInt(memory.end) + inside;
    // Beyond the physical address size, or in an IPA that stage 2 may not have.
    if (n < 96) return BigInt(1 + this.rng.below(15)) << 44n;
    return BigInt(this.rng.bits32() & ~0xfff) << BigInt(this.rng.below(8));
  }

  /** Type 3 is a table on the way and a page at its end; type 1 a block where there are blocks. */
  private descriptor(pool: readonly number[], attributes: bigint): bigint {
    const kind = this.rng.oneIn(12) ? this.rng.below(3) : this.rng.oneIn(4) ? 1 : 3;
    const ignored = this.rng.oneIn(8) ? BigInt(this.rng.below(16)) << 55n : 0n;
    // The contiguous hint promises nothing here; software step has no use for it.
    const target = kind === 1 ? playground + (BigInt(this.rng.below(2)) << 21n) : this.target(pool);
    return target | BigInt(kind) | attributes | (this.rng.oneIn(20) ? 0n : AF) | ignored;
  }

  private stage1Descriptor(): bigint {
    const rng = this.rng;
    let d = (BigInt(rng.below(8)) << 2n) | (BigInt(rng.below(4)) << 6n) | (BigInt(rng.pick([0, 2, 3])) << 8n);
    if (rng.oneIn(3)) d |= BigInt(rng.below(4)) << 53n;
    if (rng.oneIn(12)) d |= BigInt(rng.below(16)) << 59n;
    return this.descriptor(this.pool1, d);
  }

  private stage2Descriptor(): bigint {
    const rng = this.rng;
    const s2ap = rng.oneIn(4) ? rng.below(4) : 3;
    const xn = rng.oneIn(5) ? 1n << 54n : 0n;
    const memAttr = rng.oneIn(2) ? 15 : rng.pick([0, 1, 2, 3, 5, 10, 13]);
    return this.descriptor(
      this.pool2,
      (BigInt(s2ap) << 6n) | (BigInt(memAttr) << 2n) | (BigInt(rng.pick([0, 2, 3])) << 8n) | xn,
    );
  }

  /** 0x40000000 to 0x7fffffff: the runner at its place, tables mostly, the rest at random. */
  private fixedStage2(page: number): number {
    const rng = this.rng;
    this.fill(page, () => this.stage2Descriptor());
    const identity = (index: number): void =>
      this.set(page, index, (0x40000000n + (BigInt(index) << 21n)) | S2_ALL | 1n);
    const index = (pa: number): number => (pa - 0x40000000) / 0x200000;
    for (let i = 0; i < index(memory.results); i++) identity(i);
    if (!rng.oneIn(5)) identity(index(memory.tables));
    if (rng.oneIn(2)) identity(index(memory.playground));
    return page;
  }

  private fixed(): bigint {
    return at(this.fixedStage2(this.pages(1)[0]!));
  }

  private fromLevel1(): Stage2Root {
    const pages = this.pages(16, 16);
    for (const p of pages) this.fill(p, () => this.stage2Descriptor());
    this.set(pages[0]!, 1, this.fixed() | 3n);
    return { vttbr: at(pages[0]!), sl0: 1, t0sz: [21, 33] };
  }

  private fromLevel0(): Stage2Root {
    const [root, level1] = this.pages(2);
    for (const p of [root!, level1!]) this.fill(p, () => this.stage2Descriptor());
    this.set(root!, 0, at(level1!) | 3n);
    this.set(level1!, 1, this.fixed() | 3n);
    return { vttbr: at(root!), sl0: 2, t0sz: [20, 24] };
  }

  private fromLevel2(): Stage2Root {
    const pages = this.pages(16, 16);
    for (const p of pages) this.fill(p, () => this.stage2Descriptor());
    this.fixedStage2(pages[1]!);
    return { vttbr: at(pages[0]!), sl0: 0, t0sz: [30, 33] };
  }

  private makeEl2Roots(): El2Root[] {
    const [level0, level1] = this.pages(2);
    for (const p of [level0!, level1!]) this.fill(p, () => this.stage1Descriptor());
    this.set(level0!, 0, at(level1!) | 3n);
    this.set(level1!, 1, symbol('el2_level2') | 3n);
    return [
      { ttbr: at(level0!), t0sz: [16, 24] },
      { ttbr: at(level1!), t0sz: [25, 33] },
    ];
  }
}
