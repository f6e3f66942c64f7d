/** The reference hypervisor as a program: assembled by our assembler, with lines changed where a spec wants that. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { assemble, type AssembleResult } from '../../emulator/asm/assemble';
import { a64Isa } from '../../emulator/isa/a64';

export const SOURCES = path.resolve(__dirname, '../../hypervisor/arm64');

/** One place in the sources that a mutation replaces. */
export interface Patch {
  /** Relative to hypervisor/arm64. */
  readonly file: string;
  /** Text that must occur there; its first occurrence is replaced. */
  readonly before: string;
  readonly after: string;
}

export interface Program {
  readonly elf: Uint8Array;
  /** Link addresses, which are physical addresses. */
  readonly symbol: (name: string) => bigint;
  readonly find: (name: string) => bigint | undefined;
  readonly sections: AssembleResult['sections'];
  /** The function that a link address belongs to. */
  readonly nameAt: (link: bigint) => string;
}

const cache = new Map<string, Program>();

/** A story that a spec makes up: as the files in hypervisor/arm64/stories, but in memory and in a folder of its own. */
export interface Story {
  readonly name: string;
  /** Options, as story.inc has them. */
  readonly set?: Readonly<Record<string, number>>;
  /** Arguments of the macro `vm`, a line for each virtual machine. */
  readonly vms: readonly string[];
  /** Files of hypervisor/arm64/guests beside lib.inc. */
  readonly payloads: readonly string[];
}

const sourceOf = (s: Story): string =>
  [
    ...Object.entries(s.set ?? {}).map(([option, value]) => `\t.set\t${option}, ${value}`),
    '\t.include "../story.inc"',
    ...s.vms.map((vm) => `\tvm\t${vm}`),
    ...['lib.inc', ...s.payloads].map((file) => `\t.include "../guests/${file}"`),
    '\t.include "../hypervisor.S"',
    '',
  ].join('\n');

/** Reads sources from disk, changed as `patches` say. @throws Error when a change does not apply */
class Sources {
  private readonly open: Patch[];

  constructor(
    private readonly patches: readonly Patch[],
    private readonly made: ReadonlyMap<string, string> = new Map(),
  ) {
    this.open = [...patches];
  }

  read(file: string): string | undefined {
    const made = this.made.get(file);
    if (made === undefined && !existsSync(file)) return undefined;
    let text = made ?? readFileSync(file, 'utf8');
    for (const p of this.patches) {
      if (path.resolve(file) !== path.join(SOURCES, p.file)) continue;
      if (!text.includes(p.before)) throw new Error(`${p.file} does not contain ${JSON.stringify(p.before)}`);
      text = text.replace(p.before, () => p.after);
      this.open.splice(this.open.indexOf(p), 1);
    }
    return text;
  }

  finish(): void {
    if (this.open.length > 0) throw new Error(`nobody includes ${this.open.map((p) => p.file).join(', ')}`);
  }
}

/**
 * Assembles a story: a file relative to hypervisor/arm64, or one made up. Programs without changes are kept.
 * @throws Error with the assembler's first messages, or when a change does not apply
 */
export function buildProgram(story: string | Story, patches: readonly Patch[] = []): Program {
  const key = patches.length > 0 ? undefined : typeof story === 'string' ? story : sourceOf(story);
  const known = key === undefined ? undefined : cache.get(key);
  if (known) return known;
  const name = typeof story === 'string' ? story : `specs/${story.name}.S`;
  const main = path.join(SOURCES, name);
  const sources = new Sources(
    patches,
    typeof story === 'string' ? undefined : new Map([[main, sourceOf(story)]]),
  );
  const made = assemble({ main, read: (file) => sources.read(file), isa: a64Isa });
  const errors = made.diagnostics.slice(0, 5).map((d) => `${d.file}:${d.line}: ${d.message}`);
  if (!made.elf || errors.length > 0) throw new Error(`${name}: ${errors.join('\n')}`);
  sources.finish();
  const values = new Map(made.symbols.map((s) => [s.name, s.value]));
  const code = made.symbols.filter((s) => s.type === 'func').sort((a, b) => (a.value < b.value ? -1 : 1));
  const program: Program = {
    elf: made.elf,
    find: (symbol) => values.get(symbol),
    symbol: (symbol) => {
      const value = values.get(symbol);
      if (value === undefined) throw new Error(`${name} has no symbol ${symbol}`);
      return value;
    },
    sections: made.sections,
    nameAt: (link) => code.findLast((s) => s.value <= link)?.name ?? `0x${link.toString(16)}`,
  };
  if (key !== undefined) cache.set(key, program);
  return program;
}
