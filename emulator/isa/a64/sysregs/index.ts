/** All system registers, their storage in the CPU block, and how IR and TypeScript reach them by name. */
import type { Builder } from '../../../ir/builder';
import type { StateField, Val } from '../../../ir/nodes';
import {
  bitRange,
  encodingKey,
  type Encoding,
  type RegisterAccess,
  type SysregRow,
  type TrapRule,
} from '../../dsl/sysreg';
import { layout } from '../state';
import { armv82Registers } from './armv82';
import { debugRegisters } from './debug';
import { el1Registers } from './el1';
import { el2Registers } from './el2';
import { el3Controls, el3Registers } from './el3';
import { gicRegisters } from './gic';
import { idRegisters } from './id';
import { pauthRegisters } from './pauth';
import { pmuRegisters } from './pmu';
import { timerRegisters } from './timer';

/** How views group the registers. */
export type SysregGroup = 'id' | 'el1' | 'el2' | 'el3' | 'timer' | 'gic' | 'debug' | 'pmu';

export interface Sysreg extends SysregRow {
  readonly group: SysregGroup;
  /** Where its stored value is; undefined: computed, or in a device. */
  readonly storage: { readonly field: StateField; readonly index: number } | undefined;
}

const groups: readonly (readonly [SysregGroup, readonly SysregRow[]])[] = [
  ['id', idRegisters],
  ['el1', [...el1Registers, ...armv82Registers, ...pauthRegisters]],
  ['el2', el2Registers],
  ['el3', el3Registers],
  ['timer', timerRegisters],
  ['gic', gicRegisters],
  ['debug', debugRegisters],
  ['pmu', pmuRegisters],
];

/** `SCTLR_EL12`, `CNTP_CTL_EL02`: the register of EL1 or EL0 itself, from a host at EL2 (Arm ARM DDI 0487 D17.1.5). */
function hostsName(row: SysregRow): SysregRow {
  const { e2h: _redirected, e2hAtEl0: _also, enc, ...rest } = row;
  return {
    ...rest,
    name: `${row.name}2`,
    enc: [enc[0], 5, enc[2], enc[3], enc[4]],
    min: 2,
    trap: (row.trap ?? []).filter((t) => t.to === 3),
    same: row.same ?? row.name,
    feature: 'VHE',
    alias: true,
    doc: `${row.name} from EL2, with HCR_EL2.E2H`,
    undefinedWhen: (s, r) => s.eqz(s.bit(r.get('HCR_EL2'), 34)),
  };
}

/** The traps of a row and those that EL3 has for the same accesses; a rule without EL3's consent needs EL3 to exist. */
function withEl3Traps(row: SysregRow): SysregRow {
  const more = (row.trap ?? []).flatMap(({ when, dir, from = [0, 1] }): TrapRule[] => {
    const control = typeof when === 'string' ? el3Controls[when] : undefined;
    if (control === undefined) return [];
    const exists = control.startsWith('!') ? ['ID_AA64PFR0_EL1.EL3', control] : [control];
    return [{ when: exists, from: [...from, 2], to: 3, ...(dir ? { dir } : {}) }];
  });
  return more.length === 0 ? row : { ...row, trap: [...(row.trap ?? []), ...more] };
}

function place(): Sysreg[] {
  const rows = groups.flatMap(([group, list]) =>
    list
      .map(withEl3Traps)
      .flatMap((row) => [row, ...(row.e2h ? [hostsName(row)] : [])])
      .map((row) => ({ group, row })),
  );
  const own = new Map<string, StateField>();
  for (const { row } of rows) {
    if (!row.view && !row.computed && !row.device && !row.same) own.set(row.name, layout.field(row.name, 8));
  }
  return rows.map(({ group, row }) => {
    const field = row.view?.field ?? own.get(row.same ?? row.name);
    return { ...row, group, storage: field && { field, index: row.view?.index ?? 0 } };
  });
}

export const sysregs: readonly Sysreg[] = place();

/** Other names of the same encodings: the read side of DBGDTR, and the AArch32 modes that AArch64 levels stand for. */
const aliases: Readonly<Record<string, string>> = {
  dbgdtrrx_el0: 'dbgdtrtx_el0',
  spsr_svc: 'spsr_el1',
  spsr_hyp: 'spsr_el2',
};

const byName = new Map(sysregs.map((r) => [r.name.toLowerCase(), r]));
for (const [alias, name] of Object.entries(aliases)) byName.set(alias, byName.get(name)!);
const byEncoding = new Map(sysregs.map((r) => [encodingKey(r.enc), r]));

/** A register by name, in any case. */
export function findSysreg(name: string): Sysreg | undefined {
  return byName.get(name.toLowerCase());
}

/** The register that MRS and MSR reach by an encoding, if there is one. */
export function sysregAt(enc: Encoding): Sysreg | undefined {
  return byEncoding.get(encodingKey(enc));
}

/** @throws Error for an unknown name: rows and routines name registers, so a typing error shows at once. */
export function sysregNamed(name: string): Sysreg {
  const r = findSysreg(name);
  if (!r) throw new Error(`there is no system register ${name}`);
  return r;
}

function storageOf(name: string): { field: StateField; index: number } {
  const s = sysregNamed(name).storage;
  if (!s) throw new Error(`${name} has no storage of its own`);
  return s;
}

/** The stored value of a register, as i64. */
export function getReg(s: Builder, name: string): Val {
  const { field, index } = storageOf(name);
  return s.to('i64', s.get(field, index));
}

/** Stores an i64 to a register, without the effects of a guest's write. */
export function setReg(s: Builder, name: string, v: Val): void {
  const { field, index } = storageOf(name);
  s.set(field, field.bytes === 8 ? v : s.wrap(v), index);
}

export const accessOf = (s: Builder): RegisterAccess => ({
  get: (name) => getReg(s, name),
  set: (name, v) => setReg(s, name, v),
});

/** What a guest's write stores in a register that is no device's. */
export function writeReg(s: Builder, r: Sysreg, v: Val): void {
  if (r.write) r.write(s, v, accessOf(s));
  else if (r.mask === undefined) setReg(s, r.name, v);
  else if (r.mask !== 0n) {
    const kept = s.andi(getReg(s, r.name), ~r.mask);
    setReg(s, r.name, s.or(kept, s.andi(v, r.mask)));
  }
}

/** lsb and width of a named field; `e2h`: in the layout that HCR_EL2.E2H gives the register. */
export function fieldRange(register: string, field: string, e2h = false): { lsb: number; width: number } {
  const row = sysregNamed(register);
  const bits = (e2h ? row.e2hFields?.[field] : undefined) ?? row.fields?.[field] ?? row.e2hFields?.[field];
  if (bits === undefined) throw new Error(`${register} has no field ${field}`);
  return bitRange(bits);
}

/** A named field such as `HCR_EL2.TGE`, as an i32. Where E2H moves it, it is read where it is now. */
export function getField(s: Builder, text: string): Val {
  const [register = '', field = ''] = text.split('.');
  const v = getReg(s, register);
  const at = ({ lsb, width }: { lsb: number; width: number }): Val => s.to('i32', s.bits(v, lsb, width));
  const plain = fieldRange(register, field);
  const moved = fieldRange(register, field, true);
  if (plain.lsb === moved.lsb) return at(plain);
  return s.select(getField(s, 'HCR_EL2.E2H'), at(moved), at(plain));
}

/** Registers that a device implements, physical and virtual, in the order of their numbers in host calls. */
export const deviceRegisters: readonly string[] = [
  ...new Set(sysregs.flatMap((r) => (r.device ? [r.name, ...(r.virtual ? [r.virtual.name] : [])] : []))),
];
