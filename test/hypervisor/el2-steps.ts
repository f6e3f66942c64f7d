/** Follows EL2 instruction by instruction: what a visit costs, and what it writes to its stack. */
import { Disassembler } from '../../emulator/asm/disassemble';
import { tableOf } from '../../emulator/asm/assemble';
import { a64Isa } from '../../emulator/isa/a64';
import { eventBit } from '../../emulator/isa/a64/events';
import type { Rig } from './rig';

/** One stay at EL2, from the exception to the ERET. */
export interface Visit {
  readonly cpu: number;
  /** `guest` or `host`, before and after. */
  readonly from: string;
  readonly to: string;
  readonly vector: number;
  /** ESR_EL2; 0 for interrupts. */
  readonly esr: bigint;
  readonly instructions: number;
  readonly loads: number;
  readonly stores: number;
}

const disassembler = new Disassembler(tableOf(a64Isa));
const kinds = new Map<number, 'load' | 'store' | 'other'>();

/** Does an instruction word read or write memory? By its mnemonic; prefetches and atomics do not occur here. */
export function memoryAccess(word: number): 'load' | 'store' | 'other' {
  let kind = kinds.get(word);
  if (!kind) {
    const { mnemonic } = disassembler.disassemble(word, 0n);
    kind = /^ld/.test(mnemonic) ? 'load' : /^st/.test(mnemonic) ? 'store' : 'other';
    kinds.set(word, kind);
  }
  return kind;
}

const world = (rig: Rig, cpu: number): string => (rig.view.isGuest(cpu) ? 'guest' : 'host');

/** Runs on to the next exception that EL2 takes from below; undefined when the run has ended. */
export function toTrap(rig: Rig, instructions = 200_000_000): number | undefined {
  const masks = rig.eventMask;
  rig.machine.setEvents(masks, eventBit('trapEntry'));
  const stop = rig.machine.run({ instructions });
  rig.machine.setEvents(masks, 0);
  if (stop.kind !== 'event') {
    rig.finish();
    return undefined;
  }
  return stop.cpu;
}

/**
 * Steps from the vector to the first instruction after the ERET. `each` is called before every instruction.
 * @throws Error when EL2 does not come back
 */
export function stepVisit(rig: Rig, cpu: number, each: (cpu: number) => void = () => undefined): Visit {
  const { machine, view } = rig;
  const pc = machine.pc(cpu);
  const vector = Number(pc & 0x7ffn);
  const interrupt = (vector & 0x180) !== 0;
  const [from, esr] = [world(rig, cpu), interrupt ? 0n : view.reg(cpu, 'ESR_EL2')];
  let [instructions, loads, stores] = [0, 0, 0];
  while (view.el(cpu) === 2) {
    if (++instructions > 100_000)
      throw new Error(`EL2 does not come back: pc 0x${machine.pc(cpu).toString(16)}`);
    const kind = memoryAccess(rig.instruction(cpu));
    if (kind === 'load') loads++;
    else if (kind === 'store') stores++;
    each(cpu);
    const count = machine.state.get(cpu, rig.retired) + 1n;
    const stop = machine.run({ instructions: 1_000_000, retired: { cpu, count } });
    if (stop.kind !== 'limit') break;
  }
  return { cpu, from, to: world(rig, cpu), vector, esr, instructions, loads, stores };
}
