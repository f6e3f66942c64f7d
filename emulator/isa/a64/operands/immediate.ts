/** Immediates and addresses as operands. */
import type { Field } from '../../dsl/pattern';
import type {
  OperandError,
  OperandFactory,
  OperandField,
  OperandHandler,
  OperandReader,
  OperandValue,
  PartialFields,
} from '../../dsl/operand';
import type { RawFields } from '../../dsl/row';
import { fieldAt, mismatch, wrong } from './registers';

/** Several fields as one number, the first one holding the highest bits. */
export interface Joined {
  readonly width: number;
  get(f: RawFields): number;
  set(f: PartialFields, value: number): void;
}

export function join(fields: readonly OperandField[]): Joined {
  const real = fields.filter((f): f is Field => !('literal' in f));
  const only = real[0];
  if (only && real.length === 1) {
    const { name, width } = only;
    return { width, get: (f) => f[name] ?? 0, set: (f, v) => (f[name] = v) };
  }
  return {
    width: real.reduce((sum, f) => sum + f.width, 0),
    get: (f) => real.reduce((v, { name, width }) => v * 2 ** width + (f[name] ?? 0), 0),
    set: (f, value) => {
      let rest = value;
      for (let i = real.length - 1; i >= 0; i--) {
        const r = real[i] as Field;
        f[r.name] = rest % 2 ** r.width;
        rest = Math.floor(rest / 2 ** r.width);
      }
    },
  };
}

export const hex = (v: number | bigint): string => `0x${v.toString(16)}`;

/** A number as error texts show it: decimal when that is short. */
export const show = (v: bigint): string =>
  v > -65536n && v < 65536n ? `${v}` : v < 0n ? `-${hex(-v)}` : hex(v);

/** Reads a plain number. An address is not one. */
export function takeNumber(from: OperandReader): OperandValue | OperandError {
  const v = from.expression();
  if (typeof v === 'string') return { text: v, wrong: v !== 'an expression' };
  if (v.kind === 'address') {
    return wrong(
      'an address cannot be an immediate here; use adrp with :lo12:, or ldr with =symbol, to get it into a register',
    );
  }
  return v;
}

export const isError = (v: OperandValue | OperandError | undefined): v is OperandError =>
  v !== undefined && 'text' in v;

interface NumberSpec {
  /** The field holds value / scale. */
  scale?: number;
  /** The field holds value - bias. */
  bias?: number;
  signed?: boolean;
  print?: (v: number) => string;
  noun?: string;
}

const isExtendShift = (fields: readonly OperandField[]): boolean => {
  const f = fields[0];
  return f !== undefined && 'name' in f && f.name === 'imm3';
};

/** An immediate in a field, or in several. Scaled ones take :lo12: too (C4.1.94 load/store unsigned immediate). */
function number(spec: NumberSpec): OperandFactory {
  const { scale = 1, bias = 0, signed = false, print = String, noun = 'immediate' } = spec;
  return (fields, place) => {
    const field = join(fields);
    const span = 2 ** field.width;
    const lo = (signed ? -span / 2 : 0) * scale + bias;
    // Shift amounts and bit numbers are six bits wide also where the registers have 32 (C6.2: imm6<5> = 1 is
    // UNDEFINED); the shift of an extended register is at most 4.
    const top = place.shape['sf'] === 0 && field.width === 6 ? 31 : isExtendShift(fields) ? 4 : span - 1;
    const hi = (signed ? span / 2 - 1 : top) * scale + bias;
    const range = `${lo} to ${hi}${scale > 1 ? `, a multiple of ${scale}` : ''}`;
    const value = (f: RawFields): number => {
      const raw = field.get(f);
      return (signed && raw >= span / 2 ? raw - span : raw) * scale + bias;
    };
    return {
      expects: `an immediate (${range})`,
      parse(from, f) {
        const relocation = from.relocation();
        if (relocation !== undefined) {
          if (field.width !== 12 || relocation !== 'lo12')
            return wrong(`:${relocation}: is not possible here`);
          return lowTwelve(from, scale, (v) => field.set(f, v));
        }
        const v = takeNumber(from);
        if (isError(v)) return v;
        if (v.kind === 'later') {
          field.set(f, 0);
          return undefined;
        }
        if (v.value < BigInt(lo) || v.value > BigInt(hi) || (v.value - BigInt(bias)) % BigInt(scale) !== 0n) {
          return wrong(`${noun} ${show(v.value)} is out of range for ${from.mnemonic}: ${range}`);
        }
        const raw = (Number(v.value) - bias) / scale;
        field.set(f, raw < 0 ? raw + span : raw);
        return undefined;
      },
      print: (f) => print(value(f)),
    };
  };
}

/** `:lo12:expr`: the offset in the 4 KiB page, which must be a multiple of the access size. */
function lowTwelve(from: OperandReader, scale: number, set: (v: number) => void): OperandError | undefined {
  const v = from.address();
  if (typeof v === 'string') return wrong(v);
  const low = v.kind === 'later' ? 0 : Number(BigInt.asUintN(12, v.value));
  if (low % scale !== 0) {
    return wrong(`the address ends in ${hex(low)}, but ${from.mnemonic} needs a multiple of ${scale} here`);
  }
  set(low / scale);
  return undefined;
}

// --- ADD, SUB ----------------------------------------------------------------------------------------------------

const addRange = '0 to 4095, or a multiple of 4096 up to 16773120';

const addimm: OperandFactory = (fields) => {
  const shiftField = fieldAt(fields, 0).name;
  const immField = fieldAt(fields, 1).name;
  const set = (f: PartialFields, sh: number, v: number): undefined => {
    f[shiftField] = sh;
    f[immField] = v;
    return undefined;
  };
  return {
    expects: `an immediate (${addRange})`,
    parse(from, f) {
      const marked = from.accept('#');
      const relocation = from.relocation();
      if (relocation === 'lo12') return lowTwelve(from, 1, (v) => set(f, 0, v));
      if (relocation !== undefined) return wrong(`:${relocation}: is not possible here, :lo12: is`);
      const v = takeNumber(from);
      if (isError(v)) return marked ? { ...v, wrong: true } : v;
      const value = from.negate ? -v.value : v.value;
      let shift: number | undefined;
      if (from.accept(',')) {
        if (!from.accept('lsl')) return mismatch("'lsl #12'");
        from.accept('#');
        const by = takeNumber(from);
        if (isError(by)) return by;
        if (by.value !== 0n && by.value !== 12n)
          return wrong(`the shift of an immediate is lsl #0 or lsl #12`);
        shift = Number(by.value);
      }
      if (v.kind === 'later') return set(f, shift === 12 ? 1 : 0, 0);
      if (value >= 0n && value < 4096n) return set(f, shift === 12 ? 1 : 0, Number(value));
      if (shift === undefined && value > 0n && value < 1n << 24n && value % 4096n === 0n) {
        return set(f, 1, Number(value / 4096n));
      }
      return wrong(`immediate ${show(v.value)} is out of range for ${from.mnemonic}: ${addRange}`);
    },
    print: (f) => `#${hex(f[immField] ?? 0)}${f[shiftField] ? ', lsl #12' : ''}`,
  };
};

// --- addresses -----------------------------------------------------------------------------------------------------

/** An address relative to this instruction; `unit` 4096 counts pages (ADRP). */
function relative(unit: 1 | 4 | 4096): OperandFactory {
  return (fields): OperandHandler => {
    const field = join(fields);
    const span = 2 ** field.width;
    return {
      expects: 'a label',
      parse(from, f) {
        if (unit === 4096) {
          const relocation = from.relocation();
          if (relocation !== undefined && relocation !== 'pg_hi21') {
            return wrong(`:${relocation}: is not possible with ${from.mnemonic}`);
          }
        }
        const v = from.distance(unit === 4096);
        if (typeof v === 'string') return { text: v, wrong: v !== 'an expression' };
        if (v.kind === 'later') {
          field.set(f, 0);
          return undefined;
        }
        const step = BigInt(unit);
        if (v.value % step !== 0n) return wrong(`the target is not at a multiple of 4 bytes from here`);
        const n = v.value / step;
        if (n < BigInt(-span / 2) || n >= BigInt(span / 2)) {
          return wrong(
            `the target is ${show(v.value)} bytes away, ${from.mnemonic} reaches ${show(BigInt(-span / 2) * step)} to ${show(BigInt(span / 2 - 1) * step)}`,
          );
        }
        field.set(f, Number(n < 0n ? n + BigInt(span) : n));
        return undefined;
      },
      print(f, context) {
        const raw = field.get(f);
        const n = BigInt(raw >= span / 2 ? raw - span : raw) * BigInt(unit);
        const from = unit === 4096 ? context.address & ~0xfffn : context.address;
        const target = BigInt.asUintN(64, from + n);
        context.target = target;
        const name = context.symbolize?.(target);
        return `${target.toString(16)}${name === undefined ? '' : ` <${name}>`}`;
      },
    };
  };
}

const hexNumber = number({ print: hex });

/** The bit number of TBZ: b5:b40. */
const testBit: OperandFactory = (fields, place) => number({ noun: 'bit number' })(fields, place);

/** The field holds `top` minus the value: bits of fraction, and shifts to the right (C7.2, SSHR). */
const complement =
  (top: number): OperandFactory =>
  (fields, place) => {
    const field = join(fields);
    // In 32 bits there are at most 32 bits of fraction (C7.2, FCVTZS).
    const hi = place.shape['sf'] === 0 ? Math.min(top, 32) : top;
    const lo = top - (2 ** field.width - 1);
    return {
      expects: `an immediate (${lo} to ${hi})`,
      parse(from, f) {
        const v = takeNumber(from);
        if (isError(v)) return v;
        const value = v.kind === 'later' ? BigInt(hi) : v.value;
        if (value < BigInt(lo) || value > BigInt(hi))
          return wrong(`immediate ${show(value)} is out of range for ${from.mnemonic}: ${lo} to ${hi}`);
        field.set(f, top - Number(value));
        return undefined;
      },
      print: (f) => String(top - field.get(f)),
    };
  };

/** `u`, `u*8`, `u+1`, `i`, `i*4`: any factor or bias; `u-64`: what is missing to 64. */
export function numberKind(name: string): OperandFactory | undefined {
  const m = /^([ui])(?:([*+-])(\d+))?$/.exec(name);
  if (!m) return undefined;
  const n = Number(m[3] ?? 0);
  if (m[2] === '-') return complement(n);
  return number({
    signed: m[1] === 'i',
    ...(m[2] === '*' ? { scale: n, noun: 'offset' } : {}),
    ...(m[2] === '+' ? { bias: n } : {}),
  });
}

/** The kinds that are immediates and addresses. */
export const immediateKinds: Readonly<Record<string, OperandFactory>> = {
  x16: hexNumber,
  hex: hexNumber,
  imm8: hexNumber,
  tbit: testBit,
  addimm,
  label: relative(4),
  adr: relative(1),
  adrp: relative(4096),
};
