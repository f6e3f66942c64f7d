import * as vscode from 'vscode';
import type { PowerOff } from '../protocol';
import { DEBUG_TYPE } from '../protocol';
import { onCustomEvent } from './custom-events';

const SHOWN = 'worldswitch.nextStepsShown';

/** The part of a DAP message that is looked at. */
interface Message {
  readonly type: string;
  readonly event?: string;
  readonly body?: { readonly reason?: string };
}

/** Once, at the first stop on entry: the exception filters are shown only now, and the next step is to tick one. */
async function showNextSteps(context: vscode.ExtensionContext): Promise<void> {
  const wanted = vscode.workspace.getConfiguration('worldswitch').get('showNextSteps', true);
  if (!wanted || context.globalState.get(SHOWN, false)) return;
  await context.globalState.update(SHOWN, true);
  const breakpoints = 'Show Breakpoints';
  const walkthrough = 'First Steps';
  const choice = await vscode.window.showInformationMessage(
    'Stopped before the first instruction. Next: tick HVC under Breakpoints in the Run and Debug view, then press Continue (F5).',
    breakpoints,
    walkthrough,
  );
  if (choice === breakpoints)
    await vscode.commands.executeCommand('workbench.debug.action.focusBreakpointsView');
  if (choice === walkthrough) await openWalkthrough(context);
}

/** The page `First Steps with Worldswitch`. */
export async function openWalkthrough(context: vscode.ExtensionContext): Promise<void> {
  await vscode.commands.executeCommand(
    'workbench.action.openWalkthrough',
    `${context.extension.id}#firstSteps`,
  );
}

/** Messages about what happens in a session. */
export function registerMessages(context: vscode.ExtensionContext): void {
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterTrackerFactory(DEBUG_TYPE, {
      createDebugAdapterTracker: () => ({
        onDidSendMessage(message: Message) {
          if (message.type === 'event' && message.event === 'stopped' && message.body?.reason === 'entry') {
            void showNextSteps(context);
          }
        },
      }),
    }),
    onCustomEvent<PowerOff>('worldswitch/poweroff', async ({ reason }, session) => {
      const again = 'Debug Again';
      const choice = await vscode.window.showInformationMessage(`The guest powered off: ${reason}.`, again);
      if (choice === again) await vscode.debug.startDebugging(session.workspaceFolder, session.configuration);
    }),
  );
}
