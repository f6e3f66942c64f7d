/** MRS, MSR and system operations: who may, what traps with which syndrome, what a write changes. */
import assert from 'node:assert/strict';
import { common, StopReason } from '../../../ir/state';
import { encodingKey, type Encoding } from '../../dsl/sysreg';
import { cpuModel } from '../cpus';
import { Line } from '../interrupt-lines';
import { contextKey, contextPart } from '../mmu/context';
import { state } from '../state';
import { deviceRegisters, sysregNamed, sysregs, type Sysreg } from '../sysregs';
import { explainControl } from '../sysregs/controls';
import { explainAccess } from '../sysregs/explain';
import { tlbiOps, tlbiSelection } from '../mmu/tlbi';
import { Wire } from '../wires/wires';
import { RAM_BASE, SystemCpu } from './cpu';

const PC = 0x40001000n;
const mrs = (name: string, rt = 0): number => mrsWord(sysregNamed(name).enc, rt);
const mrsWord = (enc: Encoding, rt = 0): number => (0xd5200000 | (encodingKey(enc) << 5) | rt) >>> 0;
const msr = (name: string, rt = 0): number =>
  (0xd5000000 | (encodingKey(sysregNamed(name).enc) << 5) | rt) >>> 0;
const sys = (op1: number, crn: number, crm: number, op2: number, rt = 0): number =>
  (0xd5000000 | (encodingKey([1, op1, crn, crm, op2]) << 5) | rt) >>> 0;

function cpuAt(el: number, hasEL2 = true, model = 'cortex-a57', el3 = false): SystemCpu {
  const c = new SystemCpu(model, hasEL2, undefined, el3).at(el);
  c.pc = PC;
  return c;
}

/** Where an access ended: executed, or the level and syndrome of an exception. */
function outcome(c: SystemCpu, word: number): string {
  const before = c.el;
  c.setReg('ESR_EL1', 0n);
  c.setReg('ESR_EL2', 0n);
  c.exec(word);
  if (c.el === 3 && before !== 3) return `EL3 ${c.reg('ESR_EL3').toString(16)}`;
  if (c.reg('ELR_EL2') === PC && (c.el !== before || c.reg('ESR_EL2') !== 0n))
    return `EL2 ${c.reg('ESR_EL2').toString(16)}`;
  if (c.reg('ESR_EL1') !== 0n && c.reg('ELR_EL1') === PC) return `EL1 ${c.reg('ESR_EL1').toString(16)}`;
  return 'done';
}

/** ESR of a trapped access, from its word: Arm ARM DDI 0487 D17.2.37, "trapped MSR, MRS or System instruction". */
function trapEsr(word: number): string {
  const bit = (lsb: number, n: number): number => (word >>> lsb) & ((1 << n) - 1);
  const iss =
    (bit(19, 2) << 20) |
    (bit(5, 3) << 17) |
    (bit(16, 3) << 14) |
    (bit(12, 4) << 10) |
    (bit(0, 5) << 5) |
    (bit(8, 4) << 1) |
    bit(21, 1);
  return ((0x18n << 26n) | (1n << 25n) | BigInt(iss)).toString(16);
}

const undef = '2000000';

describe('system register access', () => {
  const directions = (r: Sysreg): ('r' | 'w')[] =>
    r.access === 'wo' ? ['w'] : r.access === 'ro' || r.id ? ['r'] : ['r', 'w'];

  it('every register: UNDEFINED below its level, trapped by each of its rules alone', () => {
    let rules = 0;
    for (const r of sysregs) {
      const el3 = r.feature?.includes('EL3') ?? false;
      const has = (model: string): boolean =>
        r.feature === undefined || el3 || cpuModel(model).features.has(r.feature);
      const model = ['cortex-a57', 'cortex-a76', 'max'].find(has) ?? 'max';
      for (const dir of directions(r)) {
        const word = dir === 'r' ? mrs(r.name, 3) : msr(r.name, 3);
        const min = dir === 'r' ? r.min : r.minWrite === 'highest' ? 2 : (r.minWrite ?? r.min);
        for (const el of [0, 1, 2]) {
          if (el >= min) continue;
          const c = cpuAt(el, true, model, el3);
          assert.equal(
            outcome(c, word),
            el === 2 ? `EL2 ${undef}` : `EL1 ${undef}`,
            `${dir} ${r.name} at EL${el}`,
          );
        }
        const mine = (r.trap ?? []).filter((t) => !t.dir || t.dir === dir);
        for (const t of mine) {
          for (const el of t.from ?? [0, 1].slice(0, t.to)) {
            if (el < min) continue;
            const c = cpuAt(el, true, model, el3 || t.to === 3);
            // Only Secure EL1 has a timer of EL3's.
            if (r.name.startsWith('CNTPS_')) c.set(state.el2Off, 1n);
            if (r.alias) c.setField('HCR_EL2.E2H', 1n);
            // Nothing traps but this rule: walk the controls to a state in which only it holds.
            const read = (name: string): bigint => c.reg(name);
            const set = (text: string, holds: boolean): void => {
              const [name = '', field = ''] = text.replace('!', '').split('=')[0]!.split('.');
              for (const v of [0n, 1n]) {
                c.setField(`${name}.${field}`, v);
                if (explainControl(text, read).holds === holds) return;
              }
              assert.fail(`${text} cannot be ${holds}`);
            };
            const own = [t.when].flat();
            for (const other of mine) {
              if (other === t) continue;
              const foreign = [other.when].flat().find((x) => !own.includes(x));
              if (foreign) set(foreign, false);
            }
            if (r.undefinedWhen) c.set(state.spsel, 1n);
            for (const x of own) set(x, true);
            const tge = (c.reg('HCR_EL2') >> 27n) & 1n;
            const to = t.to === 1 && el === 0 && tge ? 2 : t.to;
            assert.equal(
              outcome(c, word),
              `EL${to} ${trapEsr(word)}`,
              `${dir} ${r.name} at EL${el}: ${own.join()}`,
            );
            rules++;
          }
        }
      }
    }
    assert.ok(rules > 300, `${rules} rules tried`);
  });

  it('a write is read back, within the mask', () => {
    for (const r of sysregs) {
      if (
        r.min === 3 ||
        r.access ||
        r.id ||
        r.device ||
        r.write ||
        r.read ||
        r.view ||
        r.feature ||
        r.fp ||
        r.undefinedWhen
      )
        continue;
      const c = cpuAt(2);
      const old = c.reg(r.name);
      c.setX(3, ~old);
      c.exec(msr(r.name, 3));
      c.pc = PC;
      c.exec(mrs(r.name, 4));
      const mask = r.mask ?? 0xffffffffffffffffn;
      assert.equal(c.x(4), BigInt.asUintN(64, (old & ~mask) | (~old & mask)), r.name);
    }
  });

  it('has the encodings that are not there UNDEFINED, but reserved ID registers zero', () => {
    assert.equal(outcome(cpuAt(1), mrsWord([3, 0, 0, 0, 1])), `EL1 ${undef}`);
    assert.equal(outcome(cpuAt(1), mrsWord([3, 3, 15, 15, 7])), `EL1 ${undef}`);
    assert.equal(outcome(cpuAt(2), mrsWord([3, 5, 1, 0, 0])), `EL2 ${undef}`, 'SCTLR_EL12 needs VHE');
    assert.equal(outcome(cpuAt(1), mrsWord([3, 0, 4, 2, 3])), `EL1 ${undef}`, 'PAN needs Armv8.1');
    const c = cpuAt(1);
    c.setX(0, 5n);
    assert.equal(outcome(c, mrsWord([3, 0, 0, 7, 5])), 'done');
    assert.equal(c.x(0), 0n);
    assert.equal(outcome(cpuAt(0), mrsWord([3, 0, 0, 7, 5])), `EL1 ${undef}`);
    const trapped = cpuAt(1);
    trapped.setField('HCR_EL2.TID3', 1n);
    const word = mrsWord([3, 0, 0, 7, 5], 9);
    assert.equal(outcome(trapped, word), `EL2 ${trapEsr(word)}`);
    assert.equal(outcome(cpuAt(2), msr('MIDR_EL1')), `EL2 ${undef}`, 'read-only');
  });

  it('SP_EL0 is UNDEFINED while it is the stack pointer', () => {
    const c = cpuAt(1);
    c.set(state.spsel, 0n);
    assert.equal(outcome(c, mrs('SP_EL0')), `EL1 ${undef}`);
    const d = cpuAt(1);
    d.set(state.spEl, 0x1230n, 0);
    d.exec(mrs('SP_EL0', 5));
    assert.equal(d.x(5), 0x1230n);
  });

  it('SPSel moves the stack pointers', () => {
    const c = cpuAt(1);
    c.sp = 0x100n;
    c.set(state.spEl, 0x200n, 0);
    c.exec(0xd50040bf); // msr spsel, #0
    assert.equal(c.sp, 0x200n);
    assert.equal(c.get(state.spEl, 1), 0x100n);
    c.setX(1, 1n);
    c.exec(msr('SPSel', 1));
    assert.equal(c.sp, 0x100n);
  });

  it('EL1 reads the identity that EL2 gives it', () => {
    const c = cpuAt(1);
    c.setReg('VPIDR_EL2', 0x1234n);
    c.setReg('VMPIDR_EL2', 0x80000007n);
    c.exec(mrs('MIDR_EL1', 1));
    c.exec(mrs('MPIDR_EL1', 2));
    assert.deepEqual([c.x(1), c.x(2)], [0x1234n, 0x80000007n]);
    c.at(2).exec(mrs('MIDR_EL1', 1));
    assert.equal(c.x(1), 0x411fd070n);
  });

  it('DAIF: bits, masks by immediate, and EL0 only with UMA', () => {
    const c = cpuAt(1);
    c.setX(0, 0xffffn);
    c.exec(msr('DAIF'));
    assert.equal(c.get(state.daif), 0x3c0n);
    c.exec(0xd50343ff); // msr daifclr, #3
    assert.equal(c.get(state.daif), 0x300n);
    c.exec(0xd50341df); // msr daifset, #1
    c.exec(mrs('DAIF', 1));
    assert.equal(c.x(1), 0x340n);
    assert.equal(outcome(cpuAt(0), mrs('DAIF')), `EL1 ${trapEsr(mrs('DAIF'))}`);
  });

  it('unmasking looks at interrupts only when a line is up', () => {
    const clear = 0xd50342ff; // msr daifclr, #2
    const c = cpuAt(1);
    assert.equal(c.exec(clear), 'next');
    assert.equal(c.get(state.daif), 0x340n);
    c.set(common.irqLines, 1n);
    assert.equal(c.exec(clear), 'recheck');
    const user = cpuAt(0);
    assert.equal(outcome(user, clear), `EL1 ${trapEsr(clear)}`);
    const allowed = cpuAt(0);
    allowed.setField('SCTLR_EL1.UMA', 1n);
    assert.equal(outcome(allowed, clear), 'done');
  });

  it('FPCR and FPSR trap as FP instructions do', () => {
    const c = cpuAt(1);
    c.call(contextKey);
    assert.equal(outcome(c, mrs('FPCR')), 'EL1 1fe00000');
    const d = cpuAt(1);
    d.setField('CPACR_EL1.FPEN', 3n);
    d.setField('CPTR_EL2.TFP', 1n);
    d.call(contextKey);
    assert.equal(outcome(d, mrs('FPSR')), 'EL2 1fe00000');
  });

  it('writing a context register ends the instruction with a recheck', () => {
    for (const name of ['HCR_EL2', 'CPTR_EL2', 'SCTLR_EL2'])
      assert.equal(cpuAt(2).exec(msr(name)), 'recheck', name);
    for (const name of ['TPIDR_EL2', 'VBAR_EL1', 'ELR_EL1', 'SP_EL1'])
      assert.equal(cpuAt(2).exec(msr(name)), 'next', name);
  });

  it('what only EL1 and EL0 translate by ends none at EL2, unless a host reaches its own register by it', () => {
    for (const name of ['TTBR0_EL1', 'TTBR1_EL1', 'TCR_EL1', 'MAIR_EL1', 'SCTLR_EL1', 'CPACR_EL1']) {
      assert.equal(cpuAt(2).exec(msr(name)), 'next', name);
      assert.equal(cpuAt(1).exec(msr(name)), 'recheck', name);
      const host = cpuAt(2, true, 'cortex-a76');
      host.setField('HCR_EL2.E2H', 1n);
      assert.equal(host.exec(msr(name)), 'recheck', name);
      assert.equal(host.exec(msr(`${name}2`)), 'next', `${name}2`);
    }
    for (const name of ['VTTBR_EL2', 'VTCR_EL2']) assert.equal(cpuAt(2).exec(msr(name)), 'next', name);
  });
});

describe('trap explanations', () => {
  it('name the control and its value', () => {
    const c = cpuAt(1);
    const read = (r: string): bigint => c.reg(r);
    assert.equal(explainAccess('TTBR0_EL1', 'w', 1, read), undefined);
    c.setField('HCR_EL2.TVM', 1n);
    assert.equal(
      explainAccess('TTBR0_EL1', 'w', 1, read),
      'HCR_EL2.TVM = 1: a write of TTBR0_EL1 at EL1 is taken to EL2, EC 0x18',
    );
    assert.equal(explainAccess('TTBR0_EL1', 'r', 1, read), undefined);
    c.setField('HCR_EL2.TGE', 1n);
    assert.equal(
      explainAccess('CNTVCT_EL0', 'r', 0, read),
      'CNTKCTL_EL1.EL0VCTEN = 0, HCR_EL2.TGE = 1: a read of CNTVCT_EL0 at EL0 is taken to EL2, EC 0x18',
    );
  });
});

describe('timers', () => {
  const at = (c: SystemCpu, time: bigint): void => {
    c.set(common.left, 100n);
    c.set(common.timeEnd, time + 100n);
  };

  it('the counter is virtual time by 16, less the offset for CNTVCT', () => {
    const c = cpuAt(1);
    at(c, 16n * 1000n + 15n);
    c.setReg('CNTVOFF_EL2', 300n);
    c.exec(mrs('CNTPCT_EL0', 1));
    c.exec(mrs('CNTVCT_EL0', 2));
    assert.deepEqual([c.x(1), c.x(2)], [1000n, 700n]);
    c.exec(mrs('CNTFRQ_EL0', 3));
    assert.equal(c.x(3), 62500000n);
  });

  it('TVAL is signed and relative; ISTATUS is computed', () => {
    const c = cpuAt(1);
    at(c, 16000n);
    c.setX(0, 0xffffffffn); // -1
    assert.equal(c.exec(msr('CNTV_TVAL_EL0')), 'next');
    assert.equal(c.reg('CNTV_CVAL_EL0'), 999n);
    assert.equal(c.get(common.stopRequest), 0n, 'the timer is off');
    c.exec(mrs('CNTV_TVAL_EL0', 1));
    assert.equal(c.x(1), 0xffffffffn);
    c.setX(0, 7n);
    c.exec(msr('CNTV_CTL_EL0'));
    assert.equal(c.reg('CNTV_CTL_EL0'), 3n);
    c.exec(mrs('CNTV_CTL_EL0', 2));
    assert.equal(c.x(2), 7n);
    c.setReg('CNTV_CVAL_EL0', 1001n);
    c.exec(mrs('CNTV_CTL_EL0', 2));
    assert.equal(c.x(2), 3n);
  });

  it('a write ends the run of generated code only where the timer fires before that would end', () => {
    const writes = (ticks: bigint): [string, bigint] => {
      const c = cpuAt(1);
      c.set(common.left, 100n);
      c.set(common.timeEnd, 16100n);
      c.setReg('CNTV_CTL_EL0', 1n);
      c.setReg('CNTV_CVAL_EL0', 2n ** 63n);
      c.setX(0, 1000n + ticks);
      return [c.exec(msr('CNTV_CVAL_EL0')), c.get(common.stopRequest)];
    };
    const board = BigInt(StopReason.board);
    assert.deepEqual(writes(0n), ['recheck', board], 'at once');
    assert.deepEqual(writes(6n), ['recheck', board]);
    assert.deepEqual(writes(7n), ['next', 0n], 'after 112 instructions, where 100 are left');
  });

  it('CNTFRQ can be written only at the highest level', () => {
    assert.equal(outcome(cpuAt(1), msr('CNTFRQ_EL0')), `EL1 ${undef}`);
    assert.equal(outcome(cpuAt(2), msr('CNTFRQ_EL0')), 'done');
    assert.equal(outcome(cpuAt(1, false), msr('CNTFRQ_EL0')), 'done');
  });
});

describe('device registers', () => {
  it('go to the board by number, and to the virtual interface under HCR_EL2.IMO', () => {
    const c = cpuAt(1);
    c.onHost = () => c.set(common.mail, 27n, 0);
    c.exec(mrs('ICC_IAR1_EL1', 6));
    assert.equal(c.x(6), 27n);
    c.setField('HCR_EL2.IMO', 1n);
    c.exec(mrs('ICC_IAR1_EL1', 6));
    c.exec(mrs('ICC_IAR0_EL1', 6));
    c.at(2).exec(mrs('ICC_IAR1_EL1', 6));
    assert.deepEqual(
      c.calls.map((x) => [x.name, deviceRegisters[x.args[0]!]]),
      [
        ['sysregRead', 'ICC_IAR1_EL1'],
        ['sysregRead', 'ICV_IAR1_EL1'],
        ['sysregRead', 'ICC_IAR0_EL1'],
        ['sysregRead', 'ICC_IAR1_EL1'],
      ],
    );
  });

  it('writes carry the value, and look for an interrupt if one is asserted now', () => {
    const c = cpuAt(1);
    c.setX(2, 0xf0n);
    assert.equal(c.exec(msr('ICC_PMR_EL1', 2)), 'next');
    assert.equal(c.calls[0]?.mail[0], 0xf0n);
    assert.equal(deviceRegisters[c.calls[0]!.args[0]!], 'ICC_PMR_EL1');
    c.onHost = () => c.set(common.irqLines, 1n);
    assert.equal(c.exec(msr('ICC_PMR_EL1', 2)), 'recheck');
    c.set(common.irqLines, 0n);
    assert.equal(c.exec(mrs('ICC_IAR1_EL1', 6)), 'recheck', 'a maintenance interrupt');
  });

  it('a write of a list register drives the virtual lines; the board hears of the maintenance interrupt only', () => {
    const c = cpuAt(2);
    const write = (name: string, v: bigint): string => {
      c.setX(2, v);
      return c.exec(msr(name, 2));
    };
    c.set(common.due, 2n ** 64n - 1n);
    write('ICH_VMCR_EL2', 0xf8000003n);
    assert.equal(write('ICH_HCR_EL2', 1n), 'next');
    assert.equal(write('ICH_LR0_EL2', (5n << 60n) | 27n), 'recheck');
    assert.equal(c.get(common.irqLines), BigInt(Line.virq));
    assert.equal(c.get(common.stopRequest), 0n);
    assert.equal(write('ICH_LR0_EL2', 0n), 'next');
    // No list register is pending.
    assert.equal(write('ICH_HCR_EL2', 9n), 'recheck');
    assert.equal(c.get(common.stopRequest), BigInt(StopReason.board));
    assert.deepEqual([c.get(common.wires), c.reg('ICH_MISR_EL2')], [BigInt(Wire.maintenance), 8n]);
  });
});

describe('exception generation without EL2, and firmware', () => {
  const hvc = 0xd4000002;
  const smc = 0xd4000003;
  it('HVC reaches the firmware only without EL2', () => {
    const c = cpuAt(1, false);
    c.answers['firmware'] = 1;
    assert.equal(c.exec(hvc), 'recheck');
    assert.deepEqual([c.calls[0]?.name, c.calls[0]?.args], ['firmware', [0]]);
    assert.equal(c.pc, PC + 4n);
    assert.equal(c.el, 1);
    const el0 = cpuAt(0, false);
    assert.equal(outcome(el0, hvc), `EL1 ${undef}`);
    assert.equal(el0.calls.length, 0);
    assert.equal(outcome(cpuAt(1, false), smc), `EL1 ${undef}`, 'firmware does not know the conduit');
    const d = cpuAt(2);
    d.answers['firmware'] = 1;
    d.exec(smc);
    assert.deepEqual(d.calls[0]?.args, [1]);
  });

  it('EL2 registers are UNDEFINED without EL2, and RMR_EL1 exists', () => {
    assert.equal(outcome(cpuAt(1, false), mrs('HCR_EL2')), `EL1 ${undef}`);
    assert.equal(outcome(cpuAt(1, false), mrs('RMR_EL1')), 'done');
    assert.equal(outcome(cpuAt(2), mrs('RMR_EL1')), `EL2 ${undef}`);
  });
});

describe('waiting', () => {
  it('WFI sleeps until a line is up', () => {
    const c = cpuAt(1);
    assert.equal(c.exec(0xd503207f), 'stop');
    assert.equal(c.get(common.asleep), 1n);
    assert.equal(c.get(common.stopReason), BigInt(StopReason.sleep));
    assert.equal(c.pc, PC + 4n);
    const d = cpuAt(1);
    d.set(common.irqLines, 1n);
    assert.equal(d.exec(0xd503207f), 'next');
  });

  it('WFE consumes the event register, else gives up the turn', () => {
    const c = cpuAt(1);
    c.exec(0xd50320bf); // sevl
    assert.equal(c.exec(0xd503205f), 'next');
    assert.equal(c.exec(0xd503205f), 'stop');
    assert.equal(c.get(common.stopReason), BigInt(StopReason.yield));
  });
});

describe('system operations', () => {
  const zva = sys(3, 7, 4, 1, 1);
  it('DC ZVA zeroes the aligned 64 bytes; EL0 needs DZE', () => {
    const c = cpuAt(1);
    for (let i = 0; i < 256; i++) c.memory.setUint8(c.ramAt(RAM_BASE) + i, 0xaa);
    c.setX(1, RAM_BASE + 0x7fn);
    c.exec(zva);
    const bytes = Array.from({ length: 256 }, (_, i) => c.memory.getUint8(c.ramAt(RAM_BASE) + i));
    assert.deepEqual(
      bytes.map((b, i) => (b === 0) === (i >= 64 && i < 128)),
      bytes.map(() => true),
    );
    const user = cpuAt(0);
    user.setField('SCTLR_EL1.DZE', 0n);
    assert.equal(outcome(user, zva), `EL1 ${trapEsr(zva)}`);
    const hyp = cpuAt(1);
    hyp.setField('HCR_EL2.TDZ', 1n);
    assert.equal(outcome(hyp, zva), `EL2 ${trapEsr(zva)}`);
  });

  it('a fault of DC ZVA and of DC CIVAC reports the address as given', () => {
    for (const [word, iss] of [
      [zva, 0x40],
      [sys(3, 7, 14, 1, 1), 0x140],
    ] as const) {
      const c = cpuAt(1);
      c.setX(1, 0x7000000000123n); // above 44 bits: address size fault
      assert.equal(outcome(c, word), `EL1 ${(0x96000000 + iss).toString(16)}`);
      assert.equal(c.reg('FAR_EL1'), 0x7000000000123n);
    }
  });

  it('DC CVAU at EL0 needs UCI', () => {
    const word = sys(3, 7, 11, 1, 4);
    const c = cpuAt(0);
    assert.equal(outcome(c, word), `EL1 ${trapEsr(word)}`);
    const d = cpuAt(0);
    d.setField('SCTLR_EL1.UCI', 1n);
    d.setX(4, RAM_BASE);
    assert.equal(outcome(d, word), 'done');
  });

  it('AT: success and fault in PAR_EL1', () => {
    const c = cpuAt(1);
    c.setX(0, RAM_BASE + 0x1234n);
    c.exec(sys(0, 7, 8, 0));
    assert.equal(c.reg('PAR_EL1'), RAM_BASE + 0x1000n + 0xb00n, 'Device-nGnRnE, outer shareable, NS');
    c.setX(0, 1n << 45n);
    c.exec(sys(0, 7, 8, 1));
    assert.equal(c.reg('PAR_EL1'), 0x801n);
    assert.equal(outcome(cpuAt(1), sys(4, 7, 8, 0)), `EL1 ${undef}`, 'S1E2R at EL1');
    assert.equal(outcome(cpuAt(1), sys(4, 7, 8, 4)), `EL1 ${undef}`, 'S12E1R at EL1');
  });

  it('AT S1E1R at EL1 takes the stage 2 fault of its walk to EL2; at EL2 it is in PAR_EL1', () => {
    for (const el of [1, 2]) {
      const c = cpuAt(el);
      c.setField('SCTLR_EL1.M', 1n);
      c.setReg('TCR_EL1', 0x500100010n);
      c.setReg('HCR_EL2', (1n << 31n) | 1n);
      c.setReg('VTCR_EL2', 0x80050059n);
      c.setReg('VTTBR_EL2', RAM_BASE);
      c.setReg('TTBR0_EL1', 0x77770000n);
      c.setX(0, 0x1234000n);
      const got = outcome(c, sys(0, 7, 8, 0));
      if (el === 1) {
        // Data abort from a lower level, CM, S1PTW, WnR, translation fault level 1.
        assert.equal(got, `EL2 ${((0x24n << 26n) | (1n << 25n) | 0x1c5n).toString(16)}`);
        assert.equal(c.reg('HPFAR_EL2'), 0x777700n);
        assert.equal(c.reg('FAR_EL2'), 0x1234000n);
      } else {
        assert.equal(got, 'done');
        // F, FST, PTW, S, RES1.
        assert.equal(c.reg('PAR_EL1'), 1n | (5n << 1n) | (1n << 8n) | (1n << 9n) | (1n << 11n));
      }
    }
  });

  it('TLBI tells the host what and how far, and traps with TTLB', () => {
    const vae1is = sys(0, 8, 3, 1, 2);
    const c = cpuAt(1);
    c.setX(2, 0x0042000000012345n);
    assert.equal(c.exec(vae1is), 'recheck');
    assert.equal(tlbiOps[c.calls[0]!.args[0]!]?.name, 'vae1is');
    assert.deepEqual([c.calls[0]!.args[1], c.calls[0]!.mail[0]], [1, 0x0042000000012345n]);
    const trapped = cpuAt(1);
    trapped.setField('HCR_EL2.TTLB', 1n);
    assert.equal(outcome(trapped, vae1is), `EL2 ${trapEsr(vae1is)}`);
    const forced = cpuAt(1);
    forced.setField('HCR_EL2.FB', 1n);
    forced.exec(sys(0, 8, 7, 0, 31));
    assert.equal(forced.calls[0]!.args[1], 1);
    assert.equal(outcome(cpuAt(1), sys(4, 8, 7, 4, 31)), `EL1 ${undef}`, 'ALLE1 at EL1');
  });

  it('TLBI selections follow VMID, ASID and regime', () => {
    const key = (el: number, vmid: bigint, asid: bigint): bigint[] => {
      const c = cpuAt(el);
      c.setReg('TCR_EL1', 1n << 36n);
      c.setReg('VTTBR_EL2', vmid << 48n);
      c.setReg('TTBR0_EL1', asid << 48n);
      c.call(contextKey);
      return [0, 1, 2, 3].map((i) => c.get(common.ctxKey, i));
    };
    assert.equal(contextPart(key(1, 5n, 0x1234n)[0]!, 'asid'), 0x1234);
    const now = cpuAt(2);
    now.setReg('TCR_EL1', 1n << 36n);
    now.setReg('VTTBR_EL2', 5n << 48n);
    const hits = (op: string, operand = 0n): string =>
      [key(1, 5n, 1n), key(0, 5n, 2n), key(1, 6n, 1n), key(2, 5n, 1n)]
        .map((k) => {
          const n = tlbiOps.findIndex((o) => o.name === op);
          const { bank } = tlbiSelection(n, operand, (f) => now.get(f));
          return (k[0]! & bank.mask) === bank.value ? 'x' : '-';
        })
        .join('');
    assert.equal(hits('vmalle1'), 'xx--');
    assert.equal(hits('aside1', 2n << 48n), '-x--');
    assert.equal(hits('vae1', 1n << 48n), 'xx--');
    assert.equal(hits('alle1'), 'xxx-');
    assert.equal(hits('alle2'), '---x');
    assert.equal(hits('vmalls12e1is'), 'xx--');
    const number = (op: string): number => tlbiOps.findIndex((o) => o.name === op);
    const { va } = tlbiSelection(number('vae1'), 0x00000fff80001234n, (f) => now.get(f));
    assert.equal(va, (0xffffff8000123400n << 4n) & 0xffffffffffffffffn);
    // 64 KiB granule, SCALE 1, NUM 2: three times 64 granules, from the upper half of the address space.
    const ranged = (3n << 46n) | (1n << 44n) | (2n << 39n) | 0x1fff800012n;
    const range = tlbiSelection(number('rvale1is'), ranged, (f) => now.get(f));
    assert.deepEqual([range.va, range.bytes], [0xffffff8000120000n, 192n << 16n]);
    const ipa = tlbiSelection(number('ripas2e1'), ranged, (f) => now.get(f));
    assert.deepEqual([ipa.va, ipa.exact?.bytes], [undefined, 192n << 16n]);
  });
});
