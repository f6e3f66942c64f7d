import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import type { Hover, PublishDiagnosticsParams } from 'vscode-languageserver/node';
import {
  createConnection,
  createProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import type { Diagnostic, Language, ReadText } from './language';
import { serve } from './server';

/** A language in which the word `bad` is an error, to see what the server does with any language's answers. */
const language: Language = {
  analyse: (main, read) => ({
    diagnostics: diagnose(main, read),
    inactive: [],
    definitions: () => [],
    references: () => undefined,
    describe: () => undefined,
    complete: () => [],
  }),
  hover: (word, isMnemonic) => (isMnemonic ? `**${word}**` : undefined),
};

function diagnose(main: string, read: ReadText): Diagnostic[] {
  const files = [
    main,
    ...[...(read(main) ?? '').matchAll(/"(.*)"/g)].map(([, n]) => path.join(path.dirname(main), n ?? '')),
  ];
  return files.flatMap((file) =>
    (read(file) ?? '').split('\n').flatMap((text, index) => {
      if (text.includes('crash')) throw new Error('crash');
      const column = text.indexOf('bad') + 1;
      const place = { file, line: index + 1, column, endColumn: column + 3 };
      return column > 0 ? [{ ...place, message: 'bad word', severity: 'error' as const, related: [] }] : [];
    }),
  );
}

function client(): { stop: () => void; connection: ReturnType<typeof createProtocolConnection> } {
  const [up, down] = [new PassThrough(), new PassThrough()];
  const server = createConnection(new StreamMessageReader(up), new StreamMessageWriter(down));
  serve(server, language);
  const connection = createProtocolConnection(new StreamMessageReader(down), new StreamMessageWriter(up));
  connection.listen();
  return { connection, stop: () => (connection.dispose(), server.dispose()) };
}

describe('language server', () => {
  let folder = '';
  let editor: ReturnType<typeof client>;
  const heard: PublishDiagnosticsParams[] = [];
  const uri = (name: string): string => pathToFileURL(path.join(folder, name)).href;
  const open = (name: string, text: string): Promise<void> =>
    editor.connection.sendNotification('textDocument/didOpen', {
      textDocument: { uri: uri(name), languageId: 'worldswitch-asm', version: 1, text },
    });
  const change = (name: string, text: string): Promise<void> =>
    editor.connection.sendNotification('textDocument/didChange', {
      textDocument: { uri: uri(name), version: 2 },
      contentChanges: [{ text }],
    });

  /** The next publication for a file: its messages as `line:column message`. */
  async function next(name: string): Promise<string[]> {
    for (;;) {
      const index = heard.findIndex((params) => params.uri === uri(name));
      const [found] = index < 0 ? [] : heard.splice(index, 1);
      if (found) {
        return found.diagnostics.map(
          ({ range, message }) => `${range.start.line}:${range.start.character} ${message}`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-ls-'));
    writeFileSync(path.join(folder, 'main.S'), '.include "part.S"\n');
    writeFileSync(path.join(folder, 'part.S'), 'nop\n');
    heard.length = 0;
    editor = client();
    editor.connection.onNotification('textDocument/publishDiagnostics', (params: PublishDiagnosticsParams) =>
      heard.push(params),
    );
    await editor.connection.sendRequest('initialize', { processId: null, rootUri: null, capabilities: {} });
    await editor.connection.sendNotification('initialized', {});
  });

  afterEach(() => {
    editor.stop();
    rmSync(folder, { recursive: true });
  });

  it('checks the text that is typed, and takes the error back when it is mended', async () => {
    await open('alone.S', 'nop\n  bad\n');
    assert.deepEqual(await next('alone.S'), ['1:2 bad word']);
    await change('alone.S', 'nop\n');
    assert.deepEqual(await next('alone.S'), []);
  });

  it('checks an included file as a part of its main.S, and reports there', async () => {
    await open('part.S', 'bad\n');
    assert.deepEqual(await next('part.S'), ['0:0 bad word']);
    await open('main.S', '.include "part.S"\nbad\n');
    assert.deepEqual(await next('main.S'), ['1:0 bad word']);
    assert.deepEqual(await next('part.S'), ['0:0 bad word']);
  });

  it('forgets what it said of a file alone when a main.S includes it', async () => {
    await open('late.S', 'fine\nbad\n');
    assert.deepEqual(await next('late.S'), ['1:0 bad word']);
    await open('main.S', '.include "late.S"\n');
    assert.deepEqual(await next('late.S'), ['1:0 bad word']);
    await change('late.S', 'fine\n');
    assert.deepEqual(await next('late.S'), []);
  });

  it('lives on when the language throws', async () => {
    await open('alone.S', 'bad\n');
    assert.deepEqual(await next('alone.S'), ['0:0 bad word']);
    await change('alone.S', 'crash\n');
    assert.deepEqual(await next('alone.S'), []);
    await change('alone.S', 'bad\n');
    assert.deepEqual(await next('alone.S'), ['0:0 bad word']);
  });

  it('answers hover for the word under the pointer only', async () => {
    await open('alone.S', 'x: isb // nop\n');
    const hover = (character: number): Promise<Hover | null> =>
      editor.connection.sendRequest('textDocument/hover', {
        textDocument: { uri: uri('alone.S') },
        position: { line: 0, character },
      });
    const found = await hover(4);
    assert.deepEqual(found?.contents, { kind: 'markdown', value: '**isb**' });
    assert.deepEqual(found?.range?.start.character, 3);
    assert.equal(await hover(11), null);
  });
});
