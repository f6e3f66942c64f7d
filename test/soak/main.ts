/**
 * npm run test:soak -- [minutes]      a guest that keeps making code (default 30 minutes); fails if memory grows
 *
 * With `--thread` a thread makes the regions, as in the debug adapter.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildSync } from 'esbuild';
import { translationThread } from '../../debug-adapter/translation/thread';
import type { TranslatorOptions } from '../../emulator/core/translator';
import { SoakGuest } from './guest';
import { collector, growth, sample, type Sample } from './memory';

const DEFAULT_MINUTES = 30;
const SLICE = 2_000_000;
const SAMPLES = 60;
/** Part of the time in which caches fill. */
const WARM_UP = 0.15;

function threadOptions(folder: string): Partial<TranslatorOptions> {
  const outfile = path.join(folder, 'translator.js');
  const entry = path.join(__dirname, '../../debug-adapter/translation/worker.ts');
  buildSync({ entryPoints: [entry], outfile, bundle: true, platform: 'node', format: 'cjs' });
  return { ...translationThread(outfile), heat: 1, batch: 8, patience: 1000 };
}

async function soak(minutes: number, translate?: Partial<TranslatorOptions>): Promise<number> {
  const collect = collector();
  const guest = new SoakGuest(1 << 12, translate);
  const start = Date.now();
  const end = start + minutes * 60_000;
  const samples: Sample[] = [];
  const mib = (bytes: number): string => (bytes / (1 << 20)).toFixed(1);
  for (let due = start; Date.now() < end;) {
    guest.run(SLICE);
    await new Promise((resolve) => setImmediate(resolve));
    if (Date.now() < due) continue;
    due += (minutes * 60_000) / SAMPLES;
    const s = await sample(collect);
    if (Date.now() - start > WARM_UP * minutes * 60_000) samples.push(s);
    const { modules, regions, dropped } = guest.counts;
    console.log(
      `${Math.round((Date.now() - start) / 1000)} s: rss ${mib(s.rss)}, heap ${mib(s.heap)}, external ${mib(s.external)} MiB; ` +
        `${guest.functions} functions, ${modules} modules, ${regions} regions, ${regions - dropped} live`,
    );
  }
  guest.computer.machine.translator?.close();
  const complaints = growth(samples);
  if (guest.wrong > 0) complaints.push(`${guest.wrong} functions of the guest had a wrong result`);
  if (samples.length < 3) complaints.push('too few samples: more minutes, please');
  console.log(complaints.length > 0 ? complaints.join('\n') : 'Memory is flat.');
  return complaints.length > 0 ? 1 : 0;
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const thread = args.includes('--thread');
  const minutes = Number(args.find((a) => !a.startsWith('--')) ?? DEFAULT_MINUTES);
  if (!(minutes > 0)) {
    console.error('The argument is a number of minutes: npm run test:soak -- 30');
    return 2;
  }
  const folder = mkdtempSync(path.join(tmpdir(), 'ws-soak-'));
  try {
    return await soak(minutes, thread ? threadOptions(folder) : undefined);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

void main().then((code) => (process.exitCode = code));
