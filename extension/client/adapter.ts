import * as vscode from 'vscode';
import { DEBUG_TYPE } from '../protocol';

/**
 * The debug adapter is a process of its own, in the runtime that VS Code itself runs on: no Node has to be installed.
 * Under Electron that runtime is a plain Node only with ELECTRON_RUN_AS_NODE; a server's Node ignores it.
 */
class AdapterFactory implements vscode.DebugAdapterDescriptorFactory {
  constructor(private readonly program: string) {}

  createDebugAdapterDescriptor(): vscode.DebugAdapterDescriptor {
    return new vscode.DebugAdapterExecutable(process.execPath, [this.program], {
      env: { ELECTRON_RUN_AS_NODE: '1' },
    });
  }
}

/** Registers how a session gets its adapter. */
export function registerAdapter(context: vscode.ExtensionContext): void {
  const factory = new AdapterFactory(context.asAbsolutePath('dist/adapter.js'));
  context.subscriptions.push(vscode.debug.registerDebugAdapterDescriptorFactory(DEBUG_TYPE, factory));
}
