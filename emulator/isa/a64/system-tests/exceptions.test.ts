/**
 * Exceptions: each routing row from every level that it can come from, with the syndrome that the Arm ARM gives it
 * (DDI 0487 D17.2.37, ESR_ELx), and what entry and return do to PSTATE.
 */
import assert from 'node:assert/strict';
import { common, StopReason } from '../../../ir/state';
import { accessDesc, fetchDesc } from '../../dsl/isa';
import { parseControl } from '../../dsl/sysreg';
import { EventKind, eventBit } from '../events';
import { raiseAbort, raiseAlignment, raiseExternal, raiseWatchpoint } from '../exceptions/abort';
import {
  exceptions,
  explainRoute,
  type ExceptionClass,
  type ExceptionName,
  type Route,
} from '../exceptions/routes';
import {
  raiseBranchTarget,
  raiseFp,
  raisePauth,
  raisePcAlignment,
  raiseSpAlignment,
  raiseTrap,
  raiseUndefined,
  takeInterrupt,
} from '../exceptions/exception';
import { beforeInstruction } from '../instruction-boundary';
import { contextKey } from '../mmu/context';
import { Flag } from '../sem';
import { CpuFeature, state } from '../state';
import { fieldRange } from '../sysregs';
import { SystemCpu } from './cpu';

const PC = 0x40001000n;
const VA = 0xffff800012345678n;

/** Words of instructions, from their encodings in C6.2. */
const word = {
  svc: (imm: number) => (0xd4000001 | (imm << 5)) >>> 0,
  hvc: (imm: number) => (0xd4000002 | (imm << 5)) >>> 0,
  smc: (imm: number) => (0xd4000003 | (imm << 5)) >>> 0,
  brk: (imm: number) => (0xd4200000 | (imm << 5)) >>> 0,
  wfe: 0xd503205f,
  wfi: 0xd503207f,
  eret: 0xd69f03e0,
} as const;

/** A CPU at `el` whose controls make exactly the conditions of a row hold, and none of the rows before it. */
function setUp(el: number, rows: readonly Route[], index: number): SystemCpu {
  const needsEl3 = el === 3 || [rows[index]?.when ?? []].flat().some((t) => t.includes('EL3'));
  const c = new SystemCpu('cortex-a57', true, 0x10000, needsEl3).at(el);
  c.pc = PC;
  c.set(common.pc, PC);
  c.setReg('VBAR_EL1', 0x10000n);
  c.setReg('VBAR_EL2', 0x20000n);
  c.setReg('VBAR_EL3', 0x30000n);
  const want = (text: string, holds: boolean): void => {
    const p = parseControl(text);
    const { width } = fieldRange(p.register, p.field);
    const all = Array.from({ length: 2 ** width }, (_, n) => BigInt(n));
    const good = (v: bigint): boolean => (p.values ? p.values.includes(v) : v !== 0n);
    const value = all.find((v) => good(v) === holds);
    assert.ok(value !== undefined, `${text} cannot be ${holds}`);
    c.setField(`${p.register}.${p.field}`, value);
  };
  const mine = [rows[index]!.when ?? []].flat();
  for (const r of rows.slice(0, index)) {
    if (!r.from.includes(el)) continue;
    const theirs = [r.when ?? []].flat().filter((t) => !mine.includes(t));
    const breakable = theirs[0];
    assert.ok(breakable !== undefined, 'an earlier row always applies');
    want(breakable, false);
  }
  for (const t of mine) want(t, true);
  return c;
}

interface Trigger {
  /** Makes the exception happen. */
  readonly cause: (c: SystemCpu) => void;
  readonly iss: number;
  /** Preferred return address. */
  readonly ret: bigint;
  readonly far?: bigint;
}

const stage1Write = accessDesc({ kind: 'write', bytes: 4, elem: 4, flags: Flag.isv });
const stage2Read = accessDesc({
  kind: 'read',
  bytes: 4,
  elem: 4,
  flags: Flag.isv | Flag.signExtend | Flag.sf,
});

const triggers: Readonly<Record<ExceptionName, Trigger | undefined>> = {
  svc: { cause: (c) => void c.exec(word.svc(0x1234)), iss: 0x1234, ret: PC + 4n },
  hvc: { cause: (c) => void c.exec(word.hvc(0xffff)), iss: 0xffff, ret: PC + 4n },
  smc: { cause: (c) => void c.exec(word.smc(1)), iss: 1, ret: PC },
  brk: { cause: (c) => void c.exec(word.brk(0xf000)), iss: 0xf000, ret: PC },
  pauth: {
    cause: (c) => {
      c.set(state.features, c.get(state.features) | BigInt(CpuFeature.PAuth));
      c.call(contextKey);
      if (c.get(state.pauthTrap) !== 0n) c.call(raisePauth);
    },
    iss: 0,
    ret: PC,
  },
  branchTarget: {
    cause: (c) => {
      c.set(state.btype, 2n);
      c.call(raiseBranchTarget);
    },
    iss: 2,
    ret: PC,
  },
  // In board/debug.qemu.test.ts.
  breakpoint: undefined,
  softwareStep: undefined,
  watchpoint: { cause: (c) => c.call(raiseWatchpoint, VA, stage1Write, 0), iss: 0x62, ret: PC, far: VA },
  undefined: { cause: (c) => void c.call(raiseUndefined), iss: 0, ret: PC },
  illegalState: {
    cause: (c) => {
      c.set(state.il, 1n);
      c.set(state.daif, 0x3c0n);
      assert.equal(c.call(beforeInstruction), 1n);
    },
    iss: 0,
    ret: PC,
  },
  pcAlignment: { cause: (c) => void c.call(raisePcAlignment, PC + 2n), iss: 0, ret: PC + 2n, far: PC + 2n },
  spAlignment: { cause: (c) => void c.call(raiseSpAlignment), iss: 0, ret: PC },
  dataAbort: {
    cause: (c) => {
      // A level 3 permission fault of a write: DFSC 0b001111, WnR.
      c.set(state.fault, 0x10fn);
      c.call(raiseAbort, VA, stage1Write, 7);
    },
    iss: 0x4f,
    ret: PC,
    far: VA,
  },
  instructionAbort: {
    cause: (c) => {
      c.set(state.fault, 0x106n);
      c.call(raiseAbort, VA, fetchDesc, 0);
    },
    iss: 6,
    ret: PC,
    far: VA,
  },
  externalData: {
    cause: (c) => c.call(raiseExternal, VA, stage1Write, 7),
    iss: 0x50,
    ret: PC,
    far: VA,
  },
  externalInstruction: {
    cause: (c) => c.call(raiseExternal, VA, fetchDesc, 0),
    iss: 0x10,
    ret: PC,
    far: VA,
  },
  stage2Data: {
    cause: (c) => {
      // A level 3 translation fault at stage 2, of LDRSW X7: ISV, SAS 2, SSE, SRT 7, SF.
      c.set(state.fault, 0x147n);
      c.set(state.faultIpa, 0x12345678abcn);
      c.call(raiseAbort, VA, stage2Read, 7);
    },
    iss: (1 << 24) | (2 << 22) | (1 << 21) | (7 << 16) | (1 << 15) | 7,
    ret: PC,
    far: VA,
  },
  stage2Instruction: {
    cause: (c) => {
      c.set(state.fault, 0x1c5n);
      c.set(state.faultIpa, 0x12345678abcn);
      c.call(raiseAbort, VA, fetchDesc, 0);
    },
    iss: 0x85,
    ret: PC,
    far: VA,
  },
  stage2At: undefined, // by AT, in translation.test.ts
  wfi: { cause: (c) => void c.exec(word.wfi), iss: 0x1e00000, ret: PC },
  wfe: { cause: (c) => void c.exec(word.wfe), iss: 0x1e00001, ret: PC },
  fp: {
    cause: (c) => {
      c.call(contextKey);
      if (c.get(state.fpTrap) !== 0n) c.call(raiseFp);
    },
    iss: 0x1e00000,
    ret: PC,
  },
  registerEl1: { cause: (c) => void c.call(raiseTrap, 1, 0x123456), iss: 0x123456, ret: PC },
  registerEl2: { cause: (c) => void c.call(raiseTrap, 2, 0x123456), iss: 0x123456, ret: PC },
  registerEl3: { cause: (c) => void c.call(raiseTrap, 3, 0x123456), iss: 0x123456, ret: PC },
  irq: { cause: (c) => interruptBy(c, 1n), iss: 0, ret: PC },
  fiq: { cause: (c) => interruptBy(c, 2n), iss: 0, ret: PC },
  virq: { cause: (c) => interruptBy(c, 4n), iss: 0, ret: PC },
  vfiq: { cause: (c) => interruptBy(c, 8n), iss: 0, ret: PC },
  vserror: {
    cause: (c) => {
      c.setField('HCR_EL2.VSE', 1n);
      interruptBy(c, 0x80n);
    },
    iss: 0,
    ret: PC,
  },
};

function interruptBy(c: SystemCpu, line: bigint): void {
  c.set(state.daif, 0n);
  c.set(common.irqLines, line);
  c.call(takeInterrupt);
}

const vectors: Partial<Record<ExceptionName, bigint>> = {
  irq: 0x80n,
  virq: 0x80n,
  fiq: 0x100n,
  vfiq: 0x100n,
  vserror: 0x180n,
};

describe('exception routing', () => {
  for (const [name, x] of Object.entries(exceptions) as [ExceptionName, ExceptionClass][]) {
    const trigger = triggers[name];
    if (!trigger) continue;
    x.routes.forEach((r, index) => {
      for (const el of r.from) {
        // A row is out of reach where one before it takes everything of this level.
        const shadowed = x.routes.slice(0, index).some((p) => p.from.includes(el) && p.when === undefined);
        if (shadowed) continue;
        it(`${name} at EL${el}${r.when ? ` with ${[r.when].flat().join(' and ')}` : ''}: ${r.to}`, () => {
          const c = setUp(el, x.routes, index);
          c.set(state.nzcv, 0xa0000000n);
          const explained = explainRoute(name, el, (reg) => c.reg(reg));
          assert.equal(explained?.to, r.to);
          trigger.cause(c);
          if (r.to === 'none' || r.to === 'firmware') {
            if (r.to === 'firmware') assert.equal(c.calls[0]?.name, 'firmware');
            assert.equal(c.el, el);
            return;
          }
          const asUndefined = el > 1 ? el : el === 0 && c.reg('HCR_EL2') & (1n << 27n) ? 2 : 1;
          const to = r.to === 'undefined' ? asUndefined : r.to;
          const same = to === el;
          const ec = r.to === 'undefined' ? 0 : (r.ec ?? (same ? (x.ecSame ?? x.ec) : x.ec));
          assert.equal(c.el, to, 'target level');
          const offset = (vectors[name] ?? 0n) + (same ? 0x200n : 0x400n);
          assert.equal(c.get(common.pc), BigInt(to) * 0x10000n + offset, 'vector');
          // SMC has executed where it is taken to EL3.
          const ret = name === 'smc' && r.to === 3 ? PC + 4n : trigger.ret;
          assert.equal(c.reg(`ELR_EL${to}`), r.to === 'undefined' ? PC : ret, 'ELR');
          const spsr = c.reg(`SPSR_EL${to}`);
          assert.equal(spsr & 0xfn, el === 0 ? 0n : BigInt((el << 2) | 1), 'SPSR.M');
          assert.equal(spsr >> 28n, 0xan, 'SPSR.NZCV');
          assert.equal(spsr & (1n << 20n), name === 'illegalState' ? 1n << 20n : 0n, 'SPSR.IL');
          assert.equal(c.get(state.daif), 0x3c0n);
          assert.equal(c.get(state.spsel), 1n);
          assert.equal(c.get(state.il), 0n);
          if (ec !== undefined) {
            const iss = r.to === 'undefined' || ec === 0 ? 0 : trigger.iss;
            assert.equal(c.reg(`ESR_EL${to}`), (BigInt(ec) << 26n) | (1n << 25n) | BigInt(iss), 'ESR');
          }
          if (trigger.far !== undefined) assert.equal(c.reg(`FAR_EL${to}`), trigger.far, 'FAR');
          if (name.startsWith('stage2')) assert.equal(c.reg('HPFAR_EL2'), 0x123456780n, 'HPFAR');
        });
      }
    });
  }

  it('says why, with the control bit', () => {
    const c = new SystemCpu();
    c.setField('HCR_EL2.TWI', 1n);
    c.setField('SCTLR_EL1.nTWI', 1n);
    const read = (r: string): bigint => c.reg(r);
    assert.equal(explainRoute('wfi', 1, read)?.why, 'HCR_EL2.TWI = 1: WFI at EL1 is taken to EL2, EC 0x01');
    assert.equal(explainRoute('svc', 0, read)?.why, 'SVC at EL0 is taken to EL1, EC 0x15');
    assert.equal(explainRoute('dataAbort', 1, read)?.why, 'a data abort at EL1 is taken to EL1, EC 0x25');
    assert.equal(explainRoute('wfi', 2, read)?.why, 'WFI at EL2 is not taken');
  });
});

describe('exception entry and return', () => {
  it('keeps the stack pointers of the levels apart', () => {
    const c = new SystemCpu().at(1);
    c.pc = PC;
    c.set(state.spEl, 0xe0n, 0);
    c.set(state.spEl, 0xe2n, 2);
    c.sp = 0xe1n;
    c.exec(word.hvc(0));
    assert.equal(c.sp, 0xe2n);
    assert.equal(c.get(state.spEl, 1), 0xe1n);
    c.setReg('HCR_EL2', 1n << 31n);
    c.setReg('SPSR_EL2', 0x3c4n); // EL1t
    c.exec(word.eret);
    assert.equal(c.el, 1);
    assert.equal(c.sp, 0xe0n);
    assert.equal(c.pc, PC + 4n);
  });

  it('vectors to the first slots from the same level on SP_EL0', () => {
    const c = new SystemCpu().at(2);
    c.pc = PC;
    c.set(state.spsel, 0n);
    c.exec(word.svc(0));
    assert.equal(c.get(common.pc), c.reg('VBAR_EL2'));
    assert.equal(c.reg('SPSR_EL2') & 0xfn, 8n);
  });

  const returns: readonly (readonly [
    from: number,
    spsr: bigint,
    hcr: bigint,
    legal: boolean,
    why: string,
  ])[] = [
    [2, 0x5n, 1n << 31n, true, 'EL2 to EL1h'],
    [2, 0x4n, 1n << 31n, true, 'EL2 to EL1t'],
    [2, 0x0n, 1n << 31n, true, 'EL2 to EL0'],
    [2, 0x9n, 0n, true, 'EL2 to EL2h'],
    [2, 0x8n, 0n, true, 'EL2 to EL2t'],
    [2, 0x1n, 1n << 31n, false, 'EL0 with SP_ELx'],
    [2, 0x2n, 1n << 31n, false, 'M[1] set'],
    [2, 0x6n, 1n << 31n, false, 'M[1] set'],
    [2, 0xdn, 1n << 31n, false, 'to EL3'],
    [2, 0x5n, 0n, false, 'EL1 is AArch32'],
    [2, 0x5n, (1n << 31n) | (1n << 27n), false, 'EL1 with TGE'],
    [2, 0x0n, (1n << 31n) | (1n << 27n), true, 'EL0 with TGE'],
    [2, 0x13n, 1n << 31n, false, 'AArch32 Supervisor while EL1 is AArch64'],
    [2, 0x1an, 0n, false, 'AArch32 Hyp: EL2 is AArch64'],
    [2, 0x14n, 0n, false, 'no such AArch32 mode'],
    [1, 0x5n, 1n << 31n, true, 'EL1 to EL1'],
    [1, 0x0n, 1n << 31n, true, 'EL1 to EL0'],
    [1, 0x9n, 1n << 31n, false, 'EL1 to EL2'],
    [1, 0x13n, 0n, false, 'AArch32 Supervisor from AArch64 EL1'],
  ];
  for (const [from, spsr, hcr, legal, why] of returns) {
    it(`${why}: ${legal ? 'legal' : 'illegal'} return`, () => {
      const c = new SystemCpu().at(from);
      c.pc = PC;
      c.setReg('HCR_EL2', hcr);
      c.setReg(`SPSR_EL${from}`, spsr | 0x60000200n);
      c.setReg(`ELR_EL${from}`, 0x8888n);
      c.set(state.daif, 0x3c0n);
      c.set(state.exBytes, 4n);
      assert.equal(c.exec(word.eret), 'recheck');
      assert.equal(c.pc, 0x8888n);
      assert.equal(c.get(state.il), legal ? 0n : 1n);
      assert.equal(c.el, legal ? Number((spsr >> 2n) & 3n) : from);
      assert.equal(c.get(state.spsel), legal ? spsr & 1n : 1n);
      assert.equal(c.get(state.nzcv), 0x60000000n, 'flags come from SPSR either way');
      assert.equal(c.get(state.daif), 0x200n);
      assert.equal(c.get(state.exBytes), 0n);
      assert.equal(c.get(state.eventRegister), 1n);
      if (!legal) assert.notEqual(c.get(common.irqLines), 0n, 'the loop must look');
    });
  }

  it('stops with a message at a return to AArch32', () => {
    for (const [from, spsr, hcr] of [
      [2, 0x10n, 1n << 31n],
      [2, 0x13n, 0n],
      [1, 0x10n, 0n],
    ] as const) {
      const c = new SystemCpu().at(from);
      c.pc = PC;
      c.setReg('HCR_EL2', hcr);
      c.setReg(`SPSR_EL${from}`, spsr);
      assert.equal(c.exec(word.eret), 'hold');
      assert.equal(c.get(common.stopReason), BigInt(StopReason.unsupported));
      assert.deepEqual(
        c.calls.map((x) => x.name),
        ['unsupported'],
      );
      assert.equal(c.el, from);
    }
  });

  it('is UNDEFINED at EL0', () => {
    const c = new SystemCpu().at(0);
    c.pc = PC;
    c.exec(word.eret);
    assert.equal(c.el, 1);
    assert.equal(c.reg('ESR_EL1') >> 26n, 0n);
  });
});

describe('interrupt masks', () => {
  it('PSTATE.I holds back an IRQ at the level that takes it, not one to EL2 from below', () => {
    const take = (el: number, imo: bigint, masked: boolean): number => {
      const c = new SystemCpu().at(el);
      c.setField('HCR_EL2.IMO', imo);
      c.set(state.daif, masked ? 0x80n : 0n);
      c.set(common.irqLines, 1n);
      return c.call(takeInterrupt) === 1n ? c.el : -1;
    };
    assert.equal(take(1, 0n, true), -1);
    assert.equal(take(1, 0n, false), 1);
    assert.equal(take(0, 0n, true), -1);
    assert.equal(take(1, 1n, true), 2);
    assert.equal(take(0, 1n, true), 2);
    assert.equal(take(2, 1n, true), -1);
    assert.equal(take(2, 1n, false), 2);
    assert.equal(take(2, 0n, false), -1);
  });

  it('HCR_EL2.VI, VF and VSE are virtual interrupts; taking the SError clears VSE', () => {
    for (const [bit, route, vector] of [
      ['VI', 'IMO', 0x480n],
      ['VF', 'FMO', 0x500n],
      ['VSE', 'AMO', 0x580n],
    ] as const) {
      const c = new SystemCpu().at(0);
      c.setField(`HCR_EL2.${bit}`, 1n);
      c.setField(`HCR_EL2.${route}`, 1n);
      c.set(state.daif, 0n);
      assert.equal(c.call(takeInterrupt), 1n);
      assert.equal(c.el, 1);
      assert.equal(c.get(common.pc), vector);
      const kept = bit === 'VSE' ? 0n : 1n << BigInt({ VI: 7, VF: 6 }[bit]);
      assert.equal(c.reg('HCR_EL2') & 0x1c0n, kept);
    }
  });
});

describe('aborts', () => {
  const take = (routine: typeof raiseAlignment, el: number, desc: number): SystemCpu => {
    const c = new SystemCpu().at(el);
    c.set(common.pc, PC);
    c.call(routine, VA, desc, 3);
    return c;
  };

  it('alignment faults and external aborts tell reads from writes', () => {
    const write = accessDesc({ kind: 'write', bytes: 8, elem: 8, flags: Flag.isv });
    const atomic = accessDesc({ kind: 'atomic', bytes: 8, elem: 8, flags: 0 });
    const read = accessDesc({ kind: 'read', bytes: 8, elem: 8, flags: Flag.isv });
    assert.equal(take(raiseAlignment, 1, write).reg('ESR_EL1'), 0x96000061n);
    assert.equal(take(raiseAlignment, 0, read).reg('ESR_EL1'), 0x92000021n);
    // A read would have met it too: WnR = 0 (D17.2.37).
    assert.equal(take(raiseAlignment, 1, atomic).reg('ESR_EL1'), 0x96000021n);
    assert.equal(take(raiseExternal, 2, write).reg('ESR_EL2'), 0x96000050n);
    assert.equal(take(raiseExternal, 1, fetchDesc).reg('ESR_EL1'), 0x86000010n);
  });

  it('a stage 2 fault of a stage 1 walk has S1PTW and no ISV', () => {
    const c = new SystemCpu().at(1);
    c.set(state.fault, 0x1c6n);
    c.set(state.faultIpa, 0x5000n);
    c.call(raiseAbort, VA, accessDesc({ kind: 'write', bytes: 4, elem: 4, flags: Flag.isv }), 3);
    assert.equal(c.reg('ESR_EL2'), 0x920000c6n);
    assert.equal(c.reg('HPFAR_EL2'), 0x50n);
  });

  it('cache maintenance counts as a write', () => {
    const c = new SystemCpu().at(1);
    c.set(state.fault, 0x106n);
    c.call(raiseAbort, VA, accessDesc({ kind: 'read', bytes: 1, elem: 1, flags: Flag.cacheMaintenance }), 0);
    assert.equal(c.reg('ESR_EL1'), 0x96000146n);
  });
});

describe('events', () => {
  const bits = (...kinds: (keyof typeof EventKind)[]): bigint =>
    BigInt(kinds.reduce((a, k) => a | eventBit(k), 0));

  it('records with their details', () => {
    const c = new SystemCpu().at(1);
    c.pc = PC;
    c.set(common.eventMask, bits('hvc', 'entry'));
    c.setX(0, 0xc6000001n);
    c.exec(word.hvc(7));
    assert.deepEqual(
      c.calls.map((x) => [x.name, x.args[0]]),
      [
        ['event', EventKind.hvc],
        ['event', EventKind.entry],
      ],
    );
    assert.deepEqual(c.calls[0]!.mail.slice(0, 4), [PC, 0x5a000007n, 0x201n, 0xc6000001n]);
    const [ret, esr, where] = c.calls[1]!.mail;
    assert.deepEqual([ret, esr], [PC + 4n, 0x5a000007n]);
    assert.equal(where! & 0xffffffffn, 0x04000201n);
    assert.equal(where! >> 32n, 0x3c5n);
  });

  it('stops before HVC once, then lets it execute', () => {
    const c = new SystemCpu().at(1);
    c.pc = PC;
    c.set(common.stopMask, bits('hvc'));
    assert.equal(c.exec(word.hvc(0)), 'hold');
    assert.equal(c.get(common.stopReason), BigInt(StopReason.event));
    assert.equal(c.get(state.stopEvents), bits('hvc'));
    assert.equal(c.el, 1);
    c.set(state.holdSkip, 1n);
    assert.equal(c.exec(word.hvc(0)), 'recheck');
    assert.equal(c.el, 2);
    assert.equal(c.get(state.holdSkip), 0n);
  });

  it('stops behind an entry with all kinds that apply', () => {
    const c = new SystemCpu().at(1);
    c.set(common.stopMask, bits('entry', 'trapEntry', 'stage2Fault', 'irq'));
    c.set(state.fault, 0x147n);
    c.call(raiseAbort, VA, accessDesc({ kind: 'read', bytes: 4, elem: 4, flags: 0 }), 0);
    assert.equal(c.get(common.stopRequest), BigInt(StopReason.event));
    assert.equal(c.get(state.stopEvents), bits('entry', 'trapEntry', 'stage2Fault'));
  });

  it('tells trap exit (before the ERET) from guest entry (behind it)', () => {
    const c = new SystemCpu().at(2);
    c.pc = PC;
    c.setReg('HCR_EL2', 1n << 31n);
    c.setReg('SPSR_EL2', 5n);
    c.set(common.stopMask, bits('trapExit', 'guestEntry'));
    assert.equal(c.exec(word.eret), 'hold');
    assert.equal(c.get(state.stopEvents), bits('trapExit'));
    c.set(state.stopEvents, 0n);
    c.set(state.holdSkip, 1n);
    assert.equal(c.exec(word.eret), 'recheck');
    assert.equal(c.get(state.stopEvents), bits('guestEntry'));
    assert.equal(c.get(common.stopRequest), BigInt(StopReason.event));
  });
});
