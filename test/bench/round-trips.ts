/**
 * World switches: how many round trips a second between guest and hypervisor, and between host and guest, on our
 * emulator and on QEMU, the same ELF; and what lazy FPSIMD switching saves, in instructions.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { buildProgram, type Program } from '../hypervisor/program';
import { Rig } from '../hypervisor/rig';
import { benchFolder, explain, runPairs, timeOf } from './machines';
import type { Figures, RunSpec } from './spec';
import { median, type Bench, type Result } from './table';

/** The payload's two lines. */
const MARKS = ['storm: begins', 'storm: is over'];

const storm = (entry: string, trips: number): Program =>
  buildProgram({
    name: `${entry}-${trips}`,
    vms: [`entry=${entry}, arg=${trips}`],
    payloads: ['exit-storm.S'],
  });

/** The address of a symbol of its program. */
export const stormSymbol = (entry: string, trips: number, name: string): number =>
  Number(storm(entry, trips).symbol(name));

/** A storm of exits with its program in a file. */
export function stormSpec(entry: string, trips: number): RunSpec {
  const image = path.join(benchFolder(), `${entry}-${trips}.elf`);
  writeFileSync(image, storm(entry, trips).elf);
  return { image, marks: MARKS };
}

function roundTrips(name: string, entry: string, trips: number, bar: number, what: string): Bench {
  return {
    name,
    what,
    run: async (options) => {
      const pairs = await runPairs(stormSpec(entry, trips), options);
      const perSecond = (f: Figures | undefined): number => (trips * 1000) / timeOf(f, options);
      const [we, they] = [
        pairs.map((p) => perSecond(p.we.spans[0])),
        pairs.map((p) => perSecond(p.they?.spans[0])),
      ];
      const [first] = pairs;
      const note = [
        `${Math.round(median(we) / 1000)}k/s against ${Math.round(median(they) / 1000)}k/s`,
        ...(first ? [explain(first, options)] : []),
      ].join('; ');
      return { name, value: median(we.map((n, i) => n / they[i]!)), unit: 'x', bar: { atLeast: bar }, note };
    },
  };
}

/** Instructions of host and hypervisor for each exit of a guest that computes with FP in every round. */
function instructionsPerExit(always: 0 | 1): number {
  const rig = new Rig(
    buildProgram({
      name: `fp-storm-${always}`,
      set: { ALWAYS_SWITCH_FPSIMD: always },
      vms: ['entry=fp_storm, arg=1000'],
      payloads: ['fp-storm.S'],
    }),
  );
  let [exits, outside, left] = [0, 0n, 0n];
  rig.observe(({ view }) => ({
    name: 'outside',
    kinds: ['entry', 'guestEntry'],
    event: (m) => {
      if (!view.isGuest(m.cpu)) return;
      if (m.kind === 'entry') left = m.time;
      else if (left > 0n) {
        exits++;
        outside += m.time - left;
      }
    },
  }));
  rig.run();
  return Number(outside) / exits;
}

export const roundTripBenches: readonly Bench[] = [
  roundTrips(
    'hvc-round-trip',
    'exit_storm',
    1_000_000,
    1.5,
    'guest -> EL2 -> guest by HVC, round trips a second: ours / QEMU',
  ),
  roundTrips(
    'world-switch',
    'host_storm',
    40_000,
    1.5,
    'host -> guest -> host, round trips a second: ours / QEMU',
  ),
  {
    name: 'fpsimd-lazy',
    what: 'FPSIMD, instructions of host and EL2 for an exit of a guest with FP: lazy / always switched',
    run: async (): Promise<Result> => {
      const [lazy, always] = [instructionsPerExit(0), instructionsPerExit(1)];
      const note = `${lazy.toFixed(0)} against ${always.toFixed(0)} instructions`;
      return { name: 'fpsimd-lazy', value: lazy / always, unit: 'x', bar: { atMost: 0.95 }, note };
    },
  },
];
