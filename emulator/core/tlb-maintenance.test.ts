import assert from 'node:assert/strict';
import { dataPlace, fetchPlace, INVALID_TAG, placeMask, Tlb } from '../codegen/tlb';
import { random } from '../dev/testing/bench';
import { CpuState } from './cpu-state';
import { KeptTranslations } from './kept-translations';
import { layoutMemory } from './layout';
import { TlbMaintenance } from './tlb-maintenance';
import { TlbTables } from './tlb-tables';

const layout = layoutMemory(4096, 1, 1 << 20);
const bank = 3;
const block = layout.cpuBase;
const at = block + layout.tlb.banks + bank * Tlb.bankBytes;
const KEY = { mask: 0xffff_0000_ffff_0000n, value: 0x1234_0000_5678_0000n };

interface Entry {
  readonly e: number;
  readonly tag: bigint;
  readonly size: number;
}

interface Rig {
  readonly view: DataView;
  readonly tlb: TlbMaintenance;
  readonly tables: TlbTables;
}

function rig(): Rig {
  const view = new DataView(new ArrayBuffer(layout.cpuBase + layout.cpuStride));
  const tlb = new TlbMaintenance(view, layout, new KeptTranslations(new CpuState(view, layout), []));
  tlb.reset(0);
  return { view, tlb, tables: new TlbTables(view, layout) };
}

/**
 * A bank of tables of one size or another, with entries for random pages near `va`, some with flags, of mappings of random
 * size; the pieces of larger mappings are noted as generated code does it.
 */
function fill({ view, tables }: Rig, rnd: (below: number) => number, va: bigint, large: boolean): Entry[] {
  tables.empty(block, bank);
  const entries = [Tlb.fewest, 4096, Tlb.most][rnd(3)]!;
  const mask = placeMask(entries);
  view.setUint32(block + layout.tlb.masks + 4 * bank, mask, true);
  tables.ofBank(block, bank, (from, end) => tables.clear(from, end));
  view.setBigUint64(
    block + layout.tlb.keys + bank * Tlb.keyBytes,
    KEY.value | (0xabc_0000_0def_0000n >> 16n),
    true,
  );
  const made = new Map<number, Entry>();
  let blocks = 0n;
  for (let n = 0; n < 2000; n++) {
    const size = [0, 12, 12, 16, 21, 25, 30, 39, 48][rnd(large ? 9 : 3)] ?? 12;
    const near = rnd(2) ? 1n << BigInt(rnd(52)) : BigInt(rnd(2 ** rnd(13)));
    const page = (va ^ (near << 12n)) & ~0xfffn;
    const [low, high] = [Number(page & 0xffffffffn), Number(page >> 32n)];
    const place = dataPlace(low, high, mask);
    const e = at + [Tlb.readAt + place, Tlb.writeAt + place, Tlb.fetchAt + fetchPlace(low)][rnd(3)]!;
    if (size > 12) blocks |= size > 21 ? INVALID_TAG : 1n << ((page >> 21n) & 63n);
    const tag = page | BigInt(rnd(16));
    view.setBigUint64(e, tag, true);
    view.setUint8(e + Tlb.size, size);
    made.set(e, { e, tag, size });
  }
  view.setBigUint64(block + layout.tlb.blocks + 8 * bank, blocks, true);
  return [...made.values()];
}

const anyVa = (rnd: (below: number) => number): bigint =>
  BigInt.asUintN(64, (BigInt(rnd(2 ** 31)) << 33n) ^ (BigInt(rnd(2 ** 31)) << 5n));

describe('TLB maintenance', () => {
  it('drops every piece of a mapping that contains the address, and nothing else', () => {
    const rnd = random(7);
    const r = rig();
    let dropped = 0;
    for (let round = 0; round < 60; round++) {
      const va = anyVa(rnd);
      const entries = fill(r, rnd, va, round % 2 === 0);
      r.tlb.invalidate(0, { bank: KEY, va });
      for (const { e, tag, size } of entries) {
        const by = BigInt(Math.max(12, size));
        const meant = BigInt.asUintN(56, tag) >> by === BigInt.asUintN(56, va) >> by;
        if (meant) dropped++;
        const now = r.view.getBigUint64(e, true);
        assert.equal(
          now,
          meant ? INVALID_TAG : tag,
          `${tag.toString(16)} size ${size} va ${va.toString(16)}`,
        );
      }
    }
    assert.ok(dropped > 1000);
  });

  it('drops every piece of a mapping that meets a range, and nothing else', () => {
    const rnd = random(8);
    const r = rig();
    let [dropped, kept] = [0, 0];
    for (let round = 0; round < 60; round++) {
      const va = anyVa(rnd);
      const entries = fill(r, rnd, va, round % 2 === 0);
      const from = BigInt.asUintN(56, va) & ~0xfffn;
      const bytes = 4096n << BigInt(rnd(24));
      r.tlb.invalidate(0, { bank: KEY, va: from, bytes });
      for (const { e, tag, size } of entries) {
        const by = BigInt(Math.max(12, size));
        const start = (BigInt.asUintN(56, tag) >> by) << by;
        const meant = start < from + bytes && start + (1n << by) > from;
        if (meant) dropped++;
        else kept++;
        const now = r.view.getBigUint64(e, true);
        assert.equal(
          now,
          meant ? INVALID_TAG : tag,
          `${tag.toString(16)} size ${size} from ${from.toString(16)}`,
        );
      }
    }
    assert.ok(dropped > 1000 && kept > 1000);
  });

  it('empties the banks that are meant, and makes them small again', () => {
    const r = rig();
    const valid = (entries: readonly Entry[]): number =>
      entries.filter(({ e }) => r.view.getBigUint64(e, true) !== INVALID_TAG).length;
    const rnd = random(9);
    let entries = fill(r, rnd, anyVa(rnd), false);
    for (const bit of [16n, 31n, 48n, 63n]) {
      const other = { ...KEY, value: KEY.value ^ (1n << bit) };
      r.tlb.invalidate(0, { bank: other });
    }
    assert.equal(valid(entries), entries.length);
    r.tlb.invalidate(0, { bank: KEY });
    r.tables.ofBank(block, bank, (from, end) => {
      for (let e = from; e < end; e += Tlb.entryBytes)
        assert.equal(r.view.getBigUint64(e, true), INVALID_TAG);
    });
    assert.equal(r.tables.mask(block, bank), placeMask(Tlb.fewest));
    entries = fill(r, rnd, anyVa(rnd), false);
    r.tlb.dropData(0);
    const isFetch = ({ e }: Entry): boolean => e >= at + Tlb.fetchAt;
    assert.deepEqual([valid(entries.filter((x) => !isFetch(x))), valid(entries) > 0], [0, true]);
  });
});
