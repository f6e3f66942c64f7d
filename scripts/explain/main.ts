/**
 * npm run explain -- FILE.S [LABEL]
 *
 * Shows what becomes of the code at a label (the entry when left out): each instruction with its row and the IR that the row
 * means, then the region that the translator makes of it, as WebAssembly text.
 */
import { readFileSync } from 'node:fs';
import { Computer } from '../../emulator/board/computer';
import { assemble, tableOf } from '../../emulator/asm/assemble';
import { Disassembler } from '../../emulator/asm/disassemble';
import { Decoder } from '../../emulator/codegen/decoder';
import { findBlocks, type Block } from '../../emulator/codegen/region/blocks';
import { Translatability } from '../../emulator/codegen/region/instruction';
import { regionCode } from '../../emulator/codegen/region/region';
import { a64Isa } from '../../emulator/isa/a64';
import { cpuModel } from '../../emulator/isa/a64/cpus';
import { irText } from './ir-text';
import { wasmText } from './wasm-text';

const PAGE = 4096n;

function main(): void {
  const [file, label] = process.argv.slice(2);
  if (file === undefined) throw new Error('Say which file: npm run explain -- FILE.S [LABEL]');
  const made = assemble({ main: file, read: (name) => readFileSync(name, 'utf8'), isa: a64Isa });
  const [wrong] = made.diagnostics;
  if (!made.elf) throw new Error(wrong ? `${wrong.file}:${wrong.line}: ${wrong.message}` : 'No code.');
  const name = label ?? '_start';
  const at = made.symbols.find((s) => s.name === name)?.value;
  if (at === undefined) throw new Error(`${file} has no label ${name}: say which one, behind the file.`);
  const { physical } = new Computer({ cpus: 1, memoryBytes: 64 << 20, image: made.elf }).machine;

  const page = at & ~(PAGE - 1n);
  const decoder = new Decoder(a64Isa.rows, cpuModel('cortex-a57').features);
  const can = new Translatability(a64Isa);
  const bytes = (offset: number): Uint8Array => physical.peek(page + BigInt(offset), 4);
  const isHere = (offset: number): boolean => bytes(offset).length === 4;
  if (!isHere(Number(at - page)))
    throw new Error(`${name} is not in RAM: it is linked at 0x${at.toString(16)}.`);
  const word = (offset: number): number => {
    const found = bytes(offset);
    return new DataView(found.buffer, found.byteOffset).getUint32(0, true);
  };
  const entry = Number(at - page);
  const { blocks, landings } = findBlocks(
    entry,
    {
      at: (offset) => (isHere(offset) ? can.instruction(word(offset), (w) => decoder.decode(w)) : undefined),
      heat: (offset) => (isHere(offset) ? 1 : 0),
      hotIn: () => [],
      learned: [],
    },
    { instructions: 200, pages: 8, pageBytes: Number(PAGE) },
  );
  if (!blocks.has(entry))
    throw new Error('The first instruction there is always interpreted: choose another label.');
  const disassembler = new Disassembler(tableOf(a64Isa));
  for (const block of [...blocks.values()].sort((a, b) => a.offset - b.offset))
    explainBlock(block, (offset) => {
      const text = disassembler.disassemble(word(offset), page + BigInt(offset));
      return { text: text.text, row: text.row?.name ?? '' };
    });
  // Where the emulator would have predecoded the other pages does not matter here.
  const pages = new Map(
    [...blocks.keys()].map((offset) => [pageOf(offset), 0] as const).filter(([n]) => n !== 0),
  );
  const region = regionCode(a64Isa, { entry, blocks, landings, pages });
  console.log('region');
  for (const line of wasmText(region.code, region.localName)) console.log(`  ${line}`);
}

const pageOf = (offset: number): number => Math.floor(offset / Number(PAGE));

/** An offset, and the page where that is not the entry's. */
function placeText(offset: number): string {
  const page = pageOf(offset);
  const inPage = `+0x${(offset - page * Number(PAGE)).toString(16)}`;
  return page === 0 ? inPage : `${inPage} of page ${page > 0 ? '+' : ''}${page}`;
}

function explainBlock(block: Block, say: (offset: number) => { text: string; row: string }): void {
  console.log(`block at ${placeText(block.offset)}`);
  for (const i of block.instructions) {
    const { text, row } = say(i.offset);
    console.log(`  ${text.padEnd(36)} row ${row}`);
    for (const line of irText(i.body, i.cold)) console.log(`      ${line}`);
  }
  if (block.next !== undefined) console.log(`  goes on at ${placeText(block.next)}`);
}

try {
  main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
