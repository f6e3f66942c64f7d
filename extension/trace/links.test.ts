import assert from 'node:assert/strict';
import { sourceLinks } from './links';

describe('places in a trace line', () => {
  it('finds file:line, relative and absolute', () => {
    const text =
      '1204 CPU 0 EL1 -> EL2 HVC #0 hyp_vectors+0x400 (vectors.S:31), /src/x.c:7 C:\\hyp\\main.S:2';
    assert.deepEqual(
      sourceLinks(text).map(({ file, line }) => [file, line]),
      [
        ['vectors.S', 31],
        ['/src/x.c', 7],
        ['C:\\hyp\\main.S', 2],
      ],
    );
    const [first] = sourceLinks(text);
    assert.equal(text.slice(first?.start, first?.end), 'vectors.S:31');
  });

  it('takes no address, register or time for a place', () => {
    assert.deepEqual(sourceLinks('EL2:0x40080000 EL1,vmid=1:0x10 IPA(1):0x9000000 ESR_EL2.EC:22 12:30'), []);
  });
});
