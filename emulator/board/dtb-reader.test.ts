import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { requireTool } from '../../test/support/oracles';
import { planBoot } from './boot';
import { deviceTreeBlob } from './device-tree';
import { flatten, wide } from './dtb';
import { unflatten, withChosen } from './dtb-reader';
import { BootError } from './elf';

const dtc = (input: string | Uint8Array, from: 'dts' | 'dtb', to: 'dts' | 'dtb'): Buffer =>
  execFileSync('dtc', ['-q', '-I', from, '-O', to, '-'], { input });

const source = `/dts-v1/;
/memreserve/ 0x40000000 0x1000;
/memreserve/ 0x1ffff0000 0x10000;
/ {
	#address-cells = <2>;
	empty;
	odd = [01 02 03];
	list = "one", "two";
	chosen { stdout-path = "/uart"; bootargs = "old"; };
	uart { reg = <0 0x9000000>; deep { deeper { last = ""; }; }; };
};
`;

describe('flattened device tree reader', () => {
  it('loses nothing that dtc wrote, reservations included', function () {
    requireTool(this, 'dtc');
    const theirs = dtc(source, 'dts', 'dtb');
    const { root, reserved } = unflatten(theirs);
    assert.deepEqual(
      dtc(flatten(root, reserved), 'dtb', 'dts').toString(),
      dtc(theirs, 'dtb', 'dts').toString(),
    );
    assert.deepEqual(reserved[1], { address: 0x1_ffff_0000n, size: 0x1_0000n });
  });

  it('puts command line and RAM disk into the tree that it is given', function () {
    requireTool(this, 'dtc');
    const image = new Uint8Array(0x1000);
    image.set(new TextEncoder().encode('ARMd'), 56);
    const p = planBoot(image, 0x2000_0000n, 1, true, {
      bootargs: 'new',
      initrd: Uint8Array.of(1),
      dtb: dtc(source, 'dts', 'dtb'),
    });
    const tree = p.writes.find((w) => w.pa === p.x0)?.data ?? new Uint8Array();
    const text = dtc(tree, 'dtb', 'dts').toString();
    assert.match(text, /bootargs = "new"/);
    assert.doesNotMatch(text, /"old"|pl011/);
    assert.match(text, /linux,initrd-end = <0x00 0x48000001>/);
    assert.match(text, /stdout-path = "\/uart"/);
    assert.match(text, /memreserve/);
  });

  it('makes /chosen where there is none', () => {
    const root = withChosen({ name: '', properties: {} }, { a: wide(1n) });
    assert.deepEqual(root.children, [{ name: 'chosen', properties: { a: wide(1n) } }]);
  });

  it('refuses what is no tree, and damaged ones, in one sentence', () => {
    const good = deviceTreeBlob({ cpus: 1, memoryBytes: 0x1000_0000n, el2: true, gic: 3, cpu: 'cortex-a57' });
    assert.throws(() => unflatten(Uint8Array.of(1, 2, 3)), /no flattened device tree.*dtc/);
    assert.throws(() => unflatten(good.subarray(0, good.length - 8)), /shorter than its header says/);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        (changes) => {
          const bad = good.slice();
          for (const [at, value] of changes) bad[at] = value;
          try {
            unflatten(bad);
          } catch (e) {
            assert.ok(e instanceof BootError, String(e));
          }
        },
      ),
    );
  });
});
