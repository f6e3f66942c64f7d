/** Locals of a function that are taken for a while. */
import type { Func, WasmTy } from './wasm';

/** Reuses locals of a function for bodies that follow each other. */
export class LocalPool {
  private readonly all: Record<WasmTy, number[]> = { i32: [], i64: [], v128: [], f32: [], f64: [] };
  private used: Record<WasmTy, number> = { i32: 0, i64: 0, v128: 0, f32: 0, f64: 0 };

  constructor(private readonly func: Func) {}

  take(ty: WasmTy): number {
    const list = this.all[ty];
    const n = this.used[ty]++;
    return (list[n] ??= this.func.newLocal(ty));
  }

  reset(): void {
    this.used = { i32: 0, i64: 0, v128: 0, f32: 0, f64: 0 };
  }

  /** How many are taken, for `restore`. */
  mark(): Readonly<Record<WasmTy, number>> {
    return { ...this.used };
  }

  /** Frees what was taken since the mark. */
  restore(mark: Readonly<Record<WasmTy, number>>): void {
    this.used = { ...mark };
  }
}
