/** Every template of every row: our assembler, our disassembler, GNU as and GNU objdump must agree. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gnu, gnuAssemble, gnuTools, inTemporaryFolder } from '../../test/support/gnu';
import { requireTool } from '../../test/support/oracles';
import { seed } from '../../test/support/random';
import { findSysreg, sysregs } from '../isa/a64/sysregs';
import { otherRegister, otherRegisterNames } from '../isa/a64/operands/sysnames';
import { a64Rows } from '../isa/a64/rows';
import { rawFields, type Row } from '../isa/dsl/row';
import { tableOf } from './assemble';
import { Disassembler } from './disassemble';
import type { Scope } from './expression';
import { tokenize } from './lexer';
import { instances, randomFrom, type Instance } from './testing-instances';

const table = tableOf({ name: 'a64', rows: a64Rows });
const disassembler = new Disassembler(table);

/** High enough that ADRP reaches 4 GiB below. */
const base = 0x200000000n;
/** Everything that GNU as 2.40 knows and our rows and names use. */
const march = '-march=armv8.6-a+sve+sme+memtag+rng+profile+crypto+sha3';

interface Case extends Instance {
  readonly address: bigint;
  /** `text` with branch targets relative to the instruction, as an assembler reads it. */
  readonly source: string;
}

function encode(text: string, address: bigint): number | string {
  const scope: Scope = {
    symbol: (name) => `there is no symbol ${name}`,
    local: () => 'there are no labels',
    here: () => ({ kind: 'address', chunk: undefined, value: address }),
    isReserved: table.syntax.isReserved,
  };
  const mnemonic = /^\S+/.exec(text)?.[0] ?? '';
  const r = table.encode(mnemonic, tokenize(text, mnemonic.length), scope);
  return 'error' in r ? r.error : r.word;
}

function makeCases(count: number): Case[] {
  const cases: Case[] = [];
  const nextAddress = (): bigint => base + BigInt(4 * cases.length);
  for (const i of instances(table, count, randomFrom(Number(seed % 1000003n)), nextAddress)) {
    if (i.text === '') continue;
    const address = nextAddress();
    let source = i.text.replace('\t', ' ');
    if (i.target !== undefined) {
      const d = i.target - address;
      source = source.replace(/[0-9a-f]+$/, `. ${d < 0n ? '-' : '+'} ${d < 0n ? -d : d}`);
    }
    cases.push({ ...i, address, source });
  }
  return cases;
}

/** Logical immediates have several encodings (C4.2): then the value decides, and the assembler's is the one to compare. */
function sameLogicalImmediate(row: Row, a: number, b: number): boolean {
  if (!row.fields.has('N') || !row.fields.has('immr')) return false;
  const { N: _n, immr: _r, imms: _s, ...x } = rawFields(row.pattern, a);
  const { N: _n2, immr: _r2, imms: _s2, ...y } = rawFields(row.pattern, b);
  const value = (w: number): unknown => row.derive(rawFields(row.pattern, w))['imm'];
  return value(a) !== undefined && value(a) === value(b) && JSON.stringify(x) === JSON.stringify(y);
}

const some = (problems: readonly string[]): string[] => problems.slice(0, 20);

describe(`Assembler and disassembler for every row (SEED=${seed})`, function () {
  let cases: Case[] = [];
  /** The words that our assembler makes of the cases' text. */
  let words: number[] = [];

  before(() => {
    cases = makeCases(2);
    words = cases.map((c) => {
      const r = encode(c.source, c.address);
      return typeof r === 'number' ? r : -1;
    });
  });

  it('has an instance of every template that can be printed', () => {
    const printed = new Set(cases.map((c) => `${c.row.name}: ${c.template}`));
    const missing = new Set<string>();
    for (const i of instances(table, 1, randomFrom(1), () => base)) {
      const key = `${i.row.name}: ${i.template}`;
      // The inverse of a logical immediate is only a way to write it; AT and DC have no operation without register.
      if (!printed.has(key) && !/nbitmask|: (at|dc) <sysopx/.test(key)) missing.add(key);
    }
    assert.deepEqual([...missing], []);
  });

  it('assembles what it prints', () => {
    const bad = cases
      .filter((c, n) => words[n] !== c.word && !sameLogicalImmediate(c.row, c.word, words[n] ?? 0))
      .map(
        (c) => `${c.source} (${c.template}): ${c.word.toString(16)}, ${String(encode(c.source, c.address))}`,
      );
    assert.deepEqual(some(bad), []);
  });

  it('agrees with GNU as', function () {
    requireTool(this, ...gnuTools);
    inTemporaryFolder((folder) => {
      const source = join(folder, 'rows.s');
      const object = join(folder, 'rows.o');
      const lines = cases.map((c) => c.source);
      const bad: string[] = [];
      // Registers of particular CPUs have no name in GNU as; the other limits are its own.
      const tolerated = /unknown or missing system register name|immediate value out of range 0 to 1 /;
      writeFileSync(source, lines.join('\n') + '\n');
      const errors = gnuAssemble(source, object, march);
      for (const e of errors) {
        if (!tolerated.test(e.text)) bad.push(`${lines[e.line - 1]}: ${e.text}`);
        lines[e.line - 1] = '.inst 0';
      }
      if (errors.length > 0) {
        writeFileSync(source, lines.join('\n') + '\n');
        assert.deepEqual(gnuAssemble(source, object, march), []);
      }
      assert.ok(lines.filter((l) => l === '.inst 0').length < lines.length / 20, 'GNU as takes most lines');
      const elf = join(folder, 'rows.elf');
      const binary = join(folder, 'rows.bin');
      assert.equal(gnu('ld', `-Ttext=0x${base.toString(16)}`, '-e0', object, '-o', elf).stderr, '');
      gnu('objcopy', '-O', 'binary', '-j', '.text', elf, binary);
      const theirs = readFileSync(binary);
      assert.equal(theirs.length, 4 * cases.length);
      cases.forEach((c, n) => {
        const word = theirs.readUInt32LE(4 * n);
        if (lines[n] !== '.inst 0' && word !== words[n]) {
          bad.push(`${c.source}: GNU as ${word.toString(16)}, ours ${words[n]?.toString(16)}`);
        }
      });
      assert.deepEqual(some(bad), []);
    });
  });

  it('disassembles as GNU objdump does', function () {
    requireTool(this, ...gnuTools);
    inTemporaryFolder((folder) => {
      const binary = join(folder, 'rows.bin');
      const bytes = Buffer.alloc(4 * cases.length);
      cases.forEach((c, n) => bytes.writeUInt32LE(c.word, 4 * n));
      writeFileSync(binary, bytes);
      const vma = `--adjust-vma=0x${base.toString(16)}`;
      const out = gnu('objdump', '-D', '-z', '-b', 'binary', '-m', 'aarch64', vma, binary).stdout;
      const theirs = out.split('\n').filter((l) => /^\s*[0-9a-f]+:\t/.test(l));
      assert.equal(theirs.length, cases.length);
      const normal = (text: string): string =>
        text
          .replace(/\s*(\/\/|;).*/, '')
          .replace(/\b0x(?=[0-9a-f]+$)/, '')
          .replace(/\s+/g, ' ')
          .trim();
      const bad: string[] = [];
      cases.forEach((c, n) => {
        const want = normal((theirs[n] ?? '').split('\t').slice(2).join(' '));
        const got = normal(disassembler.disassemble(c.word, c.address).text);
        if (want !== got && !weSayMore(want, got)) bad.push(`objdump: ${want} | ours: ${got}`);
      });
      assert.deepEqual(some(bad), []);
    });
  });

  /** Where objdump leaves out what is in the word, or knows no name. */
  function weSayMore(theirs: string, ours: string): boolean {
    const generic = /\bs[0-3]_[0-7]_c\d+_c\d+_[0-7]\b/.exec(theirs)?.[0];
    if (generic !== undefined) {
      const name = /^(?:mrs \w+, (\w+)|msr (\w+), \w+)$/.exec(ours);
      const enc = findSysreg(name?.[1] ?? name?.[2] ?? '')?.enc;
      if (enc) return generic === `s${enc[0]}_${enc[1]}_c${enc[2]}_c${enc[3]}_${enc[4]}`;
      // PSTATE fields with an immediate above 1, which objdump does not name.
      return /^msr (spsel|pan|uao|dit|ssbs|tco), #[0-9a-f]$/.test(ours) && generic.startsWith('s0_');
    }
    // Registers of later architectures that have no name here.
    const unnamed = /^(mrs \w+, |msr )s[23]_\d_c\d+_c\d+_\d/.exec(ours);
    if (unnamed) {
      const name = /^(?:mrs \w+, (\w+)|msr (\w+), \w+)$/.exec(theirs);
      const known = name?.[1] ?? name?.[2] ?? '';
      return known !== '' && !findSysreg(known) && !otherRegister(known);
    }
    // Loading a register twice, or writeback to one that is loaded, is CONSTRAINED UNPREDICTABLE (K1.2); objdump prints some of these as data.
    const pair = /^ldpsw (\w+), (\w+), \[(\w+)/.exec(ours);
    if (pair && theirs.startsWith('.inst')) return new Set(pair.slice(1)).size < 3;
    // An operation without register, in a word that has one: the register is ignored, but it is there.
    if (/^(ic|tlbi) \w+$/.test(theirs)) return /^sys #\d, C\d+, C\d+, #\d, x\d+$/.test(ours);
    // Hints that only one of the two has a name for.
    return (theirs === 'hint #6' && ours === 'dgh') || (theirs === 'clearbhb' && ours === 'hint #16');
  }

  it('names a word without row as undefined, and never throws', () => {
    assert.equal(disassembler.disassemble(0xffffffff, 0n).text, '.inst 0xffffffff ; undefined');
    const random = randomFrom(Number(seed % 999983n));
    for (let n = 0; n < 20000; n++) {
      const word = random(65536) * 65536 + random(65536);
      const d = disassembler.disassemble(word, base);
      assert.ok(d.text.length > 0);
      if (!d.row || d.mnemonic === '.inst') continue;
      const text = d.target === undefined ? d.text : d.text.replace(/[0-9a-f]+$/, `0x$&`);
      const back = encode(text, base);
      assert.ok(
        back === word || (typeof back === 'number' && sameLogicalImmediate(d.row, word, back)),
        `${word.toString(16)} ${text}: ${typeof back === 'number' ? back.toString(16) : back}`,
      );
    }
  });

  it('gives system registers the encodings of GNU as', function () {
    requireTool(this, ...gnuTools);
    const names = [...sysregs.map((r) => r.name.toLowerCase()), ...otherRegisterNames()];
    const lines = names.map((n) => `mrs x0, ${n}`);
    inTemporaryFolder((folder) => {
      const source = join(folder, 'names.s');
      const object = join(folder, 'names.o');
      writeFileSync(source, lines.join('\n') + '\n');
      for (const e of gnuAssemble(source, object, march)) lines[e.line - 1] = 'nop';
      // Registers of particular CPUs and of later architectures; most must be known.
      assert.ok(
        lines.filter((l) => l === 'nop').length < 40,
        lines.map((l, i) => (l === 'nop' ? names[i] : '')).join(' '),
      );
      writeFileSync(source, lines.join('\n') + '\n');
      assert.deepEqual(gnuAssemble(source, object, march), []);
      const binary = join(folder, 'names.bin');
      gnu('objcopy', '-O', 'binary', '-j', '.text', object, binary);
      const bytes = readFileSync(binary);
      const bad = names.filter((name, n) => {
        const enc = findSysreg(name)?.enc ?? otherRegister(name) ?? [0, 0, 0, 0, 0];
        const word =
          0xd5300000 +
          (enc[0] - 2) * 0x80000 +
          enc[1] * 0x10000 +
          enc[2] * 0x1000 +
          enc[3] * 0x100 +
          enc[4] * 0x20;
        return lines[n] !== 'nop' && bytes.readUInt32LE(4 * n) !== word;
      });
      assert.deepEqual(bad, []);
    });
  });
});
