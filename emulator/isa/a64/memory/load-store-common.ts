/** What all loads and stores share: how their addresses and offsets are formed, and the registers they transfer. */
import type { Access, Operand, Routine, Val } from '../../../ir/nodes';
import { raiseFp, raiseSpAlignment } from '../exceptions/exception';
import { number, setNumber } from '../fp/in-line';
import { Flag, type A64 } from '../sem';
import { state } from '../state';

/** Joins the fixed leading bits of an encoding with its fields; keeps the type of the fields, so that `f.rn` is checked. */
export const encoding = <P extends string>(bits: string, fields: P): P => `${bits} ${fields}` as P;

/** Takes the exception that `raise` describes, instead of executing the instruction. */
function takeInstead(s: A64, raise: Routine): void {
  s.syncPc();
  s.call(raise);
  s.exit('recheck');
}

/**
 * The base register of an address, where 31 is the stack pointer. A stack pointer that is no multiple of 16 faults if
 * SCTLR_ELx.SA or SA0 says so: CheckSPAlignment(), Arm ARM DDI 0487 D1.3.10. Other base registers pay one AND.
 */
export function baseAddress(s: A64, rn: Operand): Val {
  const base = s.xsp(rn);
  const mask = s.operand(rn, 'spMask', 2, (n) => (n === 31n ? 15n : 0n));
  s.if(s.and(s.wrap(base), mask), () => s.if(s.get(state.spCheck), () => takeInstead(s, raiseSpAlignment)));
  return base;
}

/** First in every instruction that uses FP/SIMD registers: CheckFPEnabled64(), CPACR_EL1.FPEN and CPTR_EL2.TFP. */
export function checkFpEnabled(s: A64): void {
  s.if(s.get(state.fpTrap), () => takeInstead(s, raiseFp));
}

/** An unsigned offset field times `scale`. */
export function unsignedOffset(s: A64, field: Operand, scale: number): Val {
  return s.operand(field, `u*${scale}`, 8, (n) => n * BigInt(scale));
}

/** A signed offset field of `width` bits times `scale`. */
export function signedOffset(s: A64, field: Operand, width: number, scale: number): Val {
  return s.operand(field, `i*${scale}`, 8, (n) => BigInt.asIntN(width, n) * BigInt(scale));
}

/** log2 of the size of a transfer. */
export type Log2 = 0 | 1 | 2 | 3 | 4;

/** One kind of single-register load or store: all addressing forms encode it alike. */
export interface Transfer {
  /** Suffix of LDR, LDUR, LDTR ...: '', 'b', 'sw' ... */
  readonly suffix: string;
  /** Operand kind of Rt in templates: `w`, `x` or a scalar FP/SIMD register. */
  readonly reg: 'w' | 'x' | 'b' | 'h' | 's' | 'd' | 'q';
  /** Bits 31-30, 26 and 23-22. */
  readonly size: string;
  readonly simd: '0' | '1';
  readonly opc: string;
  readonly log2: Log2;
  readonly load: boolean;
  readonly signed: boolean;
  /** For the documentation: 'a byte', 'a word, sign-extended to 64 bits,' ... */
  readonly what: string;
}

type Line = [
  suffix: string,
  reg: Transfer['reg'],
  size: string,
  opc: string,
  log2: Log2,
  kind: 'st' | 'ld' | 'lds',
  what: string,
];

const transfers = (simd: '0' | '1', lines: readonly Line[]): readonly Transfer[] =>
  lines.map(([suffix, reg, size, opc, log2, kind, what]) => ({
    suffix,
    reg,
    size,
    simd,
    opc,
    log2,
    load: kind !== 'st',
    signed: kind === 'lds',
    what,
  }));

/** Arm ARM DDI 0487 C4.1, "Loads and stores": size and opc of the general-purpose registers. */
export const generalTransfers = transfers('0', [
  ['b', 'w', '00', '00', 0, 'st', 'the low byte of a register'],
  ['b', 'w', '00', '01', 0, 'ld', 'a byte, zero-extended,'],
  ['sb', 'x', '00', '10', 0, 'lds', 'a byte, sign-extended to 64 bits,'],
  ['sb', 'w', '00', '11', 0, 'lds', 'a byte, sign-extended to 32 bits,'],
  ['h', 'w', '01', '00', 1, 'st', 'the low halfword of a register'],
  ['h', 'w', '01', '01', 1, 'ld', 'a halfword, zero-extended,'],
  ['sh', 'x', '01', '10', 1, 'lds', 'a halfword, sign-extended to 64 bits,'],
  ['sh', 'w', '01', '11', 1, 'lds', 'a halfword, sign-extended to 32 bits,'],
  ['', 'w', '10', '00', 2, 'st', 'a 32-bit register'],
  ['', 'w', '10', '01', 2, 'ld', 'a 32-bit register'],
  ['sw', 'x', '10', '10', 2, 'lds', 'a word, sign-extended to 64 bits,'],
  ['', 'x', '11', '00', 3, 'st', 'a 64-bit register'],
  ['', 'x', '11', '01', 3, 'ld', 'a 64-bit register'],
]);

/** The same of the scalar views of the FP/SIMD registers; a load zeroes the rest of the register. */
export const simdTransfers = transfers('1', [
  ['', 'b', '00', '00', 0, 'st', 'an 8-bit FP/SIMD register'],
  ['', 'b', '00', '01', 0, 'ld', 'an 8-bit FP/SIMD register'],
  ['', 'q', '00', '10', 4, 'st', 'a 128-bit FP/SIMD register'],
  ['', 'q', '00', '11', 4, 'ld', 'a 128-bit FP/SIMD register'],
  ['', 'h', '01', '00', 1, 'st', 'a 16-bit FP/SIMD register'],
  ['', 'h', '01', '01', 1, 'ld', 'a 16-bit FP/SIMD register'],
  ['', 's', '10', '00', 2, 'st', 'a 32-bit FP/SIMD register'],
  ['', 's', '10', '01', 2, 'ld', 'a 32-bit FP/SIMD register'],
  ['', 'd', '11', '00', 3, 'st', 'a 64-bit FP/SIMD register'],
  ['', 'd', '11', '01', 3, 'ld', 'a 64-bit FP/SIMD register'],
]);

/** 'Loads a byte, zero-extended, from' / 'Stores a 64-bit register to': the beginning of a row's documentation. */
export const sentence = (t: Transfer): string => (t.load ? `Loads ${t.what} from` : `Stores ${t.what} to`);

/** Tells loads from stores, and the widths of a mnemonic apart, in row names: 'LDRSB (immediate, 64-bit)'. */
export const rowName = (mnemonic: string, t: Transfer, form: string): string =>
  `${mnemonic.toUpperCase()} (${form}, ${t.reg.toUpperCase()})`;

/** Flags that let a stage 2 abort describe the access (ISS.ISV): Arm ARM DDI 0487 D24.2.40, "ISS encoding for an exception from a Data Abort". */
export const syndromeFlags = (t: Pick<Transfer, 'reg' | 'signed'>): number =>
  Flag.isv | (t.reg === 'x' ? Flag.sf : 0) | (t.signed ? Flag.signExtend : 0);

const access = (t: Transfer, flags: number): Access => {
  const bytes = 1 << t.log2;
  return { kind: t.load ? 'read' : 'write', bytes, elem: bytes, flags };
};

/** Reads 1 to 8 bytes at a linear address, extended as the transfer says, for setX. */
function extended(s: A64, t: Transfer, host: Val): Val {
  const bytes = (1 << t.log2) as 1 | 2 | 4 | 8;
  if (!t.signed) return s.ld(bytes, host, 0, 'i64');
  const ty = t.reg === 'x' ? 'i64' : 'i32';
  if (bytes === 1) return s.sext8(s.ld(1, host, 0, ty));
  if (bytes === 2) return s.sext16(s.ld(2, host, 0, ty));
  return s.sext(s.ld(4, host));
}

export interface TransferOptions {
  readonly flags?: number;
  /** Writes the base register. */
  readonly writeback?: () => void;
}

/** Widths of what is best moved as a float: most of it is one. */
export const numberWidths: Readonly<Partial<Record<number, 32 | 64>>> = { 4: 32, 8: 64 };

/**
 * Transfers one register. The base register is written last: where it is Rt of a load as well, which is CONSTRAINED
 * UNPREDICTABLE (Arm ARM DDI 0487 K1.2), the address stays, as on QEMU; a store takes the register's value from before.
 */
export function transfer(s: A64, t: Transfer, va: Val, rt: Operand, options: TransferOptions = {}): void {
  const general = t.simd === '0';
  const flags = options.flags ?? 0;
  const acc = access(t, flags);
  const host = s.probe(va, acc, flags & Flag.isv ? s.num(rt) : undefined);
  const bytes = (1 << t.log2) as 1 | 2 | 4 | 8;
  const width = numberWidths[bytes];
  if (t.load) {
    if (general) s.setX(rt, extended(s, t, host));
    else if (t.log2 === 4) s.setQ(rt, s.ld(16, host));
    else if (width) setNumber(s, rt, s.floating(s.ld(bytes, host)), width);
    else s.setV(rt, s.ld(bytes, host, 0, 'i64'));
    options.writeback?.();
    return;
  }
  if (t.log2 === 4) s.st(16, host, s.q(rt));
  else s.st(bytes, host, general ? s.x(rt) : width ? s.floating(number(s, rt, width)) : s.v(rt));
  options.writeback?.();
  s.commit(host, acc);
}
