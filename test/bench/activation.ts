/** How long the editor waits for the extension, measured in the extension host of the embedded workbench. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ACTIVATION } from '../vscode/host/mark';
import { median, type Bench } from './table';

const root = path.resolve(__dirname, '../..');
const RUNS = 3;

function activate(): number {
  const { stdout } = spawnSync('npx', ['tsx', 'test/vscode/host/run.ts'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, WS_ACTIVATION_ONLY: '1' },
  });
  const line = stdout.split('\n').find((l) => l.startsWith(ACTIVATION));
  const ms = Number(line?.slice(ACTIVATION.length));
  if (!Number.isFinite(ms))
    throw new Error(`The workbench did not say how long the activation took:\n${stdout}`);
  return ms;
}

export const activationBench: Bench = {
  name: 'activation',
  what: 'activation of the extension in the workbench, median of 3 starts',
  run: async () => {
    const value = median(Array.from({ length: RUNS }, activate));
    return { name: 'activation', value, unit: 'ms', bar: { atMost: 100 } };
  },
};
