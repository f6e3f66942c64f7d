import * as assert from 'node:assert/strict';
import * as fs from 'node:fs';
import fc from 'fast-check';
import { SymbolError } from '../errors';
import { Kallsyms } from './kallsyms';
import { cachedKernels, makeImage, systemMapOf, type TestImage, type TestSymbol } from './testing';

const IMAGE_BASE = 0xffff_8000_0800_0000n;

/** Enough symbols for several markers, two of one address, one of one name twice, and one with a long name. */
const symbols: TestSymbol[] = [
  { kind: 'T', name: '_stext', offset: 0 },
  { kind: 't', name: 'kvm_arch_vcpu_guest_enter', offset: 0 },
  ...Array.from({ length: 700 }, (_, i) => ({
    kind: i % 3 === 0 ? 'T' : 't',
    name: i === 500 ? `long_${'Zy'.repeat(150)}` : `sys_${i % 350}_kvm_vcpu`,
    offset: 16 + 8 * i,
  })),
  { kind: 'T', name: 'primary_entry', offset: 0x3000 },
  { kind: 'D', name: '_etext', offset: 0x4000 },
];

const layouts: Record<string, Omit<TestImage, 'symbols'>> = {
  'Linux 5.10': {
    order: 'before',
    sequence: false,
    relocated: true,
    imageBase: 0xffff_8000_1000_0000n,
    zero: 0,
  },
  'Linux 6.1.170': {
    order: 'before',
    sequence: false,
    relocated: true,
    imageBase: IMAGE_BASE,
    zero: 0x1_0000,
  },
  'Linux 6.1.192': {
    order: 'before',
    sequence: true,
    relocated: true,
    imageBase: IMAGE_BASE,
    zero: 0x1_0000,
  },
  'Linux 6.12': {
    order: 'behind',
    sequence: false,
    relocated: true,
    imageBase: 0xffff_8000_8000_0000n,
    zero: 0,
  },
  'a kernel that is not relocatable': {
    order: 'behind',
    sequence: true,
    relocated: false,
    imageBase: IMAGE_BASE,
    zero: 0x1_0000,
  },
};

describe('kallsyms of a kernel image', () => {
  for (const [name, layout] of Object.entries(layouts)) {
    it(`reads the tables as ${name} has them`, () => {
      const table = new Kallsyms(makeImage({ ...layout, symbols }), 'Image');
      assert.equal(table.imageBase, layout.imageBase);
      assert.deepEqual(
        [...table].map(({ kind, name, offset }) => ({ kind, name, offset: Number(offset) - layout.zero })),
        symbols,
      );
      assert.deepEqual(
        table.named('sys_7_kvm_vcpu').map((s) => Number(s.offset) - layout.zero),
        [16 + 8 * 7, 16 + 8 * 357],
      );
      assert.deepEqual(table.named('sys_7_kvm_vcp'), []);
      const slide = 0x1234_0000n;
      const inside = table.atAddress(
        layout.imageBase + BigInt(layout.zero) + 16n + 8n * 600n + 4n + slide,
        slide,
      );
      assert.equal(inside?.name, 'sys_250_kvm_vcpu');
      assert.equal(inside && table.address(inside, slide) % 8n, 0n);
      // A physical address minus the load address.
      assert.equal(table.atOffset(BigInt(layout.zero) + 0x3004n)?.name, 'primary_entry');
      assert.equal(table.atOffset(BigInt(layout.zero) + 0x4004n), undefined, 'nothing is behind _etext');
      assert.equal(table.atAddress(0n), undefined);
    });
  }

  it('says what is wrong with a file that has no symbols', () => {
    const image = makeImage({ ...layouts['Linux 6.12']!, symbols });
    const refused = (bytes: Uint8Array, reason: RegExp): void =>
      assert.throws(() => new Kallsyms(bytes, 'Image'), { name: 'SymbolError', message: reason });
    refused(new Uint8Array(0), /^Image is not an arm64 kernel image/);
    refused(Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0), /compressed by gzip/);
    refused(image.slice(0, 64), /CONFIG_KALLSYMS/);
    refused(image.slice(0, image.length - 72), /does not tell at which address/);
    const big = image.slice();
    big[24] = 0xb;
    refused(big, /big-endian/);
  });

  it('survives changed bytes and truncation', () => {
    const images = Object.values(layouts).map((layout) => makeImage({ ...layout, symbols }));
    const change = fc.tuple(
      fc.nat(),
      fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)),
      fc.nat(8),
    );
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(change, { maxLength: 6 }),
        fc.option(fc.nat()),
        (which, changes, cut) => {
          const good = images[which % images.length] ?? new Uint8Array(0);
          const bytes = good.slice(0, cut === null ? good.length : cut % good.length);
          for (const [at, value, run] of changes) {
            const start = at % Math.max(1, bytes.length);
            bytes.fill(value, start, start + run);
          }
          try {
            const table = new Kallsyms(bytes, 'Image');
            assert.ok([...table].length === table.count);
            table.named('primary_entry');
            for (const at of [0n, 0x1_0000n, 0x1_3000n, 1n << 63n]) table.atOffset(at);
          } catch (error) {
            assert.ok(error instanceof SymbolError, String(error));
            assert.match(error.message, /^Image .*\.$/);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  // System.map is in the debug package of 262 MB, which nothing fetches by itself: this is for who has unpacked it.
  const mapped = cachedKernels().find((file) => systemMapOf(file) !== undefined);
  if (mapped !== undefined)
    it('equals the System.map of a Debian kernel', function () {
      const kernel = mapped;
      const map = systemMapOf(kernel) ?? assert.fail();
      const table = new Kallsyms(new Uint8Array(fs.readFileSync(kernel)), kernel);
      const real = new Set(fs.readFileSync(map, 'utf8').trimEnd().split('\n'));
      assert.ok(table.count > 40_000);
      for (const symbol of table) {
        const line = `${table.address(symbol).toString(16)} ${symbol.kind} ${symbol.name}`;
        if (!real.delete(line)) assert.fail(`${line} is not in ${map}`);
      }
      // What is left of the code is what scripts/kallsyms.c leaves out.
      const at = (name: string): bigint => table.address(table.named(name)[0] ?? assert.fail(name));
      const code = [
        [at('_stext'), at('_etext')],
        [at('_sinittext'), at('_einittext')],
      ] as const;
      const inText = (address: bigint): boolean =>
        code.some(([low, high]) => address >= low && address < high);
      const lost = [...real].filter((line) => {
        const [address = '', , name = ''] = line.split(' ');
        return inText(BigInt(`0x${address}`)) && !/^(\$|__efistub_|__pi_|__kvm_nvhe_\$)/.test(name);
      });
      assert.deepEqual(lost, []);
    });

  it('finds the entry and the code of KVM at EL2 in Debian kernels', function () {
    if (cachedKernels().length === 0) return this.skip();
    for (const kernel of cachedKernels()) {
      const table = new Kallsyms(new Uint8Array(fs.readFileSync(kernel)), kernel);
      assert.equal(table.named('primary_entry').length, 1, kernel);
      const [enter] = table.named('__kvm_nvhe___guest_enter');
      assert.ok(enter, kernel);
      assert.equal(table.atOffset(enter.offset + 8n)?.name, enter.name);
    }
  });
});
