/**
 * Stored system registers by the name of their field in the CPU block: for routines that the registers' own rows call,
 * which cannot ask the table that these rows make.
 */
import type { Builder } from '../../ir/builder';
import type { StateField, Val } from '../../ir/nodes';
import { layout } from './state';

function field(name: string): StateField {
  const f = layout.fields.get(name);
  if (!f) throw new Error(`there is no register ${name}`);
  return f;
}

/** The stored value. */
export const reg = (s: Builder, name: string): Val => s.get(field(name));

export const put = (s: Builder, name: string, v: Val): void => s.set(field(name), v);
