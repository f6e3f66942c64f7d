/** IR as text: a line for each statement. */
import { Val, type Stmt } from '../../emulator/ir/nodes';
import { state, vectorViews } from '../../emulator/isa/a64/state';
import type { StateField } from '../../emulator/ir/nodes';
import { bitsOf } from '../../emulator/ir/ops';

/** The name of a place in the CPU block, such as `x3` or `nzcv`. */
function place(field: StateField, index: number | Val, off: number): string {
  if (index instanceof Val && index.constant === undefined) return `${field.name}[?]`;
  const at = index instanceof Val ? Number(index.constant) + off : field.offset + index * field.stride;
  const n = (at - field.offset) / field.stride;
  if (field === state.x) return ['sp', 'zero', 'trash'][n - 31] ?? `x${n}`;
  if (field === vectorViews[16]) return `q${n}`;
  if (field.offset === state.v.offset)
    return `q${(at - field.offset) >> 4}.${'bh?s???d'[field.bytes - 1]}[${n % (16 / field.bytes)}]`;
  return field.count > 1 ? `${field.name}[${n}]` : field.name;
}

/** The statements of one instruction, values named v1, v2 ... */
export function irText(body: readonly Stmt[], cold: ReadonlySet<readonly Stmt[]>): string[] {
  const names = new Map<Val, string>();
  const out: string[] = [];
  const name = (v: Val): string => {
    if (v.constant !== undefined) {
      const n = BigInt.asIntN(bitsOf(v.ty), v.constant);
      return n > -1000n && n < 1000n ? String(n) : `0x${v.constant.toString(16)}`;
    }
    let known = names.get(v);
    if (known === undefined) names.set(v, (known = `v${names.size + 1}`));
    return known;
  };
  const args = (v: Val): string => v.args.map(name).join(', ');
  const meaning = (v: Val): string => {
    const o = v.op;
    switch (o.k) {
      case 'pure':
      case 'conv':
        return `${o.op} ${args(v)}`;
      case 'float':
        return `float ${o.op} ${args(v)}`;
      case 'simd':
        return `${o.op.name} ${args(v)}${o.imm.length ? ` [${o.imm.join(' ')}]` : ''}`;
      case 'get':
        return place(o.field, o.index === 'slot' ? v.args[0]! : o.index, o.off);
      case 'ld':
        return `load ${o.bytes} bytes at ${args(v)}${o.off ? ` + ${o.off}` : ''}`;
      case 'probe':
        return `probe ${o.access.kind} of ${o.access.bytes} bytes at ${name(v.args[0]!)}`;
      case 'local':
        return o.local.name;
      default:
        return `${o.k} ${args(v)}`.trim();
    }
  };
  const walk = (stmts: readonly Stmt[], indent: string): void => {
    for (const s of stmts) {
      const say = (text: string): void => void out.push(indent + text);
      switch (s.k) {
        case 'let':
          if (s.v.uses > 0) say(`${name(s.v)} = ${meaning(s.v)}`);
          break;
        case 'set':
          say(`${place(s.field, s.index, s.off)} <- ${name(s.v)}`);
          break;
        case 'st':
          say(`store ${s.bytes} bytes at ${name(s.base)}${s.off ? ` + ${s.off}` : ''} <- ${name(s.v)}`);
          break;
        case 'assign':
          say(`${s.local.name} <- ${name(s.v)}`);
          break;
        case 'call':
          say(
            `${s.result ? `${name(s.result)} = ` : ''}call ${s.callee.name}(${s.args.map(name).join(', ')})`,
          );
          break;
        case 'exit':
          say(`end: ${s.kind}`);
          break;
        case 'if':
          for (const [word, branch] of [
            [`if ${name(s.c)}`, s.then],
            ['else', s.else],
          ] as const) {
            if (branch.length === 0) continue;
            say(cold.has(branch) ? `${word}: leave the region before this instruction` : word);
            if (!cold.has(branch)) walk(branch, `${indent}  `);
          }
          break;
        case 'loop':
          say('loop');
          walk(s.body, `${indent}  `);
          break;
        default:
          say(s.k);
      }
    }
  };
  walk(body, '');
  return out;
}
