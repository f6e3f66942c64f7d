import { Cursor } from '../cursor';
import type { LineHeader } from './line-header';
import type { DebugSections } from './sections';

export const ROW_IS_STMT = 1;
export const ROW_PROLOGUE_END = 2;

/** Receives the rows of a line program. Addresses are `base` of the running sequence plus `delta`. */
export interface RowSink {
  /** A sequence begins: rows up to `end` count from this address. */
  begin(base: bigint): void;
  row(delta: number, file: number, line: number, column: number, flags: number): void;
  /** The sequence ends before base + delta. */
  end(delta: number): void;
}

/** The registers of the line number state machine (DWARF 5, 6.2.2) that the rows need. */
class State {
  base = 0n;
  delta = 0;
  opIndex = 0;
  file = 1;
  line = 1;
  column = 0;
  isStmt: boolean;
  prologueEnd = false;
  open = false;
  /** Where DW_LNE_define_file adds the next file: running a program again overwrites and does not pile up. */
  definedFiles: number;

  constructor(
    private readonly header: LineHeader,
    private readonly sink: RowSink,
  ) {
    this.isStmt = header.defaultIsStmt;
    this.definedFiles = header.tableFiles;
  }

  advance(operations: number): void {
    const { minInstructionLength, maxOperations } = this.header;
    if (maxOperations === 1) {
      this.delta += operations * minInstructionLength;
      return;
    }
    const sum = this.opIndex + operations;
    this.delta += minInstructionLength * Math.floor(sum / maxOperations);
    this.opIndex = sum % maxOperations;
  }

  setAddress(address: bigint): void {
    this.opIndex = 0;
    if (this.open) {
      this.delta = Number(BigInt.asIntN(64, address - this.base));
    } else {
      this.base = address;
      this.delta = 0;
    }
  }

  private start(): void {
    if (this.open) return;
    this.open = true;
    this.sink.begin(this.base);
  }

  emit(): void {
    this.start();
    const flags = (this.isStmt ? ROW_IS_STMT : 0) | (this.prologueEnd ? ROW_PROLOGUE_END : 0);
    this.sink.row(this.delta, this.file, this.line, this.column, flags);
    this.prologueEnd = false;
  }

  endSequence(): void {
    this.start();
    this.sink.end(this.delta);
    this.base = 0n;
    this.delta = 0;
    this.opIndex = 0;
    this.file = 1;
    this.line = 1;
    this.column = 0;
    this.isStmt = this.header.defaultIsStmt;
    this.prologueEnd = false;
    this.open = false;
  }
}

type Opcode = (s: State, c: Cursor, header: LineHeader) => void;

/** DW_LNS_* (DWARF 5, 6.2.5.2), by number. */
const standard: readonly (Opcode | undefined)[] = [
  undefined,
  (s) => s.emit(),
  (s, c) => s.advance(c.uleb()),
  (s, c) => void (s.line += c.sleb()),
  (s, c) => void (s.file = c.uleb()),
  (s, c) => void (s.column = c.uleb()),
  (s) => void (s.isStmt = !s.isStmt),
  () => undefined, // set_basic_block
  (s, _c, h) => s.advance(Math.floor((255 - h.opcodeBase) / h.lineRange)),
  (s, c) => {
    s.delta += c.u16();
    s.opIndex = 0;
  },
  (s) => void (s.prologueEnd = true),
  () => undefined, // set_epilogue_begin
  (_s, c) => c.skipLeb(), // set_isa
];

const LNE = { endSequence: 1, setAddress: 2, defineFile: 3 } as const;

function extended(s: State, c: Cursor, header: LineHeader): void {
  const length = c.uleb();
  if (length === 0) return;
  const end = c.pos + length;
  if (end > c.end) throw c.fail('an extended opcode goes beyond the program');
  const opcode = c.u8();
  if (opcode === LNE.endSequence) s.endSequence();
  else if (opcode === LNE.setAddress && length === 9) s.setAddress(c.u64());
  else if (opcode === LNE.defineFile && header.version < 5) {
    const index = s.definedFiles++;
    header.files[index] = { name: c.cstring(), directory: c.uleb() };
  }
  c.seek(end);
}

/** Runs a line number program and hands its rows to the sink, in the order of the program. */
export function runLineProgram(sections: DebugSections, header: LineHeader, sink: RowSink): void {
  const length = header.end - header.programStart;
  const bytes = sections.get('line').read(header.programStart, length);
  const c = new Cursor(bytes, `.debug_line of ${sections.fileName}`, header.programStart);
  const s = new State(header, sink);
  const { opcodeBase, lineBase, lineRange, operandCounts } = header;
  while (!c.atEnd) {
    const opcode = c.u8();
    if (opcode >= opcodeBase) {
      const adjusted = opcode - opcodeBase;
      s.advance(Math.floor(adjusted / lineRange));
      s.line += lineBase + (adjusted % lineRange);
      s.emit();
    } else if (opcode === 0) {
      extended(s, c, header);
    } else {
      const run = standard[opcode];
      if (run !== undefined) run(s, c, header);
      else for (let n = operandCounts[opcode - 1] ?? 0; n > 0; n--) c.skipLeb();
    }
  }
  if (s.open) s.endSequence();
}
