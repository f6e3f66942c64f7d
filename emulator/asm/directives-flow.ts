/** Directives that decide what is assembled: conditions, repetitions, macros, includes, messages. */
import type { Assembler } from './assembler';
import type { Arguments, Directive } from './directive';
import { maxDepth, type InputLine } from './input';
import { bindArguments, parseMacroHeader, splitArguments, squeeze, substitute, type Macro } from './macro';
import { stringBytes } from './lexer';
import { applyLineMarkers } from './line-markers';

// --- conditions ------------------------------------------------------------------------------------------------------

/** Whether lines are assembled at the moment. */
export const isActive = (a: Assembler): boolean => a.conditionals.at(-1)?.active ?? true;

type Test = (a: Assembler, args: Arguments) => boolean | undefined;

const compare =
  (holds: (v: bigint) => boolean): Test =>
  (a, { tokens }) => {
    const v = a.number(tokens);
    return v === undefined ? undefined : holds(v);
  };

const defined =
  (wanted: boolean): Test =>
  (a, { tokens, name }) => {
    const t = tokens[0];
    if (t?.kind !== 'id' || tokens.length !== 1) {
      a.error(`${name} needs the name of a symbol`, t);
      return undefined;
    }
    return ((a.symbols.get(t.text)?.kind ?? 'undefined') !== 'undefined') === wanted;
  };

const blank =
  (wanted: boolean): Test =>
  (_, { text }) =>
    (text.trim() === '') === wanted;

/** .ifc: two strings, in single quotes or up to the comma. */
const sameText =
  (wanted: boolean): Test =>
  (a, { text, name }) => {
    const squeezed = squeeze(text).trim();
    const m = /^('(?:[^']|'')*'|[^,]*),\s*('(?:[^']|'')*'|.*)$/.exec(squeezed);
    if (!m) {
      a.error(`${name} compares two texts with a comma between`);
      return undefined;
    }
    return (m[1]?.trim() === m[2]?.trim()) === wanted;
  };

const sameStrings =
  (wanted: boolean): Test =>
  (a, { tokens, name }) => {
    const [x, comma, y] = tokens;
    if (x?.kind !== 'str' || comma?.text !== ',' || y?.kind !== 'str') {
      a.error(`${name} compares two strings in double quotes`);
      return undefined;
    }
    return (x.text === y.text) === wanted;
  };

const tests: Readonly<Record<string, Test>> = {
  '.if': compare((v) => v !== 0n),
  '.ifne': compare((v) => v !== 0n),
  '.ifeq': compare((v) => v === 0n),
  '.ifgt': compare((v) => v > 0n),
  '.ifge': compare((v) => v >= 0n),
  '.iflt': compare((v) => v < 0n),
  '.ifle': compare((v) => v <= 0n),
  '.ifdef': defined(true),
  '.ifndef': defined(false),
  '.ifnotdef': defined(false),
  '.ifb': blank(true),
  '.ifnb': blank(false),
  '.ifc': sameText(true),
  '.ifnc': sameText(false),
  '.ifeqs': sameStrings(true),
  '.ifnes': sameStrings(false),
};

const begin =
  (test: Test): Directive =>
  (a, args) => {
    const outer = isActive(a);
    // A condition that cannot be decided skips all of its branches, so that one error does not become many.
    const holds = outer ? test(a, args) : undefined;
    if (a.conditionals.length > 1000) return a.fatal('conditions are nested too deeply');
    a.conditionals.push({
      outer,
      active: outer && holds === true,
      done: holds !== false,
      sawElse: false,
      place: a.place(),
    });
  };

const elseIf: Directive = (a, args) => {
  const c = a.conditionals.at(-1);
  if (!c || c.sawElse) return a.error(`.elseif without .if${c ? ', or after .else' : ''}`);
  if (!c.outer || c.done) {
    c.active = false;
    return;
  }
  const holds = tests['.if']?.(a, args);
  c.active = holds === true;
  c.done = holds !== false;
};

const otherwise: Directive = (a) => {
  const c = a.conditionals.at(-1);
  if (!c || c.sawElse) return a.error(c ? 'there is a second .else' : '.else without .if');
  c.sawElse = true;
  c.active = c.outer && !c.done;
  c.done = true;
};

const endIf: Directive = (a) => {
  if (!a.conditionals.pop()) a.error('.endif without .if');
};

/** Handled even where lines are skipped. */
export const conditionDirectives: ReadonlyMap<string, Directive> = new Map([
  ...Object.entries(tests).map(([name, test]) => [name, begin(test)] as const),
  ['.else', otherwise] as const,
  ['.elseif', elseIf] as const,
  ['.endif', endIf] as const,
]);

// --- blocks of lines -------------------------------------------------------------------------------------------------

const opensBlock: Readonly<Record<string, readonly string[]>> = {
  '.macro': ['.endm', '.endmacro'],
  '.rept': ['.endr'],
  '.rep': ['.endr'],
  '.irp': ['.endr'],
  '.irpc': ['.endr'],
};

const firstWord = (line: string): string =>
  /^\s*(?:(?:[A-Za-z_.$][\w.$]*|\d+)\s*:\s*)*(\.[a-zA-Z]+)/.exec(line)?.[1]?.toLowerCase() ?? '';

/** Takes the lines up to the end of a block, blocks inside included. Undefined, with an error, if there is none. */
function takeBlock(a: Assembler, name: string): InputLine[] | undefined {
  const ends = opensBlock[name] ?? [];
  const start = a.place();
  const body: InputLine[] = [];
  let depth = 0;
  const depthOfInput = a.input.depth;
  for (let line = a.input.next(); line; line = a.input.next()) {
    const word = firstWord(line.text);
    if (ends.includes(word) && depth === 0) return body;
    if (ends.includes(word)) depth--;
    else if (opensBlock[word]?.[0] === ends[0]) depth++;
    body.push(line);
    if (a.input.depth < depthOfInput) break;
  }
  a.diagnostics.add('error', start, `${name} has no ${ends[0]}`);
  return undefined;
}

const none: ReadonlyMap<string, string> = new Map();

/** Lines with their parameters filled in. */
const fill = (body: readonly InputLine[], values: ReadonlyMap<string, string>, count?: number): InputLine[] =>
  body.map((line) => ({ ...line, text: substitute(line.text, values, count) }));

/** As fill, for lines that stay where they are written: unchanged ones keep their columns in errors. */
function replaceIn(line: InputLine, values: ReadonlyMap<string, string>): InputLine {
  const text = substitute(line.text, values);
  return text === line.text ? line : { text, at: line.at, written: { ...line.written } };
}

function repeat(
  a: Assembler,
  what: string,
  iteration: (n: number) => readonly InputLine[] | undefined,
): void {
  if (a.input.depth >= maxDepth) return a.fatal('repetitions, macros and includes are nested too deeply');
  a.input.push({
    kind: 'repeat',
    what,
    from: a.input.current?.written,
    iteration,
    conditionals: a.conditionals.length,
  });
}

const rept: Directive = (a, { tokens, name }) => {
  const n = a.number(tokens);
  const body = takeBlock(a, name);
  if (n === undefined || !body || n <= 0n) return;
  const lines = body.map((line) => replaceIn(line, none));
  repeat(a, name, (turn) => (BigInt(turn) < n ? lines : undefined));
};

/** .irp: a value a turn; .irpc: a character a turn. */
function irp(values: (text: string) => string[]): Directive {
  return (a, { text, name }) => {
    const m = /^\s*([A-Za-z_.$][\w.$]*)\s*,?\s*(.*)$/s.exec(text);
    const body = takeBlock(a, name);
    if (!m?.[1]) return a.error(`${name} is written: ${name} name, values`);
    const list = values(m[2] ?? '');
    const all = list.length ? list : [''];
    const parameter = m[1];
    if (!body) return;
    repeat(a, name, (turn) => {
      const value = all[turn];
      if (value === undefined) return undefined;
      const values = new Map([[parameter, value]]);
      return body.map((line) => replaceIn(line, values));
    });
  };
}

const macro: Directive = (a, { text, name }) => {
  const header = parseMacroHeader(text);
  const body = takeBlock(a, name);
  if (typeof header === 'string') return a.error(header);
  if (!body) return;
  if (a.macros.has(header.name)) {
    return a.error(`macro '${header.name}' is already defined; .purgem removes it`);
  }
  a.macros.set(header.name, { ...header, body });
};

const longestLine = 1 << 16;

/** Reads the lines of a macro next. */
export function callMacro(a: Assembler, m: Macro<InputLine>, text: string): void {
  if (a.input.depth >= maxDepth) {
    return a.fatal(`macro '${m.name}' is nested too deeply; does it call itself without end?`);
  }
  const values = bindArguments(m, text);
  if (typeof values === 'string') return a.error(values);
  const call = a.input.current;
  if (!call) return;
  const lines = fill(m.body, values, a.macroCount++).map((line) => ({ ...line, at: call.at }));
  if (lines.some((l) => l.text.length > longestLine)) {
    return a.fatal(`macro '${m.name}' makes a line of more than ${longestLine} characters`);
  }
  a.input.push({
    kind: 'macro',
    what: `in macro ${m.name}`,
    from: call.written,
    iteration: (n) => (n === 0 ? lines : undefined),
    conditionals: a.conditionals.length,
  });
}

const purge: Directive = (a, { tokens }) => {
  const name = tokens[0];
  if (!name || !a.macros.delete(name.lower)) a.error(`macro '${name?.text ?? ''}' is not defined`, name);
};

const exitMacro: Directive = (a) => {
  const frame = a.input.innermost('macro');
  if (!frame) return a.error('.exitm is only possible in a macro');
  a.conditionals.length = frame.conditionals;
  a.input.leaveMacro();
};

const stray: Directive = (a, { name }) => a.error(`${name} without the directive that it ends`);

// --- files -----------------------------------------------------------------------------------------------------------

/** The lines of a file as input. */
export function fileLines(path: string, content: string): InputLine[] {
  const lines = content.split(/\r?\n/).map((text, i) => {
    const at = { file: path, line: i + 1 };
    return { text, at, written: at };
  });
  return applyLineMarkers(lines);
}

const include: Directive = (a, { tokens }) => {
  const name = tokens[0];
  if (name?.kind !== 'str') return a.error('.include needs the name of a file in double quotes', name);
  if (a.input.depth >= maxDepth)
    return a.fatal(`'${name.text}' is included too deeply; does it include itself?`);
  const found = a.find(name.text, a.input.current?.written.file ?? '');
  if (!found) return a.error(`file '${name.text}' is not found`, name);
  if (typeof found.content !== 'string') return a.error(`file '${name.text}' is not text`, name);
  const lines = fileLines(found.path, found.content);
  a.input.push({
    kind: 'file',
    what: `included from here`,
    from: a.input.current?.written,
    iteration: (n) => (n === 0 ? lines : undefined),
    conditionals: a.conditionals.length,
  });
};

// --- messages --------------------------------------------------------------------------------------------------------

const decoder = new TextDecoder();

function message(severity: 'error' | 'warning' | 'info', fallback: string): Directive {
  return (a, { tokens }) => {
    const t = tokens[0];
    const text = t?.kind === 'str' ? decoder.decode(stringBytes(t.text)) : fallback;
    if (text) a.diagnostics.add(severity, a.place(), text);
  };
}

export const flowDirectives: Readonly<Record<string, Directive>> = {
  ...Object.fromEntries(conditionDirectives),
  '.rept': rept,
  '.rep': rept,
  '.irp': irp(splitArguments),
  '.irpc': irp((text) => [...text.trim().replace(/^"(.*)"$/s, '$1')]),
  '.endr': stray,
  '.macro': macro,
  '.endm': stray,
  '.endmacro': stray,
  '.exitm': exitMacro,
  '.purgem': purge,
  '.include': include,
  '.end': (a) => a.input.clear(),
  '.abort': (a) => a.fatal('.abort: the source asks to stop here'),
  '.error': message('error', '.error directive'),
  '.err': message('error', '.err directive'),
  '.warning': message('warning', '.warning directive'),
  '.print': message('info', ''),
};
