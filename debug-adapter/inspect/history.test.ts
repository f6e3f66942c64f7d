import assert from 'node:assert/strict';
import { InspectBench, SAMPLE } from './testing/bench';

describe('labels between exception levels', () => {
  it('tell what fault it was, and the intermediate address where there is one', async () => {
    const b = new InspectBench({ program: SAMPLE });
    for (const [condition, label] of [
      [
        'ipa != 0 && ec == 0x24 && (iss & 0x3c) == 0xc',
        /^<data abort (read|write), permission fault level 3 from EL1>$/,
      ],
      [
        'ec == 0x24 && (iss & 0x3c) == 4 && ipa >> 24 == 9',
        /^<data abort (read|write), translation fault level \d at IPA 0x9[0-9a-f]{6} from EL1>$/,
      ],
    ] as const) {
      await b.ask('setExceptionBreakpoints', {
        filters: [],
        filterOptions: [{ filterId: 'stage2-fault', condition }],
      });
      const report = await b.continue();
      const [, shown] = await b.stack();
      assert.match(shown ?? '', label);
      // The head of the stack says the same.
      assert.ok(report.description.endsWith((shown ?? '').slice(1, -1)), report.description);
    }
    await b.control.halt();
  });
});
