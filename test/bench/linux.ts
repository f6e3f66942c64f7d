/** The stock Debian kernel with KVM: how fast it boots, beside QEMU, and what a stop in its world switch costs. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Computer } from '../../emulator/board/computer';
import { common } from '../../emulator/ir/state';
import { installDebian, type DebianGuest } from '../../scripts/debian.mjs';
import { DapClient } from '../dap/support/client';
import { ADAPTER, allVariables, residentMb, timed } from './adapter';
import { median, type Bench } from './table';

const APPEND = 'console=ttyAMA0 earlycon nokaslr cryptomgr.notests';
const SHELL = 'INIT: shell reached';
const MEMORY = 512;
/** As short as the debug adapter's slices, so that V8 can exchange the interpreter. */
const SLICE = 1_000_000;
const RUNS = 3;

interface Named {
  readonly name: string;
  readonly variablesReference: number;
}

interface Boot {
  readonly seconds: number;
  readonly instructions: number;
  readonly misses: number;
  readonly invalidations: number;
  /** RAM that is not zero, in MB. */
  readonly touchedMb: number;
}

function ours({ kernel, initrd }: DebianGuest, until: string): Boot {
  const computer = new Computer({
    ...{ cpu: 'cortex-a57', cpus: 1, memoryBytes: MEMORY * 2 ** 20, bootargs: APPEND },
    ...{ image: readFileSync(kernel), initrd: readFileSync(initrd) },
  });
  let text = '';
  computer.onEvent = (e) => {
    if (e.kind === 'uart') text = (text + Buffer.from(e.bytes).toString('latin1')).slice(-200);
  };
  const { machine } = computer;
  const from = performance.now();
  while (!text.includes(until))
    if (machine.run({ instructions: SLICE }).kind !== 'limit')
      throw new Error(`the boot ended early: ${text}`);
  return {
    seconds: (performance.now() - from) / 1000,
    instructions: Number(machine.state.get(0, common.retired)),
    misses: Number(machine.state.get(0, common.misses)),
    invalidations: machine.tlb.invalidations,
    touchedMb: touchedMb(computer),
  };
}

/** Pages of RAM that are not zero: at most what the process has of them. */
function touchedMb({ machine }: Computer): number {
  const { ramBase, ramSize } = machine.physical;
  let pages = 0;
  for (let at = 0n; at < ramSize; at += 4096n)
    if (machine.physical.peek(ramBase + at, 4096).some((byte) => byte !== 0)) pages++;
  return pages / 256;
}

function qemus({ kernel, initrd }: DebianGuest): Promise<number> {
  const child = spawn('qemu-system-aarch64', [
    ...[
      '-machine',
      'virt,virtualization=on,gic-version=3',
      '-cpu',
      'cortex-a57',
      '-smp',
      '1',
      '-m',
      `${MEMORY}`,
    ],
    ...['-nographic', '-nodefaults', '-no-reboot', '-monitor', 'none', '-serial', 'stdio'],
    ...['-kernel', kernel, '-initrd', initrd, '-append', APPEND],
  ]);
  const from = performance.now();
  let text = '';
  return new Promise((done, failed) => {
    child.stdout.setEncoding('latin1').on('data', (more: string) => {
      text += more;
      if (!text.includes(SHELL)) return;
      child.kill();
      done((performance.now() - from) / 1000);
    });
    child.on('error', failed);
    child.on('close', () => failed(new Error('the boot ended early on QEMU')));
  });
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
  {
    name: 'linux-boot',
    what: 'stock Debian kernel to its shell, a57 nVHE, median',
    run: async () => {
      const guest = installDebian();
      const we: Boot[] = [];
      const they: number[] = [];
      for (let i = 0; i < RUNS; i++) {
        we.push(ours(guest, SHELL));
        they.push(await qemus(guest));
      }
      const boot = we[0]!;
      const seconds = median(we.map((b) => b.seconds));
      const millions = boot.instructions / 1e6;
      const perThousand = (n: number): string => ((n * 1000) / boot.instructions).toFixed(2);
      const note = [
        `${millions.toFixed(0)} M instructions in ${seconds.toFixed(2)} s`,
        `${(median(they) / seconds).toFixed(2)} x QEMU's speed`,
        `for 1,000 instructions ${perThousand(boot.misses)} TLB misses, ${perThousand(boot.invalidations)} TLBIs`,
      ].join('; ');
      return { name: 'linux-boot', value: millions / seconds, unit: 'MIPS', bar: { atLeast: 60 }, note };
    },
  },
  {
    name: 'linux-memory',
    what: 'resident memory of the adapter at the first entry of a KVM guest, beside the RAM that the guest has touched',
    run: async () => {
      const guest = installDebian();
      const { touchedMb: touched } = ours(guest, 'kvmtest: API');
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
