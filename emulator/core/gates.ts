/**
 * Places at which run() stops only if a condition holds. The condition is IR that reads state and memory and changes
 * nothing; it is compiled in front of the instruction, as a gate for the interpreter (codegen/gate.ts) and in line in regions.
 */
import type { Builder } from '../ir/builder';
import type { Local, Routine, Val } from '../ir/nodes';
import { common, StopReason } from '../ir/state';
import type { Isa } from '../isa/dsl/isa';
import type { Decoded } from '../codegen/decoder';
import { gateModule } from '../codegen/gate';
import { firstHandler, GATES, Heat } from '../codegen/handlers';
import { lookByTlb, memoryRoutines } from '../codegen/memory';
import { instructionBody } from '../codegen/region/instruction';
import { tlbLayout } from '../codegen/tlb';

/** What the code of a condition may do beside reading state. */
export interface TestCode {
  /** Stops: for who cannot decide, too. Nothing behind it is executed. */
  stop(): void;
  /** The bytes at a virtual address of the CPU's present level, zero-extended to an i64; stops where they are no RAM. */
  load(va: Val, bytes: 1 | 2 | 4 | 8): Val;
}

/** Decides in generated code whether a place stops. Who set it is asked again when it does. */
export interface StopTest {
  /** Builds code that calls `stop` where run() is to stop, and else comes to its end. */
  build(b: Builder, code: TestCode): void;
}

/** Without conditions. */
export const ALWAYS: StopTest = { build: (_b, code) => code.stop() };

interface Gate {
  readonly slot: number;
  /** What it was made of. */
  readonly word: number;
  readonly tests: readonly StopTest[];
}

interface GateHost {
  readonly isa: Isa;
  readonly memory: WebAssembly.Memory;
  /** Exports of the interpreter, and what it imports as `host`. */
  readonly exports: WebAssembly.Exports;
  readonly functions: WebAssembly.ModuleImports;
  /** How many handlers there are. */
  readonly handlers: number;
}

export class Gates {
  private readonly table: WebAssembly.Table;
  private readonly firstElement: number;
  private readonly look: Routine;
  private readonly byOffset = new Map<number, Gate>();
  private readonly free = Array.from({ length: GATES }, (_, n) => GATES - 1 - n);

  constructor(private readonly host: GateHost) {
    this.table = host.exports['table'] as WebAssembly.Table;
    this.firstElement = this.table.length - Heat.regions - GATES;
    this.look = memoryRoutines(host.isa, tlbLayout(host.isa.stateEnd)).look;
  }

  /**
   * The handler number of the gate for an instruction at a RAM offset. Undefined where there can be none: no instruction, no
   * room, or a host that refuses to compile.
   */
  at(
    offset: number,
    word: number,
    decoded: Decoded | undefined,
    tests: readonly StopTest[],
  ): number | undefined {
    if (!decoded) return undefined;
    const old = this.byOffset.get(offset);
    const isSame = old?.word === word && old.tests === tests;
    if (!isSame) this.drop(offset);
    const slot = isSame ? old.slot : this.make(offset, word, decoded, tests);
    return slot === undefined ? undefined : firstHandler + this.host.handlers + slot;
  }

  private make(
    offset: number,
    word: number,
    decoded: Decoded,
    tests: readonly StopTest[],
  ): number | undefined {
    const slot = this.free.pop();
    if (slot === undefined) return undefined;
    const { isa, memory, exports, functions } = this.host;
    const b = isa.newBuilder();
    this.guard(b, tests);
    instructionBody(b, decoded);
    try {
      const { bytes } = gateModule(isa, b.body);
      const { exports: made } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
        env: { memory },
        routine: exports as WebAssembly.ModuleImports,
        host: functions,
      });
      this.table.set(this.firstElement + slot, made['gate']);
    } catch (error) {
      this.free.push(slot);
      if (error instanceof WebAssembly.CompileError) return undefined;
      throw error;
    }
    this.byOffset.set(offset, { slot, word, tests });
    return slot;
  }

  /** There is no gate any more at a RAM offset, and no record that names it. */
  drop(offset: number): void {
    const gate = this.byOffset.get(offset);
    if (!gate) return;
    this.byOffset.delete(offset);
    this.table.set(this.firstElement + gate.slot, null);
    this.free.push(gate.slot);
  }

  /** Builds the tests of a place in front of its instruction. */
  private guard(b: Builder, tests: readonly StopTest[]): void {
    guard(b, tests, (host, va, bytes, stop) => {
      b.assign(host, b.call(this.look, va, b.i32(bytes)));
      b.if(b.eqz(b.read(host)), stop);
    });
  }
}

/** What to do where the TLB does not know the address of a load: put its place in linear memory into `host`, or stop. */
type Miss = (host: Local, va: Val, bytes: number, stop: () => void) => void;

function guard(b: Builder, tests: readonly StopTest[], miss: Miss): void {
  const stop = (): void => {
    b.syncPc();
    b.set(common.stopReason, b.i32(StopReason.breakpoint));
    b.exit('hold');
  };
  const load = (va: Val, bytes: 1 | 2 | 4 | 8): Val => {
    const found = lookByTlb(b, va, bytes);
    const host = b.local('host', found.host);
    b.if(b.eqz(found.hit), () => miss(host, va, bytes, stop));
    return b.ld(bytes, b.read(host), 0, 'i64');
  };
  for (const t of tests) t.build(b, { stop, load });
}

/** The same in a region, which leaves before the instruction where it would stop: the gate then decides, by a walk if need be. */
export function guardInRegion(b: Builder, tests: readonly StopTest[]): void {
  guard(b, tests, (_host, _va, _bytes, stop) => stop());
}
