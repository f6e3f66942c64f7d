/**
 * Packets of gdb's remote protocol (GDB manual, appendix "GDB Remote Serial Protocol", "Overview"): `$data#checksum`,
 * acknowledged by + or - until both sides agree not to, and the byte 0x03 for an interrupt. Data is text with a
 * character for each byte.
 */

/** More in one packet is refused: what `PacketSize` says to the client. */
export const PACKET_BYTES = 0x4000;
/** A client that sends no end of a packet must not fill the memory. */
const MOST_BUFFERED = 2 * PACKET_BYTES + 4;

/** The answer to a packet that cannot be read. */
export const MALFORMED = 'E16';

const ESCAPE = '}';
const INTERRUPT = '\x03';

const checksum = (data: string): number => {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data.charCodeAt(i);
  return sum & 0xff;
};

/** Puts what may not stand in a packet behind an escape character. */
export const escaped = (data: string): string =>
  data.replace(/[#$}*]/g, (c) => ESCAPE + String.fromCharCode(c.charCodeAt(0) ^ 0x20));

const unescaped = (data: string): string =>
  data.replace(/\}([^])/g, (_all, c: string) => String.fromCharCode(c.charCodeAt(0) ^ 0x20));

/** A packet as it is sent. */
export function packet(data: string): string {
  const body = escaped(data);
  return `$${body}#${checksum(body).toString(16).padStart(2, '0')}`;
}

export interface PacketHandler {
  packet(data: string): void;
  interrupt(): void;
  /** What the other side is to be sent at once: an acknowledgement. */
  acknowledge(mark: '+' | '-'): void;
  /** The last packet did not arrive whole. */
  resend(): void;
}

/** Cuts a stream of bytes into packets. */
export class PacketReader {
  private buffer = '';
  /** Both sides trust the connection (QStartNoAckMode). */
  noAcks = false;

  constructor(private readonly handler: PacketHandler) {}

  push(bytes: Uint8Array): void {
    this.buffer += Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    while (this.buffer !== '' && this.take());
    if (this.buffer.length > MOST_BUFFERED) this.reject('');
  }

  /** Takes one thing from the buffer. @returns false when it is not there as a whole */
  private take(): boolean {
    const first = this.buffer[0];
    if (first !== '$') {
      this.buffer = this.buffer.slice(1);
      if (first === INTERRUPT) this.handler.interrupt();
      if (first === '-' && !this.noAcks) this.handler.resend();
      return true;
    }
    const end = this.buffer.indexOf('#');
    if (end < 0 || this.buffer.length < end + 3) return false;
    // Within a packet $ is escaped: one that stands there begins the next, and the first has lost its end.
    const body = this.buffer.slice(this.buffer.lastIndexOf('$', end) + 1, end);
    const sum = this.buffer.slice(end + 1, end + 3);
    const rest = this.buffer.slice(end + 3);
    const isRight = /^[0-9a-fA-F]{2}$/.test(sum) && Number.parseInt(sum, 16) === checksum(body);
    if (!isRight && !this.noAcks) {
      this.reject(rest);
      return true;
    }
    this.buffer = rest;
    if (!this.noAcks) this.handler.acknowledge('+');
    if (isRight) this.handler.packet(unescaped(body));
    return true;
  }

  private reject(rest: string): void {
    this.buffer = rest;
    if (!this.noAcks) this.handler.acknowledge('-');
  }
}

const digits = (byte: number): string => byte.toString(16).padStart(2, '0');

/** Bytes as pairs of hexadecimal digits. */
export const toHex = (bytes: Uint8Array): string => Array.from(bytes, digits).join('');

/** Text as pairs of hexadecimal digits. */
export const textToHex = (text: string): string => toHex(Buffer.from(text, 'utf8'));

/** The bytes that pairs of digits stand for; undefined for anything else. */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return undefined;
  return Uint8Array.from(Buffer.from(text, 'hex'));
}

/** A number in hexadecimal digits, without a prefix; undefined for anything else. */
export const hexNumber = (text: string | undefined): bigint | undefined =>
  text !== undefined && /^[0-9a-fA-F]{1,16}$/.test(text) ? BigInt(`0x${text}`) : undefined;
