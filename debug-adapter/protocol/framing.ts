/**
 * The base protocol of DAP: a `Content-Length` header, an empty line, a JSON text. Written here instead of inherited
 * because the one of @vscode/debugadapter ends the process at the first malformed message.
 */

const HEADER_END = Buffer.from('\r\n\r\n');
/** No message comes near it: a larger length is damage, and waiting for that many bytes would hang the session. */
const MAX_CONTENT = 64 << 20;
/** A header is one line; more bytes without an end of header are noise. */
const MAX_HEADER = 4096;

export interface FrameListener {
  /** One message, as text: it may still be no JSON. */
  message(text: string): void;
  /** Bytes that are no message, as a sentence. Reading goes on behind them. */
  problem(sentence: string): void;
}

/** Cuts a byte stream into messages. */
export class FrameReader {
  private data: Buffer = Buffer.alloc(0);
  /** Length of the message that is being received; undefined while the header is. */
  private length: number | undefined;

  constructor(private readonly listener: FrameListener) {}

  /** Takes the next bytes of the stream. */
  push(chunk: Uint8Array): void {
    this.data = this.data.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.data, chunk]);
    while (this.length === undefined ? this.takeHeader() : this.takeContent(this.length));
  }

  private takeHeader(): boolean {
    const end = this.data.indexOf(HEADER_END);
    if (end < 0) {
      if (this.data.length > MAX_HEADER) {
        this.data = Buffer.alloc(0);
        this.listener.problem(`More than ${MAX_HEADER} bytes came without the end of a header.`);
      }
      return false;
    }
    const header = this.data.toString('latin1', 0, end);
    this.data = this.data.subarray(end + HEADER_END.length);
    const length = Number(/^content-length: *([0-9]+) *$/im.exec(header)?.[1] ?? NaN);
    if (length <= MAX_CONTENT) this.length = length;
    else
      this.listener.problem(
        `A header names no usable Content-Length: ${JSON.stringify(header.slice(0, 80))}.`,
      );
    return true;
  }

  private takeContent(length: number): boolean {
    if (this.data.length < length) return false;
    const text = this.data.toString('utf8', 0, length);
    this.data = this.data.subarray(length);
    this.length = undefined;
    if (length > 0) this.listener.message(text);
    return true;
  }
}

/** Puts a JSON text into a frame. */
export function frame(json: string): Buffer {
  const content = Buffer.from(json, 'utf8');
  return Buffer.concat([Buffer.from(`Content-Length: ${content.length}\r\n\r\n`, 'latin1'), content]);
}

/** Where in a value the first bigint is, as a path such as `body.variables.0.value`. */
function bigintPath(value: unknown, path: string): string | undefined {
  if (typeof value === 'bigint') return path;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, inner] of Object.entries(value)) {
    const found = bigintPath(inner, path === '' ? key : `${path}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * Encodes a message.
 * @throws Error that names the place of a bigint: JSON has none, and a client that waits for the lost response hangs.
 */
export function encode(message: object): string {
  try {
    return JSON.stringify(message);
  } catch (error) {
    const where = bigintPath(message, '');
    throw where === undefined
      ? error
      : new Error(`The message has a bigint at ${where}: send it as a string.`);
  }
}
