/**
 * One translation table walk, whatever the stage: the loop over levels that stage 1 and stage 2 share
 * (Arm ARM DDI 0487 D8.2, J1.1.5 "AArch64.S1Walk").
 */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { Fsc } from '../exceptions/abort';
import { hasFeature } from '../features';

/** Bits of an output address; with FEAT_LPA and 64 KiB pages there are four more. */
const oaMask = (1n << 48n) - 1n;

/** log2 of the granule from TG0 or VTCR_EL2.TG0: 4, 64, 16 KiB. */
export function granuleTg0(s: Builder, tg: Val): Val {
  return s.select(s.eqi(tg, 1), s.i32(16), s.select(s.eqi(tg, 2), s.i32(14), s.i32(12)));
}

/** log2 of the granule from TG1: 16, 4, 64 KiB. */
export function granuleTg1(s: Builder, tg: Val): Val {
  return s.select(s.eqi(tg, 3), s.i32(16), s.select(s.eqi(tg, 1), s.i32(14), s.i32(12)));
}

/** Do descriptors have output address bits 51-48 in bits 15-12 (FEAT_LPA, D8.3.1)? */
export const isLarge = (s: Builder, granule: Val): Val => s.and(hasFeature(s, 'LPA'), s.eqi(granule, 16));

/** Output address bits from IPS or PS, no more than the CPU has; `large`: see isLarge. */
export function outputBits(s: Builder, code: Val, most: Val, large: Val): Val {
  const bits = [32, 36, 40, 42, 44, 48].reduceRight(
    (rest, n, i) => s.select(s.eqi(code, i), s.i32(n), rest),
    s.select(large, s.i32(52), s.i32(48)),
  );
  return s.select(s.ltu(bits, most), bits, most);
}

/** The address of the first table from a TTBR; a table of 2^`bits` bytes is aligned to its size (J1.1.5, "TTBaseAddress"). */
export function tableBase(s: Builder, ttbr: Val, bits: Val, outBits: Val): Val {
  const large = s.eqi(outBits, 52);
  const low = s.andi(ttbr, oaMask & ~1n);
  const high = s.shli(s.bits(ttbr, 2, 4), 48);
  const least = s.select(s.ltu(bits, s.i32(6)), s.i32(6), bits);
  const base = s.and(low, s.not(lowMask(s, s.select(large, least, bits))));
  return s.or(base, s.select(large, high, s.i64(0)));
}

/** Bits of input addresses that TxSZ may ask for (D8.2.2): more with FEAT_LVA and 64 KiB pages, fewer with FEAT_TTST. */
export function sizeLimits(s: Builder, granule: Val): { most: Val; least: Val } {
  const is64k = s.eqi(granule, 16);
  const most = s.select(s.and(is64k, hasFeature(s, 'LVA')), s.i32(52), s.i32(48));
  const least = s.select(hasFeature(s, 'TTST'), s.add(s.i32(16), is64k), s.i32(25));
  return { most, least };
}

/** 2^n - 1 as i64, for a run-time n below 64. */
export const lowMask = (s: Builder, n: Val): Val => s.addi(s.shl(s.i64(1), s.zext(n)), -1n);

/** Is the address too large for `bits` output bits? */
export const tooLarge = (s: Builder, address: Val, bits: Val): Val => s.nei(s.shru(address, s.zext(bits)), 0);

/** Reverses the bytes: of a descriptor that a big-endian regime reads. */
export function swap64(s: Builder, v: Val): Val {
  const half = (x: Val, n: number, mask: bigint): Val =>
    s.or(s.andi(s.shri(x, n), mask), s.shli(s.andi(x, mask), n));
  return s.ror(half(half(v, 8, 0x00ff00ff00ff00ffn), 16, 0x0000ffff0000ffffn), s.i64(32));
}

export interface Walk {
  /** The input address, bits above `inputBits` cleared. */
  readonly input: Val;
  readonly inputBits: Val;
  readonly granule: Val;
  /** The level at which the walk begins. */
  readonly start: Val;
  /** Address of the first table. */
  readonly base: Val;
  readonly outBits: Val;
  /** See isLarge. */
  readonly large: Val;
  /** Are the tables big-endian? */
  readonly big: Val;
  /** Makes a descriptor's address physical (stage 1 under stage 2); it may leave the routine with a fault. */
  readonly physical: (address: Val) => Val;
  /** Leaves the routine with this fault. */
  readonly fail: (fsc: number, level: Val) => void;
  /** Sees each table descriptor on the way. */
  readonly onTable?: (descriptor: Val) => void;
}

export interface Leaf {
  readonly descriptor: Val;
  readonly level: Val;
  /** log2 of the size mapped. */
  readonly size: Val;
  readonly output: Val;
  /** Where the descriptor is, before `physical`. */
  readonly address: Val;
}

/** Emits the walk. After it the leaf's type and address size are checked; access flag and permissions are not. */
export function emitWalk(s: Builder, w: Walk): Leaf {
  const stride = s.addi(w.granule, -3);
  const level = s.local('level', w.start);
  const table = s.local('table', w.base);
  const leaf = s.local('leaf', s.i64(0));
  const at = s.local('at', s.i64(0));
  const addressIn = (d: Val): Val =>
    s.or(s.andi(d, oaMask), s.select(w.large, s.shli(s.bits(d, 12, 4), 48), s.i64(0)));
  const shiftAt = (l: Val): Val => s.add(w.granule, s.mul(s.sub(s.i32(3), l), stride));
  s.loop((loop) => {
    const l = s.read(level);
    const index = s.shru(w.input, s.zext(shiftAt(l)));
    // The first table may be larger or smaller than a granule: its index has no upper bound but the input's size.
    const mask = s.select(s.eq(l, w.start), s.i64(-1n), lowMask(s, stride));
    const address = s.add(s.read(table), s.shli(s.and(index, mask), 3));
    s.assign(at, address);
    const offset = s.sub(w.physical(address), s.get(common.ramBase));
    s.if(s.geu(offset, s.get(common.ramSize)), () => w.fail(Fsc.externalOnWalk, l));
    s.assign(leaf, s.ld(8, s.add(s.get(common.ramHost), s.wrap(offset))));
    s.if(w.big, () => s.assign(leaf, swap64(s, s.read(leaf))));
    const d = s.read(leaf);
    const last = s.eqi(l, 3);
    const type = s.wrap(s.bits(d, 0, 2));
    s.if(s.eqz(s.andi(type, 1)), () => w.fail(Fsc.translation, l));
    s.if(s.eqi(type, 1), () => {
      // A block: level 2 in all granules, level 1 with 4 KiB.
      const block = s.or(s.eqi(l, 2), s.and(s.eqi(l, 1), s.eqi(w.granule, 12)));
      s.if(s.eqz(block), () => w.fail(Fsc.translation, l));
      s.break(loop);
    });
    s.if(last, () => s.break(loop));
    const next = s.and(addressIn(d), s.not(lowMask(s, w.granule)));
    s.if(tooLarge(s, next, w.outBits), () => w.fail(Fsc.addressSize, l));
    w.onTable?.(d);
    s.assign(table, next);
    s.assign(level, s.addi(l, 1));
    s.continue(loop);
  });
  const l = s.read(level);
  const d = s.read(leaf);
  const size = shiftAt(l);
  const within = lowMask(s, size);
  const page = s.and(addressIn(d), s.not(within));
  s.if(tooLarge(s, page, w.outBits), () => w.fail(Fsc.addressSize, l));
  return { descriptor: d, level: l, size, output: s.or(page, s.and(w.input, within)), address: s.read(at) };
}
