import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type {
  Connection,
  Diagnostic as LspDiagnostic,
  Hover,
  Range,
  TextDocumentPositionParams,
} from 'vscode-languageserver';
import { DiagnosticSeverity, TextDocuments, TextDocumentSyncKind } from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { Diagnostic, Language } from './language';
import { rootOf } from './program';
import { wordAt } from './word';

/** How long typing must rest before the program is assembled. */
const PAUSE_MS = 200;

function toFile(uri: string): string | undefined {
  try {
    return fileURLToPath(uri);
  } catch {
    return undefined;
  }
}

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

/**
 * Serves one editor. A document is checked as part of its program: the nearest `main.S` that includes it, with the
 * text of open documents in place of their files.
 */
export function serve(connection: Connection, language: Language): void {
  const documents = new TextDocuments(TextDocument);
  /** Document with diagnostics -> the program that it was checked in. */
  const published = new Map<string, string>();
  const waiting = new Map<string, NodeJS.Timeout>();

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
    return file === undefined ? undefined : rootOf(file, read);
  };

  const withdraw = (uri: string): void => {
    published.delete(uri);
    void connection.sendDiagnostics({ uri, diagnostics: [] });
  };

  const check = (program: string): void => {
    const byUri = new Map<string, LspDiagnostic[]>();
    try {
      for (const diagnostic of language.diagnose(program, read)) {
        const uri = uriOf(diagnostic.file);
        byUri.set(uri, [...(byUri.get(uri) ?? []), toLsp(diagnostic, uriOf)]);
      }
    } catch (error) {
      connection.console.error(
        `Assembling ${program} failed: ${error instanceof Error ? error.stack : String(error)}`,
      );
    }
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

  const hover = ({ textDocument, position }: TextDocumentPositionParams): Hover | null => {
    const document = documents.get(textDocument.uri);
    if (!document) return null;
    const { line } = position;
    const text = document.getText({ start: { line, character: 0 }, end: { line: line + 1, character: 0 } });
    const word = wordAt(text, position.character);
    const value = word && language.hover(word.text, word.isMnemonic);
    if (!word || value === undefined) return null;
    const range = { start: { line, character: word.start }, end: { line, character: word.end } };
    return { contents: { kind: 'markdown', value }, range };
  };

  connection.onInitialize(() => ({
    capabilities: { textDocumentSync: TextDocumentSyncKind.Incremental, hoverProvider: true },
  }));
  connection.onHover(hover);
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
