/** Records of world switches: what they hold, and the code that writes one without a call of the host. */
import type { Builder } from '../../ir/builder';
import { EventRing, INTERRUPT, recordKinds, ringBytes, Slot, type RecordKind } from '../../ir/event-ring';
import type { Routine, StateField, Val } from '../../ir/nodes';
import { common } from '../../ir/state';
import { parseControl } from '../dsl/sysreg';
import { exceptions, type Route } from './exceptions/routes';
import { state } from './state';
import { sysregNamed, sysregs } from './sysregs';

/** The registers whose bits decide which exceptions are taken where, and those that replace them for a VHE host. */
function controlRegisters(): string[] {
  const routes: readonly Route[] = Object.values(exceptions).flatMap((x) => x.routes);
  const controls = [...routes, ...sysregs.flatMap((r) => r.trap ?? [])].flatMap((x) => x.when ?? []);
  const named = [...new Set(controls.map((c) => parseControl(c).register))];
  return [...new Set(named.flatMap((name) => [name, sysregNamed(name).e2h ?? name]))];
}

let names: readonly string[] | undefined;

/** System registers that are recorded with every event: they say whose it is, and why it was taken where it was. */
export const recordedRegisters = (): readonly string[] =>
  (names ??= [...new Set(['VTTBR_EL2', 'VTCR_EL2', ...controlRegisters()])]);

const MAIL = 5;
/** The slots behind those that all records have. */
export const OwnSlot = {
  /** The details of the event: see events.ts. */
  mail: Slot.own,
  x0: Slot.own + MAIL,
  registers: Slot.own + MAIL + 1,
} as const;

/** Slots of a record; room for those of all control registers. */
export const RECORD_SLOTS = 32;
export const recordBytes = ringBytes(RECORD_SLOTS);

/** Flags of a record beside INTERRUPT. */
export const RecordFlag = { interrupt: INTERRUPT, stage2: 2, undefined: 4 } as const;

export interface RecordCopy {
  readonly slot: number;
  /** A field of 8 bytes, and which of its elements. */
  readonly field: StateField;
  readonly index: number;
}

/** What is copied as it is. */
export function recordCopies(): readonly RecordCopy[] {
  const registers = recordedRegisters();
  if (OwnSlot.registers + registers.length > RECORD_SLOTS)
    throw new Error(`records need more than ${RECORD_SLOTS} slots`);
  return [
    { slot: Slot.retired, field: common.retired, index: 0 },
    { slot: Slot.timeEnd, field: common.timeEnd, index: 0 },
    ...Array.from({ length: MAIL }, (_, n) => ({ slot: OwnSlot.mail + n, field: common.mail, index: n })),
    { slot: OwnSlot.x0, field: state.x, index: 0 },
    ...registers.map((name, n) => {
      const { storage } = sysregNamed(name);
      if (!storage) throw new Error(`${name} has no place in the CPU block`);
      return { slot: OwnSlot.registers + n, field: storage.field, index: storage.index };
    }),
  ];
}

/** Instructions that the CPU has retired by now. */
const retiredNow = (s: Builder): Val => s.sub(s.get(common.retiredEnd), s.zext(s.get(common.left)));

/** Notes an entry. @returns whether it is so near behind the CPU's last that the host is to hear of it: it may be one of a loop */
export function isNearEntry(s: Builder): Val {
  const now = retiredNow(s);
  const passed = s.sub(now, s.get(common.lastEntry));
  s.set(common.lastEntry, now);
  const near = s.local('near', s.i32(1));
  const ring = s.get(common.eventRing);
  s.if(ring, () => s.assign(near, s.geu(s.zext(s.ld(4, ring, EventRing.near)), passed)));
  return s.read(near);
}

/** (kind, flags, target) -> 1 when the event whose details are in the mail has been recorded, 0 when the host is to hear of it. */
export const recordSwitch: Routine = {
  k: 'routine',
  name: 'recordSwitch',
  params: ['i32', 'i32', 'i64'],
  result: 'i32',
  build: (s: Builder, kind: Val, flags: Val, target: Val) => {
    const refuse = (when: Val): void => s.if(when, () => s.ret(s.i32(0)));
    const ring = s.get(common.eventRing);
    refuse(s.eqz(ring));
    const written = s.ld(4, ring, EventRing.written);
    refuse(s.eq(written, s.ld(4, ring, EventRing.limit)));
    const place = s.mul(s.andi(written, EventRing.length - 1), s.i32(8 * RECORD_SLOTS));
    const at = s.addi(s.add(ring, place), EventRing.records);
    const put = (slot: number, v: Val): void => s.st(8, at, v, 8 * slot);
    const header = s.or(kind, s.shli(s.get(common.cpuIndex), 8));
    put(Slot.header, s.or(s.zext(header), s.shli(s.zext(flags), 32)));
    put(Slot.pc, s.get(common.mail, 0));
    put(Slot.target, target);
    const left = s.zext(s.get(common.left));
    put(Slot.left, left);
    // When the run began: before it are the instructions that it had then, of which it has executed some.
    const run = s.sub(s.get(common.retiredEnd), s.get(common.retired));
    put(Slot.vtime, s.sub(s.get(common.timeEnd), run));
    for (const { slot, field, index } of recordCopies()) put(slot, s.get(field, index));
    s.st(4, ring, s.addi(written, 1), EventRing.written);
    s.ret(s.i32(1));
  },
};

/** The number of a kind of record, for code. */
export const recordKind = (s: Builder, kind: RecordKind): Val => s.i32(recordKinds.indexOf(kind));
