/** The assembly of the reference hypervisor keeps its own rules: every routine says what it does to registers. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SAMPLE } from './gnu';

/** What a header must speak of: registers by name, or that there is nothing to say because nobody comes back. */
const CONTRACT =
  /\b[xwvq]\d+\b|\b(?:SP|TPIDR_EL2|MPIDR|DAIF)\b|[Cc]lobbers? |does not return|[Nn]o registers?\b|stay here/;

const folders = ['.', 'boot', 'hyp', 'host'];

function sources(): { name: string; lines: string[] }[] {
  return folders.flatMap((folder) =>
    readdirSync(join(SAMPLE, folder))
      .filter((file) => file.endsWith('.S') && file !== 'main.S')
      .map((file) => {
        const name = join(folder, file);
        return { name, lines: readFileSync(join(SAMPLE, name), 'utf8').split('\n') };
      }),
  );
}

/** The comment lines directly above a line; a routine that another falls into may share the header above both. */
export function headerAbove(lines: readonly string[], at: number): string {
  const header: string[] = [];
  for (let i = at - 1; i >= 0 && /^\/\//.test(lines[i] ?? ''); i--) header.unshift(lines[i] ?? '');
  return header.join(' ');
}

/** What is wrong with the routines of a file. */
export function faults(name: string, lines: readonly string[]): string[] {
  return lines.flatMap((line, at) => {
    const routine = /^\t(?:func|handler)\t(\w+)$/.exec(line)?.[1];
    if (routine === undefined) return [];
    const own = headerAbove(lines, at);
    // Variants in one comment: `lock_host, unlock_host: clobber ...` stands above the first of them.
    const shared = lines
      .map((l, i) => (/^\t(?:func|handler)\t/.test(l) ? headerAbove(lines, i) : ''))
      .find((h) => new RegExp(`\\b${routine}\\b[^.]*:`).test(h));
    const header = own || (shared ?? '');
    if (header === '') return [`${name}:${at + 1}: ${routine} has no header`];
    if (!CONTRACT.test(header)) return [`${name}:${at + 1}: the header of ${routine} names no register`];
    return [];
  });
}

describe('The sources of the reference hypervisor', () => {
  it('have a header with a register contract above every routine', () => {
    const all = sources();
    assert.ok(all.flatMap((s) => s.lines).filter((l) => /^\t(?:func|handler)\t/.test(l)).length > 80);
    assert.deepEqual(
      all.flatMap((s) => faults(s.name, s.lines)),
      [],
    );
  });

  it('would be caught without one', () => {
    assert.deepEqual(faults('f', ['', '\tfunc\ta']), ['f:2: a has no header']);
    assert.deepEqual(faults('f', ['// a: nice.', '\tfunc\ta']), ['f:2: the header of a names no register']);
    assert.deepEqual(faults('f', ['// a, b: x0.', '\tfunc\ta', '\tendfunc\ta', '', '\tfunc\tb']), []);
  });

  it('take every offset into a struct from layout.inc', () => {
    // A number in an address is an offset into a struct that nobody declared, or a frame on the stack.
    const bare = sources().flatMap((s) =>
      s.lines.flatMap((line, at) => {
        const found = /\[(x\d+), #(\d+)\]/.exec(line.replace(/\/\/.*/, ''));
        return found ? [`${s.name}:${at + 1}: ${line.trim()}`] : [];
      }),
    );
    assert.deepEqual(bare, []);
  });

  it('are files of one subject: none is longer than 400 lines', () => {
    for (const s of sources()) assert.ok(s.lines.length <= 400, s.name);
  });
});
