/** Why a CPU stopped on an exception or on an instruction that makes one, in sentences and in numbers. */
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import type { Session } from '../session';
import { exceptionFacts } from './syndrome-items';
import { FrameNames } from './names';
import { exceptionHistory } from './history';
import { viewOf } from './stop-view';

/** What DAP's exceptionInfo says beside the stop's own description. */
export interface ExceptionExplanation {
  readonly sentences: readonly string[];
  readonly details: DP.ExceptionDetails;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** Explains the exception that a CPU has just taken, or is about to take. */
export function explainException(
  ctx: Session,
  cpu: number,
  filters: readonly string[],
): ExceptionExplanation {
  const view = viewOf(ctx);
  const frame = view.topFrame(cpu);
  const { isa, reader } = frame.registers;
  const { target } = view;
  const entered = isa.inVectors(frame.level, frame.pc, reader);
  const kind = target.arch.instructionKind(cpu);
  const held = filters.includes(kind) ? isa.explainCall(kind, frame.level, reader) : undefined;
  if (held !== undefined)
    return { sentences: [`${capital(held)}.`], details: { typeName: kind.toUpperCase() } };
  const names = new FrameNames(view, frame);
  const facts = entered
    ? exceptionFacts(names.context, frame, exceptionHistory(target.trace, target.arch))
    : undefined;
  if (!facts) return { sentences: [], details: {} };
  return {
    sentences: [facts.sentence, ...(facts.reason === undefined ? [] : [`${capital(facts.reason)}.`])],
    details: {
      typeName: facts.name,
      ...(facts.syndrome ? { evaluateName: facts.syndrome.register } : {}),
    },
  };
}
