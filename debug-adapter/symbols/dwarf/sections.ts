import { memorySource } from '../byte-source';
import type { ByteSource } from '../byte-source';
import { stringFrom } from '../elf';
import type { ElfFile } from '../elf';
import { SymbolError } from '../errors';

const nothing = memorySource(new Uint8Array(0));

/**
 * The debug sections of one ELF file, opened when first asked for. A missing section reads as an empty one, and so does
 * one that cannot be opened (cut short, compressed without an inflater), after it was reported.
 */
export class DebugSections {
  private readonly open = new Map<string, ByteSource>();

  constructor(
    readonly elf: ElfFile,
    private readonly report: (problem: string) => void,
  ) {}

  get fileName(): string {
    return this.elf.name;
  }

  /** The section `.debug_<name>` or, for a name that starts with a dot, that section. */
  get(name: string): ByteSource {
    let content = this.open.get(name);
    if (content === undefined) {
      content = this.load(name.startsWith('.') ? name : `.debug_${name}`);
      this.open.set(name, content);
    }
    return content;
  }

  private load(name: string): ByteSource {
    const section = this.elf.section(name);
    if (section === undefined) return nothing;
    try {
      return this.elf.contents(section);
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      this.report(error.message);
      return nothing;
    }
  }

  has(name: string): boolean {
    return this.get(name).size > 0;
  }

  /** A string of .debug_str or .debug_line_str; an offset that leads nowhere gives a visible placeholder. */
  string(section: 'str' | 'line_str', offset: number): string {
    return stringFrom(this.get(section), offset) ?? '<damaged string>';
  }
}
