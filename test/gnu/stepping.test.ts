/** Steps by source line in C and in assembly, compared with gdb where gdb sees the same. */
import assert from 'node:assert/strict';
import { requireTool } from '../support/oracles';
import { buildGuest, GNU_TOOLS, lineOf, PLAIN, type Variant } from './build';
import { gdbAnswers } from './gdb';
import { Session, type StepCommand, type Where } from './session';

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

  it('goes through optimised code at EL2 line by line as gdb does', async () => {
    const elf = await startAt('handle_trap', { optimise: 2, dwarf: 5 });
    const steps = many('next', 3);
    const stops = [await session.where(), ...(await session.steps(steps))];
    // At the first instruction of an inlined function gdb still shows the frame around it.
    const line = (w: Pick<Where, 'file' | 'line'>): string => `${w.file}:${w.line}`;
    assert.deepEqual(stops.map(line), (gdbSteps(elf, 'handle_trap', steps) as Where[]).map(line));
  });

  it('steps from assembly into C, behind the prologue', async () => {
    session = await Session.start(buildGuest());
    await session.lines('start.S', { line: lineOf('start.S', 'bl\thyp_main') });
    await session.resume();
    await session.lines('start.S');
    const body = { file: 'hyp.c', line: lineOf('hyp.c', 'print("hyp: stage 2 on'), function: 'hyp_main' };
    assert.deepEqual(await session.steps(['stepIn']), [body]);
    await session.lines('start.S', { line: lineOf('start.S', 'bl\tguest_main') });
    await session.resume();
    await session.lines('start.S');
    const [inside] = await session.steps(['stepIn']);
    assert.equal(inside?.function, 'guest_main');
  });

  it('follows an ERET into the guest with step in', async () => {
    session = await Session.start(buildGuest());
    await session.lines('start.S', { line: lineOf('start.S', 'eret', 2) });
    await session.resume();
    await session.lines('start.S');
    const [entered] = await session.steps(['stepIn']);
    assert.deepEqual(entered, {
      file: 'start.S',
      line: lineOf('start.S', 'mov\tx29, xzr', 3),
      function: 'guest_start',
    });
  });
});
