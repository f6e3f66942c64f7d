/** The thread that makes regions (emulator/core/region-worker.ts): jobs come by message, answers go back in their order. */
import { workerData } from 'node:worker_threads';
import type { RegionAnswer } from '../../emulator/core/region-maker';
import { RemoteMaker, type WorkerJob } from '../../emulator/core/region-worker';
import { a64Isa } from '../../emulator/isa/a64';
import type { TranslationThreadData } from './thread';

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
