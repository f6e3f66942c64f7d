/**
 * World switches: how many round trips a second between guest and hypervisor, and between host and guest, on our
 * emulator and on QEMU, the same ELF; and what lazy FPSIMD switching saves, in instructions.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildProgram, type Program } from '../hypervisor/program';
import { Rig } from '../hypervisor/rig';
import type { Bench, Result } from './table';

/** Instructions a call of run(): as short as the debug adapter's slices, so that V8 can exchange the interpreter. */
const SLICE = 1_000_000;
const BEGIN = 'storm: begins';
const END = 'storm: is over';

/** Seconds between the payload's two lines, from calls of `see` as text comes. */
class StopWatch {
  private text = '';
  private from = 0;
  seconds = 0;

  see(more: string): void {
    this.text += more;
    if (this.from === 0 && this.text.includes(BEGIN)) this.from = performance.now();
    if (this.seconds === 0 && this.text.includes(END)) this.seconds = (performance.now() - this.from) / 1000;
  }
}

function ours(program: Program, trips: number): number {
  const rig = new Rig(program);
  const watch = new StopWatch();
  for (let seen = 0; watch.seconds === 0;) {
    const { kind } = rig.machine.run({ instructions: SLICE });
    watch.see(rig.uart.slice(seen));
    seen = rig.uart.length;
    if (kind !== 'limit' && watch.seconds === 0) throw new Error(`the storm ended early:\n${rig.uart}`);
  }
  return trips / watch.seconds;
}

function qemus(program: Program, trips: number): Promise<number> {
  const folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-bench-'));
  const file = path.join(folder, 'storm.elf');
  writeFileSync(file, program.elf);
  const args = [
    '-M',
    'virt,virtualization=on,gic-version=3',
    '-cpu',
    'cortex-a57',
    '-m',
    '512',
    '-nographic',
  ];
  return new Promise((done, failed) => {
    const qemu = spawn('qemu-system-aarch64', [...args, '-nic', 'none', '-kernel', file]);
    const watch = new StopWatch();
    qemu.stdout.setEncoding('latin1').on('data', (text: string) => watch.see(text));
    qemu.on('error', failed);
    qemu.on('close', () => {
      rmSync(folder, { recursive: true, force: true });
      if (watch.seconds > 0) done(trips / watch.seconds);
      else failed(new Error('the storm did not end on QEMU'));
    });
  });
}

const storm = (entry: string, trips: number): Program =>
  buildProgram({
    name: `${entry}-${trips}`,
    vms: [`entry=${entry}, arg=${trips}`],
    payloads: ['exit-storm.S'],
  });

function roundTrips(name: string, entry: string, trips: number, what: string): Bench {
  return {
    name,
    what,
    run: async () => {
      const program = storm(entry, trips);
      ours(program, trips); // V8 compiles the interpreter a second time, with optimisation
      const [we, they] = [ours(program, trips), await qemus(program, trips)];
      const note = `${Math.round(we / 1000)}k/s against ${Math.round(they / 1000)}k/s`;
      return { name, value: we / they, unit: 'x', bar: { atLeast: 0.5 }, note };
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
    300_000,
    'guest -> EL2 -> guest by HVC, round trips a second: ours / QEMU',
  ),
  roundTrips(
    'world-switch',
    'host_storm',
    40_000,
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
