import { readdirSync } from 'node:fs';
import path from 'node:path';
import { format } from 'node:util';
import Mocha from 'mocha';
import * as vscode from 'vscode';
import type { Api } from '../../../extension/main';
import { ACTIVATION, MARK } from './mark';

/** How long loading and activating the extension took, in ms. */
async function activationTime(): Promise<number | undefined> {
  const extension = vscode.extensions.getExtension<Api>('worldswitch.worldswitch');
  return (await extension?.activate())?.activationMs;
}

/** Called by the extension host; a rejection is a failed run. */
export async function run(): Promise<void> {
  console.log(`${MARK}${ACTIVATION}${await activationTime()}`);
  if (process.env['WS_ACTIVATION_ONLY']) return;
  const mocha = new Mocha({ timeout: 60_000, slow: 20_000, color: false });
  Mocha.reporters.Base.consoleLog = (...args: unknown[]) => console.log(MARK + format(...args));
  for (const name of readdirSync(__dirname)) {
    if (name.endsWith('.host.js')) mocha.addFile(path.join(__dirname, name));
  }
  const failures = await new Promise<number>((resolve) => mocha.run(resolve));
  if (failures > 0) throw new Error(`${failures} failed`);
}
