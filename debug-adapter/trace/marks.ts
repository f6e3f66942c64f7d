/**
 * Watches the places that a hypervisor has marked (hypervisor/ABI.md, MARK), and records in the trace that a CPU is
 * about to execute one: what happens there, for which vcpu, during which exception, called from where.
 */
import { common } from '../../emulator/ir/state';
import { vcpuName, type Mark, type Vcpu } from '../hypervisors/types';
import { regimeName } from '../symbols/regime';
import type { Target } from '../target';

const owners: Readonly<Record<string, string>> = {
  '': 'the registers',
  host: "the host's registers",
  guest: "the guest's registers",
};
const whose = (of: string): string => owners[of] ?? `the registers of ${of}`;

/** Meanings that have a text of their own. */
const texts: Readonly<Record<string, (of: string) => string>> = {
  fpsimd_save: (of) => `FPSIMD save of ${whose(of)}`,
  fpsimd_load: (of) => `FPSIMD restore of ${whose(of)}`,
  fpsimd_flush: () => "FPSIMD registers are nobody's from now on",
};

export class MarkWatch {
  private readonly marks = new Map<number, Mark>();
  /** For each CPU the instruction count at which a mark was last recorded: it may stop there more than once. */
  private readonly recorded = new Map<number, bigint>();

  constructor(private readonly target: Target) {
    const { physical, predecode } = target.machine;
    for (const mark of target.hypervisor.marks) {
      const offset = physical.ramOffset(mark.pa);
      if (offset === undefined || this.marks.has(offset)) continue;
      this.marks.set(offset, mark);
      predecode.addBreakpoint(offset);
    }
  }

  get isEmpty(): boolean {
    return this.marks.size === 0;
  }

  /** A CPU stands before the instruction at a RAM offset: records the mark that is there, if there is one. */
  arrived(cpu: number, offset: number | undefined): void {
    const mark = offset === undefined ? undefined : this.marks.get(offset);
    if (!mark) return;
    const { machine, arch } = this.target;
    const count = machine.state.get(cpu, common.retired);
    if (this.recorded.get(cpu) === count) return;
    this.recorded.set(cpu, count);
    const { el, pc } = arch.context(cpu);
    arch.trace.mark(cpu, { level: el, text: this.text(cpu, el, mark), caller: this.caller(cpu, el, pc) });
  }

  private text(cpu: number, level: number, mark: Mark): string {
    const { trace, arch } = this.target;
    const what = texts[mark.meaning]?.(mark.of) ?? [mark.meaning, mark.of].filter((t) => t !== '').join(' ');
    const vcpu = mark.of === 'guest' ? this.vcpu(cpu, mark) : undefined;
    const last = trace.findLast(
      (e) => (e.kind === 'entry' ? e.to === level : e.from === level),
      (kind, n) => n === cpu && (kind === 'entry' || kind === 'return'),
    );
    const during = last?.kind === 'entry' ? `, during ${arch.eventText(last)}` : '';
    return `${what}${vcpu ? `, vcpu ${vcpuName(vcpu)}` : ''}${during}`;
  }

  /** Whether a symbol is exactly here, so that the link register can still be that of the call. */
  private isEntry(level: number, pc: bigint): boolean {
    const regime = { el: regimeName(level) };
    return this.target.symbols.symbolAt({ va: pc, regime })?.offset === 0n;
  }

  /** Whose registers are saved or loaded: those that are in the CPU go out, those of the running vcpu come in. */
  private vcpu(cpu: number, mark: Mark): Vcpu | undefined {
    const { hypervisor } = this.target;
    const current = hypervisor.currentVcpu(cpu);
    return mark.meaning === 'fpsimd_load' ? current : (hypervisor.fpsimdOwner(cpu)?.vcpu ?? current);
  }

  /** The call that goes here, or to who has jumped here, if the mark is where a function begins. */
  private caller(cpu: number, level: number, pc: bigint): bigint | undefined {
    const { guest } = this.target;
    const { isa } = guest;
    const read = guest.reader(cpu);
    const at = read(isa.records.link) - BigInt(isa.instructionBytes);
    const word = guest.number(cpu, guest.spaceOf(level, read), at, isa.instructionBytes);
    const call = word === undefined ? undefined : isa.callTarget(Number(word), at);
    return call === pc || (call !== undefined && this.isEntry(level, pc)) ? at : undefined;
  }
}
