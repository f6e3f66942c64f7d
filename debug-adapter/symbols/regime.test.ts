import * as assert from 'node:assert/strict';
import { SymbolError } from './errors';
import { formatRegime, parseRegime, parseSymbolEntry, regimeFit } from './regime';

describe('translation regimes', () => {
  it('reads what it writes', () => {
    for (const text of ['EL2', 'EL1', 'EL1,vmid=1', 'EL0,vmid=65535', 'PA', '']) {
      assert.equal(formatRegime(parseRegime(text)), text);
    }
    assert.deepEqual(parseRegime(' el1 , VMID=0x10 '), { el: 'EL1', vmid: 16 });
  });

  it('refuses other text with advice', () => {
    for (const text of ['EL4', 'vmid=70000', 'EL1;vmid=1', 'vmid=-1']) {
      assert.throws(
        () => parseRegime(text),
        new SymbolError(
          `"${text}" is not a translation regime: write EL0, EL1, EL2, EL3 or PA, with ",vmid=N" for a guest.`,
        ),
      );
    }
  });

  it('fits open sides, shares EL1&0, and contradicts the rest', () => {
    assert.equal(regimeFit(undefined, { el: 'EL2' }), 0);
    assert.equal(regimeFit({ el: 'EL2' }, { el: 'EL1' }), undefined);
    assert.ok(
      (regimeFit({ el: 'EL1' }, { el: 'EL0' }) ?? -1) < (regimeFit({ el: 'EL1' }, { el: 'EL1' }) ?? -1),
    );
    assert.equal(regimeFit({ el: 'EL1', vmid: 1 }, { el: 'EL1', vmid: 2 }), undefined);
    assert.equal(regimeFit({ physical: true }, { el: 'EL2' }), undefined);
  });

  it('reads the entries of launch.json', () => {
    assert.deepEqual(parseSymbolEntry({ file: 'a' }), { file: 'a', offset: 0n });
    assert.deepEqual(
      parseSymbolEntry({ file: 'a', offset: '0xffff_8000_0000_0000', regime: 'EL1', vmid: 1 }),
      {
        file: 'a',
        offset: 0xffff_8000_0000_0000n,
        regime: { el: 'EL1', vmid: 1 },
      },
    );
    assert.equal(parseSymbolEntry({ file: 'a', offset: '-0x1000' }).offset, -0x1000n);
    assert.deepEqual(parseSymbolEntry({ file: 'a', vm: 1 }).regime, { el: 'EL1', vm: 1 });
    assert.deepEqual(parseSymbolEntry({ file: 'a', vmid: 2 }).regime, { el: 'EL1', vmid: 2 });
    assert.deepEqual(parseSymbolEntry({ file: 'a', vmid: 0 }).regime, { vmid: 0 });
    for (const regime of ['EL2', 'PA'])
      assert.throws(
        () => parseSymbolEntry({ file: 'a', vm: 1, regime }),
        /where no virtual machine runs: write "EL1"/,
      );
    assert.throws(() => parseSymbolEntry({ file: 'a', offset: 'x' }), /write it as a hexadecimal string/);
    assert.throws(() => parseSymbolEntry({ file: 'a', vmid: 1.5 }), /write a number from 0 to 65535/);
  });
});
