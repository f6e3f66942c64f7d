import * as assert from 'node:assert/strict';
import fc from 'fast-check';
import { requireTool } from '../../test/support/oracles';
import { memorySource } from './byte-source';
import { readLocation } from './dwarf/variables';
import { ElfFile } from './elf';
import { SymbolError } from './errors';
import { SymbolIndex } from './index';
import { Workshop } from './testing';
import { assembly, header, included, program } from './testing-programs';

/** A machine in which everything is readable. */
const frame = {
  reg: (n: number) => BigInt(n) * 16n,
  mem: (_at: bigint, length: number) => new Uint8Array(length),
};

/** Asks everything that the index can answer. Only a SymbolError may come out, and only from `add`. */
function exercise(bytes: Uint8Array): void {
  const index = new SymbolIndex();
  try {
    index.add({ name: 'hostile.elf', source: memorySource(bytes) });
  } catch (error) {
    assert.ok(error instanceof SymbolError, String(error));
    assert.match(error.message, /^hostile\.elf |^The .* hostile\.elf /);
    assert.match(error.message, /\.$/);
    return;
  }
  for (const address of [
    0n,
    0x4008_0000n,
    0x4008_0010n,
    0x4008_0044n,
    0x4008_00a0n,
    0xffff_ffff_ffff_fffcn,
  ]) {
    const symbol = index.symbolAt(address);
    assert.ok(symbol === undefined || symbol.offset >= 0n);
    const line = index.lineAt(address);
    if (line !== undefined) assert.ok(line.address <= address && address < line.endAddress);
    index.symbolAt({ pa: address });
    index.functionAt(address);
    index.locationsOfSymbol('compute');
    for (const variable of index.variablesAt(address, frame)) {
      if (variable.location !== undefined) readLocation(variable.location, variable.type.size, frame);
      variable.type.target().members();
      variable.type.enumerators();
    }
    const caller = index.unwind(address, frame);
    if (caller !== undefined) for (let n = 0; n < 32; n++) caller.reg(n);
  }
  index.symbolByName('compute');
  index.functionsMatching('', 5);
  const bound = index.addressesOf('/x/start.S', 9);
  assert.ok(bound.addresses.length > 0 || bound.reason !== undefined);
  index.addressesOf('/x/compute.c', 17);
  index.breakpointLocations('compute.c', 1, 50);
  assert.ok(index.problems().length <= 20);
}

describe('hostile symbol files', () => {
  for (const version of ['-gdwarf-5', '-gdwarf-3']) {
    describe(version, function () {
      let good: Uint8Array;
      let interesting: { start: number; size: number }[];

      before(function () {
        requireTool(this, 'aarch64-linux-gnu-gcc', 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld');
        const shop = new Workshop();
        shop.write('src/start.S', assembly);
        shop.write('src/inc/body.s', included);
        shop.write('src/inc/clamp.h', header);
        shop.write('src/compute.c', program);
        shop.run('aarch64-linux-gnu-as', version, '-Isrc', 'src/start.S', '-o', 'start.o');
        shop.run(
          'aarch64-linux-gnu-gcc',
          version,
          '-O1',
          '-ffreestanding',
          '-fno-pic',
          '-c',
          'src/compute.c',
          '-o',
          'c.o',
        );
        shop.run(
          'aarch64-linux-gnu-ld',
          '-Ttext=0x40080000',
          '-z',
          'max-page-size=4096',
          'start.o',
          'c.o',
          '-o',
          'good.elf',
        );
        good = shop.read('good.elf');
        shop.close();
        const elf = new ElfFile(memorySource(good), 'good.elf');
        interesting = [
          { start: 0, size: 64 },
          { start: 64, size: 56 * elf.segments.length },
          { start: good.length - 64 * elf.sections.length, size: 64 * elf.sections.length },
          ...elf.sections
            .filter((s) => /^\.(debug|symtab|strtab|eh_frame)/.test(s.name))
            .map((s) => ({ start: s.offset, size: s.size })),
        ];
      });

      const edges = [0, 1, 0x7f, 0x80, 0xff, 0xfe, 0x40, 0x3f];

      it('survives changed bytes in headers and debug sections', () => {
        const change = fc.tuple(
          fc.nat(),
          fc.nat(),
          fc.oneof(fc.constantFrom(...edges), fc.integer({ min: 0, max: 255 })),
          fc.integer({ min: 1, max: 9 }),
        );
        fc.assert(
          fc.property(fc.array(change, { minLength: 1, maxLength: 6 }), (changes) => {
            const bytes = good.slice();
            for (const [region, at, value, run] of changes) {
              const { start, size } = interesting[region % interesting.length] ?? { start: 0, size: 64 };
              const first = start + (at % Math.max(1, size));
              bytes.fill(value, first, Math.min(bytes.length, first + run));
            }
            exercise(bytes);
          }),
          { numRuns: 600 },
        );
      });

      it('survives truncation', () => {
        fc.assert(
          fc.property(fc.nat({ max: good.length }), (length) => exercise(good.slice(0, length))),
          { numRuns: 150 },
        );
      });

      it('survives any content of one section', () => {
        fc.assert(
          fc.property(fc.nat(), fc.uint8Array({ minLength: 1, maxLength: 200 }), (region, junk) => {
            const bytes = good.slice();
            const { start, size } = interesting[region % interesting.length] ?? { start: 0, size: 64 };
            bytes.set(junk.subarray(0, Math.min(size, junk.length)), start);
            exercise(bytes);
          }),
          { numRuns: 300 },
        );
      });

      it('survives sections that lie over each other', () => {
        fc.assert(
          fc.property(fc.nat(), fc.nat(), (a, b) => {
            const bytes = good.slice();
            const table = interesting[2] ?? { start: 0, size: 64 };
            const count = table.size / 64;
            const from = table.start + (a % count) * 64;
            const to = table.start + (b % count) * 64;
            bytes.copyWithin(to + 24, from + 24, from + 40); // sh_offset and sh_size
            exercise(bytes);
          }),
          { numRuns: 200 },
        );
      });
    });
  }

  it('survives random bytes, also behind a plausible header', () => {
    const ident = Uint8Array.of(
      0x7f,
      0x45,
      0x4c,
      0x46,
      2,
      1,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      0,
      2,
      0,
      183,
      0,
      1,
      0,
      0,
      0,
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (junk, plausible) => {
        exercise(plausible ? Uint8Array.from([...ident, ...junk]) : junk);
      }),
      { numRuns: 500 },
    );
  });
});
