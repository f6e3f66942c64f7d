/** Keeps the symbols of the kernel's modules among those of the debugger, while modules come and go. */
import { SymbolError } from '../symbols/errors';
import type { SymbolIndex } from '../symbols';
import type { SymbolModule } from '../symbols/module';
import type { LinuxKernel } from './kernel';
import type { KernelModule } from './modules';

export interface ModuleChanges {
  readonly added: readonly SymbolModule[];
  /** Other symbols than before: those of their initialisation are gone. */
  readonly changed: readonly SymbolModule[];
  readonly removed: readonly SymbolModule[];
}

interface Known {
  readonly module: KernelModule;
  readonly file: SymbolModule;
}

/** Tells one module from another, however long it is loaded. */
const keyOf = ({ address, name, base }: KernelModule): string => [address, name, base].join(' ');

export class ModuleSymbols {
  private readonly known = new Map<string, Known>();

  constructor(
    private readonly kernel: LinuxKernel,
    private readonly symbols: SymbolIndex,
  ) {}

  /** The loaded module that a file of symbols stands for. */
  moduleOf(file: SymbolModule): KernelModule | undefined {
    const [key, known] = [...this.known].find(([, k]) => k.file === file) ?? [];
    // Its memory shrinks once it is initialised.
    return known && (this.kernel.modules.all().find((m) => keyOf(m) === key) ?? known.module);
  }

  /**
   * Looks at the kernel's list again.
   * @param without the address of a module that is about to go
   * @returns what has changed; undefined if nothing has
   */
  refresh(without?: bigint): ModuleChanges | undefined {
    const now = this.kernel.modules.all().filter((m) => m.state !== 'unformed' && m.address !== without);
    const keys = new Set(now.map(keyOf));
    const removed = [...this.known].filter(([key]) => !keys.has(key));
    for (const [key, { file }] of removed) {
      this.known.delete(key);
      this.symbols.remove(file);
    }
    const added: SymbolModule[] = [];
    const changed: SymbolModule[] = [];
    for (const module of now) {
      const old = this.known.get(keyOf(module));
      if (old?.module.kallsyms === module.kallsyms) continue;
      const file = this.load(module, old);
      if (file) (old ? changed : added).push(file);
    }
    if (removed.length + added.length + changed.length === 0) return undefined;
    return { added, changed, removed: removed.map(([, k]) => k.file) };
  }

  private load(module: KernelModule, old: Known | undefined): SymbolModule | undefined {
    try {
      const source = this.kernel.modules.fileOf(module);
      const file = this.symbols.add({ name: `${module.name}.ko`, source, regime: { vmid: 0 } }, old?.file);
      this.known.set(keyOf(module), { module, file });
      return file;
    } catch (error) {
      // Its symbols are not there yet: they are looked for at the next occasion.
      if (error instanceof SymbolError) return undefined;
      throw error;
    }
  }
}
