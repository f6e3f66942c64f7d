/** Boots the stock kernel on our machine and on QEMU's, and compares what both say. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CONSOLE_PORT, type VirtioOptions } from '../../emulator/board/virtio';
import { Computer } from '../../emulator/board/computer';
import { StopReason } from '../../emulator/ir/state';
import type { DebianGuest } from '../../scripts/debian.mjs';

export interface BootOptions {
  readonly cpu: string;
  readonly smp: number;
  /** MiB. */
  readonly memory: number;
  readonly append: string;
  /** Version of the interrupt controller; 3 unless given. */
  readonly gic?: 2 | 3;
  /** EL3 and two security states: the board stands for the firmware. */
  readonly secure?: boolean;
  /** Disks and other devices behind virtio. */
  readonly devices?: VirtioOptions;
  /** What is typed at the second console when something has been printed there. */
  readonly answer?: string;
  /** The same devices for QEMU. */
  readonly qemuArguments?: readonly string[];
}

export interface BootResult {
  /** The console, without carriage returns. */
  readonly text: string;
  /** The second console. */
  readonly hvc0: string;
  /** How it ended: `poweroff`, or why it did not. */
  readonly end: string;
  /** Instructions of all CPUs, time slept included. */
  readonly time: bigint;
  /** State hash at the end. */
  readonly hash: string;
}

const SLICE = 10_000_000;

/** Runs until the machine powers off, `until` has been printed, or the limit of virtual time is reached. */
export function bootHere(
  { kernel, initrd }: DebianGuest,
  o: BootOptions,
  until?: string,
  limit = 3_000_000_000n,
): BootResult {
  const computer = new Computer({
    cpu: o.cpu,
    cpus: o.smp,
    memoryBytes: o.memory * 2 ** 20,
    image: readFileSync(kernel),
    initrd: readFileSync(initrd),
    bootargs: o.append,
    ...o.devices,
    ...(o.gic ? { gic: o.gic } : {}),
    ...(o.secure ? { secure: true } : {}),
  });
  const { machine } = computer;
  const pieces: Uint8Array[] = [];
  let hvc0 = '';
  let { answer } = o;
  computer.onEvent = (e) => {
    if (e.kind === 'uart') pieces.push(e.bytes);
    else if (e.kind === 'console') {
      hvc0 += Buffer.from(e.bytes).toString('latin1').replaceAll('\r', '');
      // A guest that waits for the answer skips its time.
      if (answer !== undefined) machine.requestStop(StopReason.event);
    }
  };
  const text = (): string => Buffer.concat(pieces).toString('latin1').replaceAll('\r', '');
  let end = 'limit';
  while (machine.now() < limit) {
    const stop = machine.run({ instructions: SLICE });
    if (stop.kind !== 'limit' && stop.kind !== 'event') {
      end = computer.ended?.kind ?? computer.unsupported ?? stop.kind;
      break;
    }
    if (answer !== undefined && hvc0 !== '') {
      machine.input({ kind: 'input', port: CONSOLE_PORT, bytes: Buffer.from(answer) });
      answer = undefined;
    }
    if (until !== undefined && text().includes(until)) break;
  }
  return { text: text(), hvc0, end, time: machine.now(), hash: machine.hash() };
}

/** The same boot on QEMU, without the ITS that our board does not have. */
export async function bootOnQemu({ kernel, initrd }: DebianGuest, o: BootOptions): Promise<string> {
  const folder = mkdtempSync(path.join(tmpdir(), 'ws-linux-'));
  try {
    const log = path.join(folder, 'console');
    const child = spawn(
      'qemu-system-aarch64',
      [
        ...[
          '-machine',
          `virt,virtualization=on,gic-version=${o.gic ?? 3},its=off,secure=${o.secure ? 'on' : 'off'}`,
        ],
        ...['-cpu', o.cpu, '-smp', String(o.smp)],
        ...['-m', String(o.memory), '-nographic', '-nodefaults', '-no-reboot', '-monitor', 'none'],
        ...['-serial', `file:${log}`, '-kernel', kernel, '-initrd', initrd, '-append', o.append],
        ...(o.qemuArguments ?? []),
      ],
      { stdio: 'ignore' },
    );
    const late = setTimeout(() => child.kill(), 600_000);
    await new Promise((resolve) => child.on('close', resolve));
    clearTimeout(late);
    return readFileSync(log, 'latin1').replaceAll('\r', '');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Lines that may differ, each with its reason. */
const different: readonly RegExp[] = [
  // QEMU has PCIe.
  /^pci-host-generic|^pci_bus |^pci 0000:/,
  // Its device tree takes 1 MiB, whatever is in it.
  /^Memory: .* available|^NUMA: NODE_DATA|^ITS: No ITS/,
  // The time of day, how long something took, and numbers that depend on it.
  /^audit: type=|^rtc-pl031 .* setting system clock|^hrtimer: interrupt took|deferred pages initialised in/,
  /^INIT: shell reached|kvm-stat (?:exits|signal_exits|halt_wakeup|wfi_exit_stat|wfe_exit_stat|mmio_exit_kernel) /,
  // When two CPUs speak.
  /^random: crng init done|^Trying to unpack rootfs|^Freeing initrd memory/,
  // With KASLR, addresses.
  /^KASLR enabled|Kernel Offset:/,
];

/** Lines of one console that the other does not have; in the same number, in any order; `but` these, and those above. */
export function onlyIn(one: string, other: string, ...but: readonly RegExp[]): string[] {
  const lines = (text: string): string[] =>
    text
      .split('\n')
      .map((l) =>
        l
          .replace(/^\[ *\d+\.\d+\] /, '')
          .replace(/\birq = \d+|\bIRQ\d+/g, 'irq N')
          .trimEnd(),
      )
      .filter((l) => l !== '' && ![...different, ...but].some((r) => r.test(l)));
  const left = new Map<string, number>();
  for (const l of lines(other)) left.set(l, (left.get(l) ?? 0) + 1);
  return lines(one).filter((l) => {
    const n = left.get(l) ?? 0;
    left.set(l, n - 1);
    return n <= 0;
  });
}

const trouble = /\b(?:Oops|BUG|WARNING|Call trace|unexpected|panic|FAIL|Unable to handle)\b/i;

/** What is wrong with a boot, in lines. `mode` is what KVM says of itself. */
export function complaints(result: BootResult, mode: string, upTo = 'poweroff'): string[] {
  const { text } = result;
  const wanted = ['CPU: All CPU(s) started at EL2', `${mode} mode initialized successfully`, 'KVMTEST DONE'];
  return [
    ...(result.end === upTo ? [] : [`it ended by ${result.end}, not by ${upTo}`]),
    ...wanted.filter((line) => !text.includes(line)).map((line) => `the console lacks "${line}"`),
    ...text.split('\n').filter((line) => trouble.test(line)),
  ];
}
