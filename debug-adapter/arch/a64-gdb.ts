/**
 * AArch64 as gdb describes it (GDB manual, "AArch64 Features"): the names and types that its own code looks for. The
 * system registers are features of our own, an exception level each.
 */
import { registerScopes } from '../../emulator/isa/a64/debug/registers';
import type { DebugRegister } from '../../emulator/isa/dsl/debug';

/** A register of a target description. */
export interface GdbRegister {
  readonly name: string;
  readonly bits: number;
  readonly type: string;
  /** Where `info registers GROUP` has it; absent: where gdb puts it by its type. */
  readonly group?: string;
  /** What it is here. */
  readonly register: string;
}

/** A type: a struct of bits, or a vector's views. */
interface GdbType {
  readonly id: string;
  readonly xml: string;
}

export interface GdbFeature {
  readonly name: string;
  readonly types: readonly GdbType[];
  readonly registers: readonly GdbRegister[];
}

export const architecture = 'aarch64';
/** The features of which `g` has the registers: those that gdb wants at every stop. */
export const ALWAYS_READ = 2;

const core: GdbFeature = {
  name: 'org.gnu.gdb.aarch64.core',
  types: [],
  registers: [
    ...Array.from({ length: 31 }, (_, n) => ({ name: `x${n}`, bits: 64, type: 'int', register: `x${n}` })),
    { name: 'sp', bits: 64, type: 'data_ptr', register: 'sp' },
    { name: 'pc', bits: 64, type: 'code_ptr', register: 'pc' },
    { name: 'cpsr', bits: 32, type: 'int', register: 'cpsr' },
  ],
};

/** The views of a vector, from wide lanes to narrow ones: as floating point where there is such a format, and as integers. */
const lanes = [
  { name: 'd', bits: 64, float: 'ieee_double' },
  { name: 's', bits: 32, float: 'ieee_single' },
  { name: 'h', bits: 16, float: 'ieee_half' },
  { name: 'b', bits: 8, float: undefined },
  { name: 'q', bits: 128, float: undefined },
] as const;

function vectorTypes(): GdbType[] {
  const views = lanes.flatMap(({ name, bits, float }) => {
    const fields = [
      ...(float ? [{ field: 'f', lane: float }] : []),
      { field: 'u', lane: `uint${bits}` },
      { field: 's', lane: `int${bits}` },
    ];
    const vectors = fields.map(({ field, lane }) => ({
      id: `v${name}${field}`,
      xml: `<vector id="v${name}${field}" type="${lane}" count="${128 / bits}"/>`,
    }));
    const parts = fields.map(({ field }) => `<field name="${field}" type="v${name}${field}"/>`).join('');
    return [...vectors, { id: `vn${name}`, xml: `<union id="vn${name}">${parts}</union>` }];
  });
  const all = lanes.map(({ name }) => `<field name="${name}" type="vn${name}"/>`).join('');
  return [...views, { id: 'aarch64v', xml: `<union id="aarch64v">${all}</union>` }];
}

const fpu: GdbFeature = {
  name: 'org.gnu.gdb.aarch64.fpu',
  types: vectorTypes(),
  registers: [
    ...Array.from({ length: 32 }, (_, n) => ({
      name: `v${n}`,
      bits: 128,
      type: 'aarch64v',
      register: `v${n}`,
    })),
    { name: 'fpsr', bits: 32, type: 'int', register: 'FPSR' },
    { name: 'fpcr', bits: 32, type: 'int', register: 'FPCR' },
  ],
};

/** Wider fields are addresses and numbers: a register with one is better read as a number. */
const WIDEST_FIELD = 16;

/**
 * A type that prints the names of what is set; undefined where a plain number says more, or where it may be assigned: gdb
 * refuses `set $R = 5` for such a type ("Invalid cast").
 */
function flags(r: DebugRegister): GdbType | undefined {
  const plain = r.layout !== undefined || r.fields.length === 0;
  if (plain || r.write !== undefined || r.fields.some((f) => f.width > WIDEST_FIELD)) return undefined;
  const id = `${r.name}_bits`;
  const fields = [...r.fields]
    .sort((a, b) => a.lsb - b.lsb)
    .map((f) => `<field name="${f.name}" start="${f.lsb}" end="${f.lsb + f.width - 1}"/>`);
  return { id, xml: `<flags id="${id}" size="8">${fields.join('')}</flags>` };
}

const pointers = { code: 'code_ptr', data: 'data_ptr' } as const;

function systemFeature(scope: string, level: string, exists: (r: DebugRegister) => boolean): GdbFeature {
  const group = level.toLowerCase();
  const all = (registerScopes.find((s) => s.name === scope)?.groups ?? [])
    .flatMap((g) => g.registers)
    .filter(exists);
  const typed = all.map((r) => ({ r, type: r.points ? undefined : flags(r) }));
  return {
    name: `worldswitch.${group}`,
    types: typed.flatMap(({ type }) => (type ? [type] : [])),
    registers: typed.map(({ r, type }) => ({
      name: r.name,
      bits: 64,
      type: type?.id ?? (r.points ? pointers[r.points] : 'uint64'),
      group,
      register: r.name,
    })),
  };
}

/** What gdb is told of a CPU; `exists` leaves out the system registers that its model or its board has not. */
export function gdbFeatures(exists: (r: DebugRegister) => boolean): GdbFeature[] {
  const levels = registerScopes.flatMap(({ name }) => {
    const [, level] = /^(EL\d) system registers$/.exec(name) ?? [];
    return level === undefined ? [] : [systemFeature(name, level, exists)];
  });
  return [core, fpu, ...levels.filter((f) => f.registers.length > 0)];
}
