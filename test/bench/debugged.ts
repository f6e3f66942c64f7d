/** What debugging costs where it stops nothing: the same runs with a breakpoint, a watchpoint and the trace, and without. */
import { readFileSync } from 'node:fs';
import { Kallsyms } from '../../debug-adapter/symbols/linux/kallsyms';
import { RAM_BASE } from '../../emulator/board/map';
import { guestSymbol } from './guest-image';
import { guestSpec } from './guest-rows';
import { bootSpec } from './linux';
import { runHere, timeOf } from './machines';
import { programs } from './programs';
import { stormSymbol, stormSpec } from './round-trips';
import type { OurSpec, RunSpec } from './spec';
import type { Bench, Options, Result } from './table';

type Places = NonNullable<OurSpec['debugged']>;

/** Where our board loads a Linux kernel. */
const KERNEL_AT = Number(RAM_BASE) + 0x20_0000;
/** The last page of RAM: programs do not come to it. */
const LAST_PAGE = Number(RAM_BASE) + (512 << 20) - 4096;
const TRIPS = 1_000_000;

interface Case {
  readonly name: string;
  readonly spec: () => RunSpec;
  /** Where a breakpoint and a watchpoint are never hit. */
  readonly cold: (spec: RunSpec) => Places;
}

const cases: readonly Case[] = [
  ...['integer/mix-O2', 'data/hash', 'calls/switch-O2', 'neon/saxpy'].map((name): Case => {
    const program = programs.find((p) => p.name === name);
    if (!program) throw new Error(`there is no program ${name}`);
    return {
      name,
      spec: () => guestSpec(program),
      cold: () => ({ code: guestSymbol(program, 'report_fault'), data: LAST_PAGE }),
    };
  }),
  {
    name: 'hvc-round-trip',
    spec: () => stormSpec('exit_storm', TRIPS),
    cold: () => ({ code: stormSymbol('exit_storm', TRIPS, 'hyp_panic'), data: LAST_PAGE }),
  },
  {
    name: 'linux-boot',
    spec: bootSpec,
    cold: ({ image }) => {
      const [panic] = new Kallsyms(new Uint8Array(readFileSync(image)), image).named('panic');
      if (!panic) throw new Error(`${image} has no panic()`);
      const code = KERNEL_AT + Number(panic.offset);
      // Behind what ftrace looks at: nobody reads the bytes of that code.
      return { code, data: code + 64 };
    },
  },
];

/** Time without / time with; the shortest of the runs each, which what else the machine does disturbs least. */
function ratio({ name, spec, cold }: Case, options: Options): number {
  const plain = { ...spec(), interpret: options.interpret };
  const debugged = { ...plain, debugged: cold(plain) };
  const [without, withIt]: number[][] = [[], []];
  for (let i = 0; i < options.runs; i++) {
    without?.push(timeOf(runHere(plain).spans[0], options));
    withIt?.push(timeOf(runHere(debugged).spans[0], options));
  }
  const [a, b] = [Math.min(...(without ?? [])), Math.min(...(withIt ?? []))];
  console.log(
    `  debugged/${name.padEnd(20)} ${(a / b).toFixed(2)} x ${a.toFixed(0)} ms without, ${b.toFixed(0)} ms with`,
  );
  return a / b;
}

export const debuggedBench: Bench = {
  name: 'debugged',
  what: 'a breakpoint in cold code, a watchpoint on a cold page and the trace of world switches: with / without, the lowest',
  run: async (options): Promise<Result> => {
    const value = Math.min(...cases.map((c) => ratio(c, options)));
    return { name: 'debugged', value, unit: 'x', bar: { atLeast: 0.9 } };
  },
};
