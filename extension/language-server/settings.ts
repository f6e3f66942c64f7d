/** The settings `worldswitch.assembler`: what the preprocessor is given, while typing and as the default of a launch. */
import path from 'node:path';

export interface AssemblerSettings {
  readonly defines: Readonly<Record<string, string>>;
  readonly includeDirs: readonly string[];
}

export const noSettings: AssemblerSettings = { defines: {}, includeDirs: [] };

/** Folders of a setting: relative ones, and `${workspaceFolder}`, belong to the workspace folder. */
export function resolveIncludeDirs(dirs: readonly string[], folder: string | undefined): string[] {
  return dirs.map((dir) => {
    if (folder === undefined) return dir;
    const named = dir.replaceAll('${workspaceFolder}', folder);
    // Any other variable is the editor's to fill in.
    return named.startsWith('${') ? named : path.resolve(folder, named);
  });
}

/** A setting's value as it is; whatever is of a wrong kind is left out. */
export function readSettings(value: unknown, folder: string | undefined): AssemblerSettings {
  if (typeof value !== 'object' || value === null) return noSettings;
  const { defines, includeDirs } = value as Record<string, unknown>;
  const pairs = typeof defines === 'object' && defines !== null ? Object.entries(defines) : [];
  const dirs = Array.isArray(includeDirs) ? includeDirs : [];
  return {
    defines: Object.fromEntries(
      pairs.filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
    ),
    includeDirs: resolveIncludeDirs(
      dirs.filter((dir): dir is string => typeof dir === 'string' && dir !== ''),
      folder,
    ),
  };
}
