/**
 * A hash of everything that a guest can observe: CPU blocks, RAM, device states. Derived data (predecoded pages, tag
 * flags of the TLB) and the debugger's settings stay out, so that watching a machine does not change its hash.
 */
import { Tlb } from '../codegen/tlb';
import { common } from '../ir/state';
import type { StateField } from '../ir/nodes';
import type { MemoryLayout } from './layout';
import { TlbTables } from './tlb-tables';

/** Fields of a CPU block that are not the guest's. */
const hostFields: readonly StateField[] = [
  common.left,
  common.stopReason,
  common.stopRequest,
  common.eventMask,
  common.stopMask,
  common.eventRing,
  common.lastEntry,
  common.fetchHook,
  common.pageVa,
  common.pageRec,
  common.mail,
  common.scratch,
  common.slowVa,
  common.slowPa,
  common.slowFirst,
  common.slowDesc,
  common.timeEnd,
  common.retired,
  common.retiredEnd,
  common.trPa,
  common.trSize,
  common.trAttr,
  common.misses,
  common.besides,
  common.entered,
  common.handedBack,
  common.translated,
  common.linkMask,
  common.exits,
];

/** FNV-1a over 32-bit words, two lanes. Not cryptographic: it tells two runs apart. */
export class Hasher {
  private a = 0x811c9dc5;
  private b = 0x1234567;

  words(w: Uint32Array): void {
    let { a, b } = this;
    for (let i = 0; i < w.length; i++) {
      const x = w[i]!;
      a = Math.imul(a ^ x, 0x01000193);
      b = Math.imul(b ^ (x + i), 0x85ebca6b);
      b ^= b >>> 13;
    }
    this.a = a;
    this.b = b;
  }

  text(s: string): void {
    this.words(Uint32Array.from(s, (c) => c.codePointAt(0)!));
  }

  digest(): string {
    return [this.a, this.b].map((x) => (x >>> 0).toString(16).padStart(8, '0')).join('');
  }
}

/** Stands for bytes: a disk that was written may have many. */
function digestOf(bytes: Uint8Array): string {
  const h = new Hasher();
  h.words(Uint32Array.of(bytes.length));
  const whole = bytes.slice(0, bytes.length & ~3);
  h.words(new Uint32Array(whole.buffer));
  h.words(Uint32Array.from(bytes.subarray(whole.length)));
  return h.digest();
}

/** JSON with sorted keys and bigints, for device states. */
export function stableJson(v: unknown): string {
  return JSON.stringify(v, (_key, x: unknown) => {
    if (typeof x === 'bigint') return `${x}n`;
    if (x instanceof Uint8Array) return digestOf(x);
    if (x instanceof Map) return [...x.entries()];
    if (x && typeof x === 'object' && !Array.isArray(x))
      return Object.fromEntries(Object.entries(x).sort(([p], [q]) => (p < q ? -1 : 1)));
    return x;
  });
}

/** Hashes a CPU block, with as much of its TLB as is in use. */
export function hashBlock(
  h: Hasher,
  view: DataView,
  cpu: number,
  layout: MemoryLayout,
  more: readonly StateField[],
): void {
  const tables = new TlbTables(view, layout);
  const block = tables.block(cpu);
  const state = new Uint8Array(view.buffer, block, layout.tlb.banks).slice();
  for (const f of [...hostFields, ...more]) state.fill(0, f.offset, f.offset + f.stride * f.count);
  h.words(new Uint32Array(state.buffer));
  for (let bank = 0; bank < Tlb.banks; bank++)
    tables.ofBank(block, bank, (from, end) => h.words(entryWords(view, from, end)));
}

/** TLB entries without what is not the guest's. */
function entryWords(view: DataView, from: number, end: number): Uint32Array {
  const words = new Uint32Array(view.buffer, from, (end - from) / 4).slice();
  for (let e = 0; e < words.length; e += Tlb.entryBytes / 4) {
    const low = words[e]!;
    if (low === 0xffffffff && words[e + 1] === 0xffffffff) words.fill(0, e + 2, e + Tlb.entryBytes / 4);
    else words[e] = low & ~0xfff;
  }
  return words;
}
