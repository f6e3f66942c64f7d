/** What an instruction set exports, and all that codegen/ and core/ know of it. */
import type { Builder } from '../../ir/builder';
import type { Constants } from '../../ir/constants';
import type { Routine, StateField } from '../../ir/nodes';
import type { Row } from './row';

/** Bits of the `acc` argument of `translate`. */
export const Acc = {
  write: 1,
  exec: 2,
  /** As if at the lowest privilege (LDTR). */
  unprivileged: 4,
  /** A debugger's look: no access flag update, no fault record that the guest could see. */
  peek: 8,
  /** The access is both: a permission fault is reported as a write. */
  atomic: 16,
  /** Cache maintenance by address (DC, IC): reported with CM = 1. */
  cacheMaintenance: 32,
} as const;

/** The parts of an instruction set's architecture that the machine loop calls; all are IR routines. */
export interface IsaRoutines {
  /**
   * (va: i64, acc: i32) -> i32: 0 and state.trPa, trSize, trAttr; or a non-zero fault, remembered for raiseAbort.
   * Pure but for those fields (and access flag updates where the CPU has them): it never takes an exception.
   */
  readonly translate: Routine;
  /** (va: i64, desc: i32, info: i32): takes the exception for the fault of the last translate. See accessDesc. */
  readonly raiseAbort: Routine;
  /** (va: i64, desc: i32, info: i32): takes the alignment fault of a data access. */
  readonly raiseAlignment: Routine;
  /** (va: i64, desc: i32, info: i32): takes the synchronous external abort of an access to nothing. */
  readonly raiseExternal: Routine;
  /** (pc: i64): takes the exception for a misaligned PC. */
  readonly raisePcAlignment: Routine;
  /** () -> i32: takes a pending, unmasked interrupt; 1 if it did. state.pc is the return address. */
  readonly takeInterrupt: Routine;
  /** (): takes the Undefined Instruction exception for the instruction at state.pc. */
  readonly raiseUndefined: Routine;
  /** (): computes state.ctxKey, alignAlways, entriesAlign and bigEndian from the system registers and the exception level. */
  readonly contextKey: Routine;
}

export interface Isa<B extends Builder = Builder> {
  readonly name: string;
  readonly newBuilder: () => B;
  readonly rows: readonly Row<B>[];
  /** All state fields by name, common ones excepted, and the size of the CPU block that they need. */
  readonly fields: ReadonlyMap<string, StateField>;
  readonly stateEnd: number;
  readonly routines: IsaRoutines;
  /** What its rows look up. */
  readonly constants: Constants;
  /** Registers that the translator keeps in locals: fields of 8 or 16 bytes. Smaller views of the latter are lanes of them. */
  readonly registers: readonly StateField[];
  /** State that is not the guest's, and may differ where nothing else does. */
  readonly unseen: readonly StateField[];
  /** The condition flags: a word whose bits 28 to 31 are the only ones that are ever set. */
  readonly flags: StateField;
  /**
   * While `field` is not zero, the slow path calls `routine` (va: i64, desc: i32, info: i32) before each data access that it
   * makes: 1 when it took an exception instead, 2 when the page may have no TLB entry, so that all accesses come by.
   */
  readonly guestWatch?: { readonly field: StateField; readonly routine: Routine };
  /** Bits of state.irqLines that wake a sleeping CPU; all unless given. */
  readonly wakeLines?: number;
  /** All fields that a translation leaves, where strict mode keeps translations. */
  readonly translation?: readonly StateField[];
  /** What happens to a CPU that loses its turn (exclusive monitor, event register): field and value. */
  readonly onYield: readonly { readonly field: StateField; readonly value: number }[];
  /** Bytes of the ring in which code records events by itself: see ir/event-ring.ts. */
  readonly eventBytes?: number;
  /** Further routines to compile and export, callable from TypeScript as name(cpuBlock). */
  readonly exports: readonly Routine[];
}

/** The desc of an instruction fetch: kind 3, 4 bytes. raiseAbort and raiseExternal then take an Instruction Abort. */
export const fetchDesc = 4 | (2 << 8) | (3 << 12);

/** The i32 that describes an access to the slow path: bytes, log2 of the element, kind (0 read, 1 write, 2 both, 3 fetch) and Access.flags. */
export function accessDesc(a: {
  bytes: number;
  elem: number;
  kind: 'read' | 'write' | 'atomic';
  flags: number;
}): number {
  const kind = a.kind === 'read' ? 0 : a.kind === 'write' ? 1 : 2;
  return a.bytes | (Math.log2(a.elem) << 8) | (kind << 12) | (a.flags << 16);
}

/** The parts of an accessDesc, for IR: [shift, width]. */
export const descField = { bytes: [0, 8], elemLog2: [8, 4], kind: [12, 4], flags: [16, 16] } as const;
