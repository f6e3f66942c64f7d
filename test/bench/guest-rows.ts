/** The rows of programs in C: the same ELF on our machine and on QEMU's, one after the other. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { processCpuMs } from './clock';
import { guestImage } from './guest-image';
import { MarkReader, type GuestRun } from './marks';
import { programs, rowOf, rows, type GuestProgram, type Row } from './programs';
import { median, type Bench, type Options, type Result } from './table';

const root = path.resolve(__dirname, '../..');

interface Span {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly checksum: string;
}

/** The runner as the product is built: bundled, and without what a bundler adds for debugging. */
function bundle(folder: string): string {
  const out = path.join(folder, 'guest-run.js');
  const script = [
    "import * as esbuild from 'esbuild';",
    `await esbuild.build({ absWorkingDir: ${JSON.stringify(root)}, entryPoints: ['test/bench/guest-run.ts'],`,
    `  outfile: ${JSON.stringify(out)}, bundle: true, platform: 'node', format: 'cjs', target: 'node20',`,
    "  mainFields: ['module', 'main'], minify: true, logLevel: 'warning' });",
  ].join('\n');
  execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: root, stdio: 'inherit' });
  return out;
}

function ours(runner: string, image: string, options: Options): GuestRun {
  const interpreter = path.join(root, 'dist/interpreter.wasm');
  const args = [runner, image, interpreter, ...(options.interpret ? ['--interpret'] : [])];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as GuestRun;
}

/** On QEMU: its start does not count, and it stays after the end to be asked for its time. */
function qemus(image: string): Promise<Span> {
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
      image,
    ],
  ]);
  const now = (): [number, number] => [performance.now(), processCpuMs(qemu.pid ?? 0)];
  return new Promise((done, failed) => {
    let [begin, end] = [now(), now()];
    const marks = new MarkReader({ begin: () => (begin = now()), end: () => (end = now()) });
    qemu.stdout.setEncoding('latin1').on('data', (text: string) => {
      marks.see(text);
      if (marks.text.includes('fault')) qemu.kill();
      if (marks.checksum === undefined) return;
      qemu.kill();
      done({ wallMs: end[0] - begin[0], cpuMs: end[1] - begin[1], checksum: marks.checksum });
    });
    qemu.on('error', failed);
    qemu.on('close', () => failed(new Error(`the program ended early on QEMU: ${marks.text}`)));
  });
}

interface Measured {
  readonly program: GuestProgram;
  readonly ratio: number;
  readonly we: GuestRun;
  readonly theirMs: number;
}

async function measure(
  program: GuestProgram,
  runner: string,
  folder: string,
  options: Options,
): Promise<Measured> {
  const image = path.join(folder, 'guest.elf');
  writeFileSync(image, guestImage(program, program.rounds));
  const time = (s: Span): number => (options.cpuTime ? s.cpuMs : s.wallMs);
  const we: GuestRun[] = [];
  const they: Span[] = [];
  for (let i = 0; i < options.runs; i++) {
    we.push(ours(runner, image, options));
    if (!options.ours) they.push(await qemus(image));
  }
  const wrong = they.find((s) => s.checksum !== we[0]?.checksum);
  if (wrong) throw new Error(`${program.name}: ${we[0]?.checksum} here, ${wrong.checksum} on QEMU`);
  const sorted = [...we].sort((a, b) => time(a) - time(b));
  return {
    program,
    ratio: they.length > 0 ? median(they.map((s, i) => time(s) / time(we[i]!))) : NaN,
    we: sorted[sorted.length >> 1]!,
    theirMs: they.length > 0 ? median(they.map(time)) : NaN,
  };
}

/** What explains a figure: speed, and how far the work stays in regions. */
function details({ program, ratio, we, theirMs }: Measured, cpuTime: boolean): string {
  const ms = cpuTime ? we.cpuMs : we.wallMs;
  const perThousand = (n: number): string => ((n * 1000) / we.instructions).toFixed(2);
  return [
    `  ${program.name.padEnd(20)} ${ratio.toFixed(2).padStart(6)} x`,
    `${ms.toFixed(0).padStart(6)} ms against ${theirMs.toFixed(0).padStart(5)}`,
    `${(we.instructions / 1e6).toFixed(0)} M instructions, ${(we.instructions / 1000 / ms).toFixed(0)} MIPS`,
    `${((100 * we.translated) / we.instructions).toFixed(1)} % in ${we.regions} regions (${we.dropped} dropped)`,
    `per 1,000: ${perThousand(we.entered)} entries, ${perThousand(we.handedBack)} handed back, ${perThousand(we.misses)} misses`,
  ].join('; ');
}

function bench(row: Row): Bench {
  const all = programs.filter((p) => rowOf(p) === row.name);
  return {
    name: row.name,
    what: `${row.what}: ours / QEMU`,
    parts: all.map((p) => p.name),
    run: async (options): Promise<Result> => {
      const folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-bench-'));
      try {
        const runner = bundle(folder);
        const chosen = all.filter((p) => options.names.includes(p.name));
        const measured: Measured[] = [];
        for (const p of chosen.length > 0 ? chosen : all) {
          const m = await measure(p, runner, folder, options);
          console.log(details(m, options.cpuTime));
          measured.push(m);
        }
        const ratios = measured.map((m) => m.ratio);
        const note = `median of ${ratios.length}; the lowest is ${Math.min(...ratios).toFixed(2)}`;
        return { name: row.name, value: median(ratios), unit: 'x', bar: { atLeast: row.bar }, note };
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

export const guestBenches: readonly Bench[] = rows.map(bench);
