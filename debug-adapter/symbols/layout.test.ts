import * as assert from 'node:assert/strict';
import * as fs from 'node:fs';
import * as path from 'node:path';
import fc from 'fast-check';
import { requireTool } from '../../test/support/oracles';
import { memorySource } from './byte-source';
import { ElfFile } from './elf';
import { SymbolError } from './errors';
import { SymbolIndex } from './index';
import { chainSteps, parseLayout, readLayout, registerOfElement, walkChain } from './layout';
import type { Layout } from './layout';
import { Workshop } from './testing';

const hypervisor = path.join(__dirname, '../../hypervisor/arm64');

/** A small hypervisor of a reader's own: its declarations out of order, its code run at an EL2 alias. */
const own = `
  .equ NR, 2
  .include "lib/layout-macros.inc"
  chain current_vcpu, tpidr_el2, cpu, host.running, vm_cpu
  chain bad, tpidr_el2, cpu, host.colour, vm_cpu
  array vcpus, vcpu_area, NR, vm_cpu
  alias code_start, code_end, 0x800000000000, EL2
  alias code_start, code_end, 0x1000, EL1, 7
  value colour, RED, 4
  value colour, BLUE, 1 << 40
  struct_begin vm_cpu
  field vm_cpu, x, 8, 31, gpr
  field vm_cpu, colour, 4, 1, enum, colour
  field vm_cpu, ich_lr, 8, 4, sysreg, ich_lr*_el2
  field vm_cpu, pending, 8, 2, irqs
  struct_end vm_cpu
  mark code_start, fpsimd_save, guest
  struct_begin host
  field host, saved, 8, 3
  field host, running, 8, 1, ptr, vm_cpu
  field host, colour, 8, 1, enum, colour
  struct_end host
  struct_begin cpu
  field cpu, id, 4
  struct_align 16
  field cpu, host, host.size, 1, struct, host
  struct_end cpu
  layout_record 99, 1, 2, 3, future
  .text
  .global _start
code_start:
_start: nop
  b .
code_end:
  .data
vcpu_area: .space 2 * vm_cpu.size
`;

describe('struct layout section', () => {
  let shop: Workshop;
  let bytes: Uint8Array;
  let layout: Layout;
  let section: Uint8Array;

  const build = (source: string, name: string, ...as: string[]) => {
    shop.write(`${name}.S`, source);
    shop.run('aarch64-linux-gnu-as', '-g', '-I', hypervisor, ...as, `${name}.S`, '-o', `${name}.o`);
    shop.run('aarch64-linux-gnu-ld', '-Ttext=0x40080000', `${name}.o`, '-o', `${name}.elf`);
    return shop.read(`${name}.elf`);
  };
  const layoutOf = (file: Uint8Array) => {
    const found = readLayout(new ElfFile(memorySource(file), 'own.elf'));
    assert.ok(found !== undefined);
    return found;
  };

  before(function () {
    requireTool(this, 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld', 'aarch64-linux-gnu-nm');
    shop = new Workshop();
    bytes = build(own, 'own');
    layout = layoutOf(bytes);
    const elf = new ElfFile(memorySource(bytes), 'own.elf');
    const header = elf.section('.worldswitch.layout');
    assert.ok(header !== undefined);
    section = bytes.slice(header.offset, header.offset + header.size);
  });
  after(() => shop?.close());

  it('reads every struct of the reference hypervisor at the offsets that its code uses', function () {
    const main = fs.readFileSync(path.join(hypervisor, 'main.S'), 'utf8');
    const reference = layoutOf(build(main, 'main'));
    // The macros define each offset a second time, as a symbol: nm is the independent witness.
    const symbols = new Map<string, bigint>();
    for (const line of shop.run('aarch64-linux-gnu-nm', 'main.elf').split('\n')) {
      const m = /^([0-9a-f]+) a (\w+\.\w+)$/.exec(line);
      if (m !== null) symbols.set(m[2] ?? '', BigInt(`0x${m[1]}`));
    }
    let checked = 0;
    for (const struct of reference.structs.values()) {
      assert.equal(BigInt(struct.size), symbols.get(`${struct.name}.size`), struct.name);
      symbols.delete(`${struct.name}.size`);
      for (const field of struct.fields) {
        assert.equal(BigInt(field.offset), symbols.get(`${struct.name}.${field.name}`), field.name);
        symbols.delete(`${struct.name}.${field.name}`);
        checked++;
      }
    }
    assert.ok(checked > 40);
    assert.deepEqual([...symbols.keys()], [], 'every symbol has its record');
    assert.ok(reference.structs.has('vcpu') && reference.structs.has('ctxt'));
    const current = reference.chains.get('current_vcpu');
    assert.equal(current?.register, 'tpidr_el2');
    assert.ok(current !== undefined && chainSteps(reference, current).at(-1)?.follow === true);
    assert.ok(reference.arrays.has('vcpus'));
    assert.ok(reference.aliases.some((a) => a.regime.el === 'EL2' && a.end > a.start));
  });

  it('shows the code of the reference hypervisor under its EL2 addresses', () => {
    const index = new SymbolIndex();
    const module = index.add({ name: 'main.elf', source: memorySource(shop.read('main.elf')) });
    const alias = module.layout?.aliases.find((a) => a.regime.el === 'EL2' && a.offset !== 0n);
    assert.ok(alias !== undefined);
    const running = alias.start + alias.offset + 8n;
    const here = index.lineAt({ va: running, regime: { el: 'EL2' } });
    const linked = index.lineAt(alias.start + 8n);
    assert.deepEqual([here?.path, here?.line], [linked?.path, linked?.line]);
    assert.ok(here !== undefined && here.address <= running && running < here.endAddress);
  });

  it('keeps offsets, counts, contents, enumerations, chains and arrays', () => {
    const vcpu = layout.structs.get('vm_cpu');
    assert.deepEqual(vcpu, {
      name: 'vm_cpu',
      size: 300,
      fields: [
        { name: 'x', offset: 0, size: 8, count: 31, content: 'gpr', of: '' },
        { name: 'colour', offset: 248, size: 4, count: 1, content: 'enum', of: 'colour' },
        { name: 'ich_lr', offset: 252, size: 8, count: 4, content: 'sysreg', of: 'ich_lr*_el2' },
        { name: 'pending', offset: 284, size: 8, count: 2, content: 'irqs', of: '' },
      ],
    });
    assert.equal(layout.structs.get('cpu')?.fields[1]?.offset, 16);
    assert.equal(layout.enums.get('colour')?.get(1n << 40n), 'BLUE');
    const area = layout.arrays.get('vcpus');
    const nm = shop.run('aarch64-linux-gnu-nm', 'own.elf');
    assert.equal(area?.address, BigInt(`0x${/^(\w+) d vcpu_area/m.exec(nm)?.[1]}`));
    assert.equal(area?.count, 2);
    assert.deepEqual(layout.marks, [
      { name: 'code_start', address: 0x4008_0000n, meaning: 'fpsimd_save', of: 'guest' },
    ]);
    assert.equal(registerOfElement({ of: 'ich_lr*_el2' }, 3), 'ich_lr3_el2');
  });

  it('walks a chain over embedded structs and pointers', () => {
    const chain = layout.chains.get('current_vcpu');
    assert.ok(chain !== undefined);
    assert.deepEqual(chainSteps(layout, chain), [
      { field: 'host', offset: 16, follow: false, to: 'host' },
      { field: 'running', offset: 24, follow: true, to: 'vm_cpu' },
    ]);
    const memory = new Map([[0x1000n + 40n, 0x5000n]]);
    assert.equal(
      walkChain(layout, chain, 0x1000n, (a) => memory.get(a)),
      0x5000n,
    );
    assert.equal(
      walkChain(layout, chain, 0x1000n, () => 0n),
      undefined,
    );
    assert.equal(
      walkChain(layout, chain, 0x2000n, (a) => memory.get(a)),
      undefined,
    );
    assert.equal(
      walkChain(layout, chain, 0n, () => assert.fail('must not read')),
      undefined,
    );
    const bad = layout.chains.get('bad');
    assert.ok(bad !== undefined);
    assert.throws(() => chainSteps(layout, bad), /chain bad goes over host\.colour, which is not a declared/);
  });

  it('makes the symbol index know the aliases', () => {
    const index = new SymbolIndex();
    index.add({ name: 'own.elf', source: memorySource(bytes) });
    const start = 0x4008_0000n;
    const at = (va: bigint, el: 'EL1' | 'EL2', vmid?: number) =>
      index.symbolAt({ va, regime: vmid === undefined ? { el } : { el, vmid } });
    assert.equal(at(start + 0x8000_0000_0000n, 'EL2')?.address, start + 0x8000_0000_0000n);
    assert.equal(at(start + 0x8000_0000_0000n, 'EL1'), undefined);
    assert.equal(at(start + 0x1000n, 'EL1', 7)?.name, '_start');
    assert.equal(at(start + 0x1000n, 'EL1', 8), undefined);
    assert.equal(index.symbolAt(start + 0x8000_0000_0000n)?.name, '_start');
    const line = own.split('\n').findIndex((l) => l.startsWith('_start:')) + 1;
    assert.deepEqual(index.addressesOf('own.S', line).locations, [
      { address: start, pa: start, regime: undefined, file: 'own.elf' },
      { address: start + 0x8000_0000_0000n, pa: start, regime: { el: 'EL2' }, file: 'own.elf' },
      { address: start + 0x1000n, pa: undefined, regime: { el: 'EL1', vmid: 7 }, file: 'own.elf' },
    ]);
  });

  it('refuses another version, and damage, with one sentence', () => {
    const patched = (at: number, value: number) => {
      const copy = section.slice();
      copy[at] = value;
      return () => parseLayout(copy, 'own.elf');
    };
    assert.throws(
      patched(8, 2),
      /in version 2 of \.worldswitch\.layout, and this debugger knows version 1: update/,
    );
    assert.throws(patched(0, 0), /does not begin with WSLAYOUT/);
    assert.throws(patched(20, 255), SymbolError);
    assert.throws(() => parseLayout(section.slice(0, -4), 'own.elf'), /record at offset \d+ has the length/);
    const index = new SymbolIndex();
    const file = bytes.slice();
    const at = Buffer.from(file.buffer).indexOf('WSLAYOUT');
    file[at] = 0;
    const module = index.add({ name: 'own.elf', source: memorySource(file) });
    assert.equal(module.layout, undefined);
    assert.equal(index.symbolAt(0x4008_0000n)?.name, '_start');
    assert.match(index.problems().join(), /does not begin with WSLAYOUT/);
  });

  it('survives any bytes', () => {
    const change = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 8 }), fc.nat(), (changes, cut) => {
        const copy = section.slice(0, section.length - (cut % 64));
        for (const [at, value] of changes) copy[at % copy.length] = value;
        try {
          const read = parseLayout(copy, 'x');
          for (const chain of read.chains.values()) walkChain(read, chain, 1n, () => 8n);
        } catch (error) {
          assert.ok(error instanceof SymbolError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
