/** The A64 instruction set of Armv8-A, as codegen/ and core/ take it. */
import type { Isa } from '../dsl/isa';
import { raiseAbort, raiseAlignment, raiseExternal } from './exceptions/abort';
import { raisePcAlignment, raiseUndefined } from './exceptions/exception';
import { beforeInstruction } from './instruction-boundary';
import { Line } from './interrupt-lines';
import { translateAs, translationFields } from './mmu/at';
import { contextKey } from './mmu/context';
import { translate } from './mmu/mmu';
import { ownDeadline } from './pmu/counters';
import { a64Rows } from './rows';
import { A64 } from './sem';
import { atBreakpoint } from './self-hosted/breakpoint';
import { guestWatch } from './self-hosted/watchpoint';
import { layout, state, vectorViews } from './state';
import { recordBytes } from './switch-record';
import './sysregs';
import { poisonRegisters } from './unknown';
import { constants } from './constants';
import { settle } from './wires/settle';

export const a64Isa: Isa<A64> = {
  name: 'a64',
  newBuilder: () => new A64(),
  rows: a64Rows,
  fields: layout.fields,
  stateEnd: layout.end,
  constants,
  routines: {
    translate,
    raiseAbort,
    raiseAlignment,
    raiseExternal,
    raisePcAlignment,
    takeInterrupt: beforeInstruction,
    raiseUndefined,
    contextKey,
  },
  registers: [state.x, vectorViews[16]],
  unseen: [state.holdSkip, state.trash],
  flags: state.nzcv,
  exports: [translateAs, poisonRegisters, ownDeadline, atBreakpoint, settle],
  eventBytes: recordBytes,
  guestWatch,
  // All inputs but the one that only asks for a look.
  wakeLines: ~Line.debug,
  translation: translationFields,
  onYield: [
    { field: state.exBytes, value: 0 },
    { field: state.eventRegister, value: 1 },
  ],
};
