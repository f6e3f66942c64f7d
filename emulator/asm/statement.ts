/** One statement: labels, then a directive, an assignment, a macro call or an instruction. */
import type { Assembler } from './assembler';
import { directives } from './directives';
import { emitWord } from './directives-data';
import { callMacro, conditionDirectives, isActive } from './directives-flow';
import { assign, defineLabel } from './directives-symbol';
import type { InputLine } from './input';
import { tokenize, type Token } from './lexer';

const labelPattern = /\s*(?:([A-Za-z_.$\u0080-\uffff][\w.$\u0080-\uffff]*)|(\d+))\s*:/y;
const assignPattern = /\s*([A-Za-z_.$][\w.$]*)\s*==?(?!=)/y;
const wordPattern = /\s*([A-Za-z_.$][\w.$]*)/y;
const reqPattern = /^\s*([A-Za-z_][\w.$]*)\s+\.req\s+(\S+)\s*$/i;

const token = (text: string, pos: number): Token => ({
  kind: 'id',
  text,
  lower: text.toLowerCase(),
  pos,
  end: pos + text.length,
});

/** The first match of a sticky pattern at an index. */
function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** Lines such as `#define` that the preprocessor has not seen. */
const preprocessorPattern =
  /^\s*#(?:(include|define|undef|if|ifdef|ifndef|elif|else|endif)\b|\s+(include)\s*["<]|\s+(define|ifdef|ifndef)\s+\w+\s*$)/;

/** To GNU as they are comments, which can hardly be meant. */
export function checkPreprocessor(a: Assembler, line: InputLine): void {
  const m = preprocessorPattern.exec(line.text);
  if (!m || !isActive(a)) return;
  a.statement = { text: line.text, column: 0 };
  const word = m[1] ?? m[2] ?? m[3] ?? '';
  a.warn(
    `#${word} is a comment here: the C preprocessor reads the program's main source when its name ends in .S, and what that brings by #include, not by .include`,
  );
}

/** Assembles one statement. */
export function assembleStatement(a: Assembler, text: string, column: number): void {
  a.statement = { text, column };
  const active = isActive(a);
  let at = 0;
  for (let m = matchAt(labelPattern, text, at); m; m = matchAt(labelPattern, text, at)) {
    // `a :lo12:b` cannot begin a statement, so a colon always ends a label here.
    at = m.index + m[0].length;
    if (!active) continue;
    const name = m[1] ?? m[2] ?? '';
    const start = at - 1 - m[0].trimStart().slice(0, -1).length;
    if (m[2]) defineLabel(a, a.symbols.nextLocal(`${BigInt(m[2])}`), token(name, start));
    else defineLabel(a, name, token(name, start));
  }
  const word = matchAt(wordPattern, text, at);
  if (!word?.[1]) {
    const rest = text.slice(at).trim();
    if (rest && active) {
      const t = tokenize(text, at);
      a.error(`a statement cannot begin with '${t[0]?.text ?? rest}'`, t[0]);
    }
    return;
  }
  const name = word[1].toLowerCase();
  const start = word.index + word[0].length - word[1].length;
  const end = start + word[1].length;
  const condition = conditionDirectives.get(name);
  if (condition) {
    condition(a, { text: text.slice(end).trim(), tokens: tokenize(text, end), name });
    return;
  }
  if (!active) return;
  if (text.includes('=') && matchAt(assignPattern, text, at)) {
    const m = matchAt(assignPattern, text, at);
    const used = m ? m.index + m[0].length : end;
    assign(a, token(word[1], start), tokenize(text, used), text.slice(0, used).endsWith('=='));
    return;
  }
  const directive = name.startsWith('.') ? directives.get(name) : undefined;
  if (directive) {
    directive(a, { text: text.slice(end).trim(), tokens: tokenize(text, end), name });
    return;
  }
  const macro = a.macros.get(name);
  if (macro) {
    callMacro(a, macro, text.slice(end));
    return;
  }
  const head = token(word[1], start);
  const req = reqPattern.exec(text.slice(start));
  if (req?.[1] && req[2]) return defineAlias(a, req[1], req[2], head);
  if (name.startsWith('.')) return a.error(`unknown directive '${word[1]}'`, head);
  instruction(a, head, tokenize(text, end));
}

/** `name .req register`. */
function defineAlias(a: Assembler, name: string, register: string, head: Token): void {
  const target = a.aliases.get(register.toLowerCase()) ?? token(register, 0);
  if (!a.syntax.isReserved(target.lower)) return a.error(`'${register}' is not a register`, head);
  if (a.syntax.isReserved(name.toLowerCase()))
    return a.error(`'${name}' is the name of a register itself`, head);
  a.aliases.set(name.toLowerCase(), target);
}

function instruction(a: Assembler, head: Token, written: Token[]): void {
  if (!a.table.has(head.lower)) {
    a.error(`unknown instruction or macro '${head.text}'`, head);
    return;
  }
  const operands =
    a.aliases.size === 0
      ? written
      : written.map((t) => {
          const target = t.kind === 'id' ? a.aliases.get(t.lower) : undefined;
          return target ? { ...t, text: target.text, lower: target.lower } : t;
        });
  const literal =
    operands[2]?.text === '=' && operands[1]?.text === ',' ? literalLoad(a, head, operands) : undefined;
  if (literal === null) return;
  const tokens = literal ?? operands;
  const r = a.table.encode(head.lower, tokens, a.scope);
  if ('error' in r) {
    a.error(r.error, tokens[r.token] ?? head);
    // The word keeps the addresses behind it right, so that errors stay few.
    emitWord(a, 0);
    return;
  }
  if (r.deferred) a.defer(a.chunk.length, head.lower, 4, tokens);
  emitWord(a, r.word);
}

/** `ldr x0, =value`: the operands with the label of the literal in its place. Null after an error. */
function literalLoad(a: Assembler, head: Token, operands: Token[]): Token[] | null {
  const [register, comma, equals, ...expression] = operands;
  if (!register || !comma || !equals) return null;
  const size = a.syntax.literalSize(head.lower, register.lower);
  if (size === undefined) {
    a.error(`'${head.text} ${register.text}, =value' does not exist`, register, equals);
    return null;
  }
  const e = a.expression(expression, 0);
  if (!e) return null;
  if (e.next < expression.length) {
    a.error(`the end of the expression is expected, not '${expression[e.next]?.text}'`, expression[e.next]);
    return null;
  }
  const label = a.literals.add(a.chunk, size, e.value, a.freeze(expression), () => a.symbols.hiddenName());
  const end = expression.at(-1)?.end ?? equals.end;
  return [register, comma, { kind: 'id', text: label, lower: label, pos: equals.pos, end }];
}
