import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type {
  Connection,
  Diagnostic as LspDiagnostic,
  Hover,
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

function toLsp({ line, column, endColumn, message, severity }: Diagnostic): LspDiagnostic {
  const at = Math.max(0, line - 1);
  return {
    range: {
      start: { line: at, character: Math.max(0, column - 1) },
      end: { line: at, character: Math.max(0, endColumn - 1) },
    },
    message,
    severity: severity === 'warning' ? DiagnosticSeverity.Warning : DiagnosticSeverity.Error,
    source: 'Worldswitch',
  };
}

/**
 * Serves one editor. A document is checked as part of its program: the nearest `main.S` that includes it, with the
 * text of open documents in place of their files.
 */
export function serve(connection: Connection, language: Language): void {
  const documents = new TextDocuments(TextDocument);
  /** Program -> the documents for which it has published diagnostics. */
  const published = new Map<string, Set<string>>();
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

  const check = (program: string): void => {
    const byUri = new Map<string, LspDiagnostic[]>();
    try {
      for (const diagnostic of language.diagnose(program, read)) {
        const uri = uriOf(diagnostic.file);
        byUri.set(uri, [...(byUri.get(uri) ?? []), toLsp(diagnostic)]);
      }
    } catch (error) {
      connection.console.error(
        `Assembling ${program} failed: ${error instanceof Error ? error.stack : String(error)}`,
      );
    }
    for (const uri of published.get(program) ?? []) {
      if (!byUri.has(uri)) void connection.sendDiagnostics({ uri, diagnostics: [] });
    }
    for (const [uri, diagnostics] of byUri) void connection.sendDiagnostics({ uri, diagnostics });
    published.set(program, new Set(byUri.keys()));
  };

  const checkSoon = (uri: string): void => {
    const file = toFile(uri);
    if (file === undefined) return;
    const program = rootOf(file, read);
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
    return { contents: { kind: 'markdown', value: value as string }, range };
  };

  connection.onInitialize(() => ({
    capabilities: { textDocumentSync: TextDocumentSyncKind.Incremental, hoverProvider: true },
  }));
  connection.onHover(hover);
  // A file that changes on disk may be included by any open document.
  connection.onDidChangeWatchedFiles(() => documents.all().forEach(({ uri }) => checkSoon(uri)));
  documents.onDidChangeContent(({ document }) => checkSoon(document.uri));
  documents.onDidClose(({ document }) => {
    const file = toFile(document.uri);
    if (file === undefined) return;
    const program = rootOf(file, read);
    // The last open document of a program takes what was said about it along.
    if (documents.all().some(({ uri }) => rootOf(toFile(uri) ?? '', read) === program)) return;
    for (const uri of published.get(program) ?? []) void connection.sendDiagnostics({ uri, diagnostics: [] });
    published.delete(program);
  });
  documents.listen(connection);
  connection.listen();
}
