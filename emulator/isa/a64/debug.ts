/** A64 as the debugger sees it: see isa/dsl/debug.ts. */
import type { InterruptedContext, IsaDebug, ReadRegister, RegimeFacts } from '../dsl/debug';
import { dwarfNames, findRegister, registerNames, registerScopes } from './debug-registers';
import { decodeSyndrome, syndromeOf } from './debug-syndrome';
import { translateForDebugger } from './debug-translate';

const bits = (v: bigint, msb: number, lsb: number): number =>
  Number((v >> BigInt(lsb)) & ((1n << BigInt(msb - lsb + 1)) - 1n));

/** SPSR.M of AArch64 (C5.2.18): EL0t, and ELxt and ELxh of the levels that exist. */
const modes = new Set([0, 4, 5, 8, 9]);

/** The VMID while stage 2 applies to EL1 and EL0: 8 bits, 16 with VTCR_EL2.VS. */
function vmidOf(read: ReadRegister): number | undefined {
  if ((read('HCR_EL2') & 1n) === 0n) return undefined;
  return bits(read('VTTBR_EL2'), bits(read('VTCR_EL2'), 19, 19) ? 63 : 55, 48);
}

function regimeOf(level: number, read: ReadRegister): RegimeFacts {
  if (level >= 2) return { level: `EL${level}`, vmid: undefined };
  return { level: 'EL1', vmid: vmidOf(read) };
}

/** What ELR and SPSR of a level say about the context below or beside it. */
function interrupted(level: number, read: ReadRegister): InterruptedContext | undefined {
  if (level < 1 || level > 2) return undefined;
  const spsr = read(`SPSR_EL${level}`);
  const elr = read(`ELR_EL${level}`);
  const from = bits(spsr, 3, 2);
  // Reset leaves both zero: nothing was interrupted. AArch32 (bit 4) is not executed here.
  if ((elr === 0n && spsr === 0n) || bits(spsr, 4, 4) !== 0 || !modes.has(bits(spsr, 3, 0)) || from > level)
    return undefined;
  // Software at EL0 has nothing to run on before a kernel gave it a stack: SPSR = 0 without ELR is no context.
  const stack = bits(spsr, 0, 0) === 0 ? 'SP_EL0' : from === level ? 'sp' : `SP_EL${from}`;
  return {
    level: from,
    pc: elr,
    registers: new Map([
      ['pc', `ELR_EL${level}`],
      ['cpsr', `SPSR_EL${level}`],
      ['sp', stack],
    ]),
  };
}

export const a64Debug: IsaDebug = {
  scopes: registerScopes,
  find: findRegister,
  names: registerNames,
  dwarf: dwarfNames,
  // AAPCS64, "The Frame Pointer": the record is the caller's X29 and X30.
  records: {
    pointer: 'x29',
    alignment: 8n,
    callerAt: 0n,
    returnAt: 8n,
    size: 16n,
    link: 'x30',
    stack: 'sp',
  },
  instructionBytes: 4,
  levelOf: (read) => bits(read('cpsr'), 3, 2),
  levelName: (level) => `EL${level}`,
  regimeOf,
  interrupted,
  syndrome: syndromeOf,
  decodeSyndrome,
  translate: translateForDebugger,
};
