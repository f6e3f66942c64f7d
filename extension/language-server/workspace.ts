/** The workspace's folders and settings, as far as the editor tells of them. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Connection, InitializeParams } from 'vscode-languageserver';
import { noSettings, readSettings, type AssemblerSettings } from './settings';

const SECTION = 'worldswitch.assembler';

/** The path of a `file:` URI. */
export function toFile(uri: string): string | undefined {
  try {
    return fileURLToPath(uri);
  } catch {
    return undefined;
  }
}

export class Workspace {
  private folders: readonly { readonly uri: string; readonly path: string | undefined }[] = [];
  private readonly settings = new Map<string | undefined, AssemblerSettings>();
  private asks = false;

  constructor(private readonly connection: Connection) {}

  initialize({ capabilities, workspaceFolders }: InitializeParams): void {
    this.asks = capabilities.workspace?.configuration === true;
    this.folders = (workspaceFolders ?? []).map(({ uri }) => ({ uri, path: toFile(uri) }));
  }

  /** Asks the editor for the settings of each folder, and for those without a folder. */
  async load(): Promise<void> {
    if (!this.asks) return;
    const scopes = [undefined, ...this.folders];
    const items = scopes.map((folder) => ({ section: SECTION, ...(folder ? { scopeUri: folder.uri } : {}) }));
    const values: unknown = await this.connection.workspace.getConfiguration(items);
    if (!Array.isArray(values)) return;
    scopes.forEach((folder, i) =>
      this.settings.set(folder?.path, readSettings(values[i] as unknown, folder?.path)),
    );
  }

  /** The settings for a file: those of the innermost folder that it is in. */
  settingsOf(file: string): AssemblerSettings {
    const [innermost] = this.folders
      .map((folder) => folder.path)
      .filter((folder) => folder !== undefined && file.startsWith(folder + path.sep))
      .sort((a, b) => (b?.length ?? 0) - (a?.length ?? 0));
    return this.settings.get(innermost) ?? noSettings;
  }
}
