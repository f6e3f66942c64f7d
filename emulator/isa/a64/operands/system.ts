/** System registers and system operations as operands (Arm ARM DDI 0487 D17, C5.3 to C5.5). */
import type { OperandFactory, OperandHandler } from '../../dsl/operand';
import { join } from './immediate';
import { fieldAt, mismatch, wrong } from './registers';
import { otherRegister, otherRegisterAt } from './sysnames';
import { findSysreg, sysregAt } from '../sysregs';
import { systemOperations, type SystemOperation } from './sysops';

const generic = /^s([23])_([0-7])_c(\d|1[0-5])_c(\d|1[0-5])_([0-7])$/;

/** o0 is op0 - 2: only 2 and 3 exist for MRS and MSR. */
const sysreg: OperandFactory = (fields, place) => {
  const [o0 = '', op1 = '', crn = '', crm = '', op2 = ''] = fields.map((_, i) => fieldAt(fields, i).name);
  return {
    expects: 'a system register',
    parse(from, f) {
      const token = from.peek();
      if (token?.kind !== 'id') return mismatch('a system register');
      const m = generic.exec(token.lower);
      const enc = m ? m.slice(1).map(Number) : (findSysreg(token.lower)?.enc ?? otherRegister(token.lower));
      if (!enc) {
        // Names of PSTATE fields belong to MSR (immediate).
        if (/^(daifset|daifclr|spsel|pan|uao|dit|ssbs|tco)$/.test(token.lower))
          return mismatch('a system register');
        from.next();
        return wrong(
          `unknown system register '${token.text}'; one without a name here can be written as s<op0>_<op1>_c<n>_c<m>_<op2>`,
        );
      }
      from.next();
      f[o0] = (enc[0] ?? 0) - 2;
      f[op1] = enc[1];
      f[crn] = enc[2];
      f[crm] = enc[3];
      f[op2] = enc[4];
      return undefined;
    },
    print(f) {
      const enc = [(f[o0] ?? 0) + 2, f[op1] ?? 0, f[crn] ?? 0, f[crm] ?? 0, f[op2] ?? 0] as const;
      if (place.mnemonic === 'mrs' && otherRegisterAt(enc) === 'dbgdtrrx_el0') return 'dbgdtrrx_el0';
      const known = sysregAt([...enc])?.name.toLowerCase() ?? otherRegisterAt(enc);
      return known ?? `s${enc[0]}_${enc[1]}_c${enc[2]}_c${enc[3]}_${enc[4]}`;
    },
  };
};

const operationKey = (op1: number, crn: number, crm: number, op2: number): number =>
  (op1 << 11) | (crn << 7) | (crm << 3) | op2;

/** An operation of AT, DC, IC or TLBI; `takesRegister`: those with an address or another argument. */
function operation(takesRegister: boolean): OperandFactory {
  return (fields, place): OperandHandler => {
    const field = join(fields);
    const mine = systemOperations.filter(
      (o) => o.takesRegister === takesRegister && (o.instruction as string) === place.mnemonic,
    );
    const byKey = new Map<number, SystemOperation>();
    for (const o of mine) byKey.set(operationKey(...o.encoding), o);
    const expects = `an operation of ${place.mnemonic} ${takesRegister ? 'with' : 'without'} a register (${
      mine.length > 12
        ? `${mine
            .slice(0, 8)
            .map((o) => o.name)
            .join(', ')} ...`
        : mine.map((o) => o.name).join(', ')
    })`;
    const no = mismatch(expects);
    return {
      expects,
      parse(from, f) {
        const word = from.peek()?.lower ?? '';
        const o = mine.find((x) => x.name === word);
        if (!o) return no;
        from.next();
        field.set(f, operationKey(...o.encoding));
        return undefined;
      },
      print: (f) => byKey.get(field.get(f))?.name,
    };
  };
}

/** The kinds of system instructions. */
export const systemKinds: Readonly<Record<string, OperandFactory>> = {
  sysreg,
  sysop: operation(true),
  sysopx: operation(false),
};
