/** What an exception was, from ESR_ELx, FAR_ELx and HPFAR_EL2 (Arm ARM DDI 0487 D17.2.37), in fields and in words. */
import type { ReadRegister, Syndrome, SyndromeDetail } from '../../dsl/debug';
import { bitRange, genericName, type Bits, type Encoding, type TrapRule } from '../../dsl/sysreg';
import { className, faultBrief, faultName } from './syndrome-names';
import { Fault, Fsc } from '../exceptions/abort';
import { explainRoute, type ExceptionName } from '../exceptions/routes';
import { sysregAt } from '../sysregs';
import { explainControl } from '../sysregs/controls';

const hex = (v: bigint): string => `0x${v.toString(16)}`;
const article = (el: number): string => `EL${el}`;

// --- what each class of exception says --------------------------------------------------------------------------------

type IssFields = Readonly<Record<string, Bits>>;

/** What the syndrome alone says. */
interface Iss {
  readonly ec: number;
  /** A field of the ISS by name; zero where the class has no such field. */
  readonly f: (name: string) => number;
}

interface Facts extends Iss {
  /** Where the exception came from and where it went. */
  readonly from: number;
  readonly to: number;
  readonly far: bigint;
  readonly ipa: bigint | undefined;
  readonly read: ReadRegister;
}

interface ClassRow {
  readonly ecs: readonly number[];
  readonly fields: IssFields;
  /** Short name: `HVC #0`. */
  readonly name: (x: Iss) => string;
  /** For a line of the trace, which says the levels and addresses itself; default: the name. */
  readonly brief?: (x: Iss) => string;
  /** The sentence; default: `NAME at EL1`. */
  readonly sentence?: (x: Facts) => string;
  /** Fields whose values have names. */
  readonly texts?: Readonly<Record<string, (value: number) => string>>;
  /** The rows of the routing table that say why it was taken where it was. */
  readonly route?: (x: Facts) => ExceptionName;
  readonly reason?: (x: Facts) => string | undefined;
  /** FAR is valid. */
  readonly far?: boolean;
}

const abortFields: IssFields = { SET: [12, 11], FnV: 10, EA: 9, S1PTW: 7 };
const abortTexts = {
  DFSC: faultName,
  IFSC: faultName,
  S1PTW: (v: number) => (v ? 'on the walk of stage 1' : ''),
  SAS: (v: number) => `${1 << v} bytes`,
  SRT: (v: number) => `register ${v}`,
  SF: (v: number) => (v ? '64-bit register' : '32-bit register'),
  WnR: (v: number) => (v ? 'write' : 'read'),
};
const conditionFields: IssFields = { CV: 24, COND: [23, 20] };
const call: IssFields = { imm16: [15, 0] };
const registerFields: IssFields = {
  Op0: [21, 20],
  Op2: [19, 17],
  Op1: [16, 14],
  CRn: [13, 10],
  Rt: [9, 5],
  CRm: [4, 1],
  Direction: 0,
};

const encodingOf = ({ f }: Iss): Encoding => [f('Op0'), f('Op1'), f('CRn'), f('CRm'), f('Op2')];

const accessedName = (x: Iss): string => sysregAt(encodingOf(x))?.name ?? genericName(encodingOf(x));

function accessText(x: Iss): string {
  const enc = encodingOf(x);
  const register = `X${x.f('Rt')}`.replace('X31', 'XZR');
  if (enc[0] === 1) return `system instruction ${genericName(enc)}, ${register}`;
  const name = accessedName(x);
  return x.f('Direction') ? `MRS ${register}, ${name}` : `MSR ${name}, ${register}`;
}

/** The trap rule of a register's row that holds now. */
function accessReason(x: Facts): string | undefined {
  const row = sysregAt(encodingOf(x));
  const direction = x.f('Direction') ? 'r' : 'w';
  const fits = (t: TrapRule): boolean =>
    t.to === x.to &&
    (t.dir === undefined || t.dir === direction) &&
    (t.from ?? [0, 1].slice(0, t.to)).includes(x.from) &&
    [t.when].flat().every((c) => explainControl(c, x.read).holds);
  const rule = row?.trap?.find(fits);
  if (!rule) return undefined;
  const because = [rule.when].flat().map((c) => explainControl(c, x.read).text);
  return `${because.join(', ')}: ${accessText(x)} at EL${x.from} is taken to EL${x.to}, EC 0x18`;
}

const stageOf = (x: Facts): string => (x.ipa === undefined ? '' : 'stage 2 ');

function abortPlace(x: Facts): string {
  if (x.f('FnV')) return ' at an unknown address';
  const ipa = x.ipa === undefined ? '' : ` (IPA ${hex(x.ipa)})`;
  return ` at ${hex(x.far)}${ipa}`;
}

function dataAbortText(x: Facts): string {
  const what = x.f('CM') ? 'cache maintenance' : x.f('WnR') ? 'write' : 'read';
  const bytes = x.f('ISV') ? ` of ${1 << x.f('SAS')} byte${x.f('SAS') ? 's' : ''}` : '';
  const register = x.f('ISV') ? ` with ${x.f('SF') ? 'X' : 'W'}${x.f('SRT')}` : '';
  const walk = x.f('S1PTW') ? ' on the walk of stage 1' : '';
  return `${what}${bytes}${register}${abortPlace(x)}: ${stageOf(x)}${faultName(x.f('DFSC'))}${walk}`;
}

const abortBrief = (what: string, x: Iss, code: number): string =>
  `${what}, ${faultBrief(code)}${x.f('S1PTW') ? ' on a stage 1 walk' : ''}`;

function dataAbortBrief(x: Iss): string {
  const what = x.f('CM') ? 'by cache maintenance' : x.f('WnR') ? 'write' : 'read';
  return abortBrief(`data abort ${what}`, x, x.f('DFSC'));
}

/** Synchronous external aborts, on a walk (0b0101xx) or not (0b010000). */
const isExternal = (code: number): boolean => (code & 0x38) === Fsc.external;

const waits = ['WFI', 'WFE', 'WFIT', 'WFET'];
const waitName = (x: Iss): string => waits[x.f('TI')] ?? 'WFI';

const simple = (ec: number, more: Partial<ClassRow> = {}): ClassRow => ({
  ecs: [ec],
  fields: {},
  name: () => className(ec),
  ...more,
});

const classes: readonly ClassRow[] = [
  // A64 code gives no other reason for this class.
  simple(0x00, { name: () => 'undefined instruction', route: () => 'undefined' }),
  {
    ecs: [0x01],
    fields: { ...conditionFields, TI: [1, 0] },
    name: waitName,
    texts: { TI: (v) => waits[v] ?? '' },
    route: (x) => (x.f('TI') ? 'wfe' : 'wfi'),
  },
  simple(0x07, { fields: conditionFields, route: () => 'fp' }),
  simple(0x0e, { route: () => 'illegalState' }),
  ...(
    [
      [0x15, 'svc'],
      [0x16, 'hvc'],
      [0x17, 'smc'],
    ] as const
  ).map(([ec, route]) =>
    simple(ec, { fields: call, name: (x) => `${className(ec)} #${x.f('imm16')}`, route: () => route }),
  ),
  {
    ecs: [0x18],
    fields: registerFields,
    name: accessText,
    brief: (x) => `${x.f('Direction') ? 'MRS' : 'MSR'} ${accessedName(x)}`,
    texts: { Direction: (v) => (v ? 'read' : 'write'), Rt: (v) => `X${v}` },
    reason: accessReason,
  },
  {
    ecs: [0x20, 0x21],
    fields: { ...abortFields, IFSC: [5, 0] },
    name: (x) => className(x.ec),
    brief: (x) => abortBrief(className(x.ec), x, x.f('IFSC')),
    sentence: (x) =>
      `instruction fetch${abortPlace(x)} at EL${x.from}: ${stageOf(x)}${faultName(x.f('IFSC'))}${x.f('S1PTW') ? ' on the walk of stage 1' : ''}`,
    texts: abortTexts,
    route: (x) =>
      isExternal(x.f('IFSC'))
        ? 'externalInstruction'
        : x.ipa === undefined
          ? 'instructionAbort'
          : 'stage2Instruction',
    far: true,
  },
  simple(0x22, { route: () => 'pcAlignment', far: true }),
  {
    ecs: [0x24, 0x25],
    fields: {
      ISV: 24,
      SAS: [23, 22],
      SSE: 21,
      SRT: [20, 16],
      SF: 15,
      AR: 14,
      ...abortFields,
      CM: 8,
      WnR: 6,
      DFSC: [5, 0],
    },
    name: (x) => className(x.ec),
    brief: dataAbortBrief,
    sentence: (x) => `EL${x.from} ${dataAbortText(x)}`,
    texts: abortTexts,
    route: (x) =>
      isExternal(x.f('DFSC')) ? 'externalData' : x.ipa === undefined ? 'dataAbort' : 'stage2Data',
    far: true,
  },
  simple(0x26, { route: () => 'spAlignment' }),
  simple(0x2f, { fields: { IDS: 24, AET: [12, 10], EA: 9, DFSC: [5, 0] } }),
  ...[0x30, 0x31].map((ec) =>
    simple(ec, {
      name: () => 'breakpoint exception',
      fields: { IFSC: [5, 0] },
      route: () => 'breakpoint',
    }),
  ),
  ...[0x32, 0x33].map((ec) =>
    simple(ec, { fields: { ISV: 24, EX: 6, IFSC: [5, 0] }, route: () => 'softwareStep' }),
  ),
  ...[0x34, 0x35].map((ec) =>
    simple(ec, {
      fields: { CM: 8, WnR: 6, DFSC: [5, 0] },
      texts: abortTexts,
      route: () => 'watchpoint',
      far: true,
    }),
  ),
  simple(0x3c, {
    fields: { Comment: [15, 0] },
    name: (x) => `${className(x.ec)} #${x.f('Comment')}`,
    route: () => 'brk',
  }),
];

const rowOf = new Map(classes.flatMap((row) => row.ecs.map((ec) => [ec, row] as const)));

/** Exception class and instruction specific syndrome of an ESR. */
export function splitSyndrome(esr: bigint): { ec: number; iss: number } {
  return { ec: Number((esr >> 26n) & 0x3fn), iss: Number(esr & 0x1ffffffn) };
}

const valueOf = (iss: number, bits: Bits): number => {
  const { lsb, width } = bitRange(bits);
  return (iss >>> lsb) & (2 ** width - 1);
};

/** What the syndrome alone says, and the row that can put it in words. */
function fieldsOf(esr: bigint): Iss & { readonly iss: number; readonly row: ClassRow | undefined } {
  const { ec, iss } = splitSyndrome(esr);
  const row = rowOf.get(ec);
  const f = (name: string): number => {
    const bits = row?.fields[name];
    return bits === undefined ? 0 : valueOf(iss, bits);
  };
  return { ec, iss, row, f };
}

/** An ESR in a few words, for a line of the trace or the reason of a stop. */
export function briefSyndrome(esr: bigint): string {
  const { row, ...x } = fieldsOf(esr);
  return row ? (row.brief ?? row.name)(x) : className(x.ec);
}

/** Whether the class is one that writes the address to FAR. */
export const hasFaultAddress = (esr: bigint): boolean => rowOf.get(splitSyndrome(esr).ec)?.far ?? false;

/** Bits 43-4 of HPFAR_EL2 are bits 51-12 of the IPA; the offset in the page is FAR's (D17.2.66). */
export const faultIpa = (hpfar: bigint, far: bigint): bigint =>
  (((hpfar & 0xfffffffffffn) >> 4n) << 12n) | (far & 0xfffn);

const isLowerAbort = (ec: number): boolean => ec === 0x20 || ec === 0x24;

/**
 * Whether an abort that a guest takes to EL2 has its intermediate address in HPFAR_EL2: translation, access flag and
 * address size faults of stage 2, and all faults on a stage 1 walk (D17.2.66).
 */
export function hasIntermediateAddress(esr: bigint): boolean {
  const { ec, iss } = splitSyndrome(esr);
  const code = iss & Fault.fsc;
  const permission = (code & ~3) === Fsc.permission;
  return isLowerAbort(ec) && code < Fsc.external && (!permission || ((iss >> 7) & 1) === 1);
}

/** A stage 2 permission fault leaves HPFAR unknown by the architecture; this CPU writes it all the same. */
const isStage2Abort = (ec: number, iss: number): boolean =>
  isLowerAbort(ec) && (iss & Fault.fsc) < Fsc.external;

/** Decodes an ESR that exception level `to` got, with the other registers of that exception from `read`. */
export function decodeSyndrome(esr: bigint, to: number, read: ReadRegister): Syndrome {
  const { ec, iss, row, f } = fieldsOf(esr);
  const far = read(`FAR_EL${to}`);
  const from = Number((read(`SPSR_EL${to}`) >> 2n) & 3n);
  // With HCR_EL2.TGE EL0's own faults come here too; stage 2 is off then.
  const guest = to === 2 && from !== 2 && ((read('HCR_EL2') >> 27n) & 1n) === 0n;
  const ipa = guest && isStage2Abort(ec, iss) ? faultIpa(read('HPFAR_EL2'), far) : undefined;
  const facts: Facts = { ec, f, from, to, far, ipa, read };
  const name = row ? `${stageOf(facts)}${row.name(facts)}` : className(ec);
  const details: SyndromeDetail[] = Object.entries(row?.fields ?? {}).map(([field, bits]) => {
    const n = valueOf(iss, bits);
    const text = row?.texts?.[field]?.(n);
    return { name: field, value: BigInt(n), width: bitRange(bits).width, ...(text ? { text } : {}) };
  });
  return {
    register: `ESR_EL${to}`,
    value: esr,
    name,
    sentence: `${capital(row?.sentence?.(facts) ?? `${name} at ${article(from)}`)}, taken to EL${to} (EC 0x${ec.toString(16).padStart(2, '0')}).`,
    reason: row ? reasonOf(row, facts) : undefined,
    details,
    addresses: [
      ...(row?.far ? [{ name: `FAR_EL${to}`, value: far, space: 'va' as const }] : []),
      ...(ipa === undefined ? [] : [{ name: 'IPA', value: ipa, space: 'ipa' as const }]),
    ],
  };
}

function reasonOf(row: ClassRow, x: Facts): string | undefined {
  if (row.reason) return row.reason(x);
  if (!row.route) return undefined;
  const explained = explainRoute(row.route(x), x.from, x.read);
  // When the controls have changed since, they no longer say why.
  return explained?.to === x.to ? explained.why : undefined;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** The last synchronous exception that a level has taken; undefined when it has taken none since reset. */
export function syndromeOf(level: number, read: ReadRegister): Syndrome | undefined {
  if (level < 1) return undefined;
  const esr = read(`ESR_EL${level}`);
  // IL is 1 for every exception from A64 code, so a syndrome is never zero.
  return esr === 0n ? undefined : decodeSyndrome(esr, level, read);
}
