/**
 * The condition flags in a region. What sets them mostly is a comparison, of which one condition is read and the rest
 * overwritten: so its operands are kept, a condition becomes one comparison of the host, and the flags are worked out
 * only where control leaves the region, or where it is not known what set them.
 */
import type { StateField, Stmt, Val } from '../../ir/nodes';
import { bitsOf, conversions, divides, ops, type Ty } from '../../ir/ops';
import type { Emitter } from '../emit';
import { W, type Func } from '../wasm';

/** Bits of the flags word, from its lowest to its highest flag: V, C, Z and N of a subtraction. */
export const FLAG_BITS = [28, 29, 30, 31] as const;

/**
 * What has set the flags, in the local `kind`: 0 when they are in locals of their own; a subtraction, or an operation with a
 * result whose C and V are zero. Even numbers are of 32 bits. The second operand of a result is zero.
 */
export const Kind = { bits: 0, sub64: 1, sub32: 2, result64: 3, result32: 4 } as const;
export type Kind = (typeof Kind)[keyof typeof Kind];

/** A comparison, or a result with which zero is compared. */
interface Producer {
  readonly kind: Exclude<Kind, 0>;
  readonly a: Val;
  /** Undefined for a result. */
  readonly b?: Val;
}

/** The flags as an instruction found them: single ones in locals, or what they come from. */
export type FlagsRead =
  | { readonly kind: 0; readonly bits: readonly number[] }
  | { readonly kind: Exclude<Kind, 0>; readonly a: number; readonly b: number };

/** The locals of the flags, and what is known of them where code is being emitted. */
export class RegionFlags {
  readonly bits: readonly number[];
  private readonly kind: number;
  private readonly a: number;
  private readonly b: number;
  /** What has set the flags on all ways that lead here; undefined when that is not known. */
  known: Kind | undefined = Kind.bits;

  constructor(func: Func) {
    this.bits = FLAG_BITS.map(() => func.newLocal('i32'));
    this.kind = func.newLocal('i32');
    this.a = func.newLocal('i64');
    this.b = func.newLocal('i64');
  }

  /** What a local holds, in a word. */
  name(index: number): string | undefined {
    const flag = this.bits.indexOf(index);
    if (flag >= 0) return ['v', 'c', 'z', 'n'][flag];
    return (['kind', 'a', 'b'] as const).map((n) => (this[n] === index ? `flags.${n}` : '')).find(Boolean);
  }

  /** Takes the flags from a field of the CPU block. */
  load(e: Emitter, cpu: number, field: StateField): void {
    FLAG_BITS.forEach((bit, i) => {
      e.get(cpu).load(4, field.offset, 'i32').i32(bit).op(W.i32ShrU).i32(1).op(W.i32And);
      e.setLocal(this.bits[i]!);
    });
    this.known = Kind.bits;
  }

  /** Puts the flags into a field of the CPU block. */
  store(e: Emitter, cpu: number, field: StateField): void {
    this.settle(e);
    e.get(cpu);
    pushWord(e, this.bits);
    e.store(4, field.offset, 'i32');
  }

  /** Takes the values of single flags from the stack, the lowest first. */
  setBits(e: Emitter): void {
    for (const local of [...this.bits].reverse()) e.setLocal(local);
    e.i32(Kind.bits).setLocal(this.kind);
    this.known = Kind.bits;
  }

  /** Takes the operands of a producer from the stack: `a`, and `b` of a subtraction. */
  setProducer(e: Emitter, kind: Producer['kind']): void {
    const extend = kind % 2 === 0;
    if (isSub(kind)) {
      if (extend) e.op(W.i64ExtendI32U);
      e.setLocal(this.b);
    }
    if (extend) e.op(W.i64ExtendI32U);
    e.setLocal(this.a);
    if (!isSub(kind)) e.i64(0n).setLocal(this.b);
    e.i32(kind).setLocal(this.kind);
    this.known = kind;
  }

  /** The flags as they are now, in temporary locals that stay as they are. */
  read(e: Emitter): FlagsRead {
    if (this.known === undefined) {
      this.settle(e);
      e.i32(Kind.bits).setLocal(this.kind);
      this.known = Kind.bits;
    }
    const copy = (from: number, ty: Ty): number => {
      const local = e.temp(ty);
      e.get(from).setLocal(local);
      return local;
    };
    return this.known === Kind.bits
      ? { kind: 0, bits: this.bits.map((bit) => copy(bit, 'i32')) }
      : { kind: this.known, a: copy(this.a, 'i64'), b: copy(this.b, 'i64') };
  }

  /** Works the single flags out, whatever has set them. */
  private settle(e: Emitter): void {
    if (this.known === Kind.bits) return;
    const [a, b] = [e.temp('i64'), e.temp('i64')];
    e.get(this.kind).open(W.if);
    // Of 32 bits: what holds for the upper half of 64 is the same.
    for (const [from, to] of [
      [this.a, a],
      [this.b, b],
    ] as const) {
      e.get(from).get(this.kind).i32(1).op(W.i32And).i32(1).op(W.i32Xor).i32(5).op(W.i32Shl, W.i64ExtendI32U);
      e.op(W.i64Shl).setLocal(to);
    }
    const isSubtraction = (): void => void e.get(this.kind).i32(Kind.result64).op(W.i32LtU);
    pushFlags(e, a, b, isSubtraction);
    for (const local of [...this.bits].reverse()) e.setLocal(local);
    e.end();
  }
}

const isSub = (kind: Kind): boolean => kind === Kind.sub64 || kind === Kind.sub32;

/** Pushes V, C, Z and N of a - b of 64 bits; the first two only if `both` pushes 1. */
function pushFlags(e: Emitter, a: number, b: number, both: () => void): void {
  const r = e.temp('i64');
  e.get(a).get(b).op(W.i64Sub).setLocal(r);
  e.get(a).get(b).op(W.i64Xor).get(a).get(r).op(W.i64Xor, W.i64And).i64(0n).op(W.i64LtS);
  both();
  e.op(W.i32And);
  e.get(a).get(b).op(W.i64GeU);
  both();
  e.op(W.i32And);
  e.get(r).op(W.i64Eqz);
  e.get(r).i64(0n).op(W.i64LtS);
}

/** Pushes the flags word of single flags. */
export function pushWord(e: Emitter, bits: readonly number[]): void {
  FLAG_BITS.forEach((bit, i) => {
    e.get(bits[i]!).i32(bit).op(W.i32Shl);
    if (i > 0) e.op(W.i32Or);
  });
}

/** Single flags in temporary locals, of flags that an instruction found. */
export function bitsOfRead(e: Emitter, read: FlagsRead): readonly number[] {
  if (read.kind === Kind.bits) return read.bits;
  const { kind } = read;
  let { a, b } = read;
  if (kind % 2 === 0)
    [a, b] = [a, b].map((from) => {
      const to = e.temp('i64');
      e.get(from).i64(32n).op(W.i64Shl).setLocal(to);
      return to;
    }) as [number, number];
  pushFlags(e, a, b, () => void e.i32(isSub(kind) ? 1 : 0));
  const bits = FLAG_BITS.map(() => e.temp('i32'));
  for (const local of [...bits].reverse()) e.setLocal(local);
  return bits;
}

// --- producers ----------------------------------------------------------------------------------------------------

/** What the values of single flags come from, where they are those of a comparison or of a result. */
export function producerOf(parts: readonly (Val | undefined)[]): Producer | undefined {
  const [v, c, z, n] = parts;
  const result = z?.op.k === 'pure' && z.op.op === 'eqz' ? z.args[0] : undefined;
  if (!result || !isNegative(n, result)) return undefined;
  const wide = result.ty === 'i64';
  if (v === undefined && c === undefined) return { kind: wide ? Kind.result64 : Kind.result32, a: result };
  if (c?.op.k !== 'pure' || c.op.op !== 'ge_u') return undefined;
  const [a, b] = c.args as [Val, Val];
  const isDifference =
    (result.op.k === 'pure' &&
      result.op.op === 'sub' &&
      same(result.args[0], a) &&
      same(result.args[1], b)) ||
    (b.constant === 0n && result === a);
  return isDifference && overflows(v, a, b, result)
    ? { kind: wide ? Kind.sub64 : Kind.sub32, a, b }
    : undefined;
}

const same = (x: Val | undefined, y: Val): boolean =>
  x === y || (x?.constant !== undefined && x.constant === y.constant);

/** Is it `x < 0`, signed? */
const isNegative = (v: Val | undefined, x: Val): boolean =>
  v?.op.k === 'pure' && v.op.op === 'lt_s' && v.args[0] === x && v.args[1]?.constant === 0n;

/** Is it the overflow of r = a - b: the sign of (a ^ b) & (a ^ r)? */
function overflows(v: Val | undefined, a: Val, b: Val, r: Val): boolean {
  const both = v?.op.k === 'pure' && v.op.op === 'lt_s' && v.args[1]?.constant === 0n ? v.args[0] : undefined;
  if (both?.op.k !== 'pure' || both.op.op !== 'and') return false;
  const [x, y] = both.args as [Val, Val];
  const isXor = (w: Val, p: Val, q: Val): boolean =>
    w.op.k === 'pure' && w.op.op === 'xor' && same(w.args[0], p) && same(w.args[1], q);
  // x ^ 0 is folded.
  return (isXor(x, a, b) || (b.constant === 0n && x === a)) && isXor(y, a, r);
}

// --- conditions ---------------------------------------------------------------------------------------------------

/** By value, since the IR of a word is kept: translating it again asks again. */
const tables = new WeakMap<Val, number | null>();

/**
 * Which flags, as the number NZCV, make a value true that is made of nothing but a flags word; undefined for any other value.
 * @param word the flags word: there is no other in what `v` is made of
 */
export function truthTable(v: Val, word: Val): number | undefined {
  let table = tables.get(v);
  if (table === undefined) tables.set(v, (table = tableOf(v, word) ?? null));
  return table ?? undefined;
}

function tableOf(v: Val, word: Val): number | undefined {
  if (v.ty !== 'i32') return undefined;
  let table = 0;
  for (let nzcv = 0; nzcv < 16; nzcv++) {
    const value = valueOf(v, BigInt(nzcv) << 28n, word);
    if (value === undefined || value > 1n) return undefined;
    table |= Number(value) << nzcv;
  }
  return table;
}

function valueOf(v: Val, flags: bigint, word: Val): bigint | undefined {
  if (v === word) return flags;
  const { op } = v;
  if (op.k === 'const') return op.value;
  if (op.k !== 'pure' && op.k !== 'conv' && op.k !== 'select') return undefined;
  const args: bigint[] = [];
  for (const arg of v.args) {
    const value = valueOf(arg, flags, word);
    if (value === undefined) return undefined;
    args.push(value);
  }
  const [a, b = 0n, c] = args as [bigint, bigint | undefined, bigint | undefined];
  if (op.k === 'select') return c === 0n ? b : a;
  if (op.k === 'conv') return conversions[op.op].eval(a);
  if (divides(op.op)) return undefined;
  return BigInt.asUintN(bitsOf(v.ty), ops[op.op].eval(a, b, bitsOf(v.args[0]!.ty)));
}

/** Does a body look at a flags word only by conditions that are one comparison after such a producer? */
export function onlyCompares(body: readonly Stmt[], word: Val, kind: Producer['kind']): boolean {
  const isOther = (v: Val): boolean => v !== word && v.op.k === 'get' && v.op.field === fieldOf(word);
  const fits = (v: Val): boolean => {
    if (v === word || isOther(v)) return false;
    const table = truthTable(v, word);
    if (table !== undefined) return comparisonOf(kind, table) !== undefined;
    return v.args.every(fits);
  };
  return body.every((s) => {
    switch (s.k) {
      case 'let':
        // What is used once is looked at where it is used.
        return s.v === word || (s.v.op.k !== 'get' && isPure(s.v) && s.v.uses <= 1) || fits(s.v);
      case 'if':
        return fits(s.c) && onlyCompares(s.then, word, kind) && onlyCompares(s.else, word, kind);
      case 'loop':
        return onlyCompares(s.body, word, kind);
      default:
        return valuesOf(s).every(fits);
    }
  });
}

const fieldOf = (word: Val): StateField | undefined => (word.op.k === 'get' ? word.op.field : undefined);

const isPure = ({ op }: Val): boolean => op.k === 'pure' || op.k === 'conv' || op.k === 'select';

/** Values that a statement without statements in it uses. */
function valuesOf(s: Stmt): readonly Val[] {
  switch (s.k) {
    case 'set':
      return typeof s.index === 'number' ? [s.v] : [s.index, s.v];
    case 'st':
      return [s.base, s.v];
    case 'assign':
      return [s.v];
    case 'call':
      return s.args;
    default:
      return [];
  }
}

type Comparison = 'eq' | 'ne' | 'ge_u' | 'lt_u' | 'gt_u' | 'le_u' | 'ge_s' | 'lt_s' | 'gt_s' | 'le_s';

/** Conditions of a subtraction by their truth tables (Arm ARM DDI 0487 C1.2.4), as comparisons of its operands. */
const ofSubtraction: ReadonlyMap<number, Comparison> = new Map([
  [0xf0f0, 'eq'],
  [0x0f0f, 'ne'],
  [0xcccc, 'ge_u'],
  [0x3333, 'lt_u'],
  [0x0c0c, 'gt_u'],
  [0xf3f3, 'le_u'],
  [0xaa55, 'ge_s'],
  [0x55aa, 'lt_s'],
  [0x0a05, 'gt_s'],
  [0xf5fa, 'le_s'],
]);

/** The truth table of N alone. */
const NEGATIVE = 0xff00;
const ALL = 0xffff;

/** The same of a result, compared with zero, by the truth table for neither Z nor N, for Z and for N alone. */
const ofResult: readonly (Comparison | 0 | 1)[] = [0, 'gt_s', 'eq', 'ge_s', 'lt_s', 'ne', 'le_s', 1];

/** The comparison that a condition is after a producer: of its operands, or of their difference with zero. */
function comparisonOf(
  kind: Producer['kind'],
  table: number,
): Comparison | 'negative' | 'positive' | 0 | 1 | undefined {
  const bit = (nzcv: number): number => (table >> nzcv) & 1;
  if (!isSub(kind)) return ofResult[bit(0) | (bit(4) << 1) | (bit(8) << 2)];
  if (table === 0 || table === ALL) return table === 0 ? 0 : 1;
  if (table === NEGATIVE) return 'negative';
  return table === (~NEGATIVE & ALL) ? 'positive' : ofSubtraction.get(table);
}

/** Pushes whether a condition holds. @returns false, and pushes nothing, where that is not one comparison */
export function pushCondition(e: Emitter, read: FlagsRead, table: number): boolean {
  if (read.kind === Kind.bits) return false;
  const found = comparisonOf(read.kind, table);
  if (found === undefined) return false;
  if (typeof found === 'number') {
    e.i32(found);
    return true;
  }
  const wide = read.kind % 2 === 1;
  const form = wide ? 1 : 0;
  for (const operand of [read.a, read.b]) {
    e.get(operand);
    if (!wide) e.op(W.i32WrapI64);
  }
  if (found !== 'negative' && found !== 'positive') e.op(ops[found].code[form]);
  else {
    e.op(ops.sub.code[form]);
    if (wide) e.i64(0n);
    else e.i32(0);
    e.op(ops[found === 'negative' ? 'lt_s' : 'ge_s'].code[form]);
  }
  return true;
}
