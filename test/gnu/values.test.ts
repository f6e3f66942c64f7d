/** Locals, arguments, globals and expressions of C: values and types, compared with gdb. */
import assert from 'node:assert/strict';
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { requireTool } from '../support/oracles';
import { buildGuest, GNU_TOOLS, lineOf, PLAIN, type Variant } from './build';
import { gdbAnswers } from './gdb';
import { byName, Session } from './session';

/** Both ways to write a C type: gdb says `long`, the debug information `long int`. */
const typeName = (text: string): string => text.replace(/\b(long|short) int\b/g, '$1').replaceAll(' ', '');

/** The number of a value as the Variables pane writes it: `5 (GREEN)`, `65 'A'`, `0x40 <symbol>`, `true`. */
function numberIn(text: string): string {
  if (text === 'true') return '1';
  if (text === 'false') return '0';
  return String(BigInt(/^-?(?:0x[0-9a-f]+|\d+)/i.exec(text)?.[0] ?? `no number in ${text}`));
}

interface Stop {
  readonly file: string;
  /** Text of the line to stop at. */
  readonly at: string;
  /** Expressions that are compared with gdb by number and type. */
  readonly expressions: readonly string[];
}

const stops: readonly Stop[] = [
  {
    file: 'guest.c',
    at: 'return n * factorial(n - 1)',
    expressions: ['n', 'table[4]', 'checksum'],
  },
  {
    file: 'guest.c',
    at: 'total += values[i]',
    expressions: [
      'values',
      'count',
      'total',
      'i',
      '*values',
      'values[2]',
      'values[4]',
      'table[1]',
      '&table[1]',
    ],
  },
  {
    file: 'guest.c',
    at: 'return ax * by',
    expressions: [
      'shape',
      'ax',
      'ay',
      'bx',
      'by',
      'c',
      'c[2].y',
      'shape->name',
      'shape->colour',
      'shape->corners[2].y',
      'shape->first',
      'shape->first->x',
      'shape->visible',
      'shape->layer',
      '&shape->corners[1]',
      '*shape->name',
    ],
  },
  {
    file: 'guest.c',
    at: 'result += (u8)(half + wide)',
    expressions: ['small', 'letter', 'half', 'wide', 'flag', 'result'],
  },
  {
    file: 'guest.c',
    at: 'return more + count',
    expressions: [
      'value',
      'more',
      'count',
      'answers[0]',
      'answers[1]',
      'hyp_state.traps',
      'hyp_state.last_class',
    ],
  },
  {
    file: 'hyp.c',
    at: 'return calls;',
    expressions: [
      'number',
      'argument',
      'calls',
      'hyp_state.last_class',
      'stage2[0]',
      'stage2[1]',
      'stage2[2]',
    ],
  },
  {
    file: 'hyp.c',
    at: 'frame->elr += 4',
    expressions: [
      'iss',
      'target',
      'is_store',
      'frame',
      'frame->elr',
      'frame->esr',
      'frame->x[30]',
      'hyp_state.last_fault',
    ],
  },
];

describe('Values of C code of the GNU toolchain', function () {
  let session: Session;

  beforeEach(function () {
    requireTool(this, ...GNU_TOOLS);
  });
  afterEach(async () => {
    await session?.end();
  });

  async function stopAt(file: string, text: string, variant: Variant = PLAIN): Promise<string> {
    const elf = buildGuest(variant);
    session = await Session.start(elf);
    const [b] = await session.lines(file, { line: lineOf(file, text) });
    assert.equal(b?.verified, true, b?.message);
    await session.resume();
    await session.lines(file);
    return elf;
  }

  for (const variant of [PLAIN, { optimise: 0, dwarf: 4 }] satisfies Variant[]) {
    for (const { file, at, expressions } of stops) {
      it(`are those of gdb at "${at}", -gdwarf-${variant.dwarf}`, async () => {
        const elf = await stopAt(file, at, variant);
        const answers = gdbAnswers(elf, [
          `run('tbreak ${file}:${lineOf(file, at)}')`,
          "run('continue')",
          ...expressions.flatMap((e) => [`number(${JSON.stringify(e)})`, `type_of(${JSON.stringify(e)})`]),
          'locals()',
        ]);
        for (const [i, expression] of expressions.entries()) {
          const { result, type } = await session.evaluate(expression, { context: 'hover' });
          assert.equal(numberIn(result), numberIn(String(answers[2 * i])), `${expression} is ${result}`);
          assert.equal(typeName(type ?? ''), typeName(String(answers[2 * i + 1])), expression);
        }
        const frame = await session.frame();
        const scopes = (await session.client.ok('scopes', { frameId: frame.id }))['scopes'] as DP.Scope[];
        const names: string[] = [];
        for (const scope of scopes.filter((v) => /^(Arguments|Locals?)/.test(v.name)))
          names.push(...(await session.variables(scope.variablesReference)).map((v) => v.name));
        for (const name of answers.slice(2 * expressions.length))
          assert.ok(names.includes(String(name)), String(name));
      });
    }
  }

  it('open structs, arrays, bit fields and pointers', async () => {
    await stopAt('guest.c', 'area = twice_area');
    const shape = byName(await session.scope('Local')).get('shape');
    assert.ok(shape);
    const parts = await session.parts(shape);
    assert.deepEqual([...parts.keys()], ['name', 'colour', 'corners', 'first', 'visible', 'layer']);
    assert.match(parts.get('name')?.value ?? '', /"triangle"$/);
    assert.equal(parts.get('colour')?.value, '5 (GREEN)');
    assert.equal(parts.get('visible')?.value, '1');
    assert.equal(parts.get('layer')?.value, '42');
    const corners = parts.get('corners');
    assert.ok(corners);
    const [, , third] = [...(await session.parts(corners)).values()];
    assert.ok(third);
    assert.equal((await session.parts(third)).get('y')?.value, '-3');
    const first = parts.get('first');
    assert.ok(first);
    assert.deepEqual([...(await session.parts(first)).keys()], ['x', 'y']);
    // What a variable says of itself can be watched.
    const path = (await session.parts(third)).get('y')?.evaluateName;
    assert.ok(path);
    assert.equal((await session.evaluate(path)).result, '-3');
  });

  async function set(variables: DP.Scope, name: string, value: string): Promise<string> {
    const { variablesReference } = variables;
    return String((await session.client.ok('setVariable', { variablesReference, name, value }))['value']);
  }

  it('take what is written to them: the program goes on with it', async () => {
    const elf = await stopAt('guest.c', 'checksum = product +');
    const locals = await session.scopeOf('Local');
    assert.equal(await set(locals, 'product', '1000'), '1000');
    assert.equal(await set(locals, 'area', '-7'), '-7');
    assert.equal((await session.evaluate('product - 1')).result, '0x3e7 (999)');
    await session.finish();
    const plain = await Session.start(elf);
    await plain.finish();
    const sum = (text: string): bigint => BigInt(/checksum (\d+)/.exec(text)?.[1] ?? 'no checksum');
    // factorial(5) was 120, and the area -12.
    assert.equal(sum(session.uart()) - sum(plain.uart()), 1000n - 120n + (7n - 12n));
    await plain.end();
  });

  it('can be assigned as expressions: members, elements, what a pointer points to', async () => {
    await stopAt('guest.c', 'return ax * by');
    const { id: frameId } = await session.frame();
    const assign = async (expression: string, value: string): Promise<unknown> =>
      (await session.client.ok('setExpression', { expression, value, frameId }))['value'];
    assert.equal(await assign('shape->colour', 'BLUE'), '6 (BLUE)');
    assert.equal(await assign('c[1].x', '-5'), '-5');
    assert.equal((await session.evaluate('shape->corners[1].x')).result, '-5');
    assert.equal(await assign('table[3]', '0x10'), '16');
    assert.equal((await session.evaluate('table[3]')).result, '16');
  });

  it('are those of each frame of a recursion, and of the caller', async () => {
    await stopAt('guest.c', 'return 1;');
    const frames = (await session.frames()).filter((f) => f.name === 'factorial');
    const values = [];
    for (const { id } of frames)
      values.push((await session.client.ok('evaluate', { expression: 'n', frameId: id }))['result']);
    assert.deepEqual(values, ['1', '2', '3', '4', '5']);
    assert.equal((await session.evaluate('shape.layer', { frame: 'guest_main' })).result, '42');
  });

  it('are those of gdb in optimised code too, where both have them', async () => {
    const variant: Variant = { optimise: 2, dwarf: 5 };
    const elf = buildGuest(variant);
    session = await Session.start(elf);
    await session.functions({ name: 'handle_trap' });
    await session.resume();
    const expressions = [
      'frame',
      'frame->esr',
      'frame->elr',
      'frame->x[0]',
      'frame->x[1]',
      'hyp_state.traps',
      'stage2[1]',
    ];
    const answers = gdbAnswers(elf, [
      "run('tbreak handle_trap')",
      "run('continue')",
      ...expressions.map((e) => `number(${JSON.stringify(e)})`),
    ]);
    for (const [i, e] of expressions.entries())
      assert.equal(numberIn((await session.evaluate(e)).result), String(answers[i]), e);
  });
});
