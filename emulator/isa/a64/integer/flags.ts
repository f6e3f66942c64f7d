/** Instructions on the condition flags alone (FEAT_FlagM, FEAT_FlagM2): Arm ARM DDI 0487 C4.1.95, C6.2. */
import type { Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { row } from '../row';
import type { A64 } from '../sem';

interface Flags {
  readonly n: Val;
  readonly z: Val;
  readonly c: Val;
  readonly v: Val;
}

const current = (s: A64): Flags => {
  const f = s.nzcv();
  return { n: s.bit(f, 31), z: s.bit(f, 30), c: s.bit(f, 29), v: s.bit(f, 28) };
};

function setFlags(s: A64, { n, z, c, v }: Flags): void {
  const parts = [s.shli(n, 31), s.shli(z, 30), s.shli(c, 29), s.shli(v, 28)];
  s.setNZCV(parts.reduce((a, b) => s.or(a, b)));
}

/** SETF8, SETF16: N, Z and V as of a narrow addition, C stays. */
const setFrom = (bits: 8 | 16): Row<A64> =>
  row(
    `SETF${bits}`,
    bits === 8 ? '00111010000 000000 0 0010 rn:5 01101' : '00111010000 000000 1 0010 rn:5 01101',
    {
      asm: `setf${bits} <w:rn>`,
      feature: 'FlagM',
      doc: `Sets N, Z and V from the low ${bits} bits of a register and the one above.`,
      exec: (s, f) => {
        const x = s.x(f.rn, 0);
        const n = s.bit(x, bits - 1);
        const z = s.eqz(s.bits(x, 0, bits));
        setFlags(s, { n, z, c: current(s).c, v: s.xor(s.bit(x, bits), n) });
      },
    },
  );

export const flagRows: readonly Row<A64>[] = [
  row('CFINV', '1101010100000 000 0100 0000 000 11111', {
    asm: 'cfinv',
    feature: 'FlagM',
    doc: 'Inverts the carry flag.',
    exec: (s) => s.setNZCV(s.xor(s.nzcv(), s.i32(1 << 29))),
  }),
  row('RMIF', '10111010000 imm6:6 00001 rn:5 0 mask:4', {
    asm: 'rmif <x:rn>, #<u:imm6>, #<u:mask>',
    feature: 'FlagM',
    doc: 'Rotates a register to the right and moves its low four bits to those flags that the mask names.',
    exec: (s, f) => {
      const low = s.wrap(s.ror(s.x(f.rn), s.imm(f.imm6)));
      const mask = s.shli(s.imm(f.mask, 'i32'), 28);
      const kept = s.and(s.nzcv(), s.not(mask));
      s.setNZCV(s.or(kept, s.and(s.shli(low, 28), mask)));
    },
  }),
  setFrom(8),
  setFrom(16),
  row('XAFLAG', '1101010100000 000 0100 0000 001 11111', {
    asm: 'xaflag',
    feature: 'FlagM2',
    doc: 'Converts flags of a floating-point comparison from another form to that of Arm.',
    exec: (s) => {
      const { z, c } = current(s);
      const noCarry = s.eqz(c);
      setFlags(s, { n: s.and(noCarry, s.eqz(z)), z: s.and(z, c), c: s.or(c, z), v: s.and(noCarry, z) });
    },
  }),
  row('AXFLAG', '1101010100000 000 0100 0000 010 11111', {
    asm: 'axflag',
    feature: 'FlagM2',
    doc: 'Converts flags of a floating-point comparison from the form of Arm to another one.',
    exec: (s) => {
      const { z, c, v } = current(s);
      setFlags(s, { n: s.i32(0), z: s.or(z, v), c: s.and(c, s.eqz(v)), v: s.i32(0) });
    },
  }),
];
