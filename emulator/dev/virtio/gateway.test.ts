import assert from 'node:assert/strict';
import fc from 'fast-check';
import { answer, GUEST_MAC } from './gateway';

const GATEWAY_MAC = [0x52, 0x55, 10, 0, 2, 2];
const [GUEST, GATEWAY] = [
  [10, 0, 2, 15],
  [10, 0, 2, 2],
];
const BROADCAST = [255, 255, 255, 255, 255, 255];

const be16 = (v: number): number[] => [v >> 8, v & 0xff];
const read16 = (b: Uint8Array, at: number): number => b[at]! * 256 + b[at + 1]!;
const read32 = (b: Uint8Array, at: number): number => read16(b, at) * 65536 + read16(b, at + 2);

/** RFC 1071: data and its checksum add up to all ones. */
function isSummed(...parts: readonly (Uint8Array | readonly number[])[]): boolean {
  const all = parts.flatMap((p) => [...p]);
  if (all.length % 2) all.push(0);
  let sum = 0;
  for (let i = 0; i < all.length; i += 2) sum += all[i]! * 256 + all[i + 1]!;
  while (sum > 0xffff) sum = (sum >> 16) + (sum & 0xffff);
  return sum === 0xffff;
}

function ip(protocol: number, data: readonly number[], target: readonly number[] = GATEWAY): Uint8Array {
  const ethernet = [...(target === GATEWAY ? GATEWAY_MAC : BROADCAST), ...GUEST_MAC, 8, 0];
  const header = [
    0x45,
    0,
    ...be16(20 + data.length),
    0x12,
    0x34,
    0,
    0,
    64,
    protocol,
    0,
    0,
    ...GUEST,
    ...target,
  ];
  return Uint8Array.from([...ethernet, ...header, ...data]);
}

/** The IP payload of the only answer, whose frame and IP header are checked. */
function replyTo(frame: Uint8Array, protocol: number, to: readonly number[] = GUEST): Uint8Array {
  const [reply, ...more] = answer(frame);
  assert.ok(reply && more.length === 0);
  assert.deepEqual([...reply.subarray(0, 14)], [...GUEST_MAC, ...GATEWAY_MAC, 8, 0]);
  const packet = reply.subarray(14);
  assert.equal(packet[0], 0x45);
  assert.equal(read16(packet, 2), packet.length);
  assert.equal(packet[9], protocol);
  assert.deepEqual([...packet.subarray(12, 20)], [...GATEWAY, ...to]);
  assert.ok(isSummed(packet.subarray(0, 20)), 'IP checksum');
  return packet.subarray(20);
}

const pseudo = (protocol: number, length: number, to: readonly number[] = GUEST): number[] => [
  ...GATEWAY,
  ...to,
  0,
  protocol,
  ...be16(length),
];

describe('the gateway of the virtual network', () => {
  it('answers ARP for its own address only', () => {
    const request = (whose: readonly number[]): Uint8Array =>
      Uint8Array.from([
        ...[...BROADCAST, ...GUEST_MAC, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
        ...[...GUEST_MAC, ...GUEST, 0, 0, 0, 0, 0, 0, ...whose],
      ]);
    assert.deepEqual(
      [...answer(request(GATEWAY))[0]!],
      [
        ...[...GUEST_MAC, ...GATEWAY_MAC, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
        ...[...GATEWAY_MAC, ...GATEWAY, ...GUEST_MAC, ...GUEST],
      ],
    );
    assert.deepEqual(answer(request([10, 0, 2, 3])), []);
  });

  it('answers pings with what was in them', () => {
    const echo = [8, 0, 0xab, 0xcd, 0x12, 0x34, 0, 7, ...Buffer.from('odd')];
    const reply = replyTo(ip(1, echo), 1);
    assert.deepEqual([...reply.subarray(4)], echo.slice(4));
    assert.deepEqual([reply[0], reply[1]], [0, 0]);
    assert.ok(isSummed(reply));
    assert.deepEqual(answer(ip(1, [0, ...echo.slice(1)])), []);
    assert.deepEqual(answer(ip(1, echo, [10, 0, 2, 99])), []);
  });

  it('echoes datagrams to port 7', () => {
    const body = Buffer.from('hello');
    const reply = replyTo(ip(17, [...be16(4000), ...be16(7), ...be16(13), 0, 0, ...body]), 17);
    assert.deepEqual([read16(reply, 0), read16(reply, 2), read16(reply, 4)], [7, 4000, 13]);
    assert.deepEqual(Buffer.from(reply.subarray(8)), body);
    assert.ok(isSummed(pseudo(17, 13), reply));
    assert.deepEqual(answer(ip(17, [...be16(4000), ...be16(53), ...be16(8), 0, 0])), []);
    assert.deepEqual(answer(ip(17, [...be16(4000), ...be16(7), ...be16(99), 0, 0])), []);
  });

  it('refuses TCP connections', () => {
    const syn = [...be16(5000), ...be16(80), 0, 0, 0x10, 0, 0, 0, 0, 0, 0x50, 2, ...be16(1000), 0, 0, 0, 0];
    const reply = replyTo(ip(6, syn), 6);
    assert.deepEqual([read16(reply, 0), read16(reply, 2)], [80, 5000]);
    // RST and ACK of the SYN (RFC 9293, 3.10.7.1).
    assert.deepEqual([read32(reply, 4), read32(reply, 8), reply[13]], [0, 0x1001, 0x14]);
    assert.ok(isSummed(pseudo(6, 20), reply));
    const ack = [...syn.slice(0, 8), 1, 2, 3, 4, 0x50, 0x10, ...syn.slice(14)];
    assert.deepEqual([read32(replyTo(ip(6, ack), 6), 4), replyTo(ip(6, ack), 6)[13]], [0x01020304, 4]);
    const rst = [...syn.slice(0, 13), 4, ...syn.slice(14)];
    assert.deepEqual(answer(ip(6, rst)), []);
  });

  it('leases always the same address', () => {
    const ALL = [255, 255, 255, 255];
    const message = (options: readonly number[]): Uint8Array => {
      const fixed = [1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef, ...new Uint8Array(20), ...GUEST_MAC];
      const body = [...fixed, ...new Uint8Array(236 - fixed.length), 99, 130, 83, 99, ...options, 255];
      return ip(17, [...be16(68), ...be16(67), ...be16(8 + body.length), 0, 0, ...body], ALL);
    };
    for (const [asked, given] of [
      [1, 2],
      [3, 5],
    ] as const) {
      const datagram = replyTo(message([0, 55, 1, 3, 53, 1, asked]), 17, ALL);
      assert.ok(isSummed(pseudo(17, datagram.length, ALL), datagram));
      assert.deepEqual([read16(datagram, 0), read16(datagram, 2)], [67, 68]);
      const body = datagram.subarray(8);
      assert.equal(read32(body, 4), 0xdeadbeef);
      assert.deepEqual([...body.subarray(16, 24)], [...GUEST, ...GATEWAY]);
      assert.deepEqual([...body.subarray(28, 34)], [...GUEST_MAC]);
      assert.deepEqual([...body.subarray(236, 243)], [99, 130, 83, 99, 53, 1, given]);
    }
    assert.deepEqual(answer(message([53, 1, 8])), []);
    // A request that was meant for another server.
    assert.deepEqual(answer(message([53, 1, 3, 54, 4, 10, 0, 2, 9])), []);
  });

  it('survives any frame', () => {
    const frames = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc
        .tuple(fc.constantFrom(1, 6, 17), fc.uint8Array({ maxLength: 300 }))
        .map(([protocol, data]) => ip(protocol, [...data])),
    );
    fc.assert(fc.property(frames, (frame) => answer(frame).every((f) => f.length >= 14 && f.length <= 1514)));
  });
});
