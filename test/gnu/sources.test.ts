/** Where sources are, which lines have code, and sources beside disassembly. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { requireTool } from '../support/oracles';
import { buildGuest, GNU_TOOLS, GUEST, lineOf } from './build';
import { Session } from './session';

const objdump = (...args: string[]): string =>
  execFileSync('aarch64-linux-gnu-objdump', args, { encoding: 'utf8', maxBuffer: 1 << 26 });

describe('Sources of C and assembly of the GNU toolchain', function () {
  let session: Session;

  beforeEach(function () {
    requireTool(this, ...GNU_TOOLS, 'aarch64-linux-gnu-objdump');
  });
  afterEach(async () => {
    await session?.end();
  });

  it('are found by a sourceMap when the program was built elsewhere', async () => {
    const elf = buildGuest({ optimise: 0, dwarf: 5, recordedAs: '/build/guest' });
    session = await Session.start(elf, { sourceMap: { '/build/guest': GUEST } });
    const [b] = await session.lines('guest.c', { line: lineOf('guest.c', 'product = factorial') });
    assert.equal(b?.verified, true, b?.message);
    await session.resume();
    const frame = await session.frame();
    assert.equal(frame.source?.path, join(GUEST, 'guest.c'));
    assert.equal(frame.line, lineOf('guest.c', 'product = factorial'));
    assert.equal((await session.frame('guest_start')).source?.path, join(GUEST, 'start.S'));
  });

  it('are a generated document that names the lost file, without a sourceMap', async () => {
    const elf = buildGuest({ optimise: 0, dwarf: 5, recordedAs: '/build/guest' });
    session = await Session.start(elf);
    await session.functions({ name: 'sum' });
    await session.resume();
    const { source, name } = await session.frame();
    assert.equal(name, 'sum');
    assert.equal(source?.path, undefined);
    assert.ok((source?.sourceReference ?? 0) > 0);
    assert.match(source?.origin ?? '', /\/build\/guest\/guest\.c was not found.*sourceMap/);
  });

  for (const file of ['guest.c', 'start.S']) {
    it(`${file}: the lines with code are those of objdump`, async () => {
      const elf = buildGuest();
      session = await Session.start(elf);
      const decoded = objdump('--dwarf=decodedline', elf);
      const row = new RegExp(`^${file.replace('.', '\\.')}\\s+(\\d+)\\s+0x`, 'gm');
      const expected = [...new Set([...decoded.matchAll(row)].map((m) => Number(m[1])))].sort(
        (a, b) => a - b,
      );
      const body = await session.client.ok('breakpointLocations', {
        source: { path: join(GUEST, file) },
        line: 1,
        endLine: 1000,
      });
      const lines = (body['breakpoints'] as DP.BreakpointLocation[]).map((l) => l.line);
      assert.ok(expected.length > 20);
      assert.deepEqual(lines, expected);
    });
  }

  it('stand beside the disassembly, at the addresses and lines of objdump', async () => {
    const elf = buildGuest();
    session = await Session.start(elf);
    await session.functions({ name: 'twice_area' });
    await session.resume();
    const listing = objdump('-d', '--no-show-raw-insn', '-M', 'no-aliases', '--disassemble=twice_area', elf);
    const addresses = [...listing.matchAll(/^\s*([0-9a-f]+):\t/gm)].map((m) => BigInt(`0x${m[1]}`));
    const [start] = addresses;
    assert.ok(start !== undefined && addresses.length > 20);
    const body = await session.client.ok('disassemble', {
      memoryReference: `0x${start.toString(16)}`,
      instructionCount: addresses.length,
      resolveSymbols: true,
    });
    const rows = body['instructions'] as DP.DisassembledInstruction[];
    assert.deepEqual(
      rows.map((r) => BigInt(r.address)),
      addresses,
    );
    assert.equal(rows[0]?.symbol, 'twice_area');
    assert.equal(rows[0]?.location?.path, join(GUEST, 'guest.c'));
    // Rows without a line of their own belong to the one before.
    const lines = rows.flatMap((r) => r.line ?? []);
    const decoded = objdump('--dwarf=decodedline', elf);
    const expected = [...decoded.matchAll(/^guest\.c\s+(\d+)\s+(0x[0-9a-f]+)/gm)]
      .filter((m) => BigInt(m[2] ?? 0) >= start && BigInt(m[2] ?? 0) <= (addresses.at(-1) ?? 0n))
      .map((m) => Number(m[1]));
    assert.deepEqual([...new Set(lines)].sort(), [...new Set(expected)].sort());
  });
});
