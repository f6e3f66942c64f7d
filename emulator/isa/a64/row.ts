/** The `row` function of A64. */
import { rowMaker } from '../dsl/row';
import type { A64 } from './sem';

export const row = rowMaker<A64>();
