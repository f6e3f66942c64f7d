/**
 * What has been found out about a stopped guest. It lives as long as the handles of the stop: when the guest resumes
 * they die, and the next request makes a new view. A write by the debugger makes everything in it stale at once.
 */
import { UserError, ErrorId } from '../errors';
import type { FrameHandle, Session } from '../session';
import type { Vcpu } from '../hypervisors/types';
import type { Target } from '../target';
import { DisassemblyDocuments } from './disassembly-document';
import type { Frame } from './frame';
import { StackWalker } from './frames';
import type { Guest } from './guest';
import { exceptionHistory } from './history';
import type { Effect } from './items';

/** A frame that a client knows by number. */
export class FrameRef implements FrameHandle {
  constructor(
    readonly cpu: number,
    readonly frame: Frame,
  ) {}
}

/** Holds the place of a stop among the frame handles. */
class Token implements FrameHandle {
  readonly cpu = 0;
}

/** A call stack, and the handles of its frames. */
interface Stack {
  readonly frames: readonly Frame[];
  readonly ids: Map<Frame, number>;
}

const documents = new WeakMap<Session, DisassemblyDocuments>();
const views = new WeakMap<Session, StopView>();

/** The generated sources of a session. */
export function documentsOf(session: Session): DisassemblyDocuments {
  let found = documents.get(session);
  if (!found) documents.set(session, (found = new DisassemblyDocuments()));
  return found;
}

export class StopView {
  /** Counts the debugger's own writes: what was read before the last is stale. */
  version = 0;
  readonly guest: Guest;
  readonly walker: StackWalker;
  private readonly stacks = new Map<string, Stack>();
  private readonly token: number;

  constructor(
    readonly session: Session,
    readonly target: Target,
  ) {
    this.guest = target.guest;
    this.walker = new StackWalker(this.guest, exceptionHistory(target.trace, target.arch));
    this.token = session.frames.create(new Token());
  }

  /** Whether the guest still stands where it stood. */
  get isCurrent(): boolean {
    if (this.session.target !== this.target) return false;
    try {
      this.session.frames.get(this.token);
      return true;
    } catch {
      return false;
    }
  }

  private stack(key: string, frames: () => readonly Frame[]): Stack {
    let found = this.stacks.get(key);
    if (!found) this.stacks.set(key, (found = { frames: frames(), ids: new Map() }));
    return found;
  }

  private stackOf({ cpu, vcpu }: Pick<Frame, 'cpu' | 'vcpu'>): Stack {
    if (!vcpu) return this.stack(`CPU ${cpu}`, () => this.walker.frames(cpu));
    return this.stack(`vcpu ${vcpu.pa}`, () => this.walker.vcpuFrames(cpu, vcpu));
  }

  /** The call stack of a CPU. */
  frames(cpu: number): readonly Frame[] {
    return this.stackOf({ cpu }).frames;
  }

  /** The call stack of a vcpu that does not run. */
  vcpuFrames(vcpu: Vcpu): readonly Frame[] {
    return this.stackOf({ cpu: this.reader(), vcpu }).frames;
  }

  /** A CPU through which the hypervisor's memory can be read: preferably the one that stopped. */
  private reader(): number {
    const { hypervisor } = this.guest;
    const all = [this.stoppedCpu(), ...Array.from({ length: this.target.machine.cpus }, (_, n) => n)];
    return all.find((n) => hypervisor.isSetUp(n)) ?? this.stoppedCpu();
  }

  private stoppedCpu(): number {
    return this.session.control?.lastStop?.cpu ?? this.target.machine.schedule.current;
  }

  /** The handle of a frame. */
  idOf(frame: Frame): number {
    const { ids } = this.stackOf(frame);
    let id = ids.get(frame);
    if (id === undefined) ids.set(frame, (id = this.session.frames.create(new FrameRef(frame.cpu, frame))));
    return id;
  }

  /** The frame of a handle. @throws UserError for a stale one */
  frame(id: number): Frame {
    const handle = this.session.frames.get(id);
    if (handle instanceof FrameRef) return handle.frame;
    throw new UserError(`There is no stack frame ${id}: ask for the call stack first.`, ErrorId.stale);
  }

  /** The innermost frame of the CPU that stopped last. */
  topFrame(cpu = this.stoppedCpu()): Frame {
    const frame = this.frames(cpu)[0];
    if (!frame) throw new UserError(`CPU ${cpu} has no stack frame.`);
    return frame;
  }

  /** Where a filter has stopped before HVC, SMC or SVC: `ec` and `iss` of the exception that the call will be. */
  heldCall(frame: Frame): Readonly<Record<string, bigint>> | undefined {
    const { arch } = this.target;
    const report = this.session.control?.lastStop;
    const { cpu, vcpu } = frame;
    if (report?.cpu !== cpu || vcpu || this.frames(cpu)[0] !== frame) return undefined;
    return report.filters.includes(arch.instructionKind(cpu)) ? arch.callSyndrome(cpu) : undefined;
  }

  /** What the client has not been told yet. */
  private news: { event: string; body: object }[] = [];

  /** After a write by the debugger: forgets what was read; the client will be told what to ask for again. */
  changed(effect: Effect): void {
    this.version++;
    this.stacks.clear();
    if (this.session.client?.supportsInvalidatedEvent !== true) return;
    const areas = effect === 'stacks' ? ['stacks', 'variables'] : ['variables'];
    this.news.push({ event: 'invalidated', body: { areas } });
  }

  /** Memory was written: those who show it must read it again. */
  memoryChanged(memoryReference: string, offset: number, count: number): void {
    if (this.session.client?.supportsMemoryEvent !== true || count === 0) return;
    this.news.push({ event: 'memory', body: { memoryReference, offset, count } });
  }

  /** Tells the client what has changed: after the response, so that it does not ask in the middle of a change. */
  announce(): void {
    for (const { event, body } of this.news.splice(0)) this.session.send(event, body);
  }
}

/** The view of the current stop. @throws UserError while the guest runs */
export function viewOf(session: Session): StopView {
  const target = session.requireTarget();
  if (session.requireControl().running)
    throw new UserError('The guest runs: pause it first, then ask for its state.', ErrorId.state);
  let view = views.get(session);
  if (!view?.isCurrent) views.set(session, (view = new StopView(session, target)));
  return view;
}
