/** Guest memory as instructions. */
import { Disassembler } from '../../emulator/asm/disassemble';
import { tableOf } from '../../emulator/asm/assemble';
import type { Isa } from '../../emulator/isa/dsl/isa';
import { hex, type AddressSpace } from './address-space';
import type { Guest } from './guest';

export interface Instruction {
  readonly address: bigint;
  /** Undefined where nothing can be read. */
  readonly word: number | undefined;
  readonly text: string;
}

const disassemblers = new WeakMap<Isa, Disassembler>();

function disassemblerOf(isa: Isa): Disassembler {
  let found = disassemblers.get(isa);
  if (!found) disassemblers.set(isa, (found = new Disassembler(tableOf(isa))));
  return found;
}

/** `name+0x10` of an address; undefined where no symbol is. */
export function symbolText(guest: Guest, space: AddressSpace, address: bigint): string | undefined {
  const symbol = guest.symbolAt(space, address);
  if (!symbol) return undefined;
  return symbol.offset === 0n ? symbol.name : `${symbol.name}+${hex(symbol.offset)}`;
}

/** `count` instructions from `address` on. @throws UserError for an address space that is not known */
export function disassemble(
  guest: Guest,
  cpu: number,
  space: AddressSpace,
  address: bigint,
  count: number,
): Instruction[] {
  const size = guest.isa.instructionBytes;
  const disassembler = disassemblerOf(guest.parts.machine.config.isa);
  const symbolize = (a: bigint): string | undefined => symbolText(guest, space, a);
  const out: Instruction[] = [];
  for (let n = 0; n < count;) {
    const from = BigInt.asUintN(64, address + BigInt(n * size));
    const bytes = guest.read(cpu, space, from, (count - n) * size);
    const words = Math.floor(bytes.length / size);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let i = 0; i < words; i++, n++) {
      const at = BigInt.asUintN(64, from + BigInt(i * size));
      const word = view.getUint32(i * size, true);
      out.push({ address: at, word, text: disassembler.disassemble(word, at, symbolize).text });
    }
    if (n >= count) break;
    // Up to the next page nothing can be read.
    const gap = BigInt.asUintN(64, address + BigInt(n * size));
    const rest = Math.min(count - n, Math.max(1, Math.floor(Number(0x1000n - (gap & 0xfffn)) / size)));
    for (let i = 0; i < rest; i++, n++) {
      const at = BigInt.asUintN(64, gap + BigInt(i * size));
      out.push({ address: at, word: undefined, text: '(not readable)' });
    }
  }
  return out;
}

/** The bytes of an instruction as DAP wants them: hex pairs in memory order. */
export function instructionBytes(word: number): string {
  return [0, 8, 16, 24].map((s) => ((word >>> s) & 0xff).toString(16).padStart(2, '0')).join(' ');
}
