import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as vscode from 'vscode';
import { eventually } from './eventually';

/** A DAP message from the adapter. */
interface Message {
  readonly type: string;
  readonly event?: string;
  readonly body?: {
    readonly reason?: string;
    readonly description?: string;
    readonly lines?: readonly string[];
  };
}

/** Everything that the adapters of a test said. */
class Listener implements vscode.DebugAdapterTrackerFactory {
  readonly sessions: vscode.DebugSession[] = [];
  readonly messages: Message[] = [];

  createDebugAdapterTracker(session: vscode.DebugSession): vscode.DebugAdapterTracker {
    this.sessions.push(session);
    return { onDidSendMessage: (message: Message) => this.messages.push(message) };
  }

  events(name: string): Message[] {
    return this.messages.filter(({ type, event }) => type === 'event' && event === name);
  }

  get session(): vscode.DebugSession {
    const last = this.sessions.at(-1);
    assert.ok(last, 'no session has been started');
    return last;
  }

  stopped(reason: string, count = 1): Promise<void> {
    const stops = (): Message[] => this.events('stopped').filter(({ body }) => body?.reason === reason);
    return eventually(`stop ${count} for ${reason}`, () => stops().length >= count);
  }
}

function sampleFolder(): vscode.WorkspaceFolder {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  assert.ok(folder, 'the sample is not open');
  return folder;
}

describe('debugging', () => {
  let heard: Listener;
  let registrations: vscode.Disposable[];
  /** Those that VS Code says are over; its `activeDebugSession` may lag behind when a session ends while it stops. */
  const over = new Set<string>();
  let temporary: string;

  beforeEach(() => {
    temporary = mkdtempSync(path.join(tmpdir(), 'worldswitch-host-'));
    heard = new Listener();
    registrations = [
      vscode.debug.registerDebugAdapterTrackerFactory('worldswitch', heard),
      vscode.debug.onDidTerminateDebugSession(({ id }) => over.add(id)),
    ];
  });

  afterEach(async () => {
    for (const session of heard.sessions) {
      if (!over.has(session.id)) await vscode.debug.stopDebugging(session);
    }
    await eventually('the end of all sessions', () => heard.sessions.every(({ id }) => over.has(id)));
    registrations.forEach((registration) => registration.dispose());
    rmSync(temporary, { recursive: true });
  });

  it('starts the sample by its launch.json, stopped on entry, with the exception filters', async () => {
    assert.ok(await vscode.debug.startDebugging(sampleFolder(), 'Debug the reference hypervisor'));
    await heard.stopped('entry');
    assert.equal(heard.session.configuration['program'], sampleFolder().uri.fsPath);
    const { threads } = (await heard.session.customRequest('threads')) as { threads: { name: string }[] };
    assert.match(threads[0]?.name ?? '', /^CPU 0: EL2/);
  });

  it('takes an assembly file as a program of its own, or the main.S that includes it', async () => {
    const alone = path.join(temporary, 'alone.S');
    writeFileSync(alone, '_start:\n\tmov\tx0, #1\n1:\tb\t1b\n');
    await vscode.window.showTextDocument(vscode.Uri.file(alone));
    await vscode.commands.executeCommand('worldswitch.debugFile');
    await heard.stopped('entry');
    assert.equal(heard.session.configuration['program'], alone);
    await vscode.debug.stopDebugging();
    await vscode.window.showTextDocument(vscode.Uri.joinPath(sampleFolder().uri, 'hyp', 'switch.S'));
    await vscode.commands.executeCommand('worldswitch.debugFile');
    await heard.stopped('entry', 2);
    assert.equal(heard.session.configuration['program'], path.join(sampleFolder().uri.fsPath, 'main.S'));
  });

  it('fills in the program of an incomplete configuration', async () => {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    await vscode.debug.startDebugging(sampleFolder(), {
      type: 'worldswitch',
      request: 'launch',
      name: 'incomplete',
    });
    await heard.stopped('entry');
    assert.equal(heard.session.configuration['program'], sampleFolder().uri.fsPath);
  });

  it('shows the UART in a terminal, keeps the trace, and ends when the guest powers off', async () => {
    const terminals = (): vscode.Terminal[] =>
      vscode.window.terminals.filter(({ name }) => name === 'Guest UART: run');
    const program = sampleFolder().uri.fsPath;
    await vscode.debug.startDebugging(sampleFolder(), {
      type: 'worldswitch',
      request: 'launch',
      name: 'run',
      program,
      stopOnEntry: true,
    });
    await heard.stopped('entry');
    assert.deepEqual(terminals(), []);
    const { session } = heard;
    const traced = (await session.customRequest('worldswitch/trace', { last: 1000 })) as { lines: string[] };
    assert.deepEqual(traced.lines, []);
    await session.customRequest('continue', { threadId: 1 });
    await eventually('the power off', () => heard.events('worldswitch/poweroff').length > 0);
    await eventually('the terminal', () => terminals().length === 1);
    assert.equal(
      heard.events('output').some(({ body }) => JSON.stringify(body).includes('guest: hello')),
      false,
    );
    await eventually('the end of the session', () => over.has(session.id));
    const live = heard.events('worldswitch/trace').flatMap(({ body }) => body?.lines ?? []);
    assert.match(live.join('\n'), /EL1 -> EL2 {2}HVC #0.*\(host\/run\.S:\d+\)/);
  });
});
