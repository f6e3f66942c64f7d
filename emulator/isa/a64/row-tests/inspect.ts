/** Looks into IR bodies: what an instruction touches, and which operands it takes from its record. */
import type { ExitKind, OperandUse, Stmt, Val } from '../../../ir/nodes';

export interface Touched {
  /** Names of the state fields that are read or written. */
  readonly fields: ReadonlySet<string>;
  readonly exits: ReadonlySet<ExitKind>;
  readonly operands: readonly OperandUse[];
  /** Memory, calls, the CPU block as memory: anything beyond state fields, by the name of the statement. */
  readonly beyond: ReadonlySet<string>;
}

/** Calls `visit` for every statement, those of branches and loops included. */
export function walk(body: readonly Stmt[], visit: (s: Stmt) => void): void {
  for (const s of body) {
    visit(s);
    if (s.k === 'if') {
      walk(s.then, visit);
      walk(s.else, visit);
    } else if (s.k === 'loop') walk(s.body, visit);
  }
}

/** Statements that touch nothing but values and locals. */
const harmless: ReadonlySet<Stmt['k']> = new Set(['assign', 'if', 'loop', 'break', 'continue', 'return']);
const pureValues: ReadonlySet<Val['op']['k']> = new Set([
  'const',
  'pure',
  'conv',
  'float',
  'select',
  'operand',
  'pc',
  'local',
  'get',
]);

export function touched(body: readonly Stmt[]): Touched {
  const fields = new Set<string>();
  const exits = new Set<ExitKind>();
  const operands: OperandUse[] = [];
  const beyond = new Set<string>();
  walk(body, (s) => {
    if (s.k === 'set') fields.add(s.field.name);
    else if (s.k === 'exit') exits.add(s.kind);
    else if (s.k === 'let') {
      const o = s.v.op;
      if (o.k === 'get') fields.add(o.field.name);
      if (o.k === 'operand') operands.push(o.use);
      if (!pureValues.has(o.k)) beyond.add(o.k);
    } else if (!harmless.has(s.k)) beyond.add(s.k);
  });
  return { fields, exits, operands, beyond };
}
