import * as assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { spawnSync } from 'node:child_process';
import { requireTool } from '../../../test/support/oracles';
import { SymbolIndex } from '..';
import { Workshop } from '../testing';
import { Kallsyms } from './kallsyms';
import { kernelElf } from './kernel-elf';
import { cachedKernels, makeImage, type TestSymbol } from './testing';

const LOAD = 0x4020_0000n;
const symbols: TestSymbol[] = [
  { kind: 't', name: 'gic_handle_irq', offset: 0 },
  { kind: 'T', name: '_stext', offset: 0 },
  { kind: 'T', name: 'primary_entry', offset: 0x10 },
  { kind: 'W', name: 'kvm_arch_destroy_vm', offset: 0x40 },
  { kind: 't', name: '__kvm_nvhe___guest_enter', offset: 0x80 },
  { kind: 'D', name: '_etext', offset: 0x1000 },
  { kind: 'd', name: 'vm_list', offset: 0x1000 },
];
const base = 0xffff_8000_0800_0000n;
const image = (): Uint8Array =>
  makeImage({ symbols, order: 'before', sequence: true, relocated: true, imageBase: base, zero: 0x1_0000 });

const at = base + 0x1_0000n;

describe('a kernel image as a file of symbols', () => {
  it('answers by virtual and by physical address, by name and by prefix', () => {
    const index = new SymbolIndex();
    const slide = 0x1234_0000n;
    index.add({ name: 'Image', source: kernelElf(new Kallsyms(image(), 'Image'), LOAD), offset: slide });
    const name = (place: Parameters<typeof index.symbolAt>[0]): string | undefined => {
      const found = index.symbolAt(place);
      return found && `${found.name}+${found.offset}`;
    };
    assert.equal(name(at + slide + 4n), 'gic_handle_irq+4', 'the name that Linux shows');
    assert.equal(name(at + slide + 0x48n), 'kvm_arch_destroy_vm+8');
    assert.equal(name(at + 0x48n), undefined, 'the link-time address is not the run-time address');
    // Code at EL2 runs at another virtual address: the physical one tells.
    assert.equal(name({ pa: LOAD + 0x1_0000n + 0x84n }), '__kvm_nvhe___guest_enter+4');
    assert.equal(name(at + slide + 0x1000n), 'vm_list+0');
    assert.deepEqual(
      index.locationsOfSymbol('__kvm_nvhe___guest_enter').map((l) => [l.address, l.pa]),
      [[at + slide + 0x80n, LOAD + 0x1_0080n]],
    );
    assert.deepEqual(index.locationsOfSymbol('vm_list'), [], 'data is no place for a breakpoint');
    assert.deepEqual(
      index.functionsMatching('kvm', 5).map((s) => s.name),
      ['kvm_arch_destroy_vm'],
    );
    assert.equal(index.symbolByName('_stext')[0]?.address, at + slide);
    assert.deepEqual(index.problems(), []);
  });

  it('is an ELF that nm reads', function () {
    requireTool(this, 'aarch64-linux-gnu-nm');
    const shop = new Workshop();
    try {
      const source = kernelElf(new Kallsyms(image(), 'Image'), LOAD);
      fs.writeFileSync(shop.path('kernel.elf'), source.read(0, source.size));
      const done = spawnSync('aarch64-linux-gnu-nm', ['-n', shop.path('kernel.elf')], { encoding: 'utf8' });
      assert.equal(done.stderr, '');
      const lines = done.stdout.trimEnd().split('\n').sort();
      const wanted = symbols.map((s) => {
        // nm tells the letter from the section: an end of code is code for it.
        const kind = s.name === '_etext' ? 'T' : s.name === 'vm_list' ? 'b' : s.kind;
        return `${(at + BigInt(s.offset)).toString(16)} ${kind} ${s.name}`;
      });
      assert.deepEqual(lines, wanted.sort());
    } finally {
      shop.close();
    }
  });

  it('gives every symbol of a Debian kernel back', function () {
    const [kernel] = cachedKernels();
    if (kernel === undefined) return this.skip();
    const kallsyms = new Kallsyms(new Uint8Array(fs.readFileSync(kernel)), kernel);
    const index = new SymbolIndex();
    index.add({ name: kernel, source: kernelElf(kallsyms, LOAD) });
    let n = 0;
    for (const symbol of kallsyms) {
      if (n++ % 50 !== 0 || symbol.size === 0n) continue;
      const found = index.symbolAt({ pa: LOAD + symbol.offset + symbol.size - 1n });
      assert.equal(found?.address, LOAD + symbol.offset, symbol.name);
      assert.equal(found.name, kallsyms.atOffset(symbol.offset)?.name);
    }
    assert.equal(index.functionsMatching('__kvm_nvhe_', 1000).length > 200, true);
  });
});
