/**
 * Which program a source file belongs to. A file of assembly is often a part: it is included by the folder's
 * `main.S`, and neither assembles nor runs alone.
 */
import path from 'node:path';

/** Reads a file's text; undefined when there is none. */
export type ReadText = (file: string) => string | undefined;

/** `.include "name"` as GNU as has it, one a line. */
const INCLUDE = /^[ \t]*\.include[ \t]+"([^"\n]+)"/gm;

/** How many folders upwards are searched for a `main.S`. */
const MAX_LEVELS = 4;

/** The files that `main` includes, itself first, each once; names are looked for beside the root and the includer. */
export function includedFiles(main: string, read: ReadText): string[] {
  const found = new Set<string>();
  const queue = [main];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (found.has(file)) continue;
    const text = read(file);
    if (text === undefined) continue;
    found.add(file);
    for (const [, name] of text.matchAll(INCLUDE)) {
      if (name === undefined) continue;
      queue.push(path.resolve(path.dirname(main), name), path.resolve(path.dirname(file), name));
    }
  }
  return [...found];
}

/** The nearest `main.S` in the file's folder or above that includes `file`; the file itself when there is none. */
export function rootOf(file: string, read: ReadText): string {
  let folder = path.dirname(file);
  for (let level = 0; level < MAX_LEVELS; level++) {
    const main = path.join(folder, 'main.S');
    if (includedFiles(main, read).includes(file)) return main;
    const parent = path.dirname(folder);
    if (parent === folder) break;
    folder = parent;
  }
  return file;
}
