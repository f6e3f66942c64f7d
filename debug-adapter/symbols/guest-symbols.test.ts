import * as assert from 'node:assert/strict';
import { SymbolIndex } from '.';
import { Kallsyms } from './linux/kallsyms';
import { kernelElf } from './linux/kernel-elf';
import { makeImage, type TestSymbol } from './linux/testing';
import type { Regime } from './types';

const base = 0xffff_8000_0800_0000n;
const symbols: TestSymbol[] = [
  { kind: 'T', name: '_stext', offset: 0 },
  { kind: 'T', name: 'primary_entry', offset: 0x10 },
  { kind: 'T', name: 'start_kernel', offset: 0x40 },
  { kind: 'D', name: '_etext', offset: 0x1000 },
];
const at = base + 0x1_0000n;

/** A kernel image as the symbols of a regime. */
function kernelIn(regime: Regime, offset = 0n, vmids: ReadonlyMap<number, number> = new Map()): SymbolIndex {
  const image = makeImage({
    ...{ symbols, order: 'before', sequence: true, relocated: true },
    ...{ imageBase: base, zero: 0x1_0000 },
  });
  const index = new SymbolIndex({ vmidOf: (vm) => vmids.get(vm) });
  index.add({ name: 'Image', source: kernelElf(new Kallsyms(image, 'Image'), 0n), offset, regime });
  return index;
}

describe('the kernel of a guest as a file of symbols', () => {
  const nameAt = (index: SymbolIndex, va: bigint, regime: Regime): string | undefined =>
    index.symbolAt({ va, regime })?.name;

  it('names addresses of its VMID only, moved by the slide that its entry says', () => {
    const slide = 0x1234_0000n;
    const index = kernelIn({ el: 'EL1', vmid: 3 }, slide);
    const va = at + slide + 0x44n;
    assert.equal(nameAt(index, va, { el: 'EL1', vmid: 3 }), 'start_kernel');
    for (const regime of [{ el: 'EL1', vmid: 0 }, { el: 'EL1', vmid: 4 }, { el: 'EL2' }] as const)
      assert.equal(nameAt(index, va, regime), undefined);
    // Its physical addresses are intermediate ones: stage 2 decides where a breakpoint goes.
    assert.deepEqual(index.locationsOfSymbol('start_kernel'), [
      { address: at + slide + 0x40n, pa: undefined, regime: { el: 'EL1', vmid: 3 }, file: 'Image' },
    ]);
    assert.equal(index.symbolAt({ pa: 0x1_0044n }), undefined);
  });

  it('follows a machine that is named by its number to the VMID of the moment', () => {
    const vmids = new Map<number, number>();
    const index = kernelIn({ el: 'EL1', vm: 1 }, 0n, vmids);
    const name = (vmid: number): string | undefined => nameAt(index, at + 0x44n, { el: 'EL1', vmid });
    assert.deepEqual([0, 1, 7].map(name), [undefined, undefined, undefined], 'there is no machine yet');
    vmids.set(1, 7);
    assert.deepEqual([0, 1, 7].map(name), [undefined, undefined, 'start_kernel']);
    vmids.set(1, 8);
    assert.deepEqual([7, 8].map(name), [undefined, 'start_kernel']);
    assert.equal(nameAt(index, at + 0x44n, { el: 'EL2' }), undefined);
    // A breakpoint may be set before the machine is there.
    vmids.clear();
    assert.deepEqual(index.locationsOfSymbol('start_kernel')[0]?.regime, { el: 'EL1', vm: 1 });
  });
});
