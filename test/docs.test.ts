/** Keeps the user's documents honest: what they list is what the sources have, and what they show has been run. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { allHandlers } from '../debug-adapter/adapter';
import { exceptionFilters } from '../debug-adapter/arch/a64';
import { parseLaunch } from '../debug-adapter/launch/config';
import { parseArguments } from '../debug-adapter/trace-main';
import { conditionDirectives } from '../emulator/asm/directives-flow';
import { directives } from '../emulator/asm/directives';
import { memoryMap } from '../emulator/board/map';
import { cpuModels } from '../emulator/isa/a64/cpus';
import { registerScopes } from '../emulator/isa/a64/debug/registers';
import { adapterBundle } from './dap/support/client';
import { ORACLE_LIMIT } from './support/oracles';

const root = path.resolve(__dirname, '..');
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');
const sorted = (list: Iterable<string>): string[] => [...new Set(list)].sort();

interface Property {
  readonly type: string | readonly string[];
  readonly default?: unknown;
  readonly items?: { readonly properties: Readonly<Record<string, Property>> };
}
interface Manifest {
  readonly scripts: Readonly<Record<string, string>>;
  readonly contributes: {
    readonly commands: readonly { readonly title: string; readonly category: string }[];
    readonly debuggers: readonly {
      readonly configurationAttributes: {
        readonly launch: { readonly properties: Readonly<Record<string, Property>> };
      };
    }[];
  };
}

const manifest = JSON.parse(read('package.json')) as Manifest;
const attributes = manifest.contributes.debuggers[0]?.configurationAttributes.launch.properties ?? {};

/** Documents for users; CONTRIBUTING and the like only have links that are checked. */
const guides = ['README.md', ...readdirSync(path.join(root, 'docs')).map((name) => `docs/${name}`)].filter(
  (name) => name.endsWith('.md'),
);
const others = [
  'CHANGELOG.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'hypervisor/README.md',
  'hypervisor/ABI.md',
  'hypervisor/arm64/README.md',
  'debug-adapter/README.md',
  'emulator/asm/README.md',
];

/** The cells of the table whose head begins with that, without the marks around them. */
function table(file: string, head: string): string[][] {
  const lines = read(file).split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${head} |`));
  assert.ok(start >= 0, `${file} has no table "| ${head} |"`);
  const end = lines.findIndex((line, i) => i > start && !line.startsWith('|'));
  return lines.slice(start + 2, end < 0 ? undefined : end).map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.trim()),
  );
}

/** What stands in back quotes. */
const codes = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map((m) => m[1] ?? '');
const firstCodes = (rows: readonly string[][], column = 0): string[] =>
  rows.flatMap((row) => codes(row[column] ?? '').slice(0, 1));
const section = (file: string, title: string): string =>
  read(file).split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? '';

/** The names that GitHub and VS Code give to headings. */
const anchors = (file: string): Set<string> =>
  new Set(
    [...readFileSync(file, 'utf8').matchAll(/^#+ (.*)$/gm)].map((m) =>
      (m[1] ?? '')
        .toLowerCase()
        .replace(/[^\w\s-]/g, '')
        .replace(/\s/g, '-'),
    ),
  );

describe('the documents', () => {
  it('list the attributes of launch.json with their types and defaults', () => {
    const rows = table('docs/launch.md', 'Attribute');
    assert.deepEqual(sorted(firstCodes(rows)), sorted(Object.keys(attributes)));
    for (const [name = '', type, value = ''] of rows) {
      const attribute = attributes[codes(name)[0] ?? ''];
      assert.equal(type, [attribute?.type].flat().join(' or '), name);
      const [shown] = codes(value);
      if (shown !== undefined) assert.deepEqual(JSON.parse(shown), attribute?.default, name);
      assert.ok(section('docs/launch.md', codes(name)[0] ?? '') !== '', `no section for ${name}`);
    }
    const own = attributes['symbols']?.items?.properties ?? {};
    assert.deepEqual(sorted(firstCodes(table('docs/launch.md', 'Property'))), sorted(Object.keys(own)));
  });

  it('say the defaults that the adapter has', () => {
    const { stopOnEntry, memory, ...config } = parseLaunch({ program: 'p' });
    const shown = Object.fromEntries(
      table('docs/launch.md', 'Attribute').flatMap(([name = '', , value = '']) => {
        const [text] = codes(value);
        return text === undefined ? [] : [[codes(name)[0], JSON.parse(text) as unknown]];
      }),
    );
    assert.equal(shown['stopOnEntry'], stopOnEntry);
    assert.equal(shown['memory'], `${memory >> 20n}M`);
    for (const name of ['cpu', 'smp', 'hypervisor', 'trace'] as const)
      assert.equal(shown[name], config[name], name);
  });

  it('give examples of launch.json that the adapter takes', () => {
    const examples = guides.flatMap((file) =>
      [...read(file).matchAll(/```json\n([\s\S]*?)```/g)].map((m) => m[1] ?? ''),
    );
    assert.ok(examples.length >= 3);
    for (const text of examples) {
      const given = JSON.parse(text.startsWith('{') ? text : `{${text}}`) as Record<string, unknown>;
      const unknown = Object.keys(given).filter((name) => !(name in attributes));
      assert.deepEqual(
        unknown.filter((name) => !['type', 'request', 'name'].includes(name)),
        [],
      );
      parseLaunch({ ...('kernel' in given ? {} : { program: 'p' }), ...given });
    }
  });

  it('list the exception filters', () => {
    const rows = table('docs/breakpoints.md', 'Filter').map(([label, id = '']) => [label, codes(id)[0]]);
    assert.deepEqual(
      rows,
      exceptionFilters.map(({ id, label }) => [label, id]),
    );
  });

  it('list the requests of the adapter, each under its view', () => {
    const named = table('docs/views.md', 'View').flatMap(([, requests = '']) => codes(requests));
    assert.deepEqual(sorted(named), sorted(Object.keys(allHandlers)));
    const custom = Object.keys(allHandlers).filter((name) => name.startsWith('worldswitch/'));
    assert.deepEqual(sorted(firstCodes(table('docs/clients.md', 'Request'))), sorted(custom));
  });

  it('list the custom events that the adapter sends', () => {
    const sources = ['listener.ts', 'requests/lifecycle.ts'].map((name) => read(`debug-adapter/${name}`));
    const sent = [...sources.join('').matchAll(/send\('(worldswitch\/\w+)'/g)].map((m) => m[1] ?? '');
    assert.deepEqual(sorted(firstCodes(table('docs/clients.md', 'Event'))), sorted(sent));
  });

  it('list the scopes', () => {
    const rows = table('docs/views.md', 'Scope').flatMap(([name = '']) => name.split(', '));
    for (const { name } of registerScopes) assert.ok(rows.includes(name), name);
    const others = [...read('debug-adapter/inspect/scopes.ts').matchAll(/name: '([^']+)'/g)];
    assert.ok(others.length >= 5);
    for (const [, name = ''] of others) assert.ok(rows.includes(name), name);
  });

  it('list the directives of the assembler', () => {
    const named = table('docs/assembler.md', 'Group').flatMap(([, names = '']) =>
      codes(names).filter((name) => /^\.\w+$/.test(name)),
    );
    assert.deepEqual(sorted(named), sorted([...directives.keys(), ...conditionDirectives.keys()]));
  });

  it('name the CPU models and the devices of the board', () => {
    const [, model = ''] = table('docs/limits.md', 'Part').find(([part]) => part === 'CPU') ?? [];
    const models = sorted(cpuModels.keys());
    assert.deepEqual(sorted(codes(model)), models);
    assert.deepEqual(
      sorted(codes(section('docs/launch.md', 'cpu'))),
      models.map((m) => `"${m}"`),
    );
    const addresses = firstCodes(table('docs/limits.md', 'Device'), 1).map(BigInt);
    assert.deepEqual(
      addresses,
      memoryMap.map(({ base }) => base),
    );
  });

  it('list the options of the headless trace', () => {
    let usage = '';
    try {
      parseArguments(['--no-such-option']);
    } catch (error) {
      usage = (error as Error).message;
    }
    const options = [...usage.matchAll(/^ +(--[a-z-]+)/gm)].map((m) => m[1] ?? '');
    assert.ok(options.length > 0);
    assert.deepEqual(
      sorted(firstCodes(table('docs/clients.md', 'Option'))),
      sorted(options.filter((name) => name !== '--help')),
    );
  });

  for (const file of guides) {
    it(`${file}: commands exist`, () => {
      const text = read(file);
      for (const [, script = ''] of text.matchAll(/(?:`|^)npm (?:run )?(\w+)/gm))
        assert.ok(script in manifest.scripts, `npm ${script}`);
      const titles = manifest.contributes.commands.map((c) => `${c.category}: ${c.title}`);
      for (const [, title = ''] of text.matchAll(/\*(Worldswitch: [^*]+)\*/g))
        assert.ok(titles.includes(title), title);
    });
  }

  for (const file of [...guides, ...others]) {
    it(`${file}: links lead somewhere`, () => {
      const text = read(file).replace(/```[\s\S]*?```/g, '');
      for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^(https?|command):/.test(link)) continue;
        const [name = '', anchor] = link.split('#');
        const target = name === '' ? path.join(root, file) : path.resolve(root, path.dirname(file), name);
        assert.ok(existsSync(target), `${link} in ${file}`);
        if (anchor !== undefined) assert.ok(anchors(target).has(anchor), `${link} in ${file}`);
      }
    });
  }

  it('show a DAP client that works, and what it prints', function () {
    const text = read('docs/clients.md');
    const program = /```js\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
    const printed = /It prints:\n\n```\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
    assert.ok(program !== '' && printed !== '');
    const folder = mkdtempSync(path.join(tmpdir(), 'worldswitch-docs-'));
    try {
      const client = path.join(folder, 'client.mjs');
      writeFileSync(client, program);
      const sample = path.join(root, 'hypervisor', 'arm64');
      const result = spawnSync(process.execPath, [client, adapterBundle(), sample], {
        encoding: 'utf8',
        timeout: ORACLE_LIMIT,
      });
      assert.equal(result.stderr, '');
      assert.equal(result.stdout, printed);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
