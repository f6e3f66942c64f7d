import assert from 'node:assert/strict';
import { UartText } from './line-ends';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('guest output for the terminal', () => {
  it('adds a carriage return to a lone line feed, also across chunks', () => {
    const text = new UartText();
    assert.equal(text.decode(bytes('a\nb\r')), 'a\r\nb\r');
    assert.equal(text.decode(bytes('\nc\n\n')), '\nc\r\n\r\n');
  });

  it('knows where a line begins', () => {
    const text = new UartText();
    assert.ok(text.atLineStart);
    text.decode(bytes('login: '));
    assert.ok(!text.atLineStart);
    text.decode(bytes('root\n'));
    assert.ok(text.atLineStart);
  });

  it('joins a UTF-8 sequence that two chunks share', () => {
    const text = new UartText();
    const [first, ...rest] = bytes('\u00b5');
    assert.ok(first !== undefined);
    assert.equal(text.decode(Uint8Array.of(first)), '');
    assert.equal(text.decode(Uint8Array.from(rest)), '\u00b5');
  });
});
