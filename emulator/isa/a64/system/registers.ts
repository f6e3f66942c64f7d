/** MRS and MSR (register): one handler for each register of the table and direction (Arm ARM DDI 0487 C5.2, D17). */
import type { Operand, Val } from '../../../ir/nodes';
import { common, StopReason } from '../../../ir/state';
import type { RawFields, Row } from '../../dsl/row';
import { encodingKey, type Encoding } from '../../dsl/sysreg';
import { raiseTrap } from '../exceptions/exception';
import { hasFeature } from '../features';
import { hostCalls } from '../host-calls';
import { row } from '../row';
import type { A64 } from '../sem';
import { state } from '../state';
import { isHost } from '../mmu/regimes';
import { accessOf, deviceRegisters, getReg, writeReg, sysregNamed, sysregs, type Sysreg } from '../sysregs';
import { allHold, controlHolds } from '../sysregs/controls';
import { checkTraps, requireLevel, trapIss } from './access';

type Shape = 'o0' | 'op1' | 'CRn' | 'CRm' | 'op2';

const encodingOf = (f: RawFields<Shape>): Encoding => [f.o0 + 2, f.op1, f.CRn, f.CRm, f.op2];
const shapeOf = ([op0, op1, CRn, CRm, op2]: Encoding): RawFields<Shape> => ({
  o0: op0 - 2,
  op1,
  CRn,
  CRm,
  op2,
});

/** The number of a device register in host calls: the virtual one where EL1 reaches that. */
function deviceNumber(s: A64, r: Sysreg): Val {
  const number = (name: string): Val => s.i32(deviceRegisters.indexOf(name));
  if (!r.virtual) return number(r.name);
  const el1 = s.eqi(s.get(state.el), 1);
  const redirected = r.virtual.by.map((c) => controlHolds(s, c)).reduce((a, b) => s.or(a, b));
  return s.select(s.and(el1, redirected), number(r.virtual.name), number(r.name));
}

/**
 * FEAT_IDST: all exceptions of reads in the space of identification registers have EC 0x18 (ID_AA64MMFR2_EL1.IDS). `bad`: the
 * access is UNDEFINED.
 */
function trapId(s: A64, bad: Val, iss: () => Val): void {
  const trapped = s.and(bad, hasFeature(s, 'IDST'));
  s.if(trapped, () => s.raise(raiseTrap, s.i32(1), iss()));
}

const inIdSpace = ([op0, op1, crn, crm]: Encoding): boolean =>
  op0 === 3 && op1 <= 3 && op1 !== 2 && crn === 0 && crm <= 7;

/** What comes before the access, whatever its direction. */
function check(s: A64, r: Sysreg, isRead: boolean, rt: Operand): void {
  const min = isRead ? r.min : (r.minWrite ?? r.min);
  if (isRead && min === 1 && inIdSpace(r.enc))
    trapId(s, s.eqz(s.get(state.el)), () => s.ori(s.shli(s.num(rt), 5), trapIss(r.enc, true)));
  requireLevel(s, min);
  if (r.undefinedWhen) s.if(r.undefinedWhen(s, accessOf(s)), () => s.undefinedInstruction());
  checkTraps(s, r.trap ?? [], r.enc, isRead, rt, min === 'highest' ? 1 : min);
  if (r.fp) s.checkFP();
}

/** Does the access reach the register of EL2 instead (FEAT_VHE)? Arm ARM DDI 0487 D17.1.5. */
function isRedirected(s: A64, r: Sysreg): Val {
  const el = s.get(state.el);
  const hcr = getReg(s, 'HCR_EL2');
  const atEl2 = s.and(s.eqi(el, 2), s.bit(hcr, 34));
  if (!r.e2hAtEl0) return atEl2;
  return s.or(atEl2, s.and(s.eqz(el), isHost(s)));
}

const valueOf = (s: A64, r: Sysreg): Val => (r.read ? r.read(s, accessOf(s)) : getReg(s, r.name));

function readRegister(s: A64, r: Sysreg, rt: Operand): void {
  check(s, r, true, rt);
  if (r.device) {
    s.syncPc();
    s.call(hostCalls.sysregRead, s.cpu(), deviceNumber(s, r));
    s.setX(rt, s.get(common.mail, 0));
    // Acknowledging can bring about another interrupt: the maintenance interrupt of the virtual interface.
    if (r.irq) s.if(s.get(common.irqLines), () => s.nextWithRecheck());
    return;
  }
  const own = valueOf(s, r);
  s.setX(rt, r.e2h ? s.select(isRedirected(s, r), valueOf(s, sysregNamed(r.e2h)), own) : own);
}

function store(s: A64, r: Sysreg, v: Val): void {
  if (r.device) {
    s.syncPc();
    s.set(common.mail, v, 0);
    s.call(hostCalls.sysregWrite, s.cpu(), deviceNumber(s, r));
    return;
  }
  writeReg(s, r, v);
}

/** Ends this run of generated code if the board has to hear of an output, or if one may change before the run would end. */
function askBoard(s: A64): void {
  const changed = s.ne(s.get(common.wires), s.get(common.wiresSeen));
  const soon = s.ltu(s.get(common.due), s.get(common.timeEnd));
  s.if(s.or(changed, soon), () => {
    s.if(s.eqz(s.get(common.stopRequest)), () => s.set(common.stopRequest, s.i32(StopReason.board)));
  });
}

function writeRegister(s: A64, r: Sysreg, rt: Operand): void {
  check(s, r, false, rt);
  const v = s.x(rt);
  const host = r.e2h === undefined ? undefined : sysregNamed(r.e2h);
  if (host)
    s.if(
      isRedirected(s, r),
      () => store(s, host, v),
      () => store(s, r, v),
    );
  else store(s, r, v);
  if (r.after) {
    r.after(s);
    askBoard(s);
  }
  if (r.context === 'below2') {
    // A world switch writes all these for its guest, and stays where it is.
    const below = s.ltu(s.get(state.el), s.i32(2));
    s.if(host ? s.or(below, isRedirected(s, r)) : below, () => s.nextWithRecheck());
  } else if (r.context || host?.context) s.nextWithRecheck();
  else if (r.irq) {
    const asked = r.after ? s.get(common.stopRequest) : s.i32(0);
    const lines = s.or(s.get(common.irqLines), s.get(state.debugOn));
    s.if(s.or(lines, asked), () => s.nextWithRecheck());
  }
}

/** One row a direction and feature: its shapes are the registers. */
function registerRow(isRead: boolean, feature: string | undefined): Row<A64> {
  const mine = sysregs.filter((r) => r.feature === feature && r.access !== (isRead ? 'wo' : 'ro'));
  const writable = isRead ? mine : mine.filter((r) => !r.id);
  const byKey = new Map(writable.map((r) => [encodingKey(r.enc), r]));
  const suffix = feature === undefined ? '' : ` (${feature})`;
  const spec = {
    shape: ['o0', 'op1', 'CRn', 'CRm', 'op2'] as const,
    shapes: () => writable.map((r) => shapeOf(r.enc)),
    when: (f: RawFields<Shape | 'rt'>) => byKey.has(encodingKey(encodingOf(f))),
    ...(feature === undefined ? {} : { feature }),
  };
  const register = (f: RawFields<Shape>): Sysreg => byKey.get(encodingKey(encodingOf(f)))!;
  return isRead
    ? row(`MRS${suffix}`, '1101010100 1 1 o0 op1:3 CRn:4 CRm:4 op2:3 rt:5', {
        ...spec,
        shape: [...spec.shape],
        asm: 'mrs <x:rt>, <sysreg:o0,op1,CRn,CRm,op2>',
        doc: 'Reads a system register.',
        exec: (s, f) => readRegister(s, register(f), f.rt),
      })
    : row(`MSR (register)${suffix}`, '1101010100 0 1 o0 op1:3 CRn:4 CRm:4 op2:3 rt:5', {
        ...spec,
        shape: [...spec.shape],
        asm: 'msr <sysreg:o0,op1,CRn,CRm,op2>, <x:rt>',
        doc: 'Writes a system register.',
        exec: (s, f) => writeRegister(s, register(f), f.rt),
      });
}

const features = [...new Set(sysregs.map((r) => r.feature))];
const readable = new Set(sysregs.filter((r) => r.access !== 'wo').map((r) => encodingKey(r.enc)));
const writable = new Set(sysregs.filter((r) => r.access !== 'ro' && !r.id).map((r) => encodingKey(r.enc)));

/** Reserved encodings among the ID registers read as zero (Arm ARM DDI 0487 D17.1.3). */
const isReservedId = (f: RawFields<Shape>): boolean =>
  f.o0 === 1 &&
  f.op1 === 0 &&
  f.CRn === 0 &&
  f.CRm >= 1 &&
  f.CRm <= 7 &&
  !readable.has(encodingKey(encodingOf(f)));

const isNoId = (f: RawFields<Shape>): boolean =>
  inIdSpace(encodingOf(f)) && !readable.has(encodingKey(encodingOf(f))) && !isReservedId(f);

type IdOperands = Readonly<Record<'op1' | 'CRm' | 'op2' | 'rt', Operand>>;

/** The syndrome of an encoding among the ID registers that is an operand here. */
function idIss(s: A64, { op1, CRm, op2, rt }: IdOperands): Val {
  const places = [
    [op2, 17],
    [op1, 14],
    [rt, 5],
    [CRm, 1],
  ] as const;
  const parts = places.map(([field, lsb]) => s.shli(s.num(field), lsb));
  return parts.reduce((a, b) => s.or(a, b), s.i32(trapIss([3, 0, 0, 0, 0], true)));
}

const unknown = (s: A64): void => s.undefinedInstruction();

const unknownRows: readonly Row<A64>[] = [
  row('MRS (reserved ID)', '1101010100 1 1 o0 op1:3 CRn:4 CRm:4 op2:3 rt:5', {
    asm: 'mrs <x:rt>, <sysreg:o0,op1,CRn,CRm,op2>',
    when: isReservedId,
    doc: 'Reads a reserved identification register: zero.',
    exec: (s, f) => {
      const iss = (): Val => idIss(s, f);
      trapId(s, s.eqz(s.get(state.el)), iss);
      requireLevel(s, 1);
      const el1 = s.eqi(s.get(state.el), 1);
      s.if(s.and(el1, allHold(s, 'HCR_EL2.TID3')), () => s.raise(raiseTrap, s.i32(2), iss()));
      s.setX(f.rt, s.i64(0));
    },
  }),
  row('MRS (no ID register)', '1101010100 1 1 o0 op1:3 CRn:4 CRm:4 op2:3 rt:5', {
    asm: 'mrs <x:rt>, <sysreg:o0,op1,CRn,CRm,op2>',
    when: isNoId,
    doc: 'Reads where an identification register could be: UNDEFINED, which FEAT_IDST reports as a trap.',
    exec: (s, f) => {
      trapId(s, s.i32(1), () => idIss(s, f));
      unknown(s);
    },
  }),
  row('MRS (unknown register)', '1101010100 1 1 o0 op1:3 CRn:4 CRm:4 op2:3 rt:5', {
    asm: 'mrs <x:rt>, <sysreg:o0,op1,CRn,CRm,op2>',
    when: (f) => !readable.has(encodingKey(encodingOf(f))) && !isReservedId(f) && !isNoId(f),
    doc: 'Reads a system register that this CPU does not have: UNDEFINED.',
    exec: unknown,
  }),
  row('MSR (unknown register)', '1101010100 0 1 o0 op1:3 CRn:4 CRm:4 op2:3 rt:5', {
    asm: 'msr <sysreg:o0,op1,CRn,CRm,op2>, <x:rt>',
    when: (f) => !writable.has(encodingKey(encodingOf(f))),
    doc: 'Writes a system register that this CPU does not have, or that is read-only: UNDEFINED.',
    exec: unknown,
  }),
];

export const systemRegisterRows: readonly Row<A64>[] = [
  ...features.flatMap((feature) => [registerRow(true, feature), registerRow(false, feature)]),
  ...unknownRows,
];
