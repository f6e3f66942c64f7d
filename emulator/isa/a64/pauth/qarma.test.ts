/** The cipher by itself, against the vector that its author published. */
import assert from 'node:assert/strict';
import { Builder } from '../../../ir/builder';
import { evaluateRoutine } from '../../../ir/evaluate';
import type { Routine, Val } from '../../../ir/nodes';
import { encipher } from './qarma';

const cipher: Routine = {
  k: 'routine',
  name: 'cipher',
  params: ['i64', 'i64', 'i64', 'i64'],
  result: 'i64',
  build: (s: Builder, text: Val, tweak: Val, key0: Val, key1: Val) =>
    s.ret(encipher(s, text, tweak, key0, key1)),
};

const impossible = (): never => {
  throw new Error('the cipher touches nothing');
};

describe('QARMA', () => {
  it('agrees with the test vector of its paper (sigma 2, r = 5)', () => {
    const args = [0xfb623599da6e8127n, 0x477d469dec0b8762n, 0x84be85ce9804e94bn, 0xec2802d4e0a488e9n];
    const result = evaluateRoutine(cipher, args, {
      memory: new DataView(new ArrayBuffer(0)),
      cpu: 0,
      pc: 0n,
      newBuilder: () => new Builder(),
      host: impossible,
      probe: impossible,
      commit: impossible,
    });
    assert.equal(result, 0xc003b93999b33765n);
  });
});
