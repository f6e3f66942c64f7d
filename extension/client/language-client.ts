import * as vscode from 'vscode';
import { LANGUAGE_ID } from '../protocol';

/** Starts the language server in a process of its own, with the first document of our language. */
async function start(context: vscode.ExtensionContext): Promise<void> {
  // Loaded here and not with the extension: a debug session needs none of it.
  const { LanguageClient, TransportKind } = await import('vscode-languageclient/node');
  const server = { module: context.asAbsolutePath('dist/server.js'), transport: TransportKind.ipc };
  const client = new LanguageClient('worldswitch', 'Worldswitch Assembly', server, {
    documentSelector: [{ scheme: 'file', language: LANGUAGE_ID }],
    synchronize: {
      configurationSection: 'worldswitch.assembler',
      fileEvents: vscode.workspace.createFileSystemWatcher('**/*.{S,s,inc,h}'),
    },
  });
  context.subscriptions.push(client);
  await client.start();
}

/** Diagnostics, hover, names and completion for assembly: the server runs from the first such document on. */
export function registerLanguageClient(context: vscode.ExtensionContext): void {
  let started = false;
  const look = (document: vscode.TextDocument): void => {
    if (started || document.languageId !== LANGUAGE_ID) return;
    started = true;
    start(context).catch((error: unknown) => {
      void vscode.window.showWarningMessage(
        `The assembly language server did not start, so there are no diagnostics while typing: ${String(error)}. Reload the window to try again.`,
      );
    });
  };
  vscode.workspace.textDocuments.forEach(look);
  context.subscriptions.push(vscode.workspace.onDidOpenTextDocument(look));
}
