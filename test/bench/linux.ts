/** The stock Debian kernel with KVM: how fast it boots, beside QEMU, and what a stop in its world switch costs. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { Computer } from '../../emulator/board/computer';
import { installDebian, type DebianGuest } from '../../scripts/debian.mjs';
import { DapClient } from '../dap/support/client';
import { ADAPTER, allVariables, residentMb, timed } from './adapter';
import { benchFolder, explain, runPairs, timeOf, type Pair } from './machines';
import type { RunSpec } from './spec';
import { median, type Bench, type Options, type Result } from './table';

const APPEND = 'console=ttyAMA0 earlycon nokaslr cryptomgr.notests';
const SHELL = 'INIT: shell reached';
const MEMORY = 512;
const SLICE = 1_000_000;
const KVMTEST = 'INIT: kvmtest vcpus=1 gic=3';

interface Named {
  readonly name: string;
  readonly variablesReference: number;
}

/** Where a boot is measured: from its first line, so that neither program's start counts. */
const FIRST = 'Booting Linux on physical CPU';

/** A boot that is measured, as docs name it by its instructions. */
interface Configuration {
  readonly name: string;
  readonly what: string;
  readonly append: string;
  /** The initrd is compressed, for the kernel to unpack. */
  readonly gzip: boolean;
}

const configurations: readonly Configuration[] = [
  {
    ...{ name: 'linux-boot', append: APPEND, gzip: false },
    what: 'stock Debian kernel to its shell, a57 nVHE, no self-tests: ours / QEMU',
  },
  {
    ...{ name: 'linux-boot-long', append: 'console=ttyAMA0 earlycon nokaslr', gzip: true },
    what: 'the same with self-tests of ciphers and a compressed RAM disk: ours / QEMU',
  },
];

function specOf({ append, gzip, name }: Configuration, marks: readonly string[]): RunSpec {
  const { kernel: image, initrd: plain } = installDebian();
  let initrd = plain;
  if (gzip) {
    initrd = path.join(benchFolder(), `${name}.cpio.gz`);
    writeFileSync(initrd, gzipSync(readFileSync(plain)));
  }
  return { image, initrd, append, marks };
}

/** The boot that other measurements take as well. */
export const bootSpec = (): RunSpec => specOf(configurations[0]!, [FIRST, SHELL]);

/** Ours / QEMU over one of the spans, with what explains it. */
async function compared(
  spec: RunSpec,
  options: Options,
  span: number,
  row: Pick<Result, 'name' | 'bar'>,
): Promise<Result> {
  const pairs = await runPairs(spec, options);
  const ours = (p: Pair): number => timeOf(p.we.spans[span], options);
  const theirs = (p: Pair): number => timeOf(p.they?.spans[span], options);
  const f = pairs[0]?.we.spans[span];
  const note = [
    `${median(pairs.map(ours)).toFixed(0)} ms against ${median(pairs.map(theirs)).toFixed(0)}`,
    ...(f
      ? [explain(pairs[0]!, options, span), `${((f.invalidations * 1000) / f.instructions).toFixed(2)} TLBIs`]
      : []),
  ].join('; ');
  return { ...row, value: median(pairs.map((p) => theirs(p) / ours(p))), unit: 'x', note };
}

/** RAM that the guest has touched when the console says `until`: pages that are not zero, in MB. */
function touchedMb({ kernel, initrd }: DebianGuest, until: string): number {
  const computer = new Computer({
    ...{ cpu: 'cortex-a57', cpus: 1, memoryBytes: MEMORY * 2 ** 20, bootargs: APPEND },
    ...{ image: readFileSync(kernel), initrd: readFileSync(initrd) },
  });
  let text = '';
  computer.onEvent = (e) => {
    if (e.kind === 'uart') text = (text + Buffer.from(e.bytes).toString('latin1')).slice(-200);
  };
  const { physical } = computer.machine;
  while (!text.includes(until))
    if (computer.machine.run({ instructions: SLICE }).kind !== 'limit')
      throw new Error(`the boot ended early: ${text}`);
  let pages = 0;
  for (let at = 0n; at < physical.ramSize; at += 4096n)
    if (physical.peek(physical.ramBase + at, 4096).some((byte) => byte !== 0)) pages++;
  return pages / 256;
}

/** The bundled adapter on the kernel, stopped where nVHE KVM enters its guest for the first time. */
async function stopAtGuestEnter({ kernel, initrd }: DebianGuest): Promise<DapClient> {
  const client = new DapClient([], ADAPTER);
  await client.ok('initialize', { adapterID: 'worldswitch', pathFormat: 'path' });
  const launched = client.ok('launch', {
    ...{ kernel, initrd, append: APPEND, cpu: 'cortex-a57', memory: `${MEMORY}M`, stopOnEntry: false },
  });
  await client.event('initialized');
  await client.ok('setFunctionBreakpoints', { breakpoints: [{ name: '__kvm_nvhe___guest_enter' }] });
  await client.ok('configurationDone');
  await launched;
  await client.event('stopped');
  return client;
}

export const linuxBenches: readonly Bench[] = [
  ...configurations.map((c): Bench => ({
    name: c.name,
    what: c.what,
    run: (options) => compared(specOf(c, [FIRST, SHELL]), options, 0, { name: c.name, bar: { atLeast: 1 } }),
  })),
  {
    name: 'linux-kvm',
    what: 'kvmtest in it to DONE, four times (1 and 2 vcpus, GICv3 and GICv2): ours / QEMU',
    run: (options) =>
      compared(specOf(configurations[0]!, [KVMTEST, 'INIT: poweroff']), options, 0, {
        ...{ name: 'linux-kvm', bar: { atLeast: 1 } },
      }),
  },
  {
    name: 'linux-memory',
    what: 'resident memory of the adapter at the first entry of a KVM guest, beside the RAM that the guest has touched',
    run: async () => {
      const guest = installDebian();
      const touched = touchedMb(guest, 'kvmtest: API');
      const client = await stopAtGuestEnter(guest);
      const resident = residentMb(client.child.pid ?? 0);
      client.child.kill();
      const note = `${resident.toFixed(0)} MB with it`;
      return { name: 'linux-memory', value: resident - touched, unit: 'MB', bar: { atMost: 400 }, note };
    },
  },
  {
    name: 'linux-variables',
    what: 'the scope of the current vcpu there, struct kvm_vcpu open to its registers, median',
    run: async () => {
      const client = await stopAtGuestEnter(installDebian());
      const scope: number[] = [];
      const all: number[] = [];
      for (let i = 0; i < 15; i++) {
        scope.push(await timed(() => vcpuScope(client)));
        all.push(await timed(() => allVariables(client)));
        await client.ok('stepIn', { threadId: 1, granularity: 'instruction' });
        await client.event('stopped');
      }
      client.child.kill();
      const note = `call stack, all scopes and all their variables: ${median(all).toFixed(1)} ms`;
      return { name: 'linux-variables', value: median(scope), unit: 'ms', bar: { atMost: 30 }, note };
    },
  },
];

/** What the editor asks for when it draws that scope again: its variables, and those of each member that is open. */
async function vcpuScope(client: DapClient): Promise<void> {
  const { stackFrames } = await client.ok<{ stackFrames: { id: number }[] }>('stackTrace', {
    threadId: 1,
    levels: 1,
  });
  const { scopes } = await client.ok<{ scopes: Named[] }>('scopes', { frameId: stackFrames[0]?.id });
  let reference = scopes.find(({ name }) => name === 'Current vcpu')?.variablesReference;
  for (const name of ['arch', 'ctxt', 'regs', 'regs']) {
    const { variables } = await client.ok<{ variables: Named[] }>('variables', {
      variablesReference: reference,
    });
    reference = variables.find((v) => v.name === name)?.variablesReference;
    if (!reference) throw new Error(`the vcpu has no ${name}`);
  }
  await client.ok('variables', { variablesReference: reference });
}
