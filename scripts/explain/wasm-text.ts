/** The code of a wasm function as text, as far as the emitter writes it (WebAssembly Core Specification 5.4). */
import { floatConversions, floatLane, floatOps, floatTests, reinterpret } from '../../emulator/ir/floats';
import { conversions, ops } from '../../emulator/ir/ops';
import { allSimdOps, SIMD_PREFIX } from '../../emulator/ir/simd';
import { W } from '../../emulator/codegen/wasm';

const plain = new Map<number, string>([
  [W.unreachable, 'unreachable'],
  [W.return, 'return'],
  [W.drop, 'drop'],
  [W.select, 'select'],
  [W.else, 'else'],
  [W.end, 'end'],
  [reinterpret.toFloat[0], 'f32.reinterpret_i32'],
  [reinterpret.toFloat[1], 'f64.reinterpret_i64'],
  [reinterpret.toBits[0], 'i32.reinterpret_f32'],
  [reinterpret.toBits[1], 'i64.reinterpret_f64'],
  ...Object.entries(ops).flatMap(([name, { code }]): [number, string][] => [
    [code[0], `i32.${name}`],
    [code[1], `i64.${name}`],
  ]),
  ...Object.entries(floatOps).flatMap(([name, { code }]): [number, string][] => [
    [code[0], `f32.${name}`],
    [code[1], `f64.${name}`],
  ]),
  ...Object.entries(floatTests).flatMap(([name, { code }]): [number, string][] => [
    [code[0], `f32.${name}`],
    [code[1], `f64.${name}`],
  ]),
  ...Object.entries(floatConversions)
    .filter(([, { code }]) => code.length === 1)
    .map(([name, { code }]): [number, string] => [code[0], name]),
  ...Object.values(conversions).map(({ code }): [number, string] => [code, '']),
  [conversions.wrap.code, 'i32.wrap_i64'],
  [conversions.zext.code, 'i64.extend_i32_u'],
  [conversions.sext.code, 'i64.extend_i32_s'],
]);

const accesses = new Map<number, string>([
  [0x28, 'i32.load'],
  [0x2a, 'f32.load'],
  [0x2b, 'f64.load'],
  [0x38, 'f32.store'],
  [0x39, 'f64.store'],
  [0x29, 'i64.load'],
  [0x2d, 'i32.load8_u'],
  [0x2f, 'i32.load16_u'],
  [0x31, 'i64.load8_u'],
  [0x33, 'i64.load16_u'],
  [0x35, 'i64.load32_u'],
  [0x36, 'i32.store'],
  [0x37, 'i64.store'],
  [0x3a, 'i32.store8'],
  [0x3b, 'i32.store16'],
  [0x3c, 'i64.store8'],
  [0x3d, 'i64.store16'],
  [0x3e, 'i64.store32'],
]);

/** Floats in lanes of vectors. */
const lanes = new Map(
  Object.entries(floatLane).flatMap(([name, codes]): [number, string][] =>
    codes.map((code, n) => [code, `${['f32x4', 'f64x2'][n]}.${name}`]),
  ),
);

const vectors = new Map(allSimdOps.map((op) => [op.code, op]));

/** The prefix of conversions that saturate. */
const SATURATING = 0xfc;

/** Conversions between floats and integers, by what follows the prefix 0xfc. */
const saturating = new Map<number, string>(
  Object.entries(floatConversions).flatMap(([name, { code }]) => (code.length > 1 ? [[code[1]!, name]] : [])),
);

const indexed = new Map<number, string>([
  [W.br, 'br'],
  [W.brIf, 'br_if'],
  [W.call, 'call'],
  [W.localGet, 'local.get'],
  [W.localSet, 'local.set'],
  [W.localTee, 'local.tee'],
]);

const opening = new Map<number, string>([
  [W.block, 'block'],
  [W.loop, 'loop'],
  [W.if, 'if'],
]);

/** Lines of text for a function's code; `localName` names locals. */
export function wasmText(code: Uint8Array, localName: (index: number) => string): string[] {
  const out: string[] = [];
  let at = 0;
  let depth = 0;
  const leb = (signed: boolean): bigint => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = code[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if ((byte & 0x80) === 0) return signed && byte & 0x40 ? value - (1n << shift) : value;
    }
  };
  while (at < code.length) {
    const op = code[at++]!;
    if (op === W.end || op === W.else) depth--;
    const say = (text: string): void => void out.push('  '.repeat(Math.max(0, depth)) + text);
    const open = opening.get(op);
    const access = accesses.get(op);
    const index = indexed.get(op);
    if (open !== undefined) {
      at++;
      say(open);
      depth++;
    } else if (access !== undefined) {
      leb(false);
      say(`${access} offset=${leb(false)}`);
    } else if (index !== undefined) {
      const n = Number(leb(false));
      say(`${index} ${index.startsWith('local') ? localName(n) : n}`);
    } else if (op === SIMD_PREFIX) {
      const number = Number(leb(false));
      const found = vectors.get(number);
      const bytes = (n: number): string => Array.from({ length: n }, () => code[at++]!).join(' ');
      if (number === 0x0c) say(`v128.const i8x16 ${bytes(16)}`);
      else if (number === 0x00 || number === 0x0b) {
        leb(false);
        say(`v128.${number ? 'store' : 'load'} offset=${leb(false)}`);
      } else if (lanes.has(number))
        say(`${lanes.get(number)} ${bytes(/_lane/.test(lanes.get(number)!) ? 1 : 0)}`.trim());
      else if (found) say(`${found.name} ${bytes(found.immediates)}`.trim());
      else throw new Error(`the emitter has a vector opcode 0x${number.toString(16)} that has no name here`);
    } else if (op === W.brTable) {
      const labels = Array.from({ length: Number(leb(false)) + 1 }, () => leb(false));
      say(`br_table ${labels.join(' ')}`);
    } else if (op === W.i32Const) say(`i32.const ${leb(true)}`);
    else if (op === W.i64Const) say(`i64.const ${leb(true)}`);
    else if (op === SATURATING) say(saturating.get(Number(leb(false))) ?? 'a conversion');
    else {
      const name = plain.get(op);
      if (name === undefined)
        throw new Error(`the emitter has an opcode 0x${op.toString(16)} that has no name here`);
      say(name);
      if (op === W.else) depth++;
    }
  }
  return out;
}
