/** In what form the values of the IR are kept in wasm: as bits, as floats of the host, or as halves of a vector. */
import { floatConversions, floatLane } from '../ir/floats';
import { Val, type Local } from '../ir/nodes';
import type { Ty } from '../ir/ops';
import { replace, splat } from '../ir/simd';
import type { WasmTy } from './wasm';

export const tyIndex = (ty: Ty): 0 | 1 => (ty === 'i32' ? 0 : 1);

/** The halves of a vector that was put together from them. */
export function halvesOf(v: Val): readonly [Val, Val] | undefined {
  if (v.op.k !== 'simd' || v.op.op !== replace[64]) return undefined;
  const [rest, half] = v.args as [Val, Val];
  if (rest.constant === 0n && v.op.imm[0] === 0) return [half, new Val({ k: 'const', value: 0n }, 'i64', [])];
  if (rest.op.k === 'simd' && rest.op.op === splat[64] && v.op.imm[0] === 1) return [rest.args[0]!, half];
  return undefined;
}

const floatTy = (ty: Ty): WasmTy => (ty === 'i32' ? 'f32' : 'f64');

/** Is a value computed and kept as a float of the host? */
export function keptAsFloat(v: Val): boolean {
  if (!v.isFloat) return false;
  const o = v.op;
  const bytes = v.ty === 'i32' ? 4 : 8;
  switch (o.k) {
    case 'float':
    case 'fused':
      return true;
    case 'floatConv':
      return floatConversions[o.op].to !== 'i64';
    case 'get':
      return o.field.bytes === bytes;
    case 'ld':
      return o.bytes === bytes;
    case 'local':
      return o.local.isFloat;
    default:
      return false;
  }
}

/** The opcode of an operation that puts a number into a vector, if that is kept as a float. */
export function floatForm(v: Val): number | undefined {
  const number = v.args.at(-1);
  if (v.op.k !== 'simd' || !number || !keptAsFloat(number)) return undefined;
  const n = tyIndex(number.ty);
  const bits = ([32, 64] as const)[n];
  if (v.op.op === replace[bits]) return floatLane.replace_lane[n];
  return v.op.op === splat[bits] ? floatLane.splat[n] : undefined;
}

/** The wasm type in which a value or variable is kept. */
export function wasmTyOf(v: Val | Local): WasmTy {
  const float = v instanceof Val ? keptAsFloat(v) : v.isFloat;
  return float ? floatTy(v.ty) : v.ty;
}
