/** What stands under a cursor, and what could: for editors. */
import { otherRegister, otherRegisterNames } from '../isa/a64/operands/sysnames';
import { systemOperations } from '../isa/a64/operands/sysops';
import { findSysreg, sysregs } from '../isa/a64/sysregs';
import { tableOf, type AsmIsa, type AssembleResult } from './assemble';
import { directives } from './directives';
import { LineSplitter, tokenize } from './lexer';
import { directiveTable } from './preprocessor/directives';
import { describeDefinition } from './preprocessor/macro-definition';

/** Something in a line of source, with its place in it: columns from 1, endColumn behind the last character. */
export interface Described {
  readonly kind: 'instruction' | 'directive' | 'sysreg' | 'register' | 'operation' | 'name' | 'number';
  readonly text: string;
  readonly column: number;
  readonly endColumn: number;
  /** Of instructions: what the rows say, and how it can be written. */
  readonly docs?: readonly string[];
  readonly forms?: readonly string[];
  /** Of system registers: name as the tables have it and what it is. */
  readonly sysreg?: {
    readonly name: string;
    readonly doc: string | undefined;
    readonly encoding: readonly number[];
  };
  /** Of numbers. */
  readonly value?: bigint;
}

/** The statement around a column, its first word and the tokens. Columns from 1. */
function statementAt(
  line: string,
  column: number,
): { tokens: ReturnType<typeof tokenize>; head: number } | undefined {
  for (const s of new LineSplitter().split(line).reverse()) {
    if (column - 1 < s.column && s.column > 0) continue;
    const tokens = tokenize(s.text).map((t) => ({ ...t, pos: t.pos + s.column, end: t.end + s.column }));
    let head = 0;
    while (tokens[head + 1]?.text === ':') head += 2;
    return { tokens, head };
  }
  return undefined;
}

/** What stands at a column of a line. Undefined in comments, blanks and punctuation. */
export function describeAt(isa: AsmIsa, line: string, column: number): Described | undefined {
  const statement = statementAt(line, column);
  const at = column - 1;
  const index = statement?.tokens.findIndex((t) => t.pos <= at && at < t.end) ?? -1;
  const token = statement?.tokens[index];
  if (!statement || !token) return undefined;
  const place = { text: token.text, column: token.pos + 1, endColumn: token.end + 1 };
  if (token.kind === 'num' && token.value?.kind === 'number') {
    return { ...place, kind: 'number', value: token.value.value };
  }
  if (token.kind !== 'id') return undefined;
  const table = tableOf(isa);
  if (index === statement.head) {
    if (directives.has(token.lower)) return { ...place, kind: 'directive' };
    if (!table.has(token.lower)) return { ...place, kind: 'name' };
    const rows = table.rowsOf(token.lower);
    return {
      ...place,
      kind: 'instruction',
      docs: [...new Set(rows.map((r) => r.doc).filter(Boolean))],
      forms: table.forms(token.lower),
    };
  }
  const mnemonic = statement.tokens[statement.head]?.lower ?? '';
  const operation = systemOperations.find((o) => o.name === token.lower && o.instruction === mnemonic);
  if (operation) return { ...place, kind: 'operation' };
  if (table.syntax.isReserved(token.lower)) return { ...place, kind: 'register' };
  const known = findSysreg(token.text);
  const encoding = known?.enc ?? otherRegister(token.lower);
  // A name like that of a system register may be a symbol, but not in MRS and MSR; editors ask for symbols first.
  if (encoding) {
    return {
      ...place,
      kind: 'sysreg',
      sysreg: { name: known?.name ?? token.text.toUpperCase(), doc: known?.doc, encoding },
    };
  }
  return { ...place, kind: 'name' };
}

export interface Completion {
  readonly label: string;
  readonly kind: 'instruction' | 'directive' | 'sysreg' | 'operation' | 'symbol' | 'macro' | 'constant';
  readonly doc?: string;
}

/** The macros of the preprocessor, each once. */
function definedNames(result: AssembleResult | undefined): Completion[] {
  const byName = new Map(result?.preprocessed?.definitions.map((m) => [m.name, m]));
  return [...byName.values()].map((m) => ({
    label: m.name,
    kind: m.parameters ? 'macro' : 'constant',
    doc: describeDefinition(m),
  }));
}

/** In a line that begins with `#`: directives, and behind those the names that they ask for. */
function preprocessorCompletions(before: string, result: AssembleResult | undefined): Completion[] {
  if (/^\s*#\s*\w*$/.test(before)) {
    return [...directiveTable.keys()].map((label) => ({ label, kind: 'directive' }));
  }
  return /^\s*#\s*(?:(?:el)?if(?:n?def)?|undef|define)\b/.test(before) ? definedNames(result) : [];
}

/** What can stand at a column: at the head of a statement what begins one, behind it what operands name. */
export function completionsAt(
  isa: AsmIsa,
  line: string,
  column: number,
  result?: AssembleResult,
): Completion[] {
  const before = line.slice(0, column - 1);
  if (/^\s*#/.test(before)) return preprocessorCompletions(before, result);
  const statement = statementAt(before, column);
  if (!statement) return [];
  const { tokens, head } = statement;
  const table = tableOf(isa);
  const mnemonic = tokens[head];
  // Nothing yet, or still inside the first word.
  if (!mnemonic || (tokens.length === head + 1 && mnemonic.end >= column - 1)) {
    return [
      ...table.mnemonics().map((label): Completion => {
        const doc = table.rowsOf(label)[0]?.doc;
        return { label, kind: 'instruction', ...(doc ? { doc } : {}) };
      }),
      ...[...directives.keys()].map((label): Completion => ({ label, kind: 'directive' })),
      ...(result?.macros ?? []).map(({ name }): Completion => ({ label: name, kind: 'macro' })),
      ...definedNames(result),
    ];
  }
  const name = mnemonic.lower;
  const operations = systemOperations.filter((o) => o.instruction === name);
  if (operations.length > 0) return operations.map((o) => ({ label: o.name, kind: 'operation' }));
  if (name === 'mrs' || name === 'msr') {
    return [
      ...sysregs.map((r): Completion => ({ label: r.name.toLowerCase(), kind: 'sysreg', doc: r.doc })),
      ...otherRegisterNames()
        .filter((n) => !findSysreg(n))
        .map((label): Completion => ({ label, kind: 'sysreg' })),
    ];
  }
  return [
    ...(result?.symbols ?? []).map((s): Completion => ({ label: s.name, kind: 'symbol' })),
    ...definedNames(result),
  ];
}
