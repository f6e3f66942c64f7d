/** Replaces the prefix `from` of a path in the debug information by `to`. */
export interface SourceMapEntry {
  from: string;
  to: string;
}

const windowsDrive = /^[A-Za-z]:[\\/]/;

/** Whether a path starts at a root, in Unix or Windows spelling. */
export function isAbsolute(path: string): boolean {
  return path.startsWith('/') || windowsDrive.test(path) || path.startsWith('\\\\');
}

/** One spelling for a path: forward slashes, no `.` or `..` where they can be resolved, lower-case drive letter. */
export function normalise(path: string): string {
  const isWindows =
    windowsDrive.test(path) || path.startsWith('\\\\') || (path.includes('\\') && !path.includes('/'));
  const slashes = isWindows ? path.replaceAll('\\', '/') : path;
  const rooted = slashes.startsWith('/');
  const parts: string[] = [];
  for (const part of slashes.split('/')) {
    if (part === '' || part === '.') continue;
    const last = parts[parts.length - 1];
    if (part === '..' && last !== undefined && last !== '..' && !/^[A-Za-z]:$/.test(last)) parts.pop();
    else if (part !== '..' || !rooted) parts.push(part);
  }
  if (parts[0] !== undefined && /^[A-Za-z]:$/.test(parts[0])) parts[0] = parts[0].toLowerCase();
  return (rooted ? '/' : '') + parts.join('/');
}

/** Joins the parts of a DWARF file entry: each later part that is absolute replaces what came before. */
export function joinPath(...parts: readonly string[]): string {
  let path = '';
  for (const part of parts) {
    if (part === '') continue;
    path = path === '' || isAbsolute(part) ? part : `${path}/${part}`;
  }
  return normalise(path);
}

/** The last component of a path. */
export function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
}

/** Applies the first source map entry whose `from` is a whole-component prefix of the path. */
export function mapSource(path: string, map: readonly SourceMapEntry[]): string {
  for (const { from, to } of map) {
    const prefix = normalise(from);
    if (path === prefix) return normalise(to);
    const stem = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
    if (path.startsWith(stem) && (prefix !== '' || !isAbsolute(path))) {
      return normalise(`${to}/${path.slice(stem.length)}`);
    }
  }
  return path;
}

/** How many trailing components two normalised paths have in common. */
export function commonSuffix(a: string, b: string): number {
  const left = a.split('/').reverse();
  const right = b.split('/').reverse();
  let n = 0;
  while (n < left.length && n < right.length && left[n] === right[n] && left[n] !== '') n++;
  return n;
}

export type PathMatch = { path: string } | { candidates: string[] };

/**
 * Finds the path that an editor means among paths of the debug information: the same path, else the only one with the
 * longest common ending. Several equally long endings, or none, give the candidates instead.
 */
export function matchPath(wanted: string, known: Iterable<string>): PathMatch {
  const target = normalise(wanted);
  let best = 0;
  let candidates: string[] = [];
  for (const path of new Set(known)) {
    if (path === target) return { path };
    const length = commonSuffix(target, path);
    if (length === 0 || length < best) continue;
    if (length > best) candidates = [];
    best = length;
    candidates.push(path);
  }
  const only = candidates[0];
  return candidates.length === 1 && only !== undefined ? { path: only } : { candidates };
}
