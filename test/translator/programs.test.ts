/** Programs in C, those of the benchmark at a small size: what they print must be the same in both tiers and on QEMU. */
import assert from 'node:assert/strict';
import { Computer, type ComputerConfig } from '../../emulator/board/computer';
import { GUEST_TOOLS, guestImage } from '../bench/guest-image';
import { programs } from '../bench/programs';
import { requireTool } from '../support/oracles';
import { qemuOutput } from '../support/qemu-program';

const MEMORY_MB = 256;
/** Translates soon and in many pieces, so that a short run has much of it. */
const soon = { heat: 12, batch: 3, patience: 2_000 };
const END = /^begin\nend [0-9a-f]{16}\n$/;

/** What the program prints, and when it has ended in virtual time. */
function run(
  image: Uint8Array,
  translate: NonNullable<ComputerConfig['translate']>,
): [string, bigint, Computer] {
  const computer = new Computer({ cpus: 1, memoryBytes: MEMORY_MB << 20, image, translate });
  let text = '';
  computer.onEvent = (e) => {
    if (e.kind === 'uart') text += Buffer.from(e.bytes).toString('latin1');
  };
  // Short enough that what is hot gets translated between two.
  while (!computer.ended && computer.machine.now() < 200_000_000n)
    computer.machine.run({ instructions: 50_000 });
  return [text, computer.machine.now(), computer];
}

describe('programs in C', function () {
  before(function () {
    requireTool(this, ...GUEST_TOOLS, 'qemu-system-aarch64');
  });

  for (const program of programs)
    it(program.name, () => {
      const image = guestImage(program, 2);
      const [interpreted, time] = run(image, false);
      assert.match(interpreted, END);
      const [translated, sameTime, { machine }] = run(image, soon);
      assert.equal(translated, interpreted, 'the tiers differ');
      assert.equal(sameTime, time, 'instructions differ');
      assert.ok((machine.translator?.counts.regions ?? 0) > 0, 'nothing was translated');
      const qemu = qemuOutput(image, { cpus: 1, more: ['-m', String(MEMORY_MB)] }).toString('latin1');
      assert.equal(interpreted, qemu.replaceAll('\r', ''), 'QEMU differs');
    });
});
