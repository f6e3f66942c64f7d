import { Cursor } from '../cursor';
import { SymbolError } from '../errors';
import { readForm } from './forms';
import type { FormContext, FormValue } from './forms';
import type { DebugSections } from './sections';

/** One entry of the file table; `directory` indexes the directory table of the same header. */
export interface LineFile {
  name: string;
  directory: number;
}

/** The header of a line number program (DWARF 5, 6.2.4). */
export interface LineHeader {
  offset: number;
  version: number;
  is64: boolean;
  minInstructionLength: number;
  maxOperations: number;
  defaultIsStmt: boolean;
  lineBase: number;
  lineRange: number;
  opcodeBase: number;
  /** Operand counts of the standard opcodes, from opcode 1. */
  operandCounts: Uint8Array;
  directories: string[];
  /** From version 5 indexed from 0, before it from 1 (entry 0 is then the unit's own name). */
  files: LineFile[];
  /** How many of `files` the header's own table has; DW_LNE_define_file appends. */
  tableFiles: number;
  /** Where the program begins and ends in .debug_line. */
  programStart: number;
  end: number;
}

const LNCT = { path: 1, directoryIndex: 2 } as const;

interface EntryFormat {
  content: number;
  form: number;
}

function readFormats(c: Cursor): EntryFormat[] {
  const count = c.u8();
  const formats: EntryFormat[] = [];
  for (let i = 0; i < count; i++) formats.push({ content: c.uleb(), form: c.uleb() });
  return formats;
}

function asNumber(value: FormValue | undefined): number {
  return value?.kind === 'number' ? Number(BigInt.asUintN(32, value.value)) : 0;
}

/** A directory or file table of version 5: the header itself says which columns it has. */
function readEntries(c: Cursor, ctx: FormContext): LineFile[] {
  const formats = readFormats(c);
  const count = c.uleb();
  if (count > 0 && formats.length === 0) throw c.fail('a table without columns');
  if (count > c.end - c.pos) throw c.fail('a table is longer than the data');
  const entries: LineFile[] = [];
  for (let i = 0; i < count; i++) {
    let name = '';
    let directory = 0;
    for (const { content, form } of formats) {
      const value = readForm(c, ctx, { name: 0, form, implicit: 0n });
      if (content === LNCT.path && value.kind === 'string') name = value.text;
      else if (content === LNCT.directoryIndex) directory = asNumber(value);
    }
    entries.push({ name, directory });
  }
  return entries;
}

/** The tables of versions 2 to 4: strings until an empty one. The unit's directory and name are entry 0. */
function readOldTables(c: Cursor, compDir: string, unitName: string) {
  const directories = [compDir];
  for (let name = c.cstring(); name !== ''; name = c.cstring()) directories.push(name);
  const files: LineFile[] = [{ name: unitName, directory: 0 }];
  for (let name = c.cstring(); name !== ''; name = c.cstring()) {
    const directory = c.uleb();
    c.skipLeb(); // modification time
    c.skipLeb(); // length
    files.push({ name, directory });
  }
  return { directories, files };
}

/** The first bytes of a line program: its length, which also says where the next program begins. */
export function readLineLength(
  sections: DebugSections,
  offset: number,
): { is64: boolean; end: number; at: number } {
  const section = sections.get('line');
  const c = new Cursor(section.read(offset, 12), `.debug_line of ${sections.fileName}`, offset);
  let length = c.u32();
  const is64 = length === 0xffff_ffff;
  if (is64) length = c.size64();
  const end = c.sectionOffset + length;
  if (end > section.size) throw c.fail('a line program goes beyond the section');
  return { is64, end, at: c.pos };
}

/** Reads the header of the line program at an offset of .debug_line. */
export function readLineHeader(
  sections: DebugSections,
  offset: number,
  unit: { name: string; compDir: string },
): LineHeader {
  const section = sections.get('line');
  const { is64, end, at } = readLineLength(sections, offset);
  // The header says its own length: read that part only, the program may be much longer.
  const prefix = new Cursor(section.read(offset, 40), `.debug_line of ${sections.fileName}`, offset);
  prefix.seek(at);
  const version = prefix.u16();
  if (version < 2 || version > 5) {
    throw new SymbolError(
      `${sections.fileName} has a line table of DWARF version ${version}, and versions 2 to 5 are known: rebuild it with -gdwarf-5.`,
    );
  }
  let addressSize = 8;
  if (version >= 5) {
    addressSize = prefix.u8();
    prefix.skip(1);
  }
  if (addressSize !== 8) throw prefix.fail(`addresses of ${addressSize} bytes in a 64-bit program`);
  const headerLength = prefix.offset(is64);
  const programStart = prefix.sectionOffset + headerLength;
  if (programStart > end) throw prefix.fail('a line program header is longer than its program');
  const c = new Cursor(
    section.read(offset, programStart - offset),
    `.debug_line of ${sections.fileName}`,
    offset,
  );
  c.seek(prefix.pos);
  const minInstructionLength = c.u8();
  const maxOperations = version >= 4 ? Math.max(1, c.u8()) : 1;
  const defaultIsStmt = c.u8() !== 0;
  const lineBase = c.i8();
  const lineRange = c.u8();
  const opcodeBase = c.u8();
  if (lineRange === 0 || opcodeBase === 0) throw c.fail('a line program header makes no sense');
  const operandCounts = c.block(opcodeBase - 1);
  let directories: string[];
  let files: LineFile[];
  if (version >= 5) {
    const ctx: FormContext = {
      sections,
      version,
      is64,
      addressSize,
      unitOffset: 0,
      strOffsetsBase: undefined,
      addrBase: undefined,
    };
    directories = readEntries(c, ctx).map((d) => d.name);
    files = readEntries(c, ctx);
  } else {
    ({ directories, files } = readOldTables(c, unit.compDir, unit.name));
  }
  return {
    offset,
    version,
    is64,
    minInstructionLength,
    maxOperations,
    defaultIsStmt,
    lineBase,
    lineRange,
    opcodeBase,
    operandCounts,
    directories,
    files,
    tableFiles: files.length,
    programStart,
    end,
  };
}
