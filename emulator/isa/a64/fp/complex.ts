/** Complex numbers in pairs of elements (FEAT_FCMA): FCADD, FCMLA. Arm ARM DDI 0487 C7.2. */
import type { Val } from '../../../ir/nodes';
import type { RawFields, Row } from '../../dsl/row';
import { fpAdd } from './arithmetic';
import type { Width } from './format';
import { fpMulAdd } from './fused';
import { negate } from './scalar';
import { row } from '../row';
import type { A64 } from '../sem';
import { elements, esizeOf, esizes, letterOf, setElements, vectorExists, vectorKind } from '../simd/lanes';

const widths: readonly Width[] = [16, 32, 64];
const widthOf = (size: number): Width => esizeOf(size) as Width;
const shapes = (): readonly RawFields<'Q' | 'size'>[] =>
  widths.flatMap((w) =>
    [0, 1].filter((q) => vectorExists(q, w)).map((Q) => ({ Q, size: esizes.indexOf(w) })),
  );
const fits = (f: RawFields): boolean => f['size'] !== 0 && vectorExists(f['Q'] ?? 0, esizeOf(f['size'] ?? 0));

/** `b` times a power of i is added to `a`: 90 or 270 degrees. */
function addRotated(s: A64, w: Width, rot: number, a: readonly Val[], b: readonly Val[]): Val[] {
  return a.map((v, i) => {
    const other = b[i ^ 1]!;
    // i * (re + im * i) = -im + re * i; the other way round for 270 degrees.
    const negative = (i & 1) === rot;
    return s.call(fpAdd[w], v, negative ? negate(s, other, w) : other);
  });
}

/** One half of the product of `a` and `b`, times a power of i, is added to `d`. */
function multiplyRotated(
  s: A64,
  w: Width,
  rot: number,
  d: readonly Val[],
  a: readonly Val[],
  b: (i: number) => Val,
): Val[] {
  return d.map((v, i) => {
    const imaginary = i & 1;
    const odd = rot & 1;
    const factor = a[(i & ~1) + odd]!;
    const other = b((i & ~1) + (odd ^ imaginary));
    const negative = rot === 2 || (rot === 1 && !imaginary) || (rot === 3 && imaginary === 1);
    return s.call(fpMulAdd[w], v, factor, negative ? negate(s, other, w) : other);
  });
}

const degrees = [0, 90, 180, 270] as const;

const fcaddRows = ([0, 1] as const).map((rot) => {
  const angle = rot ? 270 : 90;
  return row(`FCADD (${angle})`, `0 Q 1 01110 size:2 0 rm:5 1 11 ${rot ? '1' : '0'} 0 1 rn:5 rd:5`, {
    asm: (f) => {
      const t = vectorKind(f.Q, widthOf(f.size));
      return `fcadd <${t}:rd>, <${t}:rn>, <${t}:rm>, #${angle}`;
    },
    shape: ['Q', 'size'],
    shapes,
    when: fits,
    feature: 'FCMA',
    doc: `Adds complex numbers, the second rotated by ${angle} degrees.`,
    exec(s, f) {
      s.checkFP();
      const w = widthOf(f.size);
      setElements(s, f.rd, addRotated(s, w, rot, elements(s, f.rn, f.Q, w), elements(s, f.rm, f.Q, w)), w);
    },
  });
});

const fcmlaRows = degrees.map((angle, rot) => {
  const bits = (['00', '01', '10', '11'] as const)[rot]!;
  return row(`FCMLA (${angle})`, `0 Q 1 01110 size:2 0 rm:5 1 10 ${bits} 1 rn:5 rd:5`, {
    asm: (f) => {
      const t = vectorKind(f.Q, widthOf(f.size));
      return `fcmla <${t}:rd>, <${t}:rn>, <${t}:rm>, #${angle}`;
    },
    shape: ['Q', 'size'],
    shapes,
    when: fits,
    feature: 'FCMA',
    doc: `Adds half of a complex product, rotated by ${angle} degrees.`,
    exec(s, f) {
      s.checkFP();
      const w = widthOf(f.size);
      const m = elements(s, f.rm, f.Q, w);
      const d = elements(s, f.rd, f.Q, w);
      setElements(
        s,
        f.rd,
        multiplyRotated(s, w, rot, d, elements(s, f.rn, f.Q, w), (i) => m[i]!),
        w,
      );
    },
  });
});

/** A pair of halves by H:L, of singles by H. */
const places = [
  { w: 16, size: '01', bits: 'L', index: 'H,L', pair: (f: RawFields) => 2 * (f['H'] ?? 0) + (f['L'] ?? 0) },
  { w: 32, size: '10', bits: '0', index: 'H', pair: (f: RawFields) => f['H'] ?? 0 },
] as const;

const indexedRows = degrees.flatMap((angle, rot) =>
  places.map((p) => {
    const bits = (['00', '01', '10', '11'] as const)[rot]!;
    const exists = (f: RawFields): boolean => (p.w === 32 ? f['Q'] === 1 : f['Q'] === 1 || f['H'] === 0);
    return row(
      `FCMLA (by element, ${angle}, ${letterOf(p.w)})`,
      `0 Q 1 01111 ${p.size} ${p.bits} rm:5 0 ${bits} 1 H 0 rn:5 rd:5`,
      {
        asm: (f) => {
          const t = vectorKind(f.Q, p.w);
          return `fcmla <${t}:rd>, <${t}:rn>, <v.${letterOf(p.w)}:rm,${p.index}>, #${angle}`;
        },
        shape: ['Q'],
        shapes: () => (p.w === 32 ? [{ Q: 1 }] : [{ Q: 0 }, { Q: 1 }]),
        when: exists,
        derive: (f) => ({ from: 16 * f.rm + (p.pair(f) * p.w) / 4 }),
        feature: 'FCMA',
        doc: `Adds half of a complex product with one complex number, rotated by ${angle} degrees.`,
        exec(s, f) {
          s.checkFP();
          const bytes = p.w === 16 ? 2 : 4;
          const m = [0, 1].map((i) => s.zext(s.element(f.from, bytes, i * bytes)));
          const d = elements(s, f.rd, f.Q, p.w);
          const n = elements(s, f.rn, f.Q, p.w);
          setElements(
            s,
            f.rd,
            multiplyRotated(s, p.w, rot, d, n, (i) => m[i & 1]!),
            p.w,
          );
        },
      },
    );
  }),
);

export const fpComplexRows: readonly Row<A64>[] = [...fcaddRows, ...fcmlaRows, ...indexedRows];
