/**
 * The call stack of a CPU: the frames of the exception level that it is at, then, behind a label that names the
 * exception, those of the context that was interrupted, and so on down to EL0.
 */
import type { TraceEvent } from '../arch/types';
import type { Vcpu } from '../hypervisors/types';
import type { FrameReader } from '../symbols/dwarf/expression';
import type { FunctionAt, LineAt, SymbolAt } from '../symbols/types';
import { hex, symbolPlace, type AddressSpace } from './address-space';
import type { Frame } from './frame';
import { FrameRegisters, type RegisterPlace } from './frame-registers';
import { savedPlace, vcpuRegisters, vcpuSpace } from './vcpu-registers';
import { KernelEntries, type SavedContext } from '../linux/entry';
import { hostContext, hypContext, type Below } from './kvm-frames';
import type { Guest } from './guest';
import { frameAt, Unwinder } from './unwinder';

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
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

export class StackWalker {
  private readonly unwinder: Unwinder;

  constructor(
    private readonly guest: Guest,
    private readonly history: ExceptionHistory,
  ) {
    this.unwinder = new Unwinder(guest);
  }

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
      { ...this.unwinder.onStack(frame, at), where: `in pt_regs at ${hex(at)}` },
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
    for (const [name, holder] of context.registers) places.set(name, registers.heldBy(holder));
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

  /**
   * What is left of the interrupted context's general-purpose registers in the first frame of a handler: what its call
   * frame information says (`.cfi_signal_frame`), or else those that C functions preserve, once it has called one.
   */
  private left(entry: Frame, now: FrameRegisters): [string, RegisterPlace][] {
    const { isa } = this.guest;
    const rules = this.unwinder.rulesOf(entry);
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
    let frame: Frame | undefined = frameAt(start, start.registers, isCall);
    let leaf = true;
    while (frame && out.length < MAX_FRAMES) {
      out.push(...this.withInlined(frame));
      if (handler === 'vectors' || this.kernelEntry(frame)) break;
      const rules = this.unwinder.rulesOf(frame);
      if (rules?.isSignal && handler === 'yes') break;
      const caller: Frame | undefined = this.unwinder.caller(frame, leaf);
      // A handler finds the link register and the frame pointer of whom it interrupted: only a call to itself counts.
      const foreign = !rules && handler === 'yes' && caller && !this.unwinder.calls(caller, frame);
      frame = foreign ? undefined : caller;
      leaf = false;
    }
    return out;
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

  // --- symbols ----------------------------------------------------------------------------------------------------

  /** The frame as DWARF sees it. */
  reader(frame: Frame): FrameReader {
    return this.unwinder.reader(frame);
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
