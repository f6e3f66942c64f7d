/** Condition, hit count and log message of a breakpoint. */
import { UserError } from '../errors';
import { CheckedExpression, type Moment } from './moment';

/** Decides by the number of hits so far, this one included. */
type HitTest = (hits: number) => boolean;

const hitTests: Readonly<Record<string, (n: number) => HitTest>> = {
  '': (n) => (hits) => hits === n,
  '==': (n) => (hits) => hits === n,
  '=': (n) => (hits) => hits === n,
  '>': (n) => (hits) => hits > n,
  '>=': (n) => (hits) => hits >= n,
  '<': (n) => (hits) => hits < n,
  '<=': (n) => (hits) => hits <= n,
  '%': (n) => (hits) => n > 0 && hits % n === 0,
};

/** Reads a hit count such as `5`, `>= 5` or `% 10`. @throws UserError */
function parseHitCondition(text: string): HitTest {
  const m = /^\s*(==|=|>=|>|<=|<|%)?\s*([0-9]{1,9})\s*$/.exec(text);
  if (!m) throw new UserError(`"${text}" is no hit count: write 5, >= 5, < 5 or % 5 (every fifth time).`);
  return (hitTests[m[1] ?? ''] ?? hitTests[''])!(Number(m[2]));
}

type Piece = string | CheckedExpression;

/** A log message: text with expressions in braces. @throws UserError for a bad expression */
function parseLogMessage(text: string): Piece[] {
  return text
    .split(/(\{[^{}]*\})/)
    .map((part) => (part.startsWith('{') ? new CheckedExpression(part.slice(1, -1)) : part));
}

/** The text of a log message now; what cannot be evaluated is said in its place. */
function formatLogMessage(pieces: readonly Piece[], moment: Pick<Moment, 'number'>): string {
  return pieces
    .map((p) => {
      if (typeof p === 'string') return p;
      try {
        return `0x${moment.number(p).toString(16)}`;
      } catch (error) {
        return `<${error instanceof Error ? error.message : String(error)}>`;
      }
    })
    .join('');
}

export interface GuardSpec {
  readonly condition?: string;
  readonly hitCondition?: string;
  readonly logMessage?: string;
}

/** Whether a place that was reached is to be reported. Counts its hits. */
export class Guard {
  readonly condition: CheckedExpression | undefined;
  private readonly hitTest: HitTest | undefined;
  private readonly log: Piece[] | undefined;
  private hits = 0;

  /**
   * @param values names that mean something in the condition beside those of the frame
   * @throws UserError for a condition, hit count or message that cannot be read.
   */
  constructor(spec: GuardSpec, values: readonly string[] = []) {
    this.condition = spec.condition?.trim() ? new CheckedExpression(spec.condition, values) : undefined;
    this.hitTest = spec.hitCondition?.trim() ? parseHitCondition(spec.hitCondition) : undefined;
    this.log = spec.logMessage ? parseLogMessage(spec.logMessage) : undefined;
  }

  /** Called when the place is reached. A condition that cannot be evaluated stops, and says why. */
  reached(moment: Pick<Moment, 'number'>): { stop: boolean; log?: string; problem?: string } {
    if (this.condition) {
      try {
        if (moment.number(this.condition) === 0n) return { stop: false };
      } catch (error) {
        return {
          stop: true,
          problem: `The condition failed: ${error instanceof Error ? error.message : String(error)}`,
        };
      }
    }
    this.hits++;
    if (this.hitTest && !this.hitTest(this.hits)) return { stop: false };
    if (this.log) return { stop: false, log: formatLogMessage(this.log, moment) };
    return { stop: true };
  }
}
