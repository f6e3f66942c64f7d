/** All rows of floating point and Advanced SIMD. */
import type { Row } from '../dsl/row';
import { fpConversionRows } from './fp-conversions';
import { fpScalarRows } from './fp-scalar';
import { fpVectorRows } from './fp-vector';
import { fpVectorUnaryRows } from './fp-vector-unary';
import type { A64 } from './sem';
import { simdLoadStoreRows } from './simd-load-store';
import { simdMoveRows } from './simd-move';

export const simdRows: readonly Row<A64>[] = [
  ...simdLoadStoreRows,
  ...simdMoveRows,
  ...fpScalarRows,
  ...fpConversionRows,
  ...fpVectorRows,
  ...fpVectorUnaryRows,
];
