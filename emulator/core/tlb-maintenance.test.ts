import assert from 'node:assert/strict';
import { INVALID_TAG, Tlb } from '../codegen/tlb';
import { random } from '../dev/testing/bench';
import { CpuState } from './cpu-state';
import { KeptTranslations } from './kept-translations';
import { layoutMemory } from './layout';
import { TlbMaintenance } from './tlb-maintenance';

const layout = layoutMemory(4096, 1, 1 << 20);
const bank = 3;
const at = layout.cpuBase + layout.tlb.banks + bank * Tlb.bankBytes;

/**
 * A bank in which every entry has a random tag near `va`, some with flags, and a random size of mapping. A page stands at
 * its place; the pieces of larger mappings are noted as generated code does it.
 */
function fill(view: DataView, rnd: (below: number) => number, va: bigint, large: boolean): bigint[] {
  const tags: bigint[] = [];
  let blocks = 0n;
  for (let e = at; e < at + Tlb.bankBytes; e += Tlb.entryBytes) {
    const size = [0, 12, 12, 16, 21, 25, 30, 39, 48][rnd(large ? 9 : 3)] ?? 12;
    const near = (va ^ (1n << BigInt(12 + rnd(52)))) & ~0xfffn;
    let page = rnd(3) ? near : va & ~0xfffn;
    if (size <= 12) {
      const place = BigInt(((e - at) / Tlb.entryBytes) % Tlb.entries);
      const own = (va & ~0xfffn) === (va & ~0xff000n & ~0xfffn) + (place << 12n);
      page = own && rnd(4) ? va & ~0xfffn : (page & ~0xff000n) | (place << 12n);
    } else blocks |= size > 21 ? INVALID_TAG : 1n << ((page >> 21n) & 63n);
    const tag = rnd(4) === 0 ? INVALID_TAG : page | BigInt(rnd(16));
    view.setBigUint64(e, tag, true);
    view.setUint8(e + Tlb.size, size);
    tags.push(tag);
  }
  view.setBigUint64(layout.cpuBase + layout.tlb.blocks + 8 * bank, blocks, true);
  return tags;
}

describe('TLB maintenance', () => {
  it('drops every piece of a mapping that contains the address, and nothing else', () => {
    const rnd = random(7);
    const view = new DataView(new ArrayBuffer(layout.cpuBase + layout.cpuStride));
    const tlb = new TlbMaintenance(view, layout, new KeptTranslations(new CpuState(view, layout), []));
    let dropped = 0;
    for (let round = 0; round < 200; round++) {
      const va = BigInt.asUintN(64, (BigInt(rnd(2 ** 31)) << 33n) ^ (BigInt(rnd(2 ** 31)) << 5n));
      const tags = fill(view, rnd, va, round % 2 === 0);
      const sizes = tags.map((_, i) => view.getUint8(at + i * Tlb.entryBytes + Tlb.size));
      view.setBigUint64(layout.cpuBase + layout.tlb.keys + bank * Tlb.keyBytes, 42n, true);
      tlb.invalidate(0, { bank: ([key]) => key === 42n, va });
      tags.forEach((tag, i) => {
        const size = BigInt(Math.max(12, sizes[i] ?? 12));
        const meant = BigInt.asUintN(56, tag) >> size === BigInt.asUintN(56, va) >> size;
        if (meant && tag !== INVALID_TAG) dropped++;
        const now = view.getBigUint64(at + i * Tlb.entryBytes, true);
        assert.equal(
          now,
          meant ? INVALID_TAG : tag,
          `${tag.toString(16)} size ${size} va ${va.toString(16)}`,
        );
      });
    }
    assert.ok(dropped > 1000);
  });

  it('drops every piece of a mapping that meets a range, and nothing else', () => {
    const rnd = random(8);
    const view = new DataView(new ArrayBuffer(layout.cpuBase + layout.cpuStride));
    const tlb = new TlbMaintenance(view, layout, new KeptTranslations(new CpuState(view, layout), []));
    let [dropped, kept] = [0, 0];
    for (let round = 0; round < 100; round++) {
      const va = BigInt.asUintN(64, (BigInt(rnd(2 ** 31)) << 33n) ^ (BigInt(rnd(2 ** 31)) << 5n));
      const tags = fill(view, rnd, va, round % 2 === 0);
      const sizes = tags.map((_, i) => view.getUint8(at + i * Tlb.entryBytes + Tlb.size));
      view.setBigUint64(layout.cpuBase + layout.tlb.keys + bank * Tlb.keyBytes, 42n, true);
      const from = BigInt.asUintN(56, va) & ~0xfffn;
      const bytes = 4096n << BigInt(rnd(24));
      tlb.invalidate(0, { bank: ([key]) => key === 42n, va: from, bytes });
      tags.forEach((tag, i) => {
        const size = BigInt(Math.max(12, sizes[i] ?? 12));
        const start = (BigInt.asUintN(56, tag) >> size) << size;
        const meant = start < from + bytes && start + (1n << size) > from;
        if (tag !== INVALID_TAG && meant) dropped++;
        else if (tag !== INVALID_TAG) kept++;
        const now = view.getBigUint64(at + i * Tlb.entryBytes, true);
        assert.equal(
          now,
          meant ? INVALID_TAG : tag,
          `${tag.toString(16)} size ${size} from ${from.toString(16)}`,
        );
      });
    }
    assert.ok(dropped > 1000 && kept > 1000);
  });
});
