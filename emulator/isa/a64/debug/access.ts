/**
 * Reads and writes system registers for the debugger by the same rows that MRS and MSR execute: computed values are
 * evaluated, writes go through masks and hooks. Reading touches nothing; what a write would change becomes inputs.
 */
import { Builder } from '../../../ir/builder';
import { evaluateRoutine, type EvalHost } from '../../../ir/evaluate';
import type { Routine, StateField, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import type { DebugCpu } from '../../dsl/debug';
import { layout, SP, state } from '../state';
import { accessOf, getReg, writeReg, type Sysreg } from '../sysregs';
import { allHold } from '../sysregs/controls';

function host(memory: DataView, cpu: number): EvalHost {
  const impossible = (what: string) => (): never => {
    throw new Error(`a system register row uses ${what}, which the debugger cannot do`);
  };
  return {
    memory,
    cpu,
    pc: memory.getBigUint64(cpu + common.pc.offset, true),
    newBuilder: () => new Builder(),
    host: impossible('a host call'),
    probe: impossible('memory'),
    commit: impossible('memory'),
  };
}

const readers = new Map<string, Routine>();
const writers = new Map<string, Routine>();

function once(cache: Map<string, Routine>, name: string, make: () => Routine): Routine {
  let routine = cache.get(name);
  if (!routine) cache.set(name, (routine = make()));
  return routine;
}

const reader = (r: Sysreg): Routine =>
  once(readers, r.name, () => ({
    k: 'routine',
    name: `peek ${r.name}`,
    params: [],
    result: 'i64',
    build: (s: Builder) => s.ret(r.read ? r.read(s, accessOf(s)) : getReg(s, r.name)),
  }));

const writer = (r: Sysreg): Routine =>
  once(writers, r.name, () => ({
    k: 'routine',
    name: `poke ${r.name}`,
    params: ['i64'],
    build: (s: Builder, v: Val) => writeReg(s, r, v),
  }));

/** SP_ELx of the stack pointer in use lives in x[31], not in its own slot. */
function isStackInUse(cpu: DebugCpu, r: Sysreg): boolean {
  if (r.view?.field !== state.spEl) return false;
  const current = cpu.get(state.spsel) === 0n ? 0n : cpu.get(state.el);
  return BigInt(r.view.index ?? 0) === current;
}

/** The device register that an access reaches now: the virtual one where EL1 is redirected. */
function deviceName(cpu: DebugCpu, r: Sysreg): string {
  if (!r.virtual || cpu.get(state.el) !== 1n) return r.name;
  const by = r.virtual.by;
  const redirected = once(readers, `redirected ${r.name}`, () => ({
    k: 'routine',
    name: `redirected ${r.name}`,
    params: [],
    result: 'i32',
    build: (s: Builder) => s.ret(by.map((c) => allHold(s, c)).reduce((a, b) => s.or(a, b))),
  }));
  return evaluateRoutine(redirected, [], host(cpu.view, cpu.block)) === 0n ? r.name : r.virtual.name;
}

/** What MRS would give at the CPU's exception level, traps aside; undefined for what no device answers. */
export function readSysreg(cpu: DebugCpu, r: Sysreg): bigint | undefined {
  if (r.device) return cpu.peekDevice(deviceName(cpu, r));
  if (isStackInUse(cpu, r)) return cpu.get(state.x, SP);
  if (!r.read && r.storage) return cpu.get(r.storage.field, r.storage.index);
  return evaluateRoutine(reader(r), [], host(cpu.view, cpu.block));
}

/** Does what MSR would do; everything that changes becomes an input of the machine. */
export function writeSysreg(cpu: DebugCpu, r: Sysreg, value: bigint): void {
  if (r.device) {
    cpu.inputDevice(deviceName(cpu, r), BigInt.asUintN(64, value));
    return;
  }
  if (isStackInUse(cpu, r)) {
    cpu.input(state.x, value, SP);
    return;
  }
  const before = new Uint8Array(cpu.view.buffer, cpu.view.byteOffset + cpu.block, layout.end);
  const scratch = new DataView(before.slice().buffer);
  evaluateRoutine(writer(r), [BigInt.asUintN(64, value)], host(scratch, 0));
  for (const f of [...layout.fields.values(), common.irqLines]) {
    for (let i = 0; i < f.count; i++) {
      const now = element(scratch, f, i);
      if (now !== cpu.get(f, i)) cpu.input(f, now, i);
    }
  }
}

function element(view: DataView, f: StateField, index: number): bigint {
  const at = f.offset + index * f.stride;
  if (f.bytes === 8) return view.getBigUint64(at, true);
  return BigInt(
    f.bytes === 4 ? view.getUint32(at, true) : f.bytes === 2 ? view.getUint16(at, true) : view.getUint8(at),
  );
}
