/** Kernel images for tests: a real one where it was fetched, and small ones that a test makes. */
import * as fs from 'node:fs';
import * as path from 'node:path';

const cache = path.join(__dirname, '../../../.cache/debian');

function filesUnder(folder: string, depth: number): string[] {
  if (!fs.existsSync(folder) || depth === 0) return [];
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const file = path.join(folder, entry.name);
    return entry.isDirectory() ? filesUnder(file, depth - 1) : entry.isFile() ? [file] : [];
  });
}

/** The kernels of Debian packages that were unpacked into the cache. */
export function cachedKernels(): string[] {
  return filesUnder(cache, 4).filter((file) => /\/boot\/vmlinuz-.*arm64$/.test(file));
}

/** The list of symbols that belongs to a kernel: it comes with the package of debug symbols. */
export function systemMapOf(kernel: string): string | undefined {
  const name = path.basename(kernel).replace('vmlinuz', 'System.map');
  return filesUnder(cache, 8).find((file) => path.basename(file) === name && fs.statSync(file).size > 4096);
}

export interface TestSymbol {
  readonly kind: string;
  readonly name: string;
  readonly offset: number;
}

export interface TestImage {
  readonly symbols: readonly TestSymbol[];
  /** The offsets stand before the number of symbols (up to Linux 6.3), or behind the tokens. */
  readonly order: 'before' | 'behind';
  /** With the table of three bytes a symbol between markers and tokens. */
  readonly sequence: boolean;
  /** The base of the offsets is an addend of a relocation, or in place. */
  readonly relocated: boolean;
  readonly imageBase: bigint;
  /** What kallsyms counts from, as an offset in the image. */
  readonly zero: number;
  /** What stands behind the tables. */
  readonly tail?: Uint8Array;
}

const PARTS = ['kvm_', '__', 'sys', 'te', 'vcpu', 'arch_', 'in', 'guest_', 'on', 'er', 'tkvm_', 'n_'];

/** A chunk of an image under construction. */
class Writer {
  private readonly bytes: number[] = [];
  get at(): number {
    return this.bytes.length;
  }
  add(value: number | bigint, size: number): void {
    for (let i = 0; i < size; i++) this.bytes.push(Number((BigInt(value) >> BigInt(8 * i)) & 0xffn));
  }
  addAll(values: Iterable<number>): void {
    for (const value of values) this.bytes.push(value);
  }
  align(to: number, fill = 0): void {
    while (this.bytes.length % to !== 0) this.bytes.push(fill);
  }
  poke(at: number, value: bigint, size: number): void {
    for (let i = 0; i < size; i++) this.bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  }
  finish(): Uint8Array {
    return Uint8Array.from(this.bytes);
  }
}

/** The strings that bytes of names stand for: characters in use for themselves, the others for parts of names. */
function dictionary(symbols: readonly TestSymbol[]): string[] {
  const used = new Set(symbols.flatMap((s) => [...(s.kind + s.name)]));
  for (const digit of '0123456789') used.add(digit);
  const parts = [...PARTS];
  return Array.from({ length: 256 }, (_, i) => {
    const character = String.fromCharCode(i);
    return used.has(character) ? character : (parts.shift() ?? '');
  });
}

function compress(text: string, words: readonly string[]): number[] {
  const out: number[] = [];
  for (let at = 0; at < text.length;) {
    let best = 0;
    words.forEach((word, i) => {
      if (word !== '' && text.startsWith(word, at) && word.length > (words[best] ?? '').length) best = i;
    });
    if (!text.startsWith(words[best] ?? '', at)) best = words.indexOf(text[at] ?? '');
    out.push(best);
    at += Math.max(1, (words[best] ?? '').length);
  }
  return out;
}

/** A kernel image with nothing but a header, kallsyms and a relocation, as Linux lays them out. */
export function makeImage(t: TestImage): Uint8Array {
  const w = new Writer();
  w.addAll(Buffer.from('MZ\0\0', 'latin1'));
  const entry = t.symbols.find((s) => s.name === 'primary_entry');
  w.add(entry === undefined ? 0 : 0x1400_0000 | ((entry.offset + t.zero - 4) >> 2), 4);
  w.add(0, 8); // text_offset
  const sizeAt = w.at;
  w.add(0, 8);
  w.add(0xa, 8);
  w.add(0, 24);
  w.addAll(Buffer.from('ARMd', 'latin1'));
  w.add(0, 4);
  w.addAll(Buffer.from('What comes before need not end in a zero', 'latin1'));
  w.align(8, 0x41);
  const words = dictionary(t.symbols);
  let wordAt = 0;
  const addresses = (): void => {
    w.align(8);
    for (const symbol of t.symbols) w.add(symbol.offset, 4);
    w.align(8);
    wordAt = w.at;
    w.add(t.relocated ? 0n : t.imageBase + BigInt(t.zero), 8);
  };
  if (t.order === 'before') addresses();
  w.add(t.symbols.length, 4);
  w.align(8);
  const names = w.at;
  const markers: number[] = [];
  t.symbols.forEach((symbol, i) => {
    if (i % 256 === 0) markers.push(w.at - names);
    const bytes = compress(symbol.kind + symbol.name, words);
    if (bytes.length > 127) w.addAll([(bytes.length & 0x7f) | 0x80, bytes.length >> 7]);
    else w.add(bytes.length, 1);
    w.addAll(bytes);
  });
  w.align(8);
  for (const marker of markers) w.add(marker, 4);
  w.align(8);
  if (t.sequence) for (let i = 0; i < t.symbols.length; i++) w.addAll([0, (i >> 8) & 0xff, (i & 0xff) | 1]);
  w.align(8, 0x11);
  const table = w.at;
  const index: number[] = [];
  for (const word of words) {
    index.push(w.at - table);
    w.addAll(Buffer.from(`${word}\0`, 'latin1'));
  }
  w.align(8);
  for (const at of index) w.add(at, 2);
  if (t.order === 'behind') addresses();
  w.align(8);
  // Relocations of other words, and the one of the base.
  for (const [place, addend] of [
    [0x2000, 0x3004],
    [wordAt, t.zero],
    [0x2008, 0x3004],
  ] as const) {
    if (!t.relocated) break;
    w.add(t.imageBase + BigInt(place), 8);
    w.add(0x403, 8);
    w.add(t.imageBase + BigInt(addend), 8);
  }
  if (t.tail) w.addAll(t.tail);
  w.poke(sizeAt, BigInt(w.at + 0x10_0000), 8);
  return w.finish();
}
