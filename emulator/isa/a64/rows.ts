/**
 * All rows of A64. The order matters only to the assembler: where two encodings fit the same operands, the first wins
 * (MOVZ before MOVN before ORR, shifted before extended register).
 */
import type { Row } from '../dsl/row';
import { atomicRows } from './memory/atomic';
import { bitfieldRows } from './integer/bitfield';
import { branchRows } from './integer/branch';
import { conditionalRows } from './integer/conditional';
import { crc32Rows } from './integer/crc32';
import { dpImmediateRows } from './integer/dp-immediate';
import { dpRegisterRows } from './integer/dp-register';
import { flagRows } from './integer/flags';
import { dpSourcesRows } from './integer/dp-sources';
import { exclusiveRows } from './memory/exclusive';
import { orderedRows } from './memory/ordered';
import { loadStorePairRows } from './memory/load-store-pair';
import { loadStoreRows } from './memory/load-store';
import type { A64 } from './sem';
import { pauthRows } from './pauth/rows';
import { simdRows } from './simd/rows';
import { systemRows } from './system/system';

export const a64Rows: readonly Row<A64>[] = [
  ...dpImmediateRows,
  ...bitfieldRows,
  ...dpRegisterRows,
  ...dpSourcesRows,
  ...conditionalRows,
  ...crc32Rows,
  ...branchRows,
  ...pauthRows,
  ...flagRows,
  ...systemRows,
  ...loadStoreRows,
  ...loadStorePairRows,
  ...exclusiveRows,
  ...atomicRows,
  ...orderedRows,
  ...simdRows,
];
