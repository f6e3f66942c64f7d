/** A small encoder for WebAssembly modules (WebAssembly Core Specification 5 "Binary Format"). */
import type { Ty } from '../ir/ops';

/** Opcodes used by the emitter beyond the numeric ones of ir/ops.ts. */
export const W = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  drop: 0x1a,
  select: 0x1b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  i32Const: 0x41,
  i64Const: 0x42,
  i32Eqz: 0x45,
  i32Eq: 0x46,
  i32LtU: 0x49,
  i32GtU: 0x4b,
  i64Eqz: 0x50,
  i64Eq: 0x51,
  i64Ne: 0x52,
  i64LtS: 0x53,
  i64GeS: 0x59,
  i64GeU: 0x5a,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i32And: 0x71,
  i32Or: 0x72,
  i32Xor: 0x73,
  i32Shl: 0x74,
  i32ShrU: 0x76,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64And: 0x83,
  i64Xor: 0x85,
  i64Shl: 0x86,
  i64ShrU: 0x88,
  i32WrapI64: 0xa7,
  i64ExtendI32U: 0xad,
} as const;

/** Types of locals: floats have no type in the IR. */
export type WasmTy = Ty | 'f32' | 'f64';

/** Encodings of value types. */
export const valType: Record<WasmTy, number> = {
  ...{ i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b },
};

/** What is known of the `if` or `br_if` at an offset: that it is mostly taken, or hardly ever. */
interface Hint {
  readonly at: number;
  readonly taken: boolean;
}

/** A growing byte string with the LEB128 forms. */
export class Bytes {
  private buf = new Uint8Array(256);
  length = 0;
  /** Places of branches of which it is known whether they are mostly taken. */
  readonly hints: Hint[] = [];

  byte(b: number): this {
    if (this.length === this.buf.length) {
      const bigger = new Uint8Array(this.buf.length * 2);
      bigger.set(this.buf);
      this.buf = bigger;
    }
    this.buf[this.length++] = b;
    return this;
  }

  u32(n: number): this {
    let v = n >>> 0;
    for (;;) {
      const b = v & 0x7f;
      v >>>= 7;
      if (v === 0) return this.byte(b);
      this.byte(b | 0x80);
    }
  }

  s32(n: number): this {
    let v = n | 0;
    for (;;) {
      const b = v & 0x7f;
      v >>= 7;
      if ((v === 0 && !(b & 0x40)) || (v === -1 && b & 0x40)) return this.byte(b);
      this.byte(b | 0x80);
    }
  }

  s64(n: bigint): this {
    let v = BigInt.asIntN(64, n);
    if (v >= -0x80000000n && v <= 0x7fffffffn) return this.s32(Number(v));
    for (;;) {
      const b = Number(v & 0x7fn);
      v >>= 7n;
      if ((v === 0n && !(b & 0x40)) || (v === -1n && b & 0x40)) return this.byte(b);
      this.byte(b | 0x80);
    }
  }

  append(other: Bytes): this {
    const bytes = other.view();
    while (this.length + bytes.length > this.buf.length) {
      const bigger = new Uint8Array(this.buf.length * 2);
      bigger.set(this.buf);
      this.buf = bigger;
    }
    this.buf.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  name(s: string): this {
    this.u32(s.length);
    for (let i = 0; i < s.length; i++) this.byte(s.charCodeAt(i));
    return this;
  }

  view(): Uint8Array {
    return this.buf.subarray(0, this.length);
  }
}

export interface FuncType {
  readonly params: readonly WasmTy[];
  readonly results: readonly WasmTy[];
}

/** A function under construction: parameters are the first locals. */
export class Func {
  /** Comes before `code`; so that it can be written when that is known. */
  readonly head = new Bytes();
  readonly code = new Bytes();
  private readonly localTypes: WasmTy[] = [];

  constructor(
    readonly index: number,
    readonly type: FuncType,
  ) {}

  newLocal(ty: WasmTy): number {
    this.localTypes.push(ty);
    return this.type.params.length + this.localTypes.length - 1;
  }

  /** What is known of branches, by offsets in the encoded function; complete once it has been encoded. */
  readonly hints: Hint[] = [];

  /** All code, without the locals. */
  text(): Uint8Array {
    return new Bytes().append(this.head).append(this.code).view();
  }

  encode(): Bytes {
    const out = new Bytes();
    const runs: { ty: WasmTy; n: number }[] = [];
    for (const ty of this.localTypes) {
      const last = runs.at(-1);
      if (last?.ty === ty) last.n++;
      else runs.push({ ty, n: 1 });
    }
    out.u32(runs.length);
    for (const r of runs) out.u32(r.n).byte(valType[r.ty]);
    out.append(this.head);
    for (const { at, taken } of this.code.hints) this.hints.push({ at: out.length + at, taken });
    return out.append(this.code).byte(W.end);
  }
}

/** Collects the parts of a module. Imports must be declared before functions. */
export class WasmModule {
  private readonly types: FuncType[] = [];
  private readonly imports: { module: string; name: string; type: number }[] = [];
  private readonly funcs: Func[] = [];
  private readonly exports: { name: string; index: number }[] = [];
  private tableEntries: readonly number[] = [];
  private tableSpare = 0;

  /** Index of a function type. */
  typeIndex(t: FuncType): number {
    const same = (a: readonly WasmTy[], b: readonly WasmTy[]): boolean =>
      a.length === b.length && a.every((x, i) => x === b[i]);
    const found = this.types.findIndex((u) => same(u.params, t.params) && same(u.results, t.results));
    return found >= 0 ? found : this.types.push(t) - 1;
  }

  importFunc(module: string, name: string, type: FuncType): number {
    if (this.funcs.length > 0) throw new Error('wasm: import after function');
    return this.imports.push({ module, name, type: this.typeIndex(type) }) - 1;
  }

  func(type: FuncType): Func {
    this.typeIndex(type);
    const f = new Func(this.imports.length + this.funcs.length, type);
    this.funcs.push(f);
    return f;
  }

  exportFunc(name: string, index: number): void {
    this.exports.push({ name, index });
  }

  /** The functions of the module's own table, from element 0, and how many empty elements follow. Exported as `table`. */
  table(entries: readonly number[], spare: number): void {
    this.tableEntries = entries;
    this.tableSpare = spare;
  }

  /** The binary; the module imports its memory as `env.memory`. */
  encode(): Uint8Array<ArrayBuffer> {
    const out = new Bytes();
    for (const b of [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(b);
    const section = (id: number, fill: (b: Bytes) => void): void => {
      const b = new Bytes();
      fill(b);
      out.byte(id).u32(b.length).append(b);
    };
    const bodies = this.funcs.map((f) => f.encode());
    section(1, (b) => {
      b.u32(this.types.length);
      for (const t of this.types) {
        b.byte(0x60).u32(t.params.length);
        t.params.forEach((p) => b.byte(valType[p]));
        b.u32(t.results.length);
        t.results.forEach((p) => b.byte(valType[p]));
      }
    });
    section(2, (b) => {
      b.u32(this.imports.length + 1);
      b.name('env').name('memory').byte(2).byte(0).u32(1);
      for (const i of this.imports) b.name(i.module).name(i.name).byte(0).u32(i.type);
    });
    section(3, (b) => {
      b.u32(this.funcs.length);
      for (const f of this.funcs) b.u32(this.typeIndex(f.type));
    });
    const elements = this.tableEntries.length + this.tableSpare;
    if (elements > 0) section(4, (b) => b.u32(1).byte(0x70).byte(0).u32(elements));
    section(7, (b) => {
      b.u32(this.exports.length + (elements > 0 ? 1 : 0));
      if (elements > 0) b.name('table').byte(1).u32(0);
      for (const e of this.exports) b.name(e.name).byte(0).u32(e.index);
    });
    section(9, (b) => {
      b.u32(this.tableEntries.length ? 1 : 0);
      if (!this.tableEntries.length) return;
      b.u32(0).byte(W.i32Const).s32(0).byte(W.end).u32(this.tableEntries.length);
      for (const f of this.tableEntries) b.u32(f);
    });
    this.hints(section);
    section(10, (b) => {
      b.u32(bodies.length);
      for (const body of bodies) b.u32(body.length).append(body);
    });
    return out.view().slice();
  }

  /**
   * Which way branches mostly go (WebAssembly branch hinting, "metadata.code.branch_hint"): other code then stands aside, and what only it
   * needs costs no register. A host that knows nothing of hints skips the section.
   */
  private hints(section: (id: number, fill: (b: Bytes) => void) => void): void {
    const hinted = this.funcs.filter((f) => f.hints.length > 0);
    if (hinted.length === 0) return;
    section(0, (b) => {
      b.name('metadata.code.branch_hint').u32(hinted.length);
      for (const { index, hints } of hinted) {
        b.u32(index).u32(hints.length);
        for (const { at, taken } of hints)
          b.u32(at)
            .u32(1)
            .byte(taken ? 1 : 0);
      }
    });
  }
}
