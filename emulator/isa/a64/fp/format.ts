/**
 * The floating-point formats and what all arithmetic shares: taking a number apart, NaN rules, cumulative flags. Arm ARM DDI
 * 0487 J1.3, "shared/functions/float". Numbers are raw bits in an i64; arithmetic is integer arithmetic throughout, since
 * flags and NaNs are not those of the host.
 */
import type { Routine, Val } from '../../../ir/nodes';
import type { Ty } from '../../../ir/ops';
import type { A64 } from '../sem';
import { getReg, setReg } from '../sysregs';

/** A format by its width. */
export type Width = 16 | 32 | 64;

export interface Format {
  readonly bits: Width;
  /** Bits of the exponent and of the fraction. */
  readonly exp: number;
  readonly frac: number;
  readonly bias: number;
  /** Exponent of the smallest normal number. */
  readonly emin: number;
  readonly infinity: bigint;
  readonly defaultNaN: bigint;
  readonly quiet: bigint;
  readonly sign: bigint;
}

function format(bits: Width, exp: number): Format {
  const frac = bits - 1 - exp;
  const bias = 2 ** (exp - 1) - 1;
  const infinity = ((1n << BigInt(exp)) - 1n) << BigInt(frac);
  const quiet = 1n << BigInt(frac - 1);
  const sign = 1n << BigInt(bits - 1);
  return { bits, exp, frac, bias, emin: 1 - bias, infinity, quiet, defaultNaN: infinity | quiet, sign };
}

export const formats: Readonly<Record<Width, Format>> = {
  16: format(16, 5),
  32: format(32, 8),
  64: format(64, 11),
};

/** Cumulative flags of FPSR. */
export const Flags = { IOC: 1, DZC: 2, OFC: 4, UFC: 8, IXC: 16, IDC: 128, QC: 1 << 27 } as const;

/** Rounding modes: the first four as FPCR.RMode has them; ties away from zero, and to odd, belong to instructions. */
export const Rounding = { even: 0, up: 1, down: 2, zero: 3, away: 4, odd: 5 } as const;

/** FPProcessException(): no CPU model traps, so a flag is all. */
export function raiseFlags(s: A64, flags: number): void {
  setReg(s, 'FPSR', s.ori(getReg(s, 'FPSR'), flags));
}

const fpcr = (s: A64): Val => s.wrap(getReg(s, 'FPCR'));

/** FPCR.RMode. */
export const roundingMode = (s: A64): Val => s.bits(fpcr(s), 22, 2);

/** FPCR.DN, AHP: i32, not zero when set. */
export const wantsDefaultNaN = (s: A64): Val => s.bit(fpcr(s), 25);
export const alternativeHalf = (s: A64): Val => s.bit(fpcr(s), 26);

/** FPCR.FZ, or FZ16 for half precision. */
export const flushes = (s: A64, f: Format): Val => s.bit(fpcr(s), f.bits === 16 ? 19 : 24);

/** A routine for each format; `build` gets the format. */
export function perFormat<P extends readonly Ty[]>(
  name: string,
  params: P,
  result: Ty,
  build: (s: A64, f: Format, ...args: { [K in keyof P]: Val }) => void,
): Readonly<Record<Width, Routine>> {
  const one = (w: Width): Routine => ({
    k: 'routine',
    name: `${name}${w}`,
    params,
    result,
    build: (s: A64, ...args: Val[]) => build(s, formats[w], ...(args as { [K in keyof P]: Val })),
  });
  return { 16: one(16), 32: one(32), 64: one(64) };
}

/**
 * A number taken apart. For numbers that are neither zero, infinite nor NaN: value = mant / 2^63 * 2^exp, bit 63 of `mant` set.
 * A zero has mant = 0 and an exponent below all others.
 */
export interface Unpacked {
  readonly raw: Val;
  /** i32: 0 or 1. */
  readonly sign: Val;
  readonly exp: Val;
  readonly mant: Val;
  /** i32 truth values. */
  readonly special: Val;
  readonly nan: () => Val;
  readonly inf: () => Val;
  readonly zero: () => Val;
}

/** How a conversion reads half precision: never flushed, and perhaps without infinities and NaNs. */
export interface UnpackOptions {
  readonly convert?: boolean;
}

/** FPUnpack() and FPUnpackCV(): an input denormal that is flushed sets IDC, except in half precision. */
export function unpack(s: A64, f: Format, raw: Val, options: UnpackOptions = {}): Unpacked {
  const exponent = s.wrap(s.bits(raw, f.frac, f.exp));
  const frac = s.bits(raw, 0, f.frac);
  const denormal = s.eqz(exponent);
  const zeros = s.clz(frac);
  const normal = s.ori(s.shli(frac, 63 - f.frac), 1n << 63n);
  const mant = s.local('mant', s.select(denormal, s.shl(frac, zeros), normal));
  if (!(options.convert && f.bits === 16)) {
    s.if(s.and(denormal, s.nei(frac, 0)), () =>
      s.if(flushes(s, f), () => {
        s.assign(mant, s.i64(0));
        if (f.bits !== 16) raiseFlags(s, Flags.IDC);
      }),
    );
  }
  const lowest = s.sub(s.i32(f.emin - f.frac + 63), s.wrap(zeros));
  const top = s.eqi(exponent, 2 ** f.exp - 1);
  const special = options.convert && f.bits === 16 ? s.and(top, s.eqz(alternativeHalf(s))) : top;
  const value = s.read(mant);
  return {
    raw,
    sign: s.bit(raw, f.bits - 1),
    exp: s.select(denormal, lowest, s.addi(exponent, -f.bias)),
    mant: value,
    special,
    nan: () => s.and(special, s.nei(frac, 0)),
    inf: () => s.and(special, s.eqz(frac)),
    zero: () => s.eqz(value),
  };
}

/** Whether raw bits are a NaN, or a signalling one: i32. */
export const isNaN = (s: A64, f: Format, raw: Val): Val => s.gtu(s.andi(raw, f.sign - 1n), s.i64(f.infinity));
export const isSignalling = (s: A64, f: Format, raw: Val): Val =>
  s.and(isNaN(s, f, raw), s.eqz(s.andi(raw, f.quiet)));

/** `sign` (0 or 1, i32) and the rest of the bits. */
export const withSign = (s: A64, f: Format, sign: Val, rest: Val): Val =>
  s.or(s.shli(s.zext(sign), f.bits - 1), rest);

/** Returns the default NaN for an invalid operation. */
export function returnInvalid(s: A64, f: Format): void {
  raiseFlags(s, Flags.IOC);
  s.ret(s.i64(f.defaultNaN));
}

/** FPProcessNaN(): the quiet form of a NaN, or the default NaN. */
export const processNaN = perFormat('fpNaN', ['i64'], 'i64', (s, f, a) => {
  s.if(s.eqz(s.andi(a, f.quiet)), () => raiseFlags(s, Flags.IOC));
  s.ret(s.select(wantsDefaultNaN(s), s.i64(f.defaultNaN), s.ori(a, f.quiet)));
});

/** FPProcessNaNs(): of two operands of which one is a NaN; a signalling one first, then the first. */
export const processNaNs = perFormat('fpNaNs', ['i64', 'i64'], 'i64', (s, f, a, b) => {
  const first = s.or(isSignalling(s, f, a), s.and(s.eqz(isSignalling(s, f, b)), isNaN(s, f, a)));
  s.ret(s.call(processNaN[f.bits], s.select(first, a, b)));
});

/** FPProcessNaNs3(). */
export const processNaNs3 = perFormat('fpNaNs3', ['i64', 'i64', 'i64'], 'i64', (s, f, a, b, c) => {
  const picked = s.local('picked', c);
  for (const test of [isNaN, isSignalling])
    for (const v of [c, b, a]) s.assign(picked, s.select(test(s, f, v), v, s.read(picked)));
  s.ret(s.call(processNaN[f.bits], s.read(picked)));
});
