/**
 * Runs a machine by the evaluator instead of generated code: one instruction at a time, slowly, through no TLB. Tests
 * put it beside the interpreter; the debugger asks it for explanations.
 */
import { operandValues } from '../codegen/decoder';
import { memoryRoutines } from '../codegen/memory';
import { accessDesc } from '../isa/dsl/isa';
import { evaluate, evaluateRoutine, type EvalHost, type Outcome } from '../ir/evaluate';
import type { Routine } from '../ir/nodes';
import { common } from '../ir/state';
import type { Machine } from './machine';

export class Oracle {
  private readonly memory;

  constructor(private readonly machine: Machine) {
    this.memory = memoryRoutines(machine.config.isa, machine.layout.tlb);
  }

  private host(cpu: number): EvalHost {
    const m = this.machine;
    const block = m.state.block(cpu);
    const scratch = block + common.scratch.offset;
    const host: EvalHost = {
      memory: m.view,
      cpu: block,
      pc: m.pc(cpu),
      newBuilder: m.config.isa.newBuilder,
      host: (call, args) => m.callHost(call.name, args),
      probe: (va, access, info) => {
        const at = evaluateRoutine(this.memory.memSlow, [va, BigInt(accessDesc(access)), BigInt(info)], host);
        return at === 0n ? undefined : Number(at);
      },
      commit: (at) => at === scratch && evaluateRoutine(this.memory.commitSlow, [], host) !== 0n,
    };
    return host;
  }

  /** Runs one of the instruction set's routines. */
  routine(cpu: number, r: Routine, args: readonly bigint[] = []): bigint {
    return evaluateRoutine(r, args, this.host(cpu));
  }

  /** Executes the instruction at the CPU's PC, or takes the interrupt or fault that comes instead. */
  step(cpu: number): Outcome {
    const m = this.machine;
    const { vtime } = m.schedule;
    m.state.set(cpu, common.left, 0);
    m.state.set(cpu, common.timeEnd, vtime + 1n);
    m.state.set(cpu, common.retiredEnd, m.state.get(cpu, common.retired) + 1n);
    const outcome = this.execute(cpu);
    if (outcome === 'hold') return outcome;
    m.schedule.vtime = vtime + 1n;
    m.state.set(cpu, common.retired, m.state.get(cpu, common.retired) + 1n);
    return outcome;
  }

  private execute(cpu: number): Outcome {
    const m = this.machine;
    const host = this.host(cpu);
    evaluateRoutine(this.memory.selectContext, [], host);
    if (m.state.num(cpu, common.irqLines) && evaluateRoutine(m.config.isa.routines.takeInterrupt, [], host))
      return 'recheck';
    if (!evaluateRoutine(this.memory.fetchSlow, [], host)) return 'recheck';
    const word = this.wordAt(m.state.get(cpu, common.trPa), m.pc(cpu));
    const decoded = m.predecode.decodeWord(word);
    if (!decoded) {
      evaluateRoutine(m.config.isa.routines.raiseUndefined, [], host);
      return 'recheck';
    }
    const b = m.config.isa.newBuilder();
    const shape = Object.fromEntries(decoded.row.shape.map((f) => [f.name, decoded.fields[f.name]!]));
    decoded.row.exec(b, shape, operandValues(decoded));
    const outcome = evaluate(b.body, host);
    if (outcome === 'next') m.state.set(cpu, common.pc, host.pc + 4n);
    return outcome;
  }

  private wordAt(page: bigint, pc: bigint): number {
    const bytes = this.machine.physical.peek((page & ~0xfffn) | (pc & 0xfffn), 4);
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  }
}
