/** The thread that makes regions (emulator/core/region-worker.ts): jobs come by message, answers go back in their order. */
import { workerData } from 'node:worker_threads';
import { RemoteMaker, type WorkerJob } from '../../emulator/core/region-worker';
import { a64Isa } from '../../emulator/isa/a64';
import type { TranslationThreadData } from './thread';

const { features, port } = workerData as TranslationThreadData;
const maker = new RemoteMaker(a64Isa, new Set(features));

port.on('message', (job: WorkerJob) => port.postMessage(maker.make(job)));
