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
export interface GdbType {
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

/** The views of a vector, from wide lanes to narrow ones: name, [field, type of a lane, lanes]. */
const lanes = [
  ['d', [['f', 'ieee_double', 2], ['u', 'uint64', 2], ['s', 'int64', 2]]],
  ['s', [['f', 'ieee_single', 4], ['u', 'uint32', 4], ['s', 'int32', 4]]],
  ['h', [['f', 'ieee_half', 8], ['u', 'uint16', 8], ['s', 'int16', 8]]],
  ['b', [['u', 'uint8', 16], ['s', 'int8', 16]]],
  ['q', [['u', 'uint128', 1], ['s', 'int128', 1]]],
] as const; // prettier-ignore

function vectorTypes(): GdbType[] {
  const views = lanes.flatMap(([width, fields]) => {
    const vectors = fields.map(([field, lane, count]) => ({
      id: `v${width}${field}`,
      xml: `<vector id="v${width}${field}" type="${lane}" count="${count}"/>`,
    }));
    const parts = fields.map(([field]) => `<field name="${field}" type="v${width}${field}"/>`).join('');
    return [...vectors, { id: `vn${width}`, xml: `<union id="vn${width}">${parts}</union>` }];
  });
  const all = lanes.map(([width]) => `<field name="${width}" type="vn${width}"/>`).join('');
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
