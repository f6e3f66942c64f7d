import * as vscode from 'vscode';
import { DEBUG_TYPE } from '../protocol';

const SHOWN = 'worldswitch.nextStepsShown';

/** The part of a DAP message that is looked at. */
interface Message {
  readonly type: string;
  readonly event?: string;
  readonly body?: { readonly reason?: string };
}

/** Shows the Run and Debug view, as VS Code does by itself only for a stop with the reason `breakpoint`. */
async function revealRunView(): Promise<void> {
  if (vscode.workspace.getConfiguration('debug').get<string>('openDebug') === 'neverOpen') return;
  await vscode.commands.executeCommand('workbench.view.debug');
  await vscode.commands.executeCommand('workbench.action.focusActiveEditorGroup');
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
  if (choice === breakpoints) {
    await vscode.commands.executeCommand('workbench.debug.action.focusBreakpointsView');
  } else if (choice === walkthrough) {
    await vscode.commands.executeCommand(
      'workbench.action.openWalkthrough',
      `${context.extension.id}#firstSteps`,
    );
  }
}

/** Watches each session for its stop on entry. */
export function registerFirstStop(context: vscode.ExtensionContext): void {
  context.subscriptions.push(
    vscode.debug.registerDebugAdapterTrackerFactory(DEBUG_TYPE, {
      createDebugAdapterTracker: () => ({
        onDidSendMessage({ type, event, body }: Message) {
          if (type !== 'event' || event !== 'stopped' || body?.reason !== 'entry') return;
          void revealRunView();
          void showNextSteps(context);
        },
      }),
    }),
  );
}
