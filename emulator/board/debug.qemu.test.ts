import assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { powerOff, printHex, program, Run } from '../../test/support/program';
import { gnuProgram, qemuOutput } from '../../test/support/qemu-program';
import { scriptTools } from '../../test/support/qemu-script';

/** Prints where it happened, from `el1` on, and SPSR. */
const showPlace = `
	mrs x1, elr_el2
	adr x4, el1
	sub x1, x1, x4
	bl hex
	mrs x1, spsr_el2
	and x1, x1, #0xffffffff0fffffff
	bl hex
`;

/**
 * EL2 is the debugger: MDCR_EL2.TDE brings it the debug exceptions of EL1 and EL0. It prints the syndrome, where it happened
 * (from `el1` on), SPSR and, for watchpoints, FAR (from `data` on), and goes on: a breakpoint or watchpoint is turned off,
 * a step is followed by the next until x28 are done. EL1 asks it by HVC #1 to write the debug registers: breakpoint 0 (x21,
 * x22), watchpoint 0 (x23, x24), MDSCR_EL1 (x25), breakpoint 5 (x26, x27). HVC #2 prints a mark, HVC #0 ends.
 */
const debuggee = (body: string, mdcr = 0x106, late = ''): string => `
	.globl _start
_start:	ldr x20, =0x09000000
	mov w1, #0x301
	str w1, [x20, #0x30]
	adr x0, vectors
	msr vbar_el2, x0
	adr x0, el1_vectors
	msr vbar_el1, x0
	mov x0, #${mdcr}
	msr mdcr_el2, x0
	msr oslar_el1, xzr
	mov x0, #0x80000000
	msr hcr_el2, x0
	mov x0, #0x300000
	msr cpacr_el1, x0
	adr x19, data
	adr x0, el1
	msr elr_el2, x0
	mov x0, #0x3c5
	msr spsr_el2, x0
	eret
	.balign 64
el1:
${body}
	hvc #0
	.balign 8
	.ltorg
${printHex}lower:	mov x29, x30
	mrs x2, esr_el2
	lsr x3, x2, #26
	cmp x3, #0x16
	b.eq call
	mov x1, x2
	bl hex
${showPlace}	cmp x3, #0x34
	b.eq watch
	cmp x3, #0x32
	b.eq step
	cmp x3, #0x30
	b.ne fatal
	msr dbgbcr0_el1, xzr
	msr dbgbcr5_el1, xzr
	isb
	mov x30, x29
	eret
watch:	mrs x1, far_el2
	sub x1, x1, x19
	bl hex
	msr dbgwcr0_el1, xzr
	isb
	mov x30, x29
	eret
step:	subs x28, x28, #1
	b.eq 1f
	mrs x1, spsr_el2
	orr x1, x1, #(1 << 21)
	msr spsr_el2, x1
	mov x30, x29
	eret
1:	msr mdscr_el1, xzr
	isb
	mov x30, x29
	eret
call:	and x2, x2, #0xffff
	cbz x2, end
	cmp x2, #2
	b.eq mark
	msr dbgbvr0_el1, x21
	msr dbgbcr0_el1, x22
	msr dbgwvr0_el1, x23
	msr dbgwcr0_el1, x24
	msr dbgbvr5_el1, x26
	msr dbgbcr5_el1, x27
	msr mdscr_el1, x25
	mrs x1, spsr_el2
	orr x1, x1, #(1 << 21)
	msr spsr_el2, x1
	mov x30, x29
	eret
mark:	mov x1, #0xaaaa
	bl hex
	mov x30, x29
	eret
same:	mrs x1, esr_el2
	bl hex
${showPlace}${late}
fatal:
end:	${powerOff}
	.ltorg
	.balign 64
data:	.space 8192
	.balign 2048
vectors:
	.rept 4
	.balign 128
	b fatal
	.endr
	.balign 128
	b same
	.rept 3
	.balign 128
	b fatal
	.endr
	.balign 128
	b lower
	.rept 7
	.balign 128
	b fatal
	.endr
	.balign 2048
el1_vectors:
	.rept 4
	.balign 128
	hvc #0
	.endr
	.balign 128
	nop
	eret
	.rept 3
	.balign 128
	hvc #0
	.endr
	.balign 128
	nop
	eret
	.rept 7
	.balign 128
	hvc #0
	.endr
`;

/** Writes the debug registers by the debugger; what is not named is zero. */
function setUp(r: {
  bvr?: string;
  bcr?: number;
  wvr?: string;
  wcr?: number;
  mdscr?: number;
  context?: [number, number];
}): string {
  const load = (x: number, v: string): string => `\tldr x${x}, =${v}\n`;
  return [
    load(21, r.bvr ?? '0'),
    load(22, String(r.bcr ?? 0)),
    load(23, r.wvr ?? '0'),
    load(24, String(r.wcr ?? 0)),
    load(25, String(r.mdscr ?? 0x8000)),
    load(26, String(r.context?.[0] ?? 0)),
    load(27, String(r.context?.[1] ?? 0)),
    '\thvc #1\n',
  ].join('');
}

/** What both print. */
function bothPrint(source: string, cpu = 'cortex-a57'): string[] {
  const theirs = qemuOutput(gnuProgram(source), { cpus: 1, cpu }).toString();
  const run = new Run(program(source), { cpu }).toEnd();
  assert.equal(run.text, theirs);
  return theirs.trim().split('\n');
}

const mark = '\thvc #2\n';

describe('self-hosted debug against QEMU', function () {
  beforeEach(function () {
    requireTool(this, ...scriptTools);
  });

  it('takes breakpoints at the levels and in the states that their controls name', () => {
    // PMC, HMC, SSC, BAS, E; MDE off, and with the KDE that a lower level does not need.
    const controls = [
      0x1e7,
      0x1e3,
      0x1e5,
      0x1e1,
      0x1e6,
      0x21e7,
      0xe1e1,
      0x41e7,
      0x81e7,
      0xc1e7,
      0x1e7 & ~0x1e0,
      0x67,
      0x61e3,
    ];
    const body = controls
      .flatMap((bcr, i) => [
        setUp({ bvr: `b${i}`, bcr, mdscr: i % 2 ? 0xa000 : 0x8000 }),
        `\tnop\nb${i}:\tnop\n`,
        mark,
      ])
      .concat(setUp({ bvr: 'late', bcr: 0x1e7, mdscr: 0 }), 'late:\tnop\n', mark)
      .join('');
    const lines = bothPrint(debuggee(body));
    assert.ok(lines.filter((l) => l === '00000000c2000022').length >= 4, lines.join('\n'));
  });

  it('takes no breakpoint while the OS lock is set, and links breakpoints to contexts', () => {
    const linked = (contextidr: number, type: number, lbn = 5): string =>
      [
        `\tldr x0, =${contextidr}\n\tmsr contextidr_el1, x0\n\tisb\n`,
        setUp({ bvr: '1f', bcr: 0x1001e7 | (lbn << 16), context: [0x1234, 0x1e7 | (type << 20)] }),
        '1:\tnop\n',
        mark,
      ].join('');
    const body = [linked(0x1234, 3), linked(0x1235, 3), linked(0x1234, 3, 3), linked(0x1234, 3, 4)];
    const lines = bothPrint(debuggee(body.join('')));
    assert.equal(lines.filter((l) => l === '00000000c2000022').length, 1, lines.join('\n'));
    const locked = debuggee(`${setUp({ bvr: '1f', bcr: 0x1e7 })}1:\tnop\n${mark}`).replace(
      'msr oslar_el1, xzr',
      'mov x1, #1\n\tmsr oslar_el1, x1',
    );
    // QEMU 7.2 looks at another bit of OSLSR_EL1.
    assert.equal(new Run(program(locked)).toEnd().text, '000000000000aaaa\n');
  });

  it('takes watchpoints before the access, by bytes, masks, direction and privilege', () => {
    const cases: readonly [wcr: number, at: string, accesses: string][] = [
      [0x1fef, 'data', 'ldr x0, [x19]'],
      [0x1ff7, 'data', 'ldr x0, [x19]'],
      [0x1ff7, 'data', 'str x0, [x19]'],
      [0x1ff7, 'data + 8', 'stp x0, x1, [x19]'],
      [0x1ff7, 'data + 16', 'stp x0, x1, [x19]'],
      [0x01ff, 'data', 'ldrb w0, [x19, #4]\n\tldrb w0, [x19, #3]'],
      [0x019f, 'data', 'ldrh w0, [x19]\n\tldr w0, [x19]'],
      [0x1fff, 'data + 4', 'ldr w0, [x19, #8]\n\tldr x0, [x19]'],
      [0x1e1f, 'data + 4', 'ldr x0, [x19]\n\tldrb w0, [x19, #5]'],
      [0x0c001fff, 'data', 'add x16, x19, #4096\n\tldr x0, [x16, #-8]'],
      [0x0c001fff, 'data', 'adrp x16, data\n\tldr x0, [x16, #128]'],
      [0x05001fff, 'data + 32', 'ldr q0, [x19, #16]\n\tld1 {v0.16b, v1.16b}, [x19]\n\tldr w0, [x19, #60]'],
      [0x1ffd, 'data', 'ldr x0, [x19]\n\tldtr x0, [x19]'],
      [0x1ffb, 'data', 'ldtr x0, [x19]\n\tldr x0, [x19]'],
      [0x3ff9, 'data', 'ldr x0, [x19]'],
      [0x1fff, 'data', 'ldxr x0, [x19]\n\tstxr w1, x0, [x19]'],
      [0x1ff7, 'data', 'ldxr x0, [x19]\n\tstxr w1, x0, [x19]'],
      [0x1fff, 'data', 'prfm pldl1keep, [x19]\n\tdc cvac, x19\n\tldr x0, [x19, #8]'],
    ];
    const body = cases.map(([wcr, wvr, accesses]) => `${setUp({ wvr, wcr })}\t${accesses}\n${mark}`).join('');
    const lines = bothPrint(debuggee(body));
    assert.ok(lines.filter((l) => l.startsWith('00000000d2')).length >= 10, lines.join('\n'));
  });

  it('reports atomics as what they would have met first (cortex-a76)', () => {
    const body = [
      [0x1fef, 'swp x0, x1, [x19]'],
      [0x1ff7, 'swp x0, x1, [x19]'],
      [0x1fff, 'ldadd w0, w1, [x19]'],
      [0x1fff, 'cas x0, x1, [x19]'],
    ]
      .map(([wcr, access]) => `${setUp({ wvr: 'data', wcr: wcr as number })}\t${access}\n${mark}`)
      .join('');
    const hits = bothPrint(`\t.arch armv8.2-a\n${debuggee(body)}`, 'cortex-a76').filter((l) =>
      l.startsWith('00000000d2'),
    );
    assert.equal(hits.length, 4);
  });

  it('watches where nothing was watched before, and no more when it is turned off', () => {
    // The page has its entries in the TLB before.
    const body = `	mov x0, #1
	.rept 4
	ldr x1, [x19]
	str x0, [x19, #8]
	.endr
${setUp({ wvr: 'data + 8', wcr: 0x1ff7 })}	ldr x1, [x19, #8]
	str x0, [x19]
	str x0, [x19, #8]
	str x0, [x19, #8]
${mark}${setUp({ wvr: 'data + 8', wcr: 0x1ff7 })}	str x0, [x19, #8]
${mark}`;
    assert.equal(bothPrint(debuggee(body)).filter((l) => l === '00000000d2000062').length, 2);
  });

  it('steps instruction by instruction, through calls, exclusives, exceptions and masked interrupts', () => {
    const body = `	mov x28, #30
${setUp({ mdscr: 1 })}	nop
	mov x0, #3
1:	subs x0, x0, #1
	b.ne 1b
	ldxr x16, [x19]
	stxr w17, x16, [x19]
	ldaxr x16, [x19]
	clrex
	bl 2f
	svc #3
	msr daifset, #15
	msr daifclr, #15
	wfi
	mrs x16, currentel
	ldr x16, [x19, #8]
	str x16, [x19]
	brk #1
	nop
	nop
${mark}	hvc #0
2:	ret
`.replace('\twfi\n', '');
    const lines = bothPrint(debuggee(body));
    const steps = lines.filter((l) => /^00000000c[ab][0-9a-f]{6}$/.test(l));
    assert.ok(steps.length > 20, lines.join('\n'));
    // EX: a load-exclusive was stepped.
    assert.equal(steps.filter((l) => l === '00000000cb000062').length, 2);
  });

  it('debugs a kernel at its own level where KDE says so, and its user program', () => {
    // TDE and KDE: EL2 meets a breakpoint of its own (HMC) when it unmasks debug exceptions.
    const own = debuggee(`${setUp({ bvr: 'here', bcr: 0xe1e1, mdscr: 0xa000 })}\thvc #3\n`)
      .replace('cmp x2, #2\n', 'cmp x2, #3\n\tb.eq unmask\n\tcmp x2, #2\n')
      .replace('mark:', 'unmask:\tb here\nhere:\tnop\n\tmsr daifclr, #8\n\tnop\n\tb here\nmark:');
    const lines = bothPrint(own);
    assert.equal(lines[0], '00000000c6000022');
    // EL1 is the debugger of EL0: without TDE it steps and breaks there, and writes the registers itself.
    const user = debuggee(
      `	adr x0, 9f
	msr vbar_el1, x0
	adr x1, 1f
	msr dbgbvr2_el1, x1
	mov x1, #0x1e5
	msr dbgbcr2_el1, x1
	mov x1, #0x8001
	msr mdscr_el1, x1
	adr x1, 2f
	msr elr_el1, x1
	mov x1, #(1 << 21)
	msr spsr_el1, x1
	mov x15, #9
	eret
2:	mov x0, #2
	svc #5
1:	nop
	b 1b
8:	mrs x1, esr_el1
	bl hex
	mrs x1, elr_el1
	adr x4, el1
	sub x1, x1, x4
	bl hex
	mrs x1, spsr_el1
	and x1, x1, #0xfffffff
	bl hex
	subs x15, x15, #1
	b.ne 3f
	hvc #0
3:	mrs x1, esr_el1
	lsr x1, x1, #26
	cmp x1, #0x30
	b.ne 4f
	msr dbgbcr2_el1, xzr
4:	mrs x1, spsr_el1
	orr x1, x1, #(1 << 21)
	msr spsr_el1, x1
	eret
	.balign 2048
9:	.rept 8
	.balign 128
	hvc #0
	.endr
	.balign 128
	b 8b
	.rept 7
	.balign 128
	hvc #0
	.endr
`,
      6,
    );
    const steps = bothPrint(user);
    assert.equal(steps.length, 27);
    assert.ok(steps.includes('00000000c2000022') && steps.includes('00000000cb000022'));
  });

  it('matches contexts alone, virtual machines, and what both guests and hosts are (not on QEMU)', () => {
    const once = (id: bigint, type: number, more = ''): string[] => {
      const body = `${more}	ldr x0, =0x1234
	msr contextidr_el1, x0
	isb
${setUp({ context: [0, 0x1e3 | (type << 20)] }).replace(/x26, =0/, `x26, =${id}`)}	nop
	nop
${mark}`;
      const source = debuggee(body).replace(
        'msr hcr_el2, x0',
        'msr hcr_el2, x0\n\tmov x0, #(7 << 48)\n\tmsr vttbr_el2, x0',
      );
      return new Run(program(source)).toEnd().text.trim().split('\n');
    };
    const hit = (lines: readonly string[]): boolean => lines[0] === '00000000c2000022';
    assert.deepEqual(
      [
        once(0x1234n, 2),
        once(0x1235n, 2),
        once(7n << 32n, 8),
        once(6n << 32n, 8),
        once((7n << 32n) | 0x1234n, 10),
        once((7n << 32n) | 0x1235n, 10),
        // For a host only, which a CPU without VHE never is; to be linked to only.
        once(0x1234n, 6),
        once(0x1234n, 3),
      ].map(hit),
      [true, false, true, false, true, false, false, false],
    );
  });

  it('leaves the debugger’s own breakpoints, and the run in any slices, as they are', () => {
    const source = debuggee(`	mov x28, #12
${setUp({ bvr: '2f', bcr: 0x1e7, mdscr: 0x8001, wvr: 'data', wcr: 0x1fff })}	mov x0, #3
1:	subs x0, x0, #1
	b.ne 1b
2:	ldr x0, [x19]
	nop
${mark}`);
    const whole = new Run(program(source)).toEnd();
    const pieces = new Run(program(source));
    for (let n = 0; !pieces.computer.ended && n < 100_000; n++)
      pieces.computer.machine.run({ instructions: 1 + (n % 5) });
    assert.equal(pieces.text, whole.text);
    assert.equal(pieces.computer.machine.hash(), whole.computer.machine.hash());
    // A breakpoint of the debugger at the place of the guest's: the debugger's first, then the guest's.
    const both = new Run(program(source));
    const { machine } = both.computer;
    const { entry } = both.computer.plan;
    const at = Number(entry - 0x4000_0000n);
    let stops = 0;
    for (let offset = at & ~0xfff; offset < at + 0x1000; offset += 4) machine.predecode.addBreakpoint(offset);
    while (!both.computer.ended && stops < 100_000)
      if (machine.run({ instructions: 1_000_000 }).kind === 'breakpoint') stops++;
    assert.equal(both.text, whole.text);
    assert.ok(stops > 1000);
    assert.equal(machine.hash(), whole.computer.machine.hash());
  });

  it('goes on from a snapshot in the middle of a step', () => {
    const source = debuggee(`	mov x28, #12
${setUp({ mdscr: 1 })}	nop
	ldr x0, [x19]
	nop
	nop
${mark}`);
    const { machine } = new Run(program(source)).computer;
    for (let n = 0; n < 12; n++) {
      machine.run({ instructions: 331 });
      const snapshot = machine.snapshots.take();
      machine.run({ instructions: 900 });
      const after = machine.hash();
      machine.snapshots.restore(snapshot);
      machine.run({ instructions: 900 });
      assert.equal(machine.hash(), after, `piece ${n}`);
      machine.snapshots.restore(snapshot);
    }
  });
});
