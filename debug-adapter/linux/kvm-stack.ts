/**
 * Where KVM keeps its own registers while a guest runs: `__guest_enter` saves those that a call preserves in the per-CPU
 * variable `kvm_hyp_ctxt`, and goes on from there after the guest's exit.
 */
import { SymbolError } from '../symbols/errors';
import { perCpuOf, referencesIn } from '../symbols/linux/references';
import type { KernelImage } from './kernel-image';
import { KernelType } from './memory';

/** `__guest_enter` and the exits behind it are one file of assembly, far smaller than this. */
const MAX_CODE = 0x1000;
/** The registers that a call preserves (AAPCS64 6.1.1), with the platform register and the link register. */
const SAVED = Array.from({ length: 13 }, (_, n) => 18 + n);

export class KvmStack {
  /** From `kvm_host_data` to `kvm_hyp_ctxt`, by the function whose code tells it. */
  private readonly distances = new Map<string, number | undefined>();

  constructor(private readonly kernel: KernelImage) {}

  /**
   * The addresses of KVM's own registers on a CPU, by name; undefined where they cannot be found.
   * @param hostContext the address of `kvm_host_data.host_ctxt` of the CPU
   */
  registers(hostContext: bigint, isVhe: boolean): ReadonlyMap<string, bigint> | undefined {
    const { kernel } = this;
    const [context, data] = ['struct kvm_cpu_context', 'struct kvm_host_data'].map((name) => {
      const type = kernel.types?.named(name);
      return type && new KernelType(kernel.memory, type);
    });
    if (!context?.has('regs.regs[0]') || !data?.has('host_ctxt.__hyp_running_vcpu')) return undefined;
    const name = isVhe ? '__guest_enter' : '__kvm_nvhe___guest_enter';
    if (!this.distances.has(name)) this.distances.set(name, this.distance(name, data));
    const distance = this.distances.get(name);
    if (distance === undefined) return undefined;
    const at = BigInt.asUintN(64, data.containerOf(hostContext, 'host_ctxt') + BigInt(distance));
    return new Map(SAVED.map((n) => [`x${n}`, context.addressOf(at, `regs.regs[${n}]`)]));
  }

  private distance(name: string, data: KernelType): number | undefined {
    const { kernel } = this;
    const [code] = kernel.codeOf(name);
    if (!code) return undefined;
    try {
      const inner = data.place('host_ctxt').offset;
      const member = data.place('host_ctxt.__hyp_running_vcpu').offset - inner;
      const range = { from: code.from, to: code.from + MAX_CODE };
      const host = perCpuOf(kernel.image, range, inner, member);
      const [own] = referencesIn(kernel.image, code).ownStored;
      return host === undefined || own === undefined ? undefined : own - host;
    } catch (error) {
      if (error instanceof SymbolError) return undefined;
      throw error;
    }
  }
}
