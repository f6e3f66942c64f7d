/**
 * A breakpoint in a hot loop whose condition is false: how often a second it is evaluated. Ours as a user has it, over DAP
 * with the bundled adapter; the other is gdb with `break ... if` on QEMU's stub.
 */
import { writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { DapClient } from '../dap/support/client';
import { Gdb } from '../gnu/gdb-client';
import { ADAPTER } from './adapter';
import { guestImage, guestSymbol } from './guest-image';
import { benchFolder, runOnQemu } from './machines';
import { CALLED } from './programs';
import { median, type Bench, type Result } from './table';

/** Hits of a round of called.c. */
const PER_ROUND = 1000;
/** A run of ours that is shorter says little. */
const LONG_ENOUGH_MS = 700;
const MOST_ROUNDS = 100_000;
const QEMU_ROUNDS = 2;
const MINUTES = 10 * 60_000;

function imageFile(rounds: number): string {
  const file = path.join(benchFolder(), `called-${rounds}.elf`);
  writeFileSync(file, guestImage(CALLED, rounds));
  return file;
}

/** Milliseconds from `begin` to `end` on the guest's console. */
async function oursMs(rounds: number): Promise<number> {
  const client = new DapClient([], ADAPTER);
  await client.launch({ program: imageFile(rounds), memory: '512M', stopOnEntry: false });
  const instructionReference = `0x${guestSymbol(CALLED, 'step').toString(16)}`;
  await client.ok('setInstructionBreakpoints', {
    breakpoints: [{ instructionReference, condition: 'x0 == 0xffffffffffff' }],
  });
  await client.ok('configurationDone');
  let text = '';
  let begin = 0;
  while (!/^end/m.test(text)) {
    text += String((await client.event('output', MINUTES))['output']);
    if (begin === 0 && text.includes('begin')) begin = performance.now();
  }
  const ms = performance.now() - begin;
  if (client.events('stopped').length > 0) throw new Error('the breakpoint has stopped the guest');
  client.child.kill();
  return ms;
}

async function ours(): Promise<number> {
  for (let rounds = 50; ; rounds = Math.min(MOST_ROUNDS, rounds * 10)) {
    const ms = await oursMs(rounds);
    if (ms > LONG_ENOUGH_MS || rounds === MOST_ROUNDS) return (rounds * PER_ROUND * 1000) / ms;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function gdbs(): Promise<number> {
  const port = await freePort();
  const spec = { image: imageFile(QEMU_ROUNDS), marks: ['begin\n', 'end '] };
  const run = runOnQemu(spec, ['-S', '-gdb', `tcp:127.0.0.1:${port}`]);
  const gdb = await Gdb.attach(port);
  await gdb.ok(`break *${guestSymbol(CALLED, 'step')} if $x0 == 0xffffffffffff`);
  await gdb.run('continue');
  const ms = (await run).spans[0]?.wallMs ?? NaN;
  await gdb.quit();
  return (QEMU_ROUNDS * PER_ROUND * 1000) / ms;
}

export const conditionBench: Bench = {
  name: 'condition',
  what: 'false condition of a breakpoint in a hot loop, evaluations a second: ours over DAP / gdb on QEMU',
  run: async (options): Promise<Result> => {
    const we: number[] = [];
    const they: number[] = [];
    for (let i = 0; i < options.runs; i++) {
      we.push(await ours());
      if (!options.ours) they.push(await gdbs());
    }
    const note = `${Math.round(median(we))}/s against ${Math.round(median(they))}/s`;
    const value = median(we.map((n, i) => n / (they[i] ?? NaN)));
    return { name: 'condition', value, unit: 'x', bar: { atLeast: 1000 }, note };
  },
};
