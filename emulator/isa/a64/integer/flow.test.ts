import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Decoder } from '../../../codegen/decoder';
import type { Flow } from '../../dsl/row';
import { cpuModel } from '../cpus';
import { a64Rows } from '../rows';
import { requireTool } from '../../../../test/support/oracles';

/** What each instruction does to control flow: Arm ARM DDI 0487 C6.2. */
const instructions: readonly (readonly [string, Flow | undefined])[] = [
  ['bl . + 64', 'call'],
  ['bl . - 64', 'call'],
  ['blr x0', 'call'],
  ['blr x30', 'call'],
  ['b . + 64', undefined],
  ['br x17', undefined],
  ['ret', 'return'],
  ['ret x1', 'return'],
  ['cbz x0, . + 8', undefined],
  ['svc #0', 'svc'],
  ['svc #65535', 'svc'],
  ['hvc #0', 'hvc'],
  ['hvc #65535', 'hvc'],
  ['smc #0', 'smc'],
  ['smc #65535', 'smc'],
  ['brk #1', undefined],
  ['eret', 'eret'],
  ['wfe', 'wait'],
  ['wfi', 'wait'],
  ['yield', undefined],
  ['nop', undefined],
  ['sev', undefined],
  ['drps', undefined],
  ['add x0, x0, #1', undefined],
];

describe('Control flow of A64 rows', () => {
  let code: Buffer;

  before(function () {
    requireTool(this, 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-objcopy');
    const dir = mkdtempSync(path.join(tmpdir(), 'flow-'));
    try {
      const at = (name: string): string => path.join(dir, name);
      writeFileSync(at('a.s'), instructions.map(([text]) => `${text}\n`).join(''));
      execFileSync('aarch64-linux-gnu-as', ['-o', at('a.o'), at('a.s')]);
      execFileSync('aarch64-linux-gnu-objcopy', ['-O', 'binary', at('a.o'), at('a.bin')]);
      code = readFileSync(at('a.bin'));
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  const decoder = new Decoder(a64Rows, cpuModel('cortex-a57').features);
  for (const [n, [text, flow]] of instructions.entries())
    it(`${text}: ${flow ?? 'plain'}`, () => {
      const row = decoder.decode(code.readUInt32LE(4 * n))?.row;
      assert.ok(row);
      assert.equal(row.flow, flow);
    });
});
