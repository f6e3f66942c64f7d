/** The CPUs of a stopped machine as an instruction set's debug description reaches them. */
import type { Board } from '../../emulator/core/device';
import type { Machine } from '../../emulator/core/machine';
import type { DebugCpu } from '../../emulator/isa/dsl/debug';

/** What a device says of a register; undefined where none has it. */
function peekDevice(board: Board, register: string, cpu: number): bigint | undefined {
  try {
    return board.sysregs.peek(register, cpu);
  } catch {
    return undefined;
  }
}

function debugCpu(machine: Machine, board: Board, n: number): DebugCpu {
  const block = machine.state.block(n);
  return {
    view: machine.view,
    block,
    features: machine.config.features,
    get: (f, index = 0) => machine.state.get(n, f, index),
    input: (f, value, index = 0) => machine.input({ kind: 'state', cpu: n, field: f.name, index, value }),
    peekDevice: (register) => peekDevice(board, register, n),
    inputDevice: (register, value) => machine.input({ kind: 'register', cpu: n, register, value }),
    call: (routine) => void machine.code[routine]?.(block),
  };
}

/** All CPUs of a machine. */
export const debugCpus = (machine: Machine, board: Board): readonly DebugCpu[] =>
  Array.from({ length: machine.cpus }, (_, n) => debugCpu(machine, board, n));
