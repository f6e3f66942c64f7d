/**
 * A hash of everything that a guest can observe: CPU blocks, RAM, device states. Derived data (predecoded pages, tag
 * flags of the TLB) and the debugger's settings stay out, so that watching a machine does not change its hash.
 */
import { INVALID_TAG, Tlb } from '../codegen/tlb';
import { common } from '../ir/state';
import type { StateField } from '../ir/nodes';
import type { MemoryLayout } from './layout';

/** Fields of a CPU block that are not the guest's. */
export const hostFields: readonly StateField[] = [
  common.left,
  common.stopReason,
  common.stopRequest,
  common.eventMask,
  common.stopMask,
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
  common.entered,
  common.handedBack,
  common.translated,
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

/** Hashes a CPU block with its TLB. */
export function hashBlock(
  h: Hasher,
  block: Uint8Array,
  layout: MemoryLayout,
  more: readonly StateField[],
): void {
  const copy = block.slice(0, layout.tlb.fetchRecs);
  const view = new DataView(copy.buffer);
  for (const f of [...hostFields, ...more]) copy.fill(0, f.offset, f.offset + f.stride * f.count);
  for (let e = layout.tlb.banks; e < layout.tlb.fetchRecs; e += Tlb.entryBytes) {
    const tag = view.getBigUint64(e, true);
    if (tag === INVALID_TAG) copy.fill(0, e + 8, e + Tlb.entryBytes);
    else view.setBigUint64(e, tag & ~0xfffn, true);
  }
  h.words(new Uint32Array(copy.buffer));
}
