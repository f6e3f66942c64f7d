/** All rows of floating point, Advanced SIMD and cryptography. */
import type { Row } from '../../dsl/row';
import { aesRows } from './crypto-aes';
import { shaRows } from './crypto-sha';
import { sha512And3Rows } from './crypto-sha512';
import { fpComplexRows } from '../fp/complex';
import { fpConversionRows } from '../fp/conversions';
import { fpHalfProductRows } from '../fp/half-products';
import { fpRoundSizedRows } from '../fp/round-sized';
import { fpScalarRows } from '../fp/scalar';
import { fpVectorRows } from '../fp/vector';
import { fpVectorUnaryRows } from '../fp/vector-unary';
import type { A64 } from '../sem';
import { simdLoadStoreRows } from './load-store';
import { simdMatrixRows } from './matrix';
import { simdMoveRows } from './move';
import { simdPermuteRows } from './permute';
import { simdShiftRows } from './shift';
import { simdThreeDifferentRows } from './three-different';
import { simdThreeSameRows } from './three-same';
import { simdUnaryRows } from './unary';

export const simdRows: readonly Row<A64>[] = [
  ...simdLoadStoreRows,
  ...simdMoveRows,
  ...simdThreeSameRows,
  ...simdThreeDifferentRows,
  ...simdShiftRows,
  ...simdUnaryRows,
  ...simdPermuteRows,
  ...fpScalarRows,
  ...fpConversionRows,
  ...fpVectorRows,
  ...fpVectorUnaryRows,
  ...fpComplexRows,
  ...fpHalfProductRows,
  ...fpRoundSizedRows,
  ...simdMatrixRows,
  ...aesRows,
  ...shaRows,
  ...sha512And3Rows,
];
