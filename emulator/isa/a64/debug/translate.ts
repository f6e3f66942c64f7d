/** Translation for the debugger: any regime, any virtual machine, permissions aside. */
import { common } from '../../../ir/state';
import { Acc } from '../../dsl/isa';
import type { DebugCpu, Translation, TranslationFault, TranslationRegime } from '../../dsl/debug';
import { faultName } from './syndrome-names';
import { Fault, Fsc } from '../exceptions/abort';
import { RegimeCode } from '../mmu/mmu';
import { sysregNamed } from '../sysregs';

const codes: Readonly<Record<Exclude<TranslationRegime, 'PA'>, number>> = {
  current: 0,
  EL1: RegimeCode.el10,
  'EL1 stage 1': RegimeCode.el10Stage1,
  EL2: RegimeCode.el2,
  EL3: RegimeCode.el3,
  IPA: RegimeCode.stage2,
};

/** As EL0: bit of mail[2], see translateAs. */
export const USER = 0x100;
/** A debugger reads what anybody may access in some way. */
const attempts: readonly number[] = [0, Acc.exec, USER, USER | Acc.exec, Acc.write, USER | Acc.write];

/** What translation needs of a CPU. */
export type TranslatingCpu = Pick<DebugCpu, 'view' | 'block' | 'get' | 'call'>;

/** Elements of the mail that translateAs reads and writes. */
const MAIL = 4;

const putMail = (cpu: TranslatingCpu, n: number, v: bigint): void =>
  cpu.view.setBigUint64(cpu.block + common.mail.offset + n * common.mail.stride, v, true);

/** With HCR_EL2.E2H the address space of EL2 is that of EL2&0. */
const isE2h = (cpu: TranslatingCpu): boolean =>
  ((cpu.get(sysregNamed('HCR_EL2').storage!.field) >> 34n) & 1n) === 1n;

/** One walk; the mail is what translateAs says. */
export function walk(
  cpu: TranslatingCpu,
  address: bigint,
  regime: number,
  access: number,
): Translation | number {
  const mail = (n: number): bigint => cpu.get(common.mail, n);
  putMail(cpu, 0, BigInt.asUintN(64, address));
  putMail(cpu, 1, BigInt(regime));
  putMail(cpu, 2, BigInt(access));
  cpu.call('translateAs');
  const fault = Number(mail(0));
  if (fault !== 0) return fault;
  const what = Number(mail(2));
  return { pa: mail(1), size: what & 0xff, device: (what & 0x100) !== 0 };
}

/** Runs `f`; the mail stays as it was: an instruction may be executing (a fetch hook, an event). */
export function keepingMail<T>(cpu: TranslatingCpu, f: () => T): T {
  const kept = Array.from({ length: MAIL }, (_, n) => cpu.get(common.mail, n));
  try {
    return f();
  } finally {
    kept.forEach((v, n) => putMail(cpu, n, v));
  }
}

const isPermission = (fault: number): boolean => (fault & 0x3c) === Fsc.permission;

/** A translation fault in words: the stage, what is wrong, and whether the stage 1 walk met it. */
export function faultText(fault: number): TranslationFault {
  const stage = fault & Fault.stage2 ? 'stage 2' : 'stage 1';
  const during = fault & Fault.s1ptw ? ', on the stage 1 walk' : '';
  return { fault: `${stage} ${faultName(fault & Fault.fsc)}${during}` };
}

/** Runs `f` while system registers hold other values; afterwards they hold their own again. */
export function withRegisters<T>(cpu: TranslatingCpu, registers: ReadonlyMap<string, bigint>, f: () => T): T {
  const kept: (() => void)[] = [];
  try {
    for (const [name, value] of registers) {
      const storage = sysregNamed(name).storage;
      if (storage?.field.bytes !== 8) continue;
      const at = cpu.block + storage.field.offset + storage.index * storage.field.stride;
      const old = cpu.view.getBigUint64(at, true);
      kept.push(() => cpu.view.setBigUint64(at, old, true));
      cpu.view.setBigUint64(at, BigInt.asUintN(64, value), true);
    }
    return f();
  } finally {
    for (const restore of kept.reverse()) restore();
  }
}

/** The first of the attempts that succeeds, or the fault of the first. */
function attempt(cpu: TranslatingCpu, address: bigint, regime: number): Translation | TranslationFault {
  let first: number | undefined;
  for (const access of attempts) {
    const found = walk(cpu, address, regime, access);
    if (typeof found !== 'number') return found;
    first ??= found;
    if (!isPermission(found)) break;
  }
  return faultText(first ?? 0);
}

const noRegisters: ReadonlyMap<string, bigint> = new Map();

/** The `regime` argument of translateAs. */
export const regimeCode = (cpu: TranslatingCpu, regime: Exclude<TranslationRegime, 'PA'>): number =>
  regime === 'EL2' && isE2h(cpu) ? RegimeCode.el20 : codes[regime];

/** See IsaDebug.translate. */
export function translateForDebugger(
  cpu: TranslatingCpu,
  address: bigint,
  regime: TranslationRegime,
  registers = noRegisters,
): Translation | TranslationFault {
  if (regime === 'PA') return { pa: address, size: 12, device: false };
  const code = regimeCode(cpu, regime);
  return keepingMail(cpu, () => withRegisters(cpu, registers, () => attempt(cpu, address, code)));
}
