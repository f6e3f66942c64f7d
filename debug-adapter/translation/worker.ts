/** The thread that makes regions (emulator/core/region-worker.ts): jobs come by message, answers go back in their order. */
import * as fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { workerData } from 'node:worker_threads';
import type { RegionAnswer } from '../../emulator/core/region-maker';
import { RemoteMaker, type WorkerJob } from '../../emulator/core/region-worker';
import { a64Isa } from '../../emulator/isa/a64';
import type { TranslationThreadData } from './thread';

// The guest comes first. Linux has priorities by thread; elsewhere, or where it may not be, it makes do without.
try {
  os.setPriority(
    Number(path.basename(fs.readlinkSync('/proc/thread-self'))),
    os.constants.priority.PRIORITY_BELOW_NORMAL,
  );
} catch {
  // As it is.
}

const { features, port } = workerData as TranslationThreadData;
const maker = new RemoteMaker(a64Isa, new Set(features));

/** As much memory as a region looks at that is entered with a budget of nothing. */
const nothing = new WebAssembly.Memory({ initial: 1 });
const noRoutines = new Proxy({}, { get: () => () => 0 });

/** Has functions compiled by calling them: V8 does it at the first call only, and would then do it in the guest's thread. */
function compile({ module }: RegionAnswer): void {
  if (!module) return;
  const { exports } = new WebAssembly.Instance(module, { env: { memory: nothing }, routine: noRoutines });
  for (const run of Object.values(exports)) (run as (cpu: number, rec: number) => number)(0, 0);
}

port.on('message', (job: WorkerJob) => {
  const answer = maker.make(job);
  compile(answer);
  port.postMessage(answer);
});
