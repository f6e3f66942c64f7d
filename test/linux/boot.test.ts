import assert from 'node:assert/strict';
import { cachedDebian } from '../../scripts/debian.mjs';
import { bootHere, complaints, onlyIn } from './boot';

describe('a stock Debian kernel', () => {
  it('boots at EL2, initialises KVM, and runs a guest to its end', function () {
    this.timeout(300_000);
    // `npm test` fetches the kernel; scripts/debian.mjs does it for a single spec.
    const guest = cachedDebian();
    if (!guest) return this.skip();
    const append = 'console=ttyAMA0 earlycon nokaslr cryptomgr.notests initcall_blacklist=trace_eval_init';
    const result = bootHere(
      guest,
      { cpu: 'cortex-a57', smp: 1, memory: 256, append },
      'KVMTEST DONE\n',
      600_000_000n,
    );
    assert.deepEqual(complaints(result, 'Hyp', 'limit'), []);
    // What the guest found, in its own words: FP state, stage 1 and 2, exclusives, AT, an abort of its own, timers.
    for (const line of [
      'GUEST: FP/SIMD 1.5*2.25, v31.d[1], v30.d[0] = 400b000000000000/5a5a5a5a5a5a5a5a/1234',
      'GUEST: MMU on SCTLR_EL1=c5107d 256 pages touched, sum=8080',
      'GUEST: took sync abort ESR/FAR=96000005/1fc0000000',
      'GUEST: virtual timer PPI27 interrupts via WFI: 5',
      '  exit 6 MMIO = 444',
    ])
      assert.ok(result.text.includes(`${line}\n`), line);
  });
});

describe('the comparison of two consoles', () => {
  it('ignores time stamps, interrupt numbers and order, and counts lines', () => {
    const a = '[    0.1] one\n[    0.2] two (irq = 14)\ntwo\ntwo\n';
    const b = '[   10.9] two (irq = 9)\n[   11.0] one\ntwo\nthree\n';
    assert.deepEqual(onlyIn(a, b), ['two']);
    assert.deepEqual(onlyIn(b, a), ['three']);
  });
});
