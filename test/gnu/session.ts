/** A debug session on the guest over real stdio, in the words of a person at the editor. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { DapClient } from '../dap/support/client';
import { GUEST } from './build';

export type StepCommand = 'next' | 'stepIn' | 'stepOut';

/** `file:line function` of a place in the source. */
export interface Where {
  readonly file: string;
  readonly line: number;
  readonly function: string;
}

const THREAD = 1;

export class Session {
  readonly client = new DapClient();

  /** Launches an ELF and waits for the stop on entry. */
  static async start(program: string, config: Record<string, unknown> = {}): Promise<Session> {
    const session = new Session();
    const stop = await session.client.start({ program, memory: '64M', stopOnEntry: true, ...config });
    assert.equal(stop['reason'], 'entry');
    return session;
  }

  /** Ends the session; the adapter must have written nothing to stderr. */
  async end(): Promise<void> {
    await this.client.ok('disconnect');
    await this.client.close();
    assert.equal(this.client.stderr, '');
  }

  /** Replaces the line breakpoints of a source file. */
  async lines(file: string, ...breakpoints: DP.SourceBreakpoint[]): Promise<DP.Breakpoint[]> {
    const source = { path: file.startsWith('/') ? file : join(GUEST, file) };
    const body = await this.client.ok('setBreakpoints', { source, breakpoints });
    return body['breakpoints'] as DP.Breakpoint[];
  }

  /** Replaces the function breakpoints. */
  async functions(...breakpoints: DP.FunctionBreakpoint[]): Promise<DP.Breakpoint[]> {
    const body = await this.client.ok('setFunctionBreakpoints', { breakpoints });
    return body['breakpoints'] as DP.Breakpoint[];
  }

  /** Replaces the exception filters. */
  async filters(...filters: string[]): Promise<void> {
    const body = await this.client.ok('setExceptionBreakpoints', { filters });
    for (const b of body['breakpoints'] as DP.Breakpoint[]) assert.ok(b.verified, b.message);
  }

  /** Resumes and waits for the next stop. */
  async resume(
    command: 'continue' | StepCommand = 'continue',
    args: object = {},
  ): Promise<DP.StoppedEvent['body']> {
    await this.client.ok(command, { threadId: THREAD, ...args });
    return this.client.event<DP.StoppedEvent['body']>('stopped');
  }

  /** Continues; whether the guest stopped again before its end. */
  async resumeUnlessEnded(): Promise<boolean> {
    const count = (name: string): number => this.client.events(name).length;
    const [stops, ends] = [count('stopped'), count('terminated')];
    await this.client.ok('continue', { threadId: THREAD });
    for (;;) {
      if (count('terminated') > ends) return false;
      if (count('stopped') > stops) break;
      await new Promise((done) => setTimeout(done, 5));
    }
    await this.client.event('stopped');
    return true;
  }

  /** Continues to the end of the guest. */
  async finish(): Promise<void> {
    await this.client.ok('continue', { threadId: THREAD });
    await this.client.event('terminated');
  }

  async frames(): Promise<DP.StackFrame[]> {
    const body = await this.client.ok('stackTrace', { threadId: THREAD });
    return body['stackFrames'] as DP.StackFrame[];
  }

  /** The frame of a function, which must be on the stack. */
  async frame(name?: string): Promise<DP.StackFrame> {
    const frames = await this.frames();
    const found = name === undefined ? frames[0] : frames.find((f) => f.name === name);
    assert.ok(found, `no frame ${name ?? 'at all'} in ${frames.map((f) => f.name).join(', ')}`);
    return found;
  }

  async where(): Promise<Where> {
    return place(await this.frame());
  }

  /** Makes steps; where each of them stopped. */
  async steps(commands: readonly StepCommand[]): Promise<Where[]> {
    const out: Where[] = [];
    for (const command of commands) {
      const stop = await this.resume(command);
      assert.equal(
        stop.reason,
        'step',
        `${command} after ${JSON.stringify(out.at(-1))}: ${stop.description}`,
      );
      out.push(await this.where());
    }
    return out;
  }

  async variables(reference: number, args: object = {}): Promise<DP.Variable[]> {
    const body = await this.client.ok('variables', { variablesReference: reference, ...args });
    return body['variables'] as DP.Variable[];
  }

  /** What a scope of a frame shows; the first whose name begins so. */
  async scope(name: string, frameName?: string): Promise<DP.Variable[]> {
    return this.variables((await this.scopeOf(name, frameName)).variablesReference);
  }

  async scopeOf(name: string, frameName?: string): Promise<DP.Scope> {
    const frame = await this.frame(frameName);
    const scopes = (await this.client.ok('scopes', { frameId: frame.id }))['scopes'] as DP.Scope[];
    const found = scopes.find((s) => s.name.startsWith(name));
    assert.ok(found, `no scope ${name} in ${scopes.map((s) => s.name).join(', ')}`);
    return found;
  }

  /** The parts of an expandable variable, by name. */
  async parts(variable: Pick<DP.Variable, 'variablesReference'>): Promise<Map<string, DP.Variable>> {
    assert.ok(variable.variablesReference > 0, `${JSON.stringify(variable)} cannot be expanded`);
    return byName(await this.variables(variable.variablesReference));
  }

  /** What an expression gives in a frame. */
  async evaluate(
    expression: string,
    options: { frame?: string; context?: string } = {},
  ): Promise<DP.EvaluateResponse['body']> {
    const { id } = await this.frame(options.frame);
    const context = options.context ?? 'watch';
    return this.client.ok<DP.EvaluateResponse['body']>('evaluate', { expression, frameId: id, context });
  }

  /** What the guest has written on its UART. */
  uart(): string {
    const written = this.client.events('output').filter((e) => e['category'] === 'stdout');
    return written.map((e) => String(e['output'])).join('');
  }
}

export function place(frame: DP.StackFrame): Where {
  return { file: frame.source?.name ?? '', line: frame.line, function: frame.name };
}

export function byName(variables: readonly DP.Variable[]): Map<string, DP.Variable> {
  return new Map(variables.map((v) => [v.name, v]));
}
