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

/** Parses a pattern of exactly `bits` bits. @throws Error naming the pattern when the widths do not add up. */
export function parsePattern(text: string, bits = 32): Pattern {
  let at = bits;
  let mask = 0;
  let value = 0;
  const fields: Field[] = [];
  for (const token of text.trim().split(/\s+/)) {
    if (/^[01]+$/.test(token)) {
      at -= token.length;
      for (let i = 0; i < token.length; i++) {
        const bit = 2 ** (at + token.length - 1 - i);
        mask += bit;
        if (token[i] === '1') value += bit;
      }
      continue;
    }
    const m = /^([A-Za-z]\w*)(?::(\d+))?$/.exec(token);
    if (!m?.[1]) throw new Error(`pattern '${text}': '${token}' is neither bits nor a field`);
    const width = Number(m[2] ?? 1);
    at -= width;
    fields.push({ name: m[1], lsb: at, width });
  }
  if (at !== 0) throw new Error(`pattern '${text}' has ${bits - at} bits, not ${bits}`);
  return { bits, mask, value, fields };
}

/** The value of a field in an instruction word. */
export function extract(word: number, f: Field): number {
  return Math.floor((word >>> 0) / 2 ** f.lsb) % 2 ** f.width;
}

/** `word` with the field set to the low bits of `value`. */
export function insert(word: number, f: Field, value: number): number {
  const m = f.width === 32 ? 0xffffffff : 2 ** f.width - 1;
  const shifted = ((value & m) >>> 0) * 2 ** f.lsb;
  return (((word & ~(m * 2 ** f.lsb)) | shifted) >>> 0) >>> 0;
}
