/** Steps by source line in C and in assembly, compared with gdb where gdb sees the same. */
import assert from 'node:assert/strict';
import { requireTool } from '../support/oracles';
import { buildGuest, GNU_TOOLS, PLAIN, type Variant } from './build';
import { gdbAnswers } from './gdb';
import { Session, type StepCommand } from './session';

const gdbCommand: Readonly<Record<StepCommand, string>> = { next: 'next', stepIn: 'step', stepOut: 'finish' };

/** Where gdb stops, from a function's breakpoint on. */
function gdbSteps(elf: string, functionName: string, steps: readonly StepCommand[]): unknown[] {
  return gdbAnswers(elf, [
    `run('tbreak ${functionName}')`,
    "run('continue')",
    'where()',
    ...steps.flatMap((step) => [`run('${gdbCommand[step]}')`, 'where()']),
  ]);
}

const many = (command: StepCommand, count: number): StepCommand[] => Array<StepCommand>(count).fill(command);

describe('Stepping through C and assembly of the GNU toolchain', function () {
  this.timeout(60_000);
  let session: Session;

  beforeEach(function () {
    requireTool(this, ...GNU_TOOLS);
  });
  afterEach(async () => {
    await session?.end();
  });

  /** Stops at a function as a breakpoint does. */
  async function startAt(name: string, variant: Variant = PLAIN): Promise<string> {
    const elf = buildGuest(variant);
    session = await Session.start(elf);
    const [b] = await session.functions({ name });
    assert.equal(b?.verified, true, b?.message);
    await session.resume();
    await session.functions();
    return elf;
  }

  const sequences: readonly (readonly [string, string, readonly StepCommand[]])[] = [
    [
      'into a recursion and out of it',
      'guest_main',
      ['next', 'next', 'stepIn', 'next', 'stepIn', 'next', 'stepIn', 'stepOut', 'stepOut', 'stepOut'],
    ],
    ['through loops and calls', 'guest_main', [...many('next', 4)]],
    ['over the rounds of a loop', 'sum', [...many('next', 9), 'stepOut', 'next', 'stepIn', 'next', 'next']],
    [
      'through a function at EL2 that writes HCR_EL2 and VTTBR_EL2',
      'hyp_main',
      ['next', 'next', 'stepIn', 'stepIn', 'stepIn', 'stepOut', 'next', 'next', 'next'],
    ],
    [
      'through a handler at EL2',
      'handle_trap',
      [...many('next', 4), 'stepIn', 'next', 'next', 'next', 'next', 'stepOut'],
    ],
    ['through assembly at EL2', 'enter_guest', [...many('next', 6)]],
  ];
  for (const [what, from, steps] of sequences) {
    it(`goes ${what} line by line as gdb does, -O0`, async () => {
      const elf = await startAt(from);
      const first = await session.where();
      const stops = [first, ...(await session.steps(steps))];
      assert.deepEqual(stops, gdbSteps(elf, from, steps));
    });
  }
});
