import * as vscode from 'vscode';
import { onCustomEvent } from '../client/custom-events';
import { DEBUG_TYPE } from '../protocol';
import type { PowerOff, UartBytes, UartRequest } from '../protocol';
import { UartText } from './line-ends';

async function request(session: vscode.DebugSession, body: UartRequest): Promise<void> {
  await session.customRequest('worldswitch/uart', body);
}

/** The guest's serial console: an extension terminal whose far end is the emulated UART of one session. */
class UartTerminal implements vscode.Pseudoterminal {
  private readonly written = new vscode.EventEmitter<string>();
  private readonly text = new UartText();
  /** Output from before the terminal is drawn; undefined once it is. */
  private early: string | undefined = '';
  private live = true;
  readonly onDidWrite = this.written.event;
  readonly terminal: vscode.Terminal;

  constructor(private readonly session: vscode.DebugSession) {
    this.terminal = vscode.window.createTerminal({
      name: `Guest UART: ${session.name}`,
      pty: this,
      iconPath: new vscode.ThemeIcon('circuit-board'),
    });
    this.terminal.show(true);
  }

  open(): void {
    const early = this.early ?? '';
    this.early = undefined;
    this.write(early);
  }

  /** The user closed it: what the guest writes from here on goes to the Debug Console. */
  close(): void {
    if (!this.live) return;
    this.live = false;
    void request(this.session, { subscribe: false }).catch(() => undefined);
  }

  /** What the user types goes to the guest's receiver, byte by byte. */
  handleInput(typed: string): void {
    if (!this.live) return;
    request(this.session, { data: Buffer.from(typed, 'utf8').toString('base64') }).catch((error: unknown) => {
      this.note(error instanceof Error ? error.message : String(error));
    });
  }

  output(bytes: Uint8Array): void {
    this.write(this.text.decode(bytes));
  }

  /** A line of our own, set apart from the guest's text. */
  note(text: string): void {
    this.write(`${this.text.atLineStart ? '' : '\r\n'}\x1b[2m[${text}]\x1b[0m\r\n`);
  }

  /** The session is over: what was written stays readable. */
  end(): void {
    if (!this.live) return;
    this.live = false;
    this.note('session ended');
  }

  private write(text: string): void {
    if (this.early === undefined) this.written.fire(text);
    else this.early += text;
  }
}

/** One terminal a session, made at the guest's first byte; the one of the session before with that name goes then. */
export function registerUartTerminals(context: vscode.ExtensionContext): void {
  const bySession = new Map<string, UartTerminal>();
  const ended = new Set<UartTerminal>();
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterTrackerFactory(DEBUG_TYPE, {
      createDebugAdapterTracker: (session) => ({
        // Before the guest runs: without this, its output goes to the Debug Console, as in an editor without us.
        onDidSendMessage({ type, event }: { type: string; event?: string }) {
          if (type !== 'event' || event !== 'initialized') return;
          request(session, { subscribe: true }).catch(() => undefined);
        },
      }),
    }),
    onCustomEvent<UartBytes>('worldswitch/uart', ({ data }, session) => {
      let terminal = bySession.get(session.id);
      if (!terminal) {
        for (const old of ended) old.terminal.dispose();
        ended.clear();
        terminal = new UartTerminal(session);
        bySession.set(session.id, terminal);
      }
      terminal.output(Buffer.from(data, 'base64'));
    }),
    onCustomEvent<PowerOff>('worldswitch/poweroff', ({ reason }, session) => {
      bySession.get(session.id)?.note(`the guest powered off: ${reason}`);
    }),
    vscode.debug.onDidTerminateDebugSession((session) => {
      const terminal = bySession.get(session.id);
      if (session.type !== DEBUG_TYPE || !terminal) return;
      bySession.delete(session.id);
      ended.add(terminal);
      terminal.end();
    }),
  );
}
