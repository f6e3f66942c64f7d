/** Runs single instruction words with the BigInt evaluator, on a CPU block of their own. */
import { CONSTANT_BYTES } from '../../../ir/constants';
import { evaluate, type EvalHost, type Outcome } from '../../../ir/evaluate';
import type { Stmt, StateField } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { rawFields, type RawFields, type Row } from '../../dsl/row';
import { constants } from '../constants';
import { A64 } from '../sem';
import { layout, SP, state } from '../state';

/** A word with the row that describes it. */
export interface Decoded {
  readonly row: Row<A64>;
  readonly raw: RawFields;
  /** Raw and derived operands. */
  readonly operands: Readonly<Record<string, bigint | number>>;
  readonly shape: RawFields;
}

export const matches = (row: Row<A64>, word: number): boolean =>
  (word & row.pattern.mask) >>> 0 === row.pattern.value && row.when(rawFields(row.pattern, word));

/** The row of a word, or undefined for an UNDEFINED instruction. @throws Error when two rows claim the word. */
export function decode(rows: readonly Row<A64>[], word: number): Decoded | undefined {
  const found = rows.filter((r) => matches(r, word));
  if (found.length > 1) {
    throw new Error(`0x${word.toString(16)} is claimed by ${found.map((r) => r.name).join(' and ')}`);
  }
  const row = found[0];
  return row && fieldsOf(row, word);
}

/** The fields of a word that is known to belong to the row. */
export function fieldsOf(row: Row<A64>, word: number): Decoded {
  const raw = rawFields(row.pattern, word);
  const shape = Object.fromEntries(row.shape.map((s) => [s.name, raw[s.name] ?? 0]));
  return { row, raw, operands: { ...raw, ...row.derive(raw) }, shape };
}

/**
 * The IR of a decoded word: 'known' as the translator sees it, every operand a constant; 'record' as the interpreter
 * does, operands read from the predecoded record.
 */
export function build(d: Decoded, mode: 'known' | 'record'): readonly Stmt[] {
  const b = new A64();
  d.row.exec(b, d.shape, mode === 'known' ? d.operands : undefined);
  return b.body;
}

/** Where the CPU block ends in linear memory. */
export const BLOCK_END = CONSTANT_BYTES + layout.end;

/** A CPU without memory; rows that access memory need `probe`. */
export class TestCpu {
  /** The evaluator's linear memory: constants, the CPU block, what a test has behind it. */
  readonly memory: DataView;
  pc = 0n;

  constructor(
    private readonly parts: Partial<Pick<EvalHost, 'probe' | 'commit' | 'host'>> = {},
    bytes = BLOCK_END,
  ) {
    this.memory = new DataView(new ArrayBuffer(bytes));
    constants.placeIn(this.memory);
  }

  get(f: StateField, index = 0): bigint {
    const at = CONSTANT_BYTES + f.offset + index * f.stride;
    return f.bytes === 8 ? this.memory.getBigUint64(at, true) : BigInt(this.memory.getUint32(at, true));
  }

  set(f: StateField, value: bigint, index = 0): void {
    const at = CONSTANT_BYTES + f.offset + index * f.stride;
    if (f.bytes === 8) this.memory.setBigUint64(at, BigInt.asUintN(64, value), true);
    else this.memory.setUint32(at, Number(BigInt.asUintN(32, value)), true);
  }

  x(n: number): bigint {
    return this.get(state.x, n);
  }

  setX(n: number, v: bigint): void {
    this.set(state.x, v, n);
  }

  get sp(): bigint {
    return this.x(SP);
  }

  set sp(v: bigint) {
    this.setX(SP, v);
  }

  get nzcv(): bigint {
    return this.get(state.nzcv);
  }

  set nzcv(v: bigint) {
    this.set(state.nzcv, v);
  }

  /** Executes a body made by `build` and moves `pc` on. */
  run(body: readonly Stmt[], d: Decoded): Outcome {
    const missing = (what: string) => (): never => {
      throw new Error(`${d.row.name} calls ${what}, which this test did not provide`);
    };
    const outcome = evaluate(body, {
      memory: this.memory,
      cpu: CONSTANT_BYTES,
      pc: this.pc,
      newBuilder: () => new A64(),
      operand: (use) => use.map(BigInt(d.operands[use.field] ?? 0)),
      host: this.parts.host ?? missing('the host'),
      probe: this.parts.probe ?? missing('probe'),
      commit: this.parts.commit ?? missing('commit'),
    });
    this.pc = outcome === 'next' ? this.pc + 4n : this.get(common.pc);
    return outcome;
  }
}
