/** Immediates and addresses as operands. */
import type { Field } from '../dsl/pattern';
import type {
  OperandError,
  OperandFactory,
  OperandField,
  OperandHandler,
  OperandReader,
  OperandValue,
  PartialFields,
} from '../dsl/operand';
import type { RawFields } from '../dsl/row';
import { bitmask } from './bitmask';
import { fieldAt, mismatch, wrong } from './operands-registers';

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

// --- logical and move immediates ---------------------------------------------------------------------------------

/** N, immr and imms of a logical immediate; undefined if the value is not a repeated, rotated run of ones. */
export function encodeBitmask(
  value: bigint,
  bits: 32 | 64,
): [N: number, immr: number, imms: number] | undefined {
  if (value === 0n || value === (1n << BigInt(bits)) - 1n) return undefined;
  let size = bits as number;
  while (size > 2) {
    const half = BigInt(size / 2);
    const low = BigInt.asUintN(size / 2, value);
    if (BigInt.asUintN(size / 2, value >> half) !== low) break;
    size /= 2;
  }
  const element = BigInt.asUintN(size, value);
  let ones = 0;
  for (let v = element; v; v >>= 1n) ones += Number(v & 1n);
  const run = (1n << BigInt(ones)) - 1n;
  for (let r = 0; r < size; r++) {
    const turned = BigInt.asUintN(size, (run >> BigInt(r)) | (run << BigInt(size - r)));
    if (turned === element) return [size === 64 ? 1 : 0, r, ((~(size - 1) << 1) & 0x3f) | (ones - 1)];
  }
  return undefined;
}

/** A value as `bits` wide: from 0 up, or negative; undefined if it does not fit. */
function fit(value: bigint, bits: 32 | 64): bigint | undefined {
  const v = BigInt.asIntN(64, value);
  const u = BigInt.asUintN(bits, v);
  if (bits === 64 || u === BigInt.asUintN(64, v) || BigInt.asIntN(32, v) === v) return u;
  return undefined;
}

/** hw and imm16 of a value that is 16 bits somewhere, else zero. */
function encodeWide(value: bigint, bits: 32 | 64): [hw: number, imm16: number] | undefined {
  for (let hw = 0; hw < bits / 16; hw++) {
    const imm = (value >> BigInt(16 * hw)) & 0xffffn;
    if (imm << BigInt(16 * hw) === value) return [hw, Number(imm)];
  }
  return undefined;
}

const invert = (v: bigint, bits: 32 | 64): bigint => BigInt.asUintN(bits, ~v);

type Encode = (value: bigint, bits: 32 | 64) => readonly number[] | undefined;

/** An immediate that several fields encode together. `shown`: the value to print, if this is the preferred form. */
function encoded(
  bits: 32 | 64,
  encode: Encode,
  shown: (f: number[]) => bigint | undefined,
  problem: string,
): OperandFactory {
  return (fields): OperandHandler => {
    const names = fields.map((_, i) => fieldAt(fields, i).name);
    const set = (f: PartialFields, values: readonly number[]): undefined => {
      names.forEach((n, i) => (f[n] = values[i] ?? 0));
      return undefined;
    };
    return {
      expects: 'an immediate',
      parse(from, f) {
        const v = takeNumber(from);
        if (isError(v)) return v;
        if (v.kind === 'later') return set(f, [0, 0, 0]);
        const value = fit(v.value, bits);
        const values = value === undefined ? undefined : encode(value, bits);
        if (values) return set(f, values);
        return wrong(
          value === undefined
            ? `immediate ${show(v.value)} does not fit in 32 bits`
            : `immediate ${show(v.value)} cannot be encoded by ${from.mnemonic}: ${problem}`,
        );
      },
      print: (f) => {
        const v = shown(names.map((n) => f[n] ?? 0));
        return v === undefined ? undefined : hex(v);
      },
    };
  };
}

const movProblem =
  'it is neither 16 bits at a multiple of 16 (or the inverse of that) nor a repeated run of ones; use ldr with =value, or movz and movk';
const bitmaskProblem = 'it must be a run of ones, rotated, repeated every 2, 4, 8, 16, 32 or 64 bits';

const decodeBitmask = (bits: 32 | 64, [N = 0, immr = 0, imms = 0]: number[]): bigint | undefined =>
  bitmask(bits === 64 ? 1 : 0, N, immr, imms);

/** BIC and its kin with an immediate: accepted for AND of the inverse, never printed. */
function inverseBitmask(bits: 32 | 64): OperandFactory {
  return encoded(
    bits,
    (v) => encodeBitmask(invert(v, bits), bits),
    () => undefined,
    bitmaskProblem,
  );
}

function wide(bits: 32 | 64, inverse: boolean): OperandFactory {
  return encoded(
    bits,
    (v) => encodeWide(inverse ? invert(v, bits) : v, bits),
    ([hw = 0, imm = 0]) => {
      // MOV is preferred unless a shift moves nothing, or MOVZ would do it, too (C6.2.191, C6.2.192).
      if ((imm === 0 && hw !== 0) || (inverse && bits === 32 && imm === 0xffff)) return undefined;
      const v = BigInt(imm) << BigInt(16 * hw);
      return inverse ? invert(v, bits) : v;
    },
    movProblem,
  );
}

function movBitmask(bits: 32 | 64): OperandFactory {
  return encoded(
    bits,
    encodeBitmask,
    (f) => {
      const v = decodeBitmask(bits, f);
      return v === undefined || encodeWide(v, bits) || encodeWide(invert(v, bits), bits) ? undefined : v;
    },
    movProblem,
  );
}

const movk: OperandFactory = (fields) => {
  const hw = fieldAt(fields, 0).name;
  const imm = fieldAt(fields, 1).name;
  return {
    expects: 'an immediate (0 to 65535)',
    parse(from, f) {
      from.accept('#');
      const relocation = from.relocation();
      if (relocation !== undefined) return absGroup(from, relocation, f, hw, imm);
      const v = takeNumber(from);
      if (isError(v)) return v;
      let by = 0n;
      if (from.accept(',')) {
        if (!from.accept('lsl')) return mismatch("'lsl #16'");
        from.accept('#');
        const shift = takeNumber(from);
        if (isError(shift)) return shift;
        by = shift.value;
        if (by % 16n !== 0n || by < 0n || by > 48n) return wrong(`shift ${by} is not 0, 16, 32 or 48`);
      }
      if (v.kind !== 'later' && (v.value < 0n || v.value > 0xffffn)) {
        return wrong(`immediate ${show(v.value)} is out of range for ${from.mnemonic}: 0 to 65535`);
      }
      f[hw] = Number(by) / 16;
      f[imm] = v.kind === 'later' ? 0 : Number(v.value);
      return undefined;
    },
    print: (f) => `#${hex(f[imm] ?? 0)}${f[hw] ? `, lsl #${16 * (f[hw] ?? 0)}` : ''}`,
  };
};

/** `:abs_g0:` to `:abs_g3:`, 16 bits of an address; with `_nc` without a check that the bits above are zero. */
function absGroup(
  from: OperandReader,
  relocation: string,
  f: PartialFields,
  hw: string,
  imm: string,
): OperandError | undefined {
  const m = /^abs_g([0-3])(_nc)?$/.exec(relocation);
  if (!m) return wrong(`:${relocation}: is not possible here; :abs_g0: to :abs_g3: are, and their _nc forms`);
  const group = Number(m[1]);
  const v = from.address();
  if (typeof v === 'string') return wrong(v);
  const value = v.kind === 'later' ? 0n : BigInt.asUintN(64, v.value);
  if (!m[2] && value >> BigInt(16 * (group + 1)) !== 0n) {
    return wrong(
      `${hex(value)} does not fit in ${16 * (group + 1)} bits; use :abs_g${group}_nc: for a part of it`,
    );
  }
  f[hw] = group;
  f[imm] = Number((value >> BigInt(16 * group)) & 0xffffn);
  return undefined;
}

// --- bit fields and shifts ----------------------------------------------------------------------------------------

interface Computed {
  noun: string;
  range: (f: PartialFields) => readonly [number, number];
  set: (f: PartialFields, v: number) => void;
  get: (f: RawFields) => number | undefined;
}

/** A number from which fields are computed, perhaps with the help of fields that are known already. */
function computed(make: (fields: readonly string[]) => Computed): OperandFactory {
  return (fields): OperandHandler => {
    const c = make(fields.map((_, i) => fieldAt(fields, i).name));
    return {
      expects: c.noun,
      parse(from, f) {
        const v = takeNumber(from);
        if (isError(v)) return v;
        const [lo, hi] = c.range(f);
        const value = v.kind === 'later' ? BigInt(lo) : v.value;
        if (value < BigInt(lo) || value > BigInt(hi)) {
          return wrong(`${c.noun} ${show(value)} is out of range for ${from.mnemonic}: ${lo} to ${hi}`);
        }
        c.set(f, Number(value));
        return undefined;
      },
      print: (f) => c.get(f)?.toString(),
    };
  };
}

/** LSL (immediate): immr = -shift MOD size, imms = size - 1 - shift. */
const lsl = (size: number): OperandFactory =>
  computed(([immr = '', imms = '']) => ({
    noun: 'shift',
    range: () => [0, size - 1],
    set: (f, v) => {
      f[immr] = (size - v) % size;
      f[imms] = size - 1 - v;
    },
    get: (f) =>
      (f[imms] ?? 0) !== size - 1 && f[immr] === (f[imms] ?? 0) + 1 ? size - 1 - (f[imms] ?? 0) : undefined,
  }));

/** The bit where BFI and its kin insert: immr = -lsb MOD size; theirs are the encodings with imms < immr. */
const insertLsb = (size: number): OperandFactory =>
  computed(([immr = '', imms = '']) => ({
    noun: 'lowest bit',
    range: () => [0, size - 1],
    set: (f, v) => (f[immr] = (size - v) % size),
    get: (f) => ((f[imms] ?? 0) < (f[immr] ?? 0) ? (size - (f[immr] ?? 0)) % size : undefined),
  }));

/** Width for BFI and its kin, after insertLsb: at most what is left above the lowest bit. */
const insertWidth = computed(([imms = '']) => ({
  noun: 'width',
  range: (f) => [1, f['immr'] ? f['immr'] : f['sf'] === 0 ? 32 : 64],
  set: (f, v) => (f[imms] = v - 1),
  get: (f) => (f[imms] ?? 0) + 1,
}));

const extractLsb = computed(([immr = '', imms = '']) => ({
  noun: 'lowest bit',
  range: (f) => [0, f['sf'] === 0 ? 31 : 63],
  set: (f, v) => (f[immr] = v),
  get: (f) => ((f[imms] ?? 0) >= (f[immr] ?? 0) ? f[immr] : undefined),
}));

const extractWidth = computed(([immr = '', imms = '']) => ({
  noun: 'width',
  range: (f) => [1, (f['sf'] === 0 ? 32 : 64) - (f[immr] ?? 0)],
  set: (f, v) => (f[imms] = (f[immr] ?? 0) + v - 1),
  get: (f) => (f[imms] ?? 0) - (f[immr] ?? 0) + 1,
}));

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

/** `u`, `u*8`, `u+1`, `i`, `i*4`: any factor or bias. */
export function numberKind(name: string): OperandFactory | undefined {
  const m = /^([ui])(?:([*+])(\d+))?$/.exec(name);
  if (!m) return undefined;
  const n = Number(m[3] ?? 0);
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
  bitmask32: encoded(32, encodeBitmask, (f) => decodeBitmask(32, f), bitmaskProblem),
  bitmask64: encoded(64, encodeBitmask, (f) => decodeBitmask(64, f), bitmaskProblem),
  nbitmask32: inverseBitmask(32),
  nbitmask64: inverseBitmask(64),
  movz32: wide(32, false),
  movz64: wide(64, false),
  movn32: wide(32, true),
  movn64: wide(64, true),
  movbm32: movBitmask(32),
  movbm64: movBitmask(64),
  movk,
  lslsh32: lsl(32),
  lslsh64: lsl(64),
  bflsb32: insertLsb(32),
  bflsb64: insertLsb(64),
  bfw: insertWidth,
  bfxlsb: extractLsb,
  bfxw: extractWidth,
  label: relative(4),
  adr: relative(1),
  adrp: relative(4096),
};
