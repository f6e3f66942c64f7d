/** A mismatch as text for people: what was executed, and every register that matters before and after on both sides. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaults, modes, NOP, wordsOf } from './cases';
import { at, codeAddress, registers, resultWords, word } from './record';
import type { Shrunk } from './shrink';

const hex = (v: bigint): string => `0x${v.toString(16)}`;

/** The words as GNU objdump reads them at this address. */
export function disassemble(words: readonly number[], address: bigint): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'ws-diff-'));
  try {
    const bytes = Buffer.alloc(words.length * 4);
    words.forEach((w, i) => bytes.writeUInt32LE(w, 4 * i));
    const file = join(dir, 'words.bin');
    writeFileSync(file, bytes);
    const text = execFileSync(
      'aarch64-linux-gnu-objdump',
      ['-D', '-z', '-b', 'binary', '-m', 'aarch64', `--adjust-vma=${hex(address)}`, file],
      { encoding: 'utf8' },
    );
    return text
      .split('\n')
      .filter((line) => /^ *[0-9a-f]+:\t/.test(line))
      .map((line) => line.split('\t').slice(2).join(' '));
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** The general registers that a line of assembly names. */
function named(text: string): string[] {
  const all = [...text.matchAll(/\b([xwvqdshb])(\d+)\b|\bw?sp\b/g)];
  return all.flatMap(([whole, letter, n]) =>
    whole.endsWith('sp')
      ? ['SP_EL0', 'SP_EL1', 'SP_EL2']
      : 'xw'.includes(letter!)
        ? [`X${n}`]
        : [`V${n}.lo`, `V${n}.hi`],
  );
}

/** The environment as far as it is not the usual one. */
function unusual(s: Shrunk): string[] {
  const usual = defaults();
  return registers
    .filter((r) => word(s.test.record, r) !== usual[r] && r !== 'SPSR_EL2')
    .map((r) => `  ${r} = ${hex(word(s.test.record, r))}`);
}

/** The report. `replay` says how to run it again. */
export function report(s: Shrunk, replay: string): string {
  const code = codeAddress(0);
  const words = wordsOf(s.test);
  const lines = disassemble(words, code);
  const spsr = word(s.test.record, 'SPSR_EL2');
  const mode = Object.entries(modes).find(([, m]) => BigInt(m) === (spsr & 31n))?.[0] ?? 'an unknown mode';
  const program = words.flatMap((w, i) =>
    w === NOP && i !== s.culprit
      ? []
      : [
          `${i === s.culprit ? '->' : '  '} ${hex(code + BigInt(4 * i))}  ${w.toString(16).padStart(8, '0')}  ${lines[i]}`,
        ],
  );
  const shown = new Set([...s.differences.map((d) => d.name), ...named(lines[s.culprit] ?? '')]);
  const table = resultWords
    .filter(([name]) => shown.has(name))
    .map(([name, offset]) => {
      const value = (b: Buffer): string => hex(b.readBigUInt64LE(offset)).padStart(20);
      const differs = s.differences.some((d) => d.name === name) ? '  <--' : '';
      return `  ${name.padEnd(12)}${value(s.before.qemu)}${value(s.qemu)}${value(s.ours)}${differs}`;
    });
  const scratch = hex(s.test.record.readBigUInt64LE(at.scratch));
  return [
    `${s.test.kind}: QEMU and the emulator disagree. ${replay}`,
    ...(s.test.note === undefined ? [] : [s.test.note]),
    `At ${mode}, SPSR ${hex(spsr)}, scratch seed ${scratch}:`,
    ...unusual(s),
    ...program,
    `  ${''.padEnd(12)}${'before'.padStart(20)}${'QEMU'.padStart(20)}${'emulator'.padStart(20)}`,
    ...table,
  ].join('\n');
}
