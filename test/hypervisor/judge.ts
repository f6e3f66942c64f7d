/** All checkers on one run. */
import { FpMoves } from './checkers/fp-moves';
import { GuestStateChecker } from './checkers/guest-state';
import { fpOwner } from './checkers/owner';
import { SmcccChecker } from './checkers/smccc';
import { Stage2Checker } from './checkers/stage2';
import { Dye, type DyeOptions } from './dye';
import type { Rig } from './rig';

export interface Judges {
  readonly smccc: SmcccChecker;
  readonly guests: GuestStateChecker;
  readonly stage2: Stage2Checker;
  readonly moves: FpMoves;
}

/** Who owns the memory at a physical address: a vcpu, a task of the host, or somebody else. */
function ownerOf(rig: Rig): (pa: bigint) => string {
  const { program } = rig;
  const vcpus = program.symbol('vcpus');
  const vcpusEnd = vcpus + program.symbol('vcpu.size') * program.symbol('NR_VCPUS');
  const tasks = program.symbol('tasks');
  // A page each, one a CPU, and in the script story two (host/host.S).
  const tasksEnd = tasks + 4096n * program.symbol('NR_CPUS') * (1n + program.symbol('SCRIPT'));
  return (pa) => (pa >= vcpus && pa < vcpusEnd ? 'vcpu' : pa >= tasks && pa < tasksEnd ? 'task' : 'other');
}

/** Adds every checker to a run; what they find is in `rig.complaints`. */
export function judge(rig: Rig, dye: DyeOptions = {}): Judges {
  rig.observe((r) => new Dye(r, dye));
  return {
    smccc: rig.observe((r) => new SmcccChecker(r, fpOwner)),
    guests: rig.observe((r) => new GuestStateChecker(r)),
    stage2: rig.observe((r) => new Stage2Checker(r)),
    moves: new FpMoves(rig, ownerOf(rig)),
  };
}
