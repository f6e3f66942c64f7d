/** What breakpoints ask of A64, as code that the emulator compiles. */
import type { Builder } from '../../emulator/ir/builder';
import type { StateField, Val } from '../../emulator/ir/nodes';
import { common } from '../../emulator/ir/state';
import { SP, state, ZERO } from '../../emulator/isa/a64/state';
import { findSysreg, getField, getReg, sysregNamed } from '../../emulator/isa/a64/sysregs';
import { bitRange } from '../../emulator/isa/dsl/sysreg';

/** Where the value of a register is in the state of a CPU. */
interface RegisterState {
  readonly field: StateField;
  readonly index: number;
  /** The lowest so many bits. */
  readonly bits: number;
}

const general = (index: number, bits = 64): RegisterState => ({ field: state.x, index, bits });

const special: Readonly<Record<string, RegisterState>> = {
  sp: general(SP),
  fp: general(29),
  lr: general(30),
  xzr: general(ZERO),
  wzr: general(ZERO),
  el: { field: state.el, index: 0, bits: 32 },
  cpu: { field: common.cpuIndex, index: 0, bits: 32 },
};

/** The state that a register's name means; undefined for what is computed, in a device, or no register. */
export function registerState(name: string): RegisterState | undefined {
  const lower = name.toLowerCase();
  if (Object.hasOwn(special, lower)) return special[lower];
  const gpr = /^([xw])([0-9]|[12][0-9]|30)$/.exec(lower);
  if (gpr) return general(Number(gpr[2]), gpr[1] === 'w' ? 32 : 64);
  const row = findSysreg(name);
  // The stack pointer in use is elsewhere than its register.
  if (!row?.storage || row.device || row.read || row.view?.field === state.spEl) return undefined;
  return { ...row.storage, bits: 64 };
}

export interface RegimeOf {
  readonly el?: string | undefined;
  readonly vmid?: number | undefined;
  readonly asid?: number | undefined;
}

/** `A64.isRegime` as code: an i32. */
export function regimeCode(b: Builder, { el, vmid, asid }: RegimeOf): Val {
  const level = b.get(state.el);
  const conditions: Val[] = [];
  if (el === 'EL0' || el === 'EL1') conditions.push(b.leu(level, b.i32(1)));
  else if (el !== undefined) conditions.push(b.eqi(level, Number(el.slice(2))));
  const low = (register: string, wide: string): Val => {
    const id = b.shri(getReg(b, register), 48);
    return b.select(b.nei(b.to('i32', getField(b, wide)), 0), id, b.andi(id, 0xff));
  };
  if (vmid !== undefined) {
    const inGuest = [
      b.ltu(level, b.i32(2)),
      b.nei(b.to('i32', getField(b, 'HCR_EL2.VM')), 0),
      b.eqz(b.get(state.el2Off)),
    ].reduce((x, y) => b.and(x, y));
    const now = b.select(inGuest, low('VTTBR_EL2', 'VTCR_EL2.VS'), b.i64(0));
    conditions.push(b.eqi(now, vmid));
  }
  if (asid !== undefined) {
    const upper = b.nei(b.to('i32', getField(b, 'TCR_EL1.A1')), 0);
    const ids = ['TTBR1_EL1', 'TTBR0_EL1'].map((r) => low(r, 'TCR_EL1.AS')) as [Val, Val];
    conditions.push(b.eqi(b.select(upper, ...ids), asid));
  }
  return conditions.reduce((x, y) => b.and(x, y), b.i32(1));
}

/** Bits of state that say in which world a CPU is: where they are equal, names mean the same. */
interface WorldBits {
  readonly field: StateField;
  readonly index: number;
  readonly mask: bigint;
}

function bitsOf(register: string, ...names: string[]): WorldBits {
  const { storage, fields } = sysregNamed(register);
  if (!storage) throw new Error(`${register} is not in the CPU's state`);
  const mask = names.reduce((m, name) => {
    const { lsb, width } = bitRange(fields?.[name] ?? 0);
    return m | (((1n << BigInt(width)) - 1n) << BigInt(lsb));
  }, 0n);
  return { ...storage, mask };
}

const all = (field: StateField): WorldBits => ({ field, index: 0, mask: (1n << 64n) - 1n });

/** The exception level, the security state and the virtual machine. */
export const world: readonly WorldBits[] = [
  all(state.el),
  all(state.el2Off),
  bitsOf('HCR_EL2', 'VM', 'DC', 'TGE', 'E2H'),
  { ...bitsOf('VTTBR_EL2'), mask: 0xffffn << 48n },
  bitsOf('VTCR_EL2', 'VS'),
];
