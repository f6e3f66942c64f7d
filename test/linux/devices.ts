/** Boots the stock kernel with the RAM disk of devices/, which tries what is behind virtio, and disks with ext4. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { openDisks } from '../../debug-adapter/launch/disks';
import { deviceGuest, type DebianGuest } from '../../scripts/debian.mjs';
import { bootHere, bootOnQemu, type BootOptions, type BootResult } from './boot';

/** What the tests here need beside the kernel. */
export const diskTools = ['mkfs.ext4', 'e2fsck', 'debugfs'];

const MIB = 2 ** 20;
const DISK_MIB = 16;
export const ANSWER = 'nothing much';

/** Bytes that do not repeat. */
const data = Buffer.concat(
  Array.from({ length: 9000 }, (_, i) => createHash('sha256').update(`${i}`).digest()),
);
const text = 'a line of the host\n';
const before: Readonly<Record<string, Buffer>> = {
  'data.bin': data,
  'old.txt': Buffer.from('to be removed\n'),
  'text.txt': Buffer.from(text),
};
/** What devices/init makes of it. */
const after: Readonly<Record<string, Buffer>> = {
  'data.bin': data,
  'made/here/part.bin': data.subarray(3000, 80_000),
  'made/twice.bin': Buffer.concat([data, data]),
  'text.txt': Buffer.from(`${text}a line of the guest\n`),
};

/** Images for one test, removed behind it. */
export async function withImages<T>(work: (image: (name: string) => string) => Promise<T> | T): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), 'ws-ext4-'));
  try {
    const content = path.join(folder, 'content');
    mkdirSync(content);
    for (const [name, bytes] of Object.entries(before)) writeFileSync(path.join(content, name), bytes);
    const made = path.join(folder, 'made.img');
    writeFileSync(made, '');
    truncateSync(made, DISK_MIB * MIB);
    execFileSync('mkfs.ext4', ['-q', '-d', content, made], { stdio: ['ignore', 'ignore', 'pipe'] });
    return await work((name) => {
      const file = path.join(folder, name);
      copyFileSync(made, file);
      return file;
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const append = 'console=ttyAMA0 earlycon nokaslr cryptomgr.notests initcall_blacklist=trace_eval_init';
export const deviceBoot = { cpu: 'cortex-a57', smp: 1, memory: 256, append } as const satisfies BootOptions;

/** Boots with a disk that keeps what is written, one that does not, and all other devices. */
export function bootWithDevices(
  guest: DebianGuest,
  kept: string,
  plain: string,
  more: Partial<BootOptions> = {},
): BootResult {
  const disks = openDisks([
    { file: kept, write: true },
    { file: plain, write: false },
  ]);
  try {
    return bootHere(deviceGuest(guest), {
      ...deviceBoot,
      devices: { disks, virtio: ['console', 'net', 'rng'], seed: 5 },
      answer: `${ANSWER}\n`,
      ...more,
    });
  } finally {
    for (const disk of disks) disk.close();
  }
}

/** The same on QEMU, which numbers its transports from the last: the devices in reverse. */
export async function bootDevicesOnQemu(
  guest: DebianGuest,
  kept: string,
  plain: string,
  more: Partial<BootOptions> = {},
): Promise<string> {
  // Its second console: somebody who waits for a question.
  const socket = `${kept}.socket`;
  const server = createServer((line) => void line.once('data', () => line.write(`${ANSWER}\n`)));
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  const drive = (id: string, file: string): string[] => [
    '-drive',
    `if=none,id=${id},format=raw,file=${file}`,
  ];
  const qemuArguments = [
    ...['-global', 'virtio-mmio.force-legacy=false', '-device', 'virtio-rng-device'],
    ...['-netdev', 'user,id=n', '-device', 'virtio-net-device,netdev=n,mac=52:54:00:12:34:56'],
    ...['-chardev', `socket,id=c,path=${socket}`],
    ...['-device', 'virtio-serial-device,max_ports=1', '-device', 'virtconsole,chardev=c'],
    ...drive('p', plain),
    ...['-device', 'virtio-blk-device,drive=p,serial=disk1'],
    ...drive('k', kept),
    ...['-device', 'virtio-blk-device,drive=k,serial=disk0'],
  ];
  try {
    return await bootOnQemu(deviceGuest(guest), { ...deviceBoot, ...more, qemuArguments });
  } finally {
    server.close();
  }
}

/** What the RAM disk says of the devices; the tests compare all of it. */
export const deviceLines = (console: string): string[] =>
  console.split('\n').filter((line) => line.startsWith('DEV: '));

/** The lines about a disk that the guest should print. */
export function diskLines(disk: string): string[] {
  const sums = (when: string, files: Readonly<Record<string, Buffer>>): string[] =>
    Object.entries(files).map(
      ([name, bytes]) =>
        `DEV: ${disk} ${when} ${createHash('sha256').update(bytes).digest('hex')}  ./${name}`,
    );
  return [
    `DEV: ${disk} has ${(DISK_MIB * MIB) / 512} sectors, serial disk${disk === 'vda' ? 0 : 1}`,
    `DEV: ${disk} is mounted`,
    ...sums('before', before),
    ...sums('written', after),
    `DEV: ${disk} is unmounted`,
    ...sums('again', after),
  ];
}

/** What e2fsprogs finds wrong with an image that the guest has written. */
export function imageComplaints(file: string): string[] {
  const check = spawnSync('e2fsck', ['-fn', file], { encoding: 'utf8' });
  const out: string[] = [];
  if (check.status !== 0) out.push(`e2fsck: ${check.stdout}${check.stderr}`);
  for (const [name, bytes] of Object.entries(after)) {
    const found = execFileSync('debugfs', ['-R', `cat /${name}`, file], {
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: DISK_MIB * MIB,
    });
    if (!found.equals(bytes)) out.push(`/${name} has other contents in the image`);
  }
  const list = execFileSync('debugfs', ['-R', 'ls /', file], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  if (list.includes('old.txt')) out.push('/old.txt is still in the image');
  return out;
}

export const fileHash = (file: string): string =>
  createHash('sha256').update(readFileSync(file)).digest('hex');
