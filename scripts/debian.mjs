/**
 * node scripts/debian.mjs          fetches a stock arm64 kernel and builds an initrd for it; prints where they are
 * node scripts/debian.mjs --dbg    also its vmlinux with DWARF, from the package of debug symbols (half a gigabyte)
 *
 * Nothing is installed: apt has a state of its own in .cache/debian, with the sources and keys of this machine, and the
 * packages are unpacked there. The kernel is what `linux-image-cloud-arm64` depends on today. Once fetched, all is kept:
 * remove .cache/debian for a newer one.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { cpio } from './cpio.mjs';
import { root } from './workbench.mjs';

const cache = path.join(root, '.cache', 'debian');
const source = path.join(root, 'test', 'linux', 'kvmtest');
const deviceSource = path.join(root, 'test', 'linux', 'devices');
const sysroot = path.join(cache, 'root');
const META = 'linux-image-cloud-arm64';
/** What the initrd and the build of its program need beside the kernel. */
const PACKAGES = ['busybox-static', 'libc6-dev', 'linux-libc-dev'];
const CROSS = 'aarch64-linux-gnu-';

/** @typedef {{ kernel: string, initrd: string, version: string }} DebianGuest */

/**
 * @param {string} command
 * @param {string[]} args
 * @param {Parameters<typeof spawnSync>[2]} [options]
 */
function run(command, args, options = {}) {
  const result = spawnSync(command, args, { ...options, encoding: 'utf8', maxBuffer: 1 << 26 });
  if (result.error) throw new Error(`${command} cannot be started (${result.error.message}): install it.`);
  if (result.status !== 0)
    throw new Error(`${command} ${args.slice(0, 4).join(' ')} failed:\n${result.stderr}${result.stdout}`);
  return result.stdout;
}

/** An apt for arm64 that knows no installed package and writes only into the cache. */
function aptEnvironment() {
  const state = path.join(cache, 'apt');
  for (const folder of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(path.join(state, folder), { recursive: true });
  writeFileSync(path.join(state, 'status'), '');
  const config = path.join(state, 'apt.conf');
  const lines = [
    `Dir::State "${state}";`,
    `Dir::State::lists "${path.join(state, 'lists')}";`,
    `Dir::State::status "${path.join(state, 'status')}";`,
    `Dir::Cache "${path.join(state, 'cache')}";`,
    'APT::Architecture "arm64";',
    'APT::Architectures { "arm64"; };',
    // Downloads stay readable for root only otherwise, and apt warns of it.
    'APT::Sandbox::User "root";',
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  return { env: { ...process.env, APT_CONFIG: config } };
}

/** Fetches and unpacks the packages into `sysroot`. */
function fetchPackages() {
  const apt = aptEnvironment();
  run('apt-get', ['update', '-qq'], apt);
  const dependencies = run('apt-cache', ['depends', META], apt);
  const kernel = /Depends: (linux-image-\S+)/.exec(dependencies)?.[1];
  if (kernel === undefined) throw new Error(`${META} depends on no kernel:\n${dependencies}`);
  const debs = path.join(cache, 'debs');
  rmSync(debs, { recursive: true, force: true });
  mkdirSync(debs, { recursive: true });
  run('apt-get', ['download', '-qq', kernel, ...PACKAGES], { ...apt, cwd: debs });
  // Complete or not there at all.
  const fresh = `${sysroot}.new`;
  rmSync(fresh, { recursive: true, force: true });
  for (const deb of readdirSync(debs)) run('dpkg', ['-x', path.join(debs, deb), fresh]);
  rmSync(sysroot, { recursive: true, force: true });
  renameSync(fresh, sysroot);
}

/** The static test program: a KVM guest and its monitor. */
function buildKvmtest() {
  const out = path.join(cache, 'build');
  mkdirSync(out, { recursive: true });
  const file = (/** @type {string} */ name) => path.join(out, name);
  run(`${CROSS}gcc`, ['-g', '-c', '-o', file('guest.o'), path.join(source, 'guest.S')]);
  run(`${CROSS}ld`, ['-Ttext=0x40000000', '-o', file('guest.elf'), file('guest.o')]);
  run(`${CROSS}objcopy`, ['-O', 'binary', '-j', '.text', file('guest.elf'), file('guest.bin')]);
  const library = path.join(sysroot, 'usr', 'lib', 'aarch64-linux-gnu');
  run(`${CROSS}gcc`, [
    ...['-O2', '-static', '-pthread', '-w', `--sysroot=${sysroot}`, `-B${library}`, `-L${library}`],
    // .incbin "guest.bin"
    `-Wa,-I${out}`,
    ...['-o', file('kvmtest'), path.join(source, 'kvmtest.c')],
  ]);
  return readFileSync(file('kvmtest'));
}

/** The first of the boot files by name. */
function kernelFile() {
  const boot = path.join(sysroot, 'boot');
  if (!existsSync(boot)) return undefined;
  const name = readdirSync(boot).find((f) => f.startsWith('vmlinuz-'));
  return name === undefined ? undefined : path.join(boot, name);
}

const debugFolder = path.join(cache, 'dbg');

/** The vmlinux with DWARF of the kernel in the cache, if it was fetched. @returns {string | undefined} */
export function cachedVmlinux() {
  const kernel = kernelFile();
  if (kernel === undefined) return undefined;
  const name = path.basename(kernel).replace('vmlinuz', 'vmlinux');
  const file = path.join(debugFolder, 'root', 'usr', 'lib', 'debug', 'boot', name);
  return existsSync(file) ? file : undefined;
}

/** Fetches the vmlinux of the kernel in the cache, if it is absent. @returns {string} */
export function installVmlinux() {
  const known = cachedVmlinux();
  if (known !== undefined) return known;
  const deb = readdirSync(path.join(cache, 'debs')).find((f) => f.startsWith('linux-image-'));
  const [, name, version] = /^(linux-image-[^_]+)_([^_]+)_arm64\.deb$/.exec(deb ?? '') ?? [];
  if (name === undefined || version === undefined)
    throw new Error(`${path.join(cache, 'debs')} has no kernel package: remove ${cache} and fetch it again.`);
  mkdirSync(debugFolder, { recursive: true });
  const wanted = (/** @type {string} */ f) => f.startsWith(`${name}-dbg_${version}_`);
  if (!readdirSync(debugFolder).some(wanted)) {
    // The very version of the kernel: the build must be the same.
    const plain = `${name}-dbg=${decodeURIComponent(version)}`;
    run('apt-get', ['download', '-qq', plain], { ...aptEnvironment(), cwd: debugFolder });
  }
  const fresh = path.join(debugFolder, 'root.new');
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  // The modules in it would take several times as much.
  const file = path.join(debugFolder, readdirSync(debugFolder).find(wanted) ?? '');
  run('sh', [
    '-c',
    'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" --wildcards "./usr/lib/debug/boot/*"',
    file,
    fresh,
  ]);
  rmSync(path.join(debugFolder, 'root'), { recursive: true, force: true });
  renameSync(fresh, path.join(debugFolder, 'root'));
  const found = cachedVmlinux();
  if (found === undefined) throw new Error(`${file} has no vmlinux of the kernel: look into ${debugFolder}.`);
  return found;
}

/** The kernel and the initrd if they are in the cache. @returns {DebianGuest | undefined} */
export function cachedDebian() {
  const kernel = kernelFile();
  const initrd = path.join(cache, 'initrd.cpio');
  if (kernel === undefined || !existsSync(initrd)) return undefined;
  return { kernel, initrd, version: path.basename(kernel).slice('vmlinuz-'.length) };
}

const file = (/** @type {string} */ name, /** @type {Uint8Array} */ data) => ({ name, mode: 0o100755, data });
const folder = (/** @type {string} */ name) => ({ name, mode: 0o40755 });

/**
 * A RAM disk with busybox.
 * @param {readonly import('./cpio.mjs').Entry[]} entries
 */
function ramDisk(entries) {
  return cpio([
    ...['bin', 'dev', 'proc', 'sys'].map(folder),
    // The kernel opens it for init before anything is mounted (major 5, minor 1).
    { name: 'dev/console', mode: 0o20600, device: [5, 1] },
    file('bin/busybox', readFileSync(path.join(sysroot, 'bin', 'busybox'))),
    ...entries,
  ]);
}

/** Modules for the devices of the board, in an order in which they can be loaded. */
const MODULES = [
  ...['drivers/virtio/virtio_ring', 'drivers/virtio/virtio', 'drivers/virtio/virtio_mmio'],
  ...['drivers/block/virtio_blk', 'drivers/char/virtio_console', 'drivers/char/hw_random/virtio-rng'],
  ...['net/core/failover', 'drivers/net/net_failover', 'drivers/net/virtio_net'],
  'drivers/firmware/qemu_fw_cfg',
];

/**
 * Builds the RAM disk of test/linux/devices, which loads the modules for virtio and uses what it finds.
 * @param {DebianGuest} guest
 * @returns {DebianGuest} the same kernel with it
 */
export function deviceGuest(guest) {
  const modules = path.join(sysroot, 'lib', 'modules', guest.version, 'kernel');
  const names = MODULES.map((module) => `${path.basename(module)}.ko`);
  const archive = ramDisk([
    ...['modules', 'mnt'].map(folder),
    ...MODULES.map((module, i) =>
      file(`modules/${names[i]}`, readFileSync(path.join(modules, `${module}.ko`))),
    ),
    file('modules/order', Buffer.from(`${names.join('\n')}\n`)),
    ...['init', 'dhcp'].map((name) =>
      file(name === 'init' ? name : `bin/${name}`, readFileSync(path.join(deviceSource, name))),
    ),
  ]);
  const initrd = path.join(cache, 'devices.cpio');
  writeFileSync(initrd, archive);
  return { ...guest, initrd };
}

/** Fetches what is absent and builds the initrd again. @returns {DebianGuest} */
export function installDebian() {
  if (kernelFile() === undefined) fetchPackages();
  const archive = ramDisk([
    file('bin/kvmtest', buildKvmtest()),
    file('init', readFileSync(path.join(source, 'init'))),
  ]);
  writeFileSync(path.join(cache, 'initrd.cpio'), archive);
  const guest = cachedDebian();
  if (!guest) throw new Error(`The kernel package has no vmlinuz: look into ${sysroot}.`);
  return guest;
}

if (process.argv[1] === import.meta.filename) {
  const guest = installDebian();
  const more = process.argv.includes('--dbg') ? { vmlinux: installVmlinux() } : {};
  console.log(JSON.stringify({ ...guest, ...more }, undefined, 2));
}
