import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { requireTool } from '../../test/support/oracles';
import { planBoot } from './boot';
import { BootError, readElf } from './elf';

const MEMORY = 0x2000_0000n;
const RAM = 0x4000_0000n;
const FDT_MAGIC = [0xd0, 0x0d, 0xfe, 0xed];

interface Header {
  readonly pa?: bigint;
  readonly va?: bigint;
  readonly offset?: bigint;
  readonly fileSize?: bigint;
  readonly memorySize?: bigint;
  readonly type?: number;
}

/** A little ELF by hand: one file of 0x1000 bytes, program headers at 64. */
function elf(
  headers: readonly Header[],
  entry = 0x4008_0000n,
  patch: (v: DataView) => void = () => undefined,
): Uint8Array {
  const file = new Uint8Array(0x1000);
  const v = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  v.setUint16(16, 2, true);
  v.setUint16(18, 183, true);
  v.setUint32(20, 1, true);
  v.setBigUint64(24, entry, true);
  v.setBigUint64(32, 64n, true);
  v.setUint16(52, 64, true);
  v.setUint16(54, 56, true);
  v.setUint16(56, headers.length, true);
  headers.forEach((h, n) => {
    const at = 64 + 56 * n;
    v.setUint32(at, h.type ?? 1, true);
    v.setBigUint64(at + 8, h.offset ?? 0x800n, true);
    v.setBigUint64(at + 16, h.va ?? h.pa ?? 0x4008_0000n, true);
    v.setBigUint64(at + 24, h.pa ?? 0x4008_0000n, true);
    v.setBigUint64(at + 32, h.fileSize ?? 0x100n, true);
    v.setBigUint64(at + 40, h.memorySize ?? h.fileSize ?? 0x100n, true);
  });
  for (let i = 0x800; i < 0x1000; i++) file[i] = i & 0xff;
  patch(v);
  return file;
}

const plan = (image: Uint8Array, memory = MEMORY): ReturnType<typeof planBoot> =>
  planBoot(image, memory, 1, true);
const tree = (p: ReturnType<typeof planBoot>): Uint8Array =>
  p.writes.find((w) => w.pa === p.x0)?.data ?? new Uint8Array();

describe('boot', () => {
  it('loads a flat binary at RAM + 0x80000 and enters it there, the tree below', () => {
    const image = Uint8Array.of(1, 2, 3, 4);
    const p = plan(image);
    assert.deepEqual([p.format, p.entry, p.x0], ['flat', 0x4008_0000n, RAM]);
    assert.deepEqual(p.writes[0], { pa: 0x4008_0000n, data: image });
    assert.deepEqual([...tree(p).subarray(0, 4)], FDT_MAGIC);
  });

  it('loads the segments of an ELF at their physical addresses, and translates the entry', () => {
    const p = plan(
      elf(
        [
          { va: 0xffff_8000_0008_0000n, pa: 0x4020_0000n, fileSize: 0x200n, memorySize: 0x9000n },
          { va: 0x4100_0000n, pa: 0x4100_0000n, offset: 0xa00n, fileSize: 8n },
          { type: 4, pa: 0n },
          { pa: 0n, fileSize: 0n, memorySize: 0n },
        ],
        0xffff_8000_0008_0010n,
      ),
    );
    assert.deepEqual([p.format, p.entry, p.x0], ['elf', 0x4020_0010n, RAM]);
    assert.deepEqual(
      p.writes.slice(0, 2).map((w) => [w.pa, w.data.length, w.data[0]]),
      [
        [0x4020_0000n, 0x200, 0],
        [0x4100_0000n, 8, 0],
      ],
    );
  });

  it('loads what GNU ld links', function () {
    requireTool(this, 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld', 'aarch64-linux-gnu-objcopy');
    const dir = mkdtempSync(join(tmpdir(), 'ws-boot-'));
    try {
      const at = (n: string): string => join(dir, n);
      writeFileSync(
        at('a.s'),
        '.globl _start\nnop\n_start: mov x0, #1\n.data\n.quad 0x1122334455667788\n.bss\n.space 100000\n',
      );
      execFileSync('aarch64-linux-gnu-as', ['-o', at('a.o'), at('a.s')]);
      execFileSync('aarch64-linux-gnu-ld', [
        '-Ttext=0x40100000',
        '-Tdata=0x40200000',
        '-o',
        at('a.elf'),
        at('a.o'),
      ]);
      execFileSync('aarch64-linux-gnu-objcopy', ['-O', 'binary', at('a.elf'), at('a.bin')]);
      const p = plan(readFileSync(at('a.elf')));
      assert.equal(p.entry, 0x4010_0004n);
      const flat = readFileSync(at('a.bin'));
      const memory = new Uint8Array(flat.length);
      // The first segment has the ELF header as well, before the text: objcopy leaves it out.
      for (const w of p.writes)
        if (w.pa !== p.x0)
          w.data.forEach((byte, i) => {
            const to = Number(w.pa - 0x4010_0000n) + i;
            if (to >= 0) memory[to] = byte;
          });
      assert.deepEqual(Buffer.from(memory), flat);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });

  describe('the device tree', () => {
    const places: [string, Header[], bigint, bigint][] = [
      ['at the start of RAM when that is free', [{ pa: 0x4008_0000n }], MEMORY, RAM],
      ['at the end when the image begins at RAM', [{ pa: RAM }], MEMORY, 0x5fff_e000n],
      [
        'below a segment when both ends are taken',
        [{ pa: RAM }, { pa: 0x4010_0000n - 0x100n }],
        0x10_0000n,
        0x400f_e000n,
      ],
    ];
    for (const [what, headers, memory, x0] of places)
      it(`stands ${what}`, () => {
        const p = plan(elf(headers, headers[0]?.pa), memory);
        assert.equal(p.x0, x0);
        assert.deepEqual([...tree(p).subarray(0, 4)], FDT_MAGIC);
        const end = p.x0 + BigInt(tree(p).length);
        for (const w of p.writes)
          assert.ok(w.pa === p.x0 || w.pa >= end || w.pa + BigInt(w.data.length) <= p.x0);
      });

    it('counts zero-filled memory as taken', () => {
      const p = plan(elf([{ pa: RAM, memorySize: MEMORY - 0x10_0000n }], RAM));
      assert.equal(p.x0, 0x5fff_e000n);
    });
  });

  describe('what cannot be booted gets one clear sentence', () => {
    const good: Header = { pa: 0x4008_0000n };
    const bad: [string, () => Uint8Array, RegExp][] = [
      ['an empty file', () => new Uint8Array(), /empty file: build it/],
      ['a truncated header', () => elf([good]).subarray(0, 40), /cut off after 40 bytes/],
      ['truncated program headers', () => elf([good]).subarray(0, 80), /ends before its program headers/],
      ['truncated data', () => elf([good]).subarray(0, 0x810), /before the data of program header 0/],
      [
        'x86-64',
        () => elf([good], undefined, (v) => v.setUint16(18, 62, true)),
        /for x86-64, not for AArch64/,
      ],
      [
        'an unknown machine',
        () => elf([good], undefined, (v) => v.setUint16(18, 999, true)),
        /for machine 999/,
      ],
      [
        'big-endian MIPS',
        () => elf([good], undefined, (v) => (v.setUint8(5, 2), v.setUint16(18, 8))),
        /for MIPS/,
      ],
      [
        'big-endian AArch64',
        () => elf([good], undefined, (v) => (v.setUint8(5, 2), v.setUint16(18, 183))),
        /little-endian/,
      ],
      ['ILP32', () => elf([good], undefined, (v) => v.setUint8(4, 1)), /64-bit/],
      [
        'an object file',
        () => elf([good], undefined, (v) => v.setUint16(16, 1, true)),
        /relocatable object file: link/,
      ],
      ['a core dump', () => elf([good], undefined, (v) => v.setUint16(16, 4, true)), /a core dump/],
      [
        'an odd type',
        () => elf([good], undefined, (v) => v.setUint16(16, 77, true)),
        /of type 77, not an executable/,
      ],
      ['no segments', () => elf([]), /no loadable segment/],
      ['no loadable one', () => elf([{ ...good, type: 2 }]), /no loadable segment/],
      ['an odd entry size', () => elf([good], undefined, (v) => v.setUint16(54, 32, true)), /has 32 bytes/],
      [
        'a table far away',
        () => elf([good], undefined, (v) => v.setBigUint64(32, 2n ** 64n - 1n, true)),
        /program headers/,
      ],
      ['data far away', () => elf([{ ...good, offset: 2n ** 64n - 1n }]), /before the data/],
      [
        'more file than memory',
        () => elf([{ ...good, fileSize: 0x100n, memorySize: 0x10n }]),
        /more bytes in the file/,
      ],
      [
        'a segment below RAM',
        () => elf([{ pa: 0n }], 0n),
        /0x0-0x100 is outside RAM \(0x40000000-0x60000000\)/,
      ],
      ['a segment beyond RAM', () => elf([{ pa: 0x5fff_ffffn }]), /outside RAM.*raise "memory"/],
      ['a segment that wraps', () => elf([{ pa: 2n ** 64n - 1n }]), /outside RAM/],
      ['overlapping segments', () => elf([good, { pa: 0x4008_00ffn }]), /overlap at 0x400800ff/],
      ['an entry outside', () => elf([good], 0x1234n), /0x1234 of the ELF file is in none of its segments/],
      ['an odd entry', () => elf([good], 0x4008_0002n), /not a multiple of 4/],
      ['a full RAM', () => elf([{ pa: RAM, memorySize: MEMORY }], RAM), /no room for the device tree/],
      ['a flat image that is too big', () => new Uint8Array(0x10_0000), /does not fit into 1 MiB of RAM/],
    ];
    for (const [what, image, message] of bad)
      it(what, () => {
        const memory = what.startsWith('a flat') ? 0x10_0000n : MEMORY;
        assert.throws(
          () => plan(image(), memory),
          (e: unknown) => {
            assert.ok(e instanceof BootError, String(e));
            assert.match(e.message, message);
            assert.match(e.message, /^[^\n]+\.$/);
            return true;
          },
        );
      });

    it('too many segments', () => {
      const file = new Uint8Array(64 + 600 * 56);
      file.set(elf([]).subarray(0, 64));
      const v = new DataView(file.buffer);
      v.setUint16(56, 600, true);
      for (let n = 0; n < 600; n++) {
        v.setUint32(64 + 56 * n, 1, true);
        v.setBigUint64(64 + 56 * n + 40, 1n, true);
      }
      assert.throws(() => readElf(file), /more than 512 loadable segments/);
    });

    it('no CPUs, too many, too little memory', () => {
      assert.throws(() => planBoot(Uint8Array.of(1), MEMORY, 0, true), /"smp" asks for 0/);
      assert.throws(() => planBoot(Uint8Array.of(1), MEMORY, 99, true), /1 to 8 CPUs/);
      assert.throws(() => planBoot(Uint8Array.of(1), 4096n, 1, true), /set "memory" to 1M/);
    });
  });

  it('whatever the bytes are: a plan inside RAM or a BootError', () => {
    const header = elf([{}, { pa: 0x4200_0000n }]);
    const mutated = fc
      .array(fc.tuple(fc.nat(64 + 112), fc.nat(255)), { minLength: 1, maxLength: 12 })
      .map((edits) => {
        const file = header.slice();
        for (const [at, byte] of edits) file[at] = byte;
        return file;
      });
    const truncated = fc.nat(0x1000).map((n) => header.subarray(0, n));
    fc.assert(
      fc.property(fc.oneof(mutated, truncated, fc.uint8Array({ maxLength: 200 })), (file) => {
        try {
          const p = plan(file);
          for (const w of p.writes) assert.ok(w.pa >= RAM && w.pa + BigInt(w.data.length) <= RAM + MEMORY);
          assert.ok(p.entry >= RAM && p.entry < RAM + MEMORY);
        } catch (e) {
          if (!(e instanceof BootError)) throw e;
        }
      }),
      { numRuns: 1000 },
    );
  });
});
