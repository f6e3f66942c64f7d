import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { cachedDebian } from '../../scripts/debian.mjs';
import { SymbolIndex } from '../symbols';
import { SymbolError } from '../symbols/errors';
import { Btf } from '../symbols/linux/btf';
import { Kallsyms } from '../symbols/linux/kallsyms';
import { LinuxKernel } from './kernel';
import { ModuleSymbols } from './module-symbols';

const LOAD = 0x4020_0000n;
const PAGE = 0x1000;
/** Pages that pointers of the damaged memory lead to. */
const PAGES = 6;

/** A number that depends on others, by no law that code could rely on. */
const mixed = (...from: readonly number[]): number =>
  from.reduce((h, n) => Math.imul(h ^ n ^ (h >>> 15), 0x2c1b_3c6d) >>> 0, 0x9e37_79b9);

describe('a Linux kernel whose memory is damaged', function () {
  it('ends every question with an answer or a sentence', function () {
    const debian = cachedDebian();
    if (!debian) return this.skip();
    const image = new Uint8Array(readFileSync(debian.kernel));
    const kallsyms = new Kallsyms(image, 'vmlinuz');
    const types = Btf.ofImage(image, 'vmlinuz');
    const { offset, value } = kallsyms.baseWord;
    const asked = (read: () => unknown): void => {
      try {
        read();
      } catch (error) {
        assert.ok(error instanceof SymbolError, String(error));
      }
    };
    let listed = 0;
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 100 }), (seed, pointers) => {
        const page = (pa: bigint): Uint8Array => {
          const words = new BigUint64Array(PAGE / 8);
          for (let i = 0; i < words.length; i++) {
            const kind = mixed(seed, Number(pa >> 12n), i);
            const at = BigInt(mixed(kind, 1) % PAGES) * 4096n + BigInt(8 * (mixed(kind, 2) % 512));
            words[i] = kind % 100 < pointers ? kallsyms.imageBase + at : BigInt(mixed(kind, 3) % 40);
          }
          return new Uint8Array(words.buffer);
        };
        const pages = new Map<bigint, Uint8Array>();
        const kernel = new LinuxKernel({
          image,
          kallsyms,
          loadAddress: LOAD,
          types: () => types,
          dataSymbol: () => undefined,
          host: {
            cpus: 2,
            register: () => 0n,
            // Whatever is in the kernel's half is somewhere.
            translate: (_cpu, _space, address) =>
              address >> 48n === 0xffffn ? ((address >> 12n) % BigInt(PAGES)) << 12n : undefined,
            physical: (pa, bytes) => {
              if (pa === LOAD + offset) return new Uint8Array(new BigUint64Array([value]).buffer);
              let found = pages.get(pa >> 12n);
              if (!found) pages.set(pa >> 12n, (found = page(pa)));
              return found.subarray(Number(pa & 0xfffn)).subarray(0, bytes);
            },
            once: (_what, make) => make(),
          },
        });
        asked(() => (listed += kernel.messages.messages().list.length));
        asked(() => (listed += kernel.tasks.all().length));
        asked(() => kernel.tasks.current(1));
        asked(() => (listed += kernel.modules.all().length));
        asked(() => new ModuleSymbols(kernel, new SymbolIndex()).refresh());
        for (const name of ['el1h_64_irq', 'ret_from_fork'])
          asked(() => kernel.entries.saved(name, kallsyms.imageBase + 304n, 1));
        asked(() => kernel.kvmStack.registers(kallsyms.imageBase, false));
      }),
      { numRuns: 8, seed: 7 },
    );
    assert.ok(listed > 0, 'some of it looks like lists');
  });
});
