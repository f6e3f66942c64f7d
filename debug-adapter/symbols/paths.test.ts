import * as assert from 'node:assert/strict';
import * as path from 'node:path';
import fc from 'fast-check';
import { commonSuffix, joinPath, mapSource, matchPath, normalise } from './paths';

describe('source paths', () => {
  it('normalises as the host does', () => {
    const part = fc.constantFrom('a', 'b', '..', '.', '', 'x.S');
    fc.assert(
      fc.property(fc.array(part, { minLength: 1 }), fc.boolean(), (parts, rooted) => {
        const text = (rooted ? '/' : '') + parts.join('/');
        const expected = path.posix.normalize(text === '' ? '.' : text).replace(/(.)\/$/, '$1');
        assert.equal(normalise(text) === '' ? '.' : normalise(text), expected);
      }),
    );
  });

  it('reads Windows spellings', () => {
    assert.equal(normalise('C:\\hyp\\src\\..\\main.S'), 'c:/hyp/main.S');
    assert.equal(normalise('C:/hyp/main.S'), 'c:/hyp/main.S');
    assert.equal(normalise('C:\\..\\x'), 'c:/../x');
    assert.equal(normalise('src\\main.S'), 'src/main.S');
    assert.equal(normalise('odd\\name/main.S'), 'odd\\name/main.S');
  });

  it('joins directory, include directory and name', () => {
    assert.equal(joinPath('/build', '../src', 'a.S'), '/src/a.S');
    assert.equal(joinPath('/build', '/abs', 'a.S'), '/abs/a.S');
    assert.equal(joinPath('/build', 'inc', '/abs/a.S'), '/abs/a.S');
    assert.equal(joinPath('C:\\b', 'inc', 'a.S'), 'c:/b/inc/a.S');
    assert.equal(joinPath('', '', 'a.S'), 'a.S');
  });

  it('maps whole prefixes only', () => {
    const map = [
      { from: '/build/', to: '/home/me/src' },
      { from: 'C:\\ci', to: '/ci' },
    ];
    assert.equal(mapSource('/build/a/b.S', map), '/home/me/src/a/b.S');
    assert.equal(mapSource('/builder/a.S', map), '/builder/a.S');
    assert.equal(mapSource('c:/ci/x.S', map), '/ci/x.S');
    assert.equal(mapSource('a.S', [{ from: '.', to: '/w' }]), '/w/a.S');
    assert.equal(mapSource('/a.S', [{ from: '.', to: '/w' }]), '/a.S');
  });

  it('matches the same path, else the only longest ending', () => {
    const known = ['/ci/hyp/a/main.S', '/ci/hyp/b/main.S', '/ci/hyp/vec.S'];
    assert.deepEqual(matchPath('/ci/hyp/x/../a/main.S', known), { path: '/ci/hyp/a/main.S' });
    assert.deepEqual(matchPath('/me/b/main.S', known), { path: '/ci/hyp/b/main.S' });
    assert.deepEqual(matchPath('/me/vec.S', known), { path: '/ci/hyp/vec.S' });
    assert.deepEqual(matchPath('/me/main.S', known), { candidates: known.slice(0, 2) });
    assert.deepEqual(matchPath('/me/other.S', known), { candidates: [] });
  });

  it('never counts half a component as common', () => {
    assert.equal(commonSuffix('/a/xmain.S', '/a/main.S'), 0);
    assert.equal(commonSuffix('/a/main.S', '/b/main.S'), 1);
    assert.equal(commonSuffix('/a/main.S', '/a/main.S'), 2);
  });
});
