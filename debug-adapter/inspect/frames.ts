/**
 * The call stack of a CPU: the frames of the exception level that it is at, then, behind a label that names the
 * exception, those of the context that was interrupted, and so on down to EL0.
 */
import type { TraceEvent } from '../arch/types';
import type { Vcpu } from '../hypervisors/types';
import type { FrameReader } from '../symbols/dwarf/expression';
import type { FunctionAt, LineAt, SymbolAt } from '../symbols/types';
import { hex, symbolPlace, type AddressSpace } from './address-space';
import { FrameRegisters, type RegisterPlace } from './frame-registers';
import { savedPlace, vcpuRegisters, vcpuSpace } from './vcpu-registers';
import { KernelEntries, type SavedContext } from '../linux/entry';
import { hostContext, hypContext, type Below } from './kvm-frames';
import type { Guest } from './guest';
import { bytesOf } from './numbers';

/** A line of the call stack. */
export interface Frame {
  readonly kind: 'code' | 'label';
  /** The CPU; for a vcpu that does not run, one through which its memory is read. */
  readonly cpu: number;
  /** Set for a vcpu that does not run. */
  readonly vcpu?: Vcpu | undefined;
  readonly level: number;
  readonly space: AddressSpace;
  readonly registers: FrameRegisters;
  readonly pc: bigint;
  /** Inside the instruction that called, where `pc` is behind it: what symbols are asked for. */
  readonly lookup: bigint;
  /** Text of a label. */
  readonly label?: string;
  /** The function is inlined at this place into the next frame. */
  readonly inlined?: string;
  /** How many functions are inlined into this one at the place, */
  readonly outward?: number;
  /** and where it calls the last of them. */
  readonly callSite?: { readonly path: string; readonly line: number } | undefined;
}

/** What happened to an exception level last, if it is known: see the trace. */
export interface ExceptionHistory {
  /** The last exception to a level, or the last return from it; on any CPU if none is named. */
  last(cpu: number | undefined, level: number, vmid: number | undefined): TraceEvent | undefined;
  /** The last exception to a level that will return to an address. */
  entry(cpu: number, level: number, pc: bigint): TraceEvent | undefined;
  text(event: TraceEvent): string;
}

/** What belongs to all frames of one stack. */
type Owner = Pick<Frame, 'cpu' | 'vcpu'>;

/** Where a walk begins. */
interface Context {
  readonly registers: FrameRegisters;
  /** Undefined: as the registers say. */
  readonly space: AddressSpace | undefined;
  /** The PC is behind the instruction that called the handler (HVC, SMC, SVC). */
  readonly isCall: boolean;
  /** Software has saved it: the registers of the last exception say nothing of what is below. */
  readonly isSaved?: boolean;
}

/** Whether the code of a level handles an exception, and whether it has only just begun to. */
type Handler = 'no' | 'yes' | 'vectors';

/** More frames than this are a loop of damaged records. */
const MAX_FRAMES = 256;
/** Prologues are looked for in functions up to this size, and epilogues so far ahead, in bytes. */
const MAX_FUNCTION = 0x4000n;
const EPILOGUE = 64n;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

export class StackWalker {
  constructor(
    private readonly guest: Guest,
    private readonly history: ExceptionHistory,
  ) {}

  /** What a CPU executes, without its callers: for conditions, which are asked often. */
  innermost(cpu: number): Frame {
    const registers = new FrameRegisters(this.guest, cpu);
    const level = this.guest.isa.levelOf(registers.reader);
    const pc = registers.reader('pc');
    const space = this.guest.spaceOf(level, registers.reader);
    return { kind: 'code', cpu, level, space, registers, pc, lookup: pc };
  }

  /** All frames of a CPU, the innermost first. */
  frames(cpu: number): Frame[] {
    return this.unwind({ cpu }, new FrameRegisters(this.guest, cpu));
  }

  /** All frames of a vcpu that does not run, from the registers that were saved; none if it has never run. */
  vcpuFrames(cpu: number, vcpu: Vcpu): Frame[] {
    const saved = vcpuRegisters(this.guest, cpu, vcpu);
    return saved ? this.unwind({ cpu, vcpu }, saved) : [];
  }

  private unwind(owner: Owner, start: FrameRegisters): Frame[] {
    const out: Frame[] = [];
    this.follow(owner, { registers: start, space: undefined, isCall: false }, out);
    if (!owner.vcpu && this.guest.parts.linux) this.addBelowGuest(owner, start, out);
    return out;
  }

  /** Below a guest of KVM: KVM where it has entered it, if the stack does not show it yet, and the host. */
  private addBelowGuest(owner: Owner, start: FrameRegisters, out: Frame[]): void {
    const isGuest = ({ kind, space }: Frame): boolean =>
      kind === 'code' && space.kind === 'VA' && space.level === 'EL1' && (space.vmid ?? 0) !== 0;
    if (!out.some(isGuest)) return;
    const hyp = hypContext(this.guest, owner.cpu, start);
    const returns = hyp && this.symbolAt(hyp, u64(hyp.registers.reader('pc') - 1n));
    const isShown = (frame: Frame): boolean =>
      frame.level === 2 && this.symbolAt(frame, frame.lookup)?.name === returns?.name;
    if (hyp && returns && !out.some(isShown)) this.addContext(owner, hyp, out);
    const host = hostContext(this.guest, owner.cpu, start);
    if (host) this.addContext(owner, host, out);
  }

  private addContext(owner: Owner, below: Below, out: Frame[]): void {
    const { label, level, registers, space } = below;
    const pc = registers.reader('pc');
    out.push({ kind: 'label', ...owner, level, space, registers, pc, lookup: pc, label });
    this.follow(owner, { registers, space, isCall: true, isSaved: true }, out);
  }

  /** Adds the frames of a context and of those that it has interrupted. */
  private follow(owner: Owner, first: Context, out: Frame[]): void {
    let at: Context | undefined = first;
    const seen = new Set<number>();
    while (at && out.length < MAX_FRAMES) {
      const registers: FrameRegisters = at.registers;
      const level = this.guest.isa.levelOf(registers.reader);
      const space = at.space ?? this.spaceOf(owner, level, registers);
      const pc = registers.reader('pc');
      const event: TraceEvent | undefined = at.isSaved ? undefined : this.entryOf(owner, level, registers);
      const inVectors: boolean = event !== undefined && this.guest.isa.inVectors(level, pc, registers.reader);
      const handler = event === undefined ? 'no' : inVectors ? 'vectors' : 'yes';
      const own = this.walk({ ...owner, level, space, registers }, handler, at.isCall);
      out.push(...own);
      const kernel = this.savedByKernel(own.at(-1));
      if (kernel) {
        out.push(kernel.label);
        at = kernel;
        continue;
      }
      if (seen.has(level) || this.isKernelRoot(own.at(-1))) break;
      seen.add(level);
      const below: (Context & { readonly label: Frame }) | undefined =
        event && this.interrupted(owner, level, registers, event, inVectors ? undefined : own.at(-1));
      if (below) out.push(below.label);
      at = below;
    }
  }

  /** The context that the entry code of a Linux kernel has saved, where the frame is one of it. */
  private savedByKernel(frame: Frame | undefined): (Context & { readonly label: Frame }) | undefined {
    const saved = frame && this.kernelEntry(frame);
    if (!saved) return undefined;
    const event = this.history.entry(frame.cpu, frame.level, saved.pc);
    const what = event ? this.history.text(event) : saved.what;
    const label = `${what} from ${this.guest.isa.levelName(saved.level)}`;
    const places = [...saved.places].map(([name, at]): [string, RegisterPlace] => [
      name,
      { ...this.onStack(frame, at), where: `in pt_regs at ${hex(at)}` },
    ]);
    return {
      label: { ...frame, kind: 'label', pc: saved.pc, lookup: saved.pc, label },
      registers: frame.registers.with(places),
      // A kernel and its programs share a translation regime.
      space: frame.space,
      isCall: saved.isCall,
      isSaved: true,
    };
  }

  /** The function of a frame if a Linux kernel was launched, and the frame is not of a virtual machine. */
  private kernelFunction(frame: Frame | undefined): string {
    const { linux } = this.guest.parts;
    if (!linux || !frame || frame.vcpu || (frame.space.kind === 'VA' && frame.space.vmid)) return '';
    return this.symbolAt(frame, frame.lookup)?.name ?? '';
  }

  private isKernelRoot(frame: Frame | undefined): boolean {
    return KernelEntries.isRoot(this.kernelFunction(frame));
  }

  private kernelEntry(frame: Frame): SavedContext | undefined {
    const name = this.kernelFunction(frame);
    if (!KernelEntries.isEntry(name)) return undefined;
    const pointer = frame.registers.read(this.guest.isa.records.pointer);
    if (pointer === undefined) return undefined;
    return this.guest.parts.linux?.entries.saved(name, pointer, frame.level);
  }

  private spaceOf({ vcpu }: Owner, level: number, registers: FrameRegisters): AddressSpace {
    return vcpu ? vcpuSpace(vcpu) : this.guest.spaceOf(level, registers.reader);
  }

  // --- exceptions -------------------------------------------------------------------------------------------------

  /**
   * The exception that a level is handling. Before the first one, and after the return from the last one, ELR and SPSR
   * are nobody's context.
   */
  private entryOf({ cpu, vcpu }: Owner, level: number, registers: FrameRegisters): TraceEvent | undefined {
    const { isa } = this.guest;
    const event = vcpu
      ? this.history.last(undefined, level, vcpu.vmid)
      : this.history.last(cpu, level, isa.regimeOf(level, registers.reader).vmid);
    if (event?.kind !== 'entry') return undefined;
    if (!vcpu) return event;
    // Another vcpu of the same machine may have taken it: then this one would return elsewhere.
    const behind = (isa.interrupted(level, registers.reader)?.pc ?? 0n) - event.pc;
    return behind === 0n || behind === BigInt(isa.instructionBytes) ? event : undefined;
  }

  private interrupted(
    owner: Owner,
    level: number,
    registers: FrameRegisters,
    event: TraceEvent,
    /** The handler's first frame; undefined while it has not touched a register yet. */
    entry: Frame | undefined,
  ): (Context & { readonly label: Frame }) | undefined {
    const { isa } = this.guest;
    const context = isa.interrupted(level, registers.reader);
    if (!context || context.level > level) return undefined;
    const from = isa.levelName(context.level);
    // A call returns behind itself; the trace may name either. Another address is the handler's own choice.
    const behind = context.pc - event.pc;
    const isSame = behind === 0n || behind === BigInt(isa.instructionBytes);
    const label = isSame ? `${this.history.text(event)} from ${from}` : `returns to ${from} by ERET`;
    const places = new Map<string, RegisterPlace>();
    const saved =
      entry && !owner.vcpu ? this.savedContext(owner.cpu, registers, context.registers) : undefined;
    if (entry && !saved) for (const [name, place] of this.left(entry, registers)) places.set(name, place);
    for (const [name, holder] of context.registers) places.set(name, this.held(registers, holder));
    for (const [name, place] of saved?.places ?? []) places.set(name, place);
    return {
      label: {
        kind: 'label',
        ...owner,
        level,
        space: this.spaceOf(owner, level, registers),
        registers,
        pc: context.pc,
        lookup: context.pc,
        label,
      },
      registers: registers.with(places),
      space: context.level < 2 ? saved?.space : undefined,
      isCall: isSame && behind !== 0n,
    };
  }

  /** A register of the interrupted context that another register holds. */
  private held(registers: FrameRegisters, holder: string): RegisterPlace {
    const register = registers.isa.find(holder);
    return {
      read: () => (register ? registers.value(register) : undefined),
      ...(register && registers.whyNotWritable(register) === undefined
        ? { write: (v: bigint) => registers.write(register, v) }
        : {}),
      where: `in ${holder}`,
    };
  }

  /**
   * What is left of the interrupted context's general-purpose registers in the first frame of a handler: what its call
   * frame information says (`.cfi_signal_frame`), or else those that C functions preserve, once it has called one.
   */
  private left(entry: Frame, now: FrameRegisters): [string, RegisterPlace][] {
    const { isa } = this.guest;
    const rules = this.rulesOf(entry);
    if (!rules?.isSignal && entry.registers === now) return [];
    return isa.dwarf.flatMap((name, n): [string, RegisterPlace][] => {
      if (isa.find(name)?.kind !== 'general' || name === isa.records.stack) return [];
      const value = rules?.isSignal
        ? rules.reg(n)
        : isa.preserved.has(name)
          ? entry.registers.read(name)
          : undefined;
      return [[name, { read: () => value }]];
    });
  }

  /**
   * The general-purpose registers of the interrupted context where the hypervisor has saved them: in the context
   * whose saved PC and PSTATE are those of the exception. Until then they are still in the CPU.
   */
  private savedContext(
    cpu: number,
    registers: FrameRegisters,
    holders: ReadonlyMap<string, string>,
  ): { places: Map<string, RegisterPlace>; space: AddressSpace } | undefined {
    const { hypervisor } = this.guest;
    const vcpu = hypervisor.currentVcpu(cpu);
    const host = hypervisor.hostContext(cpu);
    const candidates = [
      ...(vcpu ? [{ at: vcpu.at, vmid: vcpu.vmid }] : []),
      ...(host ? [{ at: host, vmid: 0 }] : []),
    ];
    for (const { at, vmid } of candidates) {
      const saved = hypervisor.registersIn(at);
      const matches = ['pc', 'cpsr'].every((name) => {
        const holder = holders.get(name) ?? '';
        const place = saved.get(holder.toLowerCase());
        return place && this.load(cpu, place.space, place.address, place.bytes) === registers.read(holder);
      });
      if (!matches) continue;
      const places = new Map(
        [...saved]
          .filter(([name]) => this.guest.isa.find(name)?.kind === 'general')
          .map(([name, place]) => [name, savedPlace(this.guest, cpu, at.struct.name, place)]),
      );
      return { places, space: { kind: 'VA', level: 'EL1', ...(vmid === undefined ? {} : { vmid }) } };
    }
    return undefined;
  }

  private load(cpu: number, space: AddressSpace, address: bigint, bytes: number): bigint | undefined {
    return this.guest.number(cpu, space, address, bytes);
  }

  // --- calls ------------------------------------------------------------------------------------------------------

  /** The frames of one exception level, from its innermost. */
  private walk(
    start: Pick<Frame, 'cpu' | 'vcpu' | 'level' | 'space' | 'registers'>,
    handler: Handler,
    isCall: boolean,
  ): Frame[] {
    const out: Frame[] = [];
    let frame: Frame | undefined = this.frameAt(start, start.registers, isCall);
    let leaf = true;
    while (frame && out.length < MAX_FRAMES) {
      out.push(...this.withInlined(frame));
      if (handler === 'vectors' || this.kernelEntry(frame)) break;
      const rules = this.rulesOf(frame);
      if (rules?.isSignal && handler === 'yes') break;
      const caller: Frame | undefined = this.caller(frame, leaf);
      // A handler finds the link register and the frame pointer of whom it interrupted: only a call to itself counts.
      const foreign = !rules && handler === 'yes' && caller && !this.calls(caller, frame);
      frame = foreign ? undefined : caller;
      leaf = false;
    }
    return out;
  }

  /** Whether the call that `caller` returns from goes to the function of `frame`. */
  private calls(caller: Frame, frame: Frame): boolean {
    const target = this.callBefore(caller, caller.pc);
    if (target === undefined || target === 'indirect') return target === 'indirect';
    const [to, own] = [this.symbolAt(frame, target), this.symbolAt(frame, frame.lookup)];
    return to !== undefined && own !== undefined && to.address === own.address && to.name === own.name;
  }

  private frameAt(
    base: Pick<Frame, 'cpu' | 'vcpu' | 'level' | 'space'>,
    registers: FrameRegisters,
    isReturn: boolean,
  ): Frame | undefined {
    const pc = registers.read('pc');
    if (pc === undefined) return undefined;
    const { cpu, vcpu, level, space } = base;
    return { kind: 'code', cpu, vcpu, level, space, registers, pc, lookup: isReturn ? u64(pc - 1n) : pc };
  }

  /** A frame for each function that is inlined at the place, and one for the function itself. */
  private withInlined(frame: Frame): Frame[] {
    const inlined = this.functionAt(frame)?.inlined ?? [];
    if (inlined.length === 0) return [frame];
    const outer = (n: number): Partial<Frame> =>
      n === 0 ? {} : { outward: n, callSite: inlined[n - 1]?.callSite };
    return [
      ...inlined.map(({ name }, n) => ({ ...frame, ...outer(n), inlined: name })),
      { ...frame, ...outer(inlined.length) },
    ];
  }

  private caller(frame: Frame, leaf: boolean): Frame | undefined {
    const byRules = this.byCallFrameInformation(frame);
    if (byRules !== undefined) return byRules ?? undefined;
    return (
      this.byPrologue(frame, leaf) ??
      (leaf ? this.byLinkRegister(frame) : undefined) ??
      this.byFrameRecord(frame)
    );
  }

  private rulesOf(frame: Frame): ReturnType<Guest['parts']['symbols']['unwind']> {
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
    const next = this.frameAt(frame, frame.registers.with(places), true);
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
    const back = this.codeAt(frame, places.get(link) ?? this.held(frame.registers, link));
    const returnTo = back.read();
    if (returnTo === undefined || this.callBefore(frame, returnTo) === undefined) return undefined;
    places.set('pc', back);
    places.set(isa.records.stack, { read: () => top });
    const next = this.frameAt(frame, frame.registers.with(places), true);
    return next && this.isBeyond(frame, next) ? next : undefined;
  }

  /** The instructions from one address to another. */
  private words(frame: Frame, from: bigint, to: bigint): number[] {
    const size = this.guest.isa.instructionBytes;
    const data = this.guest.read(frame.cpu, frame.space, from, Number(to - from));
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    return Array.from({ length: Math.floor(data.length / size) }, (_, n) => view.getUint32(n * size, true));
  }

  private onStack(frame: Frame, address: bigint): RegisterPlace {
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
    const back = this.codeAt(frame, this.held(frame.registers, link));
    return this.frameAt(frame, frame.registers.with([['pc', back]]), true);
  }

  /** The return address in the link register, if it can be the innermost function's own. */
  private linkTarget(frame: Frame): bigint | undefined {
    const { link } = this.guest.isa.records;
    const target = this.codeAt(frame, this.held(frame.registers, link)).read();
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
    return this.frameAt(frame, frame.registers.with(places), true);
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

  // --- symbols ----------------------------------------------------------------------------------------------------

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

  symbolAt(frame: Pick<Frame, 'space'>, address: bigint): SymbolAt | undefined {
    return this.guest.symbolAt(frame.space, address);
  }

  functionAt(frame: Frame): FunctionAt | undefined {
    const place = symbolPlace(frame.space, frame.lookup);
    return place && this.guest.parts.symbols.functionAt(place);
  }

  lineAt(frame: Pick<Frame, 'space'>, address: bigint): LineAt | undefined {
    const place = symbolPlace(frame.space, address);
    return place && this.guest.parts.symbols.lineAt(place);
  }

  /** How a frame is called. */
  nameOf(frame: Frame): string {
    if (frame.label !== undefined) return frame.label;
    if (frame.inlined !== undefined) return `${frame.inlined} (inlined)`;
    const name = this.functionAt(frame)?.name ?? this.symbolAt(frame, frame.lookup)?.name;
    return name ?? hex(frame.pc);
  }
}
