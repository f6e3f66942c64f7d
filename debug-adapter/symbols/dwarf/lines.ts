import { SymbolError } from '../errors';
import { baseName, isAbsolute, joinPath } from '../paths';
import { readLineHeader, readLineLength } from './line-header';
import type { LineHeader } from './line-header';
import { ROW_IS_STMT } from './line-program';
import { LineTable } from './line-table';
import type { DebugSections } from './sections';
import type { Unit } from './unit';
import type { Units } from './units';

/** A source position with the addresses that its row covers (link-time addresses). */
export interface LinePosition {
  path: string;
  line: number;
  column: number | undefined;
  isStmt: boolean;
  address: bigint;
  endAddress: bigint;
}

/** The beginning of a contiguous block of code of one line. */
export interface LineBlock {
  line: number;
  column: number;
  address: bigint;
}

interface Program {
  offset: number;
  name: string;
  compDir: string;
}

const KEPT_HEADERS = 64;
const KEPT_ROWS = 1 << 20;
const KEPT_FILES = 16;
/** A kernel has about half a million; headers of a damaged file may share one huge table. */
const MAX_FILE_ENTRIES = 1 << 23;

/** The path of entry `index` of a line header's file table. */
export function filePath(header: LineHeader, index: number, compDir: string): string {
  const file = header.files[index];
  if (file === undefined) return '';
  // Directory 0 is the compilation directory, spelled out from version 5 on; the others are relative to it.
  const first = header.version >= 5 ? (header.directories[0] ?? '') : '';
  const base = isAbsolute(first) || compDir === '' ? first : compDir;
  const directory = file.directory === 0 ? '' : (header.directories[file.directory] ?? '');
  return joinPath(base, directory, file.name);
}

/** The line tables of a file: which row covers an address, and which addresses belong to a source line. */
export class Lines {
  private readonly headers = new Map<number, LineHeader>();
  private readonly tables = new Map<number, LineTable>();
  private tableRows = 0;
  private programs: Map<number, Program> | undefined;
  private byBaseName: Map<string, Set<number>> | undefined;
  private readonly blocksByPath = new Map<string, LineBlock[]>();

  constructor(
    private readonly sections: DebugSections,
    private readonly units: Units,
    private readonly report: (problem: string) => void,
  ) {}

  private attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      this.report(error.message);
      return undefined;
    }
  }

  private header(program: Program): LineHeader {
    const known = this.headers.get(program.offset);
    if (known !== undefined) return known;
    const header = readLineHeader(this.sections, program.offset, program);
    if (this.headers.size >= KEPT_HEADERS) {
      for (const oldest of this.headers.keys()) {
        this.headers.delete(oldest);
        break;
      }
    }
    this.headers.set(program.offset, header);
    return header;
  }

  private table(program: Program): LineTable {
    const known = this.tables.get(program.offset);
    if (known !== undefined) {
      this.tables.delete(program.offset);
      this.tables.set(program.offset, known);
      return known;
    }
    const table = new LineTable(this.sections, this.header(program), (address) =>
      this.sections.elf.isCode(address),
    );
    this.tables.set(program.offset, table);
    this.tableRows += table.rowCount;
    for (const [offset, oldest] of this.tables) {
      if (this.tableRows <= KEPT_ROWS || offset === program.offset) break;
      this.tables.delete(offset);
      this.tableRows -= oldest.rowCount;
    }
    return table;
  }

  private static programOf(unit: Unit): Program | undefined {
    return unit.stmtList === undefined
      ? undefined
      : { offset: unit.stmtList, name: unit.name, compDir: unit.compDir };
  }

  /** The path of an entry of a unit's file table: what DW_AT_call_file and DW_AT_decl_file mean. */
  fileOf(unit: Unit, index: number): string | undefined {
    const program = Lines.programOf(unit);
    const header = program && this.attempt(() => this.header(program));
    const path = header && filePath(header, index, unit.compDir);
    return path === '' ? undefined : path;
  }

  /** All line programs, from the units; without .debug_info by walking .debug_line itself. */
  private allPrograms(): Map<number, Program> {
    if (this.programs !== undefined) return this.programs;
    const found = new Map<number, Program>();
    for (const unit of this.units.all()) {
      const program = Lines.programOf(unit);
      if (program !== undefined && !found.has(program.offset)) found.set(program.offset, program);
    }
    if (found.size === 0) {
      this.attempt(() => {
        const size = this.sections.get('line').size;
        for (let offset = 0; offset < size;) {
          found.set(offset, { offset, name: '', compDir: '' });
          offset = readLineLength(this.sections, offset).end;
        }
      });
    }
    this.programs = found;
    return found;
  }

  private lookup(program: Program, address: bigint): LinePosition | undefined {
    return this.attempt(() => {
      const table = this.table(program);
      const row = table.find(address);
      // Line 0 marks code that no source line stands for (DWARF 5, 6.2.2).
      if (row === undefined || row.line === 0) return undefined;
      return {
        path: filePath(table.header, row.file, program.compDir),
        line: row.line,
        column: row.column === 0 ? undefined : row.column,
        isStmt: (row.flags & ROW_IS_STMT) !== 0,
        address: row.address,
        endAddress: row.endAddress,
      };
    });
  }

  /** The source position of a link-time address. */
  lineAt(address: bigint): LinePosition | undefined {
    let hasUnits = false;
    for (const unit of this.units.containing(address)) {
      hasUnits = true;
      const program = Lines.programOf(unit);
      const found = program === undefined ? undefined : this.lookup(program, address);
      if (found !== undefined) return found;
    }
    if (hasUnits || this.units.allOffsets().length > 0) return undefined;
    for (const program of this.allPrograms().values()) {
      const found = this.lookup(program, address);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /**
   * Where a breakpoint on the function at [entry, end) of a unit belongs: behind the prologue, when arguments are in
   * their places. Optimised code needs no such step: there the debug information describes the prologue too.
   */
  bodyOf(unit: Unit, entry: bigint, end: bigint): bigint {
    const program = Lines.programOf(unit);
    // GCC writes its options into the producer, and no -O when it does not optimise; others mark the end of the prologue.
    const isPlain =
      unit.producer.startsWith('GNU ') && !/ -O[1-9sgzf]?/.test(unit.producer.replaceAll(' -O0', ''));
    if (program === undefined) return entry;
    return this.attempt(() => this.table(program).bodyOf(entry, end, isPlain)) ?? entry;
  }

  /** Which programs have a file of that last component. Built once, from the headers of all line programs. */
  private programsNaming(base: string): ReadonlySet<number> {
    if (this.byBaseName === undefined) {
      const index = new Map<string, Set<number>>();
      let entries = 0;
      for (const program of this.allPrograms().values()) {
        const header = this.attempt(() => this.header(program));
        entries += header?.files.length ?? 0;
        if (entries > MAX_FILE_ENTRIES) {
          this.report(`${this.sections.fileName} names impossibly many source files: rebuild it with -g.`);
          break;
        }
        for (const file of header?.files ?? []) {
          const key = baseName(file.name);
          let set = index.get(key);
          if (set === undefined) index.set(key, (set = new Set()));
          set.add(program.offset);
        }
      }
      this.byBaseName = index;
    }
    return this.byBaseName.get(base) ?? new Set();
  }

  private *filesNaming(base: string): Generator<{ program: Program; path: string; index: number }> {
    for (const offset of this.programsNaming(base)) {
      const program = this.allPrograms().get(offset);
      const header = program === undefined ? undefined : this.attempt(() => this.header(program));
      if (program === undefined || header === undefined) continue;
      for (let index = 0; index < header.files.length; index++) {
        if (baseName(header.files[index]?.name ?? '') !== base) continue;
        yield { program, path: filePath(header, index, program.compDir), index };
      }
    }
  }

  /** The full paths of source files with that last component. */
  pathsNamed(base: string): Set<string> {
    const paths = new Set<string>();
    for (const { path } of this.filesNaming(base)) paths.add(path);
    return paths;
  }

  /**
   * The blocks of code of a source file (a path as `pathsNamed` gives it), by line and then address. A block whose first
   * row has no size counts only when its line has no other code.
   */
  blocksOf(path: string): readonly LineBlock[] {
    const known = this.blocksByPath.get(path);
    if (known !== undefined) return known;
    const wanted = new Map<Program, Set<number>>();
    for (const file of this.filesNaming(baseName(path))) {
      if (file.path !== path) continue;
      const set = wanted.get(file.program);
      if (set === undefined) wanted.set(file.program, new Set([file.index]));
      else set.add(file.index);
    }
    const byLine = new Map<number, Map<bigint, { column: number; empty: boolean }>>();
    for (const [program, files] of wanted) {
      this.attempt(() =>
        this.table(program).blocks(files, (line, column, address, empty) => {
          let places = byLine.get(line);
          if (places === undefined) byLine.set(line, (places = new Map()));
          const old = places.get(address);
          if (old === undefined || (old.empty && !empty)) places.set(address, { column, empty });
        }),
      );
    }
    const blocks: LineBlock[] = [];
    for (const [line, places] of byLine) {
      const isSolid = [...places.values()].some((p) => !p.empty);
      for (const [address, { column, empty }] of places) {
        if (!empty || !isSolid) blocks.push({ line, column, address });
      }
    }
    blocks.sort((a, b) => a.line - b.line || (a.address < b.address ? -1 : a.address > b.address ? 1 : 0));
    if (this.blocksByPath.size >= KEPT_FILES) this.blocksByPath.clear();
    this.blocksByPath.set(path, blocks);
    return blocks;
  }

  /** Whether the file has any line table at all. */
  get present(): boolean {
    return this.sections.has('line');
  }
}
