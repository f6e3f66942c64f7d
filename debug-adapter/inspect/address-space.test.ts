import assert from 'node:assert/strict';
import fc from 'fast-check';
import { UserError } from '../errors';
import { formatAddress, parseAddress, parseSpace, type AddressSpace } from './address-space';

const good: readonly (readonly [string, AddressSpace | undefined, bigint])[] = [
  ['0x40080000', undefined, 0x40080000n],
  ['1234', undefined, 1234n],
  ['EL2:0x7040087400', { kind: 'VA', level: 'EL2' }, 0x7040087400n],
  ['EL1:0x10', { kind: 'VA', level: 'EL1' }, 16n],
  ['el1,vmid=1:0x10', { kind: 'VA', level: 'EL1', vmid: 1 }, 16n],
  ['EL1,vmid=1,asid=2:0x10', { kind: 'VA', level: 'EL1', vmid: 1, asid: 2 }, 16n],
  // EL0 has the address space of EL1.
  ['EL0, vmid = 3 : 0x10', { kind: 'VA', level: 'EL1', vmid: 3 }, 16n],
  ['IPA(1):0x9000000', { kind: 'IPA', vmid: 1 }, 0x9000000n],
  ['IPA:0x9000000', { kind: 'IPA' }, 0x9000000n],
  ['IPA,vmid=1:0x9000000', { kind: 'IPA', vmid: 1 }, 0x9000000n],
  ['PA:0xffff_ffff_ffff_ffff', { kind: 'PA' }, 0xffffffffffffffffn],
];

const bad: readonly (readonly [string, RegExp])[] = [
  ['', /is no address: write it as/],
  ['0x', /is no address/],
  ['x0', /is no address/],
  ['0x1ffffffffffffffff', /more than 64 bits/],
  ['EL4:0x0', /"EL4" names no address space/],
  ['EL1,pmid=1:0x0', /names no address space/],
  ['EL1,vmid=65536:0x0', /VMID 65536 is too large/],
  ['EL2,vmid=1:0x0', /EL2 has one address space/],
  ['PA,vmid=1:0x0', /names no address space/],
  ['IPA(x):0x0', /names no address space/],
  ['-5', /is no address/],
];

describe('memory references', () => {
  for (const [text, space, value] of good)
    it(`reads ${text}`, () => assert.deepEqual(parseAddress(text), space ? { space, value } : { value }));

  for (const [text, message] of bad)
    it(`refuses "${text}"`, () =>
      assert.throws(
        () => parseAddress(text),
        (e) => e instanceof UserError && message.test(e.message),
      ));

  it('reads what it writes', () => {
    const id = fc.integer({ min: 0, max: 0xffff });
    const space = fc.oneof(
      fc.constant<AddressSpace>({ kind: 'PA' }),
      fc.constant<AddressSpace>({ kind: 'VA', level: 'EL2' }),
      id.map((vmid): AddressSpace => ({ kind: 'IPA', vmid })),
      fc.record({ vmid: id, asid: id }).map((r): AddressSpace => ({ kind: 'VA', level: 'EL1', ...r })),
    );
    fc.assert(
      fc.property(space, fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), (s, value) =>
        assert.deepEqual(parseAddress(formatAddress(s, value)), { space: s, value }),
      ),
    );
  });

  it('survives any text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const parse of [parseAddress, parseSpace])
          try {
            parse(text);
          } catch (e) {
            assert.ok(e instanceof UserError, String(e));
          }
      }),
    );
  });
});
