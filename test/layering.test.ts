import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { layers } from '../scripts/layers.mjs';

const root = path.join(__dirname, '..');

interface Import {
  readonly specifier: string;
  /** The file of a relative import. */
  readonly target: string | undefined;
  /** Erased by the compiler: no dependency when the program runs. */
  readonly typeOnly: boolean;
}

/** Files of the project proper; specs may reach across layers. */
function sources(folder: string): string[] {
  return readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map((name) => path.join(folder, name).replaceAll('\\', '/'));
}

/** The file of a relative import; undefined for packages, and for a file that is missing (the compiler says so). */
function resolve(from: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const base = path.posix.join(path.posix.dirname(from), specifier);
  return [base, `${base}.ts`, `${base}/index.ts`].find((file) => {
    try {
      return statSync(path.join(root, file)).isFile();
    } catch {
      return false;
    }
  });
}

function importsOf(file: string): Import[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(path.join(root, file), 'utf8'),
    ts.ScriptTarget.Latest,
  );
  const imports: Import[] = [];
  const add = (node: ts.Node | undefined, typeOnly: boolean): void => {
    if (!node || !ts.isStringLiteral(node)) return;
    imports.push({ specifier: node.text, target: resolve(file, node.text), typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const clause = node.importClause;
      const named = clause?.namedBindings;
      const each =
        named && ts.isNamedImports(named) && !clause.name && named.elements.every((one) => one.isTypeOnly);
      add(node.moduleSpecifier, clause?.phaseModifier === ts.SyntaxKind.TypeKeyword || each === true);
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return imports;
}

/** The deepest folder of the table that holds a file; undefined for extension/ and others that it does not name. */
function layerOf(file: string): string | undefined {
  return Object.keys(layers)
    .filter((folder) => file.startsWith(`${folder}/`))
    .sort((a, b) => b.length - a.length)[0];
}

const within = (file: string, folder: string): boolean => file.startsWith(`${folder}/`);

describe('layering', () => {
  const graph = new Map(
    ['emulator', 'debug-adapter', 'extension']
      .flatMap(sources)
      .map((file) => [file, importsOf(file)] as const),
  );

  it('sees the imports at all', () => {
    assert.ok(graph.size > 100);
    const main = graph.get('extension/language-server/a64.ts') ?? [];
    assert.ok(main.some(({ target }) => target === 'emulator/asm/assemble.ts'));
    assert.ok(
      main.some(({ target, typeOnly }) => target === 'extension/language-server/language.ts' && typeOnly),
    );
  });

  it('lets each folder import only what the table allows', () => {
    const wrong: string[] = [];
    for (const [file, imports] of graph) {
      const layer = layerOf(file);
      const allowed =
        layer === undefined ? ['extension', 'debug-adapter', 'emulator'] : [layer, ...(layers[layer] ?? [])];
      for (const { target } of imports) {
        if (target !== undefined && !allowed.some((folder) => within(target, folder)))
          wrong.push(`${file} -> ${target}`);
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('keeps node: out of the emulator, and vscode out of all but the extension', () => {
    const wrong: string[] = [];
    for (const [file, imports] of graph) {
      for (const { specifier } of imports) {
        const node = within(file, 'emulator') && specifier.startsWith('node:');
        const vscode =
          specifier === 'vscode' && (!within(file, 'extension') || within(file, 'extension/language-server'));
        if (node || vscode) wrong.push(`${file} -> ${specifier}`);
      }
    }
    assert.deepEqual(wrong, []);
  });

  it('has no cycle of imports', () => {
    const done = new Set<string>();
    const cycles: string[] = [];
    const walk = (file: string, trail: readonly string[]): void => {
      const start = trail.indexOf(file);
      if (start >= 0) {
        cycles.push([...trail.slice(start), file].join(' -> '));
        return;
      }
      if (done.has(file)) return;
      for (const { target, typeOnly } of graph.get(file) ?? []) {
        if (target !== undefined && !typeOnly) walk(target, [...trail, file]);
      }
      done.add(file);
    };
    for (const file of graph.keys()) walk(file, []);
    assert.deepEqual(cycles, []);
  });
});
