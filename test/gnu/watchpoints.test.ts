/** Where data breakpoints stop, compared with watchpoints of gdb on QEMU. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { testGuest } from '../../debug-adapter/testing';
import type { WatchKind } from '../../emulator/core/watch';
import { gnu, gnuAssemble } from '../support/gnu';
import { requireTool } from '../support/oracles';
import { gdbAnswers } from './gdb';

/** Accesses to the 8 bytes in the middle, and to their neighbours; the MMU is off, so all are aligned. gdb cannot stop between exclusives. */
const PROGRAM = `
	.global _start
_start:
	msr	cptr_el2, xzr
	isb
	adr	x1, data
	add	x8, x1, #8
	mov	x2, #0x1234
	mov	w20, #2
again:
	str	x2, [x1]
	str	x2, [x1, #8]
	str	x2, [x1, #16]
	ldr	x3, [x1]
	ldr	x3, [x1, #8]
	ldrb	w3, [x1, #15]
	strb	w2, [x1, #12]
	ldrh	w3, [x1, #16]
	stp	x2, x2, [x1]
	ldp	x3, x4, [x1, #8]
	ldp	w3, w4, [x1, #16]
	movi	v0.16b, #0x5a
	str	q0, [x1]
	str	q0, [x1, #16]
	ldr	d1, [x1, #8]
	st1	{v0.4s}, [x1]
	ld1	{v1.2d, v2.2d}, [x1]
	add	x5, x2, #1
	stlr	x5, [x8]
	ldar	x5, [x8]
	str	x5, [x8], #8
	ldr	x5, [x8, #-8]!
	subs	w20, w20, #1
	b.ne	again
off:
	ldr	x0, =0x84000008
	smc	#0
	.balign	16
data:	.quad	0, 0, 0, 0
`;

const commands: Readonly<Record<WatchKind, string>> = { write: 'watch', read: 'rwatch', access: 'awatch' };

describe('data breakpoints and watchpoints of gdb', function () {
  let folder: string;
  let elf: string;
  before(function () {
    requireTool(this, 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld', 'qemu-system-aarch64', 'gdb-multiarch');
    folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-watch-'));
    const at = (name: string): string => path.join(folder, name);
    writeFileSync(at('main.S'), PROGRAM);
    assert.deepEqual(gnuAssemble(at('main.S'), at('main.o')), []);
    elf = at('main.elf');
    const r = gnu('ld', '-Ttext=0x40080000', at('main.o'), '-o', elf);
    assert.equal(r.status, 0, r.stderr);
  });
  after(() => {
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  /** Where the PC is and what the bytes are at each stop, by our debugger. */
  async function ours(kind: WatchKind): Promise<string[][]> {
    const guest = testGuest('', { program: elf });
    const { machine, symbols } = guest.target;
    const address = symbols.symbolByName('data')[0]!.address + 8n;
    // gdb is silent where a write changes nothing.
    const condition = kind === 'write' ? { condition: 'old != new' } : {};
    guest.control.data.replace([{ dataId: `PA:0x${address.toString(16)}+8`, kind, ...condition }]);
    const list: string[][] = [];
    for (;;) {
      guest.control.resume();
      if ('kind' in (await guest.next())) return list;
      const value = Buffer.from(machine.physical.peek(address, 8)).readBigUInt64LE();
      list.push([String(machine.pc(0)), String(value)]);
    }
  }

  function gdbs(kind: WatchKind): string[][] {
    const answers = gdbAnswers(elf, [
      `run('${commands[kind]} *(unsigned long*)((char*)&data + 8)')`,
      "run('break *off')",
      'for n in range(200):',
      "    run('continue')",
      "    if int(gdb.parse_and_eval('$pc')) == int(gdb.parse_and_eval('(unsigned long)&off')): break",
      "    number('$pc')",
      "    number('*(unsigned long*)((char*)&data + 8)')",
    ]) as string[];
    return Array.from({ length: answers.length / 2 }, (_, n) => answers.slice(2 * n, 2 * n + 2));
  }

  for (const kind of ['write', 'read', 'access'] as const)
    it(`stop at the same places with the same values: ${kind}`, async () => {
      const expected = gdbs(kind);
      assert.ok(expected.length >= 10, `${expected.length} stops in gdb`);
      assert.deepEqual(await ours(kind), expected);
    });
});
