/** Conditions on C variables: compiled where the compiler has put them, they stop as when they are asked at each hit. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { CheckedExpression, Moment } from '../../debug-adapter/breakpoints/moment';
import { parseLaunch } from '../../debug-adapter/launch/config';
import { Target } from '../../debug-adapter/target';
import { debugged, type TestGuest } from '../../debug-adapter/testing';
import { requireTool } from '../support/oracles';
import { buildGuest, GUEST, lineOf, type Variant } from './build';

const FILE = join(GUEST, 'guest.c');

/** Text of a line, and conditions there that hold now and then. */
const places: readonly (readonly [string, readonly string[]])[] = [
  ['return n * factorial(n - 1)', ['n == 3', '(n & 1) && el == 1', '*(u32*)&checksum == 7 || n > 3']],
  ['total += values[i]', ['i == 2', 'total > 2', 'values && count == i + 1', 'checksum || (s32)total == 3']],
];

describe('Conditions on C variables', function () {
  /** The PC and the time of all stops on a line at which `counts` holds. */
  async function stops(
    elf: string,
    line: number,
    condition: string | undefined,
    counts: (guest: TestGuest) => boolean,
  ): Promise<{ at: string[]; learned: boolean }> {
    const guest = debugged(Target.launch(parseLaunch({ program: elf, memory: '64M' })), FILE, '');
    const [b] = guest.control.breakpoints.replace('line', FILE, [
      { subject: { k: 'line', path: FILE, line }, ...(condition === undefined ? {} : { condition }) },
    ]);
    assert.equal(b?.reason, undefined);
    const at: string[] = [];
    for (;;) {
      guest.control.resume();
      if ('kind' in (await guest.next())) break;
      if (counts(guest)) at.push(`${guest.target.machine.pc(0)} ${guest.target.machine.now()}`);
    }
    return { at, learned: b?.compiled?.forget() ?? false };
  }

  // With optimisation much is computed from something else, or gone: such conditions are asked.
  for (const [variant, least] of [
    [{ optimise: 0, dwarf: 5 }, 6],
    [{ optimise: 2, dwarf: 4 }, 2],
  ] satisfies [Variant, number][])
    it(`at -O${variant.optimise}, DWARF ${variant.dwarf}`, async function () {
      requireTool(this, 'aarch64-linux-gnu-gcc');
      const elf = buildGuest(variant);
      let compiled = 0;
      for (const [text, conditions] of places)
        for (const condition of conditions) {
          const line = lineOf('guest.c', text);
          const checked = new CheckedExpression(condition);
          const expected = await stops(elf, line, undefined, ({ target }) => {
            try {
              return new Moment(target, 0).number(checked) !== 0n;
            } catch {
              return true;
            }
          });
          const found = await stops(elf, line, condition, () => true);
          assert.deepEqual(found.at, expected.at, condition);
          if (found.learned) compiled++;
        }
      assert.ok(compiled >= least, `only ${compiled} were compiled`);
    });
});
