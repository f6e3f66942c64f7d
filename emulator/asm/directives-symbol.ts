/** Directives about symbols. */
import type { Assembler } from './assembler';
import type { Directive } from './directive';
import { splitByComma, alignTo } from './directives-data';
import type { Token } from './lexer';
import type { Symbol } from './symbols';

/** Runs over the names of a list such as `.global a, b`. */
function forEachName(apply: (s: Symbol, a: Assembler) => void): Directive {
  return (a, { tokens, name }) => {
    if (tokens.length === 0) a.error(`${name} needs the name of a symbol`);
    for (const part of splitByComma(tokens)) {
      const t = part[0];
      if (part.length !== 1 || (t?.kind !== 'id' && t?.kind !== 'str')) {
        a.error(`${name} takes names of symbols`, t);
        return;
      }
      apply(a.symbols.ensure(t.text), a);
    }
  };
}

/** `name = tokens`. `once`: .equiv, which must not define again. */
export function assign(a: Assembler, name: Token, tokens: readonly Token[], once: boolean): void {
  if (name.text === '.') {
    a.error("'.' cannot be assigned; use .org or .skip", name);
    return;
  }
  const s = a.symbols.ensure(name.text);
  if (s.kind === 'label' || (once && s.kind !== 'undefined')) {
    a.error(`symbol '${name.text}' is already defined`, name);
    return;
  }
  const e = a.expression(tokens, 0);
  if (!e) return;
  if (e.next < tokens.length) {
    a.error(`the end of the expression is expected, not '${tokens[e.next]?.text}'`, tokens[e.next]);
    return;
  }
  s.kind = 'set';
  const at = a.input.current?.at;
  if (at) s.definedAt ??= at;
  if (e.value.kind === 'later') {
    s.value = undefined;
    s.tokens = a.freeze(tokens);
  } else {
    s.value = e.value;
    delete s.tokens;
  }
}

function set(once: boolean): Directive {
  return (a, { tokens, name }) => {
    const [symbol, comma] = tokens;
    if (symbol?.kind !== 'id' || comma?.text !== ',') {
      a.error(`${name} is written: ${name} name, expression`, symbol);
      return;
    }
    assign(a, symbol, tokens.slice(2), once);
  };
}

const symbolTypes: Record<string, Symbol['type']> = {
  function: 'func',
  stt_func: 'func',
  gnu_indirect_function: 'func',
  object: 'object',
  stt_object: 'object',
  tls_object: 'tls',
  common: 'object',
  notype: 'none',
  stt_notype: 'none',
};

const type: Directive = (a, { tokens }) => {
  const name = tokens[0];
  const word = tokens.at(-1);
  const t = symbolTypes[word?.lower ?? ''];
  if (name?.kind !== 'id' || tokens.length < 3 || (word?.kind !== 'id' && word?.kind !== 'str')) {
    a.error('.type is written: .type name, %function (or %object)', name);
  } else if (t === undefined)
    a.error(`symbol type '${word.text}' is unknown; use %function or %object`, word);
  else a.symbols.ensure(name.text).type = t;
};

const size: Directive = (a, { tokens }) => {
  const [name, comma] = tokens;
  if (name?.kind !== 'id' || comma?.text !== ',' || tokens.length < 3) {
    a.error('.size is written: .size name, expression', name);
    return;
  }
  if (a.expression(tokens.slice(2), 0)) a.symbols.ensure(name.text).size = a.freeze(tokens.slice(2));
};

/** .comm and .lcomm: room in .bss. */
function common(global: boolean): Directive {
  return (a, { tokens, name }) => {
    const [symbol] = tokens;
    if (symbol?.kind !== 'id' || tokens[1]?.text !== ',') {
      a.error(`${name} is written: ${name} name, size`, symbol);
      return;
    }
    const [bytes, alignment] = a.numbers(tokens.slice(2), 2) ?? [];
    if (bytes === undefined) return;
    const s = a.symbols.ensure(symbol.text);
    if (s.kind !== 'undefined') return a.error(`symbol '${symbol.text}' is already defined`, symbol);
    const before = { chunk: a.chunk, previous: a.previous };
    a.chunk = a.section('.bss').chunk(0);
    const wanted = Number(BigInt.asUintN(20, alignment ?? 8n));
    alignTo(a, 2 ** Math.max(0, 31 - Math.clz32(wanted)), 0n);
    s.kind = 'label';
    s.value = a.here();
    s.type = 'object';
    if (global) s.binding = 'global';
    a.data(Number(BigInt.asUintN(40, bytes)));
    Object.assign(a, before);
  };
}

const unreq: Directive = (a, { tokens }) => {
  const name = tokens[0];
  if (!name || !a.aliases.delete(name.lower))
    a.error(`'${name?.text ?? ''}' is not an alias made by .req`, name);
};

/** Defines a label at the current place. */
export function defineLabel(a: Assembler, name: string, token: Token | undefined): void {
  const s = a.symbols.ensure(name);
  if (s.kind !== 'undefined') {
    const at = s.definedAt;
    a.error(`symbol '${name}' is already defined${at ? `, in ${at.file} line ${at.line}` : ''}`, token);
    return;
  }
  const at = a.input.current?.at;
  a.symbols.all.set(name, { ...s, kind: 'label', value: a.here(), ...(at ? { definedAt: at } : {}) });
}

export const symbolDirectives: Readonly<Record<string, Directive>> = {
  '.global': forEachName((s) => (s.binding = s.binding === 'weak' ? 'weak' : 'global')),
  '.globl': forEachName((s) => (s.binding = s.binding === 'weak' ? 'weak' : 'global')),
  '.weak': forEachName((s) => (s.binding = 'weak')),
  '.local': forEachName((s) => (s.binding = 'local')),
  '.extern': () => undefined,
  '.internal': forEachName((s) => (s.visibility = 1)),
  '.hidden': forEachName((s) => (s.visibility = 2)),
  '.protected': forEachName((s) => (s.visibility = 3)),
  '.set': set(false),
  '.equ': set(false),
  '.equiv': set(true),
  '.eqv': set(true),
  '.type': type,
  '.size': size,
  '.comm': common(true),
  '.lcomm': common(false),
  '.unreq': unreq,
};
