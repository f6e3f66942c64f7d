/**
 * AT and PAR_EL1 against QEMU: the same random two-stage tables and registers, thousands of translations in one run of
 * a bare-metal program at EL2 (semihosting writes the results to a file).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { requireTool } from '../../../../test/support/oracles';
import { Random, seed } from '../../../../test/support/random';
import { common } from '../../../ir/state';
import { SystemCpu } from './cpu';
import { modelTranslate, type ReadWord } from './mmu-model';

const TABLES = 0x48000000n;
const TABLE_BYTES = 0x200000;
const CASES = 0x4a000000n;
const COUNT = 3000;

/** op1, CRm, op2 of AT, in the order of the program's jump table. */
const operations = [
  ['s1e1r', 0, 0],
  ['s1e1w', 0, 1],
  ['s1e0r', 0, 2],
  ['s1e0w', 0, 3],
  ['s12e1r', 4, 4],
  ['s12e1w', 4, 5],
  ['s12e0r', 4, 6],
  ['s12e0w', 4, 7],
  ['s1e2r', 4, 0],
  ['s1e2w', 4, 1],
] as const;

const registers = [
  'SCTLR_EL1',
  'TCR_EL1',
  'TTBR0_EL1',
  'TTBR1_EL1',
  'MAIR_EL1',
  'HCR_EL2',
  'VTCR_EL2',
  'VTTBR_EL2',
] as const;

const program = `
  .global _start
_start:
  ldr x20, =${CASES}
  ldr x21, =results
  ldr x22, =${COUNT}
1:
${registers.map((r) => `  ldr x0, [x20], #8\n  msr ${r.toLowerCase()}, x0`).join('\n')}
  ldp x8, x9, [x20], #16
  isb
  tlbi alle1
  dsb sy
  isb
  adr x10, 2f
  add x10, x10, x9, lsl #3
  br x10
2:
${operations.map(([name]) => `  at ${name}, x8\n  b 3f`).join('\n')}
3:
  isb
  mrs x11, par_el1
  str x11, [x21], #8
  subs x22, x22, #1
  b.ne 1b
  adr x1, open
  mov x0, #1
  hlt #0xf000
  adr x1, write
  str x0, [x1]
  mov x0, #5
  hlt #0xf000
  adr x1, exit
  mov x0, #0x18
  hlt #0xf000
  b .
  .balign 8
open: .quad name, 5, 11
write: .quad 0, results, ${COUNT * 8}
exit: .quad 0x20026, 0
name: .asciz "results.bin"
  .ltorg
  .balign 16
  .bss
results: .space ${COUNT * 8}
`;

type Cpu = 'cortex-a57' | 'max';

function tables(r: Random, cpu: Cpu): Uint8Array {
  const bytes = new Uint8Array(TABLE_BYTES);
  const view = new DataView(bytes.buffer);
  for (let at = 0; at < TABLE_BYTES; at += 8) {
    const kind = r.below(100) < 4 ? r.below(3) : r.below(100) < 72 ? 3 : 1;
    // With 52 bits the address goes on in bits 15-12.
    const align = cpu === 'max' ? 16 : 12;
    const page = BigInt(r.below(TABLE_BYTES >> align)) << BigInt(align);
    // The others are above the physical address size: an address where nothing is would be an external abort.
    const target = cpu === 'max' || r.below(100) < 96 ? TABLES : BigInt(1 + r.below(15)) << 44n;
    let d = target | page | BigInt(kind);
    d |= BigInt(r.below(100) < 96 ? 1 << 10 : 0) | BigInt(r.below(256) << 2);
    if (r.below(100) < 70) d |= 0xc0n;
    d |= BigInt([0, 2, 3, 3][r.below(4)]!) << 8n;
    if (r.below(100) < 15) d |= BigInt(r.below(4)) << 53n;
    if (kind === 3 && r.below(100) < 5) d |= BigInt(r.below(32)) << 59n;
    view.setBigUint64(at, d, true);
  }
  return bytes;
}

/** What `max` has beyond cortex-a57: 16 KiB pages, small and large address spaces, E0PD, HCR_EL2.FWB. */
function ofMax(r: Random, values: readonly bigint[]): bigint[] {
  const [sctlr, tcr, ttbr0, ttbr1, mair, hcr, vtcr, vttbr, , operation] = values as bigint[];
  const choose = <T>(...list: readonly T[]): T => list[r.below(list.length)]!;
  const granule = r.below(3);
  const bits = (): number => choose(16 + r.below(5), 25 + r.below(24), 17 + r.below(36));
  const [low, high] = [bits(), bits()];
  const layout = ((1n << 32n) - 1n) & ~0xc03fc03fn;
  const some = (percent: number, mask: bigint): bigint => (r.below(100) < percent ? r.bits64() & mask : 0n);
  const tcrOfMax =
    (tcr! & (layout | (3n << 37n))) |
    BigInt(64 - low) |
    (BigInt(64 - high) << 16n) |
    (BigInt(granule === 0 ? 0 : granule === 1 ? 2 : 1) << 14n) |
    (BigInt(granule === 0 ? 2 : granule === 1 ? 1 : 3) << 30n) |
    (BigInt(choose(4, 5, 6)) << 32n) |
    some(10, (3n << 51n) | (3n << 55n));
  // Start levels of stage 2 with the sizes that they can resolve: [TG0, SL0, fewest and most bits].
  const [tg, sl0, least, most] = choose(
    [0, 3, 16, 25],
    [0, 0, 25, 34],
    [0, 1, 31, 43],
    [0, 2, 40, 48],
    [1, 0, 17, 33],
    [1, 1, 30, 46],
    [1, 2, 43, 52],
    [2, 0, 16, 29],
    [2, 1, 26, 40],
    [2, 2, 37, 48],
  ) as [number, number, number, number];
  const size = least + r.below(most - least + 1);
  const ps = size > 44 ? (tg === 1 && size > 48 ? 6 : 5) : choose(4, 5);
  const vtcrOfMax =
    (vtcr! & (1n << 31n)) |
    BigInt(64 - size) |
    (BigInt(sl0) << 6n) |
    (BigInt(tg) << 14n) |
    (BigInt(ps) << 16n);
  const upper = r.below(2) === 1;
  const span = (1n << BigInt(upper ? high : low)) - 1n;
  let va = upper ? BigInt.asUintN(64, (r.bits64() & span) | ~span) : r.bits64() & span;
  if (r.below(100) < 5) va ^= 1n << BigInt(40 + r.below(24));
  const cleared = (v: bigint): bigint => v & ((1n << 46n) - 1n);
  return [
    ...[sctlr!, tcrOfMax, cleared(ttbr0!), cleared(ttbr1!), mair!, hcr! | some(30, 1n << 46n)],
    ...[vtcrOfMax, cleared(vttbr!), va, operation!],
  ];
}

/** The registers of a case, the address and the number of the operation. */
function randomCase(r: Random): bigint[] {
  const chance = (percent: number): bigint => (r.below(100) < percent ? 1n : 0n);
  const size = (): bigint => BigInt(r.below(100) < 95 ? 16 + r.below(24) : r.below(64));
  const base = (): bigint => (TABLES + (BigInt(r.below(TABLE_BYTES >> 16)) << 16n)) | (chance(3) << 46n);
  const large = r.below(4) === 0;
  const tcr =
    size() |
    (chance(4) << 7n) |
    ((large ? 1n : 0n) << 14n) |
    (size() << 16n) |
    (chance(4) << 23n) |
    ((large ? 3n : 2n) << 30n) |
    (BigInt(r.below(100) < 80 ? 4 : r.below(6)) << 32n) |
    (chance(30) << 37n) |
    (chance(30) << 38n);
  // Stage 2 in the forms that the Arm ARM defines: an input no larger than the output, a start level that fits it.
  const big2 = r.below(5) === 0;
  const ps = BigInt(r.below(100) < 80 ? 4 : r.below(5));
  const sl0 = r.below(100) < 90 ? 1 + r.below(2) : r.below(3);
  const fitting = big2 ? 22 + r.below(12) : sl0 === 1 ? 25 + r.below(9) : 20 + r.below(5);
  const vtcr = BigInt(fitting) | (BigInt(sl0) << 6n) | ((big2 ? 1n : 0n) << 14n) | (ps << 16n) | (1n << 31n);
  let mair = 0n;
  for (let i = 0n; i < 8n; i++)
    mair |= BigInt([0xff, 0x44, 0x00, 0x04, 0xbb, 0x4f, 0xf4, 0x0c][r.below(8)]!) << (8n * i);
  const sctlr = 0x30d00800n | chance(92) | (chance(15) << 19n);
  const vm = chance(70);
  const hcr = (1n << 31n) | vm | ((vm & chance(20)) << 2n) | (chance(5) << 12n);
  const upper = r.below(2) === 1;
  const bits = Math.min(48, 64 - Number((tcr >> (upper ? 16n : 0n)) & 0x3fn));
  let va = r.bits64() & ((1n << BigInt(bits)) - 1n);
  if (upper) va = BigInt.asUintN(64, va | (-1n << BigInt(bits)));
  if (r.below(100) < 10) va ^= 1n << BigInt(40 + r.below(24));
  return [sctlr, tcr, base(), base(), mair, hcr, vtcr, base(), va, BigInt(r.below(operations.length))];
}

function runQemu(cpu: Cpu, tableBytes: Uint8Array, cases: readonly bigint[][]): BigUint64Array {
  const dir = mkdtempSync(join(tmpdir(), 'mmu-qemu-'));
  try {
    const run = (tool: string, args: string[], timeout = 60000): void => {
      const p = spawnSync(tool, args, { cwd: dir, encoding: 'utf8', timeout });
      assert.equal(p.status, 0, `${tool}: ${p.stderr}${p.error ? String(p.error) : ''}`);
    };
    writeFileSync(join(dir, 'p.s'), program);
    writeFileSync(join(dir, 'tables.bin'), tableBytes);
    const words = new BigUint64Array(cases.flat());
    writeFileSync(join(dir, 'cases.bin'), new Uint8Array(words.buffer));
    run('aarch64-linux-gnu-as', ['-o', 'p.o', 'p.s']);
    run('aarch64-linux-gnu-ld', ['-Ttext=0x42000000', '-o', 'p.elf', 'p.o']);
    run('qemu-system-aarch64', [
      ...[
        '-M',
        'virt,virtualization=on,gic-version=3',
        '-cpu',
        cpu,
        '-m',
        '512',
        '-nodefaults',
        '-display',
        'none',
      ],
      ...['-monitor', 'none', '-serial', 'none', '-semihosting-config', 'enable=on,target=native'],
      ...['-device', 'loader,file=p.elf,cpu-num=0'],
      ...['-device', `loader,file=tables.bin,addr=${TABLES},force-raw=on`],
      ...['-device', `loader,file=cases.bin,addr=${CASES},force-raw=on`],
    ]);
    const out = readFileSync(join(dir, 'results.bin'));
    return new BigUint64Array(out.buffer.slice(out.byteOffset, out.byteOffset + out.length));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/**
 * PAR_EL1 without what QEMU 7.2 gets wrong (against DDI 0487 D17.2.111): for a fault on a walk it gives the level of
 * stage 1 instead of stage 2's, and for Device and Normal non-cacheable memory the shareability of the table.
 */
function comparable(par: bigint): bigint {
  if (par & 1n) return par & (1n << 8n) ? par & ~6n : par;
  const memory = par >> 56n;
  // A Device type of one stage with Normal inner non-cacheable memory of the other becomes nGnRE there.
  if (memory > 0n && memory < 0x10n) return (par & ~((0xcn << 56n) | 0x180n)) | (4n << 56n);
  return memory < 0x10n || memory === 0x44n ? par & ~0x180n : par;
}

/**
 * With HCR_EL2.FWB a Device type of stage 2 is the result there, even where stage 1 has a stricter one, and what is reserved
 * (MemAttr = 4 or more than 7) is Device-nGnRnE. Where stage 2 makes Normal memory of a Device type of stage 1, QEMU has the
 * shareability of the table here, too.
 */
function withFwb(hcr: bigint, ours: bigint, theirs: bigint): [bigint, bigint] {
  const fwb = ((hcr >> 46n) & 1n) === 1n;
  const isDevice = (par: bigint): boolean => par >> 56n < 0x10n;
  if (!fwb || ((ours | theirs) & 1n) !== 0n) return [ours, theirs];
  const mask = isDevice(ours) || isDevice(theirs) ? ~((0xffn << 56n) | 0x180n) : ~0x180n;
  return [ours & mask, theirs & mask];
}

/** QEMU 7.2 takes block descriptors at levels that have none (level 0; level 1 with 64 KiB pages). */
function usesReservedBlock(cpu: Cpu, values: readonly bigint[], name: string, read: ReadWord): boolean {
  const [sctlr, tcr, ttbr0, ttbr1, mair, hcr, vtcr, vttbr, va] = values as [
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
    bigint,
  ];
  let met = false;
  const onReservedBlock = (): void => void (met = true);
  const access = { write: name.endsWith('w'), exec: false, user: name.includes('e0') };
  const set = {
    sctlr,
    tcr,
    ttbr0,
    ttbr1,
    mair,
    hcr,
    vtcr,
    vttbr,
    sctlrEl2: 0n,
    pan: false,
    ...(cpu === 'max' ? { paBits: 52, has: { max: true, hpds: true, xnx: true } } : { paBits: 44 }),
    onReservedBlock,
  };
  modelTranslate(set, read, va, access);
  return met;
}

describe('AT against QEMU', function () {
  for (const cpu of ['cortex-a57', 'max'] as const) {
    it(`gives the same PAR_EL1 on ${cpu} for random tables, registers and addresses`, function () {
      requireTool(this, 'qemu-system-aarch64', 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld');
      const r = new Random(seed);
      const tableBytes = tables(r, cpu);
      const cases = Array.from({ length: COUNT }, () =>
        cpu === 'max' ? ofMax(r, randomCase(r)) : randomCase(r),
      );
      const theirs = runQemu(cpu, tableBytes, cases);
      const c = new SystemCpu(cpu, true, TABLE_BYTES).at(2);
      new Uint8Array(c.memory.buffer).set(tableBytes, c.ramAt(0x40000000n));
      c.set(common.ramBase, TABLES);
      const view = new DataView(tableBytes.buffer);
      const read = (pa: bigint): bigint | undefined =>
        pa >= TABLES && pa < TABLES + BigInt(TABLE_BYTES)
          ? view.getBigUint64(Number(pa - TABLES), true)
          : undefined;
      let successes = 0;
      let skipped = 0;
      const wrong: string[] = [];
      cases.forEach((values, i) => {
        registers.forEach((name, n) => c.setReg(name, values[n]!));
        c.setX(8, values[8]!);
        const [name, op1, op2] = operations[Number(values[9]!)]!;
        c.exec((0xd5087800 | (op1 << 16) | (op2 << 5) | 8) >>> 0);
        const mine = c.reg('PAR_EL1');
        if (usesReservedBlock(cpu, values, name, read)) {
          skipped++;
          return;
        }
        if ((mine & 1n) === 0n) successes++;
        const [own, other] = withFwb(values[5]!, mine, theirs[i]!);
        if (comparable(own) === comparable(other)) return;
        const all = registers.map((reg, n) => `${reg}=0x${values[n]!.toString(16)}`).join(' ');
        wrong.push(
          `${i}: at ${name}, 0x${values[8]!.toString(16)}: 0x${mine.toString(16)}, QEMU 0x${theirs[i]!.toString(16)} (${all})`,
        );
      });
      assert.equal(wrong.length, 0, `SEED=${seed}: ${wrong.length} differ\n${wrong.slice(0, 10).join('\n')}`);
      assert.ok(successes > COUNT / 20, `only ${successes} successes`);
      assert.ok(skipped < COUNT / 2, `${skipped} skipped`);
    });
  }
});
