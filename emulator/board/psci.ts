/**
 * The firmware interface of the board: PSCI 1.1 (Arm DEN 0022) by the calling convention DEN 0028, as QEMU's `virt`
 * answers it: by SMC where EL2 exists, by HVC only where it does not.
 */
import type { MachineBus } from '../core/device';

/** Return codes (DEN 0022 5.2.2). */
const Status = {
  success: 0n,
  notSupported: -1n,
  invalidParameters: -2n,
  alreadyOn: -4n,
} as const;

interface Call {
  readonly cpu: number;
  /** Argument n (1-3), truncated to 32 bits in an SMC32 call. */
  arg(n: number): bigint;
}

/** Gives x0, or undefined when the call does not return. */
type Handler = (bus: MachineBus, call: Call) => bigint | undefined;

const SMC64 = 0x40000000;
const PSCI_VERSION = 0x84000000;
const SMCCC_VERSION = 0x80000000;

interface Row {
  readonly id: number;
  readonly name: string;
  /** Exists as an SMC64 function too. */
  readonly wide?: boolean;
  readonly run: Handler;
}

/** CPU number of the affinity fields in an MPIDR-like argument. */
function cpuOf(bus: MachineBus, mpidr: bigint): number | undefined {
  if (mpidr & ~0xffffn) return undefined;
  const cpu = Number((mpidr >> 8n) * 16n + (mpidr & 0xffn));
  return (mpidr & 0xffn) < 16n && cpu < bus.cpus ? cpu : undefined;
}

const cpuOn: Handler = (bus, call) => {
  const target = cpuOf(bus, call.arg(1));
  const entry = call.arg(2);
  if (target === undefined || entry & 3n) return Status.invalidParameters;
  if (bus.cpuOn(target)) return Status.alreadyOn;
  bus.startCpu(target, entry, call.arg(3));
  return Status.success;
};

const affinityInfo: Handler = (bus, call) => {
  const target = cpuOf(bus, call.arg(1));
  // Only level 0, a single CPU, is an affinity instance here. 0: on, 1: off.
  if (target === undefined || call.arg(2) !== 0n) return Status.invalidParameters;
  return bus.cpuOn(target) ? 0n : 1n;
};

/** power_state: StateType (bit 16) and a state number; all other bits are zero (DEN 0022 5.4.2, original format). */
const cpuSuspend: Handler = (bus, call) => {
  if (call.arg(1) & 0xfffe0000n) return Status.invalidParameters;
  // Power-down states are entered as standby, which the specification permits: the context survives.
  bus.suspendCpu(call.cpu);
  return Status.success;
};

const functions: readonly Row[] = [
  { id: SMCCC_VERSION, name: 'SMCCC_VERSION', run: () => 0x10000n },
  { id: PSCI_VERSION, name: 'PSCI_VERSION', run: () => 0x10001n },
  { id: 0x84000001, name: 'CPU_SUSPEND', wide: true, run: cpuSuspend },
  {
    id: 0x84000002,
    name: 'CPU_OFF',
    run: (bus, call) => {
      bus.stopCpu(call.cpu);
      return undefined;
    },
  },
  { id: 0x84000003, name: 'CPU_ON', wide: true, run: cpuOn },
  { id: 0x84000004, name: 'AFFINITY_INFO', wide: true, run: affinityInfo },
  // 2: no trusted OS that would have to migrate.
  { id: 0x84000006, name: 'MIGRATE_INFO_TYPE', run: () => 2n },
  {
    id: 0x84000008,
    name: 'SYSTEM_OFF',
    run: (bus, call) => {
      bus.stopCpu(call.cpu);
      bus.emit({ kind: 'poweroff', reason: `PSCI SYSTEM_OFF by CPU ${call.cpu}` });
      return undefined;
    },
  },
  {
    id: 0x84000009,
    name: 'SYSTEM_RESET',
    run: (bus, call) => {
      bus.stopCpu(call.cpu);
      bus.emit({ kind: 'reset', reason: `PSCI SYSTEM_RESET by CPU ${call.cpu}` });
      return undefined;
    },
  },
  {
    id: 0x8400000a,
    name: 'PSCI_FEATURES',
    run: (_bus, call) => (find(Number(call.arg(1))) ? Status.success : Status.notSupported),
  },
];

function find(id: number): Row | undefined {
  return functions.find((f) => f.id === id || (f.wide && f.id + SMC64 === id));
}

/** The name of a PSCI or SMCCC function, for whoever shows a firmware call. */
export function firmwareFunctionName(id: bigint): string | undefined {
  return find(Number(BigInt.asUintN(32, id)))?.name;
}

/** The instruction that reaches the firmware. */
export function conduitOf(el2: boolean): 'hvc' | 'smc' {
  return el2 ? 'smc' : 'hvc';
}

/**
 * Serves the call in x0-x3 of a CPU. A function that does not exist answers NOT_SUPPORTED (-1) in x0; so every call
 * through the board's conduit is the board's.
 */
export function psciCall(bus: MachineBus, cpu: number): void {
  const id = Number(BigInt.asUintN(32, bus.getX(cpu, 0)));
  const wide = (id & SMC64) !== 0;
  const row = find(id);
  const result = row
    ? row.run(bus, {
        cpu,
        arg: (n) => (wide ? bus.getX(cpu, n) : BigInt.asUintN(32, bus.getX(cpu, n))),
      })
    : Status.notSupported;
  if (result !== undefined) bus.setX(cpu, 0, BigInt.asUintN(64, result));
}
