/** A64 as the debugger sees it: see isa/dsl/debug.ts. */
import type { InterruptedContext, IsaDebug, ReadRegister, RegimeFacts } from '../../dsl/debug';
import { describeListRegister } from './gicv2';
import { dwarfNames, findRegister, isE2h, movesFrames, registerNames, registerScopes } from './registers';
import { decodeSyndrome, syndromeOf } from './syndrome';
import { exceptionClassNumbers } from './syndrome-names';
import { translateForDebugger } from './translate';
import { framePlan } from './prologue';
import { unsignedCode } from './signed-code';
import { explainTranslation } from './walk';
import { explainRoute, type ExceptionName } from '../exceptions/routes';

const bits = (v: bigint, msb: number, lsb: number): number =>
  Number((v >> BigInt(lsb)) & ((1n << BigInt(msb - lsb + 1)) - 1n));

/** SPSR.M of AArch64 (C5.2.18): EL0t, and ELxt and ELxh of the others. */
const modes = new Set([0, 4, 5, 8, 9, 12, 13]);

/** Below EL3 is Secure state, in which EL2 is not enabled. */
const isSecure = (read: ReadRegister): boolean =>
  bits(read('ID_AA64PFR0_EL1'), 15, 12) !== 0 && (read('SCR_EL3') & 1n) === 0n;

/** The VMID while stage 2 applies to EL1 and EL0: 8 bits, 16 with VTCR_EL2.VS. */
function vmidOf(read: ReadRegister): number | undefined {
  if ((read('HCR_EL2') & 1n) === 0n || isSecure(read)) return undefined;
  return bits(read('VTTBR_EL2'), bits(read('VTCR_EL2'), 19, 19) ? 63 : 55, 48);
}

/** The ASID in use: of TTBR1_EL1 if TCR_EL1.A1 (bit 22), 8 bits or with AS (bit 36) 16. */
function asidOf(read: ReadRegister): number {
  const tcr = read('TCR_EL1');
  return bits(read(bits(tcr, 22, 22) ? 'TTBR1_EL1' : 'TTBR0_EL1'), bits(tcr, 36, 36) ? 63 : 55, 48);
}

/** EL0 of a host (HCR_EL2.E2H and TGE) belongs to EL2&0, the address space of EL2. */
function regimeOf(level: number, read: ReadRegister): RegimeFacts {
  if (level === 0 && isE2h(read) && bits(read('HCR_EL2'), 27, 27) === 1)
    return { level: 'EL2', vmid: undefined, asid: undefined };
  if (level >= 2) return { level: `EL${level}`, vmid: undefined, asid: undefined };
  return { level: 'EL1', vmid: vmidOf(read), asid: asidOf(read) };
}

/** What ELR and SPSR of a level say about the context below or beside it. */
function interrupted(level: number, read: ReadRegister): InterruptedContext | undefined {
  if (level < 1) return undefined;
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

/** BL (C6.2.33), BLR (C6.2.34), BLRAA and its kin (C6.2.35). */
function callTarget(word: number, address: bigint): bigint | 'indirect' | undefined {
  if ((word & 0xfffffc1f) >>> 0 === 0xd63f0000 || (word & 0xfefff800) >>> 0 === 0xd63f0800) return 'indirect';
  if ((word & 0xfc000000) >>> 0 !== 0x94000000) return undefined;
  return BigInt.asUintN(64, address + BigInt.asIntN(28, BigInt(word & 0x3ffffff) << 2n));
}

const interrupts: Readonly<Record<string, ExceptionName>> = { IRQ: 'irq', FIQ: 'fiq' };

const calls: Readonly<Record<string, ExceptionName>> = { hvc: 'hvc', smc: 'smc', svc: 'svc' };

function explainInterrupt(name: string, from: number, to: number, read: ReadRegister): string | undefined {
  const row = interrupts[name];
  const explained = row && explainRoute(row, from, read);
  return explained?.to === to ? explained.why : undefined;
}

/** List registers that are not empty (ICH_LR<n>_EL2, IHI 0069 12.4.8, or GICH_LR<n>), and the virtual interrupts of HCR_EL2. */
function pendingInterrupts(read: (name: string) => bigint | undefined): string[] {
  const found: string[] = [];
  for (let n = 0; n < 16; n++) {
    const lr = read(`ICH_LR${n}_EL2`) ?? 0n;
    const state = ['', 'pending', 'active', 'pending and active'][bits(lr, 63, 62)];
    if (!state) continue;
    const hardware = bits(lr, 61, 61) ? `, hardware interrupt ${bits(lr, 44, 32)}` : '';
    found.push(
      `${bits(lr, 31, 0)} ${state} (ICH_LR${n}_EL2, priority 0x${bits(lr, 55, 48).toString(16)}${hardware})`,
    );
  }
  for (let n = 0; n < 4; n++) {
    const text = describeListRegister(n, read(`GICH_LR${n}`) ?? 0n);
    if (text !== undefined) found.push(text);
  }
  const hcr = read('HCR_EL2') ?? 0n;
  const lines = [
    [6, 'virtual FIQ (HCR_EL2.VF)'],
    [7, 'virtual IRQ (HCR_EL2.VI)'],
    [8, 'virtual SError (HCR_EL2.VSE)'],
  ] as const;
  return [...found, ...lines.flatMap(([bit, text]) => (bits(hcr, bit, bit) ? [text] : []))];
}

export const a64Debug: IsaDebug = {
  scopes: registerScopes,
  find: findRegister,
  names: registerNames,
  movesFrames,
  dwarf: dwarfNames,
  // AAPCS64, "The Frame Pointer": the record is the caller's X29 and X30.
  records: {
    pointer: 'x29',
    alignment: 8n,
    callerAt: 0n,
    returnAt: 8n,
    link: 'x30',
    stack: 'sp',
  },
  floating: [...Array.from({ length: 32 }, (_, n) => `v${n}`), 'FPCR', 'FPSR'],
  // Procedure Call Standard (AAPCS64) 6.1.1.
  preserved: new Set(Array.from({ length: 11 }, (_, n) => `x${19 + n}`)),
  instructionBytes: 4,
  callTarget,
  framePlan,
  unsignedCode,
  // A table has 16 entries of 128 bytes (D1.13.2).
  inVectors: (level, pc, read) =>
    level > 0 && pc - read(`VBAR_EL${level}`) >= 0n && pc - read(`VBAR_EL${level}`) < 0x800n,
  levelOf: (read) => bits(read('cpsr'), 3, 2),
  levelName: (level) => `EL${level}`,
  regimeOf,
  interrupted,
  syndrome: syndromeOf,
  constants: exceptionClassNumbers,
  decodeSyndrome,
  isTranslating: (level, read) => level > 0 && (read(`SCTLR_EL${level}`) & 1n) === 1n,
  explainInterrupt,
  explainCall: (instruction, level, read) => {
    const row = calls[instruction];
    return row && explainRoute(row, level, read)?.why;
  },
  // HCR_EL2.VM and DC.
  withoutVirtualMachine: (read) => new Map([['HCR_EL2', read('HCR_EL2') & ~0x1001n]]),
  // HCR_EL2.VM and not DC or TGE.
  withVirtualMachine: (read) => new Map([['HCR_EL2', (read('HCR_EL2') & ~0x8001000n) | 1n]]),
  pendingInterrupts,
  translate: translateForDebugger,
  explainTranslation,
};
