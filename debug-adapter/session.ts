import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import type { Control } from './control';
import { ErrorId, UserError } from './errors';
import { Handles } from './handles';
import type { Target } from './target';

/** What must have happened before a request makes sense. */
export type Need = 'nothing' | 'initialize' | 'launch' | 'stop';

/** What a frame handle stands for; inspect/ says more about it. */
export interface FrameHandle {
  readonly cpu: number;
}

/** What a variablesReference stands for: something that lists its parts, and may change them. */
export interface VariableContainer {
  variables(args: DP.VariablesArguments): Promise<DP.Variable[]> | DP.Variable[];
  set?(
    args: DP.SetVariableArguments,
  ): Promise<DP.SetVariableResponse['body']> | DP.SetVariableResponse['body'];
}

/** One client's debug session: what handlers get as `ctx`. */
export class Session {
  /** What the client said of itself in `initialize`. */
  client: DP.InitializeRequestArguments | undefined;
  /** The launched guest. */
  target: Target | undefined;
  /** Runs and stops it. */
  control: Control | undefined;
  /** Where gdb can attach; it is served once it is open. */
  gdb: { open(): void } | undefined;
  /** Frames and variable containers of this stop; they die when the guest resumes. */
  readonly frames = new Handles<FrameHandle>('stack frame');
  readonly variables = new Handles<VariableContainer>('variable');
  /** configurationDone has come. */
  configured = false;
  /** The client shows the guest's console itself: `worldswitch/uart` events instead of `output`. */
  wantsUart = false;
  /** The client follows the trace. */
  wantsTrace = false;
  /** Aborts a request that has not been answered; set by the server. */
  cancelRequest: (seq: number) => void = () => undefined;
  /** Ends the adapter; set by the server. */
  close: () => void = () => undefined;
  private readonly disposers: (() => void)[] = [];

  constructor(
    /** Sends an event to the client. */
    readonly send: (event: string, body?: object) => void,
  ) {}

  /** Whether the session has come so far. */
  has(need: Need): boolean {
    switch (need) {
      case 'nothing':
        return true;
      case 'initialize':
        return this.client !== undefined;
      case 'launch':
        return this.target !== undefined;
      case 'stop':
        return this.control !== undefined && !this.control.running;
    }
  }

  /** The launched guest. @throws UserError when there is none. */
  requireTarget(): Target {
    if (this.target) return this.target;
    throw new UserError('No program is launched: send "launch" first.', ErrorId.state);
  }

  /** The control of the launched guest. @throws UserError when there is none. */
  requireControl(): Control {
    if (this.control) return this.control;
    throw new UserError('No program is launched: send "launch" first.', ErrorId.state);
  }

  /** The CPU of a thread id. @throws UserError when there is no such thread. */
  cpuOf(threadId: unknown): number {
    const cpus = this.requireTarget().machine.cpus;
    if (typeof threadId === 'number' && Number.isInteger(threadId) && threadId >= 1 && threadId <= cpus)
      return threadId - 1;
    throw new UserError(`There is no thread ${String(threadId)}: this machine has the threads 1 to ${cpus}.`);
  }

  /** Forgets all handles: the guest resumes. */
  forgetHandles(): void {
    this.frames.clear();
    this.variables.clear();
  }

  /** Runs `f` when the session ends. */
  onDispose(f: () => void): void {
    this.disposers.push(f);
  }

  /** The session is over. */
  closed = false;

  /** The client is gone or has disconnected. */
  dispose(): void {
    this.closed = true;
    for (const f of this.disposers.splice(0)) f();
  }
}
