import * as assert from 'node:assert/strict';
import { ANONYMOUS, partNamed, textItem, type Item } from './items';

const struct = (name: string, ...parts: Item[]): Item => ({ ...textItem(name, ''), parts: () => parts });

describe('the parts of an item', () => {
  const outer = struct(
    'outer',
    textItem('own', '1'),
    struct(ANONYMOUS, textItem('first', '2'), struct(ANONYMOUS, textItem('deep', '3')), textItem('own', '4')),
    struct('named', textItem('hidden', '5')),
  );

  it('are those of members without a name, too', () => {
    assert.equal(partNamed(outer, 'first').value, '2');
    assert.equal(partNamed(outer, 'deep').value, '3');
  });

  it('are its own before others, and not those of named members', () => {
    assert.equal(partNamed(outer, 'own').value, '1');
    assert.throws(() => partNamed(outer, 'hidden'), /has no part "hidden": there are own, /);
  });

  it('end where members without a name contain themselves', () => {
    const loop: Item = { ...textItem(ANONYMOUS, ''), parts: () => [loop] };
    assert.throws(() => partNamed(struct('outer', loop), 'x'), /has no part "x"/);
  });
});
