import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { requireTool } from '../../test/support/oracles';
import { Workshop } from '../symbols/testing';
import { InspectBench, SAMPLE } from './testing/bench';

/** Two levels of calls with frame records, a leaf below, at EL2 without MMU. */
const CALLS = `
	.global _start
	.type _start, %function
_start:	ldr	x0, =0x40200000
	mov	sp, x0
	mov	x29, xzr
	bl	outer
	b	.
	.size _start, . - _start
	.type outer, %function
outer:	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	bl	middle
after:	ldp	x29, x30, [sp], #16
	ret
	.size outer, . - outer
	.type middle, %function
middle:	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	mov	x5, #5
	bl	leaf
inner:	mov	x6, #6
	ldp	x29, x30, [sp], #32
	ret
	.size middle, . - middle
	.type leaf, %function
leaf:	mov	x7, #7
	ret
	.size leaf, . - leaf
`;

/** Frame pointers omitted: only call frame information knows the callers. */
const C_PROGRAM = `
struct point { int x, y; unsigned flags : 3; unsigned mode : 5; const char *name; struct point *next; };
enum colour { RED, GREEN = 5 };
static struct point last = { 9, 8, 1, 2, "last", 0 };
volatile unsigned long sink;

__attribute__((noinline)) unsigned long inner(struct point *p, enum colour c, long many)
{
  short narrow = -3;
  unsigned char letters[6] = "hi";
  long table[80];
  for (int i = 0; i < 80; i++)
    table[i] = i * many;
  sink += table[p->x] + narrow + letters[0] + c;
  return sink;
}

__attribute__((noinline)) unsigned long outer(int depth)
{
  struct point p = { depth, -2, 5, 17, "first", &last };
  if (depth > 2)
    return outer(depth - 1) + 1;
  return inner(&p, GREEN, 0x1122334455667788) + p.y;
}

void start_c(void)
{
  sink = outer(4);
  for (;;)
    ;
}
`;
const C_START = `
	.global _start
_start:	adrp x0, stack_end
	add x0, x0, :lo12:stack_end
	mov sp, x0
	bl start_c
	b .
	.bss
	.balign 16
	.space 65536
stack_end:
`;

/** EL2 starts EL1, EL1 starts EL0; EL0 makes an SVC, whose handler makes an HVC. */
const LEVELS = `
	.global _start
	.type _start, %function
_start:	adr	x0, vectors2
	msr	vbar_el2, x0
	mov	x0, #0x80000000
	msr	hcr_el2, x0
	adr	x0, kernel
	msr	elr_el2, x0
	mov	x0, #0x3c5
	msr	spsr_el2, x0
	eret
	.size _start, . - _start
	.type kernel, %function
kernel:	adr	x0, vectors1
	msr	vbar_el1, x0
	ldr	x0, =0x40200000
	msr	sp_el0, x0
	adr	x0, user
	msr	elr_el1, x0
	msr	spsr_el1, xzr
	eret
	.size kernel, . - kernel
	.type user, %function
user:	mov	x29, #0
	bl	ask
	b	user
	.size user, . - user
	.type ask, %function
ask:	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	mov	x8, #8
	svc	#3
	ldp	x29, x30, [sp], #16
	ret
	.size ask, . - ask
	.balign 2048
vectors1:
	.space	0x400
	hvc	#5
back:	eret
	.balign 2048
vectors2:
	.space	0x400
	eret
`;

describe('the call stack', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'ws-frames-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const source = (text: string): string => {
    const file = path.join(folder, 'main.S');
    writeFileSync(file, text);
    return file;
  };

  describe('of assembly with frame records', () => {
    let b: InspectBench;
    before(() => void (b = new InspectBench({ program: source(CALLS), memory: '16M' })));

    const stops: readonly (readonly [string, readonly string[]])[] = [
      ['middle', ['middle', 'outer', '_start']],
      ['leaf', ['leaf', 'middle', 'outer', '_start']],
    ];
    for (const [name, expected] of stops)
      it(`is right at the first instruction of ${name}`, async () => {
        await b.runToFunction(name);
        assert.deepEqual(await b.stack(), expected);
      });

    it('stays right through prologue, calls and epilogue', async () => {
      const c = new InspectBench({ program: source(CALLS), memory: '16M' });
      await c.runToFunction('outer');
      const stacks: string[] = [];
      for (let i = 0; i < 18; i++) {
        const text = (await c.stack()).join(' ');
        if (stacks.at(-1) !== text) stacks.push(text);
        await c.step();
      }
      assert.deepEqual(stacks, [
        'outer _start',
        'middle outer _start',
        'leaf middle outer _start',
        'middle outer _start',
        'outer _start',
        '_start',
      ]);
    });

    it('gives each frame its own registers', async () => {
      const values: string[] = [];
      const frames = await b.frames();
      for (let n = 0; n < frames.length; n++) {
        const pc = (await b.evaluate('pc', 'watch', n)).split(' ')[0] ?? '';
        assert.equal(frames[n]?.instructionPointerReference, `EL2:${pc}`);
        values.push(await b.evaluate('sp', 'watch', n));
      }
      // leaf has no frame of its own; what the others have taken, their prologues say.
      assert.deepEqual(values, ['0x401fffd0', '0x401fffd0', '0x401ffff0', '0x40200000']);
      const fp = await Promise.all([0, 1, 2, 3].map((n) => b.evaluate('x29', 'watch', n)));
      assert.deepEqual(fp, ['0x401fffd0', '0x401fffd0', '0x401ffff0', '0x0']);
    });

    it('comes in pages', async () => {
      const page = await b.ask('stackTrace', { threadId: 1, startFrame: 1, levels: 2 });
      assert.deepEqual(
        page.stackFrames.map((f) => f.name),
        ['middle', 'outer'],
      );
      assert.equal(page.totalFrames, 4);
    });

    it('survives damaged frame records', async () => {
      for (const fp of ['0x40100001', '0xffffffffffffffff', '0x401fffd0', 'sp']) {
        await b.evaluate(`x29 = ${fp}`, 'repl');
        assert.equal((await b.stack())[0], 'leaf');
      }
      // A record that points to itself.
      await b.evaluate('*(u64*)sp = sp', 'repl');
      assert.ok((await b.stack()).length < 10);
    });
  });

  describe('of C code without frame pointers', () => {
    let shop: Workshop;
    let b: InspectBench;
    before(async function () {
      requireTool(this, 'aarch64-linux-gnu-gcc');
      shop = new Workshop();
      shop.write('main.c', C_PROGRAM);
      shop.write('start.S', C_START);
      shop.run(
        'aarch64-linux-gnu-gcc',
        ...'-g -O1 -fomit-frame-pointer -fno-optimize-sibling-calls -ffreestanding -nostdlib -static'.split(
          ' ',
        ),
        ...'-mgeneral-regs-only -fno-pic -no-pie -fno-stack-protector -Wl,-Ttext=0x40080000 -Wl,--build-id=none'.split(
          ' ',
        ),
        ...'start.S main.c -o main.elf'.split(' '),
      );
      b = new InspectBench({ program: shop.path('main.elf'), memory: '16M' });
      await b.runToFunction('inner');
    });
    after(() => shop?.close());

    it('finds the callers by call frame information', async () => {
      assert.deepEqual(await b.stack(), ['inner', 'outer', 'outer', 'outer', 'start_c', '_start']);
    });

    it('shows arguments of every frame', async () => {
      assert.equal((await b.variable('Arguments', 'c')).value, '5 (GREEN)');
      assert.equal(
        (await b.variable('Arguments', 'many')).value,
        `${0x1122334455667788n} (0x1122334455667788)`,
      );
      assert.equal((await b.variable('Arguments', 'p', 'y')).value, '-2');
      assert.equal((await b.variable('Arguments', 'p', 'flags')).value, '5');
      assert.equal((await b.variable('Arguments', 'p', 'mode')).value, '17');
      assert.match((await b.variable('Arguments', 'p', 'name')).value, /"first"$/);
      assert.equal((await b.variable('Arguments', 'p', 'next', 'x')).value, '9');
      assert.equal(await b.evaluate('p->next->y'), '8');
      assert.equal(await b.evaluate('p->next->x + p->x'), '0xb (11)');
    });

    it('shows local variables in C notation, and changes them', async () => {
      const frames = await b.frames();
      const scopes = (await b.ask('scopes', { frameId: frames[0]?.id ?? 0 })).scopes.map((s) => s.name);
      assert.deepEqual(scopes.slice(0, 2), ['Locals', 'Arguments']);
      assert.equal(await b.set('Arguments', ['p', 'mode'], '9'), '9');
      assert.equal((await b.variable('Arguments', 'p', 'flags')).value, '5');
      assert.equal(await b.set('Arguments', ['p', 'y'], '-70'), '-70');
      assert.equal(await b.evaluate('(s32)p->y == -70'), '0x1');
      assert.equal(await b.set('Arguments', ['c'], 'RED'), '0 (RED)');
      await assert.rejects(b.set('Arguments', ['p', 'mode'], '32'), /does not fit: mode has 5 bits/);
      const table = await b.variable('Locals', 'table');
      if (table.variablesReference > 0) {
        assert.equal(table.indexedVariables, 80);
        const some = await b.variables(table.variablesReference, { filter: 'indexed', start: 70, count: 3 });
        assert.deepEqual(
          some.map((v) => v.name),
          ['[70]', '[71]', '[72]'],
        );
      }
    });
  });

  describe('across exception levels', () => {
    let b: InspectBench;
    before(() => void (b = new InspectBench({ program: SAMPLE })));

    it('goes on behind a label in the context that was interrupted', async () => {
      await b.runTo('guest-entry');
      assert.deepEqual(await b.stack(), ['guest_start']);
      await b.runTo('trap-entry');
      assert.deepEqual(await b.stack(), ['hyp_guest_vectors', '<HVC #0 from EL1>', 'guest_start']);
      const frames = await b.frames();
      assert.match(frames[0]?.instructionPointerReference ?? '', /^EL2:0x70/);
      assert.match(frames[2]?.instructionPointerReference ?? '', /^EL1,vmid=1:0x400a0/);
      assert.deepEqual([frames[1]?.line, frames[1]?.source], [0, undefined]);
      assert.equal(frames[2]?.source?.name, 'hello.S');
    });

    it('keeps the registers of the guest while the hypervisor uses its own', async () => {
      const before: string[] = [];
      for (let n = 3; n < 31; n++) before.push(await b.evaluate(`x${n}`, 'clipboard', 2));
      await b.runToFunction('leave_guest');
      for (let i = 0; i < 6; i++) await b.step();
      const frames = await b.frames();
      const guest = frames.findIndex((f) => f.presentationHint === 'label') + 1;
      const now: string[] = [];
      for (let n = 3; n < 31; n++) now.push(await b.evaluate(`x${n}`, 'clipboard', guest));
      assert.deepEqual(now, before);
      // EL2 has changed x19 by then: the frame's value is not the CPU's.
      assert.notEqual(await b.evaluate('x19'), await b.evaluate('x19', 'watch', guest));
    });
  });

  describe('of EL0, EL1 and EL2', () => {
    let b: InspectBench;
    before(() => void (b = new InspectBench({ program: source(LEVELS), memory: '16M' })));

    it('shows a handler only while it handles', async () => {
      await b.runTo('svc');
      // EL1 was entered by an exception return: ELR_EL1 and SPSR_EL1 are not the context of an exception.
      assert.deepEqual(await b.stack(), ['ask', 'user']);
      assert.equal(await b.evaluate('el'), '0x0');
      await b.runTo('hvc');
      assert.deepEqual(await b.stack(), ['vectors1', '<SVC #3 from EL0>', 'ask', 'user']);
      await b.runTo('trap-entry');
      assert.deepEqual(await b.stack(), [
        'vectors2',
        '<HVC #5 from EL1>',
        'vectors1',
        '<SVC #3 from EL0>',
        'ask',
        'user',
      ]);
    });

    it('gives every context its level, stack pointer and syndrome', async () => {
      const at = (expression: string): Promise<string[]> =>
        Promise.all([0, 2, 4].map((frame) => b.evaluate(expression, 'watch', frame)));
      assert.deepEqual(await at('el'), ['0x2', '0x1', '0x0']);
      assert.deepEqual(await at('cpsr.EL'), ['0x2 (EL2)', '0x1 (EL1)', '0x0 (EL0)']);
      assert.equal((await at('sp'))[2], '0x401ffff0');
      const what = async (frame: number): Promise<string | undefined> => {
        const scope = await b.scope('Syndrome', frame);
        return (await b.variables(scope.variablesReference))[0]?.value;
      };
      assert.equal(await what(0), 'HVC #5 at EL1, taken to EL2 (EC 0x16).');
      assert.equal(await what(2), 'SVC #3 at EL0, taken to EL1 (EC 0x15).');
      await assert.rejects(b.scope('Syndrome', 4), /there is no scope Syndrome/);
    });

    it('ends with the return', async () => {
      await b.ask('setFunctionBreakpoints', { breakpoints: [{ name: 'back' }] });
      await b.ask('setExceptionBreakpoints', { filters: [] });
      await b.continue();
      assert.deepEqual(await b.stack(), ['back', '<SVC #3 from EL0>', 'ask', 'user']);
      await b.step();
      assert.deepEqual(await b.stack(), ['ask', 'user']);
    });
  });

  describe('of code without debug information', () => {
    let b: InspectBench;
    before(async () => {
      // Flat: the loader knows no symbols at all.
      const words = Uint32Array.from([0xd2800020, 0xd2800041, 0x8b010002, 0xd503201f, 0x17fffffc]);
      const file = path.join(folder, 'flat.bin');
      writeFileSync(file, Buffer.from(words.buffer));
      b = new InspectBench({ program: file, memory: '16M' });
    });

    it('has a generated source, in which breakpoints hold', async () => {
      const [frame] = await b.frames();
      const source = frame?.source;
      assert.match(source?.name ?? '', /^EL2 0x[0-9a-f]+ \(disassembly\)\.s$/);
      const { content } = await b.ask('source', { sourceReference: source?.sourceReference ?? 0, source });
      const lines = content.split('\n');
      const line = frame?.line ?? 0;
      assert.match(lines[line - 1] ?? '', /d2800020 {2}mov x0, #0x1/);
      assert.match(lines[line + 1] ?? '', /8b010002 {2}add x2, x0, x1$/);
      const set = await b.ask('setBreakpoints', { source: source ?? {}, breakpoints: [{ line: line + 3 }] });
      assert.deepEqual(
        set.breakpoints.map((p) => [p.verified, p.line]),
        [[true, line + 3]],
      );
      await b.continue();
      const [now] = await b.frames();
      assert.equal(now?.line, line + 3);
      assert.equal(now?.source?.sourceReference, source?.sourceReference);
      const again = await b.ask('source', { sourceReference: source?.sourceReference ?? 0, source });
      assert.equal(again.content, content);
      assert.deepEqual(
        (await b.ask('loadedSources', {})).sources.map((s) => s.name),
        [source?.name],
      );
      await assert.rejects(
        async () => b.ask('source', { sourceReference: 99, source: { sourceReference: 99 } }),
        /There is no generated source 99/,
      );
    });
  });
});
