import { memorySource } from '../byte-source';
import type { ByteSource } from '../byte-source';
import { stringFrom } from '../elf';
import type { ElfFile } from '../elf';

const nothing = memorySource(new Uint8Array(0));

/** The debug sections of one ELF file, opened when first asked for. A missing section reads as an empty one. */
export class DebugSections {
  private readonly open = new Map<string, ByteSource>();

  constructor(readonly elf: ElfFile) {}

  get fileName(): string {
    return this.elf.name;
  }

  /** The section `.debug_<name>` or, for a name that starts with a dot, that section. */
  get(name: string): ByteSource {
    let content = this.open.get(name);
    if (content === undefined) {
      const section = this.elf.section(name.startsWith('.') ? name : `.debug_${name}`);
      content = section === undefined ? nothing : this.elf.contents(section);
      this.open.set(name, content);
    }
    return content;
  }

  has(name: string): boolean {
    return this.get(name).size > 0;
  }

  /** A string of .debug_str or .debug_line_str; an offset that leads nowhere gives a visible placeholder. */
  string(section: 'str' | 'line_str', offset: number): string {
    return stringFrom(this.get(section), offset) ?? '<damaged string>';
  }
}
