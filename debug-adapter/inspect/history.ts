/** The last exceptions of each CPU and level, from the world-switch trace. */
import type { Architecture, TraceEvent } from '../arch/types';
import type { TraceRing } from '../trace/ring';
import type { ExceptionHistory } from './frames';

/** Looks back in the trace. Levels below the hypervisor's are each virtual machine's own. */
export function exceptionHistory(trace: TraceRing, arch: Pick<Architecture, 'eventText'>): ExceptionHistory {
  return {
    last(cpu, level, vmid) {
      const mine = (e: TraceEvent): boolean => {
        if (e.kind === 'entry' ? e.to !== level : e.from !== level) return false;
        return level >= 2 || e.vmid === vmid;
      };
      return trace.findLast(
        mine,
        (kind, n) => (cpu === undefined || n === cpu) && (kind === 'entry' || kind === 'return'),
      );
    },
    entry(cpu, level, pc) {
      const isIt = (e: TraceEvent): boolean => e.to === level && (e.pc === pc || e.pc + 4n === pc);
      return trace.findLast(isIt, (kind, n) => n === cpu && kind === 'entry');
    },
    text: (event) => shortText(arch.eventText(event)),
  };
}

/**
 * `HVC #0 x0=0x5` -> `HVC #0`: arguments and virtual addresses stand in other places. An intermediate address stays: it
 * says which page or device the guest wanted.
 */
function shortText(text: string): string {
  return text
    .replace(/ x0=.*$/, '')
    .replace(/, FPSIMD trap.*$/, '')
    .replace(/ at 0x[0-9a-f]+(?:, IPA (0x[0-9a-f]+))?$/, (_all, ipa?: string) =>
      ipa === undefined ? '' : ` at IPA ${ipa}`,
    );
}
