/**
 * The registers of a GICv2 that a CPU has for itself: no system registers, but what the ICC_*, ICH_* and ICV_* of a
 * GICv3 are, and shown beside those (Arm IHI 0048B chapters 4 and 5).
 */
import { bitRange, type Bits } from '../../dsl/sysreg';
import type { DebugRegister } from '../../dsl/debug';

type Fields = Readonly<Record<string, Bits>>;

const control: Fields = { EnableGrp0: 0, EnableGrp1: 1, AckCtl: 2, FIQEn: 3, CBPR: 4, EOImode: 9 };
const interrupt: Fields = { InterruptID: [9, 0], CPUID: [12, 10] };
const priority: Fields = { Priority: [7, 0] };
const point: Fields = { BinaryPoint: [2, 0] };
const state = { 0: 'invalid', 1: 'pending', 2: 'active', 3: 'pending and active' };

/** Registers that GICC and GICV have: what follows the prefix, what it is, fields, and whether software can write it. */
const both: readonly (readonly [string, string, Fields, boolean])[] = [
  ['CTLR', 'Control of the CPU interface', control, true],
  ['PMR', 'Priority mask', priority, true],
  ['BPR', 'Binary point of group 0', point, true],
  ['IAR', 'Acknowledges an interrupt', interrupt, false],
  ['RPR', 'Running priority', priority, false],
  ['HPPIR', 'Highest priority pending interrupt', interrupt, false],
  ['ABPR', 'Binary point of group 1', point, true],
  ['AIAR', 'Acknowledges an interrupt of group 1', interrupt, false],
  ['AHPPIR', 'Highest priority pending interrupt of group 1', interrupt, false],
];

const register = (name: string, doc: string, fields: Fields, writable = true): DebugRegister => ({
  name,
  kind: 'system',
  width: 32,
  doc,
  fields: Object.entries(fields)
    .map(([field, bits]) => ({
      name: field,
      ...bitRange(bits),
      ...(field === 'State' ? { values: state } : {}),
    }))
    .sort((a, b) => b.lsb - a.lsb),
  feature: 'GICv2',
  read: (cpu) => cpu.peekDevice(name),
  ...(writable ? { write: (cpu, v) => cpu.inputDevice(name, BigInt.asUintN(32, v)) } : {}),
});

const interfaceOf = (prefix: string, who: string): DebugRegister[] =>
  both.map(([name, doc, fields, writable]) =>
    register(`${prefix}_${name}`, `${doc}${who}`, fields, writable),
  );

/** The CPU's interface and the one that its guest sees. */
export const cpuInterfaces: readonly DebugRegister[] = [
  ...interfaceOf('GICC', ''),
  ...[0, 1, 2, 3].flatMap((n) => [
    register(`GICC_APR${n}`, `Active priorities of group 0, word ${n}`, {}),
    register(`GICC_NSAPR${n}`, `Active priorities of group 1, word ${n}`, {}),
  ]),
  ...interfaceOf('GICV', ' (virtual)'),
];

/** By which a hypervisor controls the virtual interface. */
export const hypervisorInterface: readonly DebugRegister[] = [
  register('GICH_HCR', 'Control of the virtual CPU interface', {
    ...{ En: 0, UIE: 1, LRENPIE: 2, NPIE: 3, VGrp0EIE: 4, VGrp0DIE: 5, VGrp1EIE: 6, VGrp1DIE: 7 },
    EOICount: [31, 27],
  }),
  register(
    'GICH_VTR',
    'What the virtual CPU interface implements',
    { ListRegs: [5, 0], PREbits: [28, 26], PRIbits: [31, 29] },
    false,
  ),
  register('GICH_VMCR', 'Virtual machine view of the CPU interface', {
    ...{ VMGrp0En: 0, VMGrp1En: 1, VMAckCtl: 2, VMFIQEn: 3, VMCBPR: 4, VEM: 9 },
    ...{ VMABP: [20, 18], VMBP: [23, 21], VMPriMask: [31, 27] },
  }),
  register(
    'GICH_MISR',
    'Causes of the maintenance interrupt',
    { EOI: 0, U: 1, LRENP: 2, NP: 3, VGrp0E: 4, VGrp0D: 5, VGrp1E: 6, VGrp1D: 7 },
    false,
  ),
  register('GICH_EISR0', 'List registers that ask for an EOI maintenance interrupt', {}, false),
  register('GICH_ELRSR0', 'List registers that are empty', {}, false),
  register('GICH_APR', 'Active priorities of virtual interrupts', {}),
  ...[0, 1, 2, 3].map((n) =>
    register(`GICH_LR${n}`, `List register ${n}: a virtual interrupt`, {
      ...{ VirtualID: [9, 0], PhysicalID: [19, 10], EOI: 19 },
      ...{ Priority: [27, 23], State: [29, 28], Grp1: 30, HW: 31 },
    }),
  ),
];

/** A list register that is not empty, in the words of the view of interrupts; undefined for an empty one. */
export function describeListRegister(n: number, lr: bigint): string | undefined {
  const bits = (msb: number, lsb: number): number =>
    Number((lr >> BigInt(lsb)) & ((1n << BigInt(msb - lsb + 1)) - 1n));
  const how = ['', 'pending', 'active', 'pending and active'][bits(29, 28)];
  if (!how) return undefined;
  const behind = bits(31, 31)
    ? `, hardware interrupt ${bits(19, 10)}`
    : bits(9, 0) < 16
      ? `, from CPU ${bits(12, 10)}`
      : '';
  return `${bits(9, 0)} ${how} (GICH_LR${n}, priority 0x${(bits(27, 23) << 3).toString(16)}${behind})`;
}
