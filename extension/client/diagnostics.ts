import * as vscode from 'vscode';
import type { AssemblyDiagnostic, AssemblyDiagnostics } from '../protocol';
import { DEBUG_TYPE } from '../protocol';
import { onCustomEvent } from './custom-events';

function toDiagnostic(item: AssemblyDiagnostic): vscode.Diagnostic {
  const line = Math.max(0, item.line - 1);
  const column = Math.max(0, item.column - 1);
  const diagnostic = new vscode.Diagnostic(
    new vscode.Range(
      line,
      column,
      line,
      item.endColumn === undefined ? Number.MAX_SAFE_INTEGER : item.endColumn - 1,
    ),
    item.message,
    item.severity === 'warning' ? vscode.DiagnosticSeverity.Warning : vscode.DiagnosticSeverity.Error,
  );
  diagnostic.source = 'Worldswitch launch';
  return diagnostic;
}

/** The language server has its own, live, word on a file that is open in our language; ours would only repeat it. */
function isServed(uri: vscode.Uri): boolean {
  return vscode.languages.getDiagnostics(uri).some(({ source }) => source === 'Worldswitch');
}

/** Assembly errors at F5: all of them in Problems, the first one shown in its file. */
export function registerDiagnostics(context: vscode.ExtensionContext): void {
  const collection = vscode.languages.createDiagnosticCollection('worldswitch-launch');
  context.subscriptions.push(
    collection,
    vscode.debug.registerDebugAdapterTrackerFactory(DEBUG_TYPE, {
      createDebugAdapterTracker: () => ({ onWillStartSession: () => collection.clear() }),
    }),
    // The language server checks an edited file; what F5 said of its old text is out of date.
    vscode.workspace.onDidChangeTextDocument(({ document }) => collection.delete(document.uri)),
    vscode.languages.onDidChangeDiagnostics(({ uris }) => {
      for (const uri of uris) if (collection.has(uri) && isServed(uri)) collection.delete(uri);
    }),
    onCustomEvent<AssemblyDiagnostics>('worldswitch/diagnostics', async ({ items }) => {
      const byFile = new Map<string, vscode.Diagnostic[]>();
      for (const item of items) byFile.set(item.file, [...(byFile.get(item.file) ?? []), toDiagnostic(item)]);
      for (const [file, diagnostics] of byFile) {
        const uri = vscode.Uri.file(file);
        if (!isServed(uri)) collection.set(uri, diagnostics);
      }
      const first = items.find((item) => item.severity === 'error');
      if (!first) return;
      const at = toDiagnostic(first).range.start;
      await vscode.window.showTextDocument(vscode.Uri.file(first.file), {
        selection: new vscode.Range(at, at),
      });
    }),
  );
}
