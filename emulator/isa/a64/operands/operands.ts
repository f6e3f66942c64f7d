/** The operand kinds of A64's assembly templates; OPERANDS.md and isa/dsl/README.md list them. */
import type { AsmSyntax, OperandFactory } from '../../dsl/operand';
import { encodedKinds } from './encoded';
import { genericSpellings } from './generic';
import { immediateKinds, numberKind } from './immediate';
import { namedKinds } from './named';
import { isRegister, registerKinds } from './registers';
import { simdKinds } from './simd';
import { systemKinds } from './system';

const kinds = new Map<string, OperandFactory>(
  [registerKinds, immediateKinds, encodedKinds, namedKinds, simdKinds, systemKinds].flatMap((group) =>
    Object.entries(group),
  ),
);

/** GNU as turns an immediate that does not fit into the opposite instruction (tested against it, not documented). */
const opposites: readonly (readonly [string, string])[] = [
  ['add', 'sub'],
  ['adds', 'subs'],
  ['cmp', 'cmn'],
];

/** Scaled loads and stores whose offset needs the unscaled form (Arm ARM DDI 0487 C6.2.202: LDUR). */
const unscaled = ['ldr', 'ldrb', 'ldrh', 'ldrsb', 'ldrsh', 'ldrsw', 'str', 'strb', 'strh', 'prfm'];

/** A64 as the assembler sees it. */
export const a64Syntax: AsmSyntax = {
  kind: (name) => kinds.get(name) ?? numberKind(name),
  isReserved: isRegister,
  fallbacks: Object.fromEntries([
    ...opposites.flatMap(([a, b]) => [
      [a, { mnemonic: b, negate: true }],
      [b, { mnemonic: a, negate: true }],
    ]),
    ...unscaled.map((m) => [
      m,
      {
        mnemonic: m.replace(/^(ld|st|prf)[rm]/, (x) => (x === 'prfm' ? 'prfum' : `${x.slice(0, 2)}ur`)),
        negate: false,
      },
    ]),
  ]),
  assembleOnly: genericSpellings,
  literalSize(mnemonic, register) {
    const letter = register.charAt(0);
    if (!isRegister(register) || register.startsWith('v')) return undefined;
    if (mnemonic === 'ldrsw') return letter === 'x' || register === 'lr' || register === 'fp' ? 4 : undefined;
    if (mnemonic !== 'ldr') return undefined;
    return (
      { w: 4, s: 4, d: 8, q: 16, b: undefined, h: undefined }[letter] ??
      (/^[bh]/.test(letter) ? undefined : 8)
    );
  },
  nop: 0xd503201f,
};
