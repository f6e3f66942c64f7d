/**
 * Per-CPU variables: their places come from the kernel's types (the section `.data..percpu` of BTF), the start of the
 * section and the array of the CPUs' offsets from code that uses both, or from symbols where those of data are there.
 */
import type { CType } from '../symbols/dwarf/types';
import type { Btf } from '../symbols/linux/btf';
import { referencesIn } from '../symbols/linux/references';
import type { KernelImage } from './kernel-image';

/** Functions that look at the run queue of a CPU by its number. */
const USERS = [
  'idle_cpu',
  'nr_iowait_cpu',
  'task_curr',
  'available_idle_cpu',
  'cpu_curr_snapshot',
  'sched_idle_cpu',
];
const VARIABLE = 'runqueues';
const SECTION = '.data..percpu';
const PAGE = 0x1000;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

/** Where the data is, by run-time addresses. */
interface Roots {
  readonly start: bigint;
  /** The array of the CPUs' offsets. */
  readonly offsets: bigint;
  readonly how: string;
}

export interface PerCpuVariable {
  readonly name: string;
  readonly type: CType;
}

export class PerCpu {
  private readonly variables: ReadonlyMap<string, { readonly offset: number; readonly type: CType }>;
  private byCode:
    { readonly start: number; readonly offsets: number; readonly user: string } | null | undefined;

  constructor(
    private readonly kernel: KernelImage,
    types: Btf,
  ) {
    this.variables = new Map(types.variables(SECTION).map((v) => [v.name, v]));
  }

  /** All variables, by name. */
  get all(): readonly PerCpuVariable[] {
    return [...this.variables]
      .map(([name, { type }]) => ({ name, type }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  typeOf(name: string): CType | undefined {
    return this.variables.get(name)?.type;
  }

  /** How the section was found, as a sentence; undefined where it was not. */
  get how(): string | undefined {
    return this.roots()?.how;
  }

  /** The link-time offset of the section in the image. */
  get sectionOffset(): bigint | undefined {
    const roots = this.roots();
    return roots && this.kernel.offsetOf(roots.start);
  }

  /** Where a CPU has a variable; undefined where that cannot be found. */
  address(name: string, cpu: number): bigint | undefined {
    const variable = this.variables.get(name);
    const roots = variable && this.roots();
    if (!roots) return undefined;
    const offset = this.kernel.memory.pointer(u64(roots.offsets + BigInt(8 * cpu)));
    return offset === undefined ? undefined : u64(roots.start + BigInt(variable.offset) + offset);
  }

  private roots(): Roots | undefined {
    const [start, offsets] = ['__per_cpu_start', '__per_cpu_offset'].map((n) => this.kernel.symbol(n));
    if (start !== undefined && offsets !== undefined)
      return { start, offsets, how: 'by the symbols __per_cpu_start and __per_cpu_offset' };
    if (this.byCode === undefined) this.byCode = this.find() ?? null;
    if (!this.byCode) return undefined;
    return {
      start: this.kernel.address(BigInt(this.byCode.start)),
      offsets: this.kernel.address(BigInt(this.byCode.offsets)),
      how: `by the code of ${this.byCode.user}, which uses ${VARIABLE} and the offsets of the CPUs`,
    };
  }

  private find(): typeof this.byCode {
    const known = this.variables.get(VARIABLE);
    if (!known) return undefined;
    for (const user of USERS)
      for (const code of this.kernel.codeOf(user))
        for (const { variable, offsets } of referencesIn(this.kernel.image, code).perCpu) {
          const start = variable - known.offset;
          if (start > 0 && start % PAGE === 0) return { start, offsets, user };
        }
    return undefined;
  }
}
