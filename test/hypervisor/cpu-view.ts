/** CPU state as an observer reads it: bytes of registers to compare, and who is running. */
import type { Computer } from '../../emulator/board/computer';
import { translateForDebugger } from '../../emulator/isa/a64/debug/translate';
import { state } from '../../emulator/isa/a64/state';
import { sysregNamed, sysregs } from '../../emulator/isa/a64/sysregs';

export const HCR = { VM: 1n << 0n, TGE: 1n << 27n, E2H: 1n << 34n } as const;
const CPTR_TFP = 1n << 10n;
/** CPTR_EL2.FPEN with HCR_EL2.E2H: 0 and 2 trap FP of all levels. */
const CPTR_FPEN_LOW = 1n << 20n;

/** Not EL1's own: views of something else, or, DISR_EL1, what a guest reaches as VDISR_EL2 (HCR_EL2.AMO). */
const others = ['FPCR', 'FPSR', 'NZCV', 'DAIF', 'RMR_EL1', 'DISR_EL1'];

/** The registers that a world switch must exchange: what EL1 can write and what is stored in the CPU. */
const exchanged = sysregs.filter(
  (r) =>
    r.storage !== undefined &&
    r.view === undefined &&
    r.same === undefined &&
    !r.id &&
    (r.minWrite ?? r.min) !== 'highest' &&
    (Number(r.minWrite ?? r.min) <= 1 || r.name === 'VDISR_EL2') &&
    r.access !== 'ro' &&
    (r.group === 'el1' || ['CNTKCTL_EL1', 'MDSCR_EL1', 'VDISR_EL2'].includes(r.name)) &&
    !others.includes(r.name),
);

/** FP and SIMD registers. */
export interface FpState {
  /** V0-V31. */
  readonly v: Buffer;
  readonly fpcr: bigint;
  readonly fpsr: bigint;
}

/** Everything of EL1 and EL0 that one moment has. */
export interface Registers extends FpState {
  readonly x: Buffer;
  readonly spEl0: bigint;
  readonly spEl1: bigint;
  readonly el1: ReadonlyMap<string, bigint>;
}

/** What the virtual CPU interface of the GIC keeps for a vcpu, list registers aside. */
const virtualInterface = ['ICH_VMCR_EL2', 'ICH_AP0R0_EL2', 'ICH_AP1R0_EL2'] as const;

export class CpuView {
  private readonly exchanged: typeof exchanged;

  constructor(private readonly computer: Computer) {
    const { features } = computer.model;
    this.exchanged = exchanged.filter((r) => r.feature === undefined || features.has(r.feature));
  }

  private get buffer(): ArrayBuffer {
    return this.computer.machine.memory.buffer;
  }

  private copy(cpu: number, offset: number, bytes: number): Buffer {
    const at = this.computer.machine.state.block(cpu) + offset;
    return Buffer.from(Buffer.from(this.buffer, at, bytes));
  }

  el(cpu: number): number {
    return this.computer.machine.state.num(cpu, state.el);
  }

  x(cpu: number, n: number): bigint {
    return this.computer.machine.state.get(cpu, state.x, n);
  }

  reg(cpu: number, name: string): bigint {
    const s = sysregNamed(name).storage;
    if (!s) throw new Error(`${name} has no stored value`);
    return this.computer.machine.state.get(cpu, s.field, s.index);
  }

  /** The stack pointer of a level, wherever it is now. */
  sp(cpu: number, level: number): bigint {
    const s = this.computer.machine.state;
    const current = s.num(cpu, state.spsel) ? this.el(cpu) : 0;
    return level === current ? s.get(cpu, state.x, 31) : s.get(cpu, state.spEl, level);
  }

  v(cpu: number): Buffer {
    return this.copy(cpu, state.v.offset, 512);
  }

  registers(cpu: number): Registers {
    return {
      x: this.copy(cpu, state.x.offset, 31 * 8),
      v: this.v(cpu),
      fpcr: this.reg(cpu, 'FPCR'),
      fpsr: this.reg(cpu, 'FPSR'),
      spEl0: this.sp(cpu, 0),
      spEl1: this.sp(cpu, 1),
      el1: new Map(this.exchanged.map((r) => [r.name, this.reg(cpu, r.name)])),
    };
  }

  /** The virtual CPU interface of the GIC, by register. */
  vgic(cpu: number): ReadonlyMap<string, bigint> {
    return new Map(virtualInterface.map((name) => [name, this.reg(cpu, name)]));
  }

  /** The physical address of an address as code at the CPU's level, or at another one, reaches it. */
  physical(
    cpu: number,
    va: bigint,
    regime: 'current' | 'EL1' | 'EL2' | 'IPA' = 'current',
  ): bigint | undefined {
    const { machine } = this.computer;
    const block = machine.state.block(cpu);
    const found = translateForDebugger(
      {
        view: machine.view,
        block,
        get: (f, index = 0) => machine.state.get(cpu, f, index),
        call: (routine) => void machine.code[routine]?.(block),
      },
      va,
      regime,
    );
    return 'pa' in found ? found.pa : undefined;
  }

  /** Is stage 2 on for EL1: is what runs there, or ran there last, a guest? */
  isGuest(cpu: number): boolean {
    return (this.reg(cpu, 'HCR_EL2') & HCR.VM) !== 0n;
  }

  /** Do FP and SIMD instructions of EL1 trap to EL2 now? */
  fpTraps(cpu: number): boolean {
    const cptr = this.reg(cpu, 'CPTR_EL2');
    if (this.reg(cpu, 'HCR_EL2') & HCR.E2H) return (cptr & CPTR_FPEN_LOW) === 0n;
    return (cptr & CPTR_TFP) !== 0n;
  }

  /** A guest's virtual CPU by what only the architecture knows of it: its stage 2 tables and its VMPIDR. */
  vcpu(cpu: number): string {
    const tables = this.reg(cpu, 'VTTBR_EL2') & 0xffff_ffff_fffen;
    return `${tables.toString(16)}/${(this.reg(cpu, 'VMPIDR_EL2') & 0xffffffn).toString(16)}`;
  }
}

/** Names of the general registers whose values differ, those in `except` left out. */
export function changedX(a: Buffer, b: Buffer, except: ReadonlySet<number>): string[] {
  const out: string[] = [];
  for (let n = 0; n < 31; n++)
    if (!except.has(n) && a.compare(b, 8 * n, 8 * n + 8, 8 * n, 8 * n + 8) !== 0)
      out.push(
        `x${n} (0x${a.readBigUInt64LE(8 * n).toString(16)} -> 0x${b.readBigUInt64LE(8 * n).toString(16)})`,
      );
  return out;
}

/** Names of the vector registers that differ, and FPCR and FPSR. */
export function changedFp(a: FpState, b: FpState): string[] {
  const out: string[] = [];
  for (let n = 0; n < 32; n++)
    if (a.v.compare(b.v, 16 * n, 16 * n + 16, 16 * n, 16 * n + 16) !== 0) out.push(`v${n}`);
  if (a.fpcr !== b.fpcr) out.push('fpcr');
  if (a.fpsr !== b.fpsr) out.push('fpsr');
  return out;
}

/** Names of the system registers and stack pointers that differ. */
export function changedSystem(a: Registers, b: Registers, except: ReadonlySet<string>): string[] {
  const out: string[] = [];
  if (a.spEl0 !== b.spEl0) out.push('sp_el0');
  if (a.spEl1 !== b.spEl1) out.push('sp_el1');
  for (const [name, value] of a.el1)
    if (!except.has(name) && b.el1.get(name) !== value)
      out.push(`${name} (0x${value.toString(16)} -> 0x${b.el1.get(name)?.toString(16)})`);
  return out;
}
