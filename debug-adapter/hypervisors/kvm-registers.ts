/** Which members of KVM's structs hold which registers. */
import type { CType } from '../symbols/dwarf/types';
import type { KvmPlaces } from './kvm-places';
import type { SavedRegister, TypedStruct } from './types';

/** Members of `struct kvm_cpu_context`. Exceptions to EL2 leave PC and PSTATE in ELR_EL2 and SPSR_EL2. */
const CONTEXT: readonly (readonly [register: string, path: string])[] = [
  ...Array.from({ length: 31 }, (_, n) => [`x${n}`, `regs.regs[${n}]`] as const),
  // The stack pointer of EL0: that of EL1 is among the system registers.
  ['sp_el0', 'regs.sp'],
  ['elr_el2', 'regs.pc'],
  ['spsr_el2', 'regs.pstate'],
  ...Array.from({ length: 32 }, (_, n) => [`v${n}`, `fp_regs.vregs[${n}]`] as const),
  ['fpsr', 'fp_regs.fpsr'],
  ['fpcr', 'fp_regs.fpcr'],
];

/** Members of `struct kvm_vcpu`. */
const VCPU: readonly (readonly [register: string, path: string])[] = [
  ['hcr_el2', 'arch.hcr_el2'],
  ['mdcr_el2', 'arch.mdcr_el2'],
  ['esr_el2', 'arch.fault.esr_el2'],
  ['far_el2', 'arch.fault.far_el2'],
  ['hpfar_el2', 'arch.fault.hpfar_el2'],
  ['vsesr_el2', 'arch.vsesr_el2'],
];

const VGIC_V3 = 'arch.vgic_cpu.vgic_v3';
const VGIC: readonly (readonly [register: string, path: string])[] = [
  ['ich_hcr_el2', `${VGIC_V3}.vgic_hcr`],
  ['ich_vmcr_el2', `${VGIC_V3}.vgic_vmcr`],
  ...Array.from({ length: 4 }, (_, n) => [`ich_ap0r${n}_el2`, `${VGIC_V3}.vgic_ap0r[${n}]`] as const),
  ...Array.from({ length: 4 }, (_, n) => [`ich_ap1r${n}_el2`, `${VGIC_V3}.vgic_ap1r[${n}]`] as const),
  ...Array.from({ length: 16 }, (_, n) => [`ich_lr${n}_el2`, `${VGIC_V3}.vgic_lr[${n}]`] as const),
];

/**
 * In VHE the EL1 registers of a vcpu stay in the CPU until another vcpu or a user program of another process needs it;
 * these are switched on each entry nevertheless.
 */
const SWITCHED_ALWAYS =
  /^(?:mdscr_el1|actlr_el1|mpidr_el1|mdccint_el1|oslsr_el1|pm\w+|cnt[vp]\w+|ap\w+key\w+|disr_el1)$/;

/** Whether VHE leaves a register of the vcpu in the CPU while the host runs. */
export const isLazyInVhe = (register: string): boolean =>
  /_el[01]$/.test(register) && register !== 'sp_el0' && !SWITCHED_ALWAYS.test(register);

/**
 * The registers of `sys_regs[]` by number. Of a series such as PMEVCNTR0_EL0 to PMEVCNTR30_EL0 the enumeration has only
 * the ends; what begins with underscores marks a place.
 */
export function systemRegisters(enumeration: CType | undefined): ReadonlyMap<number, string> {
  const found = new Map<number, string>();
  const series = /^(\D+)(\d+)(_EL\d)$/;
  let last: { readonly match: RegExpExecArray; readonly at: number } | undefined;
  for (const { name, value } of enumeration?.enumerators() ?? []) {
    if (/^_|^NR_/.test(name)) continue;
    const at = Number(value);
    const match = series.exec(name);
    if (match && last && match[1] === last.match[1] && match[3] === last.match[3])
      for (let n = last.at + 1; n < at; n++)
        found.set(n, `${match[1]}${Number(last.match[2]) + n - last.at}${match[3]}`);
    last = match ? { match, at } : undefined;
    if (!found.has(at)) found.set(at, name);
  }
  return found;
}

/** Kernels with nested virtualization keep the registers of the EL2 that a guest sees there, too: not the CPU's own. */
const isNested = (register: string): boolean =>
  /_EL2$/.test(register) && register !== 'CNTVOFF_EL2' && !/32_EL2$/.test(register);

/** The registers in a `struct kvm_vcpu` or `struct kvm_cpu_context`, by name. */
export function registersOf(
  places: KvmPlaces,
  at: TypedStruct,
  names: ReadonlyMap<number, string>,
  hasGicV3: boolean,
): Map<string, SavedRegister> {
  const found = new Map<string, SavedRegister>();
  const put = (register: string, path: string): void => {
    const place = places.at(at, path);
    if (place && !found.has(register)) found.set(register, place);
  };
  const isVcpu = at.struct.name === 'kvm_vcpu';
  const context = isVcpu ? 'arch.ctxt.' : '';
  for (const [register, path] of CONTEXT) put(register, context + path);
  if (isVcpu) for (const [register, path] of [...VCPU, ...(hasGicV3 ? VGIC : [])]) put(register, path);
  for (const [index, register] of names)
    if (!isNested(register)) put(register.toLowerCase(), `${context}sys_regs[${index}]`);
  return found;
}
