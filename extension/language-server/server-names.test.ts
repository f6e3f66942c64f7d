/** The server with the real language, over the protocol: names, completions, settings, lines that are left out. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import type { CompletionItem, Hover, Location, PublishDiagnosticsParams } from 'vscode-languageserver/node';
import {
  createConnection,
  createProtocolConnection,
  DiagnosticTag,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-languageserver/node';
import { a64 } from './a64';
import { serve } from './server';

describe('language server with AArch64', () => {
  let folder = '';
  let stop = (): void => undefined;
  let editor: ReturnType<typeof createProtocolConnection>;
  let settings: unknown;
  let heard: PublishDiagnosticsParams[] = [];
  const uri = (name: string): string => pathToFileURL(path.join(folder, name)).href;

  beforeEach(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-ls-'));
    mkdirSync(path.join(folder, 'inc'));
    writeFileSync(path.join(folder, 'inc/regs.h'), '#define OFFSET (8 * 2)\n');
    heard = [];
    settings = { defines: { WANTED: '1' }, includeDirs: ['inc'] };
    const [up, down] = [new PassThrough(), new PassThrough()];
    const server = createConnection(new StreamMessageReader(up), new StreamMessageWriter(down));
    serve(server, a64);
    editor = createProtocolConnection(new StreamMessageReader(down), new StreamMessageWriter(up));
    stop = (): void => (editor.dispose(), server.dispose());
    editor.listen();
    editor.onRequest('workspace/configuration', ({ items }: { items: { section: string }[] }) =>
      items.map(({ section }) => (section === 'worldswitch.assembler' ? settings : null)),
    );
    editor.onNotification('textDocument/publishDiagnostics', (params: PublishDiagnosticsParams) =>
      heard.push(params),
    );
    await editor.sendRequest('initialize', {
      processId: null,
      rootUri: null,
      capabilities: { workspace: { configuration: true } },
      workspaceFolders: [{ uri: pathToFileURL(folder).href, name: 'w' }],
    });
    await editor.sendNotification('initialized', {});
  });

  afterEach(async () => {
    await editor.sendRequest('shutdown');
    stop();
    rmSync(folder, { recursive: true });
  });

  const open = (name: string, lines: readonly string[]): Promise<void> =>
    editor.sendNotification('textDocument/didOpen', {
      textDocument: { uri: uri(name), languageId: 'worldswitch-asm', version: 1, text: lines.join('\n') },
    });

  async function next(name: string): Promise<PublishDiagnosticsParams> {
    for (;;) {
      const index = heard.findIndex((params) => params.uri === uri(name));
      const [found] = index < 0 ? [] : heard.splice(index, 1);
      if (found) return found;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  const at = (name: string, line: number, character: number): object => ({
    textDocument: { uri: uri(name) },
    position: { line, character },
  });

  it('takes macros and include folders from the settings, and their changes', async () => {
    await open('main.S', ['#include <regs.h>', '#ifdef WANTED', 'mov x0, #OFFSET', '#else', 'bad', '#endif']);
    const [hint, ...more] = (await next('main.S')).diagnostics;
    assert.deepEqual(more, []);
    assert.deepEqual(hint?.tags, [DiagnosticTag.Unnecessary]);
    assert.deepEqual(
      [hint?.range.start, hint?.range.end],
      [
        { line: 4, character: 0 },
        { line: 5, character: 0 },
      ],
    );
    settings = { defines: {}, includeDirs: ['inc'] };
    await editor.sendNotification('workspace/didChangeConfiguration', { settings: null });
    const found = (await next('main.S')).diagnostics.map(
      ({ range, message }) => `${range.start.line} ${message}`,
    );
    assert.deepEqual(found, ["4 unknown instruction or macro 'bad'", '2 Left out by #if.']);
    settings = null;
    await editor.sendNotification('workspace/didChangeConfiguration', { settings: null });
    assert.match((await next('main.S')).diagnostics[0]?.message ?? '', /file 'regs.h' is not found/);
  });

  it('goes to definitions, finds references, shows expansions', async () => {
    await open('main.S', ['#include <regs.h>', 'start: mov x0, #OFFSET', 'b start']);
    const definition = (line: number, character: number): Promise<Location[] | null> =>
      editor.sendRequest('textDocument/definition', at('main.S', line, character));
    assert.deepEqual(await definition(1, 17), [
      {
        uri: uri('inc/regs.h'),
        range: { start: { line: 0, character: 8 }, end: { line: 0, character: 14 } },
      },
    ]);
    assert.equal((await definition(2, 3))?.[0]?.range.start.line, 1);
    assert.equal(await definition(2, 1), null);
    const references: Location[] | null = await editor.sendRequest('textDocument/references', {
      ...at('main.S', 1, 17),
      context: { includeDeclaration: true },
    });
    assert.deepEqual(
      references?.map((l) => l.uri),
      [uri('inc/regs.h'), uri('main.S')],
    );
    const hover: Hover | null = await editor.sendRequest('textDocument/hover', at('main.S', 1, 17));
    assert.match(JSON.stringify(hover?.contents), /#define OFFSET \(8 \* 2\).*becomes here.*\(8 \* 2\)/);
  });

  it('completes what is typed', async () => {
    await open('main.S', ['#include <regs.h>', 'mov x0, #', '#if']);
    const labels = async (line: number, character: number): Promise<string[]> => {
      const items: CompletionItem[] = await editor.sendRequest(
        'textDocument/completion',
        at('main.S', line, character),
      );
      return items.map(({ label }) => label);
    };
    assert.ok((await labels(1, 9)).includes('OFFSET'));
    assert.ok((await labels(2, 3)).includes('ifdef'));
  });
});
