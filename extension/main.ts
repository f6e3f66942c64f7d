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

/** Called by VS Code at the first activation event: registers one concern after the other, and starts nothing. */
export function activate(context: vscode.ExtensionContext): void {
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
}
