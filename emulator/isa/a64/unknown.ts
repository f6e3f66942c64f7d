/**
 * Strict mode: what the architecture leaves UNKNOWN gets a poison value, so that software which relies on it fails here
 * and not on another CPU. The values follow from virtual time and the register alone: a replay sees the same ones.
 * What is poisoned when is documented for users in docs/launch.md.
 */
import type { Builder } from '../../ir/builder';
import type { Routine, Val } from '../../ir/nodes';
import { common } from '../../ir/state';
import { bitRange, encodingKey } from '../dsl/sysreg';
import { state } from './state';
import { getReg, setReg, sysregNamed, sysregs, writeReg, type Sysreg } from './sysregs';

const ALL = (1n << 64n) - 1n;

/** The operations of the mixer below, on whatever holds 64 bits. */
interface Word<T> {
  mul(a: T, k: bigint): T;
  xor(a: T, b: T): T;
  shr(a: T, n: number): T;
}

/** Spreads every input bit over the result: the finaliser of SplitMix64 (Steele, Lea, Flood 2014). */
function mix<T>(w: Word<T>, x: T): T {
  const a = w.mul(w.xor(x, w.shr(x, 30)), 0xbf58476d1ce4e5b9n);
  const b = w.mul(w.xor(a, w.shr(a, 27)), 0x94d049bb133111ebn);
  return w.xor(b, w.shr(b, 31));
}

/** Keeps neighbouring times and registers apart before they are mixed. */
const TIME_STEP = 0x9e3779b97f4a7c15n;
const ID_STEP = 0xd1342543de82ef95n;

const words: Word<bigint> = {
  mul: (a, k) => (a * k) & ALL,
  xor: (a, b) => a ^ b,
  shr: (a, n) => a >> BigInt(n),
};

/** The poison for register or purpose `id` at a virtual time, from TypeScript (reset). */
export function unknownValue(time: bigint, id: number): bigint {
  return mix(words, (time * TIME_STEP + BigInt(id) * ID_STEP) & ALL);
}

/** (id) -> the poison for it now. */
export const unknownNow: Routine = {
  k: 'routine',
  name: 'unknownNow',
  params: ['i32'],
  result: 'i64',
  build: (s: Builder, id: Val) => {
    const time = s.sub(s.get(common.timeEnd), s.zext(s.get(common.left)));
    const seed = s.add(s.mul(time, s.i64(TIME_STEP)), s.mul(s.zext(id), s.i64(ID_STEP)));
    const ir: Word<Val> = {
      mul: (a, k) => s.mul(a, s.i64(k)),
      xor: (a, b) => s.xor(a, b),
      shr: (a, n) => s.shri(a, n),
    };
    s.ret(mix(ir, seed));
  },
};

/** Numbers of poisons that are no register's own: above all encodings of system registers. */
export const UnknownId = { general: 0x10000, vector: 0x10100, monitor: 0x10200 } as const;

const bitsOf = (lsb: number, width: number): bigint => ((1n << BigInt(width)) - 1n) << BigInt(lsb);

/** The bits of a register that can hold anything: its fields, as far as they can be written. */
export function implementedBits(r: Sysreg): bigint {
  const fields = Object.values(r.fields ?? {}).map(bitRange);
  const named = fields.length === 0 ? ALL : fields.reduce((m, f) => m | bitsOf(f.lsb, f.width), 0n);
  return named & (r.mask ?? ALL);
}

/** In strict mode: a stored register becomes UNKNOWN. */
export function makeUnknown(s: Builder, ...names: readonly string[]): void {
  s.if(s.get(state.strict), () => {
    for (const name of names) {
      const r = sysregNamed(name);
      const bits = implementedBits(r);
      const kept = s.andi(getReg(s, name), ALL & ~bits);
      const value = s.call(unknownNow, s.i32(encodingKey(r.enc)));
      setReg(s, name, s.or(kept, s.andi(value, bits)));
    }
  });
}

// --- reset ----------------------------------------------------------------------------------------------------------

const EVERY_BIT = ALL;

/**
 * Bits with a defined value after a reset to EL2, by register; all others of a register with fields are UNKNOWN (Arm ARM
 * DDI 0487 D24.2, "reset behavior"). Registers of the implementation count as defined, and so does what the boot
 * firmware sets (CNTFRQ_EL0).
 */
const definedAtReset: Readonly<Record<string, bigint>> = {
  // M, C, I; EE is the implementation's choice.
  SCTLR_EL2: (1n << 0n) | (1n << 2n) | (1n << 12n) | (1n << 25n),
  VPIDR_EL2: EVERY_BIT,
  VMPIDR_EL2: EVERY_BIT,
  MDCR_EL2: EVERY_BIT,
  CNTFRQ_EL0: EVERY_BIT,
  ACTLR_EL2: EVERY_BIT,
  SCTLR_EL3: (1n << 0n) | (1n << 2n) | (1n << 12n) | (1n << 25n),
  // Zero on these CPUs (Cortex-A57 TRM 4.3): whether EL2 is enabled, and what is taken to EL3.
  SCR_EL3: EVERY_BIT,
  CPTR_EL3: EVERY_BIT,
  MDCR_EL3: EVERY_BIT,
  ICH_HCR_EL2: EVERY_BIT,
  ICH_AP0R0_EL2: EVERY_BIT,
  ICH_AP1R0_EL2: EVERY_BIT,
  FPEXC32_EL2: EVERY_BIT,
};

/** (): what a reset leaves UNKNOWN in stored system registers, by the rules of their writes. */
export const poisonRegisters: Routine = {
  k: 'routine',
  name: 'poisonRegisters',
  params: [],
  build: (s: Builder) => {
    for (const r of sysregs) {
      const bits = unknownAtReset(r);
      if (bits === 0n) continue;
      const value = s.call(unknownNow, s.i32(encodingKey(r.enc)));
      writeReg(s, r, s.or(s.andi(getReg(s, r.name), ALL & ~bits), s.andi(value, bits)));
    }
  },
};

/** The bits that a reset leaves UNKNOWN. */
export function unknownAtReset(r: Sysreg): bigint {
  const stateless = !r.storage || r.view !== undefined || r.same !== undefined;
  const fixed = r.id === true || r.access === 'ro' || r.group === 'debug' || r.group === 'pmu';
  // S3_1_C11 and S3_1_C15 are IMPLEMENTATION DEFINED.
  const implementation = r.enc[1] === 1 && (r.enc[2] === 11 || r.enc[2] === 15);
  if (stateless || fixed || implementation) return 0n;
  return implementedBits(r) & ~(definedAtReset[r.name] ?? 0n) & ALL;
}
