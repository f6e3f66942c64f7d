/** `monitor` (qRcmd): the commands and expressions of the Debug Console, and the address space of gdb's memory. */
import { sentenceOf, UserError } from '../errors';
import { formatSpace, parseSpace } from '../inspect/address-space';
import { commandNames, runCommand } from '../inspect/console';
import { FrameEvaluator } from '../inspect/evaluate';
import { partsOf } from '../inspect/items';
import { viewOf } from '../inspect/stop-view';
import type { GdbClient } from './client';

const SPACE = `space [SPACE]  where gdb's memory commands read and write: EL1, EL2, EL1,vmid=1, IPA(1) or PA; "current" (the default) follows the CPU`;

function space(c: GdbClient, wanted: string): string {
  if (wanted !== '') c.space = wanted === 'current' ? undefined : parseSpace(wanted);
  // gdb keeps what it has read.
  const note = wanted === '' ? '' : '; "maintenance flush dcache" makes gdb read memory again';
  return `Memory is that of ${c.space ? formatSpace(c.space) : 'the regime of the CPU'}${note}.`;
}

function evaluate(c: GdbClient, text: string): string {
  const view = viewOf(c.session);
  const frame = view.topFrame(c.cpu);
  const evaluator = new FrameEvaluator(view, frame);
  const said = runCommand({ view, frame, evaluator }, text);
  if (said !== undefined) return said;
  const assigned = evaluator.assignment(text);
  if (assigned) c.hooks.changed();
  const item = assigned ?? evaluator.item(text);
  const parts = item.parts ? partsOf(item, {}).map((p) => `  ${p.name} = ${p.value}`) : [];
  return [item.value, ...parts].join('\n');
}

/** What a monitor command answers; a mistake is a sentence too. */
export function runMonitor(c: GdbClient, command: string): string {
  const text = command.trim();
  const [, wanted] = /^space(?:\s+(.*))?$/s.exec(text) ?? [];
  try {
    if (/^space(\s|$)/.test(text)) return space(c, wanted?.trim() ?? '');
    if (text === 'help space') return SPACE;
    if (text === '' || text === 'help') return `${evaluate(c, 'help')}\n${SPACE}`;
    return evaluate(c, text);
  } catch (error) {
    if (error instanceof UserError) return error.message;
    // Expressions have errors of their own; nothing of it may end the session.
    return `${sentenceOf(error)} (commands: ${[...commandNames, 'space'].join(', ')})`;
  }
}
