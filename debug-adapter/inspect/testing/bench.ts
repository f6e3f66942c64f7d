/** A debug session without wires, for tests of inspection: requests are handler calls, stops are awaited. */
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import path from 'node:path';
import { allHandlers } from '../../adapter';
import { Control } from '../../control';
import type { ControlListener, StopReport } from '../../control/types';
import { parseLaunch } from '../../launch/config';
import type { Command, Requests } from '../../protocol/table';
import { Session } from '../../session';
import { Target } from '../../target';

/** The sample hypervisor. */
export const SAMPLE = path.resolve(__dirname, '../../../hypervisor/arm64');

export interface SentEvent {
  readonly event: string;
  readonly body: unknown;
}

export class InspectBench {
  readonly events: SentEvent[] = [];
  readonly session = new Session((event, body) => this.events.push({ event, body }));
  readonly control: Control;
  private stopped: (report: StopReport) => void = () => undefined;
  private ended: (text: string) => void = () => undefined;

  /** Launches a program as launch.json would. @throws UserError */
  constructor(config: Readonly<Record<string, unknown>>) {
    const target = Target.launch(parseLaunch({ memory: '512M', ...config }));
    const listener: ControlListener = {
      resumed: () => this.session.forgetHandles(),
      stopped: (report) => this.stopped(report),
      ended: (report) => this.ended(report.reason),
      console: () => undefined,
      message: () => undefined,
      trace: () => undefined,
      followsTrace: () => false,
      breakpointChanged: () => undefined,
    };
    this.control = new Control(target, listener);
    this.session.target = target;
    this.session.control = this.control;
    this.session.client = { adapterID: 'test', supportsInvalidatedEvent: true, supportsMemoryEvent: true };
    this.control.reportHere('entry', 'Paused on entry');
  }

  get target(): Target {
    return this.session.requireTarget();
  }

  /** Answers one request; what is to happen after the response happens before this returns. */
  async ask<C extends Command>(command: C, args: Requests[C][0]): Promise<Requests[C][1]> {
    const later: (() => void)[] = [];
    const signal = new AbortController().signal;
    const body = await allHandlers[command](this.session, args, {
      signal,
      afterResponse: (f) => later.push(f),
    });
    for (const f of later) f();
    return body;
  }

  private async whenStopped(start: () => Promise<unknown>): Promise<StopReport> {
    const report = new Promise<StopReport>((resolve, reject) => {
      this.stopped = resolve;
      this.ended = (reason) => reject(new Error(`the guest ended: ${reason}`));
    });
    await start();
    return report;
  }

  /** Continues until one of the exception filters stops it. */
  async runTo(...filters: string[]): Promise<StopReport> {
    await this.ask('setExceptionBreakpoints', { filters });
    return this.whenStopped(() => this.ask('continue', { threadId: 1 }));
  }

  /** Continues to a function. */
  async runToFunction(name: string): Promise<StopReport> {
    await this.ask('setExceptionBreakpoints', { filters: [] });
    await this.ask('setFunctionBreakpoints', { breakpoints: [{ name }] });
    const report = await this.whenStopped(() => this.ask('continue', { threadId: 1 }));
    await this.ask('setFunctionBreakpoints', { breakpoints: [] });
    return report;
  }

  async continue(): Promise<StopReport> {
    return this.whenStopped(() => this.ask('continue', { threadId: 1 }));
  }

  async step(): Promise<StopReport> {
    return this.whenStopped(() => this.ask('stepIn', { threadId: 1, granularity: 'instruction' }));
  }

  // --- what tests look at ---------------------------------------------------------------------------------------

  async frames(): Promise<DP.StackFrame[]> {
    return (await this.ask('stackTrace', { threadId: 1 })).stackFrames;
  }

  /** The names of the frames, with labels in angle brackets. */
  async stack(): Promise<string[]> {
    return (await this.frames()).map((f) => (f.presentationHint === 'label' ? `<${f.name}>` : f.name));
  }

  async frame(n = 0): Promise<DP.StackFrame> {
    const frame = (await this.frames())[n];
    if (!frame) throw new Error(`there is no frame ${n}`);
    return frame;
  }

  async scope(name: string, frame = 0): Promise<DP.Scope> {
    const { scopes } = await this.ask('scopes', { frameId: (await this.frame(frame)).id });
    const found = scopes.find((s) => s.name === name);
    if (!found) throw new Error(`there is no scope ${name}, but ${scopes.map((s) => s.name).join(', ')}`);
    return found;
  }

  async variables(
    variablesReference: number,
    more: Partial<DP.VariablesArguments> = {},
  ): Promise<DP.Variable[]> {
    return (await this.ask('variables', { variablesReference, ...more })).variables;
  }

  /** A variable by the names on the way to it, from a scope on. */
  async variable(scope: string, ...names: string[]): Promise<DP.Variable & { readonly parent: number }> {
    let parent = (await this.scope(scope)).variablesReference;
    let found: DP.Variable | undefined;
    for (const name of names) {
      if (found) parent = found.variablesReference;
      const all = await this.variables(parent);
      found = all.find((v) => v.name === name);
      if (!found) throw new Error(`there is no ${name}, but ${all.map((v) => v.name).join(', ')}`);
    }
    if (!found) throw new Error('no variable was named');
    return { ...found, parent };
  }

  /** Changes a variable and gives its new value. */
  async set(scope: string, names: readonly string[], value: string): Promise<string> {
    const { parent, name } = await this.variable(scope, ...names);
    return (await this.ask('setVariable', { variablesReference: parent, name, value })).value;
  }

  async evaluate(expression: string, context = 'watch', frame = 0): Promise<string> {
    const frameId = (await this.frame(frame)).id;
    return (await this.ask('evaluate', { expression, context, frameId })).result;
  }

  /** Opens everything that can be opened, `depth` levels deep. @returns how many variables there were */
  async open(variablesReference: number, depth: number): Promise<number> {
    const all = await this.variables(variablesReference);
    let count = all.length;
    for (const v of all)
      if (v.variablesReference > 0 && depth > 0) count += await this.open(v.variablesReference, depth - 1);
    return count;
  }
}
