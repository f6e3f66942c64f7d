/** Runs of one guest on our machine and on QEMU's, each in a process of its own. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { processCpuMs } from './clock';
import { MarkReader, type Figures, type OurRun, type OurSpec, type Run, type RunSpec } from './spec';
import type { Options } from './table';

const root = path.resolve(__dirname, '../..');
const dist = path.join(root, 'dist');
let folder: string | undefined;

/** A folder for this process's files. */
export function benchFolder(): string {
  if (folder === undefined) {
    const made = mkdtempSync(path.join(tmpdir(), 'worldswitch-bench-'));
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    folder = made;
  }
  return folder;
}

let runner: string | undefined;

/** machine-run.ts as the product is built: bundled, and without what a bundler adds for debugging. */
function bundle(): string {
  if (runner === undefined) {
    const out = path.join(benchFolder(), 'machine-run.js');
    const options = {
      ...{ absWorkingDir: root, entryPoints: ['test/bench/machine-run.ts'], outfile: out, bundle: true },
      ...{ platform: 'node', format: 'cjs', target: 'node20', mainFields: ['module', 'main'], minify: true },
      logLevel: 'warning',
    };
    const script = `import * as esbuild from 'esbuild'; await esbuild.build(${JSON.stringify(options)});`;
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, stdio: 'inherit' });
    runner = out;
  }
  return runner;
}

export function runHere(spec: OurSpec): OurRun {
  const args = [bundle(), JSON.stringify(spec), dist];
  const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the run on our machine failed: ${stderr.slice(-1500)}`);
  return JSON.parse(stdout) as OurRun;
}

/** On QEMU, which stays after the end to be asked for its time. */
export function runOnQemu(spec: RunSpec, more: readonly string[] = []): Promise<Run<Figures>> {
  const qemu = spawn('qemu-system-aarch64', [
    ...['-machine', 'virt,virtualization=on,gic-version=3', '-cpu', 'cortex-a57', '-m', '512'],
    ...[
      '-nographic',
      '-nodefaults',
      '-no-shutdown',
      '-monitor',
      'none',
      '-serial',
      'stdio',
      '-kernel',
      spec.image,
    ],
    ...(spec.initrd === undefined ? [] : ['-initrd', spec.initrd]),
    ...(spec.append === undefined ? [] : ['-append', spec.append]),
    ...more,
  ]);
  const now = (): Figures => ({ wallMs: performance.now(), cpuMs: processCpuMs(qemu.pid ?? 0) });
  return new Promise((done, failed) => {
    const reader = new MarkReader(spec.marks, now);
    qemu.stdout.setEncoding('latin1').on('data', (text: string) => {
      reader.see(text);
      const { run } = reader;
      // A program that faults says so and powers off, which this QEMU does not.
      if (run === undefined && !reader.text.includes('fault 0')) return;
      qemu.kill();
      if (run !== undefined) done(run);
    });
    qemu.on('error', failed);
    qemu.on('close', () => failed(new Error(`the guest ended early on QEMU: ${reader.text.slice(-500)}`)));
  });
}

export interface Pair {
  readonly we: OurRun;
  /** Absent with `--ours`. */
  readonly they?: Run<Figures>;
}

/** As many pairs of runs as the options say, ours and QEMU's alternately. */
export async function runPairs(spec: RunSpec, options: Options): Promise<Pair[]> {
  const pairs: Pair[] = [];
  for (let i = 0; i < options.runs; i++) {
    const we = runHere({ ...spec, interpret: options.interpret });
    pairs.push(options.ours ? { we } : { we, they: await runOnQemu(spec) });
  }
  return pairs;
}

/** The time that counts. */
export const timeOf = (f: Figures | undefined, { cpuTime }: Options): number =>
  f === undefined ? NaN : cpuTime ? f.cpuMs : f.wallMs;

/** What explains a figure: speed, and how far the work stays in regions. */
export function explain({ we }: Pair, options: Options, span = 0): string {
  const f = we.spans[span];
  if (!f) return '';
  const perThousand = (n: number): string => ((n * 1000) / f.instructions).toFixed(2);
  return [
    `${(f.instructions / 1e6).toFixed(0)} M instructions, ${(f.instructions / 1000 / timeOf(f, options)).toFixed(0)} MIPS (${we.lateMips.toFixed(0)} at the end)`,
    `${((100 * f.translated) / f.instructions).toFixed(1)} % in ${f.regions} regions (${f.dropped} dropped)`,
    `per 1,000: ${perThousand(f.entered)} entries, ${perThousand(f.handedBack)} handed back, ${perThousand(f.misses)} misses`,
  ].join('; ');
}
