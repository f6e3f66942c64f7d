import * as assert from 'node:assert/strict';
import * as zlib from 'node:zlib';
import { requireTool } from '../../test/support/oracles';
import { cachedSource, memorySource } from './byte-source';
import type { ByteSource } from './byte-source';
import { ElfFile } from './elf';
import { SymbolError } from './errors';
import { fileSource } from './file-source';
import { SymbolIndex } from './index';
import { Workshop } from './testing';

const AS = 'aarch64-linux-gnu-as';
const LD = 'aarch64-linux-gnu-ld';

function refusal(bytes: Uint8Array): string {
  try {
    new ElfFile(memorySource(bytes), 'hyp.elf');
  } catch (error) {
    assert.ok(error instanceof SymbolError);
    return error.message;
  }
  return 'accepted';
}

describe('ELF reader', () => {
  let shop: Workshop;
  let good: Uint8Array;

  before(function () {
    requireTool(this, AS, LD, 'aarch64-linux-gnu-readelf', 'aarch64-linux-gnu-objcopy');
    shop = new Workshop();
    shop.write('a.S', '.text\n.global _start\n_start: nop\n b .\n.data\n.quad 1\n');
    shop.write(
      'link.ld',
      `SECTIONS { . = 0xffff800000080000;
        .text : AT(0x40080000) { *(.text) }
        .data : AT(0x40090000) { *(.data) . += 0x100; } }`,
    );
    shop.run(AS, '-g', 'a.S', '-o', 'a.o');
    shop.run(LD, '-T', 'link.ld', 'a.o', '-o', 'a.elf');
    good = shop.read('a.elf');
  });
  after(() => shop?.close());

  const patched = (at: number, ...bytes: number[]) => {
    const copy = good.slice();
    copy.set(bytes, at);
    return copy;
  };

  it('refuses what is no 64-bit little-endian Arm program, with one sentence of advice', () => {
    const advice =
      'Worldswitch debugs 64-bit little-endian Arm programs; rebuild it with aarch64-linux-gnu-gcc or aarch64-linux-gnu-as.';
    assert.equal(refusal(good), 'accepted');
    assert.equal(refusal(patched(4, 1)), `hyp.elf is a 32-bit ELF file: ${advice}`);
    assert.equal(refusal(patched(5, 2)), `hyp.elf is a big-endian ELF file: ${advice}`);
    assert.equal(refusal(patched(18, 21, 0)), `hyp.elf is for 64-bit PowerPC: ${advice}`);
    assert.equal(refusal(patched(18, 62, 0)), `hyp.elf is for x86-64: ${advice}`);
    assert.equal(
      refusal(patched(18, 0xcd, 0xab)),
      `hyp.elf is for another machine (ELF machine number 43981): ${advice}`,
    );
    assert.match(refusal(patched(16, 1)), /not linked yet: link it with aarch64-linux-gnu-ld/);
    assert.match(refusal(patched(16, 4)), /core dump/);
    assert.match(refusal(new Uint8Array(0)), /is not an ELF file: name a program/);
    assert.match(refusal(new TextEncoder().encode('.text\nnop\n')), /is not an ELF file/);
    for (const length of [4, 5, 6, 15, 16, 63]) {
      assert.match(refusal(good.slice(0, length)), /damaged ELF header|file is cut short/, String(length));
    }
    assert.match(refusal(good.slice(0, 100)), /file is cut short or damaged|cut short/);
    assert.match(refusal(good.slice(0, good.length - 1)), /cut short/);
    assert.match(refusal(patched(54, 1)), /program headers of 1 bytes/);
    assert.match(refusal(patched(58, 1)), /section headers of 1 bytes/);
  });

  it('accepts an object file for another machine when told so', () => {
    const elf = new ElfFile(memorySource(patched(18, 21, 0)), 'x', { machines: [21] });
    assert.equal(elf.machine, 21);
  });

  it('lists the sections and segments that readelf lists', () => {
    const elf = new ElfFile(memorySource(good), 'hyp.elf');
    const printed = shop.run('aarch64-linux-gnu-readelf', '-SlW', 'a.elf');
    const sections = [
      ...printed.matchAll(/^ +\[ *(\d+)\] (\S*) +([A-Z_]+) +([0-9a-f]{16}) ([0-9a-f]+) ([0-9a-f]+)/gm),
    ];
    assert.equal(elf.sections.length, sections.length);
    for (const [, index, name, , addr, offset, size] of sections) {
      const s = elf.sections[Number(index)];
      assert.deepEqual(
        [s?.name, s?.addr, s?.offset, s?.size],
        [name, BigInt(`0x${addr}`), Number(`0x${offset}`), Number(`0x${size}`)],
      );
    }
    const loads = [...printed.matchAll(/^ +LOAD +(\S+) (\S+) (\S+) (\S+) (\S+)/gm)];
    assert.ok(loads.length > 0);
    assert.deepEqual(
      elf.segments
        .filter((s) => s.type === 1)
        .map((s) => [BigInt(s.offset), s.vaddr, s.paddr, BigInt(s.fileSize), s.memSize]),
      loads.map((m) => m.slice(1, 6).map((x) => BigInt(x))),
    );
    assert.equal(elf.entry, 0xffff_8000_0008_0000n);
  });

  it('translates between virtual and load addresses by the program headers', () => {
    const elf = new ElfFile(memorySource(good), 'hyp.elf');
    assert.equal(elf.vaddrToPaddr(0xffff_8000_0008_0004n), 0x4008_0004n);
    assert.equal(elf.paddrToVaddr(0x4008_0004n), 0xffff_8000_0008_0004n);
    const data = elf.section('.data')?.addr ?? 0n;
    assert.equal(elf.vaddrToPaddr(data), 0x4009_0000n);
    assert.equal(elf.vaddrToPaddr(0n), undefined);
    assert.equal(elf.paddrToVaddr(0x5000_0000n), undefined);
  });

  it('inflates compressed debug sections, and asks for a rebuild when it cannot', () => {
    // A long listing, so that compression pays and objcopy keeps it.
    shop.write('long.S', `.text\n.global _start\n_start:\n${' nop\n'.repeat(3000)}`);
    shop.run(AS, '-gdwarf-5', 'long.S', '-o', 'long.o');
    shop.run(LD, '-Ttext=0x1000', 'long.o', '-o', 'long.elf');
    for (const kind of ['zlib-gabi', 'zlib-gnu']) {
      shop.run('aarch64-linux-gnu-objcopy', `--compress-debug-sections=${kind}`, 'long.elf', 'z.elf');
      const source = memorySource(shop.read('z.elf'));
      const lazy = new SymbolIndex();
      lazy.add({ name: 'z.elf', source });
      assert.equal(lazy.lineAt(0x1010n), undefined);
      assert.match(
        lazy.problems().join(),
        /z\.elf has the compressed section \.z?debug_\w+: rebuild it with -gz=none\./,
      );
      assert.equal(lazy.symbolAt(0x1010n)?.name, '_start');
      const able = new SymbolIndex({ inflate: (data) => new Uint8Array(zlib.inflateSync(data)) });
      able.add({ name: 'z.elf', source });
      assert.equal(able.lineAt(0x1010n)?.line, 8, kind);
      const broken = new SymbolIndex({ inflate: () => new Uint8Array(3) });
      broken.add({ name: 'z.elf', source });
      assert.equal(broken.lineAt(0x1010n), undefined);
      assert.match(broken.problems().join(), /damaged: rebuild it/);
    }
  });

  it('does not believe a compressed section that promises gigabytes', () => {
    shop.run('aarch64-linux-gnu-objcopy', '--compress-debug-sections=zlib-gabi', 'long.elf', 'z.elf');
    const bytes = shop.read('z.elf');
    const elf = new ElfFile(memorySource(bytes), 'z.elf');
    const line = elf.section('.debug_line');
    assert.ok(line !== undefined);
    new DataView(bytes.buffer).setBigUint64(line.offset + 8, 1n << 40n, true);
    const inflate = () => assert.fail('must not be called');
    const hostile = new ElfFile(memorySource(bytes), 'z.elf', { inflate });
    const again = hostile.section('.debug_line');
    assert.ok(again !== undefined);
    assert.throws(() => hostile.contents(again), /impossible size for the compressed section \.debug_line/);
  });

  it('says why a file cannot be opened', () => {
    assert.throws(
      () => fileSource(shop.path('none.elf')),
      /none\.elf does not exist: check the path in launch\.json\.$/,
    );
    assert.throws(() => fileSource(shop.dir), /is a folder|is not a regular file/);
    const source = fileSource(shop.path('a.elf'));
    assert.deepEqual(source.read(0, 4), good.subarray(0, 4));
    assert.equal(source.read(good.length - 2, 100).length, 2);
    assert.equal(source.read(good.length + 5, 100).length, 0);
    source.close();
    assert.throws(() => source.read(0, 4), /was closed/);
  });
});

describe('page cache', () => {
  it('gives the bytes of the source and keeps a bounded number of pages', () => {
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 7) & 255);
    let reads = 0;
    const counted: ByteSource = {
      size: bytes.length,
      read: (offset, length) => (reads++, bytes.slice(offset, Math.min(bytes.length, offset + length))),
    };
    const cache = cachedSource(counted, 64, 4);
    for (let at = 0; at < 1010; at += 3) {
      for (const length of [0, 1, 5, 64, 65, 200, 400]) {
        assert.deepEqual(
          cache.read(at, length),
          bytes.subarray(Math.min(1000, at), Math.min(1000, at + length)),
        );
      }
    }
    reads = 0;
    cache.read(0, 10);
    cache.read(5, 20);
    cache.read(60, 4);
    assert.equal(reads, 1);
  });
});
