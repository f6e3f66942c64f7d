import assert from 'node:assert/strict';
import { requireTool } from '../support/oracles';
import { runOnQemu } from '../sample/gnu';
import { buildGuest, GNU_TOOLS, type Variant } from './build';
import { Session } from './session';

const variants: readonly Variant[] = ([0, 2] as const).flatMap((optimise) =>
  ([4, 5] as const).map((dwarf) => ({ optimise, dwarf })),
);

describe('A guest of C and assembly, built by GNU gcc and ld', function () {
  for (const variant of variants) {
    it(`prints the same here and on QEMU, -O${variant.optimise} -gdwarf-${variant.dwarf}`, async function () {
      requireTool(this, ...GNU_TOOLS);
      const elf = buildGuest(variant);
      const qemu = await runOnQemu(elf, { machine: 'virt,virtualization=on' });
      assert.equal(qemu.code, 0, 'QEMU ends by PSCI SYSTEM_OFF');
      assert.match(qemu.uart, /^hyp: stage 2 on\r?\nguest: checksum \d+\r?\n$/);
      const session = await Session.start(elf);
      await session.finish();
      assert.equal(session.uart(), qemu.uart);
      await session.end();
    });
  }
});
