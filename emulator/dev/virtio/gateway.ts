/**
 * The only other station on the guest's network: a gateway with the addresses of QEMU's user network that answers ARP (RFC
 * 826), ping (RFC 792), DHCP (RFC 2131) and the UDP echo service (RFC 862), and refuses TCP connections. It has no memory
 * and leads nowhere: each frame is answered by what is in it.
 */

export const GUEST_MAC = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56] as const;
const GATEWAY_MAC = [0x52, 0x55, 0x0a, 0x00, 0x02, 0x02] as const;
const GATEWAY_IP = [10, 0, 2, 2] as const;
const GUEST_IP = [10, 0, 2, 15] as const;
const NETMASK = [255, 255, 255, 0] as const;
const ANY = [255, 255, 255, 255] as const;

const ETHERNET = 14;
const TYPE_IPV4 = 0x0800;
const TYPE_ARP = 0x0806;
const IP_HEADER = 20;
const Protocol = { icmp: 1, tcp: 6, udp: 17 } as const;
const UDP_HEADER = 8;
const TCP_HEADER = 20;
const PORT_ECHO = 7;
const PORT_DHCP_SERVER = 67;
const PORT_DHCP_CLIENT = 68;

type Bytes = Uint8Array | readonly number[];

const half = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
const halfOf = (v: number): number[] => [(v >> 8) & 0xff, v & 0xff];
const word = (bytes: Uint8Array, at: number): number => half(bytes, at) * 0x10000 + half(bytes, at + 2);
const wordOf = (v: number): number[] => [...halfOf(v >>> 16), ...halfOf(v)];
const same = (bytes: Uint8Array, at: number, other: Bytes): boolean =>
  [...other].every((b, i) => bytes[at + i] === b);
const join = (...parts: readonly Bytes[]): Uint8Array => Uint8Array.from(parts.flatMap((p) => [...p]));

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Bytes): number {
  let sum = 0;
  bytes.forEach((b: number, i: number) => (sum += i % 2 ? b : b << 8));
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** With the checksum of all of it at `at`, where it is zero. */
function summed(bytes: Uint8Array, at: number, pseudo: Bytes = []): Uint8Array {
  bytes.set(halfOf(checksum([...pseudo, ...bytes])), at);
  return bytes;
}

/** The frames that the gateway sends when it sees one of the guest's. */
export function answer(frame: Uint8Array): Uint8Array[] {
  if (frame.length < ETHERNET) return [];
  const payload = frame.subarray(ETHERNET);
  const sender = frame.subarray(6, 12);
  const reply = ({ [TYPE_ARP]: arp, [TYPE_IPV4]: ipv4 } as Partial<Record<number, typeof arp>>)[
    half(frame, 12)
  ]?.(payload);
  return reply ? [join(sender, GATEWAY_MAC, frame.subarray(12, 14), reply)] : [];
}

/** Who has the gateway's address? */
function arp(packet: Uint8Array): Uint8Array | undefined {
  const isRequest = same(packet, 0, [0, 1, 8, 0, 6, 4, 0, 1]);
  if (packet.length < 28 || !isRequest || !same(packet, 24, GATEWAY_IP)) return undefined;
  return join([0, 1, 8, 0, 6, 4, 0, 2], GATEWAY_MAC, GATEWAY_IP, packet.subarray(8, 18));
}

interface Datagram {
  readonly source: Uint8Array;
  readonly target: Uint8Array;
  readonly data: Uint8Array;
}

const services: Readonly<Record<number, (d: Datagram) => Uint8Array | undefined>> = {
  [Protocol.icmp]: icmp,
  [Protocol.udp]: udp,
  [Protocol.tcp]: tcp,
};

function ipv4(packet: Uint8Array): Uint8Array | undefined {
  const header = ((packet[0] ?? 0) & 0xf) * 4;
  const total = half(packet, 2);
  const isFragment = (half(packet, 6) & 0x3fff) !== 0;
  if (
    (packet[0] ?? 0) >> 4 !== 4 ||
    header < IP_HEADER ||
    total < header ||
    total > packet.length ||
    isFragment
  )
    return undefined;
  const target = packet.subarray(16, 20);
  if (!same(target, 0, GATEWAY_IP) && !same(target, 0, ANY)) return undefined;
  const data = packet.subarray(header, total);
  return services[packet[9] ?? 0]?.({ source: packet.subarray(12, 16), target, data });
}

/** An IPv4 packet of the gateway. */
function packet(protocol: number, to: Bytes, data: Uint8Array): Uint8Array {
  const TTL = 255;
  const head = join(
    [0x45, 0, ...halfOf(IP_HEADER + data.length), 0, 0, 0x40, 0, TTL, protocol, 0, 0],
    GATEWAY_IP,
    to,
  );
  return join(summed(head, 10), data);
}

const pseudoHeader = (protocol: number, to: Bytes, length: number): number[] => [
  ...GATEWAY_IP,
  ...to,
  ...[0, protocol, ...halfOf(length)],
];

/** Echo request, type 8 -> echo reply, type 0. */
function icmp({ source, target, data }: Datagram): Uint8Array | undefined {
  if (data.length < 8 || data[0] !== 8 || !same(target, 0, GATEWAY_IP)) return undefined;
  return packet(Protocol.icmp, source, summed(join([0, data[1] ?? 0, 0, 0], data.subarray(4)), 2));
}

function udp({ source, target, data }: Datagram): Uint8Array | undefined {
  const length = half(data, 4);
  if (length < UDP_HEADER || length > data.length) return undefined;
  const [from, to] = [half(data, 0), half(data, 2)];
  const body = data.subarray(UDP_HEADER, length);
  if (to === PORT_ECHO && same(target, 0, GATEWAY_IP)) return datagram(source, PORT_ECHO, from, body);
  if (to !== PORT_DHCP_SERVER || from !== PORT_DHCP_CLIENT) return undefined;
  const offer = dhcp(body);
  return offer && datagram(ANY, PORT_DHCP_SERVER, PORT_DHCP_CLIENT, offer);
}

function datagram(to: Bytes, fromPort: number, toPort: number, body: Uint8Array): Uint8Array {
  const length = UDP_HEADER + body.length;
  const raw = join(halfOf(fromPort), halfOf(toPort), halfOf(length), [0, 0], body);
  return packet(Protocol.udp, to, summed(raw, 6, pseudoHeader(Protocol.udp, to, length)));
}

/** There is no service: RST, as for a segment to a closed port (RFC 9293, 3.10.7.1). */
function tcp({ source, target, data }: Datagram): Uint8Array | undefined {
  const [FIN, SYN, RST, ACK] = [1, 2, 4, 16];
  const flags = data[13] ?? 0;
  const header = ((data[12] ?? 0) >> 4) * 4;
  if (header < TCP_HEADER || header > data.length || flags & RST || !same(target, 0, GATEWAY_IP))
    return undefined;
  const length = data.length - header + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);
  const [sequence, acknowledged, answers] =
    flags & ACK ? [word(data, 8), 0, RST] : [0, word(data, 4) + length, RST | ACK];
  const raw = join(data.subarray(2, 4), data.subarray(0, 2), [
    ...wordOf(sequence),
    ...wordOf(acknowledged),
    0x50,
    answers,
    0,
    0,
    0,
    0,
    0,
    0,
  ]);
  return packet(Protocol.tcp, source, summed(raw, 16, pseudoHeader(Protocol.tcp, source, TCP_HEADER)));
}

const COOKIE = [99, 130, 83, 99] as const;
const OPTIONS = 240;
/** Message types of option 53. */
const Dhcp = { discover: 1, offer: 2, request: 3, ack: 5 } as const;
const LEASE_SECONDS = 86_400;

/** DISCOVER -> OFFER, REQUEST -> ACK, always with the same address. */
function dhcp(message: Uint8Array): Uint8Array | undefined {
  if (message[0] !== 1 || !same(message, 236, COOKIE)) return undefined;
  const asked = option(message, 53)?.[0];
  const kind = asked === Dhcp.discover ? Dhcp.offer : asked === Dhcp.request ? Dhcp.ack : undefined;
  const server = option(message, 54);
  if (kind === undefined || (server && !same(server, 0, GATEWAY_IP))) return undefined;
  const options = [
    ...[53, 1, kind],
    ...[54, 4, ...GATEWAY_IP],
    ...[51, 4, ...wordOf(LEASE_SECONDS)],
    ...[1, 4, ...NETMASK],
    ...[3, 4, ...GATEWAY_IP],
    255,
  ];
  // op, htype, hlen, hops; xid, secs and flags as they came; ciaddr; yiaddr, siaddr, giaddr; chaddr as it came
  return join(
    [2, 1, 6, 0],
    message.subarray(4, 12),
    [0, 0, 0, 0],
    GUEST_IP,
    GATEWAY_IP,
    [0, 0, 0, 0],
    message.subarray(28, 44),
    new Uint8Array(192),
    COOKIE,
    options,
  );
}

/** An option of a DHCP message (RFC 2132). */
function option(message: Uint8Array, code: number): Uint8Array | undefined {
  for (let at = OPTIONS; at < message.length && message[at] !== 255;) {
    if (message[at] === 0) {
      at++;
      continue;
    }
    const length = message[at + 1] ?? 0;
    if (message[at] === code) return message.subarray(at + 2, at + 2 + length);
    at += 2 + length;
  }
  return undefined;
}
