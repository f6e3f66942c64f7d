/** A boot with virtio devices, twice here and once on QEMU, from the same disk images. */
import type { DebianGuest } from '../../scripts/debian.mjs';
import {
  bootDevicesOnQemu,
  bootWithDevices,
  deviceLines,
  diskLines,
  fileHash,
  imageComplaints,
  withImages,
} from './devices';
import type { BootOptions } from './boot';

export interface DeviceRow extends Pick<BootOptions, 'cpu' | 'smp'> {
  readonly name: string;
}

/** QEMU's entropy is not ours. */
const comparable = (text: string): string[] =>
  deviceLines(text).map((line) => line.replace(/, \d+ of them different/, ''));

/** What is wrong with a boot, in lines. */
export async function deviceProblems(
  guest: DebianGuest,
  { name: _name, ...row }: DeviceRow,
  alone: boolean,
): Promise<string[]> {
  return withImages(async (image) => {
    const problems: string[] = [];
    const names = ['first', 'second', 'qemu'].map(
      (n) => [image(`${n}.img`), image(`${n}-plain.img`)] as const,
    );
    const [first, second, qemu] = names;
    if (!first || !second || !qemu) throw new Error('three pairs of images were made');
    const untouched = fileHash(first[1]);
    const result = bootWithDevices(guest, ...first, row);
    const again = bootWithDevices(guest, ...second, row);
    if (again.time !== result.time || again.hash !== result.hash)
      problems.push(
        `a second run differs: ${again.time} instructions instead of ${result.time}, or another state`,
      );
    if (fileHash(first[0]) !== fileHash(second[0])) problems.push('a second run leaves another disk');
    if (fileHash(first[1]) !== untouched) problems.push('a disk was written that is not to keep anything');
    const lines = new Set(deviceLines(result.text));
    for (const line of [...diskLines('vda'), ...diskLines('vdb'), 'DEV: done'])
      if (!lines.has(line)) problems.push(`the console lacks "${line}"`);
    problems.push(...imageComplaints(first[0]));
    if (alone) return problems;
    const theirs = await bootDevicesOnQemu(guest, ...qemu, row);
    const [ours, expected] = [comparable(result.text), comparable(theirs)];
    for (const line of ours) if (!expected.includes(line)) problems.push(`only here: ${line}`);
    for (const line of expected) if (!ours.includes(line)) problems.push(`only on QEMU: ${line}`);
    problems.push(...imageComplaints(qemu[0]).map((line) => `on QEMU: ${line}`));
    return problems;
  });
}
