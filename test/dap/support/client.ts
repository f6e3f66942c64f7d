/**
 * A DAP client over real stdio: starts the bundled adapter, sends requests, waits for events, and records everything
 * for transcripts.
 */
import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as esbuild from 'esbuild';
import { FrameReader, frame } from '../../../debug-adapter/protocol/framing';

export interface Message {
  readonly type: 'request' | 'response' | 'event';
  readonly seq: number;
  readonly command?: string;
  readonly event?: string;
  readonly request_seq?: number;
  readonly success?: boolean;
  readonly message?: string;
  // What a body holds depends on the message; tests look at what they expect.
  readonly body?: Body;
  readonly arguments?: unknown;
}

export type Body = Record<string, unknown> & {
  readonly error?: { readonly id: number; readonly format: string; readonly showUser?: boolean };
};

/** How long an answer or an event may take, in ms. */
const LIMIT = 60_000;

const root = path.resolve(__dirname, '../../..');
let bundle: string | undefined;

/** Bundles the adapter once for all tests of the process. */
export function adapterBundle(): string {
  if (bundle === undefined) {
    const folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-dap-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
    bundle = path.join(folder, 'adapter.js');
    esbuild.buildSync({
      absWorkingDir: root,
      entryPoints: ['debug-adapter/main.ts'],
      outfile: bundle,
      bundle: true,
      platform: 'node',
      format: 'cjs',
      target: 'node20',
      logLevel: 'error',
      sourcemap: 'inline',
      mainFields: ['module', 'main'],
    });
  }
  return bundle;
}

interface Waiter {
  readonly matches: (m: Message) => boolean;
  readonly resolve: (m: Message) => void;
}

export class DapClient {
  readonly child: ChildProcessWithoutNullStreams;
  /** Everything that went over the wire, in order. */
  readonly log: { readonly direction: 'to' | 'from'; readonly message: Message }[] = [];
  stderr = '';
  private seq = 1;
  private readonly waiters: Waiter[] = [];
  /** Index in `log` of the next message that an event wait may take. */
  private seen = 0;

  /** @param program the adapter; bundled from the sources unless given */
  constructor(node: readonly string[] = [], program: string = adapterBundle()) {
    this.child = spawn(process.execPath, [...node, program], { stdio: 'pipe' });
    this.child.stderr.on('data', (d: Buffer) => (this.stderr += d.toString()));
    const reader = new FrameReader({
      message: (text) => this.receive(JSON.parse(text) as Message),
      problem: (sentence) => {
        throw new Error(sentence);
      },
    });
    this.child.stdout.on('data', (d: Buffer) => reader.push(d));
  }

  private receive(message: Message): void {
    this.log.push({ direction: 'from', message });
    const at = this.waiters.findIndex((w) => w.matches(message));
    if (at < 0) return;
    const [waiter] = this.waiters.splice(at, 1);
    waiter?.resolve(message);
  }

  /** Bytes as they are: for messages that are no messages. */
  raw(text: string): void {
    this.child.stdin.write(text);
  }

  private wait(matches: (m: Message) => boolean, what: string, ms: number): Promise<Message> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no ${what} within ${ms} ms; stderr: ${this.stderr}; last: ${this.tail()}`)),
        ms,
      );
      this.waiters.push({
        matches,
        resolve: (m) => {
          clearTimeout(timer);
          resolve(m);
        },
      });
    });
  }

  private tail(): string {
    return this.log
      .slice(-4)
      .map((l) => JSON.stringify(l.message).slice(0, 300))
      .join('\n');
  }

  /** Sends a request and waits for its response, good or bad. */
  request(command: string, args?: unknown, ms = LIMIT): Promise<Message> {
    const message: Message = {
      seq: this.seq++,
      type: 'request',
      command,
      ...(args === undefined ? {} : { arguments: args }),
    };
    this.log.push({ direction: 'to', message });
    const answer = this.wait(
      (m) => m.type === 'response' && m.request_seq === message.seq,
      `response to ${command}`,
      ms,
    );
    this.child.stdin.write(frame(JSON.stringify(message)));
    return answer;
  }

  /** Sends a request that must succeed. @returns the body, of the type that the protocol gives it */
  async ok<T = Body>(command: string, args?: unknown): Promise<T> {
    const answer = await this.request(command, args);
    if (!answer.success)
      throw new Error(`${command} failed: ${answer.body?.error?.format ?? answer.message}`);
    return (answer.body ?? {}) as T;
  }

  /** Sends a request that must fail. @returns the sentence */
  async refused(command: string, args?: unknown): Promise<string> {
    const answer = await this.request(command, args);
    if (answer.success) throw new Error(`${command} did not fail: ${JSON.stringify(answer.body)}`);
    return answer.body?.error?.format ?? '';
  }

  /** The next event of that name that no earlier call has taken. @returns its body */
  async event<T = Body>(name: string, ms = LIMIT): Promise<T> {
    for (; this.seen < this.log.length; this.seen++) {
      const entry = this.log[this.seen];
      if (entry?.direction === 'from' && entry.message.event === name) {
        this.seen++;
        return (entry.message.body ?? {}) as T;
      }
    }
    const message = await this.wait((m) => m.event === name, `event ${name}`, ms);
    this.seen = this.log.findIndex((l) => l.message === message) + 1;
    return (message.body ?? {}) as T;
  }

  /** All events of that name so far. */
  events(name: string): Body[] {
    return this.log.flatMap(({ direction, message }) =>
      direction === 'from' && message.event === name ? [message.body ?? {}] : [],
    );
  }

  /** initialize and launch, up to `initialized`. */
  async launch(config: Record<string, unknown>): Promise<void> {
    await this.ok('initialize', { adapterID: 'worldswitch', linesStartAt1: true, pathFormat: 'path' });
    await this.ok('launch', config);
    await this.event('initialized');
  }

  /** launch, configurationDone, and the stop on entry. */
  async start(config: Record<string, unknown>): Promise<Body> {
    await this.launch(config);
    await this.ok('configurationDone');
    return this.event('stopped');
  }

  /** Ends the adapter; resolves with its exit code. @throws Error when it does not end by itself */
  async close(): Promise<number | null> {
    if (this.child.exitCode !== null) return this.child.exitCode;
    const exited = new Promise<number | null>((resolve) => this.child.on('exit', resolve));
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5_000);
    this.child.stdin.end();
    const code = await exited;
    clearTimeout(timer);
    if (this.child.signalCode === 'SIGKILL') throw new Error('the adapter did not end with its client');
    return code;
  }
}
