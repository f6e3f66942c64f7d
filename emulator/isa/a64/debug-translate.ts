/** Translation for the debugger: any regime, any virtual machine, permissions aside. */
import { common } from '../../ir/state';
import { Acc } from '../dsl/isa';
import type { DebugCpu, Translation, TranslationFault, TranslationRegime } from '../dsl/debug';
import { faultName } from './debug-syndrome';
import { Fault, Fsc } from './exception-abort';
import { RegimeCode } from './mmu';
import { sysregNamed } from './sysregs';

const codes: Readonly<Record<Exclude<TranslationRegime, 'PA'>, number>> = {
  current: 0,
  EL1: RegimeCode.el10,
  EL2: RegimeCode.el2,
  IPA: RegimeCode.stage2,
};

/** As EL0: bit of mail[2], see translateAs. */
const USER = 0x100;
/** A debugger reads what anybody may access in some way. */
const attempts: readonly number[] = [0, Acc.exec, USER, USER | Acc.exec, Acc.write, USER | Acc.write];

/** One walk; the mail is what translateAs says. */
function walk(cpu: DebugCpu, address: bigint, regime: number, access: number): Translation | number {
  const mail = (n: number): bigint => cpu.get(common.mail, n);
  const put = (n: number, v: bigint): void =>
    cpu.view.setBigUint64(cpu.block + common.mail.offset + n * common.mail.stride, v, true);
  put(0, BigInt.asUintN(64, address));
  put(1, BigInt(regime));
  put(2, BigInt(access));
  cpu.call('translateAs');
  const fault = Number(mail(0));
  if (fault !== 0) return fault;
  const what = Number(mail(2));
  return { pa: mail(1), size: what & 0xff, device: (what & 0x100) !== 0 };
}

const isPermission = (fault: number): boolean => (fault & 0x3c) === Fsc.permission;

function faultText(fault: number): TranslationFault {
  const stage = fault & Fault.stage2 ? 'stage 2' : 'stage 1';
  const during = fault & Fault.s1ptw ? ', on the stage 1 walk' : '';
  return { fault: `${stage} ${faultName(fault & Fault.fsc)}${during}` };
}

/** Runs `f` while system registers hold other values; afterwards they hold their own again. */
function withRegisters<T>(cpu: DebugCpu, registers: ReadonlyMap<string, bigint>, f: () => T): T {
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

/** See IsaDebug.translate. */
export function translateForDebugger(
  cpu: DebugCpu,
  address: bigint,
  regime: TranslationRegime,
  registers: ReadonlyMap<string, bigint> = new Map(),
): Translation | TranslationFault {
  if (regime === 'PA') return { pa: address, size: 12, device: false };
  return withRegisters(cpu, registers, () => {
    let first: number | undefined;
    for (const access of attempts) {
      const found = walk(cpu, address, codes[regime], access);
      if (typeof found !== 'number') return found;
      first ??= found;
      if (!isPermission(found)) break;
    }
    return faultText(first ?? 0);
  });
}
