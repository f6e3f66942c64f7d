/** Features of the CPU model, for routines that serve all models. Rows name theirs instead, and are left out without it. */
import type { Builder } from '../../ir/builder';
import type { Val } from '../../ir/nodes';
import { CpuFeature, state } from './state';

/** Does the CPU have the feature? 0 or 1. */
export const hasFeature = (s: Builder, name: keyof typeof CpuFeature): Val =>
  s.nei(s.andi(s.get(state.features), CpuFeature[name]), 0);

/** Bits of a register that exist on CPUs with the feature. */
export const bitsWith = (s: Builder, name: keyof typeof CpuFeature, bits: bigint): Val =>
  s.select(s.andi(s.get(state.features), CpuFeature[name]), s.i64(bits), s.i64(0));
