/**
 * The C preprocessor for assembly, as cpp does it for sources that end in `.S`: it reads a file and what that includes
 * and makes the lines that the assembler gets, each with the place that it comes from.
 */
import { includeStack, type Diagnostic, type Diagnostics } from '../diagnostics';
import { maxLines, type InputLine } from '../input';
import { joinPath, parentOf } from '../paths';
import { directiveTable } from './directives';
import { Expander } from './expand';
import { locate, type LogicalLine } from './lines';
import { PpError, type MacroDefinition } from './macro-definition';
import { outsideDefinition, predefinedMacros } from './predefined';
import { Recorder } from './record';
import { SourceFile } from './source-file';
import { lex, spell, type Expansion, type Origin, type Placed, type PpToken } from './tokens';

export interface PreprocessOptions {
  readonly path: string;
  readonly text: string;
  /** Name of the instruction set. */
  readonly isa: string;
  /** The content of a file; undefined if there is none. */
  readonly load: (path: string) => string | Uint8Array | undefined;
  readonly includeDirs: readonly string[];
  readonly defines: Readonly<Record<string, string>>;
  readonly diagnostics: Diagnostics;
}

const directivePattern = /^[ \t\f\v]*#/;
const identifiers = /[A-Za-z_]\w*/g;

/** The macros through which a token came, for the stack of a diagnostic. */
function macroStack(via: Expansion | undefined): Diagnostic['stack'] {
  const out: Diagnostic['stack'][number][] = [];
  for (let e = via; e && out.length < 10; e = e.outer) {
    const { at, name } = e.macro;
    if (at) out.push({ file: at.file, line: at.origin.line, text: `in macro ${name}` });
  }
  return out;
}

export class Preprocessor {
  readonly macros: Map<string, MacroDefinition>;
  readonly record = new Recorder();
  readonly files: SourceFile[] = [];
  /** Files that are read only once. */
  readonly once = new Set<string>();
  readonly #expander: Expander;
  /** A condition is being expanded: names such as `defined` have a meaning. */
  #inCondition = false;
  readonly #out: InputLine[] = [];
  #counter = 0;
  #count = 0;

  constructor(readonly options: PreprocessOptions) {
    this.macros = predefinedMacros(options.isa, {
      line: (use) => this.file?.presumedLine(use.line) ?? 0,
      file: () => this.file?.spelled ?? options.path,
      mainFile: () => options.path,
      includeLevel: () => this.files.length - 1,
      counter: () => this.#counter++,
    });
    this.#expander = new Expander({
      macros: this.macros,
      moreTokens: () => this.#moreTokens(),
      used: (macro, name, end) => this.record.use(this.file, macro, name, end),
      operator: (name, read) => (this.#inCondition ? this.#operator(name, read) : undefined),
    });
    for (const [name, value] of Object.entries(options.defines)) {
      const m = outsideDefinition(name, value);
      if (m instanceof PpError) {
        const place = { file: options.path, line: 1, column: 1, endColumn: 1, stack: [] };
        const text = `'${name}', which is defined outside of the source, is no macro: ${m.message}`;
        options.diagnostics.add('error', place, text);
      } else this.macros.set(m.name, m);
    }
  }

  get file(): SourceFile | undefined {
    return this.files.at(-1);
  }

  /** The lines for the assembler. When there are errors, the source cannot be assembled. */
  run(): InputLine[] {
    this.files.push(new SourceFile(this.options.path, this.options.text, undefined, 0));
    for (let file = this.file; file; file = this.file) {
      const line = file.next();
      if (!line) this.#close(file);
      else if (directivePattern.test(line.text)) this.#directive(file, line);
      else if (file.active) this.#text(file, line);
      if (++this.#count > maxLines) {
        this.fatal(`the source has more than ${maxLines} lines with what it includes`, undefined);
      }
    }
    return this.#out;
  }

  // --- diagnostics -------------------------------------------------------------------------------------------------

  /** Reports at a place of the current file. */
  report(
    severity: 'error' | 'warning',
    message: string,
    origin: Origin | undefined,
    more: Diagnostic['stack'] = [],
  ): void {
    const { file } = this;
    // After a fatal error there is no more to say.
    if (!file) return;
    const o = origin ?? { line: file.current?.line ?? 1, column: 0, endColumn: 0 };
    const at = file.at(o.line);
    const stack = [...more, ...macroStack(o.via), ...includeStack(at)];
    const place = { ...at, column: o.column + 1, endColumn: o.endColumn + 1, stack };
    this.options.diagnostics.add(severity, place, message);
    if (this.options.diagnostics.full) this.files.length = 0;
  }

  error(message: string, origin: Origin | undefined): void {
    this.report('error', message, origin);
  }

  /** Ends the run: what follows would only repeat the error. */
  fatal(message: string, origin: Origin | undefined): void {
    this.error(message, origin);
    this.files.length = 0;
  }

  // --- lines -------------------------------------------------------------------------------------------------------

  #close(file: SourceFile): void {
    this.record.skipped(file, (file.current?.lastLine ?? 0) + 1);
    if (file.current?.openComment !== undefined) {
      this.error('the comment that begins here has no end', {
        line: file.current.openComment,
        column: 0,
        endColumn: 0,
      });
    }
    for (const g of file.groups.splice(0)) {
      this.error(`the #${g.directive.text} that begins here has no #endif`, g.directive.origin);
    }
    this.files.pop();
  }

  /** Handles a line that begins with `#`. @returns whether it was a directive */
  #directive(file: SourceFile, line: LogicalLine): boolean {
    const tokens = lex(line.text, file.places(line), line.text.indexOf('#') + 1);
    const [name, ...rest] = tokens;
    const directive = name?.kind === 'id' ? directiveTable.get(name.text) : undefined;
    if (!name || !directive) {
      // Assembly may begin comments with `#`; a line marker is for the assembler.
      if (name?.kind === 'num' && file.active) this.#emit(file, line, line.text, undefined);
      return name === undefined;
    }
    if (!file.active && !directive.conditional) return true;
    directive.run(this, { file, line, name, tokens: rest });
    return true;
  }

  /** A line of text. */
  #text(file: SourceFile, line: LogicalLine): void {
    if (!this.#hasMacro(line.text)) {
      if (line.text.trim() === '') return;
      this.#emit(file, line, line.text, line.parts ? file.places(line) : undefined);
      return;
    }
    const tokens = lex(line.text, file.places(line));
    const r = this.#expander.line(tokens, true);
    this.record.lineDone(r instanceof PpError ? [] : r.tokens);
    if (r instanceof PpError) {
      this.error(r.message, r.at);
      return;
    }
    if (r.unread && file.current) file.putBack(file.current);
    const pieces: Placed[] = [];
    const text = spell(r.tokens, pieces);
    if (text !== '') this.#emit(file, line, text, (from, to) => originOf(pieces, from, to));
  }

  /** What follows a directive, with its macros replaced. */
  expandDirective(tokens: readonly PpToken[], condition = false): readonly PpToken[] | PpError {
    this.#inCondition = condition;
    const r = this.#expander.line(tokens, false);
    this.#inCondition = false;
    const made = r instanceof PpError ? r : r.tokens;
    this.record.lineDone(made instanceof PpError ? [] : made);
    return made;
  }

  #hasMacro(text: string): boolean {
    identifiers.lastIndex = 0;
    for (let m = identifiers.exec(text); m; m = identifiers.exec(text)) {
      if (this.macros.has(m[0])) return true;
    }
    return false;
  }

  #emit(
    file: SourceFile,
    line: LogicalLine,
    text: string,
    origin: ((from: number, to: number) => Origin) | undefined,
  ): void {
    // A comment over several lines may stand before the first token.
    const first = line.parts ? locate(line, line.text.search(/\S/), line.text.length).line : line.line;
    const at = file.at(first);
    if (!origin) {
      this.#out.push({ text, at, written: at });
      return;
    }
    const shift = at.line - first;
    const place: InputLine['locate'] = (from, to) => {
      const o = origin(from, to);
      return {
        line: o.line + shift,
        column: o.column,
        endColumn: o.endColumn,
        stack: macroStack(o.via),
      };
    };
    this.#out.push({ text, at, written: at, locate: place });
  }

  /** The tokens of the next line of the same file, for arguments that go on there. Directives between are done. */
  #moreTokens(): readonly PpToken[] | undefined {
    const { file } = this;
    for (let line = file?.next(); file && line; line = file.next()) {
      if (directivePattern.test(line.text)) {
        if (this.#directive(file, line)) {
          if (this.file !== file) return undefined;
          continue;
        }
      }
      if (file.active) return lex(line.text, file.places(line));
    }
    return undefined;
  }

  // --- names with a meaning in conditions --------------------------------------------------------------------------

  isDefined(name: string): boolean {
    return this.macros.has(name) || name === '__has_include';
  }

  #operator(name: PpToken, read: () => PpToken | undefined): PpToken | PpError | undefined {
    if (name.text !== 'defined' && name.text !== '__has_include') return undefined;
    const isDefined = name.text === 'defined';
    const first = read();
    const bracket = first?.kind === 'punct' && first.text === '(';
    const list: PpToken[] = [];
    let t = bracket ? read() : first;
    if (isDefined || !bracket) {
      if (t) list.push(t);
      t = bracket ? read() : undefined;
    } else {
      for (; t && !(t.kind === 'punct' && t.text === ')'); t = read()) list.push(t);
    }
    if (bracket && t?.text !== ')') return new PpError(`'${name.text}(' has no ')'`, name.origin);
    const [what] = list;
    const truth = (v: boolean): PpToken => ({ ...name, kind: 'num', text: v ? '1' : '0' });
    if (isDefined) {
      if (what?.kind !== 'id') return new PpError(`'defined' needs a name`, (what ?? name).origin);
      this.record.mention(this.file, this.macros.get(what.text), what);
      return truth(this.isDefined(what.text));
    }
    const m = /^(?:"([^"]*)"|<([^>]*)>)$/.exec(spell(list));
    const header = m?.[1] ?? m?.[2];
    if (header === undefined) return new PpError(`'__has_include' needs "file" or <file>`, name.origin);
    return truth(this.find(header, m?.[1] === undefined, 0) !== undefined);
  }

  // --- includes ----------------------------------------------------------------------------------------------------

  /** Looks for a header. `start`: the first of the include folders. */
  find(
    name: string,
    angled: boolean,
    start: number,
  ): { path: string; content: string | Uint8Array; index: number } | undefined {
    const { includeDirs, load } = this.options;
    const folders = includeDirs.map((folder, index) => ({ folder, index: index + 1 }));
    const own = this.file ? [{ folder: parentOf(this.file.path), index: 0 }] : [];
    for (const { folder, index } of [...(angled ? [] : own), ...folders]) {
      if (index < start) continue;
      const path = joinPath(folder, name);
      const content = load(path);
      if (content !== undefined) return { path, content, index };
    }
    return undefined;
  }
}

/** The origin of a range of the text that tokens made. */
function originOf(pieces: readonly Placed[], from: number, to: number): Origin {
  let low = 0;
  let high = pieces.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((pieces[middle]?.from ?? 0) <= from) low = middle;
    else high = middle - 1;
  }
  const first = pieces[low];
  if (!first) return { line: 1, column: 0, endColumn: 0 };
  let last = first;
  for (let i = low; i < pieces.length && (pieces[i]?.from ?? 0) < to; i++) last = pieces[i] ?? last;
  const o = first.origin;
  if (
    last === first &&
    from >= first.from &&
    to <= first.to &&
    o.endColumn - o.column === first.to - first.from
  ) {
    // A part of a token that stands in the source: `x` in `x:`, say.
    const column = o.column + (from - first.from);
    return { ...o, column, endColumn: column + (to - from) };
  }
  const end = last.origin.line === o.line ? Math.max(last.origin.endColumn, o.endColumn) : o.endColumn;
  return { ...o, endColumn: end };
}
