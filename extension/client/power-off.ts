import * as vscode from 'vscode';
import type { PowerOff } from '../protocol';
import { onCustomEvent } from './custom-events';

/** Says that the guest switched its machine off: without it the end of the session looks like a crash. */
export function registerPowerOff(context: vscode.ExtensionContext): void {
  context.subscriptions.push(
    onCustomEvent<PowerOff>('worldswitch/poweroff', async ({ reason }, session) => {
      const again = 'Debug Again';
      const choice = await vscode.window.showInformationMessage(`The guest powered off: ${reason}.`, again);
      if (choice === again) await vscode.debug.startDebugging(session.workspaceFolder, session.configuration);
    }),
  );
}
