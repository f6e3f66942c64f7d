/**
 * Pointer authentication codes in pointers (FEAT_PAuth with QARMA5; Arm ARM DDI 0487 D8.10, J1.1.3 "AddPAC", "Auth",
 * "Strip"): where the code lies follows from the size of the address space and from address tagging.
 */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { hasFeature } from '../features';
import { inAnyRegime, isTagged, tcr, type Regime } from '../mmu/regimes';
import { state } from '../state';
import { encipher } from './qarma';

/** Pieces of what `pointerFields` returns. */
const Field = { bottomLow: 0, bottomHigh: 8, tagged: 16, anyTagged: 17 } as const;

/** Bits of addresses in one half of the address space, which is where the code begins: 64 - TxSZ, within its limits. */
function bottomBit(s: Builder, r: Regime, upper: boolean): Val {
  const size = tcr(s, r, upper ? 'T1SZ' : 'T0SZ');
  const large = s.eqi(tcr(s, r, upper ? 'TG1' : 'TG0'), upper ? 3 : 1);
  const most = s.select(hasFeature(s, 'TTST'), s.sub(s.i32(48), large), s.i32(39));
  const least = s.select(s.and(large, hasFeature(s, 'LVA')), s.i32(12), s.i32(16));
  const capped = s.select(s.gtu(size, most), most, size);
  return s.sub(s.i32(64), s.select(s.ltu(capped, least), least, capped));
}

/**
 * (pointer, data) -> bottomBit of both halves, whether the pointer has a tag, and whether any half has tags; at the current
 * exception level. `data`: for a data pointer, which TCR_ELx.TBID does not touch.
 */
const pointerFields: Routine = {
  k: 'routine',
  name: 'pointerFields',
  params: ['i64', 'i32'],
  result: 'i32',
  build: (s: Builder, pointer: Val, data: Val) => {
    inAnyRegime(s, s.get(state.el), (r) => {
      const isFetch = s.eqz(data);
      const [low, high] = [isTagged(s, r, '0', isFetch), isTagged(s, r, '1', isFetch)];
      const bottom = bottomBit(s, r, false);
      const parts = [
        s.shli(bottom, Field.bottomLow),
        s.shli(r.twoRanges ? bottomBit(s, r, true) : bottom, Field.bottomHigh),
        s.shli(s.select(s.bit(pointer, 55), high, low), Field.tagged),
        s.shli(s.or(low, high), Field.anyTagged),
      ];
      s.ret(parts.reduce((a, b) => s.or(a, b)));
    });
  },
};

/** 2^n - 1. */
const below = (s: Builder, n: Val): Val => s.addi(s.shl(s.i64(1), n), -1n);
const where = (s: Builder, mask: Val, one: Val, other: Val): Val =>
  s.xor(other, s.and(s.xor(one, other), mask));

interface Layout {
  /** Bits from the bottom of the code to below the tag, bit 55 among them. */
  readonly extension: Val;
  /** The code's bits: without bit 55. */
  readonly code: Val;
  readonly tagged: Val;
}

/** The layout for a pointer of the half that `upper` (0 or 1) says. */
function layoutOf(s: Builder, fields: Val, upper: Val): Layout {
  const bottom = s.zext(
    s.select(upper, s.bits(fields, Field.bottomHigh, 8), s.bits(fields, Field.bottomLow, 8)),
  );
  const tagged = s.bit(fields, Field.tagged);
  const top = s.select(tagged, s.i64((1n << 56n) - 1n), s.i64(-1n));
  const extension = s.and(top, s.not(below(s, bottom)));
  return { extension, code: s.andi(extension, ~(1n << 55n)), tagged };
}

const allOf = (s: Builder, bit: Val): Val => s.sub(s.i64(0), s.zext(bit));

// --- the code -------------------------------------------------------------------------------------------------------

/** Entries of the memo below: text, tweak, both keys, the code, and 1 when the entry is valid. */
export const memoWords = 6;
export const memoEntries = 32;

const block: Routine = {
  k: 'routine',
  name: 'qarma5',
  params: ['i64', 'i64', 'i64', 'i64'],
  result: 'i64',
  build: (s: Builder, text: Val, tweak: Val, key0: Val, key1: Val) =>
    s.ret(encipher(s, text, tweak, key0, key1)),
};

/**
 * (pointer, modifier, key bits 127-64, key bits 63-0) -> ComputePAC(). A function authenticates the pointer that it signed, with
 * the same modifier, so what was computed lately is kept. Entries never become wrong: the result depends on nothing else.
 */
export const computePac: Routine = {
  k: 'routine',
  name: 'computePac',
  params: ['i64', 'i64', 'i64', 'i64'],
  result: 'i64',
  build: (s: Builder, pointer: Val, modifier: Val, high: Val, low: Val) => {
    const hash = s.xor(s.xor(s.shri(pointer, 2), s.shri(modifier, 4)), low);
    const entry = s.mul(s.andi(s.wrap(s.xor(hash, s.shri(hash, 5))), memoEntries - 1), s.i32(8 * memoWords));
    const slot = s.addi(entry, state.pacMemo.offset);
    const word = (n: number): Val => s.getSlot(state.pacMemo, slot, 8 * n);
    const inputs = [pointer, modifier, high, low];
    const known = inputs.map((v, n) => s.eq(word(n), v)).reduce((a, b) => s.and(a, b), s.wrap(word(5)));
    s.if(known, () => s.ret(word(4)));
    const code = s.call(block, pointer, modifier, high, low);
    [...inputs, code, s.i64(1)].forEach((v, n) => s.setSlot(state.pacMemo, slot, v, 8 * n));
    s.ret(code);
  },
};

/** (pointer, modifier, key high, key low, data) -> the pointer with its code: AddPAC(). */
export const addPac: Routine = {
  k: 'routine',
  name: 'addPac',
  params: ['i64', 'i64', 'i64', 'i64', 'i32'],
  result: 'i64',
  build: (s: Builder, pointer: Val, modifier: Val, high: Val, low: Val, data: Val) => {
    const fields = s.call(pointerFields, pointer, data);
    // With tags in either half bit 55 says which half is meant.
    const upper = s.select(s.bit(fields, Field.anyTagged), s.bit(pointer, 55), s.bit(pointer, 63));
    const l = layoutOf(s, fields, upper);
    const extended = where(s, l.extension, allOf(s, upper), pointer);
    const code = s.call(computePac, extended, modifier, high, low);
    // A pointer that was no address gets a code that does not fit: the bit below the highest is inverted.
    const present = s.and(pointer, l.extension);
    const isAddress = s.or(s.eqz(present), s.eq(present, l.extension));
    const spoil = s.select(l.tagged, s.i64(1n << 54n), s.i64(1n << 62n));
    const written = s.xor(code, s.select(isAddress, s.i64(0), spoil));
    s.ret(where(s, l.code, written, extended));
  },
};

/** (pointer, modifier, key high, key low, data, error code) -> the address, or one that faults: Auth(). */
export const authenticate: Routine = {
  k: 'routine',
  name: 'authenticate',
  params: ['i64', 'i64', 'i64', 'i64', 'i32', 'i64'],
  result: 'i64',
  build: (s: Builder, pointer: Val, modifier: Val, high: Val, low: Val, data: Val, error: Val) => {
    const upper = s.bit(pointer, 55);
    const l = layoutOf(s, s.call(pointerFields, pointer, data), upper);
    const original = where(s, l.extension, allOf(s, upper), pointer);
    const code = s.call(computePac, original, modifier, high, low);
    const good = s.eqz(s.and(s.xor(code, pointer), l.code));
    s.if(good, () => s.ret(original));
    // Two bits below the tag, or the highest but one: 01 for key A, 10 for key B.
    const at = s.select(l.tagged, s.i64(53), s.i64(61));
    s.ret(s.or(s.and(original, s.not(s.shl(s.i64(3), at))), s.shl(error, at)));
  },
};

/** (pointer, data) -> the pointer without its code: Strip(). */
export const strip: Routine = {
  k: 'routine',
  name: 'stripPac',
  params: ['i64', 'i32'],
  result: 'i64',
  build: (s: Builder, pointer: Val, data: Val) => {
    const upper = s.bit(pointer, 55);
    const l = layoutOf(s, s.call(pointerFields, pointer, data), upper);
    s.ret(where(s, l.extension, allOf(s, upper), pointer));
  },
};
