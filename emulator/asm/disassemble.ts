/** From an instruction word to text, as GNU objdump prints it. */
import type { AsmSyntax, PrintContext } from '../isa/dsl/operand';
import { rawFields, type RawFields, type Row } from '../isa/dsl/row';
import type { InstructionTable } from './encode';
import { Template } from './template';

export interface Disassembled {
  /** Mnemonic and operands, such as `add x0, x1, #0x10`. */
  readonly text: string;
  readonly mnemonic: string;
  readonly operands: string;
  /** Address that the instruction names: branch or literal target. */
  readonly target?: bigint;
  /** The row; undefined when the word is UNDEFINED. */
  readonly row?: Row;
}

/** The templates of a row, by the values of its shape fields. */
class RowPrinter {
  readonly #byShape = new Map<number, Template[]>();

  constructor(
    readonly row: Row,
    readonly table: InstructionTable,
    readonly syntax: AsmSyntax,
  ) {}

  /** Shape fields joined to one number: together they have far fewer than 30 bits. */
  private key(fields: RawFields): number {
    let key = 0;
    for (const f of this.row.shape) key = key * 2 ** f.width + (fields[f.name] ?? 0);
    return key;
  }

  templates(fields: RawFields): Template[] {
    const key = this.key(fields);
    let list = this.#byShape.get(key);
    if (!list) {
      const shape: Record<string, number> = {};
      for (const f of this.row.shape) shape[f.name] = fields[f.name] ?? 0;
      list = this.row.asm(shape).flatMap((source) => {
        const text = this.table.split(source);
        return this.table
          .expand(text.mnemonic)
          .map(([mnemonic, extra]) => new Template(this.row, [shape], mnemonic, text, this.syntax, extra));
      });
      this.#byShape.set(key, list);
    }
    return list;
  }
}

export class Disassembler {
  /** Rows by bits 28-23 of the word, which tell most of them apart. */
  readonly #rows: RowPrinter[][] = [];

  constructor(readonly table: InstructionTable) {
    const printers = table.rows.map((row) => new RowPrinter(row, table, table.syntax));
    const bits = 0x1f800000;
    for (let key = 0; key < 64; key++) {
      const value = key * 2 ** 23;
      this.#rows.push(
        printers.filter(({ row: { pattern } }) => {
          const common = pattern.mask & bits;
          return (value & common) === (pattern.value & common);
        }),
      );
    }
  }

  /** The row that takes a word, and the word's fields. */
  private find(word: number): { printer: RowPrinter; fields: RawFields } | undefined {
    for (const printer of this.#rows[(word >>> 23) & 63] ?? []) {
      const { pattern } = printer.row;
      if ((word & pattern.mask) >>> 0 !== pattern.value) continue;
      const fields = rawFields(pattern, word);
      if (printer.row.when(fields)) return { printer, fields };
    }
    return undefined;
  }

  rowOf(word: number): Row | undefined {
    return this.find(word)?.printer.row;
  }

  /** Disassembles one word. `symbolize` names an address, such as `main+0x10`. */
  disassemble(
    word: number,
    address: bigint,
    symbolize?: (address: bigint) => string | undefined,
  ): Disassembled {
    const found = this.find(word);
    for (const template of found?.printer.templates(found.fields) ?? []) {
      const context: PrintContext = { address, symbolize };
      const text = template.print(found!.fields, context);
      if (text === undefined) continue;
      const [mnemonic = '', operands = ''] = text.split('\t');
      return {
        text: operands ? `${mnemonic} ${operands}` : mnemonic,
        mnemonic,
        operands,
        row: found!.printer.row,
        ...(context.target === undefined ? {} : { target: context.target }),
      };
    }
    const operands = `0x${(word >>> 0).toString(16).padStart(8, '0')}${found ? '' : ' ; undefined'}`;
    return {
      text: `.inst ${operands}`,
      mnemonic: '.inst',
      operands,
      ...(found ? { row: found.printer.row } : {}),
    };
  }
}
