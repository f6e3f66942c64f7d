/**
 * Bundles the entry points into dist/. `node esbuild.mjs` builds for development (source maps);
 * `--production` is what goes into the .vsix (minified); `--watch` rebuilds on change.
 */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';

const root = path.dirname(fileURLToPath(import.meta.url));

/** Bundle -> entry point. One process each: the extension host, the debug adapter, the language server, `--trace`. */
const entries = {
  extension: 'extension/main.ts',
  server: 'extension/language-server/main.ts',
  adapter: 'debug-adapter/main.ts',
  trace: 'debug-adapter/trace-main.ts',
};

const production = process.argv.includes('--production');
const watch = process.argv.includes('--watch');

/** @type {esbuild.BuildOptions} */
const options = {
  absWorkingDir: root,
  entryPoints: entries,
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  external: ['vscode'],
  // The ES module builds of jsonc-parser and friends; their UMD builds hide `require` from a bundler.
  mainFields: ['module', 'main'],
  minify: production,
  sourcemap: !production,
  legalComments: 'none',
  logLevel: 'warning',
};

if (watch) {
  const context = await esbuild.context(options);
  await context.watch();
} else {
  await esbuild.build(options);
}
await generateInterpreter();

/** The interpreter's wasm module is generated here: the adapter would spend most of its start on it. */
async function generateInterpreter() {
  const script = path.join(root, 'dist/generate-interpreter.cjs');
  const entryPoints = ['scripts/generate-interpreter.ts'];
  await esbuild.build({ ...options, entryPoints, outdir: undefined, outfile: script, sourcemap: false });
  execFileSync(process.execPath, [script, path.join(root, 'dist/interpreter.wasm')], { stdio: 'inherit' });
  rmSync(script);
}
