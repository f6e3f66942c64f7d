/**
 * Conditions of breakpoints as code, so that a hit whose condition is false costs a few instructions. What is compiled only
 * decides that a hit does not count; whatever it cannot decide stops, and `Guard` is asked as if there were no code.
 *
 * A condition on registers and memory is compiled at once. One with names that depend on the frame is compiled when it has
 * been asked the slow way, for the place and the world in which that was.
 */
import type { Builder } from '../../emulator/ir/builder';
import type { Val } from '../../emulator/ir/nodes';
import type { StopTest, TestCode } from '../../emulator/core/gates';
import { registerState, regimeCode, world, type RegimeOf } from '../arch/a64-code';
import { compileExpression, NotCompiled, type Meanings } from '../expressions/compile';
import type { Expression } from '../expressions/parse';
import type { Target } from '../target';
import type { CheckedExpression } from './moment';

/** Where a test applies: at a virtual address of one regime. Anywhere: undefined. */
interface OnlyAt extends RegimeOf {
  readonly va: bigint;
}

/** A condition in terms of registers, for one address and one world. */
interface Variant {
  readonly pc: bigint;
  readonly world: readonly bigint[];
  readonly expression: Expression;
}

/** More worlds than these in which one place is executed are decided the slow way. */
const MAX_VARIANTS = 8;

/** The value of a name such as x0, w0, HCR_EL2 or HCR_EL2.VM. */
function nameCode(b: Builder, target: Pick<Target, 'arch'>, name: string): Val {
  if (name.toLowerCase() === 'pc') return b.pc();
  const [register = '', field] = name.split('.');
  const at = registerState(register);
  const range = field === undefined ? undefined : target.arch.registerField(register, field);
  if (!at || (field !== undefined && !range)) throw new NotCompiled(name);
  const value = b.to('i64', b.get(at.field, at.index));
  if (range) return b.bits(value, range.lsb, range.width);
  return at.bits < 64 ? b.bits(value, 0, at.bits) : value;
}

/** Stops where an expression is not zero. @throws NotCompiled */
function stopIf(b: Builder, code: TestCode, target: Pick<Target, 'arch'>, e: Expression): void {
  const meanings: Meanings = {
    name: (name) => nameCode(b, target, name),
    load: (address, bytes) => code.load(address, bytes),
    giveUp: () => code.stop(),
  };
  b.if(b.nei(compileExpression(b, e, meanings), 0), () => code.stop());
}

/** Whether an expression can be compiled. */
function canCompile(target: Pick<Target, 'arch' | 'machine'>, e: Expression): boolean {
  const b = target.machine.config.isa.newBuilder();
  try {
    stopIf(b, { stop: () => undefined, load: () => b.i64(0) }, target, e);
    return true;
  } catch (error) {
    if (error instanceof NotCompiled) return false;
    throw error;
  }
}

/** What is known of the condition of one breakpoint; undefined condition: it always holds. */
export class CompiledCondition {
  private quick: Expression | undefined;
  private variants: readonly Variant[] = [];
  private isHopeless = false;

  constructor(
    private readonly target: Pick<Target, 'arch' | 'machine'>,
    private readonly condition: CheckedExpression | undefined,
  ) {
    const quick = condition?.quick;
    if (quick && canCompile(target, quick)) this.quick = quick;
    else if (quick) this.isHopeless = true;
  }

  /** The test of a place as things are now; undefined: it would stop always. */
  test(only: OnlyAt | undefined): StopTest | undefined {
    const { quick, variants } = this;
    if (!only && !quick && variants.length === 0) return undefined;
    const decide = (b: Builder, code: TestCode): void => {
      if (quick) stopIf(b, code, this.target, quick);
      else this.chain(b, code, variants);
    };
    return {
      build: (b, code) => {
        if (!only) return decide(b, code);
        const here = b.and(b.eqi(b.pc(), only.va), regimeCode(b, only));
        b.if(here, () => decide(b, code));
      },
    };
  }

  /** Forgets what was learned: symbols have changed. @returns whether there was anything */
  forget(): boolean {
    const had = this.variants.length > 0;
    this.variants = [];
    this.isHopeless = this.condition?.quick !== undefined && !this.quick;
    return had;
  }

  private chain(b: Builder, code: TestCode, [first, ...rest]: readonly Variant[]): void {
    if (!first) return code.stop();
    const isSame = world
      .map(({ field, index, mask }, i) =>
        b.eqi(b.andi(b.to('i64', b.get(field, index)), mask), first.world[i] ?? 0n),
      )
      .reduce((x, y) => b.and(x, y), b.eqi(b.pc(), first.pc));
    b.if(
      isSame,
      () => stopIf(b, code, this.target, first.expression),
      () => this.chain(b, code, rest),
    );
  }

  /** Whether the place and the world of a CPU are worth a look: nothing is known of them yet. */
  isNews(cpu: number): boolean {
    if (!this.condition || this.quick || this.isHopeless || this.variants.length >= MAX_VARIANTS)
      return false;
    const pc = this.target.machine.pc(cpu);
    const now = this.worldOf(cpu);
    return !this.variants.some((v) => v.pc === pc && v.world.every((bits, i) => bits === now[i]));
  }

  /** The condition comes down to this, at the PC of a CPU and in its world. @returns whether that is of use */
  learn(cpu: number, expression: Expression | undefined): boolean {
    if (!expression || !canCompile(this.target, expression)) {
      this.isHopeless = true;
      return false;
    }
    const variant = { pc: this.target.machine.pc(cpu), world: this.worldOf(cpu), expression };
    this.variants = [...this.variants, variant];
    return true;
  }

  private worldOf(cpu: number): bigint[] {
    const { state } = this.target.machine;
    return world.map(({ field, index, mask }) => state.get(cpu, field, index) & mask);
  }
}
