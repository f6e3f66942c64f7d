/**
 * `node dist/trace.js [FILE]`: boots a program without an editor, prints its world-switch trace and what it writes on
 * its console, and ends when the guest powers off.
 */
import * as fs from 'node:fs';
import path from 'node:path';
import { Control } from './control';
import type { EndReport, StopReport } from './control/types';
import type { DataBreakpoint } from './breakpoints/data';
import { UserError } from './errors';
import { GdbServer } from './gdb/server';
import { ConsoleLines } from './console-lines';
import { cpuNames, parseLaunch } from './launch/config';
import { useBuiltInterpreter } from './launch/interpreter';
import { useWasmFeatures } from './launch/wasm-features';
import { AssemblyError } from './launch/program';
import { Target } from './target';
import { watchSpec } from './trace/watch-option';

const USAGE = `Usage: trace [FILE] [options]
FILE is an ELF, a flat image, a .S file or a folder with a main.S; without it, the sample hypervisor.
  --kernel FILE           boot an arm64 Linux kernel image instead of FILE
  --initrd FILE           its initial RAM disk
  --append TEXT           its command line, such as "console=ttyAMA0"
  --disk FILE             a disk, copied on write; may be given several times
  --disk-write FILE       a disk that keeps what the guest writes
  --virtio NAME           a device: console, net or rng; may be given several times
  --seed N                what the numbers of rng follow from (0)
  --dtb FILE              a device tree instead of the board's
  --symbols FILE          more symbols: the vmlinux of the kernel, say; may be given several times
  --cpu NAME              CPU model: ${cpuNames.join(', ')} (cortex-a57)
  --smp N                 number of CPUs (1)
  --gic 2|3               version of the interrupt controller (3)
  --secure on|off         CPUs with EL3: FILE starts there; a GICv3 with two security states (off)
  --strict on|off         poison what the architecture leaves UNKNOWN (off)
  --memory SIZE           RAM, such as 512M
  --max-instructions N    stop with an error after so many instructions
  --define NAME[=VALUE]   a macro of the preprocessor (1); also -D NAME=VALUE, -DNAME=VALUE
  --include-dir FOLDER    where #include looks, too; also -I FOLDER, -IFOLDER
  --watch WHERE[:N][:r|w|rw]
                          print each read or write of N bytes (8): WHERE is a symbol or an address such as PA:0x40080000,
                          EL2:0x..., EL1,vmid=1:0x... or IPA(1):0x...; may be given several times
  --gdb PORT              wait for gdb at this port (0: any) before the first instruction, and serve it
  --events on|off         print the trace lines (on); the console's text is printed always
  --help                  print this and do nothing`;

interface Options {
  readonly launch: Record<string, unknown>;
  readonly maxInstructions: bigint | undefined;
  readonly events: boolean;
  readonly watch: readonly string[];
}

/** The sample of this package: beside dist/, or beside debug-adapter/ when run from the sources. */
function sample(): string {
  const found = ['..', '../..']
    .map((up) => path.join(__dirname, up, 'hypervisor', 'arm64'))
    .find(fs.existsSync);
  if (found === undefined)
    throw new UserError('The sample hypervisor is not in this package: name a FILE to boot.');
  return found;
}

type Setter = (options: { -readonly [K in keyof Options]: Options[K] }, value: string) => void;

/** What `--define` and `--include-dir` collect. */
function assemblerOf(o: Pick<Options, 'launch'>): { defines: Record<string, string>; includeDirs: string[] } {
  const assembler = { defines: {}, includeDirs: [] };
  return (o.launch['assembler'] ??= assembler) as ReturnType<typeof assemblerOf>;
}

/** Adds to an attribute that is a list. */
const add = (o: Pick<Options, 'launch'>, name: string, value: unknown): void =>
  void (o.launch[name] = [...((o.launch[name] ?? []) as unknown[]), value]);

const flags: Readonly<Record<string, Setter>> = {
  '--kernel': (o, v) => (o.launch['kernel'] = v),
  '--initrd': (o, v) => (o.launch['initrd'] = v),
  '--append': (o, v) => (o.launch['append'] = v),
  '--disk': (o, v) => add(o, 'disk', v),
  '--disk-write': (o, v) => add(o, 'disk', { file: v, write: true }),
  '--virtio': (o, v) => add(o, 'virtio', v),
  '--seed': (o, v) => (o.launch['seed'] = /^\d+$/.test(v) ? Number(v) : v),
  '--dtb': (o, v) => (o.launch['dtb'] = v),
  '--symbols': (o, v) => {
    const known = (o.launch['symbols'] ??= []) as object[];
    known.push({ file: v });
  },
  '--cpu': (o, v) => (o.launch['cpu'] = v),
  '--smp': (o, v) => (o.launch['smp'] = /^\d+$/.test(v) ? Number(v) : v),
  '--gic': (o, v) => (o.launch['gic'] = /^\d+$/.test(v) ? Number(v) : v),
  '--secure': (o, v) => (o.launch['secure'] = v === 'on' ? true : v === 'off' ? false : v),
  '--strict': (o, v) => (o.launch['strict'] = v === 'on' ? true : v === 'off' ? false : v),
  '--memory': (o, v) => (o.launch['memory'] = v),
  '--max-instructions': (o, v) => {
    if (!/^[1-9]\d*$/.test(v)) throw new UserError(`--max-instructions needs a number, not "${v}".`);
    o.maxInstructions = BigInt(v);
  },
  '--define': (o, v) => {
    const [, name = v, value = '1'] = /^([^=]*)=(.*)$/s.exec(v) ?? [];
    assemblerOf(o).defines[name] = value;
  },
  '--include-dir': (o, v) => assemblerOf(o).includeDirs.push(v),
  '--watch': (o, v) => (o.watch = [...o.watch, v]),
  '--gdb': (o, v) => (o.launch['gdbServer'] = /^\d+$/.test(v) ? Number(v) : v),
  '--events': (o, v) => {
    if (v !== 'on' && v !== 'off') throw new UserError(`--events is on or off, not "${v}".`);
    o.events = v === 'on';
  },
};

/** Reads the command line. @throws UserError */
export function parseArguments(args: readonly string[]): Options {
  const options = {
    launch: {} as Record<string, unknown>,
    maxInstructions: undefined,
    events: true,
    watch: [],
  };
  const list = [...args];
  for (let arg = list.shift(); arg !== undefined; arg = list.shift()) {
    // As compilers take them: -D NAME=VALUE and -DNAME=VALUE.
    const [, letter = '', joined] = /^-([DI])(.+)?$/s.exec(arg) ?? [];
    const long = letter === 'D' ? '--define' : '--include-dir';
    const [name = '', inline] = letter ? [long, joined] : arg.split(/=(.*)/s);
    const set = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (set) {
      const value = inline ?? list.shift();
      if (value === undefined) throw new UserError(`${name} needs a value.\n${USAGE}`);
      set(options, value);
    } else if (arg.startsWith('-')) throw new UserError(`There is no option ${arg}.\n${USAGE}`);
    else if (options.launch['program'] !== undefined) throw new UserError(`One FILE is enough.\n${USAGE}`);
    else options.launch['program'] = arg;
  }
  if (options.launch['kernel'] === undefined) options.launch['program'] ??= sample();
  return options;
}

type Finish = EndReport | StopReport;

/** Runs a program to its end. @returns the process's exit code */
export async function run(args: readonly string[], print: (text: string) => void): Promise<number> {
  const options = parseArguments(args);
  const target = Target.launch(parseLaunch(options.launch));
  for (const d of target.program.diagnostics) print(`${d.file}:${d.line}: ${d.severity}: ${d.message}\n`);
  const console = new ConsoleLines((line) => print(`${line}\n`));
  const limit = options.maxInstructions;
  let watched: readonly DataBreakpoint[] = [];
  let gdb: GdbServer | undefined;
  const finish = await new Promise<Finish>((resolve, reject) => {
    const control: Control = new Control(target, {
      resumed: () => undefined,
      // While gdb is attached, stops are its own.
      stopped: (report) => {
        if (gdb?.isAttached !== true) resolve(report);
      },
      ended: resolve,
      console: (bytes, port) => console.write(bytes, port === 'uart0' ? 'uart' : port),
      message: (text) => print(`${text}\n`),
      trace: (event) => {
        if (options.events) print(`${target.formatter.line(event)}\n`);
      },
      breakpointChanged: () => undefined,
    });
    control.maxInstructions = limit;
    control.data.onTraced = (line) => print(`${line}\n`);
    watched = control.data.replace(options.watch.map((w) => watchSpec(target, w)));
    control.stopWhenIdle = true;
    if (target.config.gdbServer === undefined) control.resume();
    else
      GdbServer.listen(target.config.gdbServer, control, {
        resumed: () => undefined,
        changed: () => undefined,
        message: (text) => process.stderr.write(`${text}\n`),
        // Nobody else is there to let the guest run.
        detached: () => {
          if (!control.running && !control.ended) control.resume();
        },
      }).then((server) => {
        gdb = server;
        process.stderr.write(`Waiting for gdb: gdb-multiarch -ex "${server.command}"\n`);
        server.open();
      }, reject);
  });
  // A name of its own: assigned in a callback, it would be taken for always undefined here.
  const server = gdb as GdbServer | undefined;
  server?.close();
  console.flush();
  target.close();
  for (const { ranges, reason } of watched) if (ranges.length === 0) print(`${reason ?? ''}\n`);
  if ('kind' in finish) {
    print(`The guest ended: ${finish.reason}.\n`);
    return finish.kind === 'poweroff' ? 0 : 2;
  }
  const where = target.formatter.where(finish.cpu);
  print(`${finish.text ?? finish.description} (CPU ${finish.cpu}, ${where})\n`);
  return 1;
}

/** Output in pieces of a useful size: a write a line would cost more than running the guest. */
class Output {
  private text = '';
  private timer: NodeJS.Timeout | undefined;

  write(text: string): void {
    this.text += text;
    if (this.text.length > 1 << 14) this.flush();
    // Whoever waits at a stop of gdb, or for a slow guest, sees what there is.
    else this.timer ??= setTimeout(() => this.flush(), 200).unref();
  }

  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const all = Buffer.from(this.text);
    this.text = '';
    for (let done = 0; done < all.length;) {
      try {
        done += fs.writeSync(1, all, done);
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : undefined;
        if (code !== 'EAGAIN') throw error;
      }
    }
  }
}

async function main(): Promise<void> {
  const output = new Output();
  if (process.argv.slice(2).some((a) => a === '--help' || a === '-h')) {
    console.log(USAGE);
    return;
  }
  try {
    process.exitCode = await run(process.argv.slice(2), (text) => output.write(text));
  } catch (error) {
    output.flush();
    const items = error instanceof AssemblyError ? error.items : [];
    const text = items
      .filter((d) => d.severity === 'error')
      .map((d) => `${d.file}:${d.line}:${d.column}: ${d.message}\n`)
      .join('');
    const known = error instanceof UserError || (error instanceof Error && error.name === 'SymbolError');
    const message =
      error instanceof Error ? (known ? error.message : (error.stack ?? error.message)) : String(error);
    process.stderr.write(text || `${message}\n`);
    process.exitCode = 2;
  }
  output.flush();
}

if (require.main === module) {
  useWasmFeatures();
  useBuiltInterpreter();
  void main();
}
