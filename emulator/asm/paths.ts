/** Paths as the host writes them, with / or \ . */

/** The folder of a file; empty for a bare name. */
export const parentOf = (path: string): string => /^(.*[\\/])[^\\/]*$/.exec(path)?.[1] ?? '';

export const baseName = (path: string): string => path.slice(parentOf(path).length);

const isAbsolute = (path: string): boolean => /^([\\/]|[A-Za-z]:[\\/]|[A-Za-z][\w+.-]+:\/\/)/.test(path);

/** `folder` and `name` as one path, without `.` and `..` where they can be resolved. */
export function joinPath(folder: string, name: string): string {
  if (isAbsolute(name) || folder === '') return name;
  const parts = (/[\\/]$/.test(folder) ? folder.slice(0, -1) : folder).split('/');
  for (const part of name.split('/')) {
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '' && parts.at(-1) !== '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}
