/** The two-stage walker against an obvious model, over random tables and registers. */
import assert from 'node:assert/strict';
import { Random, seed } from '../../../../test/support/random';
import { common, MemAttr } from '../../../ir/state';
import { Acc } from '../../dsl/isa';
import { RegimeCode, translateIn } from '../mmu/mmu';
import { translateAs } from '../mmu/at';
import { state } from '../state';
import { RAM_BASE, SystemCpu } from './cpu';
import { modelTranslate, type MmuFault, type MmuRegisters, type MmuResult } from './mmu-model';

const RAM_BYTES = 0x200000;

/** Fills RAM with descriptors: mostly valid ones that point to other tables and pages in RAM. */
function fillTables(c: SystemCpu, r: Random): void {
  const first = c.ramAt(RAM_BASE);
  for (let at = 0; at < RAM_BYTES; at += 8) {
    const kind = r.below(100) < 4 ? r.below(3) : r.below(100) < 72 ? 3 : 1;
    // Aligned for all granules most of the time; sometimes outside RAM or above the address size.
    const far = r.below(100);
    const page = BigInt(r.below(RAM_BYTES >> 12)) << 12n;
    const target = far < 93 ? RAM_BASE + page : far < 97 ? page : (BigInt(r.below(0x10000)) << 32n) | page;
    let d = target | BigInt(kind);
    // Access flag, AP, S2AP, shareability, MemAttr; upper attributes.
    d |= BigInt(r.below(100) < 90 ? 1 << 10 : 0) | BigInt(r.below(256) << 2);
    if (r.below(100) < 70) d |= 0xc0n;
    d |= BigInt(r.below(4)) << 8n;
    if (r.below(100) < 15) d |= BigInt(r.below(4)) << 53n;
    if (kind === 3 && r.below(100) < 5) d |= BigInt(r.below(32)) << 59n;
    c.memory.setBigUint64(first + at, d, true);
  }
}

function randomRegisters(r: Random, paBits: number): MmuRegisters {
  const chance = (percent: number): bigint => (r.below(100) < percent ? 1n : 0n);
  const size = (): bigint => BigInt(r.below(100) < 92 ? 16 + r.below(24) : r.below(64));
  const base = (): bigint =>
    (RAM_BASE + (BigInt(r.below(RAM_BYTES >> 16)) << 16n)) |
    (chance(3) << 46n) |
    (BigInt(r.below(65536)) << 48n);
  const granule0 = (): bigint => BigInt([0, 0, 0, 1, 2][r.below(5)]!);
  const tcr =
    size() |
    (chance(4) << 7n) |
    (granule0() << 14n) |
    (size() << 16n) |
    (chance(4) << 23n) |
    (BigInt([2, 2, 2, 3, 1][r.below(5)]!) << 30n) |
    (BigInt(r.below(100) < 80 ? 5 : r.below(8)) << 32n) |
    (chance(30) << 37n) |
    (chance(30) << 38n);
  // Start level and size of stage 2 that fit each other most of the time.
  const sl0 = r.below(100) < 90 ? 1 + r.below(2) : r.below(4);
  const fitting = sl0 === 1 ? 25 + r.below(9) : 16 + r.below(9);
  const vtcr =
    BigInt(r.below(100) < 85 ? fitting : r.below(64)) |
    (BigInt(sl0) << 6n) |
    ((r.below(100) < 70 ? 0n : granule0()) << 14n) |
    (BigInt(r.below(100) < 80 ? 5 : r.below(8)) << 16n);
  let mair = 0n;
  for (let i = 0n; i < 8n; i++)
    mair |= BigInt([0xff, 0x44, 0x00, 0x04, 0xbb, 0x4f, 0xf4, 0x0c][r.below(8)]!) << (8n * i);
  return {
    sctlr: chance(90) | (chance(15) << 19n) | (chance(10) << 25n),
    tcr,
    ttbr0: base(),
    ttbr1: base(),
    mair,
    hcr: chance(70) | (chance(20) << 2n) | (chance(5) << 12n) | (chance(3) << 27n),
    vtcr,
    vttbr: base(),
    sctlrEl2: chance(10) << 25n,
    pan: chance(20) === 1n,
    paBits,
  };
}

function load(c: SystemCpu, m: MmuRegisters): void {
  c.setReg('SCTLR_EL1', m.sctlr);
  c.setReg('TCR_EL1', m.tcr);
  c.setReg('TTBR0_EL1', m.ttbr0);
  c.setReg('TTBR1_EL1', m.ttbr1);
  c.setReg('MAIR_EL1', m.mair);
  c.setReg('HCR_EL2', m.hcr);
  c.setReg('VTCR_EL2', m.vtcr);
  c.setReg('VTTBR_EL2', m.vttbr);
  c.setReg('SCTLR_EL2', m.sctlrEl2);
  c.set(state.pan, m.pan ? 1n : 0n);
  c.set(state.paBits, BigInt(m.paBits));
}

/** An address that the registers translate most of the time. */
function randomAddress(r: Random, m: MmuRegisters): bigint {
  const upper = r.below(2) === 1;
  const tsz = Number((m.tcr >> (upper ? 16n : 0n)) & 0x3fn);
  const bits = Math.min(48, Math.max(12, 64 - tsz));
  const off = r.bits64();
  const low =
    (m.sctlr & 1n) === 0n ? RAM_BASE + (off % BigInt(RAM_BYTES)) : off & ((1n << BigInt(bits)) - 1n);
  let va = upper && m.sctlr & 1n ? BigInt.asUintN(64, low | (-1n << BigInt(bits))) : low;
  if (r.below(100) < 10) va ^= 1n << BigInt(40 + r.below(24));
  return va;
}

/** What `max` has more: sizes beyond the usual ones, 52 bits with 64 KiB pages, TBID, E0PD, HCR_EL2.FWB. */
function ofMax(r: Random, m: MmuRegisters): MmuRegisters {
  const some = (percent: number, bits: bigint): bigint => (r.below(100) < percent ? r.bits64() & bits : 0n);
  let { tcr, vtcr } = withFeatures(r, m);
  if (r.below(3) === 0) {
    // 64 KiB pages everywhere, with as many bits as there are.
    const size = (): bigint => BigInt(10 + r.below(40));
    tcr = (tcr & ~0x7_c03f_c03fn) | size() | (size() << 16n) | (1n << 14n) | (3n << 30n) | (6n << 32n);
    vtcr =
      (vtcr & ~0x7c0ffn) | BigInt(10 + r.below(20)) | (BigInt(r.below(4)) << 6n) | (1n << 14n) | (6n << 16n);
  } else if (r.below(3) === 0) {
    // Small tables that start at level 3.
    tcr = (tcr & ~0x3f_003fn) | BigInt(38 + r.below(12)) | (BigInt(38 + r.below(12)) << 16n);
    vtcr = (vtcr & ~0xc0ffn) | BigInt(36 + r.below(14)) | (3n << 6n);
  }
  const wide = (ttbr: bigint): bigint => ttbr | some(10, 0x3cn);
  return {
    ...m,
    tcr: tcr | some(20, (3n << 51n) | (3n << 55n)),
    vtcr,
    ttbr0: wide(m.ttbr0),
    ttbr1: wide(m.ttbr1),
    vttbr: wide(m.vttbr),
    hcr: m.hcr | some(50, 1n << 46n),
    has: { hpds: true, xnx: true, hafdbs: true, max: true },
  };
}

/** The bits of Armv8.1 and later: HPD, HA, HD in TCR and VTCR. */
function withFeatures(r: Random, m: MmuRegisters): MmuRegisters {
  const some = (bits: bigint): bigint => r.bits64() & bits;
  return {
    ...m,
    tcr: m.tcr | some(15n << 39n),
    vtcr: m.vtcr | some(3n << 21n),
    has: { hpds: true, xnx: true, hafdbs: true },
  };
}

const codes: Readonly<Record<MmuFault['fault'], number>> = {
  addressSize: 0x00,
  translation: 0x04,
  accessFlag: 0x08,
  permission: 0x0c,
  external: 0x14,
};

describe('two-stage translation', function () {
  it('agrees with an obvious model on random tables', () => {
    const r = new Random(seed);
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 5; round++) {
      const c = new SystemCpu('cortex-a57', true, RAM_BYTES).at(1);
      fillTables(c, r);
      const read = (pa: bigint): bigint | undefined =>
        pa >= RAM_BASE && pa < RAM_BASE + BigInt(RAM_BYTES)
          ? c.memory.getBigUint64(c.ramAt(pa), true)
          : undefined;
      for (let n = 0; n < 120; n++) {
        const m = randomRegisters(r, [44, 40, 48, 44][r.below(4)]!);
        load(c, m);
        for (let k = 0; k < 3; k++) {
          const va = randomAddress(r, m);
          const kind = r.below(3);
          const access = { write: kind === 1, exec: kind === 2, user: r.below(2) === 1 };
          const acc = (access.write ? Acc.write : 0) | (access.exec ? Acc.exec : 0);
          const expected = modelTranslate(m, read, va, access);
          const got = Number(c.call(translateIn, va, acc, RegimeCode.el10, access.user ? 1 : 0));
          const what = `SEED=${seed} round ${round}.${n}.${k}: 0x${va.toString(16)} ${JSON.stringify(access)} ${JSON.stringify(
            m,
            (_key, v: unknown) => (typeof v === 'bigint' ? `0x${v.toString(16)}` : v),
          )}`;
          if ('fault' in expected) {
            const word =
              0x100 |
              codes[expected.fault] |
              expected.level |
              (expected.stage === 2 ? 0x40 : 0) |
              (expected.s1ptw ? 0x80 : 0);
            assert.equal(`0x${got.toString(16)}`, `0x${word.toString(16)}`, `${expected.fault}: ${what}`);
            if (expected.ipa !== undefined) assert.equal(c.get(state.faultIpa), expected.ipa, what);
          } else {
            assert.equal(`0x${got.toString(16)}`, '0x0', what);
            const seen: MmuResult = {
              pa: c.get(common.trPa),
              size: Number(c.get(common.trSize)),
              memory: Number(c.get(state.trMem)),
            };
            assert.deepEqual(seen, expected, what);
            const device = expected.memory >> 4 === 0;
            assert.equal(c.get(common.trAttr), device ? BigInt(MemAttr.device) : 0n, what);
          }
          const name =
            'fault' in expected
              ? `${expected.fault} stage ${expected.stage}${expected.s1ptw ? ' on a walk' : ''}`
              : 'success';
          outcomes.set(name, (outcomes.get(name) ?? 0) + 1);
        }
      }
    }
    // The generator must reach everything that can happen.
    const reached = [...outcomes.keys()];
    for (const stage of [1, 2]) {
      for (const fault of Object.keys(codes))
        assert.ok(
          reached.some((n) => n.startsWith(`${fault} stage ${stage}`)),
          `no ${fault} at stage ${stage}`,
        );
    }
    for (const fault of ['translation', 'permission'])
      assert.ok(reached.includes(`${fault} stage 2 on a walk`), `no ${fault} on a walk`);
    assert.ok((outcomes.get('success') ?? 0) > 100, `only ${outcomes.get('success')} successes`);
  });

  for (const [model, regime, what] of [
    ['cortex-a76', 'el10', 'access flag and dirty state, HPD, XNX'],
    ['cortex-a76', 'el20', 'the same'],
    ['max', 'el10', 'small and large address spaces, E0PD, FWB'],
    ['max', 'el20', 'the same'],
  ] as const) {
    it(`agrees with the model on ${model}, ${regime}: ${what}`, () => {
      const r = new Random(seed + 1n);
      const outcomes = new Map<string, number>();
      for (let round = 0; round < (model === 'max' ? 4 : 2); round++) {
        const c = new SystemCpu(model, true, RAM_BYTES).at(regime === 'el10' ? 1 : 2);
        fillTables(c, r);
        // DBM, and access flags that hardware must set.
        for (let at = 0; at < RAM_BYTES; at += 8) {
          const d = c.memory.getBigUint64(c.ramAt(RAM_BASE) + at, true);
          const dbm = r.below(2) === 0 ? 1n << 51n : 0n;
          const idle = r.below(4) === 0 ? 1n << 10n : 0n;
          c.memory.setBigUint64(c.ramAt(RAM_BASE) + at, (d | dbm) & ~idle, true);
        }
        const inRam = (pa: bigint): boolean => pa >= RAM_BASE && pa < RAM_BASE + BigInt(RAM_BYTES);
        for (let n = 0; n < 120; n++) {
          const updates: string[] = [];
          const written = new Map<bigint, bigint>();
          const m: MmuRegisters = {
            ...(model === 'max' ? ofMax(r, randomRegisters(r, 52)) : withFeatures(r, randomRegisters(r, 40))),
            // EL2&0 has no second stage, and TGE does not turn its first one off.
            ...(regime === 'el20' ? { hcr: 0n, sctlrEl2: 0n } : {}),
            onUpdate: (pa, v) => {
              updates.push(`${pa.toString(16)} ${v.toString(16)}`);
              written.set(pa, v);
            },
          };
          const read = (pa: bigint): bigint | undefined =>
            written.get(pa) ?? (inRam(pa) ? c.memory.getBigUint64(c.ramAt(pa), true) : undefined);
          load(c, regime === 'el20' ? { ...m, vttbr: 0n } : m);
          if (regime === 'el20') {
            c.setReg('HCR_EL2', (1n << 34n) | (r.below(2) === 0 ? 1n << 27n : 0n));
            c.setReg('SCTLR_EL2', m.sctlr);
            c.setReg('TCR_EL2', m.tcr);
            c.setReg('TTBR0_EL2', m.ttbr0);
            c.setReg('TTBR1_EL2', m.ttbr1);
            c.setReg('MAIR_EL2', m.mair);
          }
          const va = randomAddress(r, m);
          const kind = r.below(3);
          const access = { write: kind === 1, exec: kind === 2, user: r.below(2) === 1 };
          const acc = (access.write ? Acc.write : 0) | (access.exec ? Acc.exec : 0);
          const expected = modelTranslate(m, read, va, access);
          const seen: string[] = [];
          c.onHost = () =>
            void seen.push(
              `${c.get(state.descriptorPa).toString(16)} ${c.get(state.descriptor).toString(16)}`,
            );
          const got = Number(c.call(translateIn, va, acc, RegimeCode[regime], access.user ? 1 : 0));
          const where = `SEED=${seed} round ${round}.${n}: 0x${va.toString(16)} ${JSON.stringify(access)} ${JSON.stringify(
            m,
            (_key, v: unknown) => (typeof v === 'bigint' ? `0x${v.toString(16)}` : v),
          )}`;
          const word =
            'fault' in expected
              ? 0x100 |
                codes[expected.fault] |
                expected.level |
                (expected.stage === 2 ? 0x40 : 0) |
                (expected.s1ptw ? 0x80 : 0)
              : 0;
          assert.equal(`0x${got.toString(16)}`, `0x${word.toString(16)}`, where);
          if (!('fault' in expected)) {
            assert.equal(c.get(common.trPa), expected.pa, where);
            assert.equal(Number(c.get(state.trMem)), expected.memory, where);
          }
          assert.deepEqual(seen, updates, where);
          const name = 'fault' in expected ? expected.fault : updates.length > 0 ? 'update' : 'success';
          outcomes.set(name, (outcomes.get(name) ?? 0) + 1);
        }
      }
      for (const name of ['permission', 'translation', 'accessFlag', 'update', 'success'])
        assert.ok((outcomes.get(name) ?? 0) > 0, `${name}: ${outcomes.get(name)}`);
    });
  }

  it('translates for the debugger in any regime and leaves no trace', () => {
    const c = new SystemCpu('cortex-a57', true, RAM_BYTES).at(1);
    // Stage 1 off, stage 2 on: level 1 block of 1 GiB that maps IPA 0x80000000 to RAM.
    const table = RAM_BASE + 0x1000n;
    c.memory.setBigUint64(c.ramAt(table + 16n), RAM_BASE | 0x4fdn, true);
    c.setReg('HCR_EL2', (1n << 31n) | 1n);
    c.setReg('VTCR_EL2', 0x80050000n | 0x19n | (1n << 6n));
    c.setReg('VTTBR_EL2', table);
    const before = c.memory.buffer.slice(0);
    const look = (address: bigint, regime: number, flags = 0n): bigint[] => {
      c.set(common.mail, address, 0);
      c.set(common.mail, BigInt(regime), 1);
      c.set(common.mail, flags, 2);
      c.call(translateAs);
      return [0, 1, 2, 3].map((i) => c.get(common.mail, i));
    };
    const stage2 = look(0x80001234n, RegimeCode.stage2);
    assert.deepEqual(stage2.slice(0, 2), [0n, RAM_BASE + 0x1234n]);
    assert.equal(stage2[2]! & 0xffn, 30n);
    assert.equal(look(0x80001234n, 0)[1], RAM_BASE + 0x1234n, 'current: EL1');
    assert.equal(look(0x80001234n, RegimeCode.el2)[1], 0x80001234n, 'EL2 is flat');
    assert.equal(look(0x80001234n, RegimeCode.el10Stage1)[1], 0x80001234n);
    const fault = look(0xc0001234n, RegimeCode.el10, BigInt(Acc.write));
    assert.deepEqual([fault[0], fault[3]], [0x145n, 0xc0001234n]);
    for (let i = 0; i < 4; i++) c.set(common.mail, 0n, i);
    assert.deepEqual(new Uint8Array(c.memory.buffer), new Uint8Array(before));
  });
});
