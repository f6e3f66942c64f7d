import assert from 'node:assert/strict';
import { assemble } from '../../emulator/asm/assemble';
import { Computer } from '../../emulator/board/computer';
import { Heat } from '../../emulator/codegen/handlers';
import type { TranslatorOptions } from '../../emulator/core/translator';
import { a64Isa } from '../../emulator/isa/a64';

/** Loops one after the other, of so many rounds each: s0 leads to l0, that to s1. The last is one that no region can hold. */
const LOOPS = 5;
const loop = (n: number, rounds: number): string => `
s${n}:	mov	x1, #${rounds}
l${n}:	sub	x1, x1, #1
	cbnz	x1, l${n}
	b	s${n + 1}
	.balign	64`;
const source = (rounds: number): string => `
_start:
${Array.from({ length: LOOPS }, (_, n) => loop(n, rounds)).join('\n')}
s${LOOPS}:	mov	x1, #${rounds}
own:	yield
	sub	x1, x1, #1
	cbnz	x1, own
	b	s0
`;

const NOP = Uint8Array.of(0x1f, 0x20, 0x03, 0xd5);

/** A computer with these loops. */
class Loops {
  readonly c: Computer;
  private readonly made: ReturnType<typeof assemble>;

  constructor(options: Partial<TranslatorOptions>, rounds = 300) {
    const made = assemble({ main: 'loops.S', read: () => source(rounds), isa: a64Isa });
    this.made = made;
    this.c = new Computer({ cpus: 1, memoryBytes: 16 << 20, image: made.elf!, translate: options });
  }

  address(label: string): bigint {
    return this.made.symbols.find((s) => s.name === label)!.value;
  }

  /** RAM offset. */
  at(label: string): number {
    return Number(this.address(label) - this.c.machine.physical.ramBase);
  }

  record(label: string): number {
    return this.c.machine.predecode.recordAt(this.at(label));
  }

  isEntered(label: string): boolean {
    return this.c.machine.predecode.heatOf(this.record(label)) > Heat.hot;
  }

  run(instructions: number): void {
    assert.equal(this.c.machine.run({ instructions }).kind, 'limit');
  }

  /** Has the translator hear as often as it takes that control goes from one loop to another. */
  link(from: string, to: string): void {
    const { translator, state } = this.c.machine;
    for (let i = 0; i < 3; i++)
      translator!.linked(state.block(0), this.record(to), this.record(from), this.c.machine.now());
  }
}

describe('what the translator was asked for', () => {
  it('is asked for again where an instruction was the interpreter’s and another takes its place', () => {
    const loops = new Loops({ batch: 1, heat: 100 });
    loops.run(20_000);
    assert.ok(loops.isEntered('l0') && !loops.isEntered('own'));
    loops.c.machine.physical.poke(loops.address('own'), NOP);
    loops.run(20_000);
    assert.ok(loops.isEntered('own'));
  });

  it('is asked for again where there was a breakpoint', () => {
    const loops = new Loops({ batch: 1, heat: 100 });
    const { machine } = loops.c;
    machine.predecode.addBreakpoint(loops.at('l0'));
    for (let i = 0; i < 200; i++) assert.equal(machine.run({ instructions: 100_000 }).kind, 'breakpoint');
    machine.predecode.removeBreakpoint(loops.at('l0'));
    loops.run(20_000);
    assert.ok(loops.isEntered('l0'));
  });

  it('has what was learned when it is made again for another reason', () => {
    const loops = new Loops({ batch: 1, heat: 20_000 });
    const { physical, translator } = loops.c.machine;
    // A region that holds s1 goes with it.
    const goesWithS1 = (): boolean => {
      physical.poke(loops.address('s1'), physical.peek(loops.address('s1'), 4));
      return !loops.isEntered('l0');
    };
    const toHeat = 80 * 6 * 602;
    loops.run(toHeat);
    assert.ok(loops.isEntered('l0') && !goesWithS1());
    loops.link('l0', 's1');
    translator!.writesBeside(loops.at('l0'));
    assert.ok(!loops.isEntered('l0'));
    loops.run(5000);
    assert.ok(loops.isEntered('l0') && goesWithS1());
  });
});
