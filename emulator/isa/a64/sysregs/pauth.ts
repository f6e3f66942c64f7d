/** The keys of pointer authentication (FEAT_PAuth, Arm ARM DDI 0487 D17.2.16 on): 128 bits each, in two registers. */
import { sysreg, type SysregRow } from '../../dsl/sysreg';

const keys = [
  ['IA', 1, 0, 'Key A for instruction pointers'],
  ['IB', 1, 2, 'Key B for instruction pointers'],
  ['DA', 2, 0, 'Key A for data pointers'],
  ['DB', 2, 2, 'Key B for data pointers'],
  ['GA', 3, 0, 'Key of PACGA'],
] as const;

export const pauthRegisters: readonly SysregRow[] = keys.flatMap(([key, crm, op2, doc]) =>
  (['Lo', 'Hi'] as const).map((half, n) =>
    sysreg(`AP${key}Key${half}_EL1`, [3, 0, 2, crm, op2 + n], {
      min: 1,
      doc: `${doc}, bits ${n ? '127-64' : '63-0'}`,
      feature: 'PAuth',
      trap: [{ when: '!HCR_EL2.APK', from: [1], to: 2 }],
    }),
  ),
);
