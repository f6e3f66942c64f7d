import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as vscode from 'vscode';
import { DEBUG_TYPE } from '../protocol';
import { rootOf } from '../language-server/program';
import { readSettings, type AssemblerSettings } from '../language-server/settings';

/** Languages in which an open file is a program for us: ours, and the ids other extensions give to `.S`. */
const ASSEMBLY = new Set(['worldswitch-asm', 'arm', 'arm64', 'asm', 'gas']);

/** A launch configuration for one program. Generated ones stop on entry: only then the exception filters are shown. */
export function launch(program: string, name: string): vscode.DebugConfiguration {
  return { type: DEBUG_TYPE, request: 'launch', name, program, stopOnEntry: true };
}

function readText(file: string): string | undefined {
  const open = vscode.workspace.textDocuments.find((document) => document.uri.fsPath === file);
  if (open) return open.getText();
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

/** The program to which the active editor belongs: its `main.S`, or the file itself. */
export function programOfEditor(editor = vscode.window.activeTextEditor): string | undefined {
  const document = editor?.document;
  if (!document || document.uri.scheme !== 'file' || !ASSEMBLY.has(document.languageId)) return undefined;
  const { includeDirs } = assemblerSettings(vscode.workspace.getWorkspaceFolder(document.uri));
  return rootOf(document.uri.fsPath, readText, includeDirs);
}

/** The settings `worldswitch.assembler` of a folder. */
function assemblerSettings(folder: vscode.WorkspaceFolder | undefined): AssemblerSettings {
  const section = vscode.workspace.getConfiguration('worldswitch', folder?.uri).get('assembler');
  return readSettings(section, folder?.uri.fsPath);
}

/** A configuration with what the settings say of the assembler in the place of what it leaves out. */
function withAssembler(
  given: vscode.DebugConfiguration,
  folder: vscode.WorkspaceFolder | undefined,
): vscode.DebugConfiguration {
  const own: unknown = given['assembler'] ?? {};
  // What is wrong in it is the adapter's to say.
  if (typeof own !== 'object' || Array.isArray(own)) return given;
  const { defines, includeDirs } = assemblerSettings(folder);
  const settings = {
    ...(Object.keys(defines).length > 0 ? { defines } : {}),
    ...(includeDirs.length > 0 ? { includeDirs } : {}),
  };
  return Object.keys(settings).length > 0 ? { ...given, assembler: { ...settings, ...own } } : given;
}

/** What can be debugged without a launch.json: the open file's program, and each folder that has a `main.S`. */
function candidates(): vscode.DebugConfiguration[] {
  const programs = new Map<string, string>();
  const open = programOfEditor();
  if (open !== undefined) programs.set(open, `Debug ${path.basename(open)}`);
  for (const { uri, name } of vscode.workspace.workspaceFolders ?? []) {
    const main = path.join(uri.fsPath, 'main.S');
    if (existsSync(main)) programs.set(main, `Debug ${name}`);
  }
  return [...programs].map(([program, name]) => launch(program, name));
}

/** The workspace folder that a configuration's program is in. */
function folderOf({ program }: vscode.DebugConfiguration): vscode.WorkspaceFolder | undefined {
  return vscode.workspace.getWorkspaceFolder(vscode.Uri.file(String(program)));
}

/** F5: fills in what a configuration leaves out. What is wrong in it is the adapter's to say, for every editor alike. */
class ConfigurationProvider implements vscode.DebugConfigurationProvider {
  resolveDebugConfiguration(
    folder: vscode.WorkspaceFolder | undefined,
    given: vscode.DebugConfiguration,
  ): vscode.ProviderResult<vscode.DebugConfiguration> {
    // F5 without a launch.json: VS Code passes an empty configuration.
    if (!given.type && !given.request && !given.name) {
      const [first] = candidates();
      if (first) return withAssembler(first, folderOf(first) ?? folder);
      void vscode.window.showErrorMessage(
        'Worldswitch found nothing to debug. Open a .S file of this machine, or a folder that has a main.S, and press F5 again.',
      );
      return undefined;
    }
    if (given['program'] === undefined && given['kernel'] === undefined) {
      const program = programOfEditor() ?? folder?.uri.fsPath;
      if (program !== undefined) return withAssembler({ ...given, program }, folder);
    }
    return withAssembler(given, folder ?? folderOf(given));
  }
}

/** Run and Debug > Worldswitch...: what there is to debug now. VS Code asks for each folder, and once for no folder. */
class DynamicConfigurations implements vscode.DebugConfigurationProvider {
  provideDebugConfigurations(folder: vscode.WorkspaceFolder | undefined): vscode.DebugConfiguration[] {
    return candidates().filter((candidate) => folderOf(candidate)?.index === folder?.index);
  }
}

/** Registers what makes F5 work with no, an incomplete and a generated launch configuration. */
export function registerConfigurationProviders(context: vscode.ExtensionContext): void {
  const { Dynamic } = vscode.DebugConfigurationProviderTriggerKind;
  context.subscriptions.push(
    vscode.debug.registerDebugConfigurationProvider(DEBUG_TYPE, new ConfigurationProvider()),
    vscode.debug.registerDebugConfigurationProvider(DEBUG_TYPE, new DynamicConfigurations(), Dynamic),
  );
}
