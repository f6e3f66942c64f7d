import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { requireTool } from '../../test/support/oracles';
import { evaluate, type Names } from './evaluate';
import { parseExpression, type Expression } from './parse';

const memory = Uint8Array.from([0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x81]);
const values: Readonly<Record<string, bigint>> = { x0: 5n, 'HCR_EL2.VM': 1n, 'vcpu.pc': 0x20n, zero: 0n };
const names: Names = {
  lookup: (name) => (Object.hasOwn(values, name) ? values[name] : undefined),
  load: (address, bytes) => {
    if (address + BigInt(bytes) > BigInt(memory.length)) return undefined;
    return memory
      .slice(Number(address), Number(address) + bytes)
      .reduceRight((v, b) => (v << 8n) | BigInt(b), 0n);
  },
};
const value = (text: string): bigint => evaluate(parseExpression(text), names);

describe('expressions', () => {
  it('are unsigned 64-bit', () => {
    assert.equal(value('-1'), 0xffff_ffff_ffff_ffffn);
    assert.equal(value('0 - 1 > 0'), 1n);
    assert.equal(value('~0 + 1'), 0n);
    assert.equal(value('1 << 64'), 0n);
    assert.equal(value('-1 >> 63'), 1n);
    assert.equal(value('0xffffffffffffffff * 2'), 0xffff_ffff_ffff_fffen);
  });

  it('know registers, fields and symbols with dots', () => {
    assert.equal(value('x0 == 5 && HCR_EL2.VM'), 1n);
    assert.equal(value('x0 + vcpu.pc'), 0x25n);
    assert.equal(value('&vcpu.pc'), 0x20n);
  });

  it('read memory with a type', () => {
    assert.equal(value('*(u8*)0'), 0x88n);
    assert.equal(value('*(u16 *)2'), 0x5566n);
    assert.equal(value('*(u32*)4'), 0x81223344n);
    assert.equal(value('*0'), 0x8122334455667788n);
    assert.equal(value('*(s8*)7'), 0xffff_ffff_ffff_ff81n);
    assert.equal(value('*(u32*)(x0 - 1)'), 0x81223344n);
  });

  it('cast', () => {
    assert.equal(value('(u8)0x1ff'), 0xffn);
    assert.equal(value('(s16)0x8000'), 0xffff_ffff_ffff_8000n);
    assert.equal(value('(int32_t)-1 == -1'), 1n);
  });

  it('evaluate the second operand of && and || only if it counts', () => {
    assert.equal(value('zero && *(u8*)99'), 0n);
    assert.equal(value('x0 || nothing'), 1n);
    assert.equal(value('zero ? nothing : 7'), 7n);
  });

  for (const [text, expected] of [
    ['0x_', /no number at column 1/],
    ['', /missing before the end at column 1/],
    ['x0 ==', /missing before the end at column 6/],
    ['(x0', /"\)" is missing before the end at column 4/],
    ['x0 5', /"5" is not expected at column 4/],
    ['x0 # 1', /"#" has no meaning here at column 4/],
    ['0x1ffffffffffffffff', /does not fit into 64 bits at column 1/],
    ['(u32*)x0', /\* before it/],
    [`${'('.repeat(500)}1`, /too deeply/],
    ['nothing', /"nothing" is no register/],
    ['1 / zero', /divides by zero/],
    ['*(u8*)99', /0x63 cannot be read/],
  ] as const) {
    it(`refuse ${JSON.stringify(text.slice(0, 30))} in one sentence`, () => {
      assert.throws(() => value(text), { name: 'UserError', message: expected });
    });
  }

  it('agree with C on precedence and values', function () {
    requireTool(this, 'aarch64-linux-gnu-gcc');
    const operators = ['*', '+', '-', '<', '<=', '>', '>=', '==', '!=', '&', '^', '|', '&&', '||'];
    const operand = fc.tuple(
      fc.constantFrom('', '-', '~', '!', '(u8)', '(s8)'),
      fc.bigInt({ min: 0n, max: 0xffn }).map((v) => `0x${v.toString(16)}`),
    );
    const chain = fc
      .tuple(
        operand,
        fc.array(fc.tuple(fc.constantFrom(...operators), operand), { minLength: 1, maxLength: 6 }),
      )
      .map(([first, rest]) => [first.join(''), ...rest.map(([op, o]) => `${op} ${o.join('')}`)].join(' '));
    const texts = fc.sample(chain, { numRuns: 300, seed: 20 });
    // Every operand is widened to an unsigned 64-bit value, as in our expressions.
    const inC = (t: string): string =>
      t.replace(/\((u8|s8)\)/g, '(u64)($1)').replace(/0x[0-9a-f]+/g, '$&ull');
    const source = `
      typedef unsigned long long u64; typedef unsigned char u8; typedef signed char s8;
      u64 one = 1;
      u64 values[] = { ${texts.map((t) => `(u64)(${inC(t)})`).join(',\n')} , 77 };`;
    const args = ['-w', '-S', '-x', 'c', '-o', '-', '-'];
    const listing = execFileSync('aarch64-linux-gnu-gcc', args, { input: source, encoding: 'utf8' });
    const table = listing.slice(listing.indexOf('\nvalues:'));
    const expected = [...table.matchAll(/\.xword\s+(-?\d+)|\.zero\s+(\d+)/g)].flatMap(([, word, zero]) =>
      word === undefined ? new Array<bigint>(Number(zero) / 8).fill(0n) : [BigInt.asUintN(64, BigInt(word))],
    );
    assert.equal(expected.length, texts.length + 1);
    texts.forEach((t, i) => assert.equal(value(t), expected[i], t));
  });

  it('throw nothing but errors for the user, whatever the text', () => {
    const piece = fc.constantFrom(
      'x0',
      '(',
      ')',
      '*',
      '(u32*)',
      '1',
      '0x',
      '?',
      ':',
      '&&',
      '-',
      '.',
      "'",
      ' ',
      '{',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(piece).map((p) => p.join('')),
        ),
        (text) => {
          let parsed: Expression;
          try {
            parsed = parseExpression(text);
          } catch (error) {
            assert.equal((error as Error).name, 'UserError');
            return;
          }
          try {
            const v = evaluate(parsed, names);
            assert.ok(v >= 0n && v < 1n << 64n);
          } catch (error) {
            assert.equal((error as Error).name, 'UserError');
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
