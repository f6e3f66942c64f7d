import assert from 'node:assert/strict';
import { Random, seed } from '../../test/support/random';
import { assemble } from '../asm/assemble';
import { a64Isa } from '../isa/a64';
import type { Stop } from '../core/machine';
import type { WatchedAccess, WatchKind } from '../core/watch';
import { Computer } from './computer';

/** What an instruction is expected to do to the buffer. */
interface Expected {
  readonly write: boolean;
  /** Offset in the buffer. */
  readonly at: number;
  readonly bytes: number;
  /** What is there afterwards, for writes. */
  readonly after?: readonly number[];
}

interface Case {
  readonly name: string;
  /** Everything before the instruction in question; x1 is the buffer. */
  readonly before?: readonly string[];
  readonly code: string;
  readonly accesses: readonly Expected[];
}

const read = (at: number, bytes: number): Expected => ({ write: false, at, bytes });
const write = (at: number, after: readonly number[]): Expected => ({
  write: true,
  at,
  bytes: after.length,
  after,
});
const times = (n: number, byte: number): number[] => Array<number>(n).fill(byte);
const little = (value: number): number[] => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);

/** x2 is 0x2222222222222222, x3 all threes; v0-v3 are filled with bytes a0-a3. */
const CASES: readonly Case[] = [
  { name: 'LDR', code: 'ldr x0, [x1, #8]', accesses: [read(8, 8)] },
  { name: 'LDRB', code: 'ldrb w0, [x1, #3]', accesses: [read(3, 1)] },
  { name: 'LDRSH', code: 'ldrsh x0, [x1, #6]', accesses: [read(6, 2)] },
  { name: 'LDR (literal)', code: 'ldr w0, buffer', accesses: [read(0, 4)] },
  { name: 'LDTR', code: 'ldtr x0, [x1, #16]', accesses: [read(16, 8)] },
  { name: 'LDP', code: 'ldp x0, x4, [x1, #16]', accesses: [read(16, 16)] },
  { name: 'LDR (pre-indexed)', before: ['mov x5, x1'], code: 'ldr x0, [x5, #24]!', accesses: [read(24, 8)] },
  { name: 'LDR, unaligned', code: 'ldur x0, [x1, #3]', accesses: [read(3, 8)] },
  { name: 'LDAR', code: 'ldar x0, [x1]', accesses: [read(0, 8)] },
  { name: 'LDR (Q)', code: 'ldr q4, [x1, #32]', accesses: [read(32, 16)] },
  { name: 'LD4', code: 'ld4 {v4.16b-v7.16b}, [x1]', accesses: [read(0, 64)] },
  { name: 'LD1R', code: 'ld1r {v4.4s}, [x1]', accesses: [read(0, 4)] },
  { name: 'STR', code: 'str x2, [x1, #8]', accesses: [write(8, times(8, 0x22))] },
  { name: 'STRB', code: 'strb w2, [x1, #5]', accesses: [write(5, [0x22])] },
  { name: 'STTR', code: 'sttr w3, [x1, #20]', accesses: [write(20, times(4, 0x33))] },
  {
    name: 'STR (post-indexed)',
    before: ['add x5, x1, #40'],
    code: 'str w3, [x5], #4',
    accesses: [write(40, times(4, 0x33))],
  },
  {
    name: 'STP',
    code: 'stp x2, x3, [x1, #48]',
    accesses: [write(48, [...times(8, 0x22), ...times(8, 0x33)])],
  },
  { name: 'STLR', code: 'stlr w2, [x1]', accesses: [write(0, times(4, 0x22))] },
  { name: 'STR (Q)', code: 'str q0, [x1, #64]', accesses: [write(64, times(16, 0xa0))] },
  {
    name: 'ST2',
    before: ['add x5, x1, #96'],
    code: 'st2 {v0.8b, v1.8b}, [x5]',
    accesses: [
      write(
        96,
        times(8, 0).flatMap(() => [0xa0, 0xa1]),
      ),
    ],
  },
  {
    name: 'ST1 (single)',
    before: ['add x5, x1, #96'],
    code: 'st1 {v2.s}[1], [x5]',
    accesses: [write(96, times(4, 0xa2))],
  },
  { name: 'LDXR', code: 'ldxr x0, [x1]', accesses: [read(0, 8)] },
  {
    name: 'STXR',
    before: ['ldxr x0, [x1]'],
    code: 'stxr w0, x3, [x1]',
    accesses: [write(0, times(8, 0x33))],
  },
  { name: 'STXR that fails', before: ['clrex'], code: 'stxr w0, x2, [x1]', accesses: [] },
  {
    name: 'STLXP',
    before: ['ldaxp x0, x4, [x1]'],
    code: 'stlxp w0, x2, x2, [x1]',
    accesses: [write(0, times(16, 0x22))],
  },
  { name: 'DC ZVA', before: ['add x5, x1, #70'], code: 'dc zva, x5', accesses: [write(64, times(64, 0))] },
  { name: 'DC CVAC', code: 'dc cvac, x1', accesses: [] },
  { name: 'PRFM', code: 'prfm pldl1keep, [x1]', accesses: [] },
  {
    name: 'LDR over two pages',
    before: ['add x5, x1, #4092'],
    code: 'ldr x0, [x5]',
    accesses: [read(4092, 8)],
  },
  {
    name: 'STP over two pages',
    before: ['add x5, x1, #4084'],
    code: 'stp x2, x3, [x5]',
    accesses: [write(4084, [...times(8, 0x22), ...times(8, 0x33)])],
  },
  {
    name: 'a store from another mapping',
    before: ['movz x6, #0x4000, lsl #16', 'add x6, x6, x1'],
    code: 'str x3, [x6, #16]',
    accesses: [write(16, times(8, 0x33))],
  },
];

/** RAM at its own addresses and, again, 1 GiB and 2 GiB above; data is Normal memory. */
const PROLOGUE = `
	.global _start
_start:
	adr	x1, vectors
	msr	vbar_el2, x1
	adr	x1, table
	ldr	x2, =0x40000701
	str	x2, [x1, #8]
	str	x2, [x1, #16]
	str	x2, [x1, #24]
	msr	ttbr0_el2, x1
	ldr	x2, =0x80803519
	msr	tcr_el2, x2
	mov	x2, #0xff
	msr	mair_el2, x2
	msr	cptr_el2, xzr
	isb
	mov	x2, #1
	movk	x2, #0x30c5, lsl #16
	msr	sctlr_el2, x2
	isb
	adrp	x1, buffer
	mov	x2, #0x2222222222222222
	mov	x3, #0x3333333333333333
	movi	v0.16b, #0xa0
	movi	v1.16b, #0xa1
	movi	v2.16b, #0xa2
	movi	v3.16b, #0xa3
`;
const EPILOGUE = `
off:	ldr	x0, =0x84000008
	smc	#0
	.ltorg
	.balign	4096
vectors:
	.rept	16
	b	off
	.balign	128
	.endr
	.balign	4096
table:	.space	4096
buffer:	.space	8192
extra:	.space	4096
`;

interface Guest {
  readonly computer: Computer;
  readonly at: (name: string) => bigint;
  readonly buffer: bigint;
}

function guest(body: string, cpu = 'cortex-a57'): Guest {
  const made = assemble({ main: 'main.S', read: () => `${PROLOGUE}${body}${EPILOGUE}`, isa: a64Isa });
  assert.deepEqual(made.diagnostics, []);
  const computer = new Computer({ cpu, cpus: 1, memoryBytes: 16 << 20, image: made.elf! });
  const at = (name: string): bigint => made.symbols.find((s) => s.name === name)!.value;
  return { computer, at, buffer: at('buffer') };
}

const pattern = (): Uint8Array => Uint8Array.from({ length: 8192 }, (_, i) => (i * 7 + 1) & 0xff);

/** Runs on from stop to stop to the end. */
function stops(g: Guest): { stop: Stop; accesses: readonly WatchedAccess[]; pc: bigint }[] {
  const { machine } = g.computer;
  const list = [];
  for (;;) {
    const stop = machine.run({ instructions: 1_000_000 });
    if (stop.kind !== 'watch') {
      assert.equal(stop.kind, 'off');
      return list;
    }
    list.push({ stop, accesses: machine.watch.take(), pc: machine.pc(stop.cpu) });
  }
}

const watchBuffer = (g: Guest, at = 0, bytes = 8192, kind: WatchKind = 'access'): void =>
  g.computer.machine.watch.add({ pa: g.buffer + BigInt(at), bytes, kind });

/** Clears the access flag of the mapping at 2 GiB, which walks are to set from then on (HAFDBS). */
const clearFlag = `
	adrp	x5, table
	ldr	x6, =0x40000301		// the flag is clear
	str	x6, [x5, #24]
	mrs	x6, tcr_el2
	orr	x6, x6, #1 << 21	// HA
	msr	tcr_el2, x6
	isb
	tlbi	alle2
	isb
	mov	x7, #0x80000000
`;

describe('watched memory', () => {
  const body = CASES.map((c, n) => `${(c.before ?? []).join('\n')}\ncase${n}:\n${c.code}\nclrex\n`).join('');

  it('every kind of access is seen, with its instruction, place and values', () => {
    const g = guest(body);
    g.computer.machine.physical.poke(g.buffer, pattern());
    const memory = pattern();
    watchBuffer(g);
    const seen = stops(g);
    for (const [n, c] of CASES.entries()) {
      const pc = g.at(`case${n}`);
      const here = seen.filter((s) => s.accesses[0]?.pc === pc);
      const accesses = here.flatMap((s) => s.accesses);
      assert.deepEqual(
        accesses.map((a) => [a.write, Number(a.pa - g.buffer), a.bytes]),
        c.accesses.map((e) => [e.write, e.at, e.bytes]),
        c.name,
      );
      for (const [i, e] of c.accesses.entries()) {
        const a = accesses[i]!;
        assert.deepEqual([...a.before], [...memory.subarray(e.at, e.at + e.bytes)], `${c.name}: before`);
        if (e.after) memory.set(e.after, e.at);
        assert.deepEqual([...a.after], [...memory.subarray(e.at, e.at + e.bytes)], `${c.name}: after`);
        assert.equal(a.va & 0xffffn, a.pa & 0xffffn, c.name);
        assert.equal(a.cpu, 0);
      }
      // The machine stands behind the instruction.
      for (const s of here) assert.equal(s.pc, pc + 4n, c.name);
    }
    const alias = CASES.findIndex((c) => c.name.includes('another mapping'));
    const last = seen.find((s) => s.accesses[0]?.pc === g.at(`case${alias}`))!;
    assert.equal(last.accesses[0]!.va - last.accesses[0]!.pa, 0x4000_0000n);
    assert.deepEqual(Buffer.from(g.computer.machine.physical.peek(g.buffer, 8192)), Buffer.from(memory));
  });

  it('atomics read and write (LSE)', () => {
    const g = guest('a:\nswp x2, x0, [x1]\nb:\nldadd w3, w0, [x1]\nc:\ncas x3, x3, [x1]\n', 'cortex-a76');
    watchBuffer(g, 0, 8);
    const seen = stops(g);
    assert.deepEqual(
      seen.map((s) => s.accesses.map((a) => [a.pc, a.write, a.bytes])),
      [
        [
          [g.at('a'), false, 8],
          [g.at('a'), true, 8],
        ],
        [
          [g.at('b'), false, 4],
          [g.at('b'), true, 4],
        ],
        // A compare that fails writes back what was there.
        [
          [g.at('c'), false, 8],
          [g.at('c'), true, 8],
        ],
      ],
    );
    assert.deepEqual([...seen[1]!.accesses[1]!.after], little(0x55555555));
    const [before, after] = [seen[2]!.accesses[1]!.before, seen[2]!.accesses[1]!.after];
    assert.deepEqual(after, before);
  });

  it('the access flag that a walk sets (HAFDBS) is a write of its own', () => {
    const g = guest(
      `${clearFlag}use:	ldr	x0, [x1, x7]
`,
      'cortex-a76',
    );
    g.computer.machine.watch.add({ pa: g.at('table') + 24n, bytes: 8, kind: 'write' });
    const [, , walk, ...more] = stops(g);
    assert.deepEqual(more, []);
    assert.deepEqual(
      walk!.accesses.map((a) => [a.by, a.pc, a.before[1]! & 4, a.after[1]! & 4]),
      [['walk', g.at('use'), 0, 4]],
    );
    assert.equal(walk!.pc, g.at('use') + 4n);
  });

  it('the access flag that the walk for a fetch sets is one too: before the instruction', () => {
    const g = guest(
      `${clearFlag}	adr	x8, there
	add	x8, x8, x7
	br	x8
	.balign	4096
	nop
there:	b	off
`,
      'cortex-a76',
    );
    g.computer.machine.watch.add({ pa: g.at('table') + 24n, bytes: 8, kind: 'write' });
    const [, , walk, ...more] = stops(g);
    assert.deepEqual(more, []);
    assert.deepEqual(
      walk!.accesses.map((a) => [a.by, a.pc, a.before[1]! & 4, a.after[1]! & 4]),
      [['walk', g.at('there') + 0x8000_0000n, 0, 4]],
    );
    assert.equal(walk!.pc, walk!.accesses[0]!.pc);
  });

  for (const [kind, expected] of [
    ['read', ['load']],
    ['write', ['store']],
    ['access', ['load', 'store']],
  ] as const)
    it(`of kind ${kind}`, () => {
      const g = guest('load:\nldr x0, [x1, #8]\nstore:\nstr x2, [x1, #8]\nldr x0, [x1, #16]\nstr x0, [x1]\n');
      watchBuffer(g, 8, 8, kind);
      assert.deepEqual(
        stops(g).map((s) => s.accesses[0]!.pc),
        expected.map((name) => g.at(name)),
      );
    });

  it('a byte of a larger access counts, its neighbours do not', () => {
    const g = guest('a:\nstp x2, x3, [x1]\nb:\nstrb w2, [x1, #6]\nc:\nstr w3, [x1, #7]\nstr x3, [x1, #8]\n');
    watchBuffer(g, 7, 1, 'write');
    const hits = stops(g).map((s) => s.accesses[0]!);
    assert.deepEqual(
      hits.map((a) => [a.pc, [...a.hits[0]!.before], [...a.hits[0]!.after]]),
      [
        [g.at('a'), [0], [0x22]],
        [g.at('c'), [0x22], [0x33]],
      ],
    );
  });

  it('ranges that overlap are all named, with the values of their own bytes', () => {
    const g = guest('a:\nstrb w3, [x1, #9]\n');
    const { watch } = g.computer.machine;
    const ranges = [
      { pa: g.buffer, bytes: 16, kind: 'write' },
      { pa: g.buffer + 8n, bytes: 2, kind: 'access' },
      { pa: g.buffer + 9n, bytes: 4096, kind: 'write' },
      { pa: g.buffer + 10n, bytes: 1, kind: 'write' },
      { pa: g.buffer + 9n, bytes: 1, kind: 'read' },
    ] as const;
    ranges.forEach((r) => watch.add(r));
    const [only, ...more] = stops(g);
    assert.deepEqual(more, []);
    assert.deepEqual(
      only!.accesses[0]!.hits.map((h) => [ranges.indexOf(h.range as never), [...h.after]]),
      [
        [0, [...times(9, 0), 0x33, ...times(6, 0)]],
        [1, [0, 0x33]],
        [2, [0x33]],
      ],
    );
  });

  it('devices are watched too', () => {
    const g = guest(
      'movz x5, #0x900, lsl #16\nmov w6, #0x41\nput:\nstrb w6, [x5]\nget:\nldr w7, [x5, #0x18]\n',
    );
    // Devices are below RAM: the first entry of the table maps them.
    g.computer.machine.physical.poke(g.at('table'), Uint8Array.of(0x05, 0x04));
    g.computer.machine.watch.add({ pa: 0x900_0000n, bytes: 0x1000, kind: 'access' });
    const seen = stops(g);
    assert.deepEqual(
      seen.map((s) => [s.accesses[0]!.pc, s.accesses[0]!.write, [...s.accesses[0]!.after]]),
      [
        [g.at('put'), true, [0x41]],
        [g.at('get'), false, little(0x90)],
      ],
    );
  });

  it("the debugger's own writes and reads are not reported", () => {
    const g = guest('nop\n');
    watchBuffer(g);
    g.computer.machine.input({ kind: 'memory', pa: g.buffer, bytes: Uint8Array.of(1, 2, 3) });
    g.computer.machine.physical.peek(g.buffer, 16);
    assert.deepEqual(stops(g), []);
  });

  it('what a table walk writes is reported as that, and written', () => {
    const g = guest('nop\n');
    const { machine } = g.computer;
    watchBuffer(g, 8, 8, 'write');
    machine.writeByWalk(0, g.buffer + 8n, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    machine.writeByWalk(0, g.buffer + 16n, Uint8Array.of(9));
    assert.deepEqual(
      machine.watch.take().map((a) => [a.by, a.write, a.pa - g.buffer, [...a.after]]),
      [['walk', true, 8n, [1, 2, 3, 4, 5, 6, 7, 8]]],
    );
    assert.deepEqual([...machine.physical.peek(g.buffer + 15n, 2)], [8, 9]);
  });

  it('a range that is removed is forgotten; what shares its page is not', () => {
    const g = guest('a:\nstr x2, [x1]\nb:\nstr x2, [x1, #8]\nc:\nstr x3, [x1]\nd:\nstr x3, [x1, #8]\n');
    const { machine } = g.computer;
    const first = { pa: g.buffer, bytes: 8, kind: 'write' } as const;
    machine.watch.add(first);
    watchBuffer(g, 8, 8);
    assert.equal(machine.run({ instructions: 1000 }).kind, 'watch');
    assert.equal(machine.watch.take()[0]!.pc, g.at('a'));
    machine.watch.remove(first);
    assert.deepEqual(
      stops(g).map((s) => s.accesses[0]!.pc),
      [g.at('b'), g.at('d')],
    );
  });

  it('stops behind an instruction that rewrites the next one, and behind the last of a page', () => {
    const g = guest(`
	ldr	w0, =0xd2800fe4		// mov x4, #127
	adr	x5, next
patch:	str	w0, [x5]
next:	mov	x4, #1
	b	last
	.balign	4096
	.space	4092
last:	str	x4, [x1]
	mov	x4, #2
`);
    g.computer.machine.watch.add({ pa: g.at('next'), bytes: 4, kind: 'write' });
    watchBuffer(g, 0, 8);
    const seen = stops(g);
    assert.deepEqual(
      seen.map((s) => s.pc),
      [g.at('next'), g.at('last') + 4n],
    );
    assert.equal(seen[1]!.accesses[0]!.after[0], 127);
  });

  it('goes on to stop after a snapshot has come back', () => {
    const g = guest('str x2, [x1]\nstr x2, [x1]\na:\nstr x2, [x1]\n');
    const { machine } = g.computer;
    machine.run({ instructions: 27 });
    const snapshot = machine.snapshots.take();
    watchBuffer(g, 0, 8);
    machine.snapshots.restore(snapshot);
    assert.equal(stops(g).at(-1)!.accesses[0]!.pc, g.at('a'));
  });

  it(`leaves the guest's time and state as they are (SEED=${seed})`, () => {
    const r = new Random(seed);
    // All kinds of accesses; and a page that becomes read-only in the table, of which the TLB is never told.
    const loop = `
	mov	x20, #40
again:	${body}
	adrp	x9, extra
	mov	x10, #0x80000000
	str	x20, [x9, x10]
	ldr	x11, [x9, x10]
	adrp	x9, table
	ldr	x10, [x9, #24]
	orr	x10, x10, #0x80
	str	x10, [x9, #24]
	sub	x20, x20, #1
	cbnz	x20, again
`;
    const plain = guest(loop);
    const end = (g: Guest): string => `${g.computer.machine.schedule.vtime} ${g.computer.machine.hash()}`;
    assert.equal(plain.computer.machine.run({ instructions: 1_000_000 }).kind, 'off');
    const watched = guest(loop);
    const { machine } = watched.computer;
    for (let i = 0; i < 4; i++)
      watchBuffer(watched, r.below(5000), 1 + r.below(600), r.pick(['read', 'write', 'access']));
    machine.watch.add({ pa: watched.at('table'), bytes: 4096, kind: 'access' });
    machine.watch.add({ pa: watched.at('extra'), bytes: 4096, kind: 'access' });
    machine.watch.add({ pa: watched.at('_start'), bytes: 4096, kind: 'access' });
    let count = 0;
    for (;;) {
      const stop = machine.run({ instructions: 1 + r.below(r.pick([3, 5000])) });
      if (stop.kind === 'off') break;
      if (stop.kind === 'watch') count++;
    }
    assert.ok(count > 100, `${count} accesses`);
    assert.equal(end(watched), end(plain));
  });
});
