import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { Computer, type ComputerConfig } from '../../emulator/board/computer';
import { stressTranslation } from '../../emulator/core/translator';
import { cachedDebian } from '../../scripts/debian.mjs';
import { cases } from '../hypervisor/stories';
import { buildProgram } from '../hypervisor/program';
import { Random, seed } from '../support/random';

/** Runs both by the same random steps; their states must be equal after each. */
function inStep(config: ComputerConfig, steps: number, longest: number): void {
  const r = new Random(seed);
  const interpreted = new Computer({ ...config, translate: false });
  const translated = new Computer({ ...config, translate: stressTranslation });
  for (let i = 0; i < steps; i++) {
    const instructions = 1 + r.below(r.pick([5, 500, longest]));
    const [a, b] = [interpreted, translated].map((c) => c.machine.run({ instructions }));
    const at = `at ${interpreted.machine.now()} (SEED=${seed})`;
    assert.deepEqual(b, a, at);
    assert.equal(translated.machine.now(), interpreted.machine.now(), at);
    assert.equal(translated.machine.hash(), interpreted.machine.hash(), at);
    if (a?.kind !== 'limit') break;
  }
  assert.ok((translated.machine.translator?.counts.regions ?? 0) > 20, 'nothing was translated');
  assert.equal(translated.machine.translator?.refused, undefined);
}

describe('translated code runs as interpreted code does', () => {
  for (const { name, story, cpus, cpu } of cases)
    it(`reference hypervisor: ${name}`, function () {
      this.timeout(120_000);
      const image = buildProgram(story).elf;
      const memoryBytes = 32 << 20;
      inStep({ cpus, memoryBytes, image, ...(cpu === undefined ? {} : { cpu }) }, 25, 60_000);
    });

  it('a stock kernel, from its first instruction on', function () {
    this.timeout(120_000);
    const debian = cachedDebian();
    if (!debian) return this.skip();
    const [image, initrd] = [readFileSync(debian.kernel), readFileSync(debian.initrd)];
    inStep({ cpus: 2, memoryBytes: 128 << 20, image, initrd, bootargs: 'earlycon' }, 12, 3_000_000);
  });
});
