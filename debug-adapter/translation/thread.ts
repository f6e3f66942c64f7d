/** Has regions made by a thread of its own: one that translates in JavaScript would stand in the guest's way. */
import * as fs from 'node:fs';
import path from 'node:path';
import { MessageChannel, receiveMessageOnPort, Worker, type MessagePort } from 'node:worker_threads';
import type { RegionAnswer } from '../../emulator/core/region-maker';
import type { RegionWorker } from '../../emulator/core/region-worker';
import { besideTheMachine, type TranslatorOptions } from '../../emulator/core/translator';

export interface TranslationThreadData {
  /** Features of the CPU model. */
  readonly features: readonly string[];
  readonly port: MessagePort;
}

/** The bundle of worker.ts, beside the adapter's. Run from the sources there is none. */
const BUNDLE = path.join(__dirname, 'translator.js');

/** Options of a machine that has its regions made by a thread, where the bundle of that thread is there. */
export function translationThread(bundle = BUNDLE): Partial<TranslatorOptions> | undefined {
  if (!fs.existsSync(bundle)) return undefined;
  return { ...besideTheMachine, worker: (features) => startThread(bundle, [...features]) };
}

function startThread(bundle: string, features: readonly string[]): RegionWorker {
  const { port1, port2 } = new MessageChannel();
  const workerData: TranslationThreadData = { features, port: port2 };
  const worker = new Worker(bundle, { workerData, transferList: [port2] });
  // Neither keeps the process alive.
  worker.unref();
  port1.unref();
  return {
    send: (job) => port1.postMessage(job),
    receive: () => receiveMessageOnPort(port1)?.message as RegionAnswer | undefined,
    close: () => {
      port1.close();
      void worker.terminate();
    },
  };
}
