/** A CPU after reset, with RAM, for tests of the system side: instructions and routines by the BigInt evaluator. */
import { CONSTANT_BYTES } from '../../../ir/constants';
import { evaluateRoutine, type EvalHost, type Outcome } from '../../../ir/evaluate';
import type { HostCall, Routine } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { accessDesc, Acc } from '../../dsl/isa';
import { cpuModel, resetCpu, withEl3 } from '../cpus';
import { raiseUndefined } from '../exceptions/exception';
import { raiseAbort } from '../exceptions/abort';
import { a64Rows } from '../rows';
import { BLOCK_END, build, decode, TestCpu } from '../row-tests/machine';
import { A64 } from '../sem';
import { state } from '../state';
import { fieldRange, sysregNamed } from '../sysregs';
import { translate } from '../mmu/mmu';

export const RAM_BASE = 0x40000000n;
const RAM_HOST = Math.ceil(BLOCK_END / 4096) * 4096;

export interface HostCallSeen {
  readonly name: string;
  readonly args: readonly number[];
  /** state.mail at the time. */
  readonly mail: readonly bigint[];
}

export class SystemCpu extends TestCpu {
  readonly calls: HostCallSeen[] = [];
  private readonly rows: typeof a64Rows;
  /** What host calls return. */
  readonly answers: Record<string, number> = {};
  /** Runs in a host call, such as a device that answers through the mail. */
  onHost: (name: string, args: readonly number[]) => void = () => undefined;

  /** `el3`: the CPU has EL3, as firmware leaves it that has handed over to Non-secure EL2. */
  constructor(name = 'cortex-a57', hasEL2 = true, ramBytes = 0x10000, el3 = false) {
    const late: { cpu?: SystemCpu } = {};
    super(
      {
        host: (call, args) => late.cpu!.hostCall(call, args),
        probe: (va, access) => late.cpu!.probe(va, access),
        commit: () => false,
      },
      RAM_HOST + ramBytes,
    );
    late.cpu = this;
    const model = el3 ? withEl3(cpuModel(name)) : cpuModel(name);
    const { features } = model;
    this.rows = a64Rows.filter((r) => r.feature === undefined || features.has(r.feature));
    resetCpu({ set: (_cpu, field, value, index) => this.set(field, value, index) }, 0, model, hasEL2, el3);
    // The firmware here is the test's own.
    this.set(state.firmwareAtEl3, 0n);
    this.set(common.ramBase, RAM_BASE);
    this.set(common.ramSize, BigInt(ramBytes));
    this.set(common.ramHost, BigInt(RAM_HOST));
    this.set(common.cpuIndex, 0n);
  }

  /** A stored system register. */
  reg(name: string): bigint {
    const { field, index } = sysregNamed(name).storage!;
    return this.get(field, index);
  }

  setReg(name: string, v: bigint): void {
    const { field, index } = sysregNamed(name).storage!;
    this.set(field, v, index);
  }

  /** Sets one named field, where it is with the present HCR_EL2.E2H. */
  setField(text: string, v: bigint): void {
    const [name = '', field = ''] = text.split('.');
    const { lsb, width } = fieldRange(name, field, ((this.reg('HCR_EL2') >> 34n) & 1n) === 1n);
    const mask = ((1n << BigInt(width)) - 1n) << BigInt(lsb);
    this.setReg(name, (this.reg(name) & ~mask) | ((v << BigInt(lsb)) & mask));
  }

  get el(): number {
    return Number(this.get(state.el));
  }

  /** Puts the CPU at an exception level, with its own stack pointer selected. */
  at(el: number): this {
    this.set(state.el, BigInt(el));
    this.set(state.spsel, el === 0 ? 0n : 1n);
    return this;
  }

  private evalHost(): EvalHost {
    return {
      memory: this.memory,
      cpu: CONSTANT_BYTES,
      pc: this.pc,
      newBuilder: () => new A64(),
      host: (call, args) => this.hostCall(call, args),
      probe: (va, access) => this.probe(va, access),
      commit: () => false,
    };
  }

  /** Runs a routine; state.pc is where it was. */
  call(r: Routine, ...args: (bigint | number)[]): bigint {
    return evaluateRoutine(
      r,
      args.map((a) => BigInt(a)),
      this.evalHost(),
    );
  }

  /** Executes one instruction word at `pc`. An encoding without a row is UNDEFINED. */
  exec(word: number): Outcome {
    const d = decode(this.rows, word);
    if (!d) {
      this.set(common.pc, this.pc);
      this.call(raiseUndefined);
      this.pc = this.get(common.pc);
      return 'recheck';
    }
    return this.run(build(d, 'known'), d);
  }

  private hostCall(call: HostCall, args: readonly number[]): number {
    const mail = Array.from({ length: 5 }, (_, i) => this.get(common.mail, i));
    this.calls.push({ name: call.name, args: args.slice(1), mail });
    if (call.name === 'writeDescriptor')
      this.memory.setBigUint64(this.ramAt(this.get(state.descriptorPa)), this.get(state.descriptor), true);
    this.onHost(call.name, args.slice(1));
    return this.answers[call.name] ?? 0;
  }

  private probe(va: bigint, access: Parameters<EvalHost['probe']>[1]): number | undefined {
    const acc = access.kind === 'read' ? 0 : access.kind === 'write' ? Acc.write : Acc.write | Acc.atomic;
    if (this.call(translate, va, acc) !== 0n) {
      const { kind, bytes, elem, flags } = access;
      this.call(raiseAbort, va, accessDesc({ kind, bytes, elem, flags }), 0);
      return undefined;
    }
    const at = this.get(common.trPa) - RAM_BASE;
    return RAM_HOST + Number(at);
  }

  /** Byte offset of a physical address in `memory`. */
  ramAt(pa: bigint): number {
    return RAM_HOST + Number(pa - RAM_BASE);
  }
}
