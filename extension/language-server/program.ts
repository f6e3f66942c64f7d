/**
 * Which program a source file belongs to. A file of assembly is often a part: it is included by the folder's
 * `main.S`, or by another program of the folder, and neither assembles nor runs alone.
 */
import { readdirSync } from 'node:fs';
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

/** The files of a folder, by their paths; none when it cannot be read. */
export type ListFolder = (folder: string) => readonly { readonly path: string; readonly folder: boolean }[];

/** Lists a folder of the disk. */
export const listFolder: ListFolder = (folder) => {
  try {
    return readdirSync(folder, { withFileTypes: true }).map((entry) => ({
      path: path.join(folder, entry.name),
      folder: entry.isDirectory(),
    }));
  } catch {
    return [];
  }
};

/** How many programs beside a `main.S` are looked into. */
const MAX_PROGRAMS = 50;

/** Other programs of a `main.S`'s folder: `.S` files there and one folder down that it does not include. */
function programsBeside(main: string, included: readonly string[], list: ListFolder): string[] {
  const here = list(path.dirname(main));
  const below = here.filter((entry) => entry.folder).flatMap((entry) => list(entry.path));
  return [...here, ...below]
    .filter((entry) => !entry.folder && entry.path.endsWith('.S') && !included.includes(entry.path))
    .map((entry) => entry.path)
    .sort()
    .slice(0, MAX_PROGRAMS);
}

/**
 * The program that `file` is a part of: the nearest `main.S` in its folder or above that includes it, or another program
 * beside that `main.S` that does; the file itself when there is none.
 */
export function rootOf(
  file: string,
  read: ReadText,
  includeDirs: readonly string[] = [],
  list: ListFolder = listFolder,
): string {
  let folder = path.dirname(file);
  for (let level = 0; level < MAX_LEVELS; level++) {
    const main = path.join(folder, 'main.S');
    const included = includedFiles(main, read, includeDirs);
    if (included.includes(file)) return main;
    const others = included.length > 0 ? programsBeside(main, included, list) : [];
    const other = others.find(
      (program) => program !== file && includedFiles(program, read, includeDirs).includes(file),
    );
    if (other !== undefined) return other;
    const parent = path.dirname(folder);
    if (parent === folder) break;
    folder = parent;
  }
  return file;
}
