/** General-purpose and scalar SIMD registers as operands (Arm ARM DDI 0487 C1.2.5). */
import type { Field } from '../../dsl/pattern';
import type {
  OperandError,
  OperandFactory,
  OperandField,
  OperandHandler,
  OperandReader,
} from '../../dsl/operand';

/** The operand is of another sort. */
export const mismatch = (expects: string): OperandError => ({ text: expects, wrong: false });
/** The operand is of the right sort, but impossible. */
export const wrong = (text: string): OperandError => ({ text, wrong: true });

/** The n-th field of an operand. @throws Error for a template that has too few. */
export function fieldAt(fields: readonly OperandField[], n: number): Field {
  const f = fields[n];
  if (!f || 'literal' in f) throw new Error(`the operand needs a field at position ${n + 1}`);
  return f;
}

type Class = 'w' | 'x' | 'wsp' | 'xsp' | 'b' | 'h' | 's' | 'd' | 'q';

/** For each class, register names by number. */
const names = {} as Record<Class, string[]>;
const numbers = {} as Record<Class, Map<string, number>>;
/** Every register name with the class it belongs to, for error texts and reserved words. */
const classOf = new Map<string, string>();

const what: Record<Class, string> = {
  w: 'a 32-bit register (w0 to w30 or wzr)',
  x: 'a 64-bit register (x0 to x30 or xzr)',
  wsp: 'a 32-bit register (w0 to w30 or wsp)',
  xsp: 'a 64-bit register (x0 to x30 or sp)',
  b: 'an 8-bit SIMD register (b0 to b31)',
  h: 'a 16-bit SIMD register (h0 to h31)',
  s: 'a 32-bit SIMD register (s0 to s31)',
  d: 'a 64-bit SIMD register (d0 to d31)',
  q: 'a 128-bit SIMD register (q0 to q31)',
};

for (const cls of Object.keys(what) as Class[]) {
  const letter = cls[0] ?? '';
  const last = { w: 'wzr', x: 'xzr', wsp: 'wsp', xsp: 'sp' }[cls as string] ?? `${letter}31`;
  names[cls] = Array.from({ length: 32 }, (_, n) => (n === 31 ? last : `${letter}${n}`));
  numbers[cls] = new Map(names[cls].map((name, n) => [name, n]));
  for (const name of names[cls]) classOf.set(name, cls);
}
// The names of the procedure call standard (AAPCS64 6.1.1).
for (const [alias, n] of [
  ['ip0', 16],
  ['ip1', 17],
  ['fp', 29],
  ['lr', 30],
] as const) {
  for (const cls of ['x', 'xsp'] as const) numbers[cls].set(alias, n);
  classOf.set(alias, 'x');
}

/** Whether a word in lower case is the name of a general-purpose, scalar or vector register. */
export const isRegister = (word: string): boolean =>
  classOf.has(word) || /^v([12]?\d|3[01])(\.|$)/.test(word);

/** Number of the register that comes next in the source, if it is one of this class. */
export function takeRegister(from: OperandReader, cls: Class): number | undefined {
  const token = from.peek();
  if (token?.kind !== 'id') return undefined;
  const n = numbers[cls].get(token.lower);
  if (n !== undefined) from.next();
  return n;
}

function register(cls: Class): OperandFactory {
  return (fields): OperandHandler => {
    const { name } = fieldAt(fields, 0);
    const no = mismatch(what[cls]);
    return {
      expects: what[cls],
      parse(from, f) {
        const n = takeRegister(from, cls);
        if (n === undefined) return no;
        f[name] = n;
        return undefined;
      },
      print: (f) => names[cls][f[name] ?? 0],
    };
  };
}

/** The register after that of a field, which stands before it: CASP writes both, encodes one. */
function nextRegister(cls: 'w' | 'x'): OperandFactory {
  return (fields): OperandHandler => {
    const { name } = fieldAt(fields, 0);
    const no = mismatch(what[cls]);
    return {
      expects: what[cls],
      parse(from, f) {
        const n = takeRegister(from, cls);
        if (n === undefined) return no;
        const first = f[name] ?? 0;
        if (first % 2 === 1)
          return wrong(`a pair of registers begins with an even one, not ${registerName(cls, first)}`);
        return n === first + 1
          ? undefined
          : wrong(
              `the register after ${registerName(cls, first)} must follow it: ${registerName(cls, first + 1)}`,
            );
      },
      print: (f) => names[cls][(f[name] ?? 0) + 1],
    };
  };
}

/** The kinds that are registers. */
export const registerKinds: Readonly<Record<string, OperandFactory>> = {
  ...Object.fromEntries((Object.keys(what) as Class[]).map((cls) => [cls, register(cls)])),
  wnext: nextRegister('w'),
  xnext: nextRegister('x'),
};

/** A general-purpose register by the names of its width: 'x3', 'wzr'. */
export const registerName = (cls: Class, n: number): string => names[cls][n] ?? `${cls}?`;
