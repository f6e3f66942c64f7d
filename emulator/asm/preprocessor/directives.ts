/** The directives of the preprocessor, as a table (ISO C17 6.10). */
import { maxDepth } from '../input';
import { joinPath, parentOf } from '../paths';
import { evaluateCondition } from './condition';
import type { LogicalLine } from './lines';
import { parseDefinition, PpError, sameDefinition } from './macro-definition';
import type { Preprocessor } from './preprocess';
import { SourceFile } from './source-file';
import { spell, type PpToken } from './tokens';

interface Arguments {
  readonly file: SourceFile;
  readonly line: LogicalLine;
  /** The word behind `#`. */
  readonly name: PpToken;
  readonly tokens: readonly PpToken[];
}

type Run = (p: Preprocessor, args: Arguments) => void;

interface Directive {
  readonly run: Run;
  /** It is looked at where lines are left out, too. */
  readonly conditional: boolean;
}

// --- macros ----------------------------------------------------------------------------------------------------------

const define: Run = (p, { file, name, tokens }) => {
  const m = parseDefinition(tokens, file.path, name.origin);
  if (m instanceof PpError) return p.error(m.message, m.at);
  const before = p.macros.get(m.name);
  if (before && (before.value || !sameDefinition(before, m))) {
    const former = before.at;
    p.report(
      'warning',
      `macro ${m.name} is defined again, and differently; #undef it before`,
      tokens[0]?.origin,
      former ? [{ file: former.file, line: former.origin.line, text: 'its former definition' }] : [],
    );
  }
  p.macros.set(m.name, m);
  p.record.definitions.push(m);
};

const undefine: Run = (p, args) => {
  const macro = takeName(p, args);
  if (!macro) return;
  p.record.mention(args.file, p.macros.get(macro.text), macro);
  p.macros.delete(macro.text);
};

/** The one name behind a directive. Undefined, with an error, if there is none. */
function takeName(p: Preprocessor, { name, tokens }: Arguments): PpToken | undefined {
  const [t, extra] = tokens;
  if (t?.kind !== 'id') {
    p.error(`#${name.text} needs the name of a macro${t ? `, not '${t.text}'` : ''}`, (t ?? name).origin);
    return undefined;
  }
  if (extra) tooMuch(p, name, extra);
  return t;
}

function tooMuch(p: Preprocessor, name: PpToken, extra: PpToken): void {
  p.report('warning', `'${extra.text}' behind #${name.text} has no effect`, extra.origin);
}

// --- conditions ------------------------------------------------------------------------------------------------------

/** What a condition says; undefined, with an error, when it cannot be decided. */
function test(p: Preprocessor, { name, tokens }: Arguments): boolean | undefined {
  const expanded = p.expandDirective(tokens, true);
  const holds = expanded instanceof PpError ? expanded : evaluateCondition(expanded, name);
  if (!(holds instanceof PpError)) return holds;
  p.error(holds.message, holds.at);
  return undefined;
}

const ifDefined =
  (wanted: boolean) =>
  (p: Preprocessor, args: Arguments): boolean | undefined => {
    const macro = takeName(p, args);
    if (!macro) return undefined;
    p.record.mention(args.file, p.macros.get(macro.text), macro);
    return p.isDefined(macro.text) === wanted;
  };

/** Keeps account of the lines that are left out. */
function choose(p: Preprocessor, { file, line }: Arguments, change: () => void): void {
  const before = file.active;
  change();
  if (before === file.active) return;
  if (file.active) p.record.skipped(file, line.line);
  else file.skippedFrom = line.lastLine + 1;
}

const begin =
  (holds: (p: Preprocessor, args: Arguments) => boolean | undefined): Run =>
  (p, args) => {
    const outer = args.file.active;
    // A condition that cannot be decided leaves out all of its branches, so that one error does not become many.
    const yes = outer ? holds(p, args) : undefined;
    if (args.file.groups.length > 1000) return p.fatal('#if is nested too deeply', args.name.origin);
    choose(p, args, () =>
      args.file.groups.push({
        outer,
        active: outer && yes === true,
        done: yes !== false,
        sawElse: false,
        directive: args.name,
      }),
    );
  };

const elif =
  (holds: (p: Preprocessor, args: Arguments) => boolean | undefined): Run =>
  (p, args) => {
    const group = args.file.groups.at(-1);
    const { name } = args;
    if (!group) return p.error(`#${name.text} without #if`, name.origin);
    if (group.sawElse) return p.error(`#${name.text} behind #else`, name.origin);
    const yes = group.outer && !group.done ? holds(p, args) : false;
    choose(p, args, () => (group.active = yes === true));
    group.done ||= yes !== false;
  };

const otherwise: Run = (p, args) => {
  const group = args.file.groups.at(-1);
  const [extra] = args.tokens;
  if (!group) return p.error('#else without #if', args.name.origin);
  if (group.sawElse) return p.error('there is a second #else', args.name.origin);
  if (extra && group.outer) tooMuch(p, args.name, extra);
  group.sawElse = true;
  choose(p, args, () => (group.active = group.outer && !group.done));
  group.done = true;
};

const endIf: Run = (p, args) => {
  const group = args.file.groups.at(-1);
  if (!group) return p.error('#endif without #if', args.name.origin);
  const [extra] = args.tokens;
  if (extra && group.outer) tooMuch(p, args.name, extra);
  choose(p, args, () => args.file.groups.pop());
};

// --- files and lines -------------------------------------------------------------------------------------------------

/** The name of a header: as it stands, or made by macros. */
function headerName(
  p: Preprocessor,
  { line, tokens, name }: Arguments,
): { text: string; angled: boolean } | undefined {
  const written = /^[ \t\f\v]*#[ \t\f\v]*\w+[ \t\f\v]*(?:"([^"]*)"|<([^>]*)>)(.*)$/.exec(line.text);
  const known = written?.[1] ?? written?.[2];
  if (known !== undefined && known !== '') {
    const behind = written?.[3]?.trim();
    const extra = tokens.at(-1);
    if (behind && extra) tooMuch(p, name, extra);
    return { text: known, angled: written?.[1] === undefined };
  }
  const expanded = p.expandDirective(tokens);
  if (expanded instanceof PpError) {
    p.error(expanded.message, expanded.at);
    return undefined;
  }
  const m = /^(?:"([^"]+)"|<([^>]+)>)/.exec(spell(expanded));
  const text = m?.[1] ?? m?.[2];
  if (text === undefined) {
    p.error(`#${name.text} needs "file" or <file>`, (tokens[0] ?? name).origin);
    return undefined;
  }
  return { text, angled: m?.[1] === undefined };
}

const include =
  (how: 'always' | 'once' | 'next'): Run =>
  (p, args) => {
    const { file, name, tokens, line } = args;
    const header = headerName(p, args);
    const first = tokens[0]?.origin ?? name.origin;
    const place = { ...first, endColumn: tokens.at(-1)?.origin.endColumn ?? first.endColumn };
    if (!header) return;
    if (p.files.length >= maxDepth) {
      return p.fatal(`'${header.text}' is included too deeply; does it include itself?`, place);
    }
    const found = p.find(header.text, header.angled, how === 'next' ? file.searchIndex + 1 : 0);
    if (!found) {
      const where = header.angled
        ? 'in the include folders'
        : 'in the folder of this file and in the include folders';
      return p.fatal(
        `file '${header.text}' is not found ${where}: correct its name, or name its folder in "assembler.includeDirs"`,
        place,
      );
    }
    if (typeof found.content !== 'string') return p.fatal(`file '${header.text}' is not text`, place);
    p.record.includes.push({
      file: file.path,
      line: place.line,
      column: place.column + 1,
      endColumn: place.endColumn + 1,
      path: found.path,
    });
    if (p.once.has(found.path)) return;
    if (how === 'once') p.once.add(found.path);
    p.files.push(new SourceFile(found.path, found.content, file.at(line.line), found.index));
  };

const line: Run = (p, { file, line: at, name, tokens }) => {
  const expanded = p.expandDirective(tokens);
  if (expanded instanceof PpError) return p.error(expanded.message, expanded.at);
  const [number, path, extra] = expanded;
  if (!number || !/^\d{1,9}$/.test(number.text)) {
    return p.error(`#line needs the number of a line`, (number ?? name).origin);
  }
  if (path && path.kind !== 'str') return p.error(`#line needs the name of a file in quotes`, path.origin);
  if (extra) tooMuch(p, name, extra);
  const text = path?.text.slice(1, -1).replace(/\\(.)/g, '$1');
  // As debuggers do it: relative names belong to the folder of the main source.
  const full =
    text === undefined ? undefined : { path: joinPath(parentOf(p.options.path), text), spelled: text };
  file.renumber(Number(number.text), at, full);
};

const pragma: Run = (p, { file, tokens }) => {
  if (tokens[0]?.text === 'once') p.once.add(file.path);
};

/** #error and #warning: the rest of the line as it stands. */
const message =
  (severity: 'error' | 'warning'): Run =>
  (p, { line: at, name, tokens }) => {
    const text = /^[ \t\f\v]*#[ \t\f\v]*\w+(.*)$/s.exec(at.text)?.[1]?.trim();
    const end = tokens.at(-1)?.origin.endColumn ?? name.origin.endColumn;
    p.report(severity, text || `#${name.text}`, { ...name.origin, endColumn: end });
  };

const nothing: Run = () => undefined;

const always: Readonly<Record<string, Run>> = {
  if: begin(test),
  ifdef: begin(ifDefined(true)),
  ifndef: begin(ifDefined(false)),
  elif: elif(test),
  elifdef: elif(ifDefined(true)),
  elifndef: elif(ifDefined(false)),
  else: otherwise,
  endif: endIf,
};

const whereActive: Readonly<Record<string, Run>> = {
  define,
  undef: undefine,
  include: include('always'),
  include_next: include('next'),
  import: include('once'),
  line,
  pragma,
  error: message('error'),
  warning: message('warning'),
  ident: nothing,
  sccs: nothing,
};

/** All directives by the word behind `#`. Any other word makes the line a comment of the assembler. */
export const directiveTable: ReadonlyMap<string, Directive> = new Map(
  [always, whereActive].flatMap((table) =>
    Object.entries(table).map(([name, run]) => [name, { run, conditional: table === always }] as const),
  ),
);
