import path from 'node:path';
import * as vscode from 'vscode';
import { launch, programOfEditor } from './provider';

/** `Debug with Worldswitch`, in the Explorer (an ELF, a `.S`, a folder), the editor's run menu and the palette. */
export function registerDebugFile(context: vscode.ExtensionContext): void {
  context.subscriptions.push(
    vscode.commands.registerCommand('worldswitch.debugFile', async (uri?: vscode.Uri) => {
      const program = uri?.fsPath ?? programOfEditor();
      if (program === undefined) {
        void vscode.window.showErrorMessage(
          'The active editor holds no assembly file of this machine. Open a .S file, or choose an ELF or a folder in the Explorer.',
        );
        return;
      }
      const folder = vscode.workspace.getWorkspaceFolder(vscode.Uri.file(program));
      await vscode.debug.startDebugging(folder, launch(program, `Debug ${path.basename(program)}`));
    }),
  );
}
