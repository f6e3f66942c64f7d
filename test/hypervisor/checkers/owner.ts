/** Whose FP registers are in a CPU, by the hypervisor's own books: the fields that the debugger shows. */
import type { Rig } from '../rig';

const FP_GUEST = 1n;
const TABLES = 0xffff_ffff_fffen;

/** A vcpu in memory in the words of CpuView.vcpu: its stage 2 tables and its VMPIDR. `at` is an EL2 address. */
export function vcpuAt(rig: Rig, cpu: number, at: bigint): string {
  const { program, view } = rig;
  const read = (address: bigint): bigint => {
    const pa = view.physical(cpu, address, 'EL2');
    if (pa === undefined) throw new Error(`EL2 has nothing at 0x${address.toString(16)}`);
    return rig.read64(pa);
  };
  const vm = read(at + program.symbol('vcpu.vm'));
  const tables = read(vm + program.symbol('vm.vttbr_el2')) & TABLES;
  const vmpidr = read(at + program.symbol('vcpu.vmpidr_el2')) & 0xffffffn;
  return `${tables.toString(16)}/${vmpidr.toString(16)}`;
}

/** The vcpu whose FP registers are in a CPU; undefined: the host's, or nobody's. */
export function fpOwner(rig: Rig, cpu: number): string | undefined {
  const { program, view } = rig;
  // Before hyp-init there is no per-CPU data.
  if ((view.reg(cpu, 'SCTLR_EL2') & 1n) === 0n) return undefined;
  const host = view.reg(cpu, 'TPIDR_EL2') + program.symbol('percpu.host');
  const field = (name: string): bigint =>
    rig.read64(view.physical(cpu, host + program.symbol(name), 'EL2') ?? 0n);
  if (field('host.fp_owner') !== FP_GUEST) return undefined;
  return vcpuAt(rig, cpu, field('host.fp_vcpu'));
}
