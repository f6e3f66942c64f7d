import { SymbolError } from '../errors';
import { cfaOf } from './cfi';
import type { CallFrames } from './cfi';
import { AT, TAG } from './constants';
import type { Die, Dies } from './dies';
import { evaluate } from './expression';
import type { ExpressionContext, FrameReader, Location } from './expression';
import type { FormValue } from './forms';
import { rangesOf } from './functions';
import type { Functions, Scope } from './functions';
import type { Globals } from './globals';
import { findInLocationList } from './location-lists';
import { Types } from './types';
import type { CType } from './types';
import type { Unit } from './unit';

/** A local variable or argument at a stop. */
export interface Variable {
  name: string;
  type: CType;
  isArgument: boolean;
  /** Where its value is now; undefined when it is optimised out. */
  location: Location | undefined;
}

/** A stop: a link-time address, the frame's registers and memory, and where the file is loaded. */
export interface Stop {
  address: bigint;
  frame: FrameReader;
  loadOffset: bigint;
  /** How many of the functions that are inlined there to step out of. */
  outward?: number;
}

const MAX_VALUE = 1 << 20;

/** Finds the local variables at a stop (DWARF 5, 4.1). */
export class Variables {
  private readonly types: Types;

  constructor(
    private readonly dies: Dies,
    private readonly functions: Functions,
    private readonly frames: CallFrames,
    private readonly globals: Globals,
    private readonly report: (problem: string) => void,
    /** The link-time address of a global symbol of data, as the code at an address means the name. */
    private readonly symbol: (name: string, address: bigint) => bigint | undefined = () => undefined,
  ) {
    this.types = new Types(dies, report);
  }

  /** Arguments and variables in scope, the innermost block first; a name that an inner block hides is left out. */
  at(stop: Stop): Variable[] {
    try {
      let scope = this.functions.at(stop.address);
      for (let n = stop.outward ?? 0; n > 0 && scope?.isInlined === true; n--) scope = scope.parent;
      const die = scope === undefined ? undefined : this.dies.at(scope.offset, scope.unit);
      if (scope === undefined || die === undefined) return [];
      const context = this.context(scope, stop);
      const found = new Map<string, Variable>();
      for (const variable of this.inBlock(die, stop, context, 0)) {
        if (!found.has(variable.name)) found.set(variable.name, variable);
      }
      return [...found.values()];
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      this.report(error.message);
      return [];
    }
  }

  /** A variable of file scope, as the code at a stop sees the name. */
  global(name: string, stop: Stop): Variable | undefined {
    const die = this.globals.variable(name, stop.address);
    if (die === undefined) return this.declared(name, stop);
    try {
      const { frame, loadOffset } = stop;
      const location = this.locate(die, stop, { frame, loadOffset, forms: die.unit });
      return { name, type: this.types.of(die), isArgument: false, location };
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      this.report(error.message);
      return undefined;
    }
  }

  /** A variable of another file that the file at a stop declares: its type is known here, its place by its symbol. */
  private declared(name: string, stop: Stop): Variable | undefined {
    const die = this.globals.declaration(name, stop.address);
    const at = die && this.symbol(name, stop.address);
    if (die === undefined || at === undefined) return undefined;
    try {
      const address = BigInt.asUintN(64, at + stop.loadOffset);
      return { name, type: this.types.of(die), isArgument: false, location: { kind: 'memory', address } };
    } catch (error) {
      if (!(error instanceof SymbolError)) throw error;
      this.report(error.message);
      return undefined;
    }
  }

  /** The constant of an enumeration, as the code at an address sees the name. */
  enumerator(name: string, address: bigint): bigint | undefined {
    return this.globals.enumerator(name, address);
  }

  private context(scope: Scope, stop: Stop): ExpressionContext {
    const { frame, loadOffset } = stop;
    const cfa = (): bigint | undefined => {
      const rules = this.frames.rulesAt(stop.address);
      return rules === undefined ? undefined : cfaOf(rules, frame);
    };
    // The frame base belongs to the function that the instance is inlined into.
    let outer = scope;
    while (outer.isInlined && outer.parent !== undefined) outer = outer.parent;
    const frameBase = (): bigint | undefined => {
      const value = this.dies.at(outer.offset, outer.unit)?.attributes.get(AT.frameBase);
      const expression = value === undefined ? undefined : expressionOf(outer.unit, value, stop.address);
      if (expression === undefined) return undefined;
      const place = evaluate(expression, { frame, cfa, loadOffset, forms: outer.unit });
      // DW_OP_regN as a frame base means the register's value.
      if (place?.kind === 'register') return frame.reg(place.register);
      return place?.kind === 'memory' ? place.address : place?.kind === 'value' ? place.value : undefined;
    };
    return { frame, cfa, frameBase, loadOffset, forms: scope.unit };
  }

  private *inBlock(block: Die, stop: Stop, context: ExpressionContext, depth: number): Generator<Variable> {
    const own: Die[] = [];
    for (const child of this.dies.children(block)) {
      if (child.tag === TAG.variable || child.tag === TAG.formalParameter) own.push(child);
      else if (child.tag === TAG.lexicalBlock && depth < 64) {
        const inside = rangesOf(child.unit, child.attributes).some(
          (r) => stop.address >= r.low && stop.address < r.high,
        );
        if (inside) yield* this.inBlock(child, stop, context, depth + 1);
      }
    }
    for (const die of own) {
      const name = this.dies.nameOf(die);
      if (name === undefined || die.attributes.has(AT.declaration)) continue;
      yield {
        name,
        type: this.types.of(die),
        isArgument: die.tag === TAG.formalParameter,
        location: this.locate(die, stop, context),
      };
    }
  }

  private locate(die: Die, stop: Stop, context: ExpressionContext): Location | undefined {
    const value = this.dies.inherited(die, AT.location)?.value;
    if (value !== undefined) {
      const expression = expressionOf(die.unit, value, stop.address);
      return expression === undefined ? undefined : evaluate(expression, context);
    }
    const constant = this.dies.inherited(die, AT.constValue)?.value;
    if (constant?.kind === 'number') return { kind: 'value', value: BigInt.asUintN(64, constant.value) };
    return constant?.kind === 'block' ? { kind: 'bytes', bytes: constant.bytes } : undefined;
  }
}

function expressionOf(unit: Unit, value: FormValue, address: bigint): Uint8Array | undefined {
  return value.kind === 'block' ? value.bytes : findInLocationList(unit, value, address);
}

function bytesOf(value: bigint, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));
}

/** Reads `size` bytes of a value from where it is; undefined when they cannot be had. */
export function readLocation(location: Location, size: number, frame: FrameReader): Uint8Array | undefined {
  if (size > MAX_VALUE) return undefined;
  if (location.kind === 'memory') return frame.mem(location.address, size);
  if (location.kind === 'bytes')
    return location.bytes.length < size ? undefined : location.bytes.subarray(0, size);
  if (size > 8) return undefined;
  const value = location.kind === 'value' ? location.value : frame.reg(location.register);
  return value === undefined ? undefined : bytesOf(value, size);
}
