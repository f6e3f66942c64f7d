/**
 * npm run test:matrix             boots the stock kernel with each CPU model and mode of KVM, to power-off, and compares
 *                                 its console with QEMU's
 * npm run test:matrix -- a76      only the rows whose name contains this
 * npm run test:matrix -- --alone  without QEMU
 * npm run test:matrix -- dwarf    only the specs that need the kernel's -dbg package, which is fetched for them
 * npm run test:matrix -- devices  only the boots with disks and other virtio devices
 *
 * Each row is booted twice: both runs must take the same number of instructions and end in the same state.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { installDebian, installVmlinux } from '../../scripts/debian.mjs';
import { hasTool } from '../support/oracles';
import { deviceProblems, type DeviceRow } from './devices-matrix';
import { bootHere, bootOnQemu, complaints, onlyIn, type BootOptions } from './boot';

interface Row extends BootOptions {
  readonly name: string;
  /** What KVM says of itself. */
  readonly mode: string;
  /** Lines in which this CPU model differs from QEMU's. */
  readonly but?: readonly RegExp[];
}

const quiet = 'console=ttyAMA0 earlycon nokaslr cryptomgr.notests';
const row = (name: string, cpu: string, mode: string, more: Partial<Row> = {}): Row => ({
  ...{ name, cpu, mode, smp: 1, memory: 512, append: quiet },
  ...more,
});
const nvhe = { append: `${quiet} kvm-arm.mode=nvhe` };
const isolated = { append: `${quiet} kvm-arm.mode=protected` };

/** QEMU's `max` has AArch32, SVE and RNDR besides, which ID_AA64PFR0_EL1 and the kernel's messages show. */
const max = {
  but: [/detected: (?:32-bit EL[01] Support|Random Number|Scalable Vector)|^SVE: |^GUEST: hello/],
};

const rows: readonly Row[] = [
  row('a57', 'cortex-a57', 'Hyp'),
  row('a53', 'cortex-a53', 'Hyp'),
  row('a72', 'cortex-a72', 'Hyp'),
  row('a76 vhe', 'cortex-a76', 'VHE'),
  row('a76 nvhe', 'cortex-a76', 'Hyp', nvhe),
  row('a57 protected', 'cortex-a57', 'Protected nVHE', isolated),
  row('a76 protected', 'cortex-a76', 'Protected nVHE', isolated),
  row('a57 smp 4', 'cortex-a57', 'Hyp', { smp: 4 }),
  row('a76 vhe smp 4', 'cortex-a76', 'VHE', { smp: 4 }),
  row('a57 gicv2', 'cortex-a57', 'Hyp', { gic: 2 }),
  row('a57 gicv2 smp 4', 'cortex-a57', 'Hyp', { gic: 2, smp: 4 }),
  row('a57 secure', 'cortex-a57', 'Hyp', { secure: true }),
  row('a76 secure smp 4', 'cortex-a76', 'VHE', { secure: true, smp: 4 }),
  row('max vhe', 'max', 'VHE', max),
  row('max nvhe', 'max', 'Hyp', { ...nvhe, ...max }),
  row('max protected', 'max', 'Protected nVHE', { ...isolated, ...max }),
  row('max vhe smp 4', 'max', 'VHE', { smp: 4, ...max }),
  row('a57 kaslr', 'cortex-a57', 'Hyp', { append: 'console=ttyAMA0 earlycon cryptomgr.notests' }),
  row('a57 cipher self-tests', 'cortex-a57', 'Hyp', { append: 'console=ttyAMA0 earlycon nokaslr' }),
];

const DWARF = 'dwarf';
/** Boots with virtio devices. */
const devices: readonly DeviceRow[] = [
  { name: 'devices a57', cpu: 'cortex-a57', smp: 1 },
  { name: 'devices a76 smp 4', cpu: 'cortex-a76', smp: 4 },
];

/** The specs that need the package of debug symbols. @returns whether all passed */
function specsOfDwarf(): boolean {
  installVmlinux();
  const done = spawnSync(
    process.execPath,
    [require.resolve('mocha/bin/mocha.js'), 'test/linux/dwarf.matrix.ts'],
    {
      cwd: path.join(__dirname, '../..'),
      stdio: 'inherit',
      env: { ...process.env, WS_REQUIRE_DBG: '1', WS_REQUIRE_ORACLES: '1' },
    },
  );
  return done.status === 0;
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  const alone = args.includes('--alone') || !hasTool('qemu-system-aarch64');
  const words = args.filter((a) => !a.startsWith('--'));
  const chosen = rows.filter(({ name }) => words.length === 0 || words.some((w) => name.includes(w)));
  const chosenDevices = devices.filter(
    ({ name }) => words.length === 0 || words.some((w) => name.includes(w)),
  );
  const withDwarf = words.length === 0 || words.includes(DWARF);
  if (chosen.length + chosenDevices.length === 0 && !withDwarf)
    throw new Error(
      `No row has this name: ${[...[...rows, ...devices].map((r) => r.name), DWARF].join(', ')}.`,
    );
  const guest = installDebian();
  console.log(`Kernel ${guest.version}${alone ? ', not compared with QEMU' : ''}`);
  let failed = 0;
  for (const r of chosen) {
    const began = process.cpuUsage();
    const result = bootHere(guest, r);
    const { user, system } = process.cpuUsage(began);
    const seconds = (user + system) / 1e6;
    const problems = complaints(result, r.mode);
    const again = bootHere(guest, r);
    if (again.time !== result.time || again.hash !== result.hash)
      problems.push(
        `a second run differs: ${again.time} instructions instead of ${result.time}, or another state`,
      );
    if (!alone) {
      const qemu = await bootOnQemu(guest, r);
      problems.push(...onlyIn(result.text, qemu, ...(r.but ?? [])).map((line) => `only here: ${line}`));
      problems.push(...onlyIn(qemu, result.text, ...(r.but ?? [])).map((line) => `only on QEMU: ${line}`));
    }
    const millions = Number(result.time / 1_000_000n);
    const speed = `${millions} M instructions, ${seconds.toFixed(1)} s of CPU, ${(millions / seconds).toFixed(0)} MIPS`;
    console.log(`${problems.length ? 'FAIL' : 'ok  '} ${r.name}: ${speed}`);
    for (const p of problems) console.log(`       ${p}`);
    if (problems.length) failed++;
  }
  for (const r of chosenDevices) {
    const problems = await deviceProblems(guest, r, alone);
    console.log(`${problems.length ? 'FAIL' : 'ok  '} ${r.name}`);
    for (const p of problems) console.log(`       ${p}`);
    if (problems.length) failed++;
  }
  let passed = chosen.length + chosenDevices.length - failed;
  if (withDwarf) {
    const good = specsOfDwarf();
    console.log(`${good ? 'ok  ' : 'FAIL'} ${DWARF}`);
    if (good) passed++;
    else failed++;
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed ? 1 : 0;
}

void main();
