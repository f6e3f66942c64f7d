/**
 * The modules that a kernel has loaded, by its own list of them, and the symbols that it keeps for each. The head of the
 * list is a variable: its place is told by functions that walk the list.
 */
import { SymbolError } from '../symbols/errors';
import { SymbolElf, type ElfPart, type ListedSymbol } from '../symbols/linux/symbol-elf';
import { referencesIn } from '../symbols/linux/references';
import type { KernelImage } from './kernel-image';
import { KernelType } from './memory';

export interface KernelModule {
  /** Of its struct module. */
  readonly address: bigint;
  readonly name: string;
  /** What is at the lowest addresses of its memory, and how large all of it is. */
  readonly base: bigint;
  readonly size: number;
  readonly state: string;
  /** Changes when it keeps other symbols: those of its initialisation are dropped. */
  readonly kallsyms: bigint;
}

/** Functions that look through all modules. */
const USERS = ['find_module_all', 'module_kallsyms_on_each_symbol', 'module_get_kallsym', 'print_modules'];
const HEAD = 'modules';
/** Far more than any system loads. */
const MAX_MODULES = 2048;
const MAX_SYMBOLS = 200_000;
const MAX_PART = 1 << 28;
const STATES = ['live', 'coming', 'going', 'unformed'];
/** A piece of a module's memory: since Linux 6.4 there is an array of them. */
const LAYOUTS = ['core_layout', 'init_layout'];
/** Elf64_Sym: st_name, st_info, st_other, st_shndx, st_value, st_size. */
const SYMBOL = 24;
const SHN_UNDEF = 0;
const SHN_ABS = 0xfff1;

interface Part extends ElfPart {
  readonly isCore: boolean;
}

export class Modules {
  private readonly module: KernelType | undefined;
  private readonly symbols: KernelType | undefined;
  private head: { readonly offset: bigint; readonly user: string } | null | undefined;

  constructor(private readonly kernel: KernelImage) {
    const named = (name: string): KernelType | undefined => {
      const type = kernel.types?.named(name);
      return type && new KernelType(kernel.memory, type);
    };
    this.module = named('struct module');
    this.symbols = named('struct mod_kallsyms');
  }

  /** How the list was found, in words; undefined where it was not. */
  get how(): string | undefined {
    if (this.kernel.symbol(HEAD) !== undefined) return `by the symbol ${HEAD}`;
    const { head } = this;
    return head ? `by the code of ${head.user}, which walks it` : undefined;
  }

  private headAddress(): bigint | undefined {
    const symbol = this.kernel.symbol(HEAD);
    if (symbol !== undefined) return symbol;
    if (this.head === undefined) this.head = this.find() ?? null;
    return this.head ? this.kernel.address(this.head.offset) : undefined;
  }

  private find(): typeof this.head {
    const { kernel } = this;
    for (const user of USERS)
      for (const code of kernel.codeOf(user)) {
        const [offset] = referencesIn(kernel.image, code).walked;
        if (offset !== undefined) return { offset: BigInt(offset), user };
      }
    return undefined;
  }

  /** The modules that are loaded, or are being loaded or removed, in the order of the kernel's list. */
  all(): KernelModule[] {
    const { module, kernel } = this;
    const head = module && kernel.slide() !== undefined ? this.headAddress() : undefined;
    if (!module || head === undefined) return [];
    return kernel.memory
      .list(head, MAX_MODULES)
      .flatMap((node) => this.at(module, module.containerOf(node, 'list')) ?? []);
  }

  private at(module: KernelType, address: bigint): KernelModule | undefined {
    const [state, kallsyms] = ['state', 'kallsyms'].map((path) => module.number(address, path));
    const name = module.text(address, 'name');
    const parts = this.parts(module, address);
    const core = parts.find((p) => p.isCore);
    if (state === undefined || kallsyms === undefined || name === undefined || !core) return undefined;
    const size = parts.reduce((sum, p) => sum + p.end - p.start, 0n);
    return {
      address,
      name,
      base: core.start,
      size: Number(size),
      state: STATES[Number(state)] ?? `state ${state}`,
      kallsyms,
    };
  }

  /** The pieces of a module's memory, code apart from the rest. */
  private parts(module: KernelType, at: bigint): Part[] {
    if (module.has('mem[0].base')) {
      const { count = 0 } = module.place('mem').type;
      return Array.from({ length: count }, (_, n): Part | undefined => {
        const [base, size] = ['base', 'size'].map((m) => module.number(at, `mem[${n}].${m}`));
        if (base === undefined || size === undefined || !isPart(base, size)) return undefined;
        // MOD_TEXT is the first, MOD_INIT_TEXT the first of those of the initialisation, of which there are three.
        const code = n === 0 || n === count - 3;
        return { start: base, end: base + size, code, isCore: n < count - 3 };
      }).filter((p) => p !== undefined);
    }
    return LAYOUTS.flatMap((layout): Part[] => {
      const [base, size, text] = ['base', 'size', 'text_size'].map((m) =>
        module.number(at, `${layout}.${m}`),
      );
      if (base === undefined || size === undefined || text === undefined || !isPart(base, size)) return [];
      const isCore = layout === LAYOUTS[0];
      const middle = base + (text < size ? text : size);
      return [
        { start: base, end: middle, code: true, isCore },
        { start: middle, end: base + size, code: false, isCore },
      ];
    });
  }

  /**
   * The symbols that the kernel keeps for a module, at run-time addresses, as a file.
   * @throws SymbolError where they cannot be read
   */
  fileOf({ address, name }: KernelModule): SymbolElf {
    const parts = this.module ? this.parts(this.module, address) : [];
    const symbols = this.symbolsOf(address, parts);
    if (!symbols)
      throw new SymbolError(
        `The symbols of the kernel module ${name} cannot be read: stop again once it is loaded.`,
      );
    return new SymbolElf({
      parts,
      count: symbols.length,
      namesSize: symbols.reduce((sum, s) => sum + s.name.length + 1, 0),
      symbols: () => symbols,
    });
  }

  private symbolsOf(address: bigint, parts: readonly Part[]): ListedSymbol[] | undefined {
    const { memory } = this.kernel;
    const own = this.module?.number(address, 'kallsyms');
    if (!this.symbols || own === undefined || own === 0n) return undefined;
    const [table, count, strings] = ['symtab', 'num_symtab', 'strtab'].map((m) =>
      this.symbols?.number(own, m),
    );
    if (table === undefined || count === undefined || strings === undefined || count > MAX_SYMBOLS)
      return undefined;
    const bytes = memory.bytes(table, Number(count) * SYMBOL);
    if (!bytes) return undefined;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const found: ListedSymbol[] = [];
    // The first is no symbol, as in any ELF.
    for (let at = SYMBOL; at < bytes.length; at += SYMBOL) {
      const section = view.getUint16(at + 6, true);
      const value = view.getBigUint64(at + 8, true);
      const part = parts.findIndex((p) => value >= p.start && value < p.end);
      if (section === SHN_UNDEF || section === SHN_ABS || part < 0) continue;
      const text = memory.text(strings + BigInt(view.getUint32(at, true)));
      // Mapping symbols and labels of the compiler.
      if (text === undefined || text === '' || /^[$.]/.test(text)) continue;
      found.push({
        name: text,
        address: value,
        size: view.getBigUint64(at + 16, true),
        binding: 'local',
        type: parts[part]?.code === true ? 'function' : 'object',
        part,
      });
    }
    return found;
  }
}

const isPart = (base: bigint, size: bigint): boolean =>
  base >> 48n === 0xffffn && size > 0n && size < MAX_PART;
