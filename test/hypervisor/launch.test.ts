/** Every launch configuration of the reference hypervisor runs to its end, and prints what docs/stories.md shows. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { DapClient } from '../dap/support/client';
import { SOURCES } from './program';

interface Configuration {
  readonly name: string;
  readonly type: string;
  readonly program: string;
  readonly smp?: number;
}

const STORIES = path.resolve(__dirname, '../../docs/stories.md');

function configurations(): Configuration[] {
  const file = path.join(SOURCES, '.vscode/launch.json');
  const text = readFileSync(file, 'utf8').replaceAll('${workspaceFolder}', SOURCES);
  return (JSON.parse(text) as { configurations: Configuration[] }).configurations;
}

/** The ```text blocks of each story, by the heading above them. */
export function quotes(markdown: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const part of markdown.split(/^## /m).slice(1)) {
    const [title = '', ...rest] = part.split('\n');
    const blocks = [...rest.join('\n').matchAll(/^```text\n([^]*?)^```$/gm)].map((m) => m[1] ?? '');
    found.set(title.trim(), blocks);
  }
  return found;
}

/** The first quoted line that does not follow the ones before it in what was printed; `...` stands for any lines. */
export function missing(blocks: readonly string[], printed: string): string | undefined {
  const lines = printed.split('\n').map((l) => l.trimEnd());
  let at = 0;
  for (const block of blocks)
    for (const wanted of block.split('\n').filter((l) => l.trim() !== '' && l.trim() !== '...')) {
      const found = lines.indexOf(wanted.trimEnd(), at);
      if (found < 0) return wanted;
      at = found + 1;
    }
  return undefined;
}

async function run(configuration: Configuration): Promise<string> {
  const client = new DapClient();
  try {
    let over = false;
    let stop: Promise<unknown> = client.start({ ...configuration });
    const end = client.event('terminated', 60_000).then(() => (over = true));
    for (let stops = 0; ; stops++) {
      assert.ok(stops < 20, 'it stops again and again');
      await Promise.race([stop, end]);
      if (over) break;
      stop = client.event('stopped', 60_000).catch(() => undefined);
      await client.ok('continue', { threadId: 1 });
    }
    return client
      .events('output')
      .filter((e) => e['category'] === 'stdout')
      .map((e) => String(e['output']))
      .join('');
  } finally {
    await client.close();
  }
}

describe('The launch configurations of the reference hypervisor', function () {
  const all = configurations();
  const told = quotes(existsSync(STORIES) ? readFileSync(STORIES, 'utf8') : '');

  it('have a story each, and each story has one', () => {
    assert.deepEqual(
      [...told.keys()].filter((n) => told.get(n)!.length > 0).sort(),
      all.map((c) => c.name).sort(),
    );
  });

  for (const c of all)
    it(`${c.name}: runs to its end and prints what its story says`, async () => {
      const printed = await run(c);
      assert.equal(missing(told.get(c.name) ?? [], printed), undefined, printed);
      assert.ok((told.get(c.name) ?? []).length > 0, 'docs/stories.md quotes nothing of it');
    });

  it('are told apart from stories that are not true', () => {
    const blocks = ['one\n...\nthree\n', 'four\n'];
    assert.equal(missing(blocks, 'one\ntwo\nthree\nfour\n'), undefined);
    assert.equal(missing(blocks, 'one\ntwo\nfour\nthree\n'), 'four');
    assert.equal(missing(blocks, 'one\nthree!\nfour\n'), 'three');
    assert.deepEqual(
      quotes('# x\n## A b\ntext\n```text\none\n```\n```sh\nno\n```\n## C\n'),
      new Map([
        ['A b', ['one\n']],
        ['C', []],
      ]),
    );
  });
});
