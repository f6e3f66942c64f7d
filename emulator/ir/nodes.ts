/**
 * The nodes of the IR: values, statements, state fields and routines.
 *
 * A body is a list of statements. Every value is bound by a `let` statement where it was built; the emitter inlines
 * pure values that are used once and drops those that are not used. So evaluation order is the order of building.
 */
import type { FloatConversion, FloatOp, FloatTest } from './floats';
import type { ConvOp, PureOp, Ty, Width } from './ops';
import type { SimdOp } from './simd';

/** A piece of guest or emulator state in the CPU block: `bytes` wide, `count` elements one after the other. */
export interface StateField {
  readonly name: string;
  /** Byte offset in the CPU block. */
  readonly offset: number;
  /** Width of an element. Elements of at most 4 bytes are i32 values, of 8 bytes i64, of 16 bytes v128. */
  readonly bytes: Width;
  readonly count: number;
  /** Distance of two elements, in bytes. */
  readonly stride: number;
}

/**
 * How an operand field of an instruction reaches its handler: `offset` = byte offset of a register slot in the CPU
 * block, chosen at decode time by `map` (so that ZR, SP and trash slots cost nothing), or `value` = a number.
 */
export interface OperandUse {
  readonly field: string;
  /** Name of the register class or 'imm'; with `field` it identifies the slot in the predecoded record. */
  readonly role: string;
  readonly bytes: 2 | 4 | 8;
  /** The number put into the record, from the field's value at decode time. */
  readonly map: (raw: bigint) => bigint;
}

/** A field of the encoding that is not constant at generation time. Made by the row compiler, opaque to rows. */
export class Operand {
  constructor(
    readonly field: string,
    /** Set where the value is known at generation time (the translator, the oracle). */
    readonly known?: bigint,
  ) {}
}

type AccessKind = 'read' | 'write' | 'atomic';

/** A guest memory access: see Builder.probe. */
export interface Access {
  readonly kind: AccessKind;
  /** Total size in bytes: 1 to 64. */
  readonly bytes: number;
  /** Size of one element, for byte order and alignment checks. */
  readonly elem: number;
  /** Bits for the architecture's slow path (unprivileged, ordered, syndrome): see the Isa. */
  readonly flags: number;
}

export type ValOp =
  | { readonly k: 'const'; readonly value: bigint }
  | { readonly k: 'pure'; readonly op: PureOp }
  | { readonly k: 'conv'; readonly op: ConvOp }
  | { readonly k: 'float'; readonly op: FloatOp }
  | { readonly k: 'simd'; readonly op: SimdOp; readonly imm: readonly number[] }
  | { readonly k: 'floatTest'; readonly op: FloatTest }
  | { readonly k: 'floatConv'; readonly op: FloatConversion }
  | { readonly k: 'fused' }
  | { readonly k: 'select' }
  | { readonly k: 'operand'; readonly use: OperandUse }
  | { readonly k: 'cpu' }
  | { readonly k: 'pc' }
  | { readonly k: 'param'; readonly index: number }
  | { readonly k: 'get'; readonly field: StateField; readonly index: number | 'slot'; readonly off: number }
  | { readonly k: 'ld'; readonly bytes: Width; readonly off: number }
  | { readonly k: 'local'; readonly local: Local }
  | { readonly k: 'probe'; readonly access: Access }
  | { readonly k: 'result'; readonly index: number };

/** An IR value. Built only by the Builder. */
export class Val {
  uses = 0;
  /** The raw bits of a float that is computed, or computed with: best kept where the host keeps floats. */
  isFloat = false;
  constructor(
    readonly op: ValOp,
    readonly ty: Ty,
    readonly args: readonly Val[],
  ) {}

  /** The constant, if this is one. */
  get constant(): bigint | undefined {
    return this.op.k === 'const' ? this.op.value : undefined;
  }
}

/** A mutable variable of a body. */
export class Local {
  /** See Val.isFloat. */
  isFloat = false;
  constructor(
    readonly name: string,
    readonly ty: Ty,
  ) {}
}

/** Names a loop for break and continue. */
export class Loop {}

/**
 * How an instruction ends when it does not fall through to the next one.
 * `branch`: state.pc holds the next address. `recheck`: likewise, and interrupts or the translation context may have
 * changed. `stop`: likewise, and run() returns (state.stopReason says why). `hold`: run() returns and the instruction
 * did not execute.
 */
export type ExitKind = 'branch' | 'recheck' | 'stop' | 'hold';

export type Stmt =
  | { readonly k: 'let'; readonly v: Val }
  | {
      readonly k: 'set';
      readonly field: StateField;
      readonly index: number | Val;
      readonly off: number;
      readonly v: Val;
    }
  | {
      readonly k: 'st';
      readonly bytes: Width;
      readonly base: Val;
      readonly off: number;
      readonly v: Val;
    }
  | { readonly k: 'assign'; readonly local: Local; readonly v: Val }
  | {
      readonly k: 'if';
      readonly c: Val;
      readonly then: Stmt[];
      readonly else: Stmt[];
      /** `then` is rare, and what it does can be done by executing the instruction elsewhere. */
      readonly rare?: true;
      /** `c` hardly ever holds. */
      readonly seldom?: true;
    }
  | { readonly k: 'loop'; readonly loop: Loop; readonly body: Stmt[] }
  | { readonly k: 'break'; readonly loop: Loop }
  | { readonly k: 'continue'; readonly loop: Loop }
  | {
      readonly k: 'call';
      readonly callee: Routine | HostCall;
      readonly args: readonly Val[];
      readonly result?: Val;
    }
  | { readonly k: 'syncpc' }
  | { readonly k: 'commit'; readonly host: Val; readonly access: Access }
  | { readonly k: 'exit'; readonly kind: ExitKind }
  | { readonly k: 'return'; readonly v?: Val };

/** A function written in IR, compiled once into the module; its first parameter is always the CPU block. */
export interface Routine {
  readonly k: 'routine';
  readonly name: string;
  /** Types of the parameters after the CPU block. */
  readonly params: readonly Ty[];
  readonly result?: Ty;
  /** Builds the body; called once per module. The argument is the architecture's Builder. */
  readonly build: (b: never, ...params: Val[]) => void;
}

/** A function of the host (TypeScript): i32 parameters only, so that no i64 crosses the border. */
export interface HostCall {
  readonly k: 'host';
  readonly name: string;
  readonly params: number;
  readonly result: boolean;
}
