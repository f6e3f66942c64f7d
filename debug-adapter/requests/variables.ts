/** variables, setVariable, setExpression, evaluate, completions. */
import type { DebugProtocol as DP } from '@vscode/debugprotocol';
import { UserError } from '../errors';
import { describe, referenceOf } from '../inspect/containers';
import { commandCompletions, runCommand } from '../inspect/console';
import { FrameEvaluator } from '../inspect/evaluate';
import type { Item } from '../inspect/items';
import { viewOf, type StopView } from '../inspect/stop-view';
import { requireString } from '../protocol/registry';
import type { HandlerTable } from '../protocol/table';
import type { Session } from '../session';

function evaluatorOf(view: StopView, frameId: number | undefined): FrameEvaluator {
  return new FrameEvaluator(view, frameId === undefined ? view.topFrame() : view.frame(frameId));
}

type Answer = DP.EvaluateResponse['body'];

function answer(view: StopView, item: Item, make: () => Item): Answer {
  const { type, memoryReference, presentationHint } = describe(item);
  return {
    result: item.value,
    ...(type === undefined ? {} : { type }),
    ...(memoryReference === undefined ? {} : { memoryReference }),
    ...(presentationHint === undefined ? {} : { presentationHint }),
    ...referenceOf(view, make, item),
  };
}

const kinds: Readonly<Record<string, DP.CompletionItemType>> = {
  field: 'field',
  variable: 'variable',
  function: 'function',
  value: 'value',
  command: 'keyword',
};

function requireContainer(ctx: Session, id: unknown): ReturnType<Session['variables']['get']> {
  // The guest may have resumed meanwhile: the handles are gone then, and say so.
  return ctx.variables.get(typeof id === 'number' ? id : 0);
}

export const handlers: Partial<HandlerTable> = {
  async variables(ctx, args) {
    const container = requireContainer(ctx, args?.variablesReference);
    return { variables: await container.variables(args) };
  },

  async setVariable(ctx, args, request) {
    const container = requireContainer(ctx, args?.variablesReference);
    if (!container.set) throw new UserError(`${args.name} cannot be changed.`);
    request.afterResponse(() => viewOf(ctx).announce());
    return container.set({ ...args, name: requireString(args.name, 'the name of a variable') });
  },

  setExpression(ctx, args, request) {
    const view = viewOf(ctx);
    request.afterResponse(() => view.announce());
    const evaluator = evaluatorOf(view, args?.frameId);
    const expression = requireString(args.expression, '"expression"');
    const item = evaluator.assign(expression, requireString(args.value, '"value"'));
    const { type, memoryReference } = describe(item);
    return {
      value: item.value,
      ...(type === undefined ? {} : { type }),
      ...(memoryReference === undefined ? {} : { memoryReference }),
      ...referenceOf(view, () => evaluator.item(expression), item),
    };
  },

  evaluate(ctx, args, request) {
    const view = viewOf(ctx);
    request.afterResponse(() => view.announce());
    const expression = requireString(args?.expression, '"expression"');
    const evaluator = evaluatorOf(view, args.frameId);
    const frame = args.frameId === undefined ? view.topFrame() : view.frame(args.frameId);
    const said = args.context === 'repl' ? runCommand({ view, frame, evaluator }, expression) : undefined;
    if (said !== undefined) return { result: said, variablesReference: 0 };
    // Looking must not change anything: assignments belong to the console.
    const assigned = args.context === 'repl' ? evaluator.assignment(expression) : undefined;
    if (assigned) return answer(view, assigned, () => assigned);
    const item = evaluator.item(expression);
    return answer(view, item, () => evaluator.item(expression));
  },

  completions(ctx, args) {
    const view = viewOf(ctx);
    const text = requireString(args?.text, '"text"');
    const shift = ctx.client?.columnsStartAt1 === false ? 0 : 1;
    // Of several lines only the one with the cursor counts.
    const lines = text.split('\n');
    const line = lines[(args.line ?? shift) - shift] ?? lines[lines.length - 1] ?? '';
    const cursor = Math.max(0, Math.min(line.length, args.column - shift));
    const before = line.slice(0, cursor);
    const word = /[\w$]*$/.exec(before)?.[0] ?? '';
    const expression = /[\w$.>[\]()-]*$/.exec(before)?.[0] ?? word;
    const targets = [
      ...commandCompletions(view, before).map((label) => ({ label, kind: 'command' as const })),
      ...evaluatorOf(view, args.frameId).completions(expression),
    ];
    return {
      targets: targets.slice(0, 200).map(({ label, kind }): DP.CompletionItem => ({
        label,
        type: kinds[kind] ?? 'text',
        start: cursor - word.length + shift,
        length: word.length,
      })),
    };
  },
};
