/**
 * The DAP endpoint: one table of handlers, one catch that makes every error, one encoder. DebugSession of
 * @vscode/debugadapter is the base for its `start`/`sendEvent` interface; its dispatcher, its framing and its error
 * responses are replaced (a rejected handler would end the process, a bigint would leave a request unanswered).
 */
import { DebugSession } from '@vscode/debugadapter';
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { ErrorId, sentenceOf, UserError } from '../errors';
import { type Need, Session } from '../session';
import { encode, frame, FrameReader } from './framing';
import { needs, type Command, type Handler, type HandlerTable, type RequestContext } from './table';

/** A request on its way. */
interface Pending {
  readonly abort: AbortController;
  readonly after: (() => void)[];
}

type AnyHandler = (ctx: Session, args: unknown, request: RequestContext) => unknown;

const refusals: Readonly<Record<Need, string>> = {
  nothing: '',
  initialize: 'the session is not initialized: send "initialize" first',
  launch: 'no program is launched: send "launch" first, with the "program" to debug',
  stop: 'the guest is running: pause it first',
};
const order: readonly Need[] = ['initialize', 'launch', 'stop'];

export class DapServer extends DebugSession {
  private output: NodeJS.WritableStream | undefined;
  private seq = 1;
  private readonly pending = new Map<number, Pending>();
  private ended = false;

  constructor(private readonly handlers: HandlerTable) {
    super();
    this.session = new Session((event, body) => this.event(event, body));
    this.session.cancelRequest = (seq) => this.pending.get(seq)?.abort.abort();
    this.session.close = () => this.end();
  }

  readonly session: Session;

  /** Serves a client on two streams. */
  override start(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): void {
    this.output = output;
    const reader = new FrameReader({
      message: (text) => this.receive(text),
      problem: (sentence) => this.refuse({ seq: 0, command: '' }, sentence, ErrorId.malformed),
    });
    input.on('data', (chunk: Uint8Array | string) => reader.push(Buffer.from(chunk)));
    const end = (): void => this.end();
    input.on('end', end);
    input.on('close', end);
    input.on('error', end);
    output.on('error', end);
    input.resume();
  }

  /** The client is gone. */
  private end(): void {
    if (this.ended) return;
    this.ended = true;
    this.session.dispose();
    this.emit('close');
  }

  private receive(text: string): void {
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch (error) {
      // Whoever sent it waits for an answer: the number is usually still legible.
      const seq = Number(/"seq"\s*:\s*([0-9]{1,9})/.exec(text)?.[1] ?? 0);
      const command = /"command"\s*:\s*"([^"]{1,60})"/.exec(text)?.[1] ?? '';
      this.refuse({ seq, command }, `This message is no JSON (${sentenceOf(error)}).`, ErrorId.malformed);
      return;
    }
    const m = (typeof message === 'object' && message !== null ? message : {}) as Partial<DP.Request>;
    if (m.type === 'response') return; // we send no requests
    if (m.type !== 'request' || typeof m.seq !== 'number' || typeof m.command !== 'string') {
      const seq = typeof m.seq === 'number' ? m.seq : 0;
      this.refuse(
        { seq, command: typeof m.command === 'string' ? m.command : '' },
        'This message is no DAP request: it needs "seq", "type": "request" and "command".',
        ErrorId.malformed,
      );
      return;
    }
    this.dispatchRequest(m as DP.Request);
  }

  protected override dispatchRequest(request: DP.Request): void {
    void this.answer(request);
  }

  private async answer(request: DP.Request): Promise<void> {
    const pending: Pending = { abort: new AbortController(), after: [] };
    this.pending.set(request.seq, pending);
    try {
      const handler = this.handlerOf(request.command);
      const { signal } = pending.abort;
      const context: RequestContext = { signal, afterResponse: (f) => pending.after.push(f) };
      const args: unknown = request.arguments;
      if (args !== undefined && (typeof args !== 'object' || args === null || Array.isArray(args)))
        throw new UserError(`"${request.command}" came with arguments that are no object.`);
      const body = await handler(this.session, args, context);
      if (signal.aborted) throw new UserError('cancelled', ErrorId.cancelled);
      this.write({
        type: 'response',
        request_seq: request.seq,
        success: true,
        command: request.command,
        ...(body === undefined ? {} : { body }),
      });
    } catch (error) {
      this.fail(request, error);
    } finally {
      this.pending.delete(request.seq);
    }
    for (const f of pending.after) this.guard(f);
  }

  private handlerOf(command: string): AnyHandler {
    if (!Object.hasOwn(this.handlers, command)) {
      throw new UserError(`Worldswitch has no request "${command}".`, ErrorId.unknown);
    }
    const handler: Handler<Command> = this.handlers[command as Command] as Handler<Command>;
    const need = needs[command as Command] ?? 'launch';
    for (const n of order.slice(0, order.indexOf(need) + 1)) {
      if (!this.session.has(n))
        throw new UserError(`"${command}" is not possible now: ${refusals[n]}.`, ErrorId.state);
    }
    return handler as AnyHandler;
  }

  private fail(request: { seq: number; command: string }, error: unknown): void {
    if (error instanceof UserError) this.refuse(request, error.message, error.id, error.showUser);
    else if (error instanceof Error && error.name === 'SymbolError')
      this.refuse(request, error.message, ErrorId.request);
    else {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
      const text = `"${request.command}" failed inside Worldswitch (${sentenceOf(error)}): please report it with what you did.`;
      this.refuse(request, text, ErrorId.internal, true);
    }
  }

  private refuse(
    request: { seq: number; command: string },
    text: string,
    id: number,
    showUser = false,
  ): void {
    this.write({
      type: 'response',
      request_seq: request.seq,
      success: false,
      command: request.command,
      message: id === ErrorId.cancelled ? 'cancelled' : text,
      body: { error: { id, format: text.replaceAll('{', '(').replaceAll('}', ')'), showUser } },
    });
  }

  /** Sends an event. */
  private event(event: string, body?: object): void {
    this.guard(() => this.write({ type: 'event', event, ...(body === undefined ? {} : { body }) }));
  }

  override sendEvent(event: DP.Event): void {
    this.event(event.event, event.body as object | undefined);
  }

  private guard(f: () => void): void {
    try {
      f();
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
    }
  }

  private write(message: object): void {
    if (this.ended) return;
    // Encoded before the number is taken: a message that cannot be encoded leaves no gap.
    const json = encode({ seq: this.seq, ...message });
    this.seq++;
    this.output?.write(frame(json));
  }
}
