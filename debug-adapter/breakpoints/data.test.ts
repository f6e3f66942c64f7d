import assert from 'node:assert/strict';
import type { StopReport } from '../control/types';
import { EL2_MMU_ON, POWER_OFF, testGuest, type TestGuest } from '../testing';
import type { DataBreakpoint, DataSpec } from './data';
import { formatDataId, parseDataId } from './data-place';

/**
 * A loop that counts in memory; then EL2's own tables, in which the GiB at 0x80000000 is RAM, and in which 2 MiB at
 * 0xc0000000 are first one piece of RAM and then another.
 */
const PROGRAM = `
	.global _start
_start:
	adr_l	x1, counter
	mov	x0, #0
loop:
	add	x0, x0, #1
count:
	str	x0, [x1]
	cmp	x0, #5
	b.ne	loop
again:
	str	x0, [x1]
	ldr	x2, [x1]
	mov	w3, #0x7f
byte:
	strb	w3, [x1, #2]
	mov	x3, #0x9000000
	mov	w4, #'!'
	str	w4, [x3]

	adr_l	x5, table
	ldr	x6, =0x40000701
	str	x6, [x5, #8]
	str	x6, [x5, #16]
	adr_l	x7, table2
	orr	x8, x7, #3
	str	x8, [x5, #24]
	str	x6, [x7]
${EL2_MMU_ON}	mov	x9, #0x40000000
	add	x10, x1, x9
alias:
	str	x9, [x10, #8]
	mov	x11, #0xc0000000
	add	x11, x11, #0x100000
first:
	str	x9, [x11]
	ldr	x6, =0x40200701
	str	x6, [x7]
	dsb	ish
	tlbi	alle2
	dsb	ish
	isb
	bl	far
off:
${POWER_OFF}
	.ltorg
	.balign	4096
far:
second:
	str	x11, [x11]
	ret
	.balign	4096
table:	.space	4096
table2:	.space	4096
counter: .space	16
	.size	counter, 16
`.replaceAll('adr_l', 'adr');

/** Both CPUs add to one word, by exclusives, until it is 4000. */
const TWO_CPUS = `
_start:
	ldr	x0, =0xc4000003
	mov	x1, #1
	adr	x2, both
	mov	x3, #0
	smc	#0
both:
	adr	x1, shared
	mov	w9, #4000
again:
	ldxr	w2, [x1]
	cmp	w2, w9
	b.hs	done
	add	w2, w2, #1
	stxr	w3, w2, [x1]
	cbnz	w3, again
	yield
	b	again
done:
	mrs	x0, mpidr_el1
	tst	x0, #0xff
	b.ne	done
${POWER_OFF}
	.ltorg
	.balign	8
shared:	.quad	0
`;

describe('data breakpoints', () => {
  let guest: TestGuest;
  beforeEach(() => {
    guest = testGuest(PROGRAM);
  });
  afterEach(() => guest.control.halt());

  const at = (name: string): bigint => guest.target.symbols.symbolByName(name)[0]!.address;
  const hex = (v: bigint): string => `0x${v.toString(16)}`;
  const pa = (name: string, bytes = 8, plus = 0n): string => `PA:${hex(at(name) + plus)}+${bytes} ${name}`;
  const set = (...specs: (Partial<DataSpec> & Pick<DataSpec, 'dataId'>)[]): readonly DataBreakpoint[] =>
    guest.control.data.replace(specs.map((s) => ({ kind: 'write', ...s })));

  async function stops(): Promise<StopReport[]> {
    const list: StopReport[] = [];
    for (;;) {
      guest.control.resume();
      const report = await guest.next();
      if ('kind' in report) return list;
      list.push(report);
    }
  }
  const writers = async (): Promise<(string | undefined)[]> =>
    (await stops()).map((r) => /(?:written|read) by (\w+)/.exec(r.description)?.[1]);

  it('stop behind the instruction and say who wrote what', async () => {
    const [b] = set({ dataId: pa('counter') });
    const report = await guest.stop(() => guest.control.resume());
    const line = guest.lineOf('str	x0, [x1]');
    assert.deepEqual(report, {
      reason: 'data breakpoint',
      description: `Paused on write of counter, written by count (main.S:${line})`,
      text: `counter 0x0 -> 0x1: written by count (main.S:${line}) in EL2 on CPU 0, 8 bytes at ${hex(at('counter'))} (PA ${hex(at('counter'))}).`,
      cpu: 0,
      hitBreakpointIds: [b?.id],
      filters: [],
    });
    assert.equal(guest.where(), 'count+4');
    assert.deepEqual(guest.messages, [report.text]);
  });

  it('stop on reads, on writes or on both', async () => {
    set({ dataId: pa('counter'), kind: 'read' });
    assert.deepEqual(await writers(), ['again']);
    guest = testGuest(PROGRAM);
    set({ dataId: pa('counter'), kind: 'access', condition: 'pc >= again' });
    assert.deepEqual(await writers(), ['again', 'again', 'byte']);
  });

  it('tell what an unchanged value is, and what a byte does to the whole', async () => {
    set({ dataId: pa('counter'), condition: 'pc >= again' });
    const texts = (await stops()).map((r) => r.text?.replace(/ in EL2.*/, ''));
    assert.match(texts[0] ?? '', /^counter = 0x5, unchanged: written by again /);
    assert.match(texts[1] ?? '', /^counter 0x5 -> 0x7f0005: written by byte /);
  });

  for (const [condition, expected] of [
    ['old != new', 6],
    ['new == 3', 1],
    ['old == 2 && new == 3 && size == 8 && address == counter && pa == counter', 1],
    ['size == 1', 1],
    ['pc == again', 1],
    ['el == 1', 0],
    ['x0 == 4', 1],
  ] as const)
    it(`have conditions: ${condition}`, async () => {
      set({ dataId: pa('counter'), condition });
      assert.equal((await stops()).length, expected);
    });

  it('have hit counts, of the hits whose condition holds', async () => {
    set({ dataId: pa('counter'), condition: 'new > 1', hitCondition: '2' });
    const [only, ...more] = await stops();
    assert.match(only?.text ?? '', /0x2 -> 0x3/);
    assert.deepEqual(more, []);
  });

  it('stop with an explanation when the condition cannot be evaluated', async () => {
    set({ dataId: pa('counter'), condition: 'nothing == 1' });
    const [first] = await stops();
    assert.match(first?.text ?? '', /The condition failed: "nothing" is no/);
  });

  it('and a breakpoint on the next instruction are one stop', async () => {
    const line = guest.lineOf('cmp	x0, #5');
    const [code] = guest.control.breakpoints.replace('line', guest.file, [
      { subject: { k: 'line', path: guest.file, line } },
    ]);
    const [data] = set({ dataId: pa('counter'), condition: 'new < 3' });
    const list = await stops();
    assert.deepEqual(
      list.slice(0, 5).map((r) => [r.reason, r.hitBreakpointIds]),
      [
        ['data breakpoint', [data?.id, code?.id]],
        ['data breakpoint', [data?.id, code?.id]],
        ['breakpoint', [code?.id]],
        ['breakpoint', [code?.id]],
        ['breakpoint', [code?.id]],
      ],
    );
    assert.match(list[0]?.description ?? '', /^Paused on write of counter, .* \(and on breakpoint\)$/);
  });

  it('end a step', async () => {
    set({ dataId: pa('counter') });
    guest.control.breakpoints.replace('function', '', [{ subject: { k: 'function', name: 'count' } }]);
    await guest.stop(() => guest.control.resume());
    const report = await guest.stop(() => guest.control.step(0, 'over', 'instruction'));
    assert.equal(report.reason, 'data breakpoint');
    assert.equal(guest.where(), 'count+4');
  });

  it('watch devices', async () => {
    set({ dataId: 'PA:0x9000000+4 UARTDR' });
    const [only, ...more] = await stops();
    assert.match(only?.text ?? '', /^UARTDR .*written by byte\+/);
    assert.deepEqual(more, []);
  });

  it('wait for the MMU where an address is not mapped yet, and see every mapping then', async () => {
    const alias = at('counter') + 0x4000_0008n;
    const [b] = set({ dataId: `EL2:${hex(alias)}+8` });
    assert.deepEqual(b?.ranges, []);
    assert.match(
      b?.reason ?? '',
      /^EL2:0x8\w+ has no memory yet \(.*\): the breakpoint binds when it has\.$/,
    );
    assert.deepEqual(await writers(), ['alias']);
    assert.deepEqual(guest.verified, [b?.id]);
    assert.equal(b?.chain, `EL2:${hex(alias)} -> PA ${hex(at('counter') + 8n)}`);
  });

  it('follow an address to other memory', async () => {
    const [b] = set({ dataId: 'EL2:0xc0100000+8' });
    assert.deepEqual(await writers(), ['first', 'far']);
    assert.equal(b?.chain, 'EL2:0xc0100000 -> PA 0x40300000');
  });

  it('that are set again keep their number and count; those that are gone stop no more', async () => {
    const [a] = set({ dataId: pa('counter'), hitCondition: '>= 2' });
    await guest.stop(() => guest.control.resume());
    const [again, other] = set({ dataId: pa('counter'), hitCondition: '>= 2' }, { dataId: pa('table') });
    assert.equal(again?.id, a?.id);
    assert.notEqual(other?.id, a?.id);
    set({ dataId: pa('table', 24) });
    assert.deepEqual(await writers(), ['byte', 'byte']);
  });

  it('have numbers of their own among all breakpoints', () => {
    const [code] = guest.control.breakpoints.replace('function', '', [
      { subject: { k: 'function', name: 'count' } },
    ]);
    const [data] = set({ dataId: pa('counter') });
    assert.notEqual(code?.id, data?.id);
  });

  it('say why they cannot bind', () => {
    const list = set(
      { dataId: 'nonsense' },
      { dataId: '0x40080000+8' },
      { dataId: 'PA:0x1000+8' },
      { dataId: 'PA:0x40080000+0' },
      { dataId: 'EL1,vmid=7:0x1000+8' },
      { dataId: pa('counter'), condition: 'new ==' },
    );
    const expected = [
      /is no data of this debugger/,
      /does not say whose address it is/,
      /nothing answers at the physical address 0x1000/,
      /from 1 to 1048576 bytes, not 0/,
      /VMID 7 are not loaded/,
      /column 7/,
    ];
    expected.forEach((e, i) => assert.match(list[i]?.reason ?? '', e));
    assert.ok(list.every((b) => b.ranges.length === 0));
  });

  it('do not change what the guest computes, nor when', async () => {
    const run = async (...specs: Parameters<typeof set>): Promise<string> => {
      guest = testGuest(PROGRAM);
      set(...specs);
      await stops();
      const { machine } = guest.target;
      return `${machine.schedule.vtime} ${machine.hash()}`;
    };
    const plain = await run();
    assert.equal(await run({ dataId: pa('counter'), kind: 'access' }, { dataId: pa('table', 8192) }), plain);
    assert.equal(
      await run({ dataId: 'EL2:0xc0100000+8' }, { dataId: pa('_start', 4096), condition: '0' }),
      plain,
    );
  });

  it('name the CPU that made the access, and change nothing between CPUs', async () => {
    const run = async (watched: boolean): Promise<{ cpus: number[]; end: string }> => {
      guest = testGuest(TWO_CPUS, { smp: 2 });
      if (watched)
        set(
          { dataId: pa('shared'), kind: 'write', condition: 'new % 1000 > 997' },
          { dataId: pa('shared', 1), kind: 'read', condition: '0' },
        );
      const cpus = (await stops()).map((r) => r.cpu);
      const { machine } = guest.target;
      return { cpus, end: `${machine.schedule.vtime} ${machine.hash()}` };
    };
    const [plain, watched] = [await run(false), await run(true)];
    assert.deepEqual([...new Set(watched.cpus)].sort(), [0, 1]);
    assert.equal(watched.end, plain.end);
  });

  it('go over to the guest of a restart', async () => {
    const [b] = set({ dataId: pa('counter'), condition: 'new == 2' });
    await guest.stop(() => guest.control.resume());
    guest.control.attach(guest.target.again());
    const report = await guest.stop(() => guest.control.resume());
    assert.deepEqual(report.hitBreakpointIds, [b?.id]);
    assert.match(report.text ?? '', /0x1 -> 0x2/);
  });

  it('have a dataId that says what they are', () => {
    for (const id of [
      'EL2:0x7040087a04+8 vcpu.ctxt.pc',
      'EL1,vmid=1,asid=2:0x1000+4',
      'IPA(1):0x9000000+1 a b',
      'PA:0x40000000+4096',
    ])
      assert.equal(formatDataId(parseDataId(id)), id);
  });
});
