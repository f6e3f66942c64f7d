/**
 * Address translation (Arm ARM DDI 0487 D8): stage 1 of the EL1&0, EL2 and EL2&0 regimes, stage 2, and both nested.
 * Routines return 0, or a Fault word that they leave in state.fault too; they never take an exception.
 */
import type { Builder } from '../../../ir/builder';
import type { Routine, Val } from '../../../ir/nodes';
import { common, MemAttr } from '../../../ir/state';
import { Acc } from '../../dsl/isa';
import { Fault, Fsc } from '../exceptions/abort';
import { hasFeature } from '../features';
import {
  emitWalk,
  granuleTg0,
  granuleTg1,
  isLarge,
  lowMask,
  outputBits,
  sizeLimits,
  tableBase,
  tooLarge,
} from './walk';
import { combineMemory, forcedMemory, isStage2Device, stage2Memory } from './memory';
import { keepState } from './update';
import { hostCalls } from '../host-calls';
import { state } from '../state';
import { isHost, isTagged, regimeRegister, regimes, sctlr, tcr, usesEl20, type Regime } from './regimes';
import { getField, getReg } from '../sysregs';
import { controlHolds, el2IsOff } from '../sysregs/controls';

/** Bits of `acc` beside those of Acc. */
export const AccMore = {
  /** The access is a stage 1 walk's: a read, or with Acc.write an update of a descriptor. */
  walk: 0x100,
  /** PSTATE.PAN does not count: AT, but for S1E1RP and S1E1WP. */
  anyPan: 0x200,
  /** Stage 2 of an access of EL0. */
  user: 0x400,
} as const;

/** Guarded page, in stage 1 descriptors (FEAT_BTI). */
const GP = 50;

const has = (s: Builder, acc: Val, bit: number): Val => s.nei(s.andi(acc, bit), 0);

/** Leaves the routine with a fault. `reads`: a read would have met it too. */
function fail(s: Builder, fsc: number, level: Val, more: Val, reads: Val = s.i32(1)): void {
  const fault = s.or(s.or(s.i32(fsc | Fault.any), level), more);
  s.set(state.fault, fault);
  s.set(state.faultReads, reads);
  s.ret(fault);
}

// --- stage 2 ------------------------------------------------------------------------------------------------------

/** (ipa, acc) -> fault: state.s2Pa, s2Size, s2Mem, s2Sh, s2Level. Stage 2 is on. */
export const stage2Walk: Routine = {
  k: 'routine',
  name: 'stage2Walk',
  params: ['i64', 'i32'],
  result: 'i32',
  build: (s: Builder, ipa: Val, acc: Val) => {
    const vtcr = (field: string): Val => getField(s, `VTCR_EL2.${field}`);
    const walk = has(s, acc, AccMore.walk);
    const more = s.or(s.i32(Fault.stage2), s.select(walk, s.i32(Fault.s1ptw), s.i32(0)));
    const refuse = (fsc: number, level: Val, reads?: Val): void => {
      s.set(state.faultIpa, ipa);
      fail(s, fsc, level, more, reads);
    };
    const big = getField(s, 'SCTLR_EL2.EE');
    const granule = granuleTg0(s, vtcr('TG0'));
    const stride = s.addi(granule, -3);
    const is4k = s.eqi(granule, 12);
    const inputBits = s.sub(s.i32(64), vtcr('T0SZ'));
    const large = isLarge(s, granule);
    const outBits = outputBits(s, vtcr('PS'), s.get(state.paBits), large);
    const sl0 = vtcr('SL0');
    // SL0 = 3 is level 3 of 4 KiB pages with FEAT_TTST.
    const small = s.and(s.and(is4k, s.eqi(sl0, 3)), hasFeature(s, 'TTST'));
    const start = s.select(small, s.i32(3), s.sub(s.select(is4k, s.i32(2), s.i32(3)), sl0));
    // Index bits of the first level: more than a table's 9 (11, 13) means concatenated tables, up to 16 (D8.2.7).
    const firstBits = s.sub(inputBits, s.add(granule, s.mul(s.sub(s.i32(3), start), stride)));
    const smallPa = s.leu(outBits, s.select(s.eqi(granule, 14), s.i32(40), s.i32(42)));
    const level0 = s.eqz(start);
    const sizes = sizeLimits(s, granule);
    const invalid = [
      s.and(s.eqi(sl0, 3), s.eqz(small)),
      s.gtu(inputBits, sizes.most),
      s.ltu(inputBits, sizes.least),
      s.gtu(inputBits, outBits),
      s.select(is4k, s.and(level0, smallPa), s.or(level0, s.and(s.eqi(start, 1), smallPa))),
      s.lts(firstBits, s.i32(1)),
      s.gts(firstBits, s.addi(stride, 4)),
      tooLarge(s, ipa, inputBits),
    ].reduce((a, b) => s.or(a, b));
    s.if(invalid, () => refuse(Fsc.translation, s.i32(0)));
    const base = tableBase(s, getReg(s, 'VTTBR_EL2'), s.addi(firstBits, 3), outBits);
    s.if(tooLarge(s, base, outBits), () => refuse(Fsc.addressSize, s.i32(0)));
    const leaf = emitWalk(s, {
      input: ipa,
      inputBits,
      granule,
      start,
      base,
      outBits,
      large,
      big,
      physical: (address) => address,
      fail: refuse,
    });
    const kept = keepState(s, 2, leaf, vtcr('HA'), vtcr('HD'));
    s.if(kept.accessFault, () => refuse(Fsc.accessFlag, leaf.level));
    const d = kept.effective;
    const [readable, writable] = [s.bit(d, 6), s.bit(d, 7)];
    const write = has(s, acc, Acc.write);
    const both = s.and(has(s, acc, Acc.atomic), write);
    const dataOk = s.select(write, s.and(writable, s.or(readable, s.eqz(both))), readable);
    const ok = s.select(has(s, acc, Acc.exec), s.eqz(executeNever(s, d, acc)), dataOk);
    s.if(s.eqz(ok), () => refuse(Fsc.permission, leaf.level, s.eqz(readable)));
    kept.update(acc, big, (address) => address);
    s.set(state.s2Pa, leaf.output);
    s.set(state.s2Size, leaf.size);
    s.set(state.s2Mem, s.wrap(s.bits(d, 2, 4)));
    s.set(state.s2Sh, s.wrap(s.bits(d, 8, 2)));
    s.set(state.s2Level, leaf.level);
    s.ret(s.i32(0));
  },
};

/** XN of a stage 2 leaf: one bit, or with FEAT_XNX two that tell EL0 from EL1 (D8.4.2). */
function executeNever(s: Builder, d: Val, acc: Val): Val {
  const both = s.wrap(s.bits(d, 53, 2));
  const user = has(s, acc, AccMore.user);
  const byLevel = s.or(s.eqi(both, 2), s.eq(both, s.select(user, s.i32(3), s.i32(1))));
  return s.select(hasFeature(s, 'XNX'), byLevel, s.bit(d, 54));
}

// --- stage 1 ------------------------------------------------------------------------------------------------------

/** Is stage 1 of a regime on? HCR_EL2.DC and TGE switch that of EL1&0 off. */
function stage1On(s: Builder, r: Regime): Val {
  const m = sctlr(s, r, 'M');
  if (!r.stage2) return m;
  const byEl2 = s.or(getField(s, 'HCR_EL2.DC'), getField(s, 'HCR_EL2.TGE'));
  return s.and(m, s.or(s.eqz(byEl2), el2IsOff(s)));
}

/** Without translation: the address is the output if it is not too large (D8.2.9). */
function flat(s: Builder, r: Regime, address: Val, acc: Val): void {
  s.if(tooLarge(s, address, s.get(state.paBits)), () => fail(s, Fsc.addressSize, s.i32(0), s.i32(0)));
  s.set(common.trPa, address);
  s.set(common.trSize, s.i32(12));
  s.set(state.trNs, s.i32(0));
  // Fetches are Normal, data is Device-nGnRnE, but all is Normal write-back with HCR_EL2.DC.
  const plain = s.select(has(s, acc, Acc.exec), s.i32(0x44), s.i32(0));
  const dc = r.stage2 ? controlHolds(s, 'HCR_EL2.DC') : s.i32(0);
  s.set(state.trMem, s.select(dc, s.i32(0xff), plain));
  s.set(state.trSh, s.select(dc, s.i32(0), s.i32(2)));
  s.ret(s.i32(0));
}

/** Permission check of a leaf: AP, XN and what tables on the way took away (D8.4.1). */
function permitted(s: Builder, r: Regime, d: Val, tables: Val, acc: Val, user: Val): Val {
  const readOnly = s.or(s.bit(d, 7), s.bit(tables, 62));
  const wxn = sctlr(s, r, 'WXN');
  const write = has(s, acc, Acc.write);
  const exec = has(s, acc, Acc.exec);
  const xn = s.or(s.bit(d, 54), s.bit(tables, 60));
  if (!r.twoRanges) {
    const noExec = s.or(xn, s.and(wxn, s.eqz(readOnly)));
    return s.select(exec, s.eqz(noExec), s.or(s.eqz(write), s.eqz(readOnly)));
  }
  const el0 = s.and(s.bit(d, 6), s.eqz(s.bit(tables, 61)));
  const el0Write = s.and(el0, s.eqz(readOnly));
  const pxn = s.or(s.bit(d, 53), s.bit(tables, 59));
  // What EL0 can write, EL1 cannot execute, whatever PXN says.
  const userNoExec = s.or(xn, s.and(wxn, el0Write));
  const privNoExec = s.or(s.or(pxn, el0Write), s.and(wxn, s.eqz(readOnly)));
  const userData = s.select(write, el0Write, el0);
  const minds = s.eqz(s.andi(acc, AccMore.anyPan | Acc.cacheMaintenance));
  const pan = s.and(s.and(s.get(state.pan), el0), minds);
  const privData = s.and(s.eqz(pan), s.or(s.eqz(write), s.eqz(readOnly)));
  return s.select(exec, s.eqz(s.select(user, userNoExec, privNoExec)), s.select(user, userData, privData));
}

const NS_TABLE = 1n << 63n;

/** Is what a regime translates to in the Secure physical address space, as far as its tables do not say otherwise? */
export const isSecure = (s: Builder, r: Regime): Val =>
  r.key === regimes.el3.key ? s.i32(1) : r.key === regimes.el10.key ? el2IsOff(s) : s.i32(0);

/** NS of a leaf and NSTable on the way (D8.4.1); SCR_EL3.SIF forbids Secure fetches from Non-secure memory. */
function secureOutput(s: Builder, r: Regime, d: Val, tables: Val, acc: Val, level: Val): void {
  const ns = s.or(s.bit(d, 5), s.bit(tables, 63));
  s.set(state.trNs, ns);
  const forbidden = s.and(s.and(ns, isSecure(s, r)), getField(s, 'SCR_EL3.SIF'));
  s.if(s.and(forbidden, has(s, acc, Acc.exec)), () => fail(s, Fsc.permission, level, s.i32(0)));
}

/** (va, acc, user: as EL0, nested: walks go through stage 2) -> fault: state.trPa, trSize, trMem, trSh. */
function stage1(r: Regime): Routine {
  return {
    k: 'routine',
    name: `stage1 ${r.name}`,
    params: ['i64', 'i32', 'i32', 'i32'],
    result: 'i32',
    build: (s: Builder, va: Val, acc: Val, user: Val, nested: Val) => {
      const upper = r.twoRanges ? s.bit(va, 55) : s.i32(0);
      const either = (one: () => Val, zero: () => Val): Val =>
        r.twoRanges ? s.select(upper, one(), zero()) : zero();
      const fetch = has(s, acc, Acc.exec);
      const tbi = either(
        () => isTagged(s, r, '1', fetch),
        () => isTagged(s, r, '0', fetch),
      );
      // The bits that count: without the tag.
      const address = s.select(tbi, s.andi(va, (1n << 56n) - 1n), va);
      s.if(s.eqz(stage1On(s, r)), () => flat(s, r, address, acc));

      const refuse = (fsc: number, level: Val, reads?: Val): void => fail(s, fsc, level, s.i32(0), reads);
      const tsz = either(
        () => tcr(s, r, 'T1SZ'),
        () => tcr(s, r, 'T0SZ'),
      );
      const inputBits = s.sub(s.i32(64), tsz);
      const granule = either(
        () => granuleTg1(s, tcr(s, r, 'TG1')),
        () => granuleTg0(s, tcr(s, r, 'TG0')),
      );
      const epd = r.twoRanges
        ? either(
            () => tcr(s, r, 'EPD1'),
            () => tcr(s, r, 'EPD0'),
          )
        : s.i32(0);
      // All bits above the input are equal: zero for TTBR0, one for TTBR1.
      const significant = s.select(tbi, s.i64((1n << 56n) - 1n), s.i64(-1n));
      const expected = s.select(upper, significant, s.i64(0));
      const sizes = sizeLimits(s, granule);
      const badSize = s.or(s.gtu(inputBits, sizes.most), s.ltu(inputBits, sizes.least));
      // E0PD keeps EL0 out of a half, without a walk.
      const e0pd = r.twoRanges
        ? s.and(
            s.and(hasFeature(s, 'E0PD'), user),
            either(
              () => tcr(s, r, 'E0PD1'),
              () => tcr(s, r, 'E0PD0'),
            ),
          )
        : s.i32(0);
      s.if(s.or(badSize, s.or(epd, e0pd)), () => refuse(Fsc.translation, s.i32(0)));
      const outside = s.nei(s.shru(s.xor(address, expected), s.zext(inputBits)), 0);
      s.if(outside, () => refuse(Fsc.translation, s.i32(0)));

      const stride = s.addi(granule, -3);
      const reach = (levels: number): Val => s.add(granule, s.mul(stride, s.i32(levels)));
      const start = [1, 2, 3].reduceRight(
        (rest, n) => s.select(s.leu(inputBits, reach(n)), s.i32(4 - n), rest),
        s.i32(0),
      );
      const large = isLarge(s, granule);
      const outBits = outputBits(s, tcr(s, r, 'IPS'), s.get(state.paBits), large);
      const firstBits = s.sub(inputBits, s.add(granule, s.mul(s.sub(s.i32(3), start), stride)));
      const ttbr = either(
        () => regimeRegister(s, r, 'TTBR1'),
        () => regimeRegister(s, r, 'TTBR0'),
      );
      const base = tableBase(s, ttbr, s.addi(firstBits, 3), outBits);
      s.if(tooLarge(s, base, outBits), () => refuse(Fsc.addressSize, s.i32(0)));

      // HPD: what tables say of permissions is ignored (FEAT_HPDS).
      const hpd = either(
        () => tcr(s, r, 'HPD1'),
        () => tcr(s, r, r.twoRanges ? 'HPD0' : 'HPD'),
      );
      const limits = s.select(s.and(hasFeature(s, 'HPDS'), hpd), s.i64(NS_TABLE), s.i64(-1n));
      const big = sctlr(s, r, 'EE');
      const tables = s.local('tables', s.i64(0));
      const leaf = emitWalk(s, {
        input: s.and(va, lowMask(s, inputBits)),
        inputBits,
        granule,
        start,
        base,
        outBits,
        large,
        big,
        physical: (ipa) => (r.stage2 ? throughStage2(s, ipa, nested, s.andi(acc, Acc.peek)) : ipa),
        fail: refuse,
        onTable: (t) => s.assign(tables, s.or(s.read(tables), s.and(t, limits))),
      });
      const kept = keepState(s, 1, leaf, tcr(s, r, 'HA'), tcr(s, r, 'HD'));
      s.if(kept.accessFault, () => refuse(Fsc.accessFlag, leaf.level));
      const d = kept.effective;
      const allowed = (how: Val): Val => permitted(s, r, d, s.read(tables), how, user);
      s.if(s.eqz(allowed(acc)), () =>
        refuse(Fsc.permission, leaf.level, s.eqz(allowed(s.andi(acc, ~(Acc.write | Acc.atomic))))),
      );
      if (r.key === regimes.el3.key || r.key === regimes.el10.key)
        secureOutput(s, r, d, s.read(tables), acc, leaf.level);
      kept.update(acc, big, (ipa) => (r.stage2 ? throughStage2(s, ipa, nested, s.i32(Acc.write)) : ipa));
      const attr = s.shru(regimeRegister(s, r, 'MAIR'), s.shli(s.bits(d, 2, 3), 3));
      s.set(common.trPa, leaf.output);
      s.set(common.trSize, leaf.size);
      s.set(state.trMem, s.wrap(s.andi(attr, 0xff)));
      s.set(state.trSh, s.wrap(s.bits(d, 8, 2)));
      s.set(state.trGuarded, s.and(s.bit(d, GP), hasFeature(s, 'BTI')));
      s.ret(s.i32(0));
    },
  };
}

/**
 * The physical address of a stage 1 descriptor; leaves the routine where stage 2 does not give one. `acc`: Acc.write to
 * change it, Acc.peek.
 */
function throughStage2(s: Builder, ipa: Val, nested: Val, acc: Val): Val {
  const pa = s.local('descriptorPa', ipa);
  s.if(nested, () => {
    const fault = s.call(stage2Walk, ipa, s.ori(acc, AccMore.walk));
    s.if(fault, () => s.ret(fault));
    // HCR_EL2.PTW: a walk that lands in Device memory is a permission fault (D8.2.11).
    const device = isStage2Device(s, s.get(state.s2Mem), controlHolds(s, 'HCR_EL2.FWB'));
    s.if(s.and(controlHolds(s, 'HCR_EL2.PTW'), device), () => {
      s.set(state.faultIpa, ipa);
      fail(s, Fsc.permission, s.get(state.s2Level), s.i32(Fault.stage2 | Fault.s1ptw));
    });
    s.assign(pa, s.get(state.s2Pa));
  });
  return s.read(pa);
}

const stage1El1 = stage1(regimes.el10);
const stage1El2 = stage1(regimes.el2);
const stage1El20 = stage1(regimes.el20);
const stage1El3 = stage1(regimes.el3);

// --- regimes ------------------------------------------------------------------------------------------------------

/** What translateIn translates: the `regime` argument. */
export const RegimeCode = {
  /** EL1&0, both stages. */
  el10: 1,
  el2: 2,
  /** An IPA through stage 2. */
  stage2: 3,
  /** EL1&0, stage 1 only (walks go through stage 2 all the same). */
  el10Stage1: 4,
  /** EL2&0. */
  el20: 5,
  el3: 6,
} as const;

/** (va, acc, regime, user: as EL0) -> fault: state.trPa, trSize, trAttr, trMem, trSh. */
export const translateIn: Routine = {
  k: 'routine',
  name: 'translateIn',
  params: ['i64', 'i32', 'i32', 'i32'],
  result: 'i32',
  build: (s: Builder, va: Val, acc: Val, regime: Val, user: Val) => {
    s.set(state.fault, s.i32(0));
    s.set(state.trGuarded, s.i32(0));
    const nested = s.or(controlHolds(s, 'HCR_EL2.VM'), controlHolds(s, 'HCR_EL2.DC'));
    const stage2 = s.local('stage2', nested);
    const fault = s.local('fault', s.i32(0));
    const isEl20 = s.eqi(regime, RegimeCode.el20);
    s.if(
      s.or(isEl20, s.or(s.eqi(regime, RegimeCode.el2), s.eqi(regime, RegimeCode.el3))),
      () => {
        s.assign(stage2, s.i32(0));
        s.if(
          isEl20,
          () => s.assign(fault, s.call(stage1El20, va, acc, user, s.i32(0))),
          () =>
            s.if(
              s.eqi(regime, RegimeCode.el2),
              () => s.assign(fault, s.call(stage1El2, va, acc, s.i32(0), s.i32(0))),
              () => s.assign(fault, s.call(stage1El3, va, acc, s.i32(0), s.i32(0))),
            ),
        );
      },
      () =>
        s.if(
          s.eqi(regime, RegimeCode.stage2),
          () => {
            s.assign(stage2, s.i32(1));
            s.set(common.trPa, va);
            s.set(common.trSize, s.i32(48));
            s.set(state.trMem, s.i32(0xff));
            s.set(state.trSh, s.i32(0));
          },
          () => {
            s.if(s.eqi(regime, RegimeCode.el10Stage1), () => s.assign(stage2, s.i32(0)));
            s.assign(fault, s.call(stage1El1, va, acc, user, nested));
          },
        ),
    );
    s.if(s.read(fault), () => s.ret(s.read(fault)));
    s.if(s.read(stage2), () => {
      const asUser = s.select(user, s.i32(AccMore.user), s.i32(0));
      const bad = s.call(stage2Walk, s.get(common.trPa), s.or(acc, asUser));
      s.if(bad, () => s.ret(bad));
      s.set(common.trPa, s.get(state.s2Pa));
      const [a, b] = [s.get(common.trSize), s.get(state.s2Size)];
      s.set(common.trSize, s.select(s.ltu(a, b), a, b));
      const [one, two] = [s.get(state.trMem), s.get(state.s2Mem)];
      const mem = combineMemory(s, one, stage2Memory(s, two));
      s.set(state.trMem, s.select(controlHolds(s, 'HCR_EL2.FWB'), forcedMemory(s, one, two), mem));
      const [x, y] = [s.get(state.trSh), s.get(state.s2Sh)];
      // The stronger of both: outer (2), inner (3), none (0).
      const outer = s.or(s.eqi(x, 2), s.eqi(y, 2));
      const inner = s.or(s.eqi(x, 3), s.eqi(y, 3));
      s.set(state.trSh, s.select(outer, s.i32(2), s.select(inner, s.i32(3), s.i32(0))));
    });
    const device = s.eqz(s.andi(s.get(state.trMem), 0xf0));
    s.set(common.trAttr, s.select(device, s.i32(MemAttr.device), s.i32(0)));
    s.ret(s.i32(0));
  },
};

/** The RegimeCode of the current exception level. */
export function currentRegime(s: Builder): Val {
  const el = s.get(state.el);
  const upper = s.select(s.eqi(el, 2), s.i32(RegimeCode.el2), s.i32(RegimeCode.el3));
  const one = s.select(s.gtu(el, s.i32(1)), upper, s.i32(RegimeCode.el10));
  return s.select(usesEl20(s, el), s.i32(RegimeCode.el20), one);
}

/** Translation as the current exception level accesses memory: see IsaRoutines. */
export const translate: Routine = {
  k: 'routine',
  name: 'translate',
  params: ['i64', 'i32'],
  result: 'i32',
  build: (s: Builder, va: Val, acc: Val) => {
    const el = s.get(state.el);
    const asUser = s.and(has(s, acc, Acc.unprivileged), s.eqz(s.get(state.uao)));
    // LDTR at EL2 is like LDR, unless EL2 is the kernel of EL0.
    const kernel = s.or(s.eqi(el, 1), s.and(s.eqi(el, 2), isHost(s)));
    const user = s.or(s.eqz(el), s.and(kernel, asUser));
    // A debugger's look is not held for the guest.
    const keeps = s.and(s.nei(s.get(state.strict), 0), s.eqz(s.andi(acc, Acc.peek)));
    s.if(keeps, () => {
      s.set(common.mail, va, 0);
      s.if(s.call(hostCalls.keptTranslation, s.cpu(), acc), () => s.ret(s.get(state.fault)));
    });
    const fault = s.call(translateIn, va, acc, currentRegime(s), user);
    s.if(keeps, () => {
      // What faulted is not kept, but for a lack of permission: a TLB may hold such entries (D8.13.1).
      const lacking = s.eqi(s.andi(fault, 0x3c | Fault.s1ptw), Fsc.permission);
      s.if(s.or(s.eqz(fault), lacking), () => {
        s.set(common.mail, va, 0);
        s.call(hostCalls.keepTranslation, s.cpu(), acc);
      });
    });
    s.ret(fault);
  },
};
