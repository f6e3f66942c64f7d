/** Vector registers, elements and lists, and the immediates of FMOV and MOVI (Arm ARM DDI 0487 C1.2.5, C7). */
import type { OperandFactory, OperandField, OperandHandler } from '../../dsl/operand';
import type { Field } from '../../dsl/pattern';
import { hex, isError, join, show, takeNumber, type Joined } from './immediate';
import { fieldAt, mismatch, wrong } from './registers';

const arrangements = ['8b', '16b', '2h', '4h', '8h', '2s', '4s', '1d', '2d', '1q'] as const;
/** `4b` is four bytes that count as one word (SDOT by element). */
const elementSizes = { b: 0, h: 1, s: 2, d: 3, '4b': 2 } as const;
type Element = keyof typeof elementSizes;

/** `v3.8b`: its number if the suffix is right. */
function vectorNumber(word: string, suffix: string): number | undefined {
  const m = /^v(\d|[12]\d|3[01])\.(\w+)$/.exec(word);
  return m && m[2] === suffix ? Number(m[1]) : undefined;
}

function vector(suffix: string): OperandFactory {
  const no = mismatch(`a vector register v0.${suffix} to v31.${suffix}`);
  return (fields): OperandHandler => {
    const { name } = fieldAt(fields, 0);
    return {
      expects: no.text,
      parse(from, f) {
        const n = vectorNumber(from.peek()?.lower ?? '', suffix);
        if (n === undefined) return no;
        from.next();
        f[name] = n;
        return undefined;
      },
      print: (f) => `v${f[name]}.${suffix}`,
    };
  };
}

/**
 * An element index. In imm5 the lowest set bit gives the size and the bits above it the index (C7.2.39 DUP); imm4 has
 * the index above as many bits as the size has (C7.2.175 INS); other fields hold it as it is.
 */
function elementIndex(fields: readonly OperandField[], size: number): Joined & { count: number } {
  const only = fields[0] as Field | undefined;
  const plain = join(fields);
  if (fields.length === 1 && only && (only.name === 'imm5' || only.name === 'imm4')) {
    const { name } = only;
    const up = name === 'imm5' ? size + 1 : size;
    const mark = name === 'imm5' ? 1 << size : 0;
    return {
      width: 4 - size,
      count: 16 >> size,
      get: (f) => (f[name] ?? 0) >> up,
      set: (f, v) => (f[name] = (v << up) | mark),
    };
  }
  return { ...plain, count: 2 ** plain.width };
}

/** Reads `[index]`. */
function takeIndex(
  from: Parameters<OperandHandler['parse']>[0],
  f: Parameters<OperandHandler['parse']>[1],
  index: ReturnType<typeof elementIndex>,
): ReturnType<OperandHandler['parse']> {
  if (!from.accept('[')) return mismatch('an element index in brackets');
  const v = takeNumber(from);
  if (isError(v)) return v;
  if (v.kind !== 'later' && (v.value < 0n || v.value >= BigInt(index.count))) {
    return wrong(`element ${show(v.value)} is out of range: 0 to ${index.count - 1}`);
  }
  if (!from.accept(']')) return mismatch("']'");
  index.set(f, v.kind === 'later' ? 0 : Number(v.value));
  return undefined;
}

function element(suffix: Element): OperandFactory {
  const no = mismatch(`a vector element v0.${suffix}[n]`);
  return (fields): OperandHandler => {
    const { name, width } = fieldAt(fields, 0);
    const index = elementIndex(fields.slice(1), elementSizes[suffix]);
    return {
      expects: no.text,
      parse(from, f) {
        const n = vectorNumber(from.peek()?.lower ?? '', suffix);
        if (n === undefined) return no;
        // Products with halfwords have four bits for the register (C7.2, MUL by element).
        if (n >= 2 ** width)
          return wrong(`v${n} is out of range for ${from.mnemonic}: v0 to v${2 ** width - 1}`);
        from.next();
        f[name] = n;
        return takeIndex(from, f, index);
      },
      print: (f) => `v${f[name]}.${suffix}[${index.get(f)}]`,
    };
  };
}

/** `{v0.8b, v1.8b}` or `{v0.8b-v1.8b}`: consecutive registers modulo 32. */
function list(count: number, suffix: string): OperandFactory {
  const single = suffix in elementSizes;
  const no = mismatch(
    `a list of ${count} vector register${count > 1 ? 's' : ''} such as {${Array.from({ length: count }, (_, i) => `v${i}.${suffix}`).join(', ')}}${single ? '[0]' : ''}`,
  );
  return (fields): OperandHandler => {
    const { name } = fieldAt(fields, 0);
    const index = single ? elementIndex(fields.slice(1), elementSizes[suffix as Element]) : undefined;
    return {
      expects: no.text,
      parse(from, f) {
        if (!from.accept('{')) return no;
        const first = vectorNumber(from.next()?.lower ?? '', suffix);
        if (first === undefined) return no;
        let n = 1;
        if (from.accept('-')) {
          const last = vectorNumber(from.next()?.lower ?? '', suffix);
          if (last === undefined) return no;
          n = ((last - first + 32) % 32) + 1;
        } else {
          while (from.accept(',')) {
            const next = vectorNumber(from.next()?.lower ?? '', suffix);
            if (next === undefined) return no;
            if (next !== (first + n) % 32) return wrong('the registers of a list must follow each other');
            n++;
          }
        }
        if (n !== count || !from.accept('}')) return no;
        f[name] = first;
        return index ? takeIndex(from, f, index) : undefined;
      },
      print: (f) => {
        const first = f[name] ?? 0;
        const reg = (i: number): string => `v${(first + i) % 32}.${suffix}`;
        // GNU objdump writes a range for three and more.
        const inner =
          count > 2 && first + count <= 32
            ? `${reg(0)}-${reg(count - 1)}`
            : Array.from({ length: count }, (_, i) => reg(i)).join(', ');
        return `{${inner}}${index ? `[${index.get(f)}]` : ''}`;
      },
    };
  };
}

/** The value of an FMOV immediate: VFPExpandImm() as a double. */
function floatOf(imm8: number): number {
  const sign = imm8 & 0x80 ? -1 : 1;
  const exponent = imm8 & 0x40 ? ((imm8 >> 4) & 3) - 3 : ((imm8 >> 4) & 3) + 1;
  return sign * (1 + (imm8 & 15) / 16) * 2 ** exponent;
}

const floats = new Map(Array.from({ length: 256 }, (_, imm8) => [floatOf(imm8), imm8]));

const fpimm: OperandFactory = (fields) => {
  const field = join(fields);
  return {
    expects: 'a floating-point immediate',
    parse(from, f) {
      from.accept('#');
      const sign = from.accept('-') ? -1 : 1;
      const token = from.peek();
      if (token?.kind !== 'num' && token?.kind !== 'float') return mismatch('a floating-point immediate');
      from.next();
      const v = sign * Number(token.text);
      const imm8 = floats.get(v);
      if (imm8 === undefined) {
        return wrong(
          `${v} cannot be encoded by ${from.mnemonic}: +-n/16 * 2^r, with n 16 to 31 and r -3 to 4`,
        );
      }
      field.set(f, imm8);
      return undefined;
    },
    print: (f) =>
      `#${floatOf(field.get(f))
        .toExponential(18)
        .replace(/e([+-])(\d)$/, 'e$10$2')}`,
  };
};

/** MOVI of 64 bits: every bit of the eight stands for a byte of zeros or ones. */
const bytemask: OperandFactory = (fields) => {
  const field = join(fields);
  return {
    expects: 'an immediate whose bytes are 0 or 0xff',
    parse(from, f) {
      from.accept('#');
      const v = takeNumber(from);
      if (isError(v)) return v;
      let imm8 = 0;
      for (let i = 7; i >= 0; i--) {
        const byte = (v.value >> BigInt(8 * i)) & 0xffn;
        if (byte !== 0n && byte !== 0xffn) return wrong(`in ${show(v.value)} not all bytes are 0 or 0xff`);
        imm8 = imm8 * 2 + (byte ? 1 : 0);
      }
      field.set(f, imm8);
      return undefined;
    },
    print: (f) => {
      const imm8 = field.get(f);
      let v = 0n;
      for (let i = 0; i < 8; i++) if ((imm8 >> i) & 1) v |= 0xffn << BigInt(8 * i);
      return `#${hex(v)}`;
    },
  };
};

/** `v3.d[1]`: the upper half, the only element that FMOV names (C7.2.137). */
const upperHalf: OperandFactory = (fields) => {
  const { name } = fieldAt(fields, 0);
  const no = mismatch('the upper half of a vector, v0.d[1] to v31.d[1]');
  return {
    expects: no.text,
    parse(from, f) {
      const n = vectorNumber(from.peek()?.lower ?? '', 'd');
      if (n === undefined) return no;
      from.next();
      f[name] = n;
      return from.accept('[') && from.accept('1') && from.accept(']') ? undefined : no;
    },
    print: (f) => `v${f[name]}.d[1]`,
  };
};

const kinds: Record<string, OperandFactory> = { fpimm, bytemask, 'v.d1': upperHalf };
for (const a of arrangements) kinds[`v.${a}`] = vector(a);
for (const e of Object.keys(elementSizes) as Element[]) kinds[`v.${e}`] = element(e);
for (let n = 1; n <= 4; n++) {
  for (const suffix of [...arrangements, 'b', 'h', 's', 'd']) kinds[`list${n}.${suffix}`] = list(n, suffix);
}

/** The kinds of vectors and of their immediates. */
export const simdKinds: Readonly<Record<string, OperandFactory>> = kinds;
