/** What a person waits for: the first stop, a step, the Variables pane; and the memory that the adapter takes. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { DapClient, type Body } from '../dap/support/client';
import { median, percentile, type Bench } from './table';

const root = path.resolve(__dirname, '../..');
export const ADAPTER = path.join(root, 'dist/adapter.js');
const SAMPLE = path.join(root, 'hypervisor/arm64');

/** Starts the bundled adapter on the sample; at the entry stop. */
async function launch(): Promise<DapClient> {
  const client = new DapClient([], ADAPTER);
  await client.ok('initialize', { adapterID: 'worldswitch', pathFormat: 'path' });
  const launched = client.ok('launch', { program: SAMPLE, memory: '512M', stopOnEntry: true });
  await client.event('initialized');
  await client.ok('configurationDone');
  await launched;
  await client.event('stopped');
  return client;
}

export async function timed(what: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await what();
  return performance.now() - from;
}

async function repeat(n: number, what: () => Promise<number>): Promise<number[]> {
  const out: number[] = [];
  for (let i = 0; i < n; i++) out.push(await what());
  return out;
}

/** Continues to the first trap from the guest: the place where all scopes have something to show. */
async function stopInWorldSwitch(client: DapClient): Promise<void> {
  await client.ok('setExceptionBreakpoints', { filters: ['guest-exit'] });
  await client.ok('continue', { threadId: 1 });
  await client.event('stopped');
  await client.ok('setExceptionBreakpoints', { filters: [] });
}

/** Scopes whose variables are structs, to be opened one level. */
const STRUCTS = ['Current vcpu', 'Host context'];

/**
 * Asks for all variables of a stop: every scope, every group of registers in it, and the vcpu with its parts. Not for
 * other ways to read one value: the fields of a register, the lanes of a vector.
 */
export async function allVariables(client: DapClient): Promise<void> {
  const { stackFrames } = (await client.ok('stackTrace', { threadId: 1 })) as { stackFrames?: Body[] };
  const frame = stackFrames?.find((f) => f['presentationHint'] !== 'label');
  const { scopes } = (await client.ok('scopes', { frameId: frame?.['id'] })) as { scopes?: Body[] };
  for (const scope of scopes ?? []) {
    for (const v of await variables(client, scope['variablesReference']))
      if (
        v['variablesReference'] &&
        (v['evaluateName'] === undefined || STRUCTS.includes(String(scope['name'])))
      )
        await variables(client, v['variablesReference']);
  }
}

async function variables(client: DapClient, variablesReference: unknown): Promise<Body[]> {
  const body = await client.ok<{ variables?: Body[] }>('variables', { variablesReference });
  return body.variables ?? [];
}

/** Resident memory of a process, in MB. */
export function residentMb(pid: number): number {
  const kb = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kb) / 1024;
}

export const adapterBenches: readonly Bench[] = [
  {
    name: 'first-stop',
    what: 'from a cold process to the entry stop, median',
    run: async () => {
      const times = await repeat(5, async () => {
        let client: DapClient | undefined;
        const ms = await timed(async () => (client = await launch()));
        client?.child.kill();
        return ms;
      });
      return { name: 'first-stop', value: median(times), unit: 'ms', bar: { atMost: 1500 } };
    },
  },
  {
    name: 'step',
    what: 'instruction step to its stop over stdio, p95 of 300',
    run: async () => {
      const client = await launch();
      const times = await repeat(300, () =>
        timed(async () => {
          await client.ok('stepIn', { threadId: 1, granularity: 'instruction' });
          await client.event('stopped');
        }),
      );
      client.child.kill();
      return { name: 'step', value: percentile(times, 0.95), unit: 'ms', bar: { atMost: 20 } };
    },
  },
  {
    name: 'variables',
    what: 'stack, all scopes and all variables of a stop, median',
    run: async () => {
      const client = await launch();
      await stopInWorldSwitch(client);
      const times = await repeat(15, async () => {
        const ms = await timed(() => allVariables(client));
        await client.ok('stepIn', { threadId: 1, granularity: 'instruction' });
        await client.event('stopped');
        return ms;
      });
      client.child.kill();
      return { name: 'variables', value: median(times), unit: 'ms', bar: { atMost: 30 } };
    },
  },
  {
    name: 'memory',
    what: 'resident memory of the adapter after the sample ran, touched guest RAM included',
    run: async () => {
      const client = await launch();
      await client.ok('setExceptionBreakpoints', { filters: ['smc'] });
      await client.ok('continue', { threadId: 1 });
      await client.event('stopped');
      const value = residentMb(client.child.pid ?? 0);
      client.child.kill();
      return { name: 'memory', value, unit: 'MB', bar: { atMost: 300 } };
    },
  },
];
