import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { eventually } from './eventually';

function sample(name: string): vscode.Uri {
  const [folder] = vscode.workspace.workspaceFolders ?? [];
  assert.ok(folder, 'the sample is not open');
  return vscode.Uri.joinPath(folder.uri, name);
}

async function replaceAll(document: vscode.TextDocument, text: string): Promise<void> {
  const edit = new vscode.WorkspaceEdit();
  edit.replace(document.uri, new vscode.Range(0, 0, document.lineCount, 0), text);
  assert.ok(await vscode.workspace.applyEdit(edit));
}

const messages = (uri: vscode.Uri): string[] =>
  vscode.languages.getDiagnostics(uri).map(({ range, message }) => `${range.start.line + 1}: ${message}`);

describe('assembly language', () => {
  it('finds nothing wrong with the sample', async () => {
    const document = await vscode.workspace.openTextDocument(sample('hyp-init.S'));
    await vscode.window.showTextDocument(document);
    // An error that is made on purpose shows that the server has looked at the program.
    const text = document.getText();
    await replaceAll(document, `${text}\n\tbroken x0\n`);
    const line = document.lineCount - 1;
    await eventually('the error', () =>
      messages(document.uri).some((message) => message.startsWith(`${line}: `)),
    );
    await replaceAll(document, text);
    await eventually('no error', () => messages(document.uri).length === 0);
    for (const [uri, diagnostics] of vscode.languages.getDiagnostics()) {
      assert.deepEqual(
        diagnostics.map(({ message }) => message),
        [],
        uri.toString(),
      );
    }
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });

  it('explains instructions and system registers on hover', async () => {
    const document = await vscode.workspace.openTextDocument(sample('hyp-init.S'));
    await vscode.window.showTextDocument(document);
    const lines = document.getText().split('\n');
    const hoverAt = async (word: string): Promise<string> => {
      const line = lines.findIndex((text) => new RegExp(`^[^/]*\\b${word}\\b`).test(text));
      const position = new vscode.Position(line, lines[line]?.indexOf(word) ?? 0);
      const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
        'vscode.executeHoverProvider',
        document.uri,
        position,
      );
      const parts = hovers.flatMap(({ contents }) => contents);
      return parts.map((part) => (typeof part === 'string' ? part : part.value)).join('\n');
    };
    await eventually('a hover for msr', async () => (await hoverAt('msr')).includes('msr'));
    assert.match(await hoverAt('sctlr_el2'), /\*\*SCTLR_EL2\*\*[\s\S]*\| 0 \| M \|/);
  });
});
