/**
 * An instruction set for specs of the machinery: given rows over the A64 state, addresses are physical, exceptions
 * stop the machine. What it tests is the generator, the TLB and the machine, not the architecture.
 */
import type { Routine, Val } from '../../ir/nodes';
import type { Ty } from '../../ir/ops';
import { common, MemAttr, StopReason } from '../../ir/state';
import { Acc, type Isa } from '../../isa/dsl/isa';
import type { Row } from '../../isa/dsl/row';
import { constants } from '../../isa/a64/constants';
import { hostCalls } from '../../isa/a64/host-calls';
import { row } from '../../isa/a64/row';
import { A64 } from '../../isa/a64/sem';
import { layout, state, vectorViews } from '../../isa/a64/state';

const routine = (
  name: string,
  params: Ty[],
  result: Ty | undefined,
  build: (b: A64, ...p: Val[]) => void,
): Routine => ({
  k: 'routine',
  name: `flat ${name}`,
  params,
  ...(result ? { result } : {}),
  build,
});

/** An exception: the machine stops as 'unsupported', with a number in mail[0]. */
const stops = (name: string, params: Ty[], code: number): Routine =>
  routine(name, params, undefined, (b) => {
    b.set(common.mail, b.i64(code));
    b.set(common.stopRequest, b.i32(StopReason.unsupported));
  });

/** Rows may mention host calls that no spec of the machinery gets to. */
export const flatHost = Object.fromEntries(Object.keys(hostCalls).map((name) => [name, () => 0]));

/** Codes in mail[0] after an exception. */
export const Raised = { abort: 1, alignment: 2, external: 3, pcAlignment: 4, undefined: 5 } as const;

/** Addresses at and above this fault; those with bit 39 set are Device memory. */
const FAULTS_FROM = 1n << 40n;

const translate = routine('translate', ['i64', 'i32'], 'i32', (b, va, acc) => {
  b.if(b.geu(va, b.i64(FAULTS_FROM)), () => b.ret(b.i32(1)));
  b.set(common.trPa, b.andi(va, (1n << 39n) - 1n));
  b.set(common.trSize, b.i32(12));
  b.set(common.trAttr, b.select(b.bit(va, 39), b.i32(MemAttr.device), b.andi(acc, Acc.write & 0)));
  b.ret(b.i32(0));
});

/** HLT: the machine stops before it. */
const hlt = row('HLT', '11010100010 imm16:16 00000', {
  asm: 'hlt #<x16:imm16>',
  doc: 'Halts.',
  exec(s) {
    s.syncPc();
    s.set(common.stopReason, s.i32(StopReason.unsupported));
    s.exit('hold');
  },
});

/** Builds the instruction set from rows of the A64 state. */
export function flatIsa(rows: readonly Row<A64>[]): Isa<A64> {
  return {
    name: 'flat',
    newBuilder: () => new A64(),
    rows: [...rows, hlt],
    fields: layout.fields,
    stateEnd: layout.end,
    constants,
    onYield: [{ field: state.exBytes, value: 0 }],
    registers: [state.x, vectorViews[16]],
    unseen: [state.trash],
    flags: state.nzcv,
    exports: [],
    routines: {
      translate,
      raiseAbort: stops('raiseAbort', ['i64', 'i32', 'i32'], Raised.abort),
      raiseAlignment: stops('raiseAlignment', ['i64', 'i32', 'i32'], Raised.alignment),
      raiseExternal: stops('raiseExternal', ['i64', 'i32', 'i32'], Raised.external),
      raisePcAlignment: stops('raisePcAlignment', ['i64'], Raised.pcAlignment),
      raiseUndefined: stops('raiseUndefined', [], Raised.undefined),
      takeInterrupt: routine('takeInterrupt', [], 'i32', (b) => b.ret(b.i32(0))),
      contextKey: routine('contextKey', [], undefined, () => undefined),
    },
  };
}
