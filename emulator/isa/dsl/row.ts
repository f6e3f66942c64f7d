/**
 * The row: one encoding of an instruction, with its meaning and its syntax. Interpreter, translator, oracle,
 * assembler, disassembler, hover text, grammar and fuzzers derive from rows.
 */
import type { Builder } from '../../ir/builder';
import { Operand } from '../../ir/nodes';
import { extract, parsePattern, type Field, type FieldNames, type Pattern } from './pattern';

/** The feature of a CPU in strict mode. */
export const STRICT = 'STRICT';

/** The values of all fields of an instruction word. */
export type RawFields<N extends string = string> = Readonly<Record<N, number>>;

/** What `exec` gets: shape fields as numbers, all others as operands. */
export type ExecFields<N extends string, S extends string, D extends string> = Readonly<
  Record<S, number> & Record<Exclude<N, S> | D, Operand>
>;

/**
 * What an instruction does to control flow besides branching, as far as a debugger that steps and the translator mind: `call` calls a
 * subroutine and `svc`, `hvc`, `smc` a higher level, and each comes back behind itself; `return` returns from a subroutine and
 * `eret` from an exception; `wait` waits for an interrupt or event.
 */
export type Flow = 'call' | 'return' | 'svc' | 'hvc' | 'smc' | 'eret' | 'wait';

export interface RowSpec<B extends Builder, P extends string, S extends FieldNames<P>, D extends string> {
  /**
   * Assembly syntax: concrete templates for one combination of shape fields, the preferred one for disassembly first.
   * See docs in isa/dsl/README.md. `undefined`: this encoding has no assembly syntax of its own.
   */
  asm: string | readonly string[] | ((f: RawFields<S>) => string | readonly string[]);
  /** Fields that are constant at generation time: each combination becomes a handler. */
  shape?: readonly S[];
  /** The combinations of shape fields, where not all of them exist. Default: all that `when` lets through. */
  shapes?: () => readonly RawFields<S>[];
  /** Which words of the pattern this row describes; the others are somebody else's or UNDEFINED. */
  when?: (f: RawFields<FieldNames<P>>) => boolean;
  /** Operands computed from fields at decode time (immediates that are spread over fields). */
  derive?: (f: RawFields<FieldNames<P>>) => Readonly<Record<D, bigint | number>>;
  /** The feature that a CPU model must have, such as 'CRC32'. */
  feature?: string;
  /** CONSTRAINED UNPREDICTABLE words that may be UNDEFINED: strict mode makes them so (feature STRICT). */
  unpredictable?: (f: RawFields<FieldNames<P>>) => boolean;
  /** Inlined into the interpreter's loop: for the few dozen instructions that programs mostly consist of. */
  hot?: boolean | ((f: RawFields<S>) => boolean);
  flow?: Flow;
  /** One line for hover text: what the instruction does. */
  doc: string;
  exec: (s: B, f: ExecFields<FieldNames<P>, S, D>) => void;
}

/** A row after compilation: types erased, pattern parsed. */
export interface Row<B extends Builder = Builder> {
  readonly name: string;
  readonly pattern: Pattern;
  readonly fields: ReadonlyMap<string, Field>;
  readonly shape: readonly Field[];
  readonly shapes: readonly RawFields[];
  readonly when: (f: RawFields) => boolean;
  readonly derive: (f: RawFields) => Readonly<Record<string, bigint | number>>;
  /** Does `derive` give any operands? */
  readonly derives: boolean;
  readonly feature: string | undefined;
  readonly unpredictable: (f: RawFields) => boolean;
  readonly flow: Flow | undefined;
  readonly doc: string;
  readonly hot: (f: RawFields) => boolean;
  readonly asm: (f: RawFields) => readonly string[];
  /** Builds the semantics for one shape. `known` gives operands fixed values (translator, oracle). */
  exec(s: B, shape: RawFields, known?: Readonly<Record<string, bigint | number>>): void;
}

/** Reads all fields of a word. */
export function rawFields(pattern: Pattern, word: number): RawFields {
  const out: Record<string, number> = {};
  for (const f of pattern.fields) out[f.name] = extract(word, f);
  return out;
}

/** Rows with the same shape fields share their combinations. */
const products = new Map<string, readonly RawFields[]>();

/** Every combination of the given fields' values. */
function product(fields: readonly Field[]): readonly RawFields[] {
  const key = fields.map((f) => `${f.name}:${f.width}`).join();
  let known = products.get(key);
  if (!known) products.set(key, (known = combinations(fields)));
  return known;
}

function combinations(fields: readonly Field[]): readonly RawFields[] {
  let all: Record<string, number>[] = [{}];
  for (const f of fields) {
    all = all.flatMap((c) => Array.from({ length: 2 ** f.width }, (_, v) => ({ ...c, [f.name]: v })));
  }
  return all;
}

/** A row's `hot` as a function. */
const hotness = (hot: boolean | ((f: RawFields) => boolean) = false): ((f: RawFields) => boolean) =>
  typeof hot === 'function' ? hot : hot ? always : never;

const always = (): boolean => true;
const never = (): boolean => false;
const nothing = (): Readonly<Record<string, bigint>> => ({});

/** Makes the `row` function of an instruction set whose Builder is B. */
export function rowMaker<B extends Builder>() {
  return function row<P extends string, const S extends FieldNames<P> = never, D extends string = never>(
    name: string,
    patternText: P,
    spec: RowSpec<B, P, S, D>,
  ): Row<B> {
    const pattern = parsePattern(patternText);
    const fields = new Map(pattern.fields.map((f) => [f.name, f]));
    const shape = (spec.shape ?? []).map((n) => {
      const f = fields.get(n);
      if (!f) throw new Error(`row ${name}: shape field ${n} is not in the pattern`);
      return f;
    });
    const asm = spec.asm;
    return {
      name,
      pattern,
      fields,
      shape,
      shapes: spec.shapes?.() ?? product(shape),
      when: (spec.when as ((f: RawFields) => boolean) | undefined) ?? always,
      derive: (spec.derive as Row<B>['derive'] | undefined) ?? nothing,
      derives: spec.derive !== undefined,
      feature: spec.feature,
      unpredictable: (spec.unpredictable as ((f: RawFields) => boolean) | undefined) ?? never,
      flow: spec.flow,
      doc: spec.doc,
      hot: hotness(spec.hot as boolean | ((f: RawFields) => boolean) | undefined),
      asm: (f) => [typeof asm === 'function' ? asm(f as RawFields<S>) : asm].flat(),
      exec: (s, shapeValues, known) => {
        // Fields are handed out on demand: a derived operand needs no declaration beyond `derive`.
        const f = new Proxy(shapeValues as Record<string, number | Operand>, {
          get: (target, key) => {
            const k = String(key);
            const v = known?.[k];
            return target[k] ?? new Operand(k, v === undefined ? undefined : BigInt(v));
          },
        });
        spec.exec(s, f as ExecFields<FieldNames<P>, S, D>);
      },
    };
  };
}
