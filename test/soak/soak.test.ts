import assert from 'node:assert/strict';
import { SoakGuest } from './guest';
import { collector, sample } from './memory';

/** Modules between two looks, and what their leak would be at least: each keeps some objects besides its code. */
const MODULES = 300;
const LEAK = MODULES * 1500;

describe('a guest that keeps making code', () => {
  it('holds memory flat, and its code is what it wrote', async function () {
    const guest = new SoakGuest(256);
    const collect = collector();
    const until = (modules: number): void => {
      while (guest.counts.modules < modules) guest.run(200_000);
    };
    until(MODULES);
    const before = (await sample(collect)).heap;
    until(2 * MODULES);
    const between = (await sample(collect)).heap;
    until(3 * MODULES);
    const after = (await sample(collect)).heap;
    const grown = Math.min(between - before, after - between);
    assert.ok(grown < LEAK, `${MODULES} modules more keep ${grown} bytes`);
    const { functions, wrong } = guest;
    assert.equal(wrong, 0);
    assert.ok(functions > MODULES);
  });
});
