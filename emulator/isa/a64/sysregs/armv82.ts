/** Registers of features that Armv8.1 and Armv8.2 added: RAS without error records, LORegions without regions. */
import type { Builder } from '../../../ir/builder';
import type { Val } from '../../../ir/nodes';
import { sysreg, type Encoding, type SysregRow, type SysregSpec } from '../../dsl/sysreg';
import { state } from '../state';

/** DISR_EL1 and VDISR_EL2: A, and the syndrome of the SError. */
const deferred = {
  fields: { A: 31, IDS: 24, AET: [12, 10], EA: 9, DFSC: [5, 0] },
  mask: 0x81ffffffn,
} as const satisfies Partial<SysregSpec>;

const lor = (name: string, enc: Encoding, doc: string, more: Partial<SysregSpec> = {}): SysregRow =>
  sysreg(name, enc, {
    min: 1,
    doc,
    feature: 'LOR',
    // LORID_EL1 says that there are no regions: so the others are RES0 (Arm ARM DDI 0487 D17.2.93).
    mask: 0n,
    trap: [{ when: 'HCR_EL2.TLOR', from: [1], to: 2 }],
    ...more,
  });

/** At EL1, under an EL2 that is enabled. */
const belowEl2 = (s: Builder): Val => s.and(s.eqi(s.get(state.el), 1), s.eqz(s.get(state.el2Off)));

export const armv82Registers: readonly SysregRow[] = [
  sysreg('DISR_EL1', [3, 0, 12, 1, 1], {
    min: 1,
    doc: 'SError that ESB deferred',
    feature: 'RAS',
    ...deferred,
    // With HCR_EL2.AMO, EL1 sees the virtual SError's (D17.4.2).
    read: (s, r) => {
      const virtual = s.and(belowEl2(s), s.bit(r.get('HCR_EL2'), 5));
      return s.select(virtual, r.get('VDISR_EL2'), r.get('DISR_EL1'));
    },
    write: (s, v, r) => {
      const virtual = s.and(belowEl2(s), s.bit(r.get('HCR_EL2'), 5));
      const kept = s.andi(v, deferred.mask);
      s.if(
        virtual,
        () => r.set('VDISR_EL2', kept),
        () => r.set('DISR_EL1', kept),
      );
    },
  }),
  sysreg('VDISR_EL2', [3, 4, 12, 1, 1], {
    min: 2,
    doc: 'Virtual SError that ESB deferred: what EL1 reads as DISR_EL1',
    feature: 'RAS',
    ...deferred,
  }),
  sysreg('VSESR_EL2', [3, 4, 5, 2, 3], {
    min: 2,
    doc: 'Syndrome of the virtual SError that HCR_EL2.VSE injects',
    feature: 'RAS',
    fields: { IDS: 24, ISS: [23, 0] },
    mask: 0x1ffffffn,
  }),
  // No error records: the registers that would select and show one are UNDEFINED, as D17.4.3 permits.
  sysreg('ERRIDR_EL1', [3, 0, 5, 3, 0], {
    min: 1,
    access: 'ro',
    doc: 'Number of error records',
    feature: 'RAS',
    fields: { NUM: [15, 0] },
    trap: [{ when: 'HCR_EL2.TERR', from: [1], to: 2 }],
  }),
  lor('LORSA_EL1', [3, 0, 10, 4, 0], 'Start address of a limited ordering region'),
  lor('LOREA_EL1', [3, 0, 10, 4, 1], 'End address of a limited ordering region'),
  lor('LORN_EL1', [3, 0, 10, 4, 2], 'Number of the region that LORC_EL1 selects'),
  lor('LORC_EL1', [3, 0, 10, 4, 3], 'Control of limited ordering regions'),
  lor('LORID_EL1', [3, 0, 10, 4, 7], 'How many limited ordering regions there are', {
    access: 'ro',
    fields: { LD: [23, 16], LR: [7, 0] },
  }),
];
