/**
 * All rows of A64. The order matters only to the assembler: where two encodings fit the same operands, the first wins
 * (MOVZ before MOVN before ORR, shifted before extended register).
 */
import type { Row } from '../dsl/row';
import { atomicRows } from './atomic';
import { bitfieldRows } from './bitfield';
import { branchRows } from './branch';
import { conditionalRows } from './conditional';
import { crc32Rows } from './crc32';
import { dpImmediateRows } from './dp-immediate';
import { dpRegisterRows } from './dp-register';
import { dpSourcesRows } from './dp-sources';
import { exclusiveRows } from './exclusive';
import { loadStorePairRows } from './load-store-pair';
import { loadStoreRows } from './load-store';
import type { A64 } from './sem';
import { simdRows } from './simd-rows';
import { systemRows } from './system';

export const a64Rows: readonly Row<A64>[] = [
  ...dpImmediateRows,
  ...bitfieldRows,
  ...dpRegisterRows,
  ...dpSourcesRows,
  ...conditionalRows,
  ...crc32Rows,
  ...branchRows,
  ...systemRows,
  ...loadStoreRows,
  ...loadStorePairRows,
  ...exclusiveRows,
  ...atomicRows,
  ...simdRows,
];
