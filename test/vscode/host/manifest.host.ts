import assert from 'node:assert/strict';
import path from 'node:path';
import * as vscode from 'vscode';

interface Contributes {
  readonly commands: readonly { readonly command: string }[];
  readonly debuggers: readonly { readonly type: string; readonly languages: readonly string[] }[];
  readonly breakpoints: readonly { readonly language: string }[];
}

function extension(): vscode.Extension<unknown> {
  const found = vscode.extensions.getExtension('worldswitch.worldswitch');
  assert.ok(found, 'the extension is not loaded');
  return found;
}

describe('extension', () => {
  it('activates and registers every command of its manifest', async () => {
    await extension().activate();
    const known = new Set(await vscode.commands.getCommands(true));
    const { commands } = extension().packageJSON.contributes as Contributes;
    assert.ok(commands.length >= 3);
    for (const { command } of commands) assert.ok(known.has(command), command);
  });

  it('takes .S and .s for its language', async () => {
    const [folder] = vscode.workspace.workspaceFolders ?? [];
    assert.ok(folder);
    const document = await vscode.workspace.openTextDocument(vscode.Uri.joinPath(folder.uri, 'hyp-init.S'));
    assert.equal(document.languageId, 'worldswitch-asm');
    const lower = await vscode.workspace.openTextDocument(
      vscode.Uri.file(path.join(folder.uri.fsPath, 'other.s')).with({ scheme: 'untitled' }),
    );
    assert.equal(lower.languageId, 'worldswitch-asm');
  });

  it('debugs every language in which breakpoints can be set but the compiled ones', () => {
    const { debuggers, breakpoints } = extension().packageJSON.contributes as Contributes;
    const [debug] = debuggers;
    assert.ok(debug);
    assert.deepEqual(
      breakpoints.map(({ language }) => language).filter((id) => !debug.languages.includes(id)),
      ['c', 'cpp', 'rust'],
    );
  });
});
