/** DWARF 5 for assembled programs: lines and functions, as GNU as gives them (DWARF 5, dwarfstd.org). */
import { Bytes, Strings } from './bytes';
import type { AssembledSymbol, PlacedSection } from './layout';
import { baseName, parentOf } from './paths';
import { SHF } from './sections';

export interface DebugSection {
  readonly name: string;
  readonly content: Uint8Array;
  /** Flags of the section header. */
  readonly flags: number;
}

interface Sequence {
  readonly lines: PlacedSection['lines'];
  readonly start: bigint;
  readonly end: bigint;
}

const producer = 'Worldswitch assembler';

/** The debug sections of a program; none if it has no instructions. */
export function makeDwarf(
  sections: readonly PlacedSection[],
  symbols: readonly AssembledSymbol[],
  main: string,
): DebugSection[] {
  const sequences = sections
    .filter((s) => s.flags & SHF.alloc)
    .map((s) => s.lines)
    .filter((lines) => lines.length > 0)
    .map((lines): Sequence => ({
      lines,
      start: lines[0]?.address ?? 0n,
      end: (lines.at(-1)?.address ?? 0n) + 4n,
    }));
  if (sequences.length === 0) return [];
  const lineStrings = new Strings();
  const strings = new Strings();
  const line = lineTable(sequences, main, lineStrings);
  const info = debugInfo(sequences, symbols, sections, main, strings, lineStrings);
  const out = [
    { name: '.debug_line', content: line, flags: 0 },
    { name: '.debug_info', content: info, flags: 0 },
    { name: '.debug_abbrev', content: abbreviations(sequences.length > 1), flags: 0 },
    { name: '.debug_aranges', content: addressRanges(sequences), flags: 0 },
    { name: '.debug_str', content: strings.done(), flags: SHF.merge | SHF.strings },
    { name: '.debug_line_str', content: lineStrings.done(), flags: SHF.merge | SHF.strings },
  ];
  if (sequences.length > 1) out.push({ name: '.debug_rnglists', content: rangeLists(sequences), flags: 0 });
  return out;
}

const folderOf = (path: string): string => {
  const folder = parentOf(path);
  return folder.length > 1 ? folder.slice(0, -1) : folder || '.';
};

// --- .debug_line (6.2) -----------------------------------------------------------------------------------------------

const lineBase = -5;
const lineRange = 14;
const opcodeBase = 13;

const LNS = { copy: 1, advancePc: 2, advanceLine: 3, setFile: 4 } as const;
const LNE = { endSequence: 1, setAddress: 2 } as const;
const LNCT = { path: 1, directoryIndex: 2 } as const;
const FORM = {
  addr: 1,
  data2: 5,
  data8: 7,
  flag: 12,
  strp: 14,
  udata: 15,
  secOffset: 0x17,
  lineStrp: 0x1f,
} as const;

function lineTable(sequences: readonly Sequence[], main: string, strings: Strings): Uint8Array {
  const folders = [folderOf(main)];
  // File 1 is the main source again: readers of older versions count from 1.
  const files = [main, main];
  const numbers = new Map([[main, 1]]);
  for (const { lines } of sequences) {
    for (const { at } of lines) {
      if (numbers.has(at.file)) continue;
      numbers.set(at.file, files.length);
      files.push(at.file);
    }
  }
  for (const file of files) if (!folders.includes(folderOf(file))) folders.push(folderOf(file));

  const out = new Bytes();
  out.u32(0).u16(5).u8(8, 0);
  const headerLength = out.length;
  out.u32(0);
  // Instructions start anywhere: minimum length 1, one operation each, statements by default.
  out.u8(1, 1, 1, lineBase & 255, lineRange, opcodeBase);
  out.u8(0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1);
  out.u8(1).uleb(LNCT.path).uleb(FORM.lineStrp).uleb(folders.length);
  for (const f of folders) out.u32(strings.add(f));
  out.u8(2).uleb(LNCT.path).uleb(FORM.lineStrp).uleb(LNCT.directoryIndex).uleb(FORM.udata).uleb(files.length);
  for (const f of files) out.u32(strings.add(baseName(f))).uleb(folders.indexOf(folderOf(f)));
  out.patchLength(headerLength);
  for (const s of sequences) sequence(out, s, numbers);
  return out.patchLength(0).done();
}

function sequence(out: Bytes, s: Sequence, numbers: ReadonlyMap<string, number>): void {
  let address = s.start;
  let line = 1;
  let file = 1;
  out.u8(0).uleb(9).u8(LNE.setAddress).u64(address);
  let first = true;
  for (const l of s.lines) {
    const number = numbers.get(l.at.file) ?? 1;
    // Several instructions of one line (a macro call, say) make one row.
    if (!first && number === file && l.at.line === line) continue;
    first = false;
    if (number !== file) out.u8(LNS.setFile).uleb(number);
    file = number;
    const advance = l.address - address;
    const delta = l.at.line - line;
    const special = BigInt(delta - lineBase) + BigInt(lineRange) * advance + BigInt(opcodeBase);
    if (delta >= lineBase && delta < lineBase + lineRange && advance >= 0n && special <= 255n) {
      out.u8(Number(special));
    } else {
      if (delta !== 0) out.u8(LNS.advanceLine).sleb(delta);
      if (advance !== 0n) out.u8(LNS.advancePc).uleb(advance);
      out.u8(LNS.copy);
    }
    address = l.address;
    line = l.at.line;
  }
  out.u8(LNS.advancePc).uleb(s.end - address);
  out.u8(0).uleb(1).u8(LNE.endSequence);
}

// --- .debug_info and .debug_abbrev (3.1, 3.3, 7.5) ---------------------------------------------------------------------

const TAG = { compileUnit: 0x11, subprogram: 0x2e } as const;
const AT = {
  name: 0x03,
  stmtList: 0x10,
  lowPc: 0x11,
  highPc: 0x12,
  language: 0x13,
  compDir: 0x1b,
  producer: 0x25,
  external: 0x3f,
  ranges: 0x55,
} as const;
/** DW_LANG_Mips_Assembler, which every assembler uses. */
const assemblerLanguage = 0x8001;
const unitTypeCompile = 1;

function abbreviations(withRanges: boolean): Uint8Array {
  const out = new Bytes();
  const pairs = (list: readonly (readonly [number, number])[]): void => {
    for (const [at, form] of list) out.uleb(at).uleb(form);
    out.u8(0, 0);
  };
  out.uleb(1).uleb(TAG.compileUnit).u8(1);
  pairs([
    [AT.stmtList, FORM.secOffset],
    [AT.lowPc, FORM.addr],
    withRanges ? [AT.ranges, FORM.secOffset] : [AT.highPc, FORM.data8],
    [AT.name, FORM.lineStrp],
    [AT.compDir, FORM.lineStrp],
    [AT.producer, FORM.strp],
    [AT.language, FORM.data2],
  ]);
  out.uleb(2).uleb(TAG.subprogram).u8(0);
  pairs([
    [AT.name, FORM.strp],
    [AT.external, FORM.flag],
    [AT.lowPc, FORM.addr],
    [AT.highPc, FORM.udata],
  ]);
  return out.u8(0).done();
}

/** Header of .debug_rnglists before the first list. */
const rangeListsHeader = 12;

function debugInfo(
  sequences: readonly Sequence[],
  symbols: readonly AssembledSymbol[],
  sections: readonly PlacedSection[],
  main: string,
  strings: Strings,
  lineStrings: Strings,
): Uint8Array {
  const [only] = sequences;
  const out = new Bytes();
  out.u32(0).u16(5).u8(unitTypeCompile, 8).u32(0);
  out.uleb(1).u32(0);
  if (sequences.length === 1 && only) out.u64(only.start).u64(only.end - only.start);
  else out.u64(0).u32(rangeListsHeader);
  out.u32(lineStrings.add(main)).u32(lineStrings.add(folderOf(main)));
  out.u32(strings.add(producer)).u16(assemblerLanguage);
  const code = new Set(sections.filter((s) => s.flags & SHF.exec).map((s) => s.name));
  for (const s of symbols) {
    if (s.type !== 'func' || s.section === undefined || !code.has(s.section) || s.size === 0n) continue;
    out.uleb(2).u32(strings.add(s.name));
    out
      .u8(s.binding === 'local' ? 0 : 1)
      .u64(s.value)
      .uleb(s.size);
  }
  return out.u8(0).patchLength(0).done();
}

// --- address ranges (2.17.3, 6.1.2) ------------------------------------------------------------------------------------

const startLength = 7;

function rangeLists(sequences: readonly Sequence[]): Uint8Array {
  const out = new Bytes();
  out.u32(0).u16(5).u8(8, 0).u32(0);
  for (const s of sequences)
    out
      .u8(startLength)
      .u64(s.start)
      .uleb(s.end - s.start);
  return out.u8(0).patchLength(0).done();
}

function addressRanges(sequences: readonly Sequence[]): Uint8Array {
  const out = new Bytes();
  out.u32(0).u16(2).u32(0).u8(8, 0).align(16);
  for (const s of sequences) out.u64(s.start).u64(s.end - s.start);
  return out.u64(0).u64(0).patchLength(0).done();
}
