/** What gdb and addr2line say of a kernel's vmlinux. */
import { spawnSync } from 'node:child_process';

function run(command: string, args: readonly string[], input = ''): string {
  const done = spawnSync(command, args, { input, encoding: 'utf8', maxBuffer: 1 << 28, timeout: 240_000 });
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`${command} failed: ${done.stderr}`);
  return done.stdout;
}

const hex = (v: bigint): string => `0x${v.toString(16)}`;

export interface Line {
  readonly file: string;
  readonly line: number;
}

/** The line of each address by addr2line; undefined where it knows none. */
export function linesOf(vmlinux: string, addresses: readonly bigint[]): (Line | undefined)[] {
  const text = run('aarch64-linux-gnu-addr2line', ['-e', vmlinux], addresses.map(hex).join('\n'));
  return text
    .trimEnd()
    .split('\n')
    .map((l) => {
      const [, file, line] = /^(.+):(\d+)(?: \(discriminator \d+\))?$/.exec(l) ?? [];
      return file === undefined || file === '??' || line === '0' ? undefined : { file, line: Number(line) };
    });
}

/** A variable and a piece of code where it is in a register. */
export interface InRegister {
  readonly name: string;
  readonly from: bigint;
  readonly register: string;
}

export interface GdbAnswers {
  /** The variables of each function that are in registers somewhere. */
  readonly variables: ReadonlyMap<string, readonly InRegister[]>;
  /** Where gdb puts a breakpoint on `file:line`. */
  readonly breakpoints: ReadonlyMap<string, readonly bigint[]>;
  /** The line at which an instruction begins. */
  readonly lines: readonly (Line | undefined)[];
}

/** Asks gdb all questions in one run: it takes seconds to open a kernel. */
export function askGdb(
  vmlinux: string,
  functions: readonly string[],
  places: readonly string[],
  addresses: readonly bigint[],
): GdbAnswers {
  const ask = (what: string): string[] => ['-ex', `echo @@\\n`, '-ex', what];
  const text = run('gdb-multiarch', [
    ...['-nx', '-batch', '-ex', 'set width 0', '-ex', 'set breakpoint pending off'],
    ...functions.flatMap((f) => ask(`info scope ${f}`)),
    ...places.flatMap((p) => [...ask(`break ${p}`), '-ex', 'info breakpoints', '-ex', 'delete']),
    ...addresses.flatMap((a) => ask(`info line *${hex(a)}`)),
    vmlinux,
  ]);
  const answers = text.split('@@\n').slice(1);
  const take = (): string => answers.shift() ?? '';
  const variables = new Map(functions.map((f) => [f, registersIn(take())]));
  const breakpoints = new Map<string, bigint[]>();
  for (const p of places) {
    const found = [...take().matchAll(/^[\d.]+ +(?:breakpoint +keep +)?y +(0x[0-9a-f]+) /gm)];
    breakpoints.set(
      p,
      found.map((m) => BigInt(m[1] ?? 0)).sort((a, b) => (a < b ? -1 : 1)),
    );
  }
  const lines = addresses.map(() => {
    const [, line, file] = /^Line (\d+) of "(.*)" (?:starts|is) at address/.exec(take()) ?? [];
    return file === undefined ? undefined : { file, line: Number(line) };
  });
  return { variables, breakpoints, lines };
}

/** From `info scope`: `Symbol x is a variable in $x0`, or a list of ranges. */
function registersIn(text: string): InRegister[] {
  const out: InRegister[] = [];
  for (const block of text.split(/^Symbol /m).slice(1)) {
    const name = /^\w+/.exec(block)?.[0] ?? '';
    for (const m of block.matchAll(/Range (0x[0-9a-f]+)-0x[0-9a-f]+: a variable in \$(\w+)/g))
      out.push({ name, from: BigInt(m[1] ?? 0), register: m[2] ?? '' });
  }
  return out;
}
