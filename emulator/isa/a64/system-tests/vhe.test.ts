/** FEAT_VHE: which register an access reaches, for every register that HCR_EL2.E2H redirects (Arm ARM DDI 0487 D17.1.5). */
import assert from 'node:assert/strict';
import { encodingKey, genericName } from '../../dsl/sysreg';
import { CONSTANT_BYTES } from '../../../ir/constants';
import { common } from '../../../ir/state';
import { a64Debug } from '../debug/debug';
import { translateForDebugger } from '../debug/translate';
import { translateAs } from '../mmu/at';
import { sysregNamed, sysregs, type Sysreg } from '../sysregs';
import { RAM_BASE, SystemCpu } from './cpu';

const PC = 0x40001000n;
const word = (r: Sysreg, read: boolean, rt = 3): number =>
  ((read ? 0xd5200000 : 0xd5000000) | (encodingKey(r.enc) << 5) | rt) >>> 0;

/** A cortex-a76 with these bits of HCR_EL2. */
function cpu(el: number, hcr: { readonly e2h?: boolean; readonly tge?: boolean }): SystemCpu {
  const c = new SystemCpu('cortex-a76').at(el);
  c.setReg('HCR_EL2', (1n << 31n) | (hcr.e2h ? 1n << 34n : 0n) | (hcr.tge ? 1n << 27n : 0n));
  c.pc = PC;
  c.set(common.pc, PC);
  return c;
}

/** A value that no bits of the register refuse, and that differs by register. */
const patterns = (r: Sysreg): bigint =>
  r.name.includes('TVAL') ? 0x1000n : (r.mask ?? -1n) & 0x5a5a5a5a5a5a5800n;

const redirected = sysregs.filter((r) => r.e2h !== undefined);
/** Registers that are stored as they are written. */
const plain = redirected.filter((r) => !r.read && r.mask !== 0n && !r.name.includes('TVAL'));
const stored = (c: SystemCpu, r: Sysreg): bigint => c.reg(r.name);

describe('VHE', () => {
  it('redirects the registers that the Arm ARM lists', () => {
    // D17.1.5 lists EL1 -> EL2 pairs; the timers of EL0 follow from D11.2.4.
    const expected = [
      ...'SCTLR TTBR0 TTBR1 TCR AFSR0 AFSR1 ESR FAR MAIR AMAIR VBAR CONTEXTIDR SPSR ELR'
        .split(' ')
        .map((n) => [`${n}_EL1`, `${n}_EL2`]),
      ['CPACR_EL1', 'CPTR_EL2'],
      ['CNTKCTL_EL1', 'CNTHCTL_EL2'],
      ...['TVAL', 'CTL', 'CVAL'].flatMap((k) => [
        [`CNTP_${k}_EL0`, `CNTHP_${k}_EL2`],
        [`CNTV_${k}_EL0`, `CNTHV_${k}_EL2`],
      ]),
    ];
    assert.deepEqual(redirected.map((r) => [r.name, r.e2h]).sort(), expected.sort());
  });

  for (const r of redirected) {
    const other = sysregNamed(r.e2h!);
    const alias = sysregNamed(`${r.name}2`);

    it(`${alias.name} is ${genericName(alias.enc)}, UNDEFINED but at EL2 with E2H`, () => {
      assert.deepEqual(alias.enc, [3, 5, r.enc[2], r.enc[3], r.enc[4]]);
      for (const read of [true, false]) {
        for (const [el, e2h] of [
          [0, true],
          [1, true],
          [1, false],
          [2, false],
        ] as const) {
          const c = cpu(el, { e2h });
          c.exec(word(alias, read));
          const to = el === 2 ? 2 : 1;
          assert.equal(c.reg(`ESR_EL${to}`), 0x2000000n, `EL${el}, E2H ${e2h}`);
        }
        const c = cpu(2, { e2h: true });
        c.exec(word(alias, read));
        assert.notEqual(c.reg('ELR_EL2'), PC);
      }
    });

    if (!plain.includes(r)) continue;
    it(`${r.name} at EL2 is ${other.name} with E2H, ${alias.name} the register itself`, () => {
      const value = patterns(r) & patterns(other);
      for (const e2h of [false, true]) {
        const c = cpu(2, { e2h });
        c.setReg(r.name, 0n);
        c.setReg(other.name, 0n);
        c.setX(3, value);
        c.exec(word(r, false));
        assert.deepEqual(
          [stored(c, r), stored(c, other)],
          e2h ? [0n, value] : [value, 0n],
          `MSR, E2H ${e2h}`,
        );
        c.exec(word(r, true, 4));
        assert.equal(c.x(4), value, `MRS, E2H ${e2h}`);
      }
      const c = cpu(2, { e2h: true });
      c.setReg(r.name, 0n);
      c.setReg(other.name, 0n);
      c.setX(3, value);
      c.exec(word(alias, false));
      assert.deepEqual([stored(c, r), stored(c, other)], [value, 0n]);
      c.exec(word(alias, true, 5));
      assert.equal(c.x(5), value);
    });

    it(`${r.name} at EL1 is itself, whatever E2H`, () => {
      const c = cpu(1, { e2h: true });
      c.setReg('CNTHCTL_EL2', 0xc00n);
      const value = patterns(r);
      c.setReg(other.name, 0n);
      c.setX(3, value);
      c.exec(word(r, false));
      assert.deepEqual([stored(c, r), stored(c, other)], [value, 0n]);
    });
  }

  it('EL0 of a host reaches the timers of EL2', () => {
    for (const r of redirected.filter((t) => t.e2hAtEl0 && t.name.includes('CVAL'))) {
      for (const tge of [false, true]) {
        const c = cpu(0, { e2h: true, tge });
        c.setReg('CNTHCTL_EL2', 0xf03n);
        c.setReg('CNTKCTL_EL1', 0x303n);
        c.setX(3, 0x1234n);
        c.exec(word(r, false));
        assert.deepEqual([stored(c, r), c.reg(r.e2h!)], tge ? [0n, 0x1234n] : [0x1234n, 0n], r.name);
      }
    }
  });

  it('CPTR_EL2 and CNTHCTL_EL2 have another layout with E2H', () => {
    const read = (c: SystemCpu, name: string): bigint => (c.exec(word(sysregNamed(name), true, 6)), c.x(6));
    const c = cpu(2, { e2h: true });
    c.setX(3, -1n);
    c.exec(word(sysregNamed('CPACR_EL1'), false));
    assert.equal(read(c, 'CPTR_EL2'), 0x90300000n);
    c.exec(word(sysregNamed('CNTHCTL_EL2'), false));
    assert.equal(read(c, 'CNTKCTL_EL1'), 0xfffn);
    c.setReg('HCR_EL2', 0n);
    assert.equal(read(c, 'CPTR_EL2'), 0x801037ffn & ~0n);
    assert.equal(read(c, 'CNTHCTL_EL2'), 0xffn);
  });

  it('the virtual count of a host has no offset', () => {
    const count = sysregNamed('CNTVCT_EL0');
    const at = (el: number, hcr: { e2h?: boolean; tge?: boolean }): bigint => {
      const c = cpu(el, hcr);
      c.set(common.timeEnd, 16000n);
      c.setReg('CNTVOFF_EL2', 300n);
      c.setReg('CNTHCTL_EL2', 3n);
      c.setReg('CNTKCTL_EL1', 3n);
      c.exec(word(count, true, 7));
      return c.x(7);
    };
    assert.equal(at(2, {}), 700n);
    assert.equal(at(2, { e2h: true }), 1000n);
    assert.equal(at(1, { e2h: true }), 700n);
    assert.equal(at(0, { e2h: true }), 700n);
    assert.equal(at(0, { e2h: true, tge: true }), 1000n);
  });
});

describe('VHE in the debugger', () => {
  const withHcr = (hcr: bigint) => (name: string) => (name === 'HCR_EL2' ? hcr : 0n);
  const e2h = 1n << 34n;
  const tge = 1n << 27n;

  it('shows the fields of a register in the layout that E2H gives it', () => {
    const names = (register: string, hcr: bigint): string =>
      a64Debug.find(register)!.layout!(withHcr(hcr))
        .map((f) => `${f.name}:${f.lsb}`)
        .join(' ');
    assert.equal(names('CPTR_EL2', 0n), 'TCPAC:31 TTA:20 TFP:10');
    assert.equal(names('CPTR_EL2', e2h), 'TCPAC:31 TTA:28 FPEN:20');
    assert.match(names('TCR_EL2', 0n), /TBI:20/);
    assert.match(names('TCR_EL2', e2h), /TBI1:38.* IPS:32/);
    assert.equal(a64Debug.find('TCR_EL1')!.layout, undefined);
    assert.equal(a64Debug.find('TTBR1_EL2')!.feature, 'VHE');
  });

  it('translates EL0 of a host in the address space of EL2', () => {
    assert.equal(a64Debug.regimeOf(0, withHcr(e2h | tge)).level, 'EL2');
    assert.equal(a64Debug.regimeOf(0, withHcr(e2h)).level, 'EL1');
    assert.equal(a64Debug.regimeOf(0, withHcr(tge)).level, 'EL1');
  });

  it('finds an upper address of EL2 by TTBR1_EL2', () => {
    const c = cpu(2, { e2h: true });
    // A level 2 table of 2 MiB blocks for the topmost GiB, T1SZ = 34.
    const table = RAM_BASE + 0x1000n;
    c.memory.setBigUint64(c.ramAt(table), RAM_BASE | 0x705n, true);
    c.setReg('TTBR1_EL2', table);
    c.setReg('TCR_EL2', 34n | (1n << 7n) | (34n << 16n) | (2n << 30n) | (2n << 32n));
    c.setReg('MAIR_EL2', 0xff04n);
    c.setReg('SCTLR_EL2', 1n);
    const looking = {
      view: c.memory,
      block: CONSTANT_BYTES,
      get: (f: Parameters<typeof c.get>[0], index = 0) => c.get(f, index),
      call: () => void c.call(translateAs),
    };
    const upper = 0xffffffffc0001234n;
    assert.deepEqual(translateForDebugger(looking, upper, 'EL2'), {
      pa: RAM_BASE + 0x1234n,
      size: 21,
      device: false,
    });
    assert.deepEqual(translateForDebugger(looking, 0x1234n, 'EL2'), {
      fault: 'stage 1 translation fault, level 0',
    });
    c.setReg('HCR_EL2', 0n);
    assert.ok('fault' in translateForDebugger(looking, upper, 'EL2'), 'one range without E2H');
  });
});
