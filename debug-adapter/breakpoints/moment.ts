/** What expressions of conditions and log messages mean: the same as in a watch on the innermost frame. */
import { evaluate, type Names } from '../expressions/evaluate';
import { namesOf } from '../expressions/names';
import { parseExpression, type Expression } from '../expressions/parse';
import { UserError } from '../errors';
import { exceptionHistory } from '../inspect/history';
import { StackWalker } from '../inspect/frames';
import { checkExpression, FrameNames } from '../inspect/names';
import { ConditionResolver } from '../inspect/resolve';
import type { Target } from '../target';

/** Registers, their fields and integer types: nothing that C code could mean otherwise. */
const quickName = /^(?:[xw]\d{1,2}|\w+_EL[0-3](?:\.\w+)?|[us](?:8|16|32|64))$/i;
const names = /(?<![\w$.])[A-Za-z_$][\w$.]*/g;

/** An expression whose syntax is right. */
export class CheckedExpression {
  /** Set where only registers of the CPU are asked: the usual condition in a hot loop. */
  readonly quick: Expression | undefined;

  /**
   * @param values names that the moment itself gives a value
   * @throws ExpressionError
   */
  constructor(
    readonly text: string,
    values: readonly string[] = [],
  ) {
    checkExpression(text);
    const isKnown = (name: string): boolean => quickName.test(name) || values.includes(name);
    const isQuick = !/->|[[\]:]/.test(text) && (text.match(names) ?? []).every(isKnown);
    this.quick = isQuick ? parseExpression(text) : undefined;
  }
}

/** A CPU at an instruction where something is to be decided. */
export class Moment {
  private frame: FrameNames | undefined;

  /** @param values come first: the syndrome of a call that has not executed yet */
  constructor(
    private readonly target: Target,
    private readonly cpu: number,
    private readonly values: Readonly<Record<string, bigint>> = {},
  ) {}

  /** The unsigned 64-bit value of an expression. @throws UserError */
  number(expression: CheckedExpression): bigint {
    const quick = namesOf(this.target, this.cpu, this.values);
    if (expression.quick) return evaluate(expression.quick, quick);
    const prepared = this.innermost().prepare(expression.text);
    return evaluate(parseExpression(prepared.text), this.withValues(prepared.names, quick));
  }

  private withValues(frame: Names, quick: Names): Names {
    return {
      lookup: (name) => {
        // The number of a virtual machine is no register of a frame.
        const first = Object.hasOwn(this.values, name) || name === 'vm' ? quick.lookup(name) : undefined;
        return first ?? frame.lookup(name);
      },
      load: (address, bytes) => frame.load(address, bytes),
    };
  }

  /** The expression in terms of registers and memory, as long as the world is the same; undefined: there is more in it. */
  resolve(expression: CheckedExpression): Expression | undefined {
    try {
      const names = this.innermost();
      return new ConditionResolver(names.view, names.frame, names).resolve(expression.text);
    } catch (error) {
      // A name that this evaluation did not ask for may mean nothing.
      if (error instanceof UserError) return undefined;
      throw error;
    }
  }

  private innermost(): FrameNames {
    if (!this.frame) {
      const { target, cpu } = this;
      const { guest } = target;
      const walker = new StackWalker(guest, exceptionHistory(target.trace, target.arch));
      this.frame = new FrameNames({ version: 0, walker, guest, target }, walker.innermost(cpu));
    }
    return this.frame;
  }
}
