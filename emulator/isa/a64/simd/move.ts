/**
 * Moves between and within the FP/SIMD registers: FMOV, DUP, INS, UMOV, SMOV, vector immediates and the bitwise
 * logical instructions (MOV of a vector is ORR). Arm ARM DDI 0487 C4.1, "Data processing - scalar floating-point and
 * Advanced SIMD".
 */
import type { Val } from '../../../ir/nodes';
import type { RawFields, Row } from '../../dsl/row';
import { checkFpEnabled } from '../memory/load-store-common';
import { row } from '../row';
import type { A64 } from '../sem';

// --- FMOV -------------------------------------------------------------------------------------------------------

/** VFPExpandImm() (Arm ARM DDI 0487 J1.3): sign, exponent NOT(b):Replicate(b):cd, fraction efgh:0... */
export function expandFpImmediate(imm8: number, bits: 16 | 32 | 64): bigint {
  const [exponent, fraction] = ({ 16: [5, 10], 32: [8, 23], 64: [11, 52] } as const)[bits];
  const sign = BigInt(imm8 >> 7);
  const b = (imm8 >> 6) & 1;
  const repeated = b ? (1n << BigInt(exponent - 3)) - 1n : 0n;
  const exp = (BigInt(b ^ 1) << BigInt(exponent - 1)) | (repeated << 2n) | BigInt((imm8 >> 4) & 3);
  const frac = BigInt(imm8 & 15) << BigInt(fraction - 4);
  return (sign << BigInt(bits - 1)) | (exp << BigInt(fraction)) | frac;
}

const scalars = [
  { ftype: '00', reg: 's', bits: 32, feature: {} },
  { ftype: '01', reg: 'd', bits: 64, feature: {} },
  { ftype: '11', reg: 'h', bits: 16, feature: { feature: 'FP16' } },
] as const;

/** The low bits of a vector register, zero-extended. */
const scalar = (s: A64, v: Val, bits: 16 | 32 | 64): Val =>
  bits === 64 ? v : s.andi(v, (1n << BigInt(bits)) - 1n);

const fmovRows: readonly Row<A64>[] = [
  ...scalars.map(({ ftype, reg, bits, feature }) =>
    row(`FMOV (register, ${reg.toUpperCase()})`, `0 0 0 11110 ${ftype} 1 0000 00 10000 rn:5 rd:5`, {
      asm: `fmov <${reg}:rd>, <${reg}:rn>`,
      ...feature,
      doc: 'Copies a scalar FP register; the rest of the destination becomes zero.',
      exec(s, f) {
        checkFpEnabled(s);
        s.setV(f.rd, scalar(s, s.v(f.rn), bits));
      },
    }),
  ),
  ...scalars.map(({ ftype, reg, bits, feature }) =>
    row(`FMOV (scalar, immediate, ${reg.toUpperCase()})`, `0 0 0 11110 ${ftype} 1 imm8:8 100 00000 rd:5`, {
      asm: `fmov <${reg}:rd>, #<fpimm:imm8>`,
      ...feature,
      derive: (f) => ({ value: expandFpImmediate(f.imm8, bits) }),
      doc: 'Writes a floating-point constant to a scalar FP register.',
      exec(s, f) {
        checkFpEnabled(s);
        s.setV(f.rd, s.imm(f.value));
      },
    }),
  ),
  row('FMOV (S to W)', '0 00 11110 00 1 00 110 000000 rn:5 rd:5', {
    asm: 'fmov <w:rd>, <s:rn>',
    doc: 'Copies the low 32 bits of an FP register to a general-purpose register.',
    exec(s, f) {
      checkFpEnabled(s);
      s.setX(f.rd, s.wrap(s.v(f.rn)));
    },
  }),
  row('FMOV (W to S)', '0 00 11110 00 1 00 111 000000 rn:5 rd:5', {
    asm: 'fmov <s:rd>, <w:rn>',
    doc: 'Copies a 32-bit register to an FP register.',
    exec(s, f) {
      checkFpEnabled(s);
      s.setV(f.rd, s.x(f.rn, 0));
    },
  }),
  row('FMOV (D to X)', '1 00 11110 01 1 00 110 000000 rn:5 rd:5', {
    asm: 'fmov <x:rd>, <d:rn>',
    doc: 'Copies the low 64 bits of an FP register to a general-purpose register.',
    exec(s, f) {
      checkFpEnabled(s);
      s.setX(f.rd, s.v(f.rn));
    },
  }),
  row('FMOV (X to D)', '1 00 11110 01 1 00 111 000000 rn:5 rd:5', {
    asm: 'fmov <d:rd>, <x:rn>',
    doc: 'Copies a 64-bit register to an FP register.',
    exec(s, f) {
      checkFpEnabled(s);
      s.setV(f.rd, s.x(f.rn));
    },
  }),
  row('FMOV (top half to X)', '1 00 11110 10 1 01 110 000000 rn:5 rd:5', {
    asm: 'fmov <x:rd>, <v.d1:rn>',
    doc: 'Copies the high 64 bits of a vector register to a general-purpose register.',
    exec(s, f) {
      checkFpEnabled(s);
      s.setX(f.rd, s.v(f.rn, 1));
    },
  }),
  row('FMOV (X to top half)', '1 00 11110 10 1 01 111 000000 rn:5 rd:5', {
    asm: 'fmov <v.d1:rd>, <x:rn>',
    doc: 'Copies a 64-bit register to the high half of a vector register, leaving the low half.',
    exec(s, f) {
      checkFpEnabled(s);
      s.setV(f.rd, s.v(f.rd, 0), s.x(f.rn));
    },
  }),
];

// --- copies of elements -----------------------------------------------------------------------------------------

/** imm5 by element size: the lowest set bit tells the size, the bits above it are the index. */
const elements = [
  { letter: 'b', bytes: 1, imm5: 'i:4 1', imm4: 'j:4' },
  { letter: 'h', bytes: 2, imm5: 'i:3 10', imm4: 'j:3 low:1' },
  { letter: 's', bytes: 4, imm5: 'i:2 100', imm4: 'j:2 low:2' },
  { letter: 'd', bytes: 8, imm5: 'i:1 1000', imm4: 'j:1 low:3' },
] as const;

type Element = (typeof elements)[number];

const bitsOf = (e: Element): 8 | 16 | 32 | 64 => (8 * e.bytes) as 8 | 16 | 32 | 64;
const generalReg = (e: Element): 'w' | 'x' => (e.bytes === 8 ? 'x' : 'w');
const arrangement = (q: number, e: Element): string => `${(8 << q) / e.bytes}${e.letter}`;

/** Place of element `index` of register `reg`, for A64.element. */
const place = (reg: number, index: number, bytes: number): number => 16 * reg + index * bytes;

/** Vector forms: a 64-bit element needs Q. */
const qShapes = (e: Element) => () => (e.bytes === 8 ? [{ Q: 1 }] : [{ Q: 0 }, { Q: 1 }]);
const qFits = (e: Element) => (f: RawFields) => e.bytes < 8 || f['Q'] === 1;

/** A 64-bit constant in both halves, or in the lower one. */
const setBoth = (s: A64, rd: Parameters<A64['setV']>[0], value: Val, q: number): void =>
  s.setQ(rd, q ? s.splat(64, value) : s.pair(value, s.i64(0)));

const copyRows = (e: Element): readonly Row<A64>[] => [
  row(`DUP (element, scalar, ${e.letter.toUpperCase()})`, `01 0 11110000 ${e.imm5} 0 0000 1 rn:5 rd:5`, {
    asm: ['mov', 'dup'].map((m) => `${m} <${e.letter}:rd>, <v.${e.letter}:rn,i>`),
    derive: (f) => ({ from: place(f.rn, f.i, e.bytes) }),
    doc: 'Copies a vector element to a scalar register; the rest of the destination becomes zero.',
    exec(s, f) {
      checkFpEnabled(s);
      s.setV(f.rd, s.element(f.from, e.bytes));
    },
  }),
  row(`DUP (element, vector, ${e.letter.toUpperCase()})`, `0 Q 0 01110000 ${e.imm5} 0 0000 1 rn:5 rd:5`, {
    asm: (f) => `dup <v.${arrangement(f.Q, e)}:rd>, <v.${e.letter}:rn,i>`,
    shape: ['Q'],
    shapes: qShapes(e),
    when: qFits(e),
    derive: (f) => ({ from: place(f.rn, f.i, e.bytes) }),
    doc: 'Copies a vector element to all elements of a vector.',
    exec(s, f) {
      checkFpEnabled(s);
      s.setVector(f.rd, s.splatElement(f.from, e.bytes), f.Q);
    },
  }),
  // The index bits of imm5 mean nothing here; the assembler writes zeros.
  row(`DUP (general, ${e.letter.toUpperCase()})`, `0 Q 0 01110000 ${e.imm5} 0 0001 1 rn:5 rd:5`, {
    asm: (f) => `dup <v.${arrangement(f.Q, e)}:rd>, <${generalReg(e)}:rn>`,
    shape: ['Q'],
    shapes: qShapes(e),
    when: qFits(e),
    doc: 'Copies a general-purpose register to all elements of a vector.',
    exec(s, f) {
      checkFpEnabled(s);
      s.setVector(f.rd, s.splat(bitsOf(e), s.x(f.rn)), f.Q);
    },
  }),
  row(`INS (general, ${e.letter.toUpperCase()})`, `0 1 0 01110000 ${e.imm5} 0 0011 1 rn:5 rd:5`, {
    asm: ['mov', 'ins'].map((m) => `${m} <v.${e.letter}:rd,i>, <${generalReg(e)}:rn>`),
    derive: (f) => ({ to: place(f.rd, f.i, e.bytes) }),
    doc: 'Copies a general-purpose register to one element of a vector, leaving the others.',
    exec(s, f) {
      checkFpEnabled(s);
      s.setElement(f.to, e.bytes, s.x(f.rn));
    },
  }),
  row(`INS (element, ${e.letter.toUpperCase()})`, `0 1 1 01110000 ${e.imm5} 0 ${e.imm4} 1 rn:5 rd:5`, {
    asm: ['mov', 'ins'].map((m) => `${m} <v.${e.letter}:rd,i>, <v.${e.letter}:rn,j>`),
    derive: (f) => ({ from: place(f.rn, f.j, e.bytes), to: place(f.rd, f.i, e.bytes) }),
    doc: 'Copies a vector element to one element of another vector, leaving the others.',
    exec(s, f) {
      checkFpEnabled(s);
      s.setElement(f.to, e.bytes, s.element(f.from, e.bytes));
    },
  }),
];

/** UMOV: the 64-bit form takes doublewords only. It is preferred as MOV where nothing is extended. */
const umov = (e: Element): Row<A64> => {
  const q = e.bytes === 8 ? '1' : '0';
  return row(`UMOV (${e.letter.toUpperCase()})`, `0 ${q} 0 01110000 ${e.imm5} 0 0111 1 rn:5 rd:5`, {
    asm: (e.bytes >= 4 ? ['mov', 'umov'] : ['umov']).map(
      (m) => `${m} <${generalReg(e)}:rd>, <v.${e.letter}:rn,i>`,
    ),
    derive: (f) => ({ from: place(f.rn, f.i, e.bytes) }),
    doc: 'Copies a vector element to a general-purpose register, zero-extended.',
    exec(s, f) {
      checkFpEnabled(s);
      s.setX(f.rd, s.element(f.from, e.bytes));
    },
  });
};

/** SMOV: the destination is wider than the element. */
const smov = (e: Exclude<Element, { bytes: 8 }>, q: '0' | '1'): Row<A64> => {
  const reg = q === '1' ? 'x' : 'w';
  const ty = q === '1' ? 'i64' : 'i32';
  return row(
    `SMOV (${e.letter.toUpperCase()} to ${reg.toUpperCase()})`,
    `0 ${q} 0 01110000 ${e.imm5} 0 0101 1 rn:5 rd:5`,
    {
      asm: `smov <${reg}:rd>, <v.${e.letter}:rn,i>`,
      derive: (f) => ({ from: place(f.rn, f.i, e.bytes) }),
      doc: 'Copies a vector element to a general-purpose register, sign-extended.',
      exec(s, f) {
        checkFpEnabled(s);
        const v = s.element(f.from, e.bytes);
        if (e.bytes === 1) s.setX(f.rd, s.sext8(s.to(ty, v)));
        else if (e.bytes === 2) s.setX(f.rd, s.sext16(s.to(ty, v)));
        else s.setX(f.rd, s.sext(v));
      },
    },
  );
};

// --- immediates -------------------------------------------------------------------------------------------------

const ones = (v: bigint, width: number): bigint => {
  let r = 0n;
  for (let at = 0; at < 64; at += width) r |= v << BigInt(at);
  return r;
};

const imm8 = (f: RawFields): number => ((f['abc'] ?? 0) << 5) | (f['defgh'] ?? 0);

type ImmediateOp = 'movi' | 'mvni' | 'orr' | 'bic';

const immediateOps: readonly { m: ImmediateOp; op: '0' | '1'; low: '0' | '1'; doc: string }[] = [
  { m: 'movi', op: '0', low: '0', doc: 'Writes a constant to every element of a vector.' },
  { m: 'mvni', op: '1', low: '0', doc: 'Writes an inverted constant to every element of a vector.' },
  { m: 'orr', op: '0', low: '1', doc: 'Sets the bits of a constant in every element of a vector.' },
  { m: 'bic', op: '1', low: '1', doc: 'Clears the bits of a constant in every element of a vector.' },
];

/** The operation; `value` is already inverted for MVNI and BIC. */
const applyImmediate = (s: A64, m: ImmediateOp, old: () => Val, value: Val): Val =>
  m === 'orr' ? s.vector('or', old(), value) : m === 'bic' ? s.vector('and', old(), value) : value;

/** AdvSIMDExpandImm() with cmode 0xxx (32-bit), 10xx (16-bit): imm8 shifted by whole bytes. */
const shiftedImmediates = ([32, 16] as const).flatMap((width) =>
  immediateOps.map(({ m, op, low, doc }) => {
    const cmode = width === 32 ? (`0 amt:2 ${low}` as const) : (`10 amt:1 ${low}` as const);
    const t = width === 32 ? ['2s', '4s'] : ['4h', '8h'];
    return row(
      `${m.toUpperCase()} (vector, immediate, ${width}-bit)`,
      `0 Q ${op} 0111100000 abc:3 ${cmode} 01 defgh:5 rd:5`,
      {
        asm: (f) => `${m} <v.${t[f.Q]}:rd>, #<imm8:abc,defgh>{, lsl #<u*8:amt>}`,
        shape: ['Q'],
        derive: (f) => {
          const value = ones(BigInt(imm8(f)) << BigInt(8 * f.amt), width);
          return { value: op === '1' ? BigInt.asUintN(64, ~value) : value };
        },
        doc,
        exec(s, f) {
          checkFpEnabled(s);
          const value = s.splat(64, s.imm(f.value));
          s.setVector(
            f.rd,
            applyImmediate(s, m, () => s.q(f.rd), value),
            f.Q,
          );
        },
      },
    );
  }),
);

/** cmode 110x: imm8 shifted left, ones coming in ("MSL"). */
const mslImmediates = immediateOps.slice(0, 2).map(({ m, op, doc }) =>
  row(
    `${m.toUpperCase()} (vector, immediate, shifting ones)`,
    `0 Q ${op} 0111100000 abc:3 110 amt 01 defgh:5 rd:5`,
    {
      asm: (f) =>
        [0, 1].map(
          (n) => `${m} <v.${f.Q ? '4s' : '2s'}:rd>, #<imm8:abc,defgh>, msl #${8 * (n + 1)} ; amt=${n}`,
        ),
      shape: ['Q'],
      derive: (f) => {
        const shift = BigInt(8 * (f.amt + 1));
        const value = ones((BigInt(imm8(f)) << shift) | ((1n << shift) - 1n), 32);
        return { value: op === '1' ? BigInt.asUintN(64, ~value) : value };
      },
      doc,
      exec(s, f) {
        checkFpEnabled(s);
        setBoth(s, f.rd, s.imm(f.value), f.Q);
      },
    },
  ),
);

const immediateRows: readonly Row<A64>[] = [
  ...shiftedImmediates,
  ...mslImmediates,
  row('MOVI (vector, 8-bit)', '0 Q 0 0111100000 abc:3 1110 01 defgh:5 rd:5', {
    asm: (f) => `movi <v.${f.Q ? '16b' : '8b'}:rd>, #<imm8:abc,defgh>`,
    shape: ['Q'],
    derive: (f) => ({ value: ones(BigInt(imm8(f)), 8) }),
    doc: 'Writes a constant to every byte of a vector.',
    exec(s, f) {
      checkFpEnabled(s);
      setBoth(s, f.rd, s.imm(f.value), f.Q);
    },
  }),
  row('MOVI (64-bit)', '0 Q 1 0111100000 abc:3 1110 01 defgh:5 rd:5', {
    asm: (f) => `movi <${f.Q ? 'v.2d' : 'd'}:rd>, #<bytemask:abc,defgh>`,
    shape: ['Q'],
    derive: (f) => {
      let value = 0n;
      for (let i = 0; i < 8; i++) if ((imm8(f) >> i) & 1) value |= 0xffn << BigInt(8 * i);
      return { value };
    },
    doc: 'Writes a 64-bit constant, whose bytes are all zeros or all ones, to each half of a vector.',
    exec(s, f) {
      checkFpEnabled(s);
      setBoth(s, f.rd, s.imm(f.value), f.Q);
    },
  }),
  row('FMOV (vector, immediate, S)', '0 Q 0 0111100000 abc:3 1111 01 defgh:5 rd:5', {
    asm: (f) => `fmov <v.${f.Q ? '4s' : '2s'}:rd>, #<fpimm:abc,defgh>`,
    shape: ['Q'],
    derive: (f) => ({ value: ones(expandFpImmediate(imm8(f), 32), 32) }),
    doc: 'Writes a single-precision constant to every element of a vector.',
    exec(s, f) {
      checkFpEnabled(s);
      setBoth(s, f.rd, s.imm(f.value), f.Q);
    },
  }),
  row('FMOV (vector, immediate, H)', '0 Q 0 0111100000 abc:3 1111 11 defgh:5 rd:5', {
    asm: (f) => `fmov <v.${f.Q ? '8h' : '4h'}:rd>, #<fpimm:abc,defgh>`,
    shape: ['Q'],
    feature: 'FP16',
    derive: (f) => ({ value: ones(expandFpImmediate(imm8(f), 16), 16) }),
    doc: 'Writes a half-precision constant to every element of a vector.',
    exec(s, f) {
      checkFpEnabled(s);
      setBoth(s, f.rd, s.imm(f.value), f.Q);
    },
  }),
  row('FMOV (vector, immediate, D)', '0 1 1 0111100000 abc:3 1111 01 defgh:5 rd:5', {
    asm: 'fmov <v.2d:rd>, #<fpimm:abc,defgh>',
    derive: (f) => ({ value: expandFpImmediate(imm8(f), 64) }),
    doc: 'Writes a double-precision constant to both elements of a vector.',
    exec(s, f) {
      checkFpEnabled(s);
      setBoth(s, f.rd, s.imm(f.value), 1);
    },
  }),
];

// --- bitwise logical --------------------------------------------------------------------------------------------

interface Logical {
  readonly m: string;
  readonly u: '0' | '1';
  readonly size: '00' | '01' | '10' | '11';
  readonly doc: string;
  /** `d` is the old destination. */
  readonly apply: (s: A64, n: Val, m: Val, d: () => Val) => Val;
}

/** Takes the bits of `a` where `mask` is 1 and those of `b` elsewhere. */
const mix = (s: A64, mask: Val, a: Val, b: Val): Val => s.vector('bitselect', a, b, mask);

const logicals: readonly Logical[] = [
  { m: 'and', u: '0', size: '00', doc: 'Bitwise AND of vectors.', apply: (s, n, m) => s.vector('and', n, m) },
  {
    m: 'bic',
    u: '0',
    size: '01',
    doc: 'Bitwise AND with the complement.',
    apply: (s, n, m) => s.vector('andnot', n, m),
  },
  {
    m: 'orr',
    u: '0',
    size: '10',
    doc: 'Bitwise OR of vectors (MOV of a vector).',
    apply: (s, n, m) => s.vector('or', n, m),
  },
  {
    m: 'orn',
    u: '0',
    size: '11',
    doc: 'Bitwise OR with the complement.',
    apply: (s, n, m) => s.vector('or', n, s.vector('not', m)),
  },
  {
    m: 'eor',
    u: '1',
    size: '00',
    doc: 'Bitwise exclusive OR of vectors.',
    apply: (s, n, m) => s.vector('xor', n, m),
  },
  {
    m: 'bsl',
    u: '1',
    size: '01',
    doc: 'Bits of the first source where the destination is 1, of the second elsewhere.',
    apply: (s, n, m, d) => mix(s, d(), n, m),
  },
  {
    m: 'bit',
    u: '1',
    size: '10',
    doc: 'Inserts bits of the first source where the second is 1.',
    apply: (s, n, m, d) => mix(s, m, n, d()),
  },
  {
    m: 'bif',
    u: '1',
    size: '11',
    doc: 'Inserts bits of the first source where the second is 0.',
    apply: (s, n, m, d) => mix(s, m, d(), n),
  },
];

const logicalRow = (l: Logical): Row<A64> =>
  row(`${l.m.toUpperCase()} (vector)`, `0 Q ${l.u} 01110 ${l.size} 1 rm:5 00011 1 rn:5 rd:5`, {
    asm: (f) => {
      const v = `v.${f.Q ? '16b' : '8b'}`;
      const full = `${l.m} <${v}:rd>, <${v}:rn>, <${v}:rm>`;
      return l.m === 'orr' ? [`mov <${v}:rd>, <${v}:rn> ; rm=rn`, full] : full;
    },
    shape: ['Q'],
    doc: l.doc,
    exec(s, f) {
      checkFpEnabled(s);
      s.setVector(
        f.rd,
        l.apply(s, s.q(f.rn), s.q(f.rm), () => s.q(f.rd)),
        f.Q,
      );
    },
  });

const narrow = elements.filter((e): e is Exclude<Element, { bytes: 8 }> => e.bytes !== 8);

export const simdMoveRows: readonly Row<A64>[] = [
  ...fmovRows,
  ...elements.flatMap(copyRows),
  ...elements.map(umov),
  ...narrow.map((e) => smov(e, '1')),
  ...narrow.filter((e) => e.bytes !== 4).map((e) => smov(e, '0')),
  ...immediateRows,
  ...logicals.map(logicalRow),
];
