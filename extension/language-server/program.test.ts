import assert from 'node:assert/strict';
import { includedFiles, rootOf, type ListFolder } from './program';

const tree: Record<string, string> = {
  '/hyp/main.S': '\t.include "vectors.S"\n.include "lib/print.S" // uart\n# .include "not-this.S"\n',
  '/hyp/vectors.S': 'b .\n',
  '/hyp/lib/print.S': '.include "chars.inc"\n',
  '/hyp/lib/chars.inc': '.byte 10\n',
  '/hyp/not-this.S': 'nop\n',
  '/loop/main.S': '.include "main.S"\n.include "a.S"\n',
  '/loop/a.S': '.include "main.S"\n',
};
const read = (file: string): string | undefined => tree[file];

describe('program of a source file', () => {
  it('follows .include beside the root and beside the includer', () => {
    assert.deepEqual(includedFiles('/hyp/main.S', read).sort(), [
      '/hyp/lib/chars.inc',
      '/hyp/lib/print.S',
      '/hyp/main.S',
      '/hyp/vectors.S',
    ]);
  });

  it('follows #include, in include folders, too', () => {
    const files: Record<string, string> = {
      '/k/main.S': '#include "a.h"\n # include <asm/b.h>\n',
      '/k/a.h': '',
      '/inc/asm/b.h': '#include "c.h"\n',
      '/inc/asm/c.h': '',
      '/k/asm/b.h': '',
    };
    const found = includedFiles('/k/main.S', (file) => files[file], ['/inc']);
    assert.deepEqual(found.sort(), ['/inc/asm/b.h', '/inc/asm/c.h', '/k/a.h', '/k/main.S']);
  });

  it('ends where files include each other', () => {
    assert.deepEqual(includedFiles('/loop/main.S', read).sort(), ['/loop/a.S', '/loop/main.S']);
  });

  it('finds the main.S above an included file', () => {
    assert.equal(rootOf('/hyp/lib/chars.inc', read), '/hyp/main.S');
    assert.equal(rootOf('/hyp/vectors.S', read), '/hyp/main.S');
  });

  it('takes a file that no main.S includes as a program of its own', () => {
    assert.equal(rootOf('/hyp/not-this.S', read), '/hyp/not-this.S');
    assert.equal(rootOf('/elsewhere/a.S', read), '/elsewhere/a.S');
  });

  it('finds another program beside the main.S that includes the file', () => {
    const files: Record<string, string> = {
      '/hyp/main.S': '.include "core.S"\n',
      '/hyp/core.S': 'nop\n',
      '/hyp/guests/smp.S': 'nop\n',
      '/hyp/stories/smp.S': '.include "../core.S"\n.include "../guests/smp.S"\n',
    };
    const list: ListFolder = (folder) => {
      const inside = Object.keys(files).filter((f) => f.startsWith(`${folder}/`));
      const names = new Set(inside.map((f) => f.slice(folder.length + 1).split('/')[0] ?? ''));
      return [...names].map((n) => ({ path: `${folder}/${n}`, folder: !n.includes('.') }));
    };
    const root = (file: string): string => rootOf(file, (f) => files[f], [], list);
    assert.equal(root('/hyp/guests/smp.S'), '/hyp/stories/smp.S');
    assert.equal(root('/hyp/stories/smp.S'), '/hyp/stories/smp.S');
    assert.equal(root('/hyp/core.S'), '/hyp/main.S');
  });
});
