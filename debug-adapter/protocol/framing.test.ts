import assert from 'node:assert/strict';
import fc from 'fast-check';
import { encode, frame, FrameReader } from './framing';

function collect(): { reader: FrameReader; messages: string[]; problems: string[] } {
  const messages: string[] = [];
  const problems: string[] = [];
  const reader = new FrameReader({ message: (t) => messages.push(t), problem: (p) => problems.push(p) });
  return { reader, messages, problems };
}

describe('framing', () => {
  it('cuts a stream into the messages that went in, wherever it is split', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', minLength: 1 }), { maxLength: 5 }),
        fc.array(fc.nat(40)),
        (texts, cuts) => {
          const { reader, messages } = collect();
          const bytes = Buffer.concat(texts.map((t) => frame(t)));
          let at = 0;
          for (const cut of cuts) {
            reader.push(bytes.subarray(at, at + cut));
            at += cut;
          }
          reader.push(bytes.subarray(at));
          assert.deepEqual(
            messages,
            texts.map((t) => Buffer.from(t, 'utf8').toString('utf8')),
          );
        },
      ),
    );
  });

  it('goes on behind a header without a usable length', () => {
    for (const bad of [
      'Content-Type: x',
      'Content-Length: -1',
      'Content-Length: 99999999999',
      'Content-Length: 1e3',
    ]) {
      const { reader, messages, problems } = collect();
      reader.push(Buffer.concat([Buffer.from(`${bad}\r\n\r\n`), frame('{"a":1}')]));
      assert.deepEqual(messages, ['{"a":1}'], bad);
      assert.equal(problems.length, 1);
    }
  });

  it('drops noise that never becomes a header', () => {
    const { reader, messages, problems } = collect();
    reader.push(Buffer.alloc(10_000, 'x'));
    reader.push(frame('{}'));
    assert.deepEqual(messages, ['{}']);
    assert.equal(problems.length, 1);
  });

  it('takes header names in any case, and more headers', () => {
    const { reader, messages } = collect();
    reader.push(Buffer.from('content-type: x\r\ncontent-length: 2\r\n\r\n{}'));
    assert.deepEqual(messages, ['{}']);
  });
});

describe('the encoder', () => {
  it('names the place of a bigint instead of losing the message', () => {
    assert.throws(() => encode({ body: { variables: [{ value: 1n }] } }), /body\.variables\.0\.value/);
    assert.equal(encode({ a: 'x' }), '{"a":"x"}');
  });
});
