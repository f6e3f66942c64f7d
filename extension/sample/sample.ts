import path from 'node:path';
import * as vscode from 'vscode';

const WELCOMED = 'worldswitch.sampleWelcomed';

/** The files that a reader of the sample starts with; the second one has the focus. */
const FIRST_FILES = ['README.md', 'hyp-init.S'] as const;

async function exists(uri: vscode.Uri): Promise<boolean> {
  return vscode.workspace.fs.stat(uri).then(
    () => true,
    () => false,
  );
}

/** Copies the packaged sample into a folder that the user picks, and opens it. */
async function openSample(context: vscode.ExtensionContext): Promise<void> {
  const [parent] =
    (await vscode.window.showOpenDialog({
      title: 'Where to put the sample hypervisor',
      openLabel: 'Copy Sample Here',
      canSelectFiles: false,
      canSelectFolders: true,
    })) ?? [];
  if (!parent) return;
  let target = vscode.Uri.joinPath(parent, 'worldswitch-sample');
  for (let n = 2; await exists(target); n++) target = vscode.Uri.joinPath(parent, `worldswitch-sample-${n}`);
  try {
    await vscode.workspace.fs.copy(vscode.Uri.joinPath(context.extensionUri, 'hypervisor', 'arm64'), target);
  } catch (error) {
    void vscode.window.showErrorMessage(
      `The sample could not be copied to ${target.fsPath}: ${error instanceof Error ? error.message : String(error)}. Choose another folder.`,
    );
    return;
  }
  await vscode.commands.executeCommand('vscode.openFolder', target, {
    forceNewWindow: (vscode.workspace.workspaceFolders?.length ?? 0) > 0,
  });
}

/** The first time that a copy of the sample is opened, its README and `hyp-init.S` are shown. */
async function welcome(context: vscode.ExtensionContext): Promise<void> {
  const [folder, ...others] = vscode.workspace.workspaceFolders ?? [];
  if (!folder || others.length > 0) return;
  const files = FIRST_FILES.map((name) => vscode.Uri.joinPath(folder.uri, name));
  if (!(await Promise.all(files.map(exists))).every(Boolean)) return;
  await vscode.commands.executeCommand('setContext', 'worldswitch.sampleOpen', true);
  if (context.workspaceState.get(WELCOMED, false)) return;
  await context.workspaceState.update(WELCOMED, true);
  const open = new Set(
    vscode.window.tabGroups.all
      .flatMap(({ tabs }) => tabs)
      .map(({ input }) => (input instanceof vscode.TabInputText ? path.basename(input.uri.fsPath) : '')),
  );
  if (FIRST_FILES.every((name) => open.has(name))) return;
  for (const file of files) await vscode.window.showTextDocument(file, { preview: false });
}

/** `Worldswitch: Open Sample`, and what a freshly opened sample shows. */
export function registerSample(context: vscode.ExtensionContext): void {
  context.subscriptions.push(
    vscode.commands.registerCommand('worldswitch.openSample', () => openSample(context)),
  );
  void welcome(context);
}
