import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import type {
  CompletionItem,
  Connection,
  Diagnostic as LspDiagnostic,
  Hover,
  Location,
  Range,
  TextDocumentPositionParams,
} from 'vscode-languageserver';
import {
  CompletionItemKind,
  DiagnosticSeverity,
  DiagnosticTag,
  TextDocuments,
  TextDocumentSyncKind,
} from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { Analysis, Diagnostic, InactiveLines, Language, NameAt, Place, Proposal } from './language';
import { rootOf } from './program';
import { wordAt, type Word } from './word';
import { toFile, Workspace } from './workspace';

/** How long typing must rest before the program is assembled. */
const PAUSE_MS = 200;

const SEVERITIES = {
  error: DiagnosticSeverity.Error,
  warning: DiagnosticSeverity.Warning,
  info: DiagnosticSeverity.Information,
} as const;

function lineRange(line: number, from = 1, to = from): Range {
  const at = Math.max(0, line - 1);
  return {
    start: { line: at, character: Math.max(0, from - 1) },
    end: { line: at, character: Math.max(0, to - 1) },
  };
}

function toLsp(diagnostic: Diagnostic, uriOf: (file: string) => string): LspDiagnostic {
  const { line, column, endColumn, message, severity, related } = diagnostic;
  return {
    range: lineRange(line, column, endColumn),
    message,
    severity: SEVERITIES[severity],
    source: 'Worldswitch',
    relatedInformation: related.map(({ file, line: at, text }) => ({
      location: { uri: uriOf(file), range: lineRange(at) },
      message: text,
    })),
  };
}

/** Editors show what this marks in grey. */
function inactiveHint({ from, to }: InactiveLines): LspDiagnostic {
  return {
    range: { start: { line: from - 1, character: 0 }, end: { line: to, character: 0 } },
    message: 'Left out by #if.',
    severity: DiagnosticSeverity.Hint,
    tags: [DiagnosticTag.Unnecessary],
    source: 'Worldswitch',
  };
}

const COMPLETION_KINDS: Readonly<Record<Proposal['kind'], CompletionItemKind>> = {
  instruction: CompletionItemKind.Function,
  directive: CompletionItemKind.Keyword,
  sysreg: CompletionItemKind.Variable,
  operation: CompletionItemKind.EnumMember,
  symbol: CompletionItemKind.Reference,
  macro: CompletionItemKind.Snippet,
  constant: CompletionItemKind.Constant,
};

/**
 * Serves one editor. A document is checked as part of its program: the nearest `main.S` that includes it, with the
 * text of open documents in place of their files.
 */
export function serve(connection: Connection, language: Language): void {
  const documents = new TextDocuments(TextDocument);
  /** Document with diagnostics -> the program that it was checked in. */
  const published = new Map<string, string>();
  const waiting = new Map<string, NodeJS.Timeout>();
  const workspace = new Workspace(connection);
  /** What was found out about programs; forgotten when a document changes. */
  const analyses = new Map<string, Analysis>();
  /** The settings are known: before that nothing can be said. */
  let ready = false;
  let settle = (): void => undefined;
  const loaded = new Promise<void>((resolve) => (settle = resolve));

  const uriOf = (file: string): string =>
    documents.all().find(({ uri }) => toFile(uri) === file)?.uri ?? pathToFileURL(file).href;

  const read = (file: string): string | undefined => {
    const open = documents.all().find(({ uri }) => toFile(uri) === file);
    if (open) return open.getText();
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return undefined;
    }
  };

  const programOf = (uri: string): string | undefined => {
    const file = toFile(uri);
    return file === undefined ? undefined : rootOf(file, read, workspace.settingsOf(file).includeDirs);
  };

  const withdraw = (uri: string): void => {
    published.delete(uri);
    void connection.sendDiagnostics({ uri, diagnostics: [] });
  };

  const analyse = (program: string): Analysis | undefined => {
    const known = analyses.get(program);
    if (known) return known;
    try {
      const made = language.analyse(program, read, workspace.settingsOf(program));
      analyses.set(program, made);
      return made;
    } catch (error) {
      connection.console.error(
        `Assembling ${program} failed: ${error instanceof Error ? error.stack : String(error)}`,
      );
      return undefined;
    }
  };

  const check = (program: string): void => {
    const byUri = new Map<string, LspDiagnostic[]>();
    const add = (file: string, diagnostic: LspDiagnostic): void => {
      const uri = uriOf(file);
      const list = byUri.get(uri);
      if (list) list.push(diagnostic);
      else byUri.set(uri, [diagnostic]);
    };
    const analysis = analyse(program);
    for (const diagnostic of analysis?.diagnostics ?? []) add(diagnostic.file, toLsp(diagnostic, uriOf));
    for (const lines of analysis?.inactive ?? []) add(lines.file, inactiveHint(lines));
    // A document may have belonged to another program before, when nothing included it.
    for (const [uri, former] of published) {
      if (!byUri.has(uri) && (former === program || programOf(uri) === program)) withdraw(uri);
    }
    for (const [uri, diagnostics] of byUri) {
      published.set(uri, program);
      void connection.sendDiagnostics({ uri, diagnostics });
    }
  };

  const checkSoon = (uri: string): void => {
    // The settings decide what belongs to a program, and what it says.
    if (!ready) return;
    analyses.clear();
    const program = programOf(uri);
    if (program === undefined) return;
    clearTimeout(waiting.get(program));
    waiting.set(
      program,
      setTimeout(() => {
        waiting.delete(program);
        check(program);
      }, PAUSE_MS),
    );
  };

  const lineAt = ({ textDocument, position: { line } }: TextDocumentPositionParams): string | undefined =>
    documents
      .get(textDocument.uri)
      ?.getText({ start: { line, character: 0 }, end: { line: line + 1, character: 0 } })
      .replace(/\r?\n$/, '');

  /** The word under the cursor, as a name in its program. */
  const nameAt = async (
    params: TextDocumentPositionParams,
  ): Promise<{ word: Word; name: NameAt; analysis: Analysis | undefined } | undefined> => {
    await loaded;
    const { textDocument, position } = params;
    const file = toFile(textDocument.uri);
    const program = programOf(textDocument.uri);
    const word = wordAt(lineAt(params) ?? '', position.character);
    if (!word || file === undefined || program === undefined) return undefined;
    const { text, start, end } = word;
    const name = { text, file, line: position.line + 1, column: start + 1, endColumn: end + 1 };
    return { word, name, analysis: analyse(program) };
  };

  const toLocation = ({ file, line, column, endColumn }: Place): Location => ({
    uri: uriOf(file),
    range: lineRange(line, column, endColumn),
  });

  const hover = async (params: TextDocumentPositionParams): Promise<Hover | null> => {
    const at = await nameAt(params);
    if (!at) return null;
    const { word, name, analysis } = at;
    // A macro may have the name of an instruction: it comes first, as in the assembler.
    const value = analysis?.describe(name) ?? language.hover(word.text, word.isMnemonic);
    if (value === undefined) return null;
    return {
      contents: { kind: 'markdown', value },
      range: lineRange(name.line, name.column, name.endColumn),
    };
  };

  const complete = async (params: TextDocumentPositionParams): Promise<CompletionItem[]> => {
    await loaded;
    const program = programOf(params.textDocument.uri);
    const analysis = program === undefined ? undefined : analyse(program);
    const found = analysis?.complete(lineAt(params) ?? '', params.position.character + 1) ?? [];
    return found.map(({ label, kind, doc }) => ({
      label,
      kind: COMPLETION_KINDS[kind],
      ...(doc === undefined ? {} : { documentation: doc }),
    }));
  };

  const loadSettings = async (): Promise<void> => {
    try {
      await workspace.load();
    } catch (error) {
      connection.console.error(`The settings were not read: ${String(error)}`);
    }
    ready = true;
    settle();
    documents.all().forEach(({ uri }) => checkSoon(uri));
  };

  connection.onInitialize((params) => {
    workspace.initialize(params);
    return {
      capabilities: {
        textDocumentSync: TextDocumentSyncKind.Incremental,
        hoverProvider: true,
        definitionProvider: true,
        referencesProvider: true,
        completionProvider: { triggerCharacters: ['.', '#'] },
      },
    };
  });
  connection.onInitialized(() => void loadSettings());
  connection.onDidChangeConfiguration(() => void loadSettings());
  connection.onHover(hover);
  connection.onDefinition(async (params) => {
    const at = await nameAt(params);
    return at?.analysis?.definitions(at.name).map(toLocation) ?? null;
  });
  connection.onReferences(async (params) => {
    const at = await nameAt(params);
    return at?.analysis?.references(at.name)?.map(toLocation) ?? null;
  });
  connection.onCompletion(complete);
  connection.onShutdown(() => waiting.forEach((timer) => clearTimeout(timer)));
  // A file that changes on disk may be included by any open document.
  connection.onDidChangeWatchedFiles(() => documents.all().forEach(({ uri }) => checkSoon(uri)));
  documents.onDidChangeContent(({ document }) => checkSoon(document.uri));
  documents.onDidClose(({ document }) => {
    const program = programOf(document.uri);
    // The last open document of a program takes what was said about it along.
    if (documents.all().some(({ uri }) => programOf(uri) === program)) return;
    for (const [uri, owner] of published) if (owner === program) withdraw(uri);
  });
  documents.listen(connection);
  connection.listen();
}
