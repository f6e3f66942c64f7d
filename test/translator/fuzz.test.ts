/**
 * Random code, derived from the rows: loops of instructions with forward branches, on registers of which some point to
 * data, some to code, some nowhere. Whatever faults is passed over by the vectors. Interpreter and translator must agree.
 */
import assert from 'node:assert/strict';
import { assemble } from '../../emulator/asm/assemble';
import { Computer } from '../../emulator/board/computer';
import { Decoder } from '../../emulator/codegen/decoder';
import { stressTranslation } from '../../emulator/core/translator';
import { common } from '../../emulator/ir/state';
import { a64Isa } from '../../emulator/isa/a64';
import { cpuModel } from '../../emulator/isa/a64/cpus';
import { state } from '../../emulator/isa/a64/state';
import { sysregNamed } from '../../emulator/isa/a64/sysregs';
import type { Row } from '../../emulator/isa/dsl/row';
import { vectorRows } from '../differential/vectors';
import { fpControl, fpVector } from '../support/fp-values';
import { Random, seed } from '../support/random';

const CPU = 'cortex-a76';
const COUNT = 160;
const fpcr = sysregNamed('FPCR').storage!.field;
const fpsr = sysregNamed('FPSR').storage!.field;
const CODE = 0x4010_0000n;

/** At EL2, MMU off; an exception skips the instruction. The code under test is written to `code`. */
const frame = `
_start:
	ldr	x0, =vectors
	msr	vbar_el2, x0
	mov	x0, #0x33ff
	msr	cptr_el2, x0
	mov	x0, #(3 << 20)
	msr	cpacr_el1, x0
	isb
	ldr	x0, =${CODE}
	br	x0
	.balign	2048
vectors:
	.rept	16
	msr	tpidr_el0, x0
	mrs	x0, elr_el2
	add	x0, x0, #4
	msr	elr_el2, x0
	mrs	x0, tpidr_el0
	eret
	.balign	128
	.endr
`;

/** Rows that leave the code under test, or change how it runs. */
const unfit = (row: Row): boolean =>
  row.flow !== undefined ||
  /^(MSR|MRS|SYS|SYSL|BR|RET|ERET|DRPS|HLT|BRK|DC|IC|AT|TLBI|W[FE]|RETA|BRA)/.test(row.name);

const branches = /^(B|BL|B\.cond|CBZ|CBNZ|TBZ|TBNZ)$/;

/** A random word of a random row. */
function randomWord(r: Random, decoder: Decoder, rows: readonly Row[], index: number): number {
  for (;;) {
    const row = r.pick(rows);
    const word = ((r.bits32() & ~row.pattern.mask) | row.pattern.value) >>> 0;
    const decoded = decoder.decode(word);
    if (!decoded || unfit(decoded.row)) continue;
    if (!branches.test(decoded.row.name)) return word;
    // Forward, to somewhere before the end; so that every round ends.
    const by = 1 + r.below(COUNT - index);
    for (const [name, field] of decoded.row.fields)
      if (/^imm(14|19|26)$/.test(name)) {
        const mask = (2 ** field.width - 1) << field.lsb;
        return ((word & ~mask) | (by << field.lsb)) >>> 0;
      }
  }
}

/** The values that registers begin with. */
function randomRegisters(r: Random): bigint[] {
  const value = (): bigint => r.value();
  return Array.from({ length: 31 }, () =>
    r.pick([
      () => 0x4020_0000n + BigInt(r.below(0x8000)),
      () => 0x4020_0000n + BigInt(r.below(0x1000) * 16),
      () => CODE + BigInt(4 * r.below(COUNT)),
      () => BigInt(r.below(200)),
      value,
      value,
    ])(),
  );
}

describe('random code', () => {
  it(`runs the same in both tiers (SEED=${seed})`, function () {
    const r = new Random(seed);
    const made = assemble({ main: 'frame.S', read: () => frame, isa: a64Isa });
    const image = made.elf;
    assert.ok(image, made.diagnostics.map((d) => d.message).join('\\n'));
    const decoder = new Decoder(a64Isa.rows, cpuModel(CPU).features);
    const rows = a64Isa.rows.filter((row) => !unfit(row));
    const integer = rows.filter((row) => !/[fF]|vector|scalar|SIMD/.test(row.name));
    let regions = 0;
    for (let round = 0; round < 12; round++) {
      const words = Array.from({ length: COUNT }, (_, i) =>
        randomWord(r, decoder, round % 3 ? integer : rows, i),
      );
      // b back to the first
      words.push((0x14000000 | (-COUNT & 0x3ffffff)) >>> 0);
      const registers = randomRegisters(r);
      const pair = ([false, stressTranslation] as const).map((translate): Computer => {
        const c = new Computer({ cpu: CPU, cpus: 1, memoryBytes: 4 << 20, image, translate });
        const { machine } = c;
        machine.physical.poke(CODE, new Uint8Array(Uint32Array.from(words).buffer));
        machine.run({ instructions: 11 });
        registers.forEach((v, n) => machine.state.set(0, state.x, v, n));
        machine.state.set(0, common.pc, CODE);
        return c;
      });
      for (let step = 0; step < 4; step++) {
        const instructions = 1 + r.below(3000);
        const stops = pair.map((c) => c.machine.run({ instructions }));
        const what = `round ${round}, step ${step} (SEED=${seed})`;
        assert.deepEqual(stops[1], stops[0], what);
        assert.equal(pair[1]?.machine.hash(), pair[0]?.machine.hash(), what);
      }
      regions += pair[1]?.machine.translator?.counts.regions ?? 0;
    }
    assert.ok(regions > 200, `only ${regions} regions`);
  });

  it(`runs FP and SIMD the same in both tiers, operands of all classes (SEED=${seed})`, function () {
    const r = new Random(seed);
    const { elf: image } = assemble({ main: 'frame.S', read: () => frame, isa: a64Isa });
    assert.ok(image);
    const decoder = new Decoder(a64Isa.rows, cpuModel(CPU).features);
    let regions = 0;
    for (let round = 0; round < 10; round++) {
      const words = Array.from({ length: COUNT }, (_, i) => randomWord(r, decoder, vectorRows, i));
      words.push((0x14000000 | (-COUNT & 0x3ffffff)) >>> 0);
      const width = r.pick([16, 32, 64] as const);
      const operands = Array.from({ length: 64 }, () => fpVector(r, r.below(4) ? width : 64));
      const registers = randomRegisters(r);
      // Half of the rounds in the modes of most programs, in which the host's arithmetic is used.
      const [control, status] = round % 2 ? [0n, 0x10n] : [fpControl(r, true), 0n];
      const pair = ([false, stressTranslation] as const).map((translate): Computer => {
        const c = new Computer({ cpu: CPU, cpus: 1, memoryBytes: 4 << 20, image, translate });
        const { machine } = c;
        machine.physical.poke(CODE, new Uint8Array(Uint32Array.from(words).buffer));
        machine.run({ instructions: 11 });
        registers.forEach((v, n) => machine.state.set(0, state.x, v, n));
        operands.forEach((v, n) => machine.state.set(0, state.v, v, n));
        machine.state.set(0, fpcr, control);
        machine.state.set(0, fpsr, status);
        machine.state.set(0, common.pc, CODE);
        return c;
      });
      for (let step = 0; step < 4; step++) {
        const instructions = 1 + r.below(600);
        for (const c of pair) c.machine.run({ instructions });
        const what = `round ${round}, step ${step} (SEED=${seed})`;
        assert.equal(pair[1]?.machine.hash(), pair[0]?.machine.hash(), what);
      }
      regions += pair[1]?.machine.translator?.counts.regions ?? 0;
    }
    assert.ok(regions > 100, `only ${regions} regions`);
  });
});
