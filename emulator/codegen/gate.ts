/**
 * A gate: one instruction with a condition before it, as a handler of its own. It stands in the interpreter's table behind the
 * handlers, so that a record names it as any other, and a condition that is false costs one more call.
 */
import type { HostCall, Routine, Stmt } from '../ir/nodes';
import type { Ty } from '../ir/ops';
import type { Isa } from '../isa/dsl/isa';
import { Emitter } from './emit';
import { LocalPool } from './local-pool';
import { Status, handlerTarget } from './interpreter';
import { memoryRoutines } from './memory';
import { tlbLayout } from './tlb';
import { WasmModule, type FuncType } from './wasm';

interface GateModule {
  /** Imports memory, routines of the interpreter (`routine`) and host calls (`host`); exports `gate`. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Compiles the body of an instruction whose fields are all known, as a handler `(cpu, record) -> Status`. */
export function gateModule(isa: Isa, body: readonly Stmt[]): GateModule {
  const module = new WasmModule();
  const { memSlow, commitSlow } = memoryRoutines(isa, tlbLayout(isa.stateEnd));
  const routines = new Map<string, number>();
  const hosts = new Map<string, number>();
  const addRoutine = (r: Routine): void => {
    if (routines.has(r.name)) return;
    const type: FuncType = { params: ['i32', ...r.params], results: r.result ? [r.result] : [] };
    routines.set(r.name, module.importFunc('routine', r.name, type));
  };
  const addHost = (h: HostCall): void => {
    if (hosts.has(h.name)) return;
    const type: FuncType = { params: Array<Ty>(h.params).fill('i32'), results: h.result ? ['i32'] : [] };
    hosts.set(h.name, module.importFunc('host', h.name, type));
  };
  // Imports come before functions in a module.
  [memSlow, commitSlow].forEach(addRoutine);
  for (const callee of callees(body)) {
    if (callee.k === 'host') addHost(callee);
    else addRoutine(callee);
  }
  const func = module.func({ params: ['i32', 'i32'], results: ['i32'] });
  module.exportFunc('gate', func.index);
  const target = handlerTarget(
    {
      enterSlow: () => undefined,
      routine: (r) => routines.get(r.name)!,
      host: (h) => hosts.get(h.name)!,
      memSlow: routines.get(memSlow.name)!,
      commitSlow: routines.get(commitSlow.name)!,
      fuses: false,
    },
    () => {
      throw new Error('an operand of a gate is not known');
    },
  );
  const e = new Emitter(func.code, new LocalPool(func), target);
  e.body(body);
  e.i32(Status.next);
  return { bytes: module.encode() };
}

function* callees(stmts: readonly Stmt[]): Generator<Routine | HostCall> {
  for (const s of stmts) {
    if (s.k === 'call') yield s.callee;
    else if (s.k === 'if') {
      yield* callees(s.then);
      yield* callees(s.else);
    } else if (s.k === 'loop') yield* callees(s.body);
  }
}
