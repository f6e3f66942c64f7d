import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fromHex, hexNumber, PACKET_BYTES, packet, PacketReader, textToHex, toHex } from './packets';

interface Heard {
  readonly reader: PacketReader;
  readonly packets: string[];
  /** What else happened: `+`, `-`, `interrupt`, `resend`. */
  readonly others: string[];
}

function listen(): Heard {
  const packets: string[] = [];
  const others: string[] = [];
  const reader = new PacketReader({
    packet: (data) => packets.push(data),
    interrupt: () => others.push('interrupt'),
    acknowledge: (mark) => others.push(mark),
    resend: () => others.push('resend'),
  });
  return { reader, packets, others };
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const binary = fc.uint8Array({ maxLength: 60 }).map((a) => Buffer.from(a).toString('latin1'));

describe('gdb packets', () => {
  it('come out of a stream as they went in, wherever it is split', () => {
    fc.assert(
      fc.property(fc.array(binary, { maxLength: 5 }), fc.array(fc.nat(20)), (texts, cuts) => {
        const { reader, packets, others } = listen();
        const stream = bytes(texts.map(packet).join(''));
        let at = 0;
        for (const cut of cuts) {
          reader.push(stream.subarray(at, at + cut));
          at += cut;
        }
        reader.push(stream.subarray(at));
        assert.deepEqual(packets, texts);
        assert.deepEqual(
          others,
          texts.map(() => '+'),
        );
      }),
    );
  });

  it('look as the manual has them', () => {
    // "Overview" of the remote protocol: the checksum of OK is 9a, and } # $ * are sent as } and the byte xor 0x20.
    assert.equal(packet('OK'), '$OK#9a');
    assert.equal(packet('}'), '$}]#da');
    assert.equal(packet('#$*'), `$}\x03}\x04}\x0a#${((3 * 0x7d + 3 + 4 + 10) & 0xff).toString(16)}`);
  });

  it('are asked for again when the checksum is wrong, and dropped without acknowledgements', () => {
    const { reader, packets, others } = listen();
    reader.push(bytes('$OK#9b$OK#zz$g#67'));
    assert.deepEqual(packets, ['g']);
    assert.deepEqual(others, ['-', '-', '+']);
    reader.noAcks = true;
    reader.push(bytes('$OK#9b$?#3f'));
    assert.deepEqual(packets, ['g', '?']);
    assert.equal(others.length, 3);
  });

  it('do not swallow interrupts between them, nor take 0x03 in data for one', () => {
    const { reader, packets, others } = listen();
    reader.noAcks = true;
    reader.push(bytes(`\x03+${packet('X0,1:#')}\x03`));
    assert.deepEqual(packets, ['X0,1:#']);
    assert.deepEqual(others, ['interrupt', 'interrupt']);
  });

  it('survive noise, and a packet that never ends', () => {
    fc.assert(
      fc.property(fc.array(binary), (noise) => {
        const { reader } = listen();
        for (const n of noise) reader.push(bytes(n));
      }),
    );
    const { reader, packets, others } = listen();
    reader.push(bytes('$m4008$p1#a1'));
    assert.deepEqual([packets.splice(0), others.splice(0)], [['p1'], ['+']]);
    reader.push(bytes(`$${'x'.repeat(3 * PACKET_BYTES)}`));
    assert.deepEqual(others, ['-']);
    reader.push(bytes('$g#67'));
    assert.deepEqual(packets, ['g']);
  });

  it('carry bytes and numbers in hexadecimal digits', () => {
    assert.equal(toHex(Uint8Array.of(0, 10, 255)), '000aff');
    assert.equal(textToHex('Hé'), '48c3a9');
    assert.deepEqual(fromHex('000aFF'), Uint8Array.of(0, 10, 255));
    for (const wrong of ['0', 'xy', '0x']) assert.equal(fromHex(wrong), undefined);
    assert.equal(hexNumber('ffffffffffffffff'), (1n << 64n) - 1n);
    for (const wrong of [undefined, '', '-1', '0x1', '1'.repeat(17)])
      assert.equal(hexNumber(wrong), undefined);
  });
});
