/** What an exception was, from ESR_ELx, FAR_ELx and HPFAR_EL2 (Arm ARM DDI 0487 D17.2.37), in fields and in words. */
import type { ReadRegister, Syndrome, SyndromeDetail } from '../dsl/debug';
import { bitRange, controlText, genericName, type Bits, type Encoding, type TrapRule } from '../dsl/sysreg';
import { exceptionClasses } from './debug-values';
import { explainRoute, type ExceptionName } from './exception-routes';
import { explainControl, sysregAt } from './sysregs';

const hex = (v: bigint): string => `0x${v.toString(16)}`;
const article = (el: number): string => `EL${el}`;

// --- fault status ---------------------------------------------------------------------------------------------------

/** Fault status codes whose low two bits are the level. */
const leveled: Readonly<Record<number, string>> = {
  0x00: 'address size fault',
  0x04: 'translation fault',
  0x08: 'access flag fault',
  0x0c: 'permission fault',
  0x14: 'external abort on the table walk',
  0x1c: 'ECC or parity error on the table walk',
};
const single: Readonly<Record<number, string>> = {
  0x10: 'external abort',
  0x11: 'asynchronous external abort',
  0x18: 'ECC or parity error',
  0x21: 'alignment fault',
  0x30: 'TLB conflict',
  0x31: 'unsupported atomic update',
  0x34: 'lockdown fault',
  0x35: 'unsupported exclusive access',
};

/** A fault status code (DFSC, IFSC) in words. */
export function faultName(code: number): string {
  const name = single[code];
  if (name !== undefined) return name;
  const row = leveled[code & 0x3c];
  return row === undefined ? `fault status 0x${code.toString(16)}` : `${row}, level ${code & 3}`;
}

// --- what each class of exception says --------------------------------------------------------------------------------

type IssFields = Readonly<Record<string, Bits>>;

interface Facts {
  readonly ec: number;
  /** A field of the ISS by name. */
  readonly f: (name: string) => number;
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
  readonly name: (x: Facts) => string;
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

const encodingOf = ({ f }: Facts): Encoding => [f('Op0'), f('Op1'), f('CRn'), f('CRm'), f('Op2')];

function accessText(x: Facts): string {
  const enc = encodingOf(x);
  const register = `X${x.f('Rt')}`.replace('X31', 'XZR');
  if (enc[0] === 1) return `system instruction ${genericName(enc)}, ${register}`;
  const name = sysregAt(enc)?.name ?? genericName(enc);
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
  const because = [rule.when].flat().map((c) => controlText(c, explainControl(c, x.read).value));
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

const waits = ['WFI', 'WFE', 'WFIT', 'WFET'];
const waitName = (x: Facts): string => waits[x.f('TI')] ?? 'WFI';

const simple = (ec: number, name: string, more: Partial<ClassRow> = {}): ClassRow => ({
  ecs: [ec],
  fields: {},
  name: () => name,
  ...more,
});

const classes: readonly ClassRow[] = [
  simple(0x00, 'undefined instruction', { route: () => 'undefined' }),
  {
    ecs: [0x01],
    fields: { ...conditionFields, TI: [1, 0] },
    name: waitName,
    texts: { TI: (v) => waits[v] ?? '' },
    route: (x) => (x.f('TI') ? 'wfe' : 'wfi'),
  },
  simple(0x07, 'FP or SIMD access', { fields: conditionFields, route: () => 'fp' }),
  simple(0x0e, 'illegal execution state', { route: () => 'illegalState' }),
  ...(
    [
      [0x15, 'SVC', 'svc'],
      [0x16, 'HVC', 'hvc'],
      [0x17, 'SMC', 'smc'],
    ] as const
  ).map(([ec, name, route]) =>
    simple(ec, name, { fields: call, name: (x) => `${name} #${x.f('imm16')}`, route: () => route }),
  ),
  {
    ecs: [0x18],
    fields: registerFields,
    name: accessText,
    texts: { Direction: (v) => (v ? 'read' : 'write'), Rt: (v) => `X${v}` },
    reason: accessReason,
  },
  {
    ecs: [0x20, 0x21],
    fields: { ...abortFields, IFSC: [5, 0] },
    name: (x) => `${stageOf(x)}instruction abort`,
    sentence: (x) =>
      `instruction fetch${abortPlace(x)} at EL${x.from}: ${stageOf(x)}${faultName(x.f('IFSC'))}${x.f('S1PTW') ? ' on the walk of stage 1' : ''}`,
    texts: abortTexts,
    route: (x) => (x.ipa === undefined ? 'instructionAbort' : 'stage2Instruction'),
    far: true,
  },
  simple(0x22, 'misaligned PC', { route: () => 'pcAlignment', far: true }),
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
    name: (x) => `${stageOf(x)}data abort`,
    sentence: (x) => `EL${x.from} ${dataAbortText(x)}`,
    texts: abortTexts,
    route: (x) => (x.ipa === undefined ? 'dataAbort' : 'stage2Data'),
    far: true,
  },
  simple(0x26, 'misaligned SP', { route: () => 'spAlignment' }),
  simple(0x2f, 'SError', { fields: { IDS: 24, AET: [12, 10], EA: 9, DFSC: [5, 0] } }),
  ...[0x30, 0x31].map((ec) => simple(ec, 'breakpoint', { fields: { IFSC: [5, 0] } })),
  ...[0x32, 0x33].map((ec) => simple(ec, 'software step', { fields: { ISV: 24, EX: 6, IFSC: [5, 0] } })),
  ...[0x34, 0x35].map((ec) =>
    simple(ec, 'watchpoint', { fields: { CM: 8, WnR: 6, DFSC: [5, 0] }, texts: abortTexts, far: true }),
  ),
  simple(0x3c, 'BRK', {
    fields: { Comment: [15, 0] },
    name: (x) => `BRK #${x.f('Comment')}`,
    route: () => 'brk',
  }),
];

const rowOf = new Map(classes.flatMap((row) => row.ecs.map((ec) => [ec, row] as const)));

/** Bits 43-4 of HPFAR_EL2 are bits 51-12 of the IPA; the offset in the page is FAR's (D17.2.66). */
const ipaOf = (hpfar: bigint, far: bigint): bigint =>
  (((hpfar & 0xfffffffffffn) >> 4n) << 12n) | (far & 0xfffn);

/** HPFAR is valid for translation, access flag and address size faults of stage 2, and for faults on a stage 1 walk. */
function hasIpa(ec: number, iss: number, to: number, from: number): boolean {
  const abort = ec === 0x20 || ec === 0x24;
  if (!abort || to !== 2 || from === 2) return false;
  const code = iss & 0x3f;
  const permission = (code & 0x3c) === 0x0c;
  return code < 0x10 && (!permission || ((iss >> 7) & 1) === 1);
}

/** A stage 2 permission fault leaves HPFAR unknown by the architecture; this CPU writes it all the same. */
const isStage2Abort = (ec: number, iss: number, to: number, from: number): boolean =>
  hasIpa(ec, iss, to, from) ||
  ((ec === 0x20 || ec === 0x24) && to === 2 && from !== 2 && (iss & 0x3c) === 0x0c);

/** Decodes an ESR that exception level `to` got, with the other registers of that exception from `read`. */
export function decodeSyndrome(esr: bigint, to: number, read: ReadRegister): Syndrome {
  const ec = Number((esr >> 26n) & 0x3fn);
  const iss = Number(esr & 0x1ffffffn);
  const row = rowOf.get(ec);
  const far = read(`FAR_EL${to}`);
  const from = Number((read(`SPSR_EL${to}`) >> 2n) & 3n);
  // With HCR_EL2.TGE EL0's own faults come here too; stage 2 is off then.
  const guest = to === 2 && ((read('HCR_EL2') >> 27n) & 1n) === 0n;
  const ipa = guest && isStage2Abort(ec, iss, to, from) ? ipaOf(read('HPFAR_EL2'), far) : undefined;
  const value = (bits: Bits): number => {
    const { lsb, width } = bitRange(bits);
    return (iss >>> lsb) & (2 ** width - 1);
  };
  const f = (name: string): number => (row?.fields[name] === undefined ? 0 : value(row.fields[name]));
  const facts: Facts = { ec, f, from, to, far, ipa, read };
  const name = row?.name(facts) ?? exceptionClasses[ec] ?? `exception class ${hex(BigInt(ec))}`;
  const details: SyndromeDetail[] = Object.entries(row?.fields ?? {}).map(([field, bits]) => {
    const n = value(bits);
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
  if (level < 1 || level > 2) return undefined;
  const esr = read(`ESR_EL${level}`);
  // IL is 1 for every exception from A64 code, so a syndrome is never zero.
  return esr === 0n ? undefined : decodeSyndrome(esr, level, read);
}
