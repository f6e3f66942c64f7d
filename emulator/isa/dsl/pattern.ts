/**
 * Bit patterns of encodings, written as in the manuals from the highest bit down:
 * `sf 0 0 01011 sh:2 0 rm:5 imm6:6 rn:5 rd:5`. A token of 0 and 1 is fixed, `name:width` is a field, a bare name is a
 * field of one bit.
 */

export interface Field {
  readonly name: string;
  readonly lsb: number;
  readonly width: number;
}

export interface Pattern {
  readonly bits: number;
  readonly mask: number;
  readonly value: number;
  readonly fields: readonly Field[];
}

/** The field names of a pattern, as a type: so that a row's `f.rn` is checked by the compiler. */
export type FieldNames<P extends string> = P extends `${infer A} ${infer B}`
  ? Token<A> | FieldNames<B>
  : Token<P>;
type Token<T extends string> = T extends '' | `0${string}` | `1${string}`
  ? never
  : T extends `${infer N}:${string}`
    ? N
    : T;

/** A token: fixed bits (`name` is empty) or a field. */
interface PatternToken {
  readonly name: string;
  readonly width: number;
  readonly value: number;
}

/** Rows have few different tokens: an adapter that starts parses each once. */
const tokens = new Map<string, PatternToken | undefined>();

function parseToken(token: string): PatternToken | undefined {
  if (/^[01]+$/.test(token)) return { name: '', width: token.length, value: Number(`0b${token}`) };
  const m = /^([A-Za-z]\w*)(?::(\d+))?$/.exec(token);
  return m?.[1] ? { name: m[1], width: Number(m[2] ?? 1), value: 0 } : undefined;
}

function tokenOf(text: string): PatternToken | undefined {
  let token = tokens.get(text);
  if (!token) tokens.set(text, (token = parseToken(text)));
  return token;
}

/** Parses a pattern of exactly `bits` bits. @throws Error naming the pattern when the widths do not add up. */
export function parsePattern(text: string, bits = 32): Pattern {
  let at = bits;
  let mask = 0;
  let value = 0;
  const fields: Field[] = [];
  for (const part of text.split(' ')) {
    if (part === '') continue;
    const token = tokenOf(part);
    if (!token) throw new Error(`pattern '${text}': '${part}' is neither bits nor a field`);
    at -= token.width;
    if (token.name) fields.push({ name: token.name, lsb: at, width: token.width });
    else {
      mask += (2 ** token.width - 1) * 2 ** at;
      value += token.value * 2 ** at;
    }
  }
  if (at !== 0) throw new Error(`pattern '${text}' has ${bits - at} bits, not ${bits}`);
  return { bits, mask, value, fields };
}

/** The value of a field in an instruction word. */
export function extract(word: number, f: Field): number {
  return f.width === 32 ? word >>> 0 : (word >>> f.lsb) & ((1 << f.width) - 1);
}

/** `word` with the field set to the low bits of `value`. */
export function insert(word: number, f: Field, value: number): number {
  const m = f.width === 32 ? 0xffffffff : 2 ** f.width - 1;
  const shifted = ((value & m) >>> 0) * 2 ** f.lsb;
  return (((word & ~(m * 2 ** f.lsb)) | shifted) >>> 0) >>> 0;
}
