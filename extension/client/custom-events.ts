import * as vscode from 'vscode';
import { DEBUG_TYPE } from '../protocol';

/** Calls `handle` for each custom event of that name that one of our sessions sends. */
export function onCustomEvent<Body>(
  name: string,
  handle: (body: Body, session: vscode.DebugSession) => void,
): vscode.Disposable {
  return vscode.debug.onDidReceiveDebugSessionCustomEvent(({ event, body, session }) => {
    if (event === name && session.type === DEBUG_TYPE) handle(body as Body, session);
  });
}
