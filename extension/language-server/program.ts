/**
 * Which program a source file belongs to. A file of assembly is often a part: it is included by the folder's
 * `main.S`, and neither assembles nor runs alone.
 */
import path from 'node:path';

/** Reads a file's text; undefined when there is none. */
export type ReadText = (file: string) => string | undefined;

/** `.include "name"` as GNU as has it, and `#include "name"` or `<name>` of the preprocessor; one a line. */
const INCLUDE = /^[ \t]*(?:\.include|#[ \t]*include)[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)/gm;

/** How many folders upwards are searched for a `main.S`. */
const MAX_LEVELS = 4;

/**
 * The files that `main` includes, itself first, each once; names are looked for beside the root and the includer, and in
 * the include folders.
 */
export function includedFiles(main: string, read: ReadText, includeDirs: readonly string[] = []): string[] {
  const found = new Set<string>();
  const queue = [main];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (found.has(file)) continue;
    const text = read(file);
    if (text === undefined) continue;
    found.add(file);
    const own = [path.dirname(main), path.dirname(file)];
    for (const [, quoted, angled] of text.matchAll(INCLUDE)) {
      const name = quoted ?? angled;
      if (name === undefined) continue;
      const folders = angled === undefined ? [...own, ...includeDirs] : includeDirs;
      queue.push(...folders.map((folder) => path.resolve(folder, name)));
    }
  }
  return [...found];
}

/** The nearest `main.S` in the file's folder or above that includes `file`; the file itself when there is none. */
export function rootOf(file: string, read: ReadText, includeDirs: readonly string[] = []): string {
  let folder = path.dirname(file);
  for (let level = 0; level < MAX_LEVELS; level++) {
    const main = path.join(folder, 'main.S');
    if (includedFiles(main, read, includeDirs).includes(file)) return main;
    const parent = path.dirname(folder);
    if (parent === folder) break;
    folder = parent;
  }
  return file;
}
