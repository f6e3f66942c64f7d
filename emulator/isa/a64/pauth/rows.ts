/** Pointer authentication (FEAT_PAuth): Arm ARM DDI 0487 C4.1.88, C4.1.95, C6.2 "PACIA" and others, D8.10. */
import type { Operand, Val } from '../../../ir/nodes';
import type { Row } from '../../dsl/row';
import { raisePauth } from '../exceptions/exception';
import { hasFeature } from '../features';
import { withoutTag } from '../integer/branch-address';
import { indirect, indirectCall, jumpType } from '../integer/branch-target';
import { baseAddress, encoding } from '../memory/load-store-common';
import { KeyBit } from '../mmu/context';
import { row } from '../row';
import { executeReturn } from '../system/eret';
import type { A64 } from '../sem';
import { state } from '../state';
import { getReg } from '../sysregs';
import { addPac, authenticate, computePac, strip } from './pointer';

export type KeyName = keyof typeof KeyBit;

const isData = (key: KeyName): boolean => key.startsWith('D');
const keyOf = (data: boolean, b: boolean): KeyName => `${data ? 'D' : 'I'}${b ? 'B' : 'A'}` as const;
const halves = (s: A64, key: KeyName | 'GA'): [Val, Val] => [
  getReg(s, `AP${key}KeyHi_EL1`),
  getReg(s, `AP${key}KeyLo_EL1`),
];

const trap = (s: A64): void => s.if(s.get(state.pauthTrap), () => s.raise(raisePauth));

/** The pointer as the instruction leaves it; unchanged where SCTLR_ELx does not enable the key. */
function withKey(s: A64, key: KeyName, pointer: Val, change: () => Val): Val {
  const out = s.local('authenticated', pointer);
  s.if(s.andi(s.get(state.pauth), KeyBit[key]), () => {
    trap(s);
    s.assign(out, change());
  });
  return s.read(out);
}

const sign = (s: A64, key: KeyName, pointer: Val, modifier: Val): Val =>
  withKey(s, key, pointer, () =>
    s.call(addPac, pointer, modifier, ...halves(s, key), s.i32(isData(key) ? 1 : 0)),
  );

export const authenticated = (s: A64, key: KeyName, pointer: Val, modifier: Val): Val =>
  withKey(s, key, pointer, () => {
    const error = s.i64(key.endsWith('A') ? 1 : 2);
    return s.call(authenticate, pointer, modifier, ...halves(s, key), s.i32(isData(key) ? 1 : 0), error);
  });

const PAUTH = { feature: 'PAuth' } as const;

// --- data processing ------------------------------------------------------------------------------------------------

const kinds = [false, true].flatMap((auth) =>
  [false, true].flatMap((data) => [false, true].map((b) => ({ auth, data, b }))),
);

const oneSource: readonly Row<A64>[] = kinds.flatMap(({ auth, data, b }) => {
  const stem = `${auth ? 'aut' : 'pac'}${data ? 'd' : 'i'}`;
  const letter = b ? 'b' : 'a';
  const bits = [auth, data, b].map((x) => (x ? '1' : '0')).join('');
  const change = auth ? authenticated : sign;
  const what = `${auth ? 'Checks and removes the authentication code of' : 'Adds an authentication code to'} ${
    data ? 'a data' : 'an instruction'
  } pointer, with key ${letter.toUpperCase()} and`;
  const key = keyOf(data, b);
  return [
    row(`${stem}${letter}`.toUpperCase(), encoding(`11011010110 00001 00 0 ${bits}`, 'rn:5 rd:5'), {
      ...PAUTH,
      asm: `${stem}${letter} <x:rd>, <xsp:rn>`,
      doc: `${what} a modifier.`,
      exec: (s, f) => s.setX(f.rd, change(s, key, s.x(f.rd), s.xsp(f.rn))),
    }),
    row(`${stem}z${letter}`.toUpperCase(), encoding(`11011010110 00001 00 1 ${bits} 11111`, 'rd:5'), {
      ...PAUTH,
      asm: `${stem}z${letter} <x:rd>`,
      doc: `${what} modifier zero.`,
      exec: (s, f) => s.setX(f.rd, change(s, key, s.x(f.rd), s.i64(0))),
    }),
  ];
});

const stripped = (s: A64, pointer: Val, data: boolean): Val => s.call(strip, pointer, s.i32(data ? 1 : 0));

const others: readonly Row<A64>[] = [
  ...([false, true] as const).map((data) =>
    row(data ? 'XPACD' : 'XPACI', encoding(`11011010110 00001 01 0 00 ${data ? '1' : '0'} 11111`, 'rd:5'), {
      ...PAUTH,
      asm: `${data ? 'xpacd' : 'xpaci'} <x:rd>`,
      doc: `Removes the authentication code of ${data ? 'a data' : 'an instruction'} pointer, unchecked.`,
      exec: (s, f) => s.setX(f.rd, stripped(s, s.x(f.rd), data)),
    }),
  ),
  row('PACGA', '10011010110 rm:5 001100 rn:5 rd:5', {
    ...PAUTH,
    asm: 'pacga <x:rd>, <x:rn>, <xsp:rm>',
    doc: 'Computes an authentication code of 32 bits for any value, with the generic key.',
    exec: (s, f) => {
      trap(s);
      const code = s.call(computePac, s.x(f.rn), s.xsp(f.rm), ...halves(s, 'GA'));
      s.setX(f.rd, s.andi(code, 0xffffffff00000000n));
    },
  }),
];

// --- branches -------------------------------------------------------------------------------------------------------

const letters = [
  ['a', '0'],
  ['b', '1'],
] as const;

const branches: readonly Row<A64>[] = letters.flatMap(([letter, m]) => {
  const key = keyOf(false, m === '1');
  const target = (s: A64, rn: Operand, modifier: Val): Val =>
    withoutTag(s, authenticated(s, key, s.x(rn), modifier));
  const name = (stem: string): string => `${stem}${letter}`.toUpperCase();
  const doc = (what: string): string => `${what} the authenticated address in a register (key ${name('')}).`;
  return [
    row(name('bra'), encoding(`1101011 1 000 11111 00001 ${m}`, 'rn:5 rm:5'), {
      ...PAUTH,
      asm: `bra${letter} <x:rn>, <xsp:rm>`,
      derive: jumpType,
      doc: doc('Branches to'),
      exec: (s, f) => indirect(s, target(s, f.rn, s.xsp(f.rm)), s.imm(f.type, 'i32')),
    }),
    row(`BRA${name('')}Z`, encoding(`1101011 0 000 11111 00001 ${m}`, 'rn:5 11111'), {
      ...PAUTH,
      asm: `bra${letter}z <x:rn>`,
      derive: jumpType,
      doc: doc('Branches to'),
      exec: (s, f) => indirect(s, target(s, f.rn, s.i64(0)), s.imm(f.type, 'i32')),
    }),
    row(name('blra'), encoding(`1101011 1 001 11111 00001 ${m}`, 'rn:5 rm:5'), {
      ...PAUTH,
      asm: `blra${letter} <x:rn>, <xsp:rm>`,
      flow: 'call',
      doc: doc('Calls the subroutine at'),
      exec: (s, f) => indirectCall(s, target(s, f.rn, s.xsp(f.rm))),
    }),
    row(`BLRA${name('')}Z`, encoding(`1101011 0 001 11111 00001 ${m}`, 'rn:5 11111'), {
      ...PAUTH,
      asm: `blra${letter}z <x:rn>`,
      flow: 'call',
      doc: doc('Calls the subroutine at'),
      exec: (s, f) => indirectCall(s, target(s, f.rn, s.i64(0))),
    }),
    row(name('reta'), encoding(`1101011 0 010 11111 00001 ${m}`, '11111 11111'), {
      ...PAUTH,
      asm: `reta${letter}`,
      flow: 'return',
      doc: `Returns to the authenticated address in X30, with the stack pointer as modifier (key ${name('')}).`,
      exec: (s) => s.branch(withoutTag(s, authenticated(s, key, s.xn(30), s.sp()))),
    }),
    row(name('ereta'), encoding(`1101011 0 100 11111 00001 ${m}`, '11111 11111'), {
      ...PAUTH,
      asm: `ereta${letter}`,
      flow: 'eret',
      doc: `Returns from an exception to the authenticated address in ELR_ELx (key ${name('')}).`,
      exec: (s) => executeReturn(s, (address) => authenticated(s, key, address, s.sp())),
    }),
  ];
});

// --- loads ----------------------------------------------------------------------------------------------------------

const loads: readonly Row<A64>[] = letters.flatMap(([letter, m]) => {
  const key = keyOf(true, m === '1');
  const address = (s: A64, rn: Operand, offset: Operand): Val =>
    s.add(authenticated(s, key, baseAddress(s, rn), s.i64(0)), s.imm(offset));
  const derive = (f: { readonly S: number; readonly imm9: number }): { offset: bigint } => ({
    offset: BigInt.asIntN(10, BigInt(f.S * 512 + f.imm9)) * 8n,
  });
  const name = `LDRA${letter.toUpperCase()}`;
  const doc = 'Loads a 64-bit register from an authenticated base register plus signed, scaled offset';
  return [
    row(`${name} (offset)`, encoding(`11 111 0 00 ${m}`, 'S 1 imm9:9 0 1 rn:5 rt:5'), {
      ...PAUTH,
      asm: `ldra${letter} <x:rt>, [<xsp:rn>{, #<i*8:S,imm9>}]`,
      derive,
      doc: `${doc}.`,
      exec: (s, f) => s.setX(f.rt, s.load(address(s, f.rn, f.offset), 8)),
    }),
    row(`${name} (pre-index)`, encoding(`11 111 0 00 ${m}`, 'S 1 imm9:9 1 1 rn:5 rt:5'), {
      ...PAUTH,
      asm: `ldra${letter} <x:rt>, [<xsp:rn>{, #<i*8:S,imm9>}]!`,
      derive,
      unpredictable: (f) => f.rn === f.rt && f.rn !== 31,
      doc: `${doc}, and leaves that address in the base register.`,
      exec: (s, f) => {
        const va = address(s, f.rn, f.offset);
        s.setX(f.rt, s.load(va, 8));
        s.setXsp(f.rn, va);
      },
    }),
  ];
});

// --- hints: NOPs on CPUs without the feature, where no key is enabled ---------------------------------------------------

interface Hint {
  readonly name: string;
  readonly crm: string;
  readonly op2: string;
  readonly key: KeyName;
  readonly register: 17 | 30;
  readonly modifier: (s: A64) => Val;
  readonly auth: boolean;
}

const hints: readonly Hint[] = [false, true].flatMap((auth) =>
  letters.flatMap(([letter, m]): Hint[] => {
    const stem = `${auth ? 'AUT' : 'PAC'}I${letter.toUpperCase()}`;
    const op = `${auth ? '1' : '0'}${m}`;
    const key = keyOf(false, m === '1');
    return [
      { name: `${stem}1716`, crm: '0001', op2: `${op}0`, key, register: 17, modifier: (s) => s.xn(16), auth },
      { name: `${stem}Z`, crm: '0011', op2: `${op}0`, key, register: 30, modifier: (s) => s.i64(0), auth },
      { name: `${stem}SP`, crm: '0011', op2: `${op}1`, key, register: 30, modifier: (s) => s.sp(), auth },
    ];
  }),
);

const hintRows: readonly Row<A64>[] = [
  ...hints.map((h) =>
    row(h.name, `11010101000000110010 ${h.crm} ${h.op2} 11111`, {
      asm: h.name.toLowerCase(),
      // What compilers put around every function that calls others.
      hot: h.name === 'PACIASP' || h.name === 'AUTIASP',
      doc: `${h.auth ? 'Checks and removes' : 'Adds'} the authentication code of X${h.register}; a NOP without the feature.`,
      exec: (s) => {
        s.if(s.andi(s.get(state.pauth), KeyBit[h.key]), () => {
          const change = h.auth ? authenticated : sign;
          s.setXn(h.register, change(s, h.key, s.xn(h.register), h.modifier(s)));
        });
      },
    }),
  ),
  row('XPACLRI', '11010101000000110010 0000 111 11111', {
    asm: 'xpaclri',
    doc: 'Removes the authentication code of X30, unchecked; a NOP without the feature.',
    exec: (s) => s.if(hasFeature(s, 'PAuth'), () => s.setXn(30, stripped(s, s.xn(30), false))),
  }),
];

export const pauthRows: readonly Row<A64>[] = [...oneSource, ...others, ...branches, ...loads, ...hintRows];
