/**
 * The map of linear memory: constants, CPU blocks, page tables of the emulator's own, the pool of predecoded pages, guest RAM.
 * Everything that a guest can observe is in the CPU blocks and in RAM; the rest is derived.
 */
import { CONSTANT_BYTES } from '../ir/constants';
import { Rec } from '../codegen/handlers';
import { tlbLayout, type TlbLayout } from '../codegen/tlb';

const WASM_PAGE = 65536;
export const PAGE = 4096;
/** Predecoded pages that exist at once: 2,048 pages are 8 MiB of guest code. */
const MAX_POOL_PAGES = 2048;

export interface MemoryLayout {
  readonly tlb: TlbLayout;
  readonly cpuBase: number;
  readonly cpuStride: number;
  readonly pageFlags: number;
  readonly pageRecs: number;
  readonly pageWriters: number;
  /** Where code records events by itself: see ir/event-ring.ts. */
  readonly events: number;
  readonly pool: number;
  readonly poolPages: number;
  readonly ramHost: number;
  readonly ramPages: number;
  /** Size of the whole memory in wasm pages. */
  readonly wasmPages: number;
}

const up = (n: number, to: number): number => Math.ceil(n / to) * to;

/** @throws RangeError when the machine does not fit into a 32-bit linear memory. */
export function layoutMemory(stateEnd: number, cpus: number, ramBytes: number, eventBytes = 0): MemoryLayout {
  const tlb = tlbLayout(stateEnd);
  const cpuBase = CONSTANT_BYTES;
  const cpuStride = up(tlb.end, PAGE);
  const ramPages = ramBytes / PAGE;
  const pageFlags = cpuBase + cpus * cpuStride;
  const pageRecs = up(pageFlags + ramPages, 4);
  const pageWriters = pageRecs + 4 * ramPages;
  const events = up(pageWriters + 4 * ramPages, 64);
  const pool = up(events + eventBytes, 64);
  const poolPages = Math.min(MAX_POOL_PAGES, ramPages);
  const ramHost = up(pool + poolPages * Rec.pageBytes, WASM_PAGE);
  const wasmPages = (ramHost + up(ramBytes, WASM_PAGE)) / WASM_PAGE;
  if (wasmPages > 65536)
    throw new RangeError(`Guest memory of ${ramBytes / 2 ** 20} MiB is too large: use at most 3584M.`);
  return {
    ...{ tlb, cpuBase, cpuStride, pageFlags, pageRecs, pageWriters, events },
    ...{ pool, poolPages, ramHost, ramPages, wasmPages },
  };
}
