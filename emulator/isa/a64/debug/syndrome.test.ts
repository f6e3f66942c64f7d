import assert from 'node:assert/strict';
import { briefSyndrome, hasFaultAddress, hasIntermediateAddress } from './syndrome';
import { exceptionClasses, faultName } from './syndrome-names';
import { exceptions, type ExceptionClass } from '../exceptions/routes';

/** ESR_ELx: EC in bits 31-26, IL, ISS in bits 24-0 (Arm ARM DDI 0487 D17.2.37). */
const esr = (ec: number, iss = 0): bigint => (BigInt(ec) << 26n) | (1n << 25n) | BigInt(iss);

const S1PTW = 1 << 7;
const WNR = 1 << 6;
const CM = 1 << 8;

describe('A64 syndromes in a few words', () => {
  const texts: readonly (readonly [bigint, string])[] = [
    [esr(0x00), 'undefined instruction'],
    [esr(0x01, 0x1e00000), 'WFI'],
    [esr(0x01, 0x1e00001), 'WFE'],
    [esr(0x07, 0x1e00000), 'FP or SIMD access'],
    [esr(0x0e), 'illegal execution state'],
    [esr(0x15, 1), 'SVC #1'],
    [esr(0x16, 0xffff), 'HVC #65535'],
    [esr(0x17), 'SMC #0'],
    // SCTLR_EL1 is op0 3, op1 0, CRn 1, CRm 0, op2 0; Rt 2; the direction is bit 0.
    [esr(0x18, (3 << 20) | (1 << 10) | (2 << 5)), 'MSR SCTLR_EL1'],
    [esr(0x18, (3 << 20) | (1 << 10) | (2 << 5) | 1), 'MRS SCTLR_EL1'],
    [esr(0x20, 0x0f), 'instruction abort, permission fault level 3'],
    [esr(0x21, 0x10), 'instruction abort, external abort'],
    [esr(0x22), 'misaligned PC'],
    [esr(0x24, 0x07), 'data abort read, translation fault level 3'],
    [esr(0x24, WNR | 0x07 | S1PTW), 'data abort write, translation fault level 3 on a stage 1 walk'],
    [esr(0x25, CM | WNR | 0x09), 'data abort by cache maintenance, access flag fault level 1'],
    [esr(0x25, 0x00), 'data abort read, address size fault level 0'],
    [esr(0x25, 0x16), 'data abort read, external abort on the table walk, level 2'],
    [esr(0x25, 0x21), 'data abort read, alignment fault'],
    [esr(0x26), 'misaligned SP'],
    [esr(0x2c), 'floating-point exception'],
    [esr(0x2f), 'SError'],
    [esr(0x30), 'breakpoint exception'],
    [esr(0x33), 'software step'],
    [esr(0x35), 'watchpoint'],
    [esr(0x3c, 7), 'BRK #7'],
    [esr(0x3f), 'exception class 0x3f'],
  ];
  for (const [value, text] of texts)
    it(`says ${text}`, () => {
      assert.equal(briefSyndrome(value), text);
    });

  it('has a name for every class that this CPU takes', () => {
    const unnamed = Object.values<ExceptionClass>(exceptions)
      .flatMap((e) => [e.ec, e.ecSame])
      .filter((ec) => ec !== undefined && exceptionClasses[ec] === undefined);
    assert.deepEqual(unnamed, []);
  });

  it('puts the level behind a comma in sentences', () => {
    assert.equal(faultName(0x06), 'translation fault, level 2');
    assert.equal(faultName(0x21), 'alignment fault');
    assert.equal(faultName(0x3f), 'fault status 0x3f');
  });

  it('knows which classes write FAR', () => {
    const classes = Array.from({ length: 64 }, (_, ec) => ec).filter((ec) => hasFaultAddress(esr(ec)));
    assert.deepEqual(classes, [0x20, 0x21, 0x22, 0x24, 0x25, 0x34, 0x35]);
  });

  it('knows which aborts write HPFAR_EL2', () => {
    assert.equal(hasIntermediateAddress(esr(0x24, 0x07)), true);
    assert.equal(hasIntermediateAddress(esr(0x20, 0x0a)), true);
    assert.equal(hasIntermediateAddress(esr(0x24, 0x0f)), false);
    assert.equal(hasIntermediateAddress(esr(0x24, 0x0f | S1PTW)), true);
    assert.equal(hasIntermediateAddress(esr(0x25, 0x07)), false);
    assert.equal(hasIntermediateAddress(esr(0x24, 0x10)), false);
    assert.equal(hasIntermediateAddress(esr(0x16)), false);
  });
});
