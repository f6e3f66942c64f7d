/**
 * Loads, stores and fetches through random tables of one and two stages, at EL0, EL1 and EL2, and AT: the values read,
 * or the syndrome with FAR and HPFAR. A model of the walk keeps accesses away from memory that the runner needs.
 */
import {
  modelTranslate,
  type MmuAccess,
  type MmuRegisters,
} from '../../emulator/isa/a64/system-tests/mmu-model';
import type { Case } from './batch';
import type { Kind } from './campaign';
import { CaseBuilder, HCR_RW, HCR_VM, type Mode } from './cases';
import { Tables } from './mmu-tables';
import { CaseFlag, memory } from './record';
import type { Rng } from './rng';

const PA_BITS = 44;
/** Between RAM and this address there is nothing on either board. */
const NO_DEVICES = 1n << 38n;
const NONE: MmuAccess = { write: false, exec: false, user: false };

interface Probe {
  readonly words: readonly number[];
  readonly write?: boolean;
  readonly exec?: boolean;
  readonly unprivileged?: boolean;
  readonly at?: boolean;
  /** Permissions do not count: only memory that may be executed is safe. */
  readonly fetch?: boolean;
}

const ISB = 0xd5033fdf;
const MRS_PAR = 0xd5387401;

/** X0 is the address, X1 and X2 what is loaded and stored. */
const probes: readonly Probe[] = [
  { words: [0xf9400001] }, // ldr x1, [x0]
  { words: [0xb9800001] }, // ldrsw x1, [x0]
  { words: [0x79c00001] }, // ldrsh w1, [x0]
  { words: [0x39400001] }, // ldrb w1, [x0]
  { words: [0xa9400801] }, // ldp x1, x2, [x0]
  { words: [0x3dc00001] }, // ldr q1, [x0]
  { words: [0xc85f7c01] }, // ldxr x1, [x0]
  { words: [0x88dffc01] }, // ldar w1, [x0]
  { words: [0xf8400801], unprivileged: true }, // ldtr x1, [x0]
  { words: [0xf9000001], write: true }, // str x1, [x0]
  { words: [0xb9000001], write: true }, // str w1, [x0]
  { words: [0x39000001], write: true }, // strb w1, [x0]
  { words: [0xa9000801], write: true }, // stp x1, x2, [x0]
  { words: [0xc89ffc01], write: true }, // stlr x1, [x0]
  { words: [0xf8000801], write: true, unprivileged: true }, // sttr x1, [x0]
  { words: [0xd50b7420], write: true }, // dc zva, x0
  { words: [0xd61f0000], exec: true }, // br x0
  { words: [0xd61f0000], exec: true },
];

/** AT S1E1R, S1E1W, S1E0R, S1E0W with the result. */
const atEl1: readonly Probe[] = [0xd5087800, 0xd5087820, 0xd5087840, 0xd5087860].map((w) => ({
  words: [w, ISB, MRS_PAR],
  at: true,
}));
/** And those of EL2: S12E1R to S12E0W, S1E2R, S1E2W. */
const atEl2: readonly Probe[] = [
  ...atEl1,
  ...[0xd50c7880, 0xd50c78a0, 0xd50c78c0, 0xd50c78e0, 0xd50c7800, 0xd50c7820].map((w) => ({
    words: [w, ISB, MRS_PAR],
    at: true,
  })),
];

/** An address of the upper or lower range of so many bits, the lowest 21 mostly inside what blocks map. */
function address(rng: Rng, bits: number, upper: boolean): bigint {
  let va = rng.bits64() & ~63n;
  // A 1 GiB block at 0x40000000 leads to the playground with these.
  if (rng.oneIn(2)) va = (va & ~0x3fffffffn) | (BigInt(memory.playground - 0x40000000) + (va & 0x3fffc0n));
  va &= (1n << BigInt(bits)) - 1n;
  if (upper) va |= -1n << BigInt(bits);
  // All stay aligned: QEMU has no alignment faults for Device memory.
  if (rng.oneIn(20)) va ^= 1n << BigInt(6 + rng.below(58));
  return BigInt.asUintN(64, va);
}

/** Is it safe to make this access? Only where it faults or reaches what it may reach. */
function allowed(tables: Tables, regs: MmuRegisters, va: bigint, p: Probe, user: boolean): boolean {
  let unknown = false;
  let reserved = false;
  const read = (pa: bigint): bigint | undefined => {
    const v = tables.read(pa);
    // Other memory has its own contents, and the boards' devices differ.
    if (v === undefined && (pa < BigInt(memory.end) || pa >= NO_DEVICES)) unknown = true;
    return v;
  };
  const set = { ...regs, onReservedBlock: (): void => void (reserved = true) };
  const access: MmuAccess = { ...NONE, write: p.write ?? false, exec: p.exec ?? false, user };
  const r = modelTranslate(set, read, va, access);
  // QEMU takes block descriptors at levels that have none.
  if (unknown || reserved) return false;
  if (p.fetch && 'fault' in r && r.fault === 'permission') return false;
  if ('fault' in r || p.at) return true;
  if (tables.inPlayground(r.pa)) return true;
  if (p.exec || p.fetch) return false;
  if (tables.inTables(r.pa)) return !p.write;
  return r.pa >= BigInt(memory.end) && r.pa < NO_DEVICES;
}

const mairValues = [0xff, 0x44, 0x00, 0x04, 0xbb, 0x4f, 0xf4, 0x0c];

function randomMair(rng: Rng): bigint {
  return mairValues.reduce((v, _, i) => v | (BigInt(rng.pick(mairValues)) << BigInt(8 * i)), 0xffn) | 0xffn;
}

function el1Case(rng: Rng, kind: string, tables: Tables, stage2: boolean): Case | undefined {
  const mode: Mode = rng.pick(['EL1h', 'EL1h', 'EL0t', 'EL2h'] as const);
  const c = new CaseBuilder(kind, mode).randomize(rng).flag(CaseFlag.flush);
  const t1sz = rng.oneIn(20) ? rng.below(64) : 16 + rng.below(24);
  // Attribute 0 stays write-back for the lower range, which holds the code.
  c.set('MAIR_EL1', (randomMair(rng) & ~0xffn) | 0xffn);
  c.update('TCR_EL1', BigInt(t1sz) << 16n, (0x3fn << 16n) | (1n << 23n));
  c.update('TCR_EL1', BigInt(rng.oneIn(4) ? 1 + rng.below(4) : 4) << 32n, 7n << 32n);
  if (rng.oneIn(3)) c.update('TCR_EL1', 1n << 38n);
  if (rng.oneIn(12)) c.update('TCR_EL1', 1n << 23n);
  if (rng.oneIn(5)) c.update('SCTLR_EL1', 1n << 19n);
  c.set('TTBR1_EL1', tables.root() | (rng.oneIn(30) ? 1n << 46n : 0n) | (BigInt(rng.below(4)) << 48n));
  if (stage2) {
    const root = rng.pick(tables.stage2Roots);
    const [from, to] = root.t0sz;
    const t0sz = from + rng.below(to - from + 1);
    const ps = rng.oneIn(4) ? Math.max(2, rng.below(5)) : 4;
    c.set('HCR_EL2', HCR_RW | HCR_VM | (rng.oneIn(5) ? 4n : 0n));
    // The input must not be larger than the output; the start level must fit it.
    const bits = [32, 36, 40, 42, 44][ps]!;
    const fits = 64 - t0sz <= bits && (root.sl0 !== 2 || bits >= 44);
    c.set('VTCR_EL2', (1n << 31n) | BigInt(t0sz) | (BigInt(root.sl0) << 6n) | (BigInt(fits ? ps : 4) << 16n));
    c.set('VTTBR_EL2', root.vttbr | (BigInt(rng.below(4)) << 48n));
  }
  const p =
    rng.oneIn(4) || mode === 'EL2h'
      ? rng.pick(mode === 'EL2h' ? atEl2 : mode === 'EL0t' ? probes : atEl1)
      : rng.pick(probes);
  const va = address(rng, Math.min(48, 64 - t1sz), true);
  const regs: MmuRegisters = {
    sctlr: c.get('SCTLR_EL1'),
    tcr: c.get('TCR_EL1'),
    ttbr0: c.get('TTBR0_EL1'),
    ttbr1: c.get('TTBR1_EL1'),
    mair: c.get('MAIR_EL1'),
    hcr: c.get('HCR_EL2'),
    vtcr: c.get('VTCR_EL2'),
    vttbr: c.get('VTTBR_EL2'),
    sctlrEl2: 0n,
    pan: false,
    paBits: PA_BITS,
  };
  if (!allowed(tables, regs, va, p, mode === 'EL0t' || (p.unprivileged ?? false))) return undefined;
  c.note = `at 0x${va.toString(16)}`;
  return c
    .x(0, va)
    .emit(...p.words)
    .done();
}

function el2Case(rng: Rng, kind: string, tables: Tables): Case | undefined {
  const c = new CaseBuilder(kind, 'EL2h').randomize(rng).flag(CaseFlag.flush | CaseFlag.el2Regime);
  const root = rng.pick(tables.el2Roots);
  const [from, to] = root.t0sz;
  const t0sz = from + rng.below(to - from + 1);
  const ps = BigInt(rng.oneIn(4) ? rng.below(5) : 4);
  const tbi = rng.oneIn(3) ? 1n : 0n;
  const mair = (randomMair(rng) & ~0xffn) | 0xffn;
  const wxn = rng.oneIn(5) ? 1n << 19n : 0n;
  c.set('TCR_EL2', 0x80800000n | (ps << 16n) | (tbi << 20n) | BigInt(t0sz));
  c.set('TTBR0_EL2', root.ttbr)
    .set('MAIR_EL2', mair)
    .set('SCTLR_EL2', 0x30c51835n | wxn);
  const p = rng.pick([...probes, ...atEl2.slice(-2)]);
  const va = address(rng, 64 - t0sz, false);
  // Not over the runner.
  if (va >= 0x40000000n && va < 0x80000000n) return undefined;
  const regs: MmuRegisters = {
    sctlr: 1n | wxn,
    // As TCR_EL1: nothing in the upper range, tags, size of the output.
    tcr: BigInt(t0sz) | (1n << 23n) | (16n << 16n) | (ps << 32n) | (tbi << 37n),
    ttbr0: root.ttbr,
    ttbr1: 0n,
    mair,
    hcr: 0n,
    vtcr: 0n,
    vttbr: 0n,
    sctlrEl2: 0n,
    pan: false,
    paBits: PA_BITS,
  };
  // With one privilege level XN and AP mean something else than in the model, so a fetch asks only where it leads.
  if (!allowed(tables, regs, va, p.exec ? { ...p, exec: false, fetch: true } : p, false)) return undefined;
  c.note = `at 0x${va.toString(16)}`;
  return c
    .x(0, va)
    .emit(...p.words)
    .done();
}

const kind = (name: string, make: (rng: Rng, name: string, tables: Tables) => Case | undefined): Kind => ({
  name,
  make: (rng, count) => {
    const tables = new Tables(rng);
    const cases: Case[] = [];
    for (let tries = 0; cases.length < count && tries < 20 * count; tries++) {
      const c = make(rng, name, tables);
      if (c) cases.push(c);
    }
    return { cases, blobs: tables.blobs() };
  },
});

export const mmuKinds: readonly Kind[] = [
  kind('accesses through random stage 1 tables', (rng, name, tables) => el1Case(rng, name, tables, false)),
  kind('accesses through random tables of both stages', (rng, name, tables) =>
    el1Case(rng, name, tables, true),
  ),
  kind("accesses through EL2's own random tables", el2Case),
];
