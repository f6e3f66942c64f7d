/** Switches of the runtime that generated code profits from. */
import { setFlagsFromString } from 'node:v8';

/** The first V8 that has relaxed SIMD without being asked: that of Node 22. */
const RELAXED_SIMD = 12;

/**
 * Before anything is compiled. Without this all runs as well, but products and sums rounded once take many operations, and code that is
 * hardly ever reached stands in the way of that which is.
 */
export function useWasmFeatures(): void {
  if (Number.parseInt(process.versions.v8, 10) < RELAXED_SIMD)
    setFlagsFromString('--experimental-wasm-relaxed-simd');
  setFlagsFromString('--experimental-wasm-branch-hinting');
}
