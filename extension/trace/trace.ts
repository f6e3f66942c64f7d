import path from 'node:path';
import { existsSync } from 'node:fs';
import * as vscode from 'vscode';
import { onCustomEvent } from '../client/custom-events';
import { DEBUG_TYPE } from '../protocol';
import type { TraceArguments, TraceLines } from '../protocol';
import { sourceLinks } from './links';

const LANGUAGE = 'worldswitch-trace';
const LAST: TraceArguments = { last: 1000 };

/** The output channel with one session's world switches: those so far, then each new one. */
class TraceView {
  private readonly channel = vscode.window.createOutputChannel('World-Switch Trace', LANGUAGE);
  /** The session whose events are written; its lines wait in `early` until the history is there. */
  session: vscode.DebugSession | undefined;
  private early: string[] | undefined;

  async show(session: vscode.DebugSession): Promise<void> {
    this.channel.show(true);
    if (this.session === session) return;
    this.session = session;
    this.early = [];
    this.channel.clear();
    try {
      const { lines } = (await session.customRequest('worldswitch/trace', LAST)) as TraceLines;
      this.write([...lines, ...this.early]);
    } catch (error) {
      this.session = undefined;
      this.write([error instanceof Error ? error.message : String(error)]);
    } finally {
      this.early = undefined;
    }
  }

  append(lines: readonly string[]): void {
    if (this.early) this.early.push(...lines);
    else this.write(lines);
  }

  dispose(): void {
    this.channel.dispose();
  }

  private write(lines: readonly string[]): void {
    if (lines.length > 0) this.channel.append(`${lines.join('\n')}\n`);
  }
}

/** Where a name in the trace is: as it stands, or below the session's program or a workspace folder. */
function find(file: string, session: vscode.DebugSession | undefined): string | undefined {
  if (path.isAbsolute(file)) return file;
  const program: unknown = session?.configuration['program'];
  const folders = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
  if (typeof program === 'string') folders.unshift(program, path.dirname(program));
  return folders.map((folder) => path.join(folder, file)).find((candidate) => existsSync(candidate));
}

/** `Worldswitch: Show World-Switch Trace`. */
export function registerTrace(context: vscode.ExtensionContext): void {
  const view = new TraceView();
  /** The last session, so that links still work when it is over. */
  let last: vscode.DebugSession | undefined;
  context.subscriptions.push(
    view,
    vscode.commands.registerCommand('worldswitch.showTrace', async () => {
      const session = vscode.debug.activeDebugSession;
      if (session?.type !== DEBUG_TYPE) {
        void vscode.window.showInformationMessage(
          'No Worldswitch session is running. Press F5 on an assembly file or a folder with a main.S, then show the trace.',
        );
        return;
      }
      last = session;
      await view.show(session);
    }),
    onCustomEvent<TraceLines>('worldswitch/trace', ({ lines }, session) => {
      if (session === view.session) view.append(lines);
    }),
    vscode.debug.onDidTerminateDebugSession((session) => {
      if (session === view.session) view.session = undefined;
    }),
    vscode.languages.registerDocumentLinkProvider(
      { language: LANGUAGE },
      {
        provideDocumentLinks(document) {
          const links: vscode.DocumentLink[] = [];
          for (let line = 0; line < document.lineCount; line++) {
            for (const place of sourceLinks(document.lineAt(line).text)) {
              const file = find(place.file, last);
              if (file === undefined) continue;
              const target = vscode.Uri.file(file).with({ fragment: `L${place.line}` });
              links.push(
                new vscode.DocumentLink(new vscode.Range(line, place.start, line, place.end), target),
              );
            }
          }
          return links;
        },
      },
    ),
  );
}
