/** One function in three worlds: breakpoints on it stop wherever it is executed. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gnu, gnuAssemble } from '../../test/support/gnu';
import { requireTool } from '../../test/support/oracles';
import { POWER_OFF, testGuest, type TestGuest } from '../testing';

/** Executes `twice` under the identity map of EL2, at an address of EL2's own, and in EL1 at an address of the host. */
const PROGRAM = `
	.global _start
_start:
	adr	x1, tables
	ldr	x2, =0x40000701
	str	x2, [x1, #8]
	str	x2, [x1, #16]
	add	x4, x1, #4096
	str	x2, [x4, #8]
	str	x2, [x4, #24]
	bl	twice
	msr	ttbr0_el2, x1
	msr	ttbr0_el1, x4
	ldr	x2, =0x80803519
	msr	tcr_el2, x2
	ldr	x2, =0x803519
	msr	tcr_el1, x2
	mov	x2, #0xff
	msr	mair_el2, x2
	msr	mair_el1, x2
	isb
	tlbi	alle1
	mov	x2, #1
	movk	x2, #0x30c5, lsl #16
	msr	sctlr_el2, x2
	movz	x2, #1
	movk	x2, #0x30d0, lsl #16
	msr	sctlr_el1, x2
	isb
	adr	x3, twice
	mov	x5, #0x40000000
	add	x3, x3, x5
	blr	x3
	mov	x2, #0x80000000
	msr	hcr_el2, x2
	mov	x2, #0x3c5
	msr	spsr_el2, x2
	adr	x2, in_el1
	msr	elr_el2, x2
	eret
in_el1:
	adr	x3, twice
	mov	x5, #0x80000000
	add	x3, x3, x5
	blr	x3
${POWER_OFF}
	.ltorg
	.balign	4
	.global	twice
	.type	twice, %function
twice:
	mov	x6, #1
	ret
	.size	twice, . - twice
	.balign	4096
tables:	.space	8192
`;
/** Where GNU ld puts the program, and where it is loaded. */
const LINKED = 0xffff_8000_1000_0000n;
const LOADED = 0x4010_0000n;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

describe('a function in several worlds', () => {
  let guest: TestGuest;
  let folder: string;
  before(() => (folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-worlds-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));
  afterEach(() => guest.control.halt());

  /** Level and address of each stop. */
  async function stops(): Promise<[number, bigint][]> {
    const list: [number, bigint][] = [];
    for (;;) {
      guest.control.resume();
      if ('kind' in (await guest.next())) return list;
      const { el, pc } = guest.target.arch.context(0);
      list.push([el, pc]);
    }
  }
  const set = (...names: string[]): void => {
    const made = guest.control.breakpoints.replace(
      'function',
      '',
      names.map((name) => ({ subject: { k: 'function', name } as const })),
    );
    for (const b of made) assert.ok(b.guard && b.reason === undefined, b.reason);
  };
  const everywhere = (pa: bigint): [number, bigint][] => [
    [2, pa],
    [2, pa + 0x4000_0000n],
    [1, pa + 0x8000_0000n],
  ];
  const linkAddress = (): bigint => guest.target.symbols.symbolByName('twice')[0]!.address;

  function linked(): string {
    const at = (name: string): string => path.join(folder, name);
    writeFileSync(at('main.S'), PROGRAM);
    assert.deepEqual(gnuAssemble(at('main.S'), at('main.o'), '-g'), []);
    const script = `ENTRY(_start) SECTIONS { .text ${LINKED} : AT(${LOADED}) { *(.text) } }`;
    writeFileSync(at('main.ld'), script);
    const r = gnu('ld', '--no-warn-rwx-segments', '-T', at('main.ld'), at('main.o'), '-o', at('main.elf'));
    assert.equal(r.status, 0, r.stderr);
    return at('main.elf');
  }

  it('stops at its link address under the identity map, at EL2 and at host addresses', async () => {
    guest = testGuest(PROGRAM);
    set('twice');
    assert.deepEqual(await stops(), everywhere(linkAddress()));
  });

  it('stops when it is linked at another address than it runs', async function () {
    requireTool(this, 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld');
    guest = testGuest(PROGRAM, { program: linked() });
    const pa = u64(linkAddress() - LINKED + LOADED);
    set('twice');
    assert.deepEqual(await stops(), everywhere(pa));
    guest = testGuest(PROGRAM, { program: linked() });
    // The link address as a number means the same.
    set(`0x${linkAddress().toString(16)}`);
    assert.deepEqual(await stops(), everywhere(pa));
  });

  it('stops in one world only where the address says so, in every notation', async () => {
    guest = testGuest(PROGRAM);
    const pa = linkAddress();
    const hex = (v: bigint): string => `0x${v.toString(16)}`;
    const [identity, el2, host] = everywhere(pa);
    for (const [names, expected] of [
      [[`PA:${hex(pa)}`], [identity, el2, host]],
      [[`EL2:${hex(pa)}`], [identity]],
      [[`EL2:${hex(pa + 0x4000_0000n)}`], [el2]],
      [[`el1 : ${hex(pa + 0x8000_0000n)}`], [host]],
      [[`EL1,vmid=0:${hex(pa + 0x8000_0000n)}`], [host]],
      [[`EL1,vmid=0,asid=0:${hex(pa + 0x8000_0000n)}`], [host]],
      [[`EL1,vmid=0,asid=5:${hex(pa + 0x8000_0000n)}`], []],
      [[`EL0,vmid=3:${hex(pa + 0x8000_0000n)}`], []],
      [[`IPA,vmid=1:${hex(pa)}`, `IPA(1):${hex(pa)}`], []],
    ] as const) {
      guest = testGuest(PROGRAM);
      guest.control.breakpoints.replace(
        'instruction',
        '',
        names.map((reference) => ({ subject: { k: 'instruction', reference, offset: 0 } as const })),
      );
      assert.deepEqual(await stops(), expected, names.join());
    }
  });
});
