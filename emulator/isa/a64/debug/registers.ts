/** The registers that the debugger shows: general purpose, PSTATE, FP/SIMD, and one for each system register row. */
import { common } from '../../../ir/state';
import { bitRange } from '../../dsl/sysreg';
import type {
  DebugCpu,
  DebugField,
  DebugRegister,
  ReadRegister,
  RegisterGroup,
  RegisterScope,
} from '../../dsl/debug';
import { readSysreg, writeSysreg } from './access';
import { cpuInterfaces, hypervisorInterface } from './gicv2';
import { addressShift, fieldValues, pointerKind, viewGroups } from './values';
import { SP, state } from '../state';
import { sysregNamed, sysregs, type Sysreg } from '../sysregs';
import { spsrFields } from '../sysregs/el1';
import type { Bits } from '../../dsl/sysreg';
import type { StateField } from '../../../ir/nodes';

/** Named fields from the highest bit down. */
function fieldsOf(register: string, fields: Readonly<Record<string, Bits>>): DebugField[] {
  return Object.entries(fields)
    .map(([name, bits]) => {
      const values = fieldValues(register, name);
      const shift = addressShift(register, name);
      return {
        name,
        ...bitRange(bits),
        ...(values ? { values } : {}),
        ...(shift === undefined ? {} : { addressShift: shift }),
      };
    })
    .sort((a, b) => b.lsb - a.lsb || b.width - a.width);
}

const plain = (
  name: string,
  doc: string,
  f: StateField,
  index: number,
  points?: 'code' | 'data',
): DebugRegister => ({
  name,
  kind: 'general',
  width: 64,
  doc,
  fields: [],
  read: (cpu) => cpu.get(f, index),
  write: (cpu, v) => cpu.input(f, BigInt.asUintN(64, v), index),
  ...(points ? { points } : {}),
});

const general: readonly DebugRegister[] = [
  ...Array.from({ length: 31 }, (_, n) => plain(`x${n}`, `General-purpose register ${n}`, state.x, n)),
  plain('sp', 'Stack pointer in use', state.x, SP, 'data'),
  plain('pc', 'Address of the next instruction', common.pc, 0, 'code'),
];

/** Where PSTATE is in the CPU block, by field of SPSR. */
const pstateBits: readonly (readonly [StateField, number])[] = [
  [state.nzcv, 0],
  [state.daif, 0],
  [state.ssbs, 12],
  [state.il, 20],
  [state.ss, 21],
  [state.pan, 22],
  [state.uao, 23],
  [state.el, 2],
  [state.spsel, 0],
];

function writePstate(cpu: DebugCpu, v: bigint): void {
  const put = (f: StateField, value: bigint): void => {
    if (cpu.get(f) !== value) cpu.input(f, value);
  };
  put(state.nzcv, v & 0xf0000000n);
  put(state.daif, v & 0x3c0n);
  put(state.il, (v >> 20n) & 1n);
  put(state.ss, (v >> 21n) & 1n);
  if (cpu.features.has('PAN')) put(state.pan, (v >> 22n) & 1n);
  if (cpu.features.has('SSBS')) put(state.ssbs, (v >> 12n) & 1n);
  if (cpu.features.has('UAO')) put(state.uao, (v >> 23n) & 1n);
  // The exception level changes by exceptions only; SPSel moves the stack pointer in use.
  if ((v & 1n) !== cpu.get(state.spsel) && cpu.get(state.el) !== 0n)
    writeSysreg(cpu, sysregNamed('SPSel'), v & 1n);
}

const cpsr: DebugRegister = {
  name: 'cpsr',
  kind: 'status',
  width: 32,
  doc: 'PSTATE, in the form of SPSR_ELx',
  fields: fieldsOf('CPSR', spsrFields).filter((f) => f.name !== 'M'),
  read: (cpu) => pstateBits.reduce((v, [f, shift]) => v | (cpu.get(f) << BigInt(shift)), 0n),
  write: writePstate,
};

const vector = (n: number): DebugRegister => ({
  name: `v${n}`,
  kind: 'vector',
  width: 128,
  doc: `FP and SIMD register ${n}`,
  fields: [],
  read: (cpu) => cpu.get(state.v, 2 * n) | (cpu.get(state.v, 2 * n + 1) << 64n),
  write: (cpu, v) => {
    cpu.input(state.v, BigInt.asUintN(64, v), 2 * n);
    cpu.input(state.v, BigInt.asUintN(64, v >> 64n), 2 * n + 1);
  },
});

const vectors = Array.from({ length: 32 }, (_, n) => vector(n));

/** Registers of a device that can only be written are commands to it (EOI, SGI), not state. */
const isWritable = (r: Sysreg): boolean =>
  r.access !== 'ro' && !r.id && r.mask !== 0n && !(r.device && r.access === 'wo');

/** HCR_EL2.E2H (FEAT_VHE). */
export const isE2h = (read: ReadRegister): boolean => ((read('HCR_EL2') >> 34n) & 1n) === 1n;

function systemRegister(r: Sysreg): DebugRegister {
  const points = pointerKind(r.name);
  const plain = fieldsOf(r.name, r.fields ?? {});
  const e2h = r.e2hFields && fieldsOf(r.name, r.e2hFields);
  return {
    name: r.name,
    kind: 'system',
    width: 64,
    doc: r.doc,
    fields: plain,
    ...(e2h ? { layout: (read: ReadRegister) => (isE2h(read) ? e2h : plain) } : {}),
    ...(r.feature === undefined ? {} : { feature: r.feature }),
    ...(r.access === 'wo' ? {} : { read: (cpu: DebugCpu) => readSysreg(cpu, r) }),
    ...(isWritable(r) ? { write: (cpu: DebugCpu, v: bigint) => writeSysreg(cpu, r, v) } : {}),
    ...(points ? { points } : {}),
  };
}

/** Names that the views show: each register once. */
const shown = sysregs.filter((r) => !r.alias);
const system = new Map(sysregs.map((r) => [r.name, systemRegister(r)]));

const groupOf = (r: Sysreg): string =>
  viewGroups.find(([, pattern]) => pattern.test(`${r.group}/${r.name}`))?.[0] ?? 'Other';

function systemGroups(
  belongs: (r: Sysreg) => boolean,
  gicv2: readonly DebugRegister[] = [],
): RegisterGroup[] {
  const hidden = new Set(['PSTATE', 'FP']);
  const found = new Map<string, DebugRegister[]>();
  for (const [name] of viewGroups) if (!hidden.has(name)) found.set(name, []);
  for (const r of shown) {
    if (r.access === 'wo' || !belongs(r)) continue;
    found.get(groupOf(r))?.push(system.get(r.name)!);
  }
  found.get('GIC')?.push(...gicv2);
  const order = [
    'Trap control',
    'Translation',
    'Exception',
    'Timer',
    'GIC',
    'Thread',
    'Debug',
    'PMU',
    'ID',
    'Implementation',
  ];
  return order.flatMap((name) => {
    const registers = found.get(name) ?? [];
    return registers.length > 0 ? [{ name, registers }] : [];
  });
}

/** SP_EL2 is EL3's to read, and so is the timer of Secure state. */
const isEl3 = (r: Sysreg): boolean => r.feature?.includes('EL3') ?? false;
const isEl2 = (r: Sysreg): boolean =>
  (r.name.endsWith('_EL2') && !isEl3(r)) || /^SPSR_(irq|abt|und|fiq)$/.test(r.name);

/** The containers of the Variables pane, in their order. */
export const registerScopes: readonly RegisterScope[] = [
  {
    name: 'Registers',
    hint: 'registers',
    expensive: false,
    show: 'registers',
    groups: [{ name: 'General', registers: general }],
  },
  { name: 'PSTATE', expensive: false, show: 'fields', groups: [{ name: 'PSTATE', registers: [cpsr] }] },
  {
    name: 'FP/SIMD',
    expensive: true,
    show: 'registers',
    groups: [{ name: 'FP/SIMD', registers: [...vectors, system.get('FPCR')!, system.get('FPSR')!] }],
  },
  {
    name: 'EL1 system registers',
    expensive: true,
    show: 'groups',
    groups: systemGroups((r) => !isEl2(r) && !isEl3(r), cpuInterfaces),
  },
  {
    name: 'EL2 system registers',
    expensive: true,
    show: 'groups',
    groups: systemGroups(isEl2, hypervisorInterface),
  },
  {
    name: 'EL3 system registers',
    expensive: true,
    show: 'groups',
    groups: systemGroups(isEl3),
  },
];

const part = (name: string, register: string, width: number, doc: string): DebugRegister => ({
  name,
  kind: register.startsWith('v') ? 'vector' : 'general',
  width,
  doc,
  fields: [],
  part: { register, width },
});

/** Names that stand for a whole other register. */
const aliases: Readonly<Record<string, string>> = { fp: 'x29', lr: 'x30', pstate: 'cpsr' };

const parts: readonly DebugRegister[] = [
  ...Array.from({ length: 31 }, (_, n) => part(`w${n}`, `x${n}`, 32, `Lower half of X${n}`)),
  part('wsp', 'sp', 32, 'Lower half of SP'),
  ...(
    [
      ['q', 128],
      ['d', 64],
      ['s', 32],
      ['h', 16],
      ['b', 8],
    ] as const
  ).flatMap(([letter, width]) =>
    Array.from({ length: 32 }, (_, n) =>
      part(`${letter}${n}`, `v${n}`, width, `Lowest ${width} bits of V${n}`),
    ),
  ),
];

const all: readonly DebugRegister[] = [
  ...[...general, cpsr, ...vectors, ...system.values()],
  ...[...cpuInterfaces, ...hypervisorInterface, ...parts],
];
const byName = new Map(all.map((r) => [r.name.toLowerCase(), r]));

/** Any register by name, in any case. */
export function findRegister(name: string): DebugRegister | undefined {
  const lower = name.toLowerCase();
  return byName.get(aliases[lower]?.toLowerCase() ?? lower);
}

export const registerNames: readonly string[] = [...all.map((r) => r.name), ...Object.keys(aliases)];

/** DWARF numbers ("DWARF for the Arm 64-bit Architecture", 4.1): 0-30, 31 SP, 32 PC, 33 ELR, 64-95 V0-V31. */
export const dwarfNames: readonly string[] = Array.from({ length: 96 }, (_, n) =>
  n < 31 ? `x${n}` : n === 31 ? 'sp' : n === 32 ? 'pc' : n >= 64 ? `v${n - 64}` : '',
);

/** What frames are made of: where execution is, stacks, return addresses, and how addresses are translated. */
const frameRegisters =
  /^(pc|sp|cpsr|x29|x30|SPSel|(SP|ELR|SPSR|TTBR[01]|TCR|SCTLR|HCR|VTTBR|VTCR|TPIDR)_EL\d)$/;

export const movesFrames = (register: string): boolean =>
  frameRegisters.test(findRegister(register)?.name ?? '');
