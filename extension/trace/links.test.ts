import assert from 'node:assert/strict';
import { sourceLinks } from './links';

describe('places in a trace line', () => {
  const text =
    '      1204  CPU 0  EL1 -> EL2  HVC #0  host_run+0x8 (host/run.S:32) -> vectors (/my src/x.c:7) (C:\\hyp\\main.S:2)';

  it('finds file:line behind a symbol, relative and absolute', () => {
    assert.deepEqual(
      sourceLinks(text).map(({ file, line }) => [file, line]),
      [
        ['host/run.S', 32],
        ['/my src/x.c', 7],
        ['C:\\hyp\\main.S', 2],
      ],
    );
  });

  it('says where in the line they stand', () => {
    assert.deepEqual(
      sourceLinks(text).map(({ start, end }) => text.slice(start, end)),
      ['host/run.S:32', '/my src/x.c:7', 'C:\\hyp\\main.S:2'],
    );
  });

  it('takes no address, register or time for a place', () => {
    assert.deepEqual(
      sourceLinks('(EL2:0x40080000) (EL1,vmid=1:0x10) IPA(1):0x9000000 (ESR_EL2) 12:30 (a:0)'),
      [],
    );
  });
});
