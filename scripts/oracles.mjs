/** The programs that the tests compare with, and how Debian installs them. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';

/** Command -> Debian package and what is not tested without it. */
const ORACLES = [
  { command: 'qemu-system-aarch64', debian: 'qemu-system-arm', use: 'comparison with QEMU system emulation' },
  { command: 'qemu-aarch64-static', debian: 'qemu-user-static', use: 'comparison with QEMU user emulation' },
  {
    command: 'aarch64-linux-gnu-as',
    debian: 'binutils-aarch64-linux-gnu',
    use: 'comparison with GNU as and objdump',
  },
  {
    command: 'aarch64-linux-gnu-gcc',
    debian: 'gcc-aarch64-linux-gnu',
    use: 'programs made by the GNU toolchain',
  },
  { command: 'gdb-multiarch', debian: 'gdb-multiarch', use: 'reading our ELF files with gdb' },
  { command: 'dtc', debian: 'device-tree-compiler', use: 'reading our device tree' },
  { command: 'mkfs.ext4', debian: 'e2fsprogs', use: 'a disk with a file system for a stock kernel' },
  { command: 'pahole', debian: 'pahole', use: 'types in the form of a Linux kernel (BTF)' },
  { command: 'bpftool', debian: 'bpftool', use: 'comparison with another reader of BTF' },
  { command: 'chromium', debian: 'chromium', use: 'tests in the workbench' },
];

const CHROMIUM = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** The Chromium of this machine, or the one that the environment variable CHROMIUM names. */
export function findChromium() {
  return [process.env.CHROMIUM ?? '', ...CHROMIUM].find((file) => file !== '' && existsSync(file));
}

/** @param {string} command */
function onPath(command) {
  if (command === 'chromium') return findChromium() !== undefined;
  return (process.env.PATH ?? '')
    .split(path.delimiter)
    .some((folder) => folder !== '' && existsSync(path.join(folder, command)));
}

/**
 * @param {string} command
 * @param {string[]} args
 */
function succeeds(command, args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync(command, args, { stdio: 'ignore', env }).status === 0;
}

/** @param {string[]} packages */
function aptInstall(packages) {
  if (!onPath('apt-get')) return;
  const root = process.getuid?.() === 0;
  if (!root && !succeeds('sudo', ['-n', 'true'])) return;
  console.log(`Installing what the tests compare with (apt-get): ${packages.join(' ')} ...`);
  const [command, ...prefix] = root ? ['apt-get'] : ['sudo', '-n', 'apt-get'];
  const install = [...prefix, 'install', '-y', '--no-install-recommends', ...packages];
  if (command === undefined || succeeds(command, install)) return;
  succeeds(command, [...prefix, 'update']);
  // One after the other, so that a package this Debian does not have costs only its own tests.
  if (!succeeds(command, install)) {
    for (const name of packages)
      succeeds(command, [...prefix, 'install', '-y', '--no-install-recommends', name]);
  }
}

/**
 * Installs what is absent where apt and the rights for it are there.
 * @returns the oracles that are absent afterwards
 */
export function installOracles() {
  const absent = () => ORACLES.filter(({ command }) => !onPath(command));
  const first = absent();
  if (first.length > 0) aptInstall(first.map(({ debian }) => debian));
  return absent();
}
