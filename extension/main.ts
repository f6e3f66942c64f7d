import { startedAt } from './client/startup-clock';
import type * as vscode from 'vscode';
import { registerDebugFile } from './configuration/debug-file';
import { registerConfigurationProviders } from './configuration/provider';
import { registerAdapter } from './client/adapter';
import { registerDiagnostics } from './client/diagnostics';
import { registerFirstStop } from './client/first-stop';
import { registerLanguageClient } from './client/language-client';
import { registerPowerOff } from './client/power-off';
import { registerSample } from './sample/sample';
import { registerUartTerminals } from './terminal/uart';
import { registerTrace } from './trace/trace';

/** VS Code does other things between loading and activating: they are not ours. */
const loading = performance.now() - startedAt;

/** What the extension tells others about itself. */
export interface Api {
  /** How long loading this bundle and activating it took, in ms: the benchmark asks. */
  readonly activationMs: number;
}

/** Called by VS Code at the first activation event: registers one concern after the other, and starts nothing. */
export function activate(context: vscode.ExtensionContext): Api {
  const calledAt = performance.now();
  for (const register of [
    registerConfigurationProviders,
    registerAdapter,
    registerDebugFile,
    registerUartTerminals,
    registerFirstStop,
    registerPowerOff,
    registerDiagnostics,
    registerTrace,
    registerSample,
    registerLanguageClient,
  ]) {
    register(context);
  }
  return { activationMs: performance.now() - calledAt + loading };
}
