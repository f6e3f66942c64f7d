/**
 * Access flag and dirty state that hardware keeps in descriptors (FEAT_HAFDBS, Arm ARM DDI 0487 D8.4.6). A walk changes
 * them only when nothing else is in the way of the access, and never for AT or for a debugger.
 */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { Acc } from '../../dsl/isa';
import { hasFeature } from '../features';
import { hostCalls } from '../host-calls';
import { swap64, type Leaf } from './walk';
import { state } from '../state';

/** Bits of descriptors: access flag, DBM; bit 7 is AP[2] (read-only) of stage 1 and S2AP[1] (writable) of stage 2. */
const AF = 1n << 10n;
const DBM = 51;
const AP = 1n << 7n;

export interface Kept {
  /** The access flag is clear, and hardware does not set it. */
  readonly accessFault: Val;
  /** The descriptor with the permission that DBM gives: writable, though it is clean. */
  readonly effective: Val;
  /** Writes the descriptor back where the access changes it; `physical` as in a walk, for a write. */
  readonly update: (acc: Val, big: Val, physical: (address: Val) => Val) => void;
}

/** What hardware does with a leaf; `ha` and `hd` are the controls in TCR. */
export function keepState(s: Builder, stage: 1 | 2, leaf: Leaf, ha: Val, hd: Val): Kept {
  const d = leaf.descriptor;
  const setsFlag = s.and(hasFeature(s, 'HAFDBS'), ha);
  const idle = s.eqz(s.wrap(s.bits(d, 10, 1)));
  const readOnly = stage === 1 ? s.bit(d, 7) : s.eqz(s.bit(d, 7));
  const clean = s.and(s.and(setsFlag, hd), s.and(s.bit(d, DBM), readOnly));
  const dirty = stage === 1 ? s.andi(d, ~AP) : s.ori(d, AP);
  const effective = s.select(clean, dirty, d);
  return {
    accessFault: s.and(idle, s.eqz(setsFlag)),
    effective,
    update: (acc, big, physical) => {
      const writes = s.eqi(s.andi(acc, Acc.write | Acc.cacheMaintenance), Acc.write);
      const soils = s.and(clean, writes);
      const due = s.and(s.or(idle, soils), s.eqz(s.andi(acc, Acc.peek)));
      s.if(due, () => {
        const value = s.ori(s.select(soils, dirty, d), AF);
        const pa = physical(leaf.address);
        s.set(state.descriptorPa, pa);
        s.set(state.descriptor, s.select(big, swap64(s, value), value));
        s.call(hostCalls.writeDescriptor, s.cpu());
      });
    },
  };
}
