/** Joins the handlers of all areas to one table. */
import { UserError, ErrorId } from '../errors';
import type { Command, HandlerTable } from './table';

/**
 * Joins tables; every command has at most one handler.
 * @throws Error when two areas claim one command.
 */
export function joinHandlers(...tables: readonly Partial<HandlerTable>[]): HandlerTable {
  const all: Partial<Record<Command, unknown>> = {};
  for (const table of tables) {
    for (const command of Object.keys(table) as Command[]) {
      if (all[command] !== undefined) throw new Error(`two handlers for "${command}"`);
      all[command] = table[command];
    }
  }
  return all as HandlerTable;
}

/** The string that a request must have. @throws UserError */
export function requireString(value: unknown, what: string): string {
  if (typeof value === 'string') return value;
  throw new UserError(`The request needs ${what} as a string.`, ErrorId.request);
}
