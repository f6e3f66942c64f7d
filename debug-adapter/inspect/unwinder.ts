/**
 * Who has called a function, within one exception level: by call frame information, by what the function's instructions
 * have done to the stack, by the link register, or by a frame record.
 */
import type { FrameReader } from '../symbols/dwarf/expression';
import type { SymbolAt } from '../symbols/types';
import { hex, symbolPlace } from './address-space';
import type { Frame } from './frame';
import type { FrameRegisters, RegisterPlace } from './frame-registers';
import type { Guest } from './guest';
import { bytesOf } from './numbers';

/** Prologues are looked for in functions up to this size, and epilogues so far ahead, in bytes. */
const MAX_FUNCTION = 0x4000n;
const EPILOGUE = 64n;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

/** The frame of code at the PC that registers have; undefined where it is lost. */
export function frameAt(
  base: Pick<Frame, 'cpu' | 'vcpu' | 'level' | 'space'>,
  registers: FrameRegisters,
  isReturn: boolean,
): Frame | undefined {
  const pc = registers.read('pc');
  if (pc === undefined) return undefined;
  const { cpu, vcpu, level, space } = base;
  return { kind: 'code', cpu, vcpu, level, space, registers, pc, lookup: isReturn ? u64(pc - 1n) : pc };
}

export class Unwinder {
  constructor(private readonly guest: Guest) {}

  /** Whether the call that `caller` returns from goes to the function of `frame`. */
  calls(caller: Frame, frame: Frame): boolean {
    const target = this.callBefore(caller, caller.pc);
    if (target === undefined || target === 'indirect') return target === 'indirect';
    const [to, own] = [this.symbolAt(frame, target), this.symbolAt(frame, frame.lookup)];
    return to !== undefined && own !== undefined && to.address === own.address && to.name === own.name;
  }

  /** The caller of a frame; `leaf`: the frame is the innermost of its level. Undefined where none is to be found. */
  caller(frame: Frame, leaf: boolean): Frame | undefined {
    const byRules = this.byCallFrameInformation(frame);
    if (byRules !== undefined) return byRules ?? undefined;
    return (
      this.byPrologue(frame, leaf) ??
      (leaf ? this.byLinkRegister(frame) : undefined) ??
      this.byFrameRecord(frame)
    );
  }

  /** What the call frame information says at a frame; undefined where there is none. */
  rulesOf(frame: Frame): ReturnType<Guest['parts']['symbols']['unwind']> {
    const place = symbolPlace(frame.space, frame.lookup);
    return place && this.guest.parts.symbols.unwind(place, this.reader(frame));
  }

  /** null: the rules say that this is the outermost frame; undefined: there are no rules. */
  private byCallFrameInformation(frame: Frame): Frame | null | undefined {
    const caller = this.rulesOf(frame);
    if (!caller) return undefined;
    const pc = caller.pc === undefined ? undefined : this.unsigned(frame, caller.pc);
    if (pc === undefined || pc === 0n || !this.isCode(frame, pc)) return null;
    const { isa } = this.guest;
    const places = new Map<string, RegisterPlace>();
    for (let n = 0; n < 32; n++) {
      const name = isa.dwarf[n];
      if (!name) continue;
      const value = caller.reg(n);
      // The same value is most likely the same place; a different one lies on the stack, where we do not follow it.
      if (value !== frame.registers.read(name)) places.set(name, { read: () => value });
    }
    places.set('pc', { read: () => pc });
    const next = frameAt(frame, frame.registers.with(places), true);
    return next && this.isBeyond(frame, next) ? next : null;
  }

  /** A caller's stack pointer is above; the same place again is a loop. */
  private isBeyond(frame: Frame, next: Frame): boolean {
    const [a, b] = [frame.registers.reader('sp'), next.registers.reader('sp')];
    return b > a || (b === a && next.pc !== frame.pc);
  }

  /** By what the function's instructions have done to the stack. */
  private byPrologue(frame: Frame, leaf: boolean): Frame | undefined {
    const { isa } = this.guest;
    const symbol = this.symbolAt(frame, frame.lookup);
    const sp = frame.registers.read(isa.records.stack);
    if (!symbol || sp === undefined || frame.pc - symbol.address > MAX_FUNCTION) return undefined;
    const done = this.words(frame, symbol.address, frame.pc);
    const ahead = this.words(frame, frame.pc, u64(frame.pc + EPILOGUE));
    const plan = isa.framePlan(done, ahead);
    const { link } = isa.records;
    const isSaved = plan?.saved.has(link) === true;
    // Only the innermost function can have its return address in the link register still.
    if (!plan || (!isSaved && (!leaf || this.linkTarget(frame) === undefined))) return undefined;
    const top = u64(sp + plan.size);
    const places = new Map<string, RegisterPlace>();
    for (const [name, offset] of plan.saved) places.set(name, this.onStack(frame, u64(top + offset)));
    const back = this.codeAt(frame, places.get(link) ?? frame.registers.heldBy(link));
    const returnTo = back.read();
    if (returnTo === undefined || this.callBefore(frame, returnTo) === undefined) return undefined;
    places.set('pc', back);
    places.set(isa.records.stack, { read: () => top });
    const next = frameAt(frame, frame.registers.with(places), true);
    return next && this.isBeyond(frame, next) ? next : undefined;
  }

  /** The instructions from one address to another. */
  private words(frame: Frame, from: bigint, to: bigint): number[] {
    const size = this.guest.isa.instructionBytes;
    const data = this.guest.read(frame.cpu, frame.space, from, Number(to - from));
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    return Array.from({ length: Math.floor(data.length / size) }, (_, n) => view.getUint32(n * size, true));
  }

  /** A register that is saved at an address. */
  onStack(frame: Frame, address: bigint): RegisterPlace {
    return {
      read: () => this.guest.number(frame.cpu, frame.space, address, 8),
      write: (v) => void this.guest.write(frame.cpu, frame.space, address, bytesOf(v, 8)),
      where: `on the stack at ${hex(address)}`,
    };
  }

  /** In a leaf function, and before a prologue, the return address is in the link register. */
  private byLinkRegister(frame: Frame): Frame | undefined {
    if (this.linkTarget(frame) === undefined) return undefined;
    const { link } = this.guest.isa.records;
    const back = this.codeAt(frame, frame.registers.heldBy(link));
    return frameAt(frame, frame.registers.with([['pc', back]]), true);
  }

  /** The return address in the link register, if it can be the innermost function's own. */
  private linkTarget(frame: Frame): bigint | undefined {
    const { link } = this.guest.isa.records;
    const target = this.codeAt(frame, frame.registers.heldBy(link)).read();
    if (target === undefined || this.callBefore(frame, target) === undefined) return undefined;
    const [own, callers] = [this.symbolAt(frame, frame.pc), this.symbolAt(frame, u64(target - 1n))];
    // An address in the same function is left over from a call that this function has made.
    if (own && callers && own.address === callers.address && own.name === callers.name) return undefined;
    return this.recordAt(frame)?.returnTo === target ? undefined : target;
  }

  private byFrameRecord(frame: Frame): Frame | undefined {
    const record = this.recordAt(frame);
    if (!record || !this.isCode(frame, record.returnTo)) return undefined;
    const { pointer, link, stack, callerAt, returnAt } = this.guest.isa.records;
    const at = (offset: bigint): RegisterPlace => this.onStack(frame, record.address + offset);
    const places = new Map<string, RegisterPlace>([
      [pointer, at(callerAt)],
      [link, at(returnAt)],
      ['pc', this.codeAt(frame, at(returnAt))],
      // The record may lie anywhere in its frame: where the caller's stack ended, it does not say.
      [stack, { read: () => undefined }],
    ]);
    return frameAt(frame, frame.registers.with(places), true);
  }

  /** The frame record that the frame pointer points to, if it can be one: aligned, readable, and older than the last. */
  private recordAt(frame: Frame): { address: bigint; returnTo: bigint } | undefined {
    const { pointer, alignment, callerAt, returnAt, stack } = this.guest.isa.records;
    const address = frame.registers.read(pointer);
    if (address === undefined || address === 0n || address % alignment !== 0n) return undefined;
    if (address < frame.registers.reader(stack)) return undefined;
    const next = this.guest.number(frame.cpu, frame.space, address + callerAt, 8);
    const returnTo = this.guest.number(frame.cpu, frame.space, address + returnAt, 8);
    if (next === undefined || returnTo === undefined || returnTo === 0n) return undefined;
    if (next !== 0n && next <= address) return undefined;
    return { address, returnTo: this.unsigned(frame, returnTo) };
  }

  /** A return address that the frame's function, or its caller, may have signed. */
  private unsigned(frame: Frame, address: bigint): bigint {
    return this.guest.isa.unsignedCode(frame.level, address, frame.registers.reader);
  }

  private codeAt(frame: Frame, place: RegisterPlace): RegisterPlace {
    const read = (): bigint | undefined => {
      const address = place.read();
      return address === undefined ? undefined : this.unsigned(frame, address);
    };
    return { ...place, read };
  }

  private isCode(frame: Frame, address: bigint): boolean {
    const size = this.guest.isa.instructionBytes;
    return (
      address % BigInt(size) === 0n && this.guest.number(frame.cpu, frame.space, address, size) !== undefined
    );
  }

  /** Where the call before a return address goes; undefined when no call is there. */
  private callBefore(frame: Pick<Frame, 'cpu' | 'space'>, address: bigint): bigint | 'indirect' | undefined {
    const size = this.guest.isa.instructionBytes;
    const at = u64(address - BigInt(size));
    if (address % BigInt(size) !== 0n) return undefined;
    const word = this.guest.number(frame.cpu, frame.space, at, size);
    return word === undefined ? undefined : this.guest.isa.callTarget(Number(word), at);
  }

  /** The frame as DWARF sees it. */
  reader(frame: Frame): FrameReader {
    return {
      reg: (n) => {
        const name = this.guest.isa.dwarf[n];
        return name ? frame.registers.read(name) : undefined;
      },
      mem: (address, length) => {
        const data = this.guest.read(frame.cpu, frame.space, address, length);
        return data.length === length ? data : undefined;
      },
    };
  }

  private symbolAt(frame: Pick<Frame, 'space'>, address: bigint): SymbolAt | undefined {
    return this.guest.symbolAt(frame.space, address);
  }
}
