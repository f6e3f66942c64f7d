import { Cursor } from '../cursor';
import { SymbolError } from '../errors';
import { IntervalIndex } from '../interval-index';
import type { Interval } from '../interval-index';
import { evaluate, littleEndian } from './expression';
import type { FrameReader } from './expression';
import type { DebugSections } from './sections';

/** How the caller's value of a register is found. */
type Rule =
  | { kind: 'undefined' }
  | { kind: 'same' }
  | { kind: 'offset'; offset: bigint }
  | { kind: 'valOffset'; offset: bigint }
  | { kind: 'register'; register: number }
  | { kind: 'expression'; bytes: Uint8Array }
  | { kind: 'valExpression'; bytes: Uint8Array };

type CfaRule =
  { kind: 'register'; register: number; offset: bigint } | { kind: 'expression'; bytes: Uint8Array };

/** The rules that hold at one address. */
export interface FrameRules {
  cfa: CfaRule;
  registers: ReadonlyMap<number, Rule>;
  returnRegister: number;
  /** The frame of a signal or exception handler: the return address is the interrupted instruction itself. */
  isSignal: boolean;
}

interface Cie {
  codeAlign: bigint;
  dataAlign: bigint;
  returnRegister: number;
  encoding: number;
  hasAugmentation: boolean;
  isSignal: boolean;
  initial: Uint8Array;
}

interface Fde {
  cie: Cie;
  start: bigint;
  program: Uint8Array;
}

const u64 = (value: bigint) => BigInt.asUintN(64, value);

/** DW_EH_PE_* formats, the low four bits of a pointer encoding (Linux Standard Base, 10.5.1). */
const pointerReaders: Readonly<Record<number, (c: Cursor) => bigint>> = {
  0x0: (c) => c.u64(),
  0x1: (c) => c.uleb64(),
  0x2: (c) => BigInt(c.u16()),
  0x3: (c) => BigInt(c.u32()),
  0x4: (c) => c.u64(),
  0x9: (c) => c.sleb64(),
  0xa: (c) => BigInt(c.i16()),
  0xb: (c) => BigInt(c.i32()),
  0xc: (c) => c.i64(),
};
const PE_PCREL = 0x10;
const PE_OMIT = 0xff;

function readPointer(c: Cursor, encoding: number, sectionAddress: bigint): bigint {
  const base = (encoding & 0x70) === PE_PCREL ? sectionAddress + BigInt(c.sectionOffset) : 0n;
  const read = pointerReaders[encoding & 0x0f];
  if (read === undefined || (encoding & 0x60) !== 0) throw c.fail(`unknown pointer encoding ${encoding}`);
  return u64(base + read(c));
}

/** The state that a call frame program changes (DWARF 5, 6.4.2). */
class RuleState {
  location: bigint;
  cfa: CfaRule = { kind: 'register', register: 31, offset: 0n };
  registers = new Map<number, Rule>();
  private readonly saved: { cfa: CfaRule; registers: Map<number, Rule> }[] = [];

  constructor(
    readonly fde: Fde,
    readonly initial: ReadonlyMap<number, Rule> | undefined,
    readonly encoding: number,
    readonly sectionAddress: bigint,
  ) {
    this.location = fde.start;
    this.registers = new Map(initial ?? []);
  }

  advance(delta: number): void {
    this.location = u64(this.location + BigInt(delta) * this.fde.cie.codeAlign);
  }
  data(value: bigint): bigint {
    return value * this.fde.cie.dataAlign;
  }
  set(register: number, rule: Rule): void {
    this.registers.set(register, rule);
  }
  restore(register: number): void {
    const rule = this.initial?.get(register);
    if (rule === undefined) this.registers.delete(register);
    else this.registers.set(register, rule);
  }
  cfaOffset(c: Cursor, offset: bigint): void {
    if (this.cfa.kind !== 'register') throw c.fail('the CFA is an expression and gets an offset');
    this.cfa = { ...this.cfa, offset };
  }
  remember(c: Cursor): void {
    if (this.saved.length > 64) throw c.fail('too many remembered states');
    this.saved.push({ cfa: this.cfa, registers: new Map(this.registers) });
  }
  recall(c: Cursor): void {
    const state = this.saved.pop();
    if (state === undefined) throw c.fail('no state to restore');
    this.cfa = state.cfa;
    this.registers = state.registers;
  }
}

type Instruction = (s: RuleState, c: Cursor) => void;

/** DW_CFA_* with the two high bits clear (DWARF 5, 7.24), by number. */
const instructions: Readonly<Record<number, Instruction>> = {
  0x00: () => undefined,
  0x01: (s, c) => void (s.location = readPointer(c, s.encoding, s.sectionAddress)),
  0x02: (s, c) => s.advance(c.u8()),
  0x03: (s, c) => s.advance(c.u16()),
  0x04: (s, c) => s.advance(c.u32()),
  0x05: (s, c) => s.set(c.uleb(), { kind: 'offset', offset: s.data(c.uleb64()) }),
  0x06: (s, c) => s.restore(c.uleb()),
  0x07: (s, c) => s.set(c.uleb(), { kind: 'undefined' }),
  0x08: (s, c) => s.set(c.uleb(), { kind: 'same' }),
  0x09: (s, c) => s.set(c.uleb(), { kind: 'register', register: c.uleb() }),
  0x0a: (s, c) => s.remember(c),
  0x0b: (s, c) => s.recall(c),
  0x0c: (s, c) => void (s.cfa = { kind: 'register', register: c.uleb(), offset: c.uleb64() }),
  0x0d: (s, c) => {
    const offset = s.cfa.kind === 'register' ? s.cfa.offset : 0n;
    s.cfa = { kind: 'register', register: c.uleb(), offset };
  },
  0x0e: (s, c) => s.cfaOffset(c, c.uleb64()),
  0x0f: (s, c) => void (s.cfa = { kind: 'expression', bytes: c.block(c.uleb()) }),
  0x10: (s, c) => s.set(c.uleb(), { kind: 'expression', bytes: c.block(c.uleb()) }),
  0x11: (s, c) => s.set(c.uleb(), { kind: 'offset', offset: s.data(c.sleb64()) }),
  0x12: (s, c) => void (s.cfa = { kind: 'register', register: c.uleb(), offset: s.data(c.sleb64()) }),
  0x13: (s, c) => s.cfaOffset(c, s.data(c.sleb64())),
  0x14: (s, c) => s.set(c.uleb(), { kind: 'valOffset', offset: s.data(c.uleb64()) }),
  0x15: (s, c) => s.set(c.uleb(), { kind: 'valOffset', offset: s.data(c.sleb64()) }),
  0x16: (s, c) => s.set(c.uleb(), { kind: 'valExpression', bytes: c.block(c.uleb()) }),
  // DW_CFA_AARCH64_negate_ra_state: the return address is signed from here on; unsigning is the caller's business.
  0x2d: () => undefined,
  0x2e: (_s, c) => c.skipLeb(), // GNU_args_size
};

function runProgram(s: RuleState, program: Uint8Array, until: bigint): void {
  const c = new Cursor(program, 'call frame information');
  while (!c.atEnd) {
    const byte = c.u8();
    const low = byte & 0x3f;
    const high = byte >> 6;
    if (high === 1) s.advance(low);
    else if (high === 2) s.set(low, { kind: 'offset', offset: s.data(c.uleb64()) });
    else if (high === 3) s.restore(low);
    else {
      const run = instructions[low];
      if (run === undefined) throw c.fail(`unknown call frame instruction 0x${low.toString(16)}`);
      run(s, c);
    }
    if (s.location > until) return;
  }
}

/** Call frame information of .debug_frame and .eh_frame: how to find the caller's frame in code without frame records. */
export class CallFrames {
  private index: IntervalIndex<Fde> | undefined;

  constructor(
    private readonly sections: DebugSections,
    private readonly report: (problem: string) => void,
  ) {}

  private load(): IntervalIndex<Fde> {
    if (this.index === undefined) {
      const found: Interval<Fde>[] = [];
      for (const name of ['.debug_frame', '.eh_frame']) {
        try {
          this.readSection(name, found);
        } catch (error) {
          if (!(error instanceof SymbolError)) throw error;
          this.report(error.message);
        }
      }
      this.index = new IntervalIndex(found);
    }
    return this.index;
  }

  private readSection(name: string, found: Interval<Fde>[]): void {
    const source = this.sections.get(name);
    const isEh = name === '.eh_frame';
    const address = isEh ? (this.sections.elf.section(name)?.addr ?? 0n) : 0n;
    const cies = new Map<number, Cie>();
    const all = new Cursor(source.read(0, source.size), `${name} of ${this.sections.fileName}`);
    while (all.end - all.pos >= 4) {
      const start = all.pos;
      let length = all.u32();
      const is64 = length === 0xffff_ffff;
      if (is64) length = all.size64();
      if (length === 0) {
        if (isEh) continue; // a terminator; linkers also leave them between contributions
        break;
      }
      const idAt = all.pos;
      const entry = new Cursor(all.block(length), all.what, idAt);
      const raw = is64 ? entry.u64() : BigInt(entry.u32());
      const isCie = raw === (isEh ? 0n : is64 ? 0xffff_ffff_ffff_ffffn : 0xffff_ffffn);
      const id = Number(raw);
      if (isCie) {
        cies.set(start, readCie(entry, isEh));
        continue;
      }
      const cie = cies.get(isEh ? idAt - id : id);
      if (cie === undefined) continue;
      const low = readPointer(entry, cie.encoding, address);
      const size = readPointer(entry, cie.encoding & 0x0f, 0n);
      if (cie.hasAugmentation) entry.skip(entry.uleb());
      const program = entry.block(entry.end - entry.pos);
      if (size > 0n && size < 1n << 48n && this.sections.elf.isCode(low)) {
        found.push({ low, high: low + size, value: { cie, start: low, program } });
      }
    }
  }

  /** The rules at a link-time address. */
  rulesAt(address: bigint): FrameRules | undefined {
    const fde = this.load().find(address)?.value;
    if (fde === undefined) return undefined;
    const { cie } = fde;
    const sectionAddress = this.sections.elf.section('.eh_frame')?.addr ?? 0n;
    try {
      const first = new RuleState({ ...fde, start: 0n }, undefined, cie.encoding, sectionAddress);
      runProgram(first, cie.initial, 1n << 64n);
      const state = new RuleState(fde, first.registers, cie.encoding, sectionAddress);
      state.cfa = first.cfa;
      runProgram(state, fde.program, address);
      const { cfa, registers } = state;
      return { cfa, registers, returnRegister: cie.returnRegister, isSignal: cie.isSignal };
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      this.report(error.message);
      return undefined;
    }
  }
}

function readCie(c: Cursor, isEh: boolean): Cie {
  const version = c.u8();
  const augmentation = c.cstring();
  if (version >= 4) c.skip(2); // address size and segment selector size
  const codeAlign = c.uleb64();
  const dataAlign = c.sleb64();
  const returnRegister = version === 1 ? c.u8() : c.uleb();
  let encoding = 0;
  let isSignal = false;
  const hasAugmentation = augmentation.startsWith('z');
  if (hasAugmentation) {
    const length = c.uleb();
    const end = c.pos + length;
    for (const letter of augmentation.slice(1)) {
      if (letter === 'R') encoding = c.u8();
      else if (letter === 'L') c.skip(1);
      else if (letter === 'S') isSignal = true;
      else if (letter === 'P') {
        const personality = c.u8();
        if (personality !== PE_OMIT) readPointer(c, personality & 0x0f, 0n);
      } else if (letter !== 'B') break;
    }
    c.seek(end);
  } else if (augmentation === 'S') {
    isSignal = true; // as GNU as writes it in .debug_frame
  } else if (augmentation !== '' && isEh) {
    throw c.fail(`unknown augmentation "${augmentation}"`);
  }
  const initial = c.block(c.end - c.pos);
  return { codeAlign, dataAlign, returnRegister, encoding, hasAugmentation, isSignal, initial };
}

/** The CFA by the rules: the value of SP before the call. */
export function cfaOf(rules: FrameRules, frame: FrameReader): bigint | undefined {
  if (rules.cfa.kind === 'register') {
    const base = frame.reg(rules.cfa.register);
    return base === undefined ? undefined : u64(base + rules.cfa.offset);
  }
  const place = evaluate(rules.cfa.bytes, { frame });
  return place?.kind === 'memory' ? place.address : undefined;
}

/** The caller's frame. */
export interface CallerFrame extends FrameReader {
  /** Where the call returns to; undefined at the outermost frame. */
  pc: bigint | undefined;
  cfa: bigint;
  /** The frame that was left is one of an exception handler's entry: its rules say where the interrupted code is. */
  isSignal: boolean;
}

/** Steps from a frame to its caller. */
export function unwind(rules: FrameRules, frame: FrameReader): CallerFrame | undefined {
  const cfa = cfaOf(rules, frame);
  if (cfa === undefined) return undefined;
  const load = (address: bigint): bigint | undefined => {
    const bytes = frame.mem(address, 8);
    return bytes === undefined || bytes.length < 8 ? undefined : littleEndian(bytes.subarray(0, 8));
  };
  const byExpression = (bytes: Uint8Array): bigint | undefined => {
    const place = evaluate(bytes, { frame, initial: [cfa] });
    return place?.kind === 'memory' ? place.address : undefined;
  };
  const registers = new Map<number, bigint | undefined>();
  for (const [n, rule] of rules.registers) {
    let value: bigint | undefined;
    if (rule.kind === 'same') value = frame.reg(n);
    else if (rule.kind === 'register') value = frame.reg(rule.register);
    else if (rule.kind === 'offset') value = load(u64(cfa + rule.offset));
    else if (rule.kind === 'valOffset') value = u64(cfa + rule.offset);
    else if (rule.kind === 'valExpression') value = byExpression(rule.bytes);
    else if (rule.kind === 'expression') {
      const address = byExpression(rule.bytes);
      value = address === undefined ? undefined : load(address);
    }
    registers.set(n, value);
  }
  // By definition the CFA is the caller's SP (DWARF 5, 6.4); registers without a rule keep their value.
  if (!registers.has(31)) registers.set(31, cfa);
  const reg = (n: number) => (registers.has(n) ? registers.get(n) : frame.reg(n));
  const { isSignal } = rules;
  const mem = (address: bigint, length: number): Uint8Array | undefined => frame.mem(address, length);
  return { reg, mem, pc: reg(rules.returnRegister), cfa, isSignal };
}
