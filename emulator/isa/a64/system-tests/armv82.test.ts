/** What Armv8.1 and Armv8.2 add to exceptions, translation and TLB maintenance, on cortex-a76. */
import assert from 'node:assert/strict';
import { common, MemAttr } from '../../../ir/state';
import { accessDesc, Acc } from '../../dsl/isa';
import { encodingKey } from '../../dsl/sysreg';
import { cpuModel } from '../cpus';
import { enterException, takeInterrupt, Vector } from '../exceptions/exception';
import { raiseAbort } from '../exceptions/abort';
import { translate } from '../mmu/mmu';
import { contextKey } from '../mmu/context';
import { a64Rows } from '../rows';
import { Flag } from '../sem';
import { state } from '../state';
import { fieldRange, sysregNamed } from '../sysregs';
import { tlbiOps, tlbiSelection } from '../mmu/tlbi';
import { RAM_BASE, SystemCpu } from './cpu';

const PC = 0x40001000n;
const E2H = 1n << 34n;
const TGE = 1n << 27n;
const AMO = 1n << 5n;
const VSE = 1n << 8n;

function cpuAt(el: number, hcr = 0n): SystemCpu {
  const c = new SystemCpu('cortex-a76').at(el);
  c.setReg('HCR_EL2', (1n << 31n) | hcr);
  c.pc = PC;
  c.set(common.pc, PC);
  return c;
}

describe('cortex-a76', () => {
  it('has rows for every feature of its own, and promises them', () => {
    const { features, id } = cpuModel('cortex-a76');
    const withRows = new Set(a64Rows.map((r) => r.feature));
    for (const name of ['PAN', 'PAN2', 'VHE', 'LSE', 'LOR', 'RAS', 'DPB', 'LRCPC', 'UAO', 'RDM', 'DotProd'])
      assert.ok(features.has(name) && withRows.has(name), name);
    const promised: [string, bigint][] = [
      ['ID_AA64ISAR0_EL1.Atomic', 2n],
      ['ID_AA64ISAR1_EL1.LRCPC', 1n],
      ['ID_AA64ISAR1_EL1.DPB', 1n],
      ['ID_AA64MMFR1_EL1.VH', 1n],
      ['ID_AA64MMFR1_EL1.PAN', 2n],
      ['ID_AA64MMFR1_EL1.HAFDBS', 2n],
      ['ID_AA64MMFR1_EL1.LO', 1n],
      ['ID_AA64MMFR2_EL1.UAO', 1n],
      ['ID_AA64PFR0_EL1.RAS', 1n],
    ];
    for (const [text, value] of promised) {
      const [register = '', field = ''] = text.split('.');
      const { lsb, width } = fieldRange(register, field);
      assert.equal((id[register]! >> BigInt(lsb)) & ((1n << BigInt(width)) - 1n), value, text);
    }
  });
});

describe('PSTATE of Armv8.1 and later', () => {
  // SCTLR_ELx.SPAN is bit 23, DSSBS bit 44.
  const cases: readonly (readonly [string, number, bigint, string, bigint, bigint])[] = [
    ['EL1, SPAN = 0', 1, 0n, 'SCTLR_EL1', 0n, 1n],
    ['EL1, SPAN = 1', 1, 0n, 'SCTLR_EL1', 1n << 23n, 0n],
    ['EL2, no host', 2, E2H, 'SCTLR_EL2', 0n, 0n],
    ['EL2 of a host, SPAN = 0', 2, E2H | TGE, 'SCTLR_EL2', 0n, 1n],
    ['EL2 of a host, SPAN = 1', 2, E2H | TGE, 'SCTLR_EL2', 1n << 23n, 0n],
  ];
  for (const [what, to, hcr, register, sctlr, pan] of cases) {
    it(`an exception to ${what}: PAN ${pan}`, () => {
      const c = cpuAt(0, hcr);
      c.setReg(register, sctlr);
      c.set(state.uao, 1n);
      c.call(enterException, to, Vector.sync, 0, PC);
      assert.equal(c.get(state.pan), pan);
      assert.equal(c.get(state.uao), 0n);
    });
  }

  it('SSBS comes from SCTLR_ELx.DSSBS and is saved', () => {
    const c = cpuAt(0);
    c.setReg('SCTLR_EL1', 1n << 44n);
    c.call(enterException, 1, Vector.sync, 0, PC);
    assert.equal(c.get(state.ssbs), 1n);
    c.call(enterException, 2, Vector.sync, 0, PC);
    assert.equal((c.reg('SPSR_EL2') >> 12n) & 1n, 1n);
    assert.equal(c.get(state.ssbs), 0n);
  });
});

describe('virtual SError with RAS', () => {
  const esb = 0xd503221f;
  const syndrome = (1n << 24n) | 0xabcdn;

  it('has the syndrome of VSESR_EL2', () => {
    const c = cpuAt(1, AMO | VSE);
    c.setReg('VSESR_EL2', syndrome);
    c.set(state.daif, 0n);
    c.set(common.irqLines, 0x80n);
    assert.equal(c.call(takeInterrupt), 1n);
    assert.equal(c.reg('ESR_EL1'), (0x2fn << 26n) | (1n << 25n) | syndrome);
  });

  it('is deferred by ESB while it is masked; EL1 reads VDISR_EL2 as DISR_EL1', () => {
    const c = cpuAt(1, AMO | VSE);
    c.setReg('VSESR_EL2', syndrome);
    c.set(state.daif, 0x100n);
    c.exec(esb);
    assert.equal(c.reg('HCR_EL2') & VSE, 0n);
    assert.equal(c.reg('VDISR_EL2'), (1n << 31n) | syndrome);
    const disr = (0xd5200000 | (encodingKey(sysregNamed('DISR_EL1').enc) << 5) | 4) >>> 0;
    c.exec(disr);
    assert.equal(c.x(4), (1n << 31n) | syndrome);
    c.at(2).exec(disr);
    assert.equal(c.x(4), 0n);
  });

  for (const [what, el, hcr, daif] of [
    ['at EL2', 2, AMO | VSE, 0x100n],
    ['without AMO', 1, VSE, 0x100n],
    ['with TGE', 0, AMO | VSE | TGE, 0x100n],
  ] as const) {
    it(`is not deferred ${what}`, () => {
      const c = cpuAt(el, hcr);
      c.set(state.daif, daif);
      c.exec(esb);
      assert.equal(c.reg('VDISR_EL2'), 0n);
      assert.equal(c.reg('HCR_EL2') & VSE, VSE);
    });
  }
});

describe('EL2&0', () => {
  /** One page of 2 MiB at VA 0 that EL0 can read and write. */
  function mapped(el: number, hcr: bigint): SystemCpu {
    const c = cpuAt(el, hcr);
    const table = RAM_BASE + 0x1000n;
    c.memory.setBigUint64(c.ramAt(table), RAM_BASE | 0x745n, true);
    c.setReg('TTBR0_EL2', table);
    c.setReg('TCR_EL2', 34n | (34n << 16n) | (1n << 23n) | (2n << 32n));
    c.setReg('MAIR_EL2', 0xff04n);
    c.setReg('SCTLR_EL2', 1n);
    return c;
  }
  const reads = (c: SystemCpu, acc = 0): boolean => c.call(translate, 0x1000n, acc) === 0n;

  it('belongs to EL0 of a host, whose kernel PAN keeps out but LDTR lets in', () => {
    assert.ok(reads(mapped(0, E2H | TGE)));
    assert.equal(mapped(0, E2H | TGE).get(common.trAttr) & BigInt(MemAttr.device), 0n);
    const c = mapped(2, E2H | TGE);
    assert.ok(reads(c));
    c.set(state.pan, 1n);
    assert.ok(!reads(c));
    assert.ok(reads(c, Acc.unprivileged));
    c.set(state.uao, 1n);
    assert.ok(!reads(c, Acc.unprivileged), 'UAO makes LDTR privileged');
    assert.ok(reads(c, Acc.cacheMaintenance), 'PAN does not count for DC');
  });

  it('has LDTR as LDR where EL2 is no kernel of EL0', () => {
    const c = mapped(2, E2H);
    c.set(state.pan, 1n);
    assert.ok(!reads(c, Acc.unprivileged));
  });

  it('reports an atomic as a read unless only its write is refused', () => {
    const c = mapped(2, E2H | TGE);
    const abort = (): bigint => {
      const desc = accessDesc({ kind: 'atomic', bytes: 8, elem: 8, flags: Flag.aligned });
      assert.notEqual(c.call(translate, 0x1000n, Acc.write | Acc.atomic), 0n);
      c.call(raiseAbort, 0x1000n, desc, 0);
      return c.reg('ESR_EL2') & 0x7fn;
    };
    c.memory.setBigUint64(c.ramAt(RAM_BASE + 0x1000n), RAM_BASE | 0x7c5n, true);
    assert.equal(abort(), 0x4en, 'read-only: permission fault of level 2, a write');
    c.at(2).memory.setBigUint64(c.ramAt(RAM_BASE + 0x1000n), 0n, true);
    assert.equal(abort(), 0x06n, 'unmapped: translation fault of level 2, a read');
  });
});

describe('TLBI with VHE', () => {
  const key = (el: number, hcr: bigint, asid = 0n): bigint[] => {
    const c = cpuAt(el, hcr);
    c.setReg('TTBR0_EL2', asid << 48n);
    c.setReg('TTBR0_EL1', asid << 48n);
    c.call(contextKey);
    return [0, 1, 2, 3].map((i) => c.get(common.ctxKey, i));
  };
  /** EL1, EL2, EL2 with E2H and ASID 1, EL0 of a host with ASID 2. */
  const keys = [key(1, 0n), key(2, 0n), key(2, E2H, 1n), key(0, E2H | TGE, 2n)];
  const hits = (op: string, hcr: bigint, operand = 0n): string => {
    const now = cpuAt(2, hcr);
    const n = tlbiOps.findIndex((o) => o.name === op);
    const { bank } = tlbiSelection(n, operand, (f) => now.get(f));
    return keys.map((k) => ((k[0]! & bank.mask) === bank.value ? 'x' : '-')).join('');
  };
  for (const [op, hcr, operand, expected] of [
    ['vmalle1', 0n, 0n, 'x---'],
    ['vmalle1', E2H, 0n, 'x---'],
    ['vmalle1is', E2H | TGE, 0n, '--xx'],
    ['aside1', E2H | TGE, 2n << 48n, '---x'],
    ['vae1', E2H | TGE, 0n, '--xx'],
    ['vae2', 0n, 0n, '-x--'],
    ['vae2', E2H, 0n, '--xx'],
    ['alle2', E2H, 0n, '--xx'],
    ['alle1', E2H | TGE, 0n, 'x---'],
    ['vmalls12e1', E2H | TGE, 0n, 'x---'],
  ] as const) {
    it(`${op} with${hcr & E2H ? '' : 'out'} E2H${hcr & TGE ? ' and TGE' : ''}`, () =>
      assert.equal(hits(op, hcr, operand), expected));
  }
});
