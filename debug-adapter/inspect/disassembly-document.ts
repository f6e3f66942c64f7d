/**
 * Generated documents for code without debug information, so that an editor has something to show and to set line
 * breakpoints in. A document is one page of an address space: line n + 1 is instruction n, at every stop, whatever has
 * become of the memory. So a breakpoint's line keeps its meaning.
 */
import { UserError } from '../errors';
import { formatSpace, hex, type AddressSpace } from './address-space';
import { disassemble, symbolText } from './disassembly';
import type { Guest } from './guest';

const PAGE = 0x1000n;

/** A place in a document. */
export interface DocumentLine {
  readonly sourceReference: number;
  readonly name: string;
  readonly line: number;
}

export class DisassemblyDocuments {
  private readonly pages: { readonly space: AddressSpace; readonly base: bigint }[] = [];
  private readonly numbers = new Map<string, number>();

  /** The document and line of an address; the same for the whole session. */
  lineOf(guest: Guest, space: AddressSpace, address: bigint): DocumentLine {
    const base = address & ~(PAGE - 1n);
    const key = `${formatSpace(space)}:${hex(base)}`;
    let sourceReference = this.numbers.get(key);
    if (sourceReference === undefined) {
      // DAP: a reference is greater than zero.
      sourceReference = this.pages.push({ space, base });
      this.numbers.set(key, sourceReference);
    }
    const line = Number(address - base) / guest.isa.instructionBytes;
    return { sourceReference, name: this.name(space, base), line: Math.floor(line) + 1 };
  }

  private name(space: AddressSpace, base: bigint): string {
    const where =
      space.kind === 'VA' ? `${space.level}${space.vmid ? ` VMID ${space.vmid}` : ''}` : formatSpace(space);
    return `${where} ${hex(base)} (disassembly).s`;
  }

  private page(sourceReference: number): { readonly space: AddressSpace; readonly base: bigint } {
    const page = this.pages[sourceReference - 1];
    if (page) return page;
    throw new UserError(
      `There is no generated source ${sourceReference}: it belongs to another session; open it from the call stack again.`,
    );
  }

  /** All documents so far. */
  list(): DocumentLine[] {
    return this.pages.map(({ space, base }, i) => ({
      sourceReference: i + 1,
      name: this.name(space, base),
      line: 1,
    }));
  }

  /** The address that a line breakpoint in a document means. @throws UserError */
  addressOfLine(
    sourceReference: number,
    line: number,
    instructionBytes = 4,
  ): { readonly space: AddressSpace; readonly address: bigint } {
    const { space, base } = this.page(sourceReference);
    const count = Number(PAGE) / instructionBytes;
    const n = Math.min(Math.max(line, 1), count) - 1;
    return { space, address: base + BigInt(n * instructionBytes) };
  }

  /** The text of a document as memory is now. @throws UserError */
  text(guest: Guest, cpu: number, sourceReference: number): string {
    const { space, base } = this.page(sourceReference);
    const count = Number(PAGE) / guest.isa.instructionBytes;
    let last: string | undefined;
    return disassemble(guest, cpu, space, base, count)
      .map(({ address, word, text }) => {
        const symbol = symbolText(guest, space, address);
        const name = symbol?.replace(/\+0x.*$/, '');
        const comment = name !== undefined && name !== last ? `\t// ${symbol}` : '';
        last = name;
        const raw = word === undefined ? '........' : word.toString(16).padStart(8, '0');
        return `${address.toString(16).padStart(16, '0')}  ${raw}  ${text}${comment}`;
      })
      .join('\n');
  }
}
