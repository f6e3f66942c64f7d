/** The assembler from source files to an ELF. */
import { a64Syntax } from '../isa/a64/operands/operands';
import type { AsmSyntax } from '../isa/dsl/operand';
import type { Isa } from '../isa/dsl/isa';
import type { Row } from '../isa/dsl/row';
import { Assembler } from './assembler';
import type { Diagnostic, Diagnostics } from './diagnostics';
import { fileLines } from './directives-flow';
import { dumpLiterals } from './directives-section';
import { writeElf } from './elf-writer';
import { InstructionTable } from './encode';
import { maxLines, type Frame, type InputLine } from './input';
import { layOut, type AssembledSymbol, type PlacedSection } from './layout';
import { applyLineMarkers } from './line-markers';
import { joinPath, parentOf } from './paths';
import { Preprocessor } from './preprocessor/preprocess';
import type { Recorder } from './preprocessor/record';
import { assembleStatement, checkPreprocessor } from './statement';

/** What the assembler needs of an instruction set. */
export type AsmIsa = Pick<Isa, 'name'> & { readonly rows: readonly Row[] };

export interface AssembleOptions {
  /** Path of the source to assemble. */
  readonly main: string;
  /** The content of a file; undefined if there is none. */
  readonly read: (path: string) => string | Uint8Array | undefined;
  /** Folders for #include, .include and .incbin, after those of the main (not for #include) and of the including file. */
  readonly includeDirs?: readonly string[];
  readonly isa: AsmIsa;
  /** Address of the first section. */
  readonly base?: bigint;
  /** Macros of the preprocessor by name, as if defined before the first line; a name may have parameters: `F(x)`. */
  readonly defines?: Readonly<Record<string, string>>;
}

export interface AssembleResult {
  /** The program; undefined when there are errors. */
  readonly elf?: Uint8Array;
  readonly diagnostics: readonly Diagnostic[];
  readonly symbols: readonly AssembledSymbol[];
  readonly sections: readonly PlacedSection[];
  /** Every file that was read, the main one first. */
  readonly files: readonly string[];
  /** Macros by name, with the place of their first line. */
  readonly macros: readonly { readonly name: string; readonly file: string; readonly line: number }[];
  /** What the preprocessor has seen; undefined when it did not run. */
  readonly preprocessed?: Preprocessed;
}

export type Preprocessed = Pick<Recorder, 'definitions' | 'uses' | 'inactive' | 'includes'>;

export type { AssembledSymbol, PlacedSection };

export const defaultBase = 0x40080000n;

/** What there is to know of operands, by the name of the instruction set. */
const syntaxes: Readonly<Record<string, AsmSyntax>> = { a64: a64Syntax };

const tables = new WeakMap<readonly Row[], InstructionTable>();

/** The mnemonics and templates of an instruction set; made once. @throws RangeError for one without syntax. */
export function tableOf(isa: AsmIsa): InstructionTable {
  let table = tables.get(isa.rows);
  if (!table) {
    const syntax = syntaxes[isa.name.toLowerCase()];
    if (!syntax) throw new RangeError(`there is no assembly syntax for ${isa.name}`);
    table = new InstructionTable(isa.rows, syntax);
    tables.set(isa.rows, table);
  }
  return table;
}

/** Assembles a program. Whatever is wrong with the source becomes diagnostics; it does not throw for any source. */
export function assemble(options: AssembleOptions): AssembleResult {
  const files: string[] = [];
  const contents = new Map<string, string | Uint8Array | undefined>();
  const load = (path: string): string | Uint8Array | undefined => {
    if (!contents.has(path)) {
      const content = options.read(path);
      contents.set(path, content);
      if (content !== undefined) files.push(path);
    }
    return contents.get(path);
  };
  const find = (name: string, from: string): { path: string; content: string | Uint8Array } | undefined => {
    for (const folder of [parentOf(options.main), parentOf(from), ...(options.includeDirs ?? [])]) {
      const path = joinPath(folder, name);
      const content = load(path);
      if (content !== undefined) return { path, content };
    }
    return undefined;
  };
  const a = new Assembler(tableOf(options.isa), find);
  const main = load(options.main);
  if (typeof main !== 'string') {
    const text = main === undefined ? 'is not found' : 'is not text';
    const place = { file: options.main, line: 1, column: 1, endColumn: 1, stack: [] };
    a.diagnostics.add('error', place, `file '${options.main}' ${text}`);
    return { diagnostics: a.diagnostics.list, symbols: [], sections: [], files, macros: [] };
  }
  const { lines, preprocessed } = sourceLines(options, main, load, a.diagnostics);
  // As with gcc: what the preprocessor refuses is not assembled. Symbols are of use to editors all the same.
  const keep = a.diagnostics.errors > 0 ? [...a.diagnostics.list] : undefined;
  readSource(a, lines);
  finishSections(a);
  const sections = layOut(a, options.base ?? defaultBase);
  a.resolve();
  const symbols = collectSymbols(a);
  const macros = [...a.macros.values()].map((m) => {
    const at = m.body[0]?.written ?? { file: options.main, line: 1 };
    return { name: m.name, file: at.file, line: at.line };
  });
  const result = {
    diagnostics: keep ?? a.diagnostics.list,
    symbols,
    sections,
    files,
    macros,
    ...(preprocessed ? { preprocessed } : {}),
  };
  if (a.diagnostics.errors > 0) return result;
  return { ...result, elf: writeElf({ sections, symbols, main: options.main }) };
}

/** The lines of the main source. The preprocessor reads those that end in `.S`, as with gcc. */
function sourceLines(
  { main: path, includeDirs = [], defines = {}, isa }: AssembleOptions,
  text: string,
  load: (path: string) => string | Uint8Array | undefined,
  diagnostics: Diagnostics,
): { lines: InputLine[]; preprocessed?: Preprocessed } {
  if (!path.endsWith('.S')) return { lines: fileLines(path, text) };
  const p = new Preprocessor({ path, text, isa: isa.name, load, includeDirs, defines, diagnostics });
  return { lines: applyLineMarkers(p.run()), preprocessed: p.record };
}

/** First pass: every line of the source. */
function readSource(a: Assembler, lines: readonly InputLine[]): void {
  a.input.onEnd = (frame) => closeConditions(a, frame);
  a.input.push({
    kind: 'file',
    what: '',
    from: undefined,
    iteration: (n) => (n === 0 ? lines : undefined),
    conditionals: 0,
  });
  for (let line = a.input.next(); line; line = a.input.next()) {
    if (a.input.count > maxLines) {
      a.statement = { text: '', column: 0 };
      a.fatal(`the source has more than ${maxLines} lines after macros and repetitions; is one without end?`);
    }
    const splitter = a.input.splitter;
    if (!splitter.inComment && line.text.includes('#')) checkPreprocessor(a, line);
    for (const s of splitter.split(line.text)) {
      assembleStatement(a, s.text, s.column);
      if (a.stopped || a.diagnostics.full) return a.input.clear();
    }
  }
}

/** A condition must end in the file or macro in which it begins. */
function closeConditions(a: Assembler, frame: Frame): void {
  if (frame.kind === 'repeat') return;
  while (a.conditionals.length > frame.conditionals) {
    const c = a.conditionals.pop();
    if (c) a.diagnostics.add('error', c.place, 'the condition that begins here has no .endif');
  }
}

/** Literal pools that no .ltorg has placed go to the end of their section. */
function finishSections(a: Assembler): void {
  for (const chunk of a.literals.pending()) {
    a.chunk = chunk;
    a.statement = { text: '', column: 0 };
    dumpLiterals(a);
  }
}

function collectSymbols(a: Assembler): AssembledSymbol[] {
  const out: AssembledSymbol[] = [];
  for (const s of a.symbols.all.values()) {
    if (a.symbols.isHidden(s.name)) continue;
    if (s.kind === 'undefined') continue;
    const v = a.finalValue(s.name);
    if (typeof v === 'string') {
      if (a.diagnostics.list.some((d) => d.message === v)) continue;
      const at = s.definedAt ?? s.usedAt ?? { file: '', line: 1 };
      a.diagnostics.add('error', { ...at, column: 1, endColumn: 1, stack: [] }, v);
      continue;
    }
    const size = s.size ? a.evaluate(s.size) : undefined;
    out.push({
      name: s.name,
      value: BigInt.asUintN(64, v.value),
      size: BigInt.asUintN(64, size?.value ?? 0n),
      section: s.value?.kind === 'address' ? s.value.chunk?.section.name : undefined,
      binding: s.binding ?? 'local',
      type: s.type,
      visibility: s.visibility,
      ...(s.definedAt ? { definedAt: s.definedAt } : {}),
    });
  }
  return out;
}
