/**
 * Finds the tables of kallsyms in a raw kernel image. Nothing in the image points to them, and their order and number
 * differ between versions of Linux, so they are found by what they must look like (as scripts/kallsyms.c of Linux writes
 * them):
 *
 * - token table: 256 strings, one for each byte of a compressed name. A character that occurs in names stands for
 *   itself, so the strings "0", "1", ... "9" follow each other;
 * - token index: 256 numbers of 16 bits, where in the token table each string begins;
 * - number of symbols, names (each a length and so many bytes), and markers: where in the names every 256th one begins;
 * - offsets: 32 bits for each symbol, in ascending order, and the address that they count from.
 *
 * Up to Linux 6.3 the offsets stand before the number of symbols, later behind the token index. Some versions have a
 * further table, three bytes for each symbol, between the markers and the token table.
 */

const TOKENS = 256;
/** Offsets in the image, in bytes. */
export interface KallsymsTables {
  readonly count: number;
  readonly names: number;
  /** Where in the names every 256th symbol begins. */
  readonly markers: Uint32Array;
  readonly namesEnd: number;
  readonly tokenTable: number;
  readonly tokenIndex: Uint16Array;
  readonly tokensEnd: number;
  readonly offsets: number;
  /** The 8 bytes with the address that offsets count from. */
  readonly relativeBase: number;
}

/** Symbols for which one marker stands. */
export const STRIDE = 256;
const DIGIT = 0x30;
const LONGEST_TOKEN = 512;
/** A kernel with everything built in has some 300,000. */
const MAX_SYMBOLS = 1 << 22;
/** How far before its tokens a kernel of MAX_SYMBOLS may have its names. */
const MAX_DISTANCE = 1 << 26;
/** Bounds the work that an image with many false beginnings can cause. */
const MAX_STEPS = 1 << 24;
const MAX_ANCHORS = 64;

const up8 = (at: number): number => Math.ceil(at / 8) * 8;

export interface Tokens {
  readonly table: number;
  readonly index: Uint16Array;
  readonly end: number;
}

const digits = Buffer.from(Array.from('0123456789', (d) => `${d}\0`).join(''), 'latin1');

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The 16-bit numbers at `at`, if they are the beginnings of 256 strings of which string '0' is at `anchor`. */
function tokensAt(bytes: Uint8Array, view: DataView, at: number, anchor: number): Tokens | undefined {
  if (at + 2 * TOKENS > bytes.length || view.getUint16(at, true) !== 0) return undefined;
  const index = Uint16Array.from({ length: TOKENS }, (_, i) => view.getUint16(at + 2 * i, true));
  const table = anchor - (index[DIGIT] ?? 0);
  if (table < 0) return undefined;
  for (let i = 0; i < TOKENS; i++) {
    const start = table + (index[i] ?? 0);
    const end = bytes.indexOf(0, start);
    if (end < 0 || end >= at) return undefined;
    if (i + 1 < TOKENS ? table + (index[i + 1] ?? 0) !== end + 1 : at - end > 16) return undefined;
  }
  return { table, index, end: at + 2 * TOKENS };
}

/** The token tables in an image: one, unless data looks like it by accident. */
export function* findTokens(image: Uint8Array): Generator<Tokens> {
  const bytes = Buffer.from(image.buffer, image.byteOffset, image.byteLength);
  const view = viewOf(image);
  let anchor = -1;
  for (let tries = 0; tries < MAX_ANCHORS; tries++) {
    anchor = bytes.indexOf(digits, anchor + 1);
    if (anchor < 0) return;
    let end = anchor;
    for (let i = DIGIT; i < TOKENS && end > 0; i++) {
      const next = bytes.indexOf(0, end);
      end = next < 0 || next - end > LONGEST_TOKEN ? 0 : next + 1;
    }
    // The index is aligned, to 8 bytes in the versions that we know.
    for (let at = end + (end & 1); end > 0 && at <= end + 16; at += 2) {
      const tokens = tokensAt(bytes, view, at, anchor);
      if (tokens !== undefined) yield tokens;
    }
  }
}

interface Names {
  readonly count: number;
  readonly start: number;
  readonly end: number;
  readonly markers: Uint32Array;
  /** Where the number of symbols stands. */
  readonly countAt: number;
}

/** What a symbol can be, by the letters of nm: the first letter of each decoded name. */
const kinds = new Set(Array.from('tTdDbBrRaAwWvVgGsSnNuUcCi?', (letter) => letter.charCodeAt(0)));

/** The length of the name at `at`: one byte, or two where bit 7 is set (since Linux 6.1). */
export function nameLength(
  bytes: Uint8Array,
  at: number,
): { readonly length: number; readonly start: number } {
  const first = bytes[at] ?? 0;
  if (first < 0x80) return { length: first, start: at + 1 };
  return { length: (first & 0x7f) | ((bytes[at + 1] ?? 0) << 7), start: at + 2 };
}

class NameSearch {
  private steps = 0;
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly tokens: Tokens,
  ) {
    this.view = viewOf(bytes);
  }

  /** The names that end with their markers before the token table. */
  find(): Names | undefined {
    const { table } = this.tokens;
    const lowest = Math.max(0, table - MAX_DISTANCE);
    for (let at = (table & ~7) - 16; at >= lowest && this.steps < MAX_STEPS; at -= 8) {
      // The names are aligned to 8 bytes, so that zeros follow the number of symbols.
      if (this.view.getUint32(at + 4, true) !== 0) continue;
      const count = this.view.getUint32(at, true);
      if (count === 0 || count > MAX_SYMBOLS || 2 * count > table - at) continue;
      const found = this.namesAt(at, count);
      if (found) return found;
    }
    return undefined;
  }

  private namesAt(countAt: number, count: number): Names | undefined {
    const { bytes, view } = this;
    const { table, index } = this.tokens;
    const start = countAt + 8;
    const markers = new Uint32Array(Math.ceil(count / STRIDE));
    let at = start;
    for (let i = 0; i < count; i++, this.steps++) {
      if (i % STRIDE === 0) markers[i / STRIDE] = at - start;
      const name = nameLength(bytes, at);
      at = name.start + name.length;
      if (name.length === 0 || at > table) return undefined;
      const letter = bytes[table + (index[bytes[name.start] ?? 0] ?? 0)] ?? 0;
      if (!kinds.has(letter)) return undefined;
    }
    const first = up8(at);
    if (first + 4 * markers.length > table) return undefined;
    const same = markers.every((marker, i) => view.getUint32(first + 4 * i, true) === marker);
    return same ? { count, start, end: at, markers, countAt } : undefined;
  }
}

/** Whether ascending 32-bit offsets of that many symbols stand at `at`. */
function ascends(view: DataView, at: number, count: number): boolean {
  if (at < 0 || at + 4 * count > view.byteLength) return false;
  let last = 0;
  for (let i = 0; i < count; i++) {
    const offset = view.getUint32(at + 4 * i, true);
    if (offset < last) return false;
    last = offset;
  }
  return last > 0 || count === 1;
}

/** The tables of an image; undefined where it has none, or none that are whole. */
export function findTables(image: Uint8Array): KallsymsTables | undefined {
  const view = viewOf(image);
  for (const tokens of findTokens(image)) {
    const names = new NameSearch(image, tokens).find();
    if (!names) continue;
    const words = up8(4 * names.count);
    const before = { offsets: names.countAt - 8 - words, relativeBase: names.countAt - 8 };
    const behind = { offsets: up8(tokens.end), relativeBase: up8(tokens.end) + words };
    const place = [before, behind].find(
      ({ offsets, relativeBase }) => ascends(view, offsets, names.count) && relativeBase + 8 <= image.length,
    );
    if (!place) continue;
    return {
      count: names.count,
      names: names.start,
      namesEnd: names.end,
      markers: names.markers,
      tokenTable: tokens.table,
      tokenIndex: tokens.index,
      tokensEnd: tokens.end,
      ...place,
    };
  }
  return undefined;
}
