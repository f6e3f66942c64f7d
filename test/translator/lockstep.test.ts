import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Computer, type ComputerConfig } from '../../emulator/board/computer';
import type { Machine } from '../../emulator/core/machine';
import { stressTranslation } from '../../emulator/core/translator';
import { state } from '../../emulator/isa/a64/state';
import { cachedDebian } from '../../scripts/debian.mjs';
import { cases } from '../hypervisor/stories';
import { buildProgram } from '../hypervisor/program';
import { enablePpis, program } from '../support/program';
import { Random, seed } from '../support/random';

/** Runs both by the same random steps; their states must be equal after each, and RAM at the end. */
function inStep(
  config: ComputerConfig,
  steps: number,
  longest: number,
  translate: ComputerConfig['translate'] = stressTranslation,
  regions = 20,
): { readonly machine: Machine; readonly uart: string } {
  const r = new Random(seed);
  const interpreted = new Computer({ ...config, translate: false });
  const translated = new Computer({ ...config, translate });
  let uart = '';
  interpreted.onEvent = (e) => {
    if (e.kind === 'uart') uart += Buffer.from(e.bytes).toString('latin1');
  };
  for (let i = 0; i < steps; i++) {
    const instructions = 1 + r.below(r.pick([5, 500, longest]));
    const [a, b] = [interpreted, translated].map((c) => c.machine.run({ instructions }));
    const at = `at ${interpreted.machine.now()} (SEED=${seed})`;
    assert.deepEqual(b, a, at);
    assert.equal(translated.machine.now(), interpreted.machine.now(), at);
    assert.equal(translated.machine.hash(false), interpreted.machine.hash(false), at);
    if (a?.kind !== 'limit') break;
  }
  assert.equal(translated.machine.hash(), interpreted.machine.hash(), `RAM at the end (SEED=${seed})`);
  assert.ok((translated.machine.translator?.counts.regions ?? 0) > regions, 'nothing was translated');
  assert.equal(translated.machine.translator?.refused, undefined);
  return { machine: translated.machine, uart };
}

/**
 * System registers in a loop at EL2: time, timers with their interrupts, list registers, masks, counters, what a guest would
 * translate by. Each round adds what it reads to X9, and each interrupt its number to X10.
 */
const systemLoop = program(`
	.global _start
	.text
_start:	ldr	x0, =vectors
	msr	vbar_el2, x0
	mov	x0, #0x18
	msr	hcr_el2, x0
${enablePpis(25, 27)}
	mov	x1, #0x41
	msr	pmcr_el0, x1
	mov	x1, #1 << 27			// EL2 counts
	msr	pmccfiltr_el0, x1
	mov	x1, #1 << 31
	msr	pmcntenset_el0, x1
	ldr	x11, =0xf8000003
	msr	ich_vmcr_el2, x11
	msr	daifclr, #2
loop:	mrs	x0, cntvct_el0
	add	x9, x9, x0
	add	x1, x0, x9, lsr #60
	and	x2, x9, #7
	add	x1, x1, x2
	msr	cntv_cval_el0, x1
	mov	x2, #1
	msr	cntv_ctl_el0, x2
	mrs	x2, cntv_ctl_el0
	add	x9, x9, x2, lsl #8
	mrs	x2, cntv_tval_el0
	add	x9, x9, x2
	msr	cntvoff_el2, x2
	msr	ttbr0_el1, x9
	msr	vttbr_el2, x9
	msr	tcr_el1, x9
	msr	mdcr_el2, x2
	mrs	x2, pmccntr_el0
	add	x9, x9, x2
	and	x3, x9, #0x30
	orr	x3, x3, x9, lsl #56
	msr	ich_lr1_el2, x3
	and	x3, x9, #0x1f
	msr	ich_hcr_el2, x3
	mrs	x2, ich_misr_el2
	add	x9, x9, x2
	mrs	x2, ich_elrsr_el2
	add	x9, x9, x2
	msr	daifset, #2
	mrs	x2, isr_el1
	add	x9, x9, x2
	msr	daifclr, #2
	ror	x9, x9, #13
	b	loop
irq:	mrs	x4, icc_iar1_el1
	add	x10, x10, x4
	add	x9, x9, x10
	msr	cntv_ctl_el0, xzr
	msr	ich_hcr_el2, xzr
	msr	icc_eoir1_el1, x4
	eret
	.ltorg
	.balign	2048
vectors:
	.rept	16
	.balign	128
	b	irq
	.endr
`);

describe('translated code runs as interpreted code does', () => {
  for (const { name, story, cpus, cpu, panics } of cases)
    it(`reference hypervisor: ${name}`, function () {
      const image = buildProgram(story).elf;
      const memoryBytes = 512 << 20;
      const { uart } = inStep(
        { cpus, memoryBytes, image, ...(cpu === undefined ? {} : { cpu }) },
        25,
        60_000,
      );
      // What stands still early on would be compared in vain.
      assert.ok(panics === true || !uart.includes('panic'), uart);
    });

  for (const options of [stressTranslation, { heat: 20, patience: 0, batch: 1 }])
    it(`system registers, timers and their interrupts; hot after ${options.heat}`, function () {
      const config: ComputerConfig = { cpus: 1, memoryBytes: 4 << 20, image: systemLoop };
      const { machine } = inStep(config, 80, 5000, options, 5);
      // X10: interrupts were taken.
      assert.ok(machine.state.get(0, state.x, 10) > 1000n);
    });

  it('a stock kernel, from its first instruction on', function () {
    const debian = cachedDebian();
    if (!debian) return this.skip();
    const [image, initrd] = [readFileSync(debian.kernel), readFileSync(debian.initrd)];
    inStep({ cpus: 2, memoryBytes: 128 << 20, image, initrd, bootargs: 'earlycon' }, 12, 3_000_000);
  });
});
