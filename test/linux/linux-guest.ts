/** A stock kernel for specs, with a RAM disk whose init says what the kernel itself knows: modules, processes, messages. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { cpio } from '../../scripts/cpio.mjs';
import { cachedDebian } from '../../scripts/debian.mjs';
import { parseLaunch } from '../../debug-adapter/launch/config';
import { Target } from '../../debug-adapter/target';
import { debugged, type TestGuest } from '../../debug-adapter/testing';

const SYSROOT = path.join(__dirname, '../../.cache/debian/root');
/** Modules without dependencies that are loaded one by one. */
const MODULES = ['dummy', 'loop', 'brd'];

const INIT = `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
insmod /dummy.ko; insmod /loop.ko
say() { echo "== $1"; }
say kallsyms; head -n 60 /proc/kallsyms
say modules; cat /proc/modules
say sections; for s in text data bss; do cat /sys/module/dummy/sections/.$s; done
say ps; ps -o pid,comm
say dmesg; dmesg
say ready; sleep 1
insmod /brd.ko; say brd
rmmod brd; say gone; sleep 1
kvmtest 1 3 > /dev/null; say guest; sleep 1
say stack; cat /proc/1/stack
say crash; echo c > /proc/sysrq-trigger
`;

function find(folder: string, name: string): string | undefined {
  for (const entry of readdirSync(folder)) {
    const file = path.join(folder, entry);
    if (entry === name) return file;
    const below = statSync(file).isDirectory() ? find(file, name) : undefined;
    if (below !== undefined) return below;
  }
  return undefined;
}

/** A module of the stock kernel. */
export function moduleFile(name: string): string {
  return find(path.join(SYSROOT, 'lib', 'modules'), `${name}.ko`) ?? `${name}.ko`;
}

export interface LinuxGuest extends TestGuest {
  /** What the guest has printed behind the heading \`== name\`, up to the next one. */
  said(name: string): string[];
  /** Runs until the console has a text. @throws Error if it does not come */
  until(text: string): void;
}

/** Boots the cached stock kernel; undefined where it was not fetched. */
export function linuxGuest(launch: { append: string } & Record<string, unknown>): LinuxGuest | undefined {
  const debian = cachedDebian();
  if (!debian) return undefined;
  const folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-linux-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const initrd = path.join(folder, 'initrd.cpio');
  const file = (name: string, data: Uint8Array): { name: string; mode: number; data: Uint8Array } => ({
    name,
    mode: 0o100755,
    data,
  });
  writeFileSync(
    initrd,
    cpio([
      ...['bin', 'dev', 'proc', 'sys'].map((name) => ({ name, mode: 0o40755 })),
      { name: 'dev/console', mode: 0o20600, device: [5, 1] },
      file('bin/busybox', readFileSync(path.join(SYSROOT, 'bin', 'busybox'))),
      file('bin/kvmtest', readFileSync(path.join(SYSROOT, '..', 'build', 'kvmtest'))),
      ...MODULES.map((m) => file(`${m}.ko`, readFileSync(moduleFile(m)))),
      file('init', Buffer.from(INIT)),
    ]),
  );
  const config = parseLaunch({ kernel: debian.kernel, initrd, memory: '256M', ...launch });
  const guest = debugged(Target.launch(config), debian.kernel, '');
  let seen = { raw: '', text: '' };
  const text = (): string => {
    const raw = guest.console();
    if (raw.length !== seen.raw.length) seen = { raw, text: raw.replaceAll('\r', '') };
    return seen.text;
  };
  return {
    ...guest,
    said: (name) => {
      const [, rest = ''] = text().split(`== ${name}\n`);
      return (rest.split('== ')[0] ?? '').split('\n').filter((line) => line !== '');
    },
    until: (wanted) => {
      for (let n = 0; n < 2000 && !text().includes(wanted); n++) {
        const { kind, cpu } = guest.target.machine.run({ instructions: 1_000_000 });
        // Where modules come and go.
        if (kind === 'breakpoint') guest.control.leave(cpu);
        else if (kind !== 'limit') break;
      }
      if (!text().includes(wanted)) throw new Error(`"${wanted}" has not come:\n${text().slice(-2000)}`);
    },
  };
}
