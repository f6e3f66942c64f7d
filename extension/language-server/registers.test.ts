import assert from 'node:assert/strict';
import { sysregs } from '../../emulator/isa/a64/sysregs';
import { sysreg } from '../../emulator/isa/dsl/sysreg';
import { registerHover, registerIndex } from './registers';

describe('system registers for hover', () => {
  const index = registerIndex(sysregs);

  it('knows a register by name and by its generic name', () => {
    const row = index.get('hcr_el2');
    assert.ok(row);
    assert.equal(index.get('s3_4_c1_c1_0'), row);
  });

  it('tells document, encoding, access, fields from the top, and traps', () => {
    const row = sysreg('DEMO_EL1', [3, 0, 1, 0, 1], {
      min: 1,
      doc: 'A demonstration',
      fields: { EN: 0, MODE: [6, 4] },
      trap: [{ when: 'HCR_EL2.TVM', dir: 'w', from: [1], to: 2 }],
    });
    assert.equal(
      registerHover(row),
      [
        '**DEMO_EL1**: A demonstration',
        '`S3_0_C1_C0_1`, read and written from EL1 up',
        '| Bits | Field |\n|---:|---|\n| 6:4 | MODE |\n| 0 | EN |',
        'Trapped while\n- `HCR_EL2.TVM`: a write from EL1 is trapped to EL2',
      ].join('\n\n'),
    );
  });

  it('has text for every register', () => {
    for (const row of sysregs) assert.ok(registerHover(row).includes(row.doc), row.name);
  });
});
