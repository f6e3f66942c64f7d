/** Conditions as code against conditions as `evaluate` has them: the same stops, the same machine behind them. */
import assert from 'node:assert/strict';
import { Random, seed } from '../../test/support/random';
import {
  stressTranslation,
  translationOptions,
  useTranslation,
  type TranslatorOptions,
} from '../../emulator/core/translator';
import { EL2_MMU_ON, POWER_OFF, testGuest, type TestGuest } from '../testing';
import { CheckedExpression, Moment } from './moment';

const ROUNDS = 60;
/** The loop becomes one region at once. */
const whole: TranslatorOptions = { ...stressTranslation, instructions: 200, live: 1000 };

/** What stands at the places, one after the other: instructions that go on, branch, access memory, take part in nothing. */
const instructions: readonly string[] = [
  ...['nop', 'add x7, x7, x1', 'ldr x8, [x19, #8]', 'str x1, [x19, #16]', 'stp x7, x8, [x19, #24]'],
  ...[
    'cbz x3, 1f',
    'b 1f',
    'adr x9, .',
    'mrs x10, tpidr_el2',
    'bl 1f',
    'subs xzr, x1, x3',
    'csel x11, x1, x0, eq',
  ],
  ...['b.hi 1f', 'fmov d1, x1', 'fadd d2, d2, d1', 'ldxr x12, [x19]', 'adrp x13, tables', 'tbnz x1, #5, 1f'],
  ...['svc #1', 'ldr x14, [x20]', 'eor x7, x7, x3', 'mov x9, x7'],
];

/**
 * Mixes registers and memory for some rounds; X20 walks over mapped, unaligned and unmapped addresses. The vector of EL2
 * steps over what has faulted.
 */
const PROGRAM = `
	.global _start
_start:
	adr	x5, tables
	ldr	x6, =0x40000701
	str	x6, [x5, #8]
${EL2_MMU_ON}
	adr	x19, data
	adr	x6, vectors
	msr	vbar_el2, x6
	ldr	x1, =0x9e3779b97f4a7c15
	mov	x0, #${ROUNDS}
	mov	x20, x19
loop:
	mul	x2, x1, x1
	eor	x1, x1, x2, ror #29
	add	x1, x1, x0
	and	x3, x1, #7
	str	w1, [x19, x3]
	add	x20, x19, x3, lsl #9
	tbz	x1, #9, 1f
	lsl	x20, x20, #3
1:	msr	tpidr_el2, x1
${instructions.map((i, n) => `place${n}: ${i}\n1:`).join('\n')}
	subs	x0, x0, #1
	b.ne	loop
${POWER_OFF}
	.balign	8
data:	.space	64
	.balign	2048
vectors: .space	512
	mrs	x15, esr_el2
	mrs	x16, elr_el2
	lsr	x15, x15, #26
	cmp	x15, #0x15
	b.eq	1f
	add	x16, x16, #4
	msr	elr_el2, x16
1:	eret
	.balign	4096
tables:	.space	4096
`;

const fixed: readonly string[] = [
  'x0 == 17',
  '(x0 & 3) == 1 && (s8)w1 < 100',
  'w1 > 0xf0000000 || *(u8*)x19 < 9',
  '*(s16*)(x19 + 1) >> 60',
  '*x20 & 0x10',
  'x3 / (x0 & 7) > 1',
  'x1 % (x3 - 3) == 2',
  'tpidr_el2 >> 61 == 3',
  'SCTLR_EL2.M && HCR_EL2.VM == 0 && x3 == 2',
  'x0 > 50 ? x3 == 1 : !(x1 & 30)',
  '(x1 << x0) >> 63',
  // These take names that a frame gives a meaning.
  'el == 2 && x3 == 4',
  'sp == x4 || (x0 & 15) == 3',
  '*(u32*)data >> 30 == 2',
  'data + 512 == x20',
  'lr + fp + cpu == 0 && pc == place15 && x0 < 3',
  'vmid || x0 == 9',
  'table_that_is_not || x0 == 9',
  'x3 == 6 && *(u8*)table_that_is_not',
  '1 / 0',
  // What a region computes once, where it begins, is not to be divided by before it is looked at.
  '5 % HCR_EL2 == 5',
  'x3 == 2 && 5 / HCR_EL2',
];

/** A guest that translates in a way of its own. */
function guestWith(translate: typeof stressTranslation | false): TestGuest {
  const usual = translationOptions(undefined);
  useTranslation(translate);
  try {
    return testGuest(PROGRAM);
  } finally {
    useTranslation(usual);
  }
}

/** A random expression of a depth. */
function random(r: Random, depth: number): string {
  if (depth === 0)
    return r.pick([
      ...['x0', 'x1', 'w1', 'x3', 'w20', 'x19', 'xzr', 'tpidr_el2', 'SCTLR_EL2.M', 'HCR_EL2'],
      ...['0', '1', '2', '63', '64', '0xff', '0x80000000', '0xffffffffffffffff'],
    ]);
  const sub = (): string => random(r, r.below(depth));
  const operators = ['*', '/', '%', '+', '-', '<<', '>>', '<', '<=', '>', '>=', '==', '!=', '&', '^', '|'];
  switch (r.below(8)) {
    case 0:
      return `${r.pick(['-', '~', '!', '(u8)', '(s16)', '(s32)', '(u32)'])}(${sub()})`;
    case 1:
      return `(${sub()} ? ${sub()} : ${sub()})`;
    case 2:
      return `*(${r.pick(['u8', 's8', 'u16', 's32', 'u64'])}*)(x19 + (${sub()} & 15))`;
    case 3:
      return `(${sub()} ${r.pick(['&&', '||'])} ${sub()})`;
    default:
      return `(${sub()} ${r.pick(operators)} ${sub()})`;
  }
}

describe(`compiled conditions (SEED=${seed})`, function () {
  const labels = instructions.map((_, n) => `place${n}`);

  /** Place, X0 and the explanation of each stop, and what the machine is in the end. */
  async function stops(
    guest: TestGuest,
    counts: (place: number) => string | undefined,
  ): Promise<{ at: string[]; hash: string }> {
    const at: string[] = [];
    for (;;) {
      guest.control.resume();
      const report = await guest.next();
      if ('kind' in report) break;
      assert.notEqual(report.reason, 'exception', report.text);
      const text = counts(labels.indexOf(guest.where())) ?? report.text ?? '';
      if (text !== 'no') at.push(`${guest.where()} ${guest.target.arch.register(0, 'x0')} ${text}`);
    }
    return { at, hash: guest.target.machine.hash() };
  }

  const set = (guest: TestGuest, conditions: readonly string[] | undefined): void => {
    const made = guest.control.breakpoints.replace(
      'function',
      '',
      labels.map((name, n) => ({
        subject: { k: 'function' as const, name },
        ...(conditions ? { condition: conditions[n] ?? '' } : {}),
      })),
    );
    for (const b of made) assert.equal(b.reason, undefined);
  };

  /** One condition a place, each asked by us whenever a CPU comes by. */
  async function asked(conditions: readonly string[]): Promise<{ at: string[]; hash: string }> {
    const guest = guestWith(false);
    set(guest, undefined);
    const checked = conditions.map((c) => new CheckedExpression(c));
    return stops(guest, (place) => {
      try {
        return new Moment(guest.target, 0).number(checked[place]!) === 0n ? 'no' : '';
      } catch (error) {
        return `The condition failed: ${(error as Error).message}`;
      }
    });
  }

  async function compare(conditions: readonly string[]): Promise<void> {
    const expected = await asked(conditions);
    assert.ok(expected.at.length > ROUNDS, expected.at.join());
    for (const translate of [false as const, stressTranslation, whole]) {
      const guest = guestWith(translate);
      set(guest, conditions);
      const found = await stops(guest, () => undefined);
      assert.deepEqual(found, expected, `${conditions.join(' ; ')}, ${JSON.stringify(translate)}`);
    }
  }

  it('of every kind', () => compare(fixed));

  it('at random', async () => {
    const r = new Random(seed);
    for (let n = 0; n < 3; n++) await compare(labels.map(() => random(r, 4)));
  });
});
