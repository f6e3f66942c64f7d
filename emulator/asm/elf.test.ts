/** The ELF that we write, as GNU's tools and gdb read it. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gnu, gnuAssemble, gnuLink, inTemporaryFolder } from '../../test/support/gnu';
import { requireTool } from '../../test/support/oracles';
import { a64Rows } from '../isa/a64/rows';
import { assemble, type AssembleResult } from './assemble';

const isa = { name: 'a64', rows: a64Rows };

const sources: Readonly<Record<string, string>> = {
  'main.S': `
	.include "macros.inc"
	.equ	CONSTANT, 0x1234
	.global	_start
	.type	_start, %function
_start:
	mov	x0, #1
	twice	nop
	.rept	2
	add	x0, x0, #1
	mov	x1, x0
	.endr
	bl	helper
	ldr	x2, =table
	ret
	.size	_start, . - _start
	.weak	maybe
	.data
	.global	table
	.type	table, %object
table:	.quad	helper, maybe
	.size	table, . - table
	.bss
room:	.skip	100
	.section .rodata
text:	.asciz	"text"
	.section .second, "ax"
	.include "helper.inc"
	.section .notes, "", %progbits
	.word	0x1234
`,
  'macros.inc': `
	.macro	twice what
	\\what
	\\what
	.endm
`,
  'helper.inc': `
	.type	helper, %function
helper:	cbz	x0, 1f
	sub	x0, x0, #1


	b	helper
1:	ret
	.byte	1, 2, 3, 4
	.size	helper, . - helper
`,
};

/** Assembles the sources, which lie in a folder, and writes our ELF there. */
function build(folder: string): { result: AssembleResult; elf: string } {
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(folder, name), text);
  const main = join(folder, 'main.S');
  const result = assemble({
    main,
    read: (path) => (path.startsWith(`${folder}/`) ? sources[path.slice(folder.length + 1)] : undefined),
    isa,
  });
  assert.deepEqual(result.diagnostics, []);
  assert.ok(result.elf);
  const elf = join(folder, 'ours.elf');
  writeFileSync(elf, result.elf);
  return { result, elf };
}

/** The same program by GNU as and ld, at the same addresses. */
function buildWithGnu(folder: string, result: AssembleResult): string {
  const object = join(folder, 'main.o');
  assert.deepEqual(gnuAssemble(join(folder, 'main.S'), object, '-g', '-I', folder), []);
  return gnuLink(
    folder,
    object,
    result.sections.filter((s) => s.size > 0 && s.address > 0n),
  );
}

const readelf = (...args: string[]): string => {
  const r = gnu('readelf', ...args);
  assert.equal(r.stderr, '');
  return r.stdout;
};

/** [file, line, address] of the rows of the line table; ends of sequences left out. */
function decodedLines(elf: string): string[] {
  const r = gnu('objdump', '--dwarf=decodedline', elf);
  assert.equal(r.stderr, '');
  return [...r.stdout.matchAll(/^(\S+)\s+(\d+)\s+(0x[0-9a-f]+)/gm)]
    .map((m) => `${m[1]} ${m[2]} ${m[3]}`)
    .sort();
}

describe('ELF and DWARF of the assembler', () => {
  before(function () {
    requireTool(this, 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld', 'aarch64-linux-gnu-readelf');
  });

  it('has a segment for each loaded section, with its rights', () => {
    inTemporaryFolder((folder) => {
      const { elf } = build(folder);
      const segments = [
        ...readelf('-lW', elf).matchAll(/LOAD\s+(\S+)\s+(\S+)\s+\S+\s+(\S+)\s+(\S+)\s+(.{3})/g),
      ].map((m) => [Number(m[2]), Number(m[3]), Number(m[4]), m[5]?.trim()].join(' '));
      const at = (n: number): number => 0x40080000 + n * 4096;
      assert.deepEqual(segments, [
        `${at(0)} 48 48 R E`,
        `${at(1)} 5 5 R`,
        `${at(2)} 16 16 RW`,
        `${at(3)} 20 20 R E`,
        `${at(4)} 0 100 RW`,
      ]);
      assert.match(readelf('-hW', elf), /EXEC[\s\S]*AArch64[\s\S]*Entry point address:\s+0x40080000/);
    });
  });

  it('has the symbols that ld makes', () => {
    inTemporaryFolder((folder) => {
      const { result, elf } = build(folder);
      const symbols = (file: string): string[] =>
        readelf('-sW', file)
          .split('\n')
          .map((l) => l.trim().split(/\s+/))
          .filter(
            (f) =>
              /^\d+:$/.test(f[0] ?? '') && !['FILE', 'SECTION'].includes(f[3] ?? '') && f[7] !== undefined,
          )
          // GNU as leaves the mapping symbol of data before code to chance; objdump's text decides, below.
          .filter((f) => !/^\$[xd]$/.test(f[7] ?? ''))
          .map(
            (f) =>
              `${f[7]} ${f[1]} ${f[2]} ${f[3]} ${f[4]} ${f[5]} ${f[6] === 'ABS' ? 'ABS' : f[6] === 'UND' ? 'UND' : ''}`,
          )
          .sort();
      assert.deepEqual(symbols(elf), symbols(buildWithGnu(folder, result)));
    });
  });

  it('has the line table of GNU as: macros at their call, repetitions at their lines', () => {
    inTemporaryFolder((folder) => {
      const { result, elf } = build(folder);
      const ours = decodedLines(elf);
      assert.ok(ours.length >= 12);
      assert.deepEqual(ours, decodedLines(buildWithGnu(folder, result)));
    });
  });

  it('disassembles alike, with data as data', () => {
    inTemporaryFolder((folder) => {
      const { result, elf } = build(folder);
      const code = (file: string): string =>
        gnu('objdump', '-d', file).stdout.split('\n').slice(3).join('\n');
      assert.equal(code(elf), code(buildWithGnu(folder, result)));
    });
  });

  it('has debug information without complaints', () => {
    inTemporaryFolder((folder) => {
      const { elf } = build(folder);
      const info = readelf('--debug-dump=info,abbrev,aranges,Ranges,line', elf);
      assert.match(info, /DW_AT_producer\s+:.*Worldswitch assembler/);
      assert.match(info, /DW_AT_language\s+: 32769/);
      assert.match(info, /DW_AT_name\s+:.*: helper/);
    });
  });

  it('is read by gdb', function () {
    requireTool(this, 'gdb-multiarch');
    inTemporaryFolder((folder) => {
      const { result, elf } = build(folder);
      const helper = result.symbols.find((s) => s.name === 'helper')?.value ?? 0n;
      const commands = [
        'info line *0x40080004',
        `info line *${helper + 8n}`,
        'info symbol helper',
        'info address table',
      ];
      const r = spawnSync('gdb-multiarch', ['-nx', '-batch', ...commands.flatMap((c) => ['-ex', c]), elf], {
        encoding: 'utf8',
      });
      assert.doesNotMatch(r.stderr, /DWARF|error|complain/i);
      assert.match(
        r.stdout,
        /Line 8 of ".*main\.S" starts at address 0x40080004 <_start\+4> and ends at 0x4008000c/,
      );
      assert.match(r.stdout, /Line 7 of ".*helper\.inc"/);
      assert.match(r.stdout, /helper in section \.second/);
      assert.match(r.stdout, /Symbol "table" is .*0x40082000/);
    });
  });
});
