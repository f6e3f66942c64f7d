import type { Target } from '../target';
import type { Names } from './evaluate';

/** Reads little-endian memory in a CPU's current regime, page by page, without side effects. */
export function loadMemory(target: Target, cpu: number, address: bigint, bytes: number): bigint | undefined {
  let value = 0n;
  for (let i = bytes - 1; i >= 0; i--) {
    const pa = target.arch.translate(cpu, BigInt.asUintN(64, address + BigInt(i)));
    const byte = pa === undefined ? undefined : target.machine.physical.peek(pa, 1)[0];
    if (byte === undefined) return undefined;
    value = (value << 8n) | BigInt(byte);
  }
  return value;
}

const awareNumber = (n: number | undefined): bigint | undefined => (n === undefined ? undefined : BigInt(n));

/** The value of `REG`, `REG.FIELD` or a symbol. */
function lookup(target: Target, cpu: number, name: string): bigint | undefined {
  const { arch, symbols, hypervisor } = target;
  if (name === 'vcpu' || name === 'vm') return awareNumber(hypervisor?.currentVcpu(cpu)?.[name]);
  const register = arch.register(cpu, name);
  if (register !== undefined) return register;
  const dot = name.indexOf('.');
  if (dot > 0) {
    const whole = arch.register(cpu, name.slice(0, dot));
    const range =
      whole === undefined ? undefined : arch.registerField(name.slice(0, dot), name.slice(dot + 1));
    if (whole !== undefined && range !== undefined)
      return (whole >> BigInt(range.lsb)) & ((1n << BigInt(range.width)) - 1n);
  }
  return symbols.symbolByName(name)[0]?.address;
}

/** What names mean on a CPU; `values` come first (syndrome of a call that has not executed yet). */
export function namesOf(target: Target, cpu: number, values: Readonly<Record<string, bigint>> = {}): Names {
  return {
    lookup: (name) => (Object.hasOwn(values, name) ? values[name] : undefined) ?? lookup(target, cpu, name),
    load: (address, bytes) => loadMemory(target, cpu, address, bytes),
  };
}
