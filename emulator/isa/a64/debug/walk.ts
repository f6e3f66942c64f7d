/**
 * A translation step by step: the walker's own IR (mmu.ts), run by the evaluator, with what it reads put into words. The
 * descriptor formats are those of Arm ARM DDI 0487 D8.3.
 */
import { Builder } from '../../../ir/builder';
import { evaluateRoutine, type EvalHost, type Observer } from '../../../ir/evaluate';
import type { Routine } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { Acc } from '../../dsl/isa';
import type { DebugCpu, TranslationRegime, WalkLine } from '../../dsl/debug';
import { faultText, keepingMail, regimeCode, USER, walk, withRegisters } from './translate';
import { RegimeCode, stage2Walk } from '../mmu/mmu';
import { translateAs } from '../mmu/at';
import { state } from '../state';
import { fieldRange, sysregNamed } from '../sysregs';

const hex = (v: bigint): string => `0x${v.toString(16)}`;
const bits = (v: bigint, msb: number, lsb: number): number =>
  Number((v >> BigInt(lsb)) & ((1n << BigInt(msb - lsb + 1)) - 1n));
/** Bits 47-12 of a descriptor; blocks have zeros in the low ones. */
const addressOf = (descriptor: bigint): bigint => descriptor & 0xfffffffff000n;

type Read = (register: string) => bigint;

// --- attributes ---------------------------------------------------------------------------------------------------

const deviceTypes = ['nGnRnE', 'nGnRE', 'nGRE', 'GRE'];
const shareability = ['non-shareable', 'reserved', 'outer shareable', 'inner shareable'];

/** One nibble of a MAIR byte that is Normal memory: D17.2.97. */
const cacheability = (nibble: number): string =>
  nibble === 4 ? 'non-cacheable' : `write-${nibble & 4 ? 'back' : 'through'}`;

/** A byte of MAIR_ELx. */
export function memoryText(attr: number): string {
  if (attr >> 4 === 0) return `Device-${deviceTypes[(attr >> 2) & 3]}`;
  const [outer, inner] = [cacheability(attr >> 4), cacheability(attr & 15)];
  return outer === inner ? `Normal ${outer}` : `Normal outer ${outer}, inner ${inner}`;
}

/** MemAttr[3:0] of a stage 2 descriptor: D8.5.5. */
function stage2MemoryText(memAttr: number): string {
  if (memAttr >> 2 === 0) return `Device-${deviceTypes[memAttr & 3]}`;
  const part = (two: number): string =>
    ['reserved', 'non-cacheable', 'write-through', 'write-back'][two] ?? '';
  const [outer, inner] = [part(memAttr >> 2), part(memAttr & 3)];
  return outer === inner ? `Normal ${outer}` : `Normal outer ${outer}, inner ${inner}`;
}

/** The names of bits that are set. */
const flags = (d: bigint, names: readonly (readonly [bit: number, name: string])[]): string[] =>
  names.flatMap(([bit, name]) => (bits(d, bit, bit) ? [name] : []));

interface Stage {
  readonly number: 1 | 2;
  /** EL0 has a part in it. */
  readonly twoRanges: boolean;
  readonly mair: bigint;
}

function leafText(d: bigint, stage: Stage): string {
  const parts =
    stage.number === 2
      ? [
          ['no access', 'read-only', 'write-only', 'read-write'][bits(d, 7, 6)] ?? '',
          stage2MemoryText(bits(d, 5, 2)),
        ]
      : [
          bits(d, 7, 7) ? 'read-only' : 'read-write',
          ...(stage.twoRanges ? [bits(d, 6, 6) ? 'EL0 too' : 'not EL0'] : []),
          `AttrIndx ${bits(d, 4, 2)}: ${memoryText(Number((stage.mair >> BigInt(8 * bits(d, 4, 2))) & 0xffn))}`,
        ];
  const never: readonly (readonly [number, string])[] =
    stage.number === 2 || !stage.twoRanges
      ? [[54, 'XN']]
      : [
          [54, 'UXN'],
          [53, 'PXN'],
        ];
  return [
    ...parts,
    shareability[bits(d, 9, 8)] ?? '',
    ...flags(d, never),
    ...(bits(d, 10, 10) ? ['AF'] : ['AF = 0']),
    ...(stage.number === 1 && stage.twoRanges ? flags(d, [[11, 'nG']]) : []),
    ...flags(d, [
      [52, 'Contiguous'],
      [51, 'DBM'],
    ]),
  ].join(', ');
}

/** What a table takes away from everything below it. */
function tableText(d: bigint, stage: Stage): string {
  if (stage.number === 2) return '';
  const ap = ['', 'APTable: not EL0', 'APTable: read-only', 'APTable: read-only, not EL0'][bits(d, 62, 61)];
  const found = [
    ap,
    ...flags(d, [
      [60, stage.twoRanges ? 'UXNTable' : 'XNTable'],
      [59, 'PXNTable'],
    ]),
  ].filter((t) => t);
  return found.length > 0 ? `, ${found.join(', ')}` : '';
}

function descriptorText(d: bigint, level: number, stage: Stage): string {
  const type = bits(d, 1, 0);
  if ((type & 1) === 0) return `${hex(d)} invalid`;
  if (type === 3 && level < 3) return `${hex(d)} table at ${hex(addressOf(d))}${tableText(d, stage)}`;
  if (type === 1 && level === 3) return `${hex(d)} reserved, as good as invalid`;
  return `${hex(d)} ${type === 3 ? 'page' : 'block'} at ${hex(addressOf(d))}: ${leafText(d, stage)}`;
}

function swap(d: bigint): bigint {
  let out = 0n;
  for (let i = 0n; i < 64n; i += 8n) out = (out << 8n) | ((d >> i) & 0xffn);
  return out;
}

// --- the observer -------------------------------------------------------------------------------------------------

/** A walk of tables that is under way. */
interface Open {
  readonly routine: Routine;
  readonly stage: Stage;
  readonly isBig: boolean;
  /** Lines of its own are one deeper. */
  readonly depth: number;
}

class Recorder implements Observer {
  readonly lines: WalkLine[] = [];
  private readonly open: Open[] = [];

  constructor(
    private readonly cpu: DebugCpu,
    private readonly read: Read,
  ) {}

  private say(depth: number, text: string): void {
    this.lines.push({ depth, text });
  }

  private field(register: string, field: string, e2h = false): number {
    const { lsb, width } = fieldRange(register, field, e2h);
    return bits(this.read(register), lsb + width - 1, lsb);
  }

  called(r: Routine, args: readonly bigint[]): void {
    const depth = this.open.length;
    if (r === stage2Walk) {
      const isNested = depth > 0;
      const vttbr = this.read('VTTBR_EL2');
      const ipa = hex(args[0] ?? 0n);
      const what = isNested ? `table entry at IPA ${ipa}: stage 2` : `stage 2 of IPA ${ipa}`;
      const size = `${64 - this.field('VTCR_EL2', 'T0SZ')} bits`;
      this.say(depth, `${what} by VTTBR_EL2 = ${hex(vttbr)}, ${size}`);
      const isBig = this.field('SCTLR_EL2', 'EE') === 1;
      this.open.push({
        routine: r,
        stage: { number: 2, twoRanges: true, mair: 0n },
        isBig,
        depth: depth + 1,
      });
      return;
    }
    const name = /^stage1 (.*)$/.exec(r.name)?.[1];
    if (name === undefined) return;
    const el = name === 'EL1&0' ? 1 : name === 'EL3' ? 3 : 2;
    const twoRanges = name.endsWith('&0');
    const e2h = name === 'EL2&0';
    const va = args[0] ?? 0n;
    const upper = twoRanges && bits(va, 55, 55) === 1;
    this.say(depth, this.stage1Text(name, el, va, upper, e2h));
    const mair = this.read(`MAIR_EL${el}`);
    const isBig = this.field(`SCTLR_EL${el}`, 'EE') === 1;
    this.open.push({ routine: r, stage: { number: 1, twoRanges, mair }, isBig, depth: depth + 1 });
  }

  private stage1Text(name: string, el: number, va: bigint, upper: boolean, e2h: boolean): string {
    const what = `stage 1 of ${hex(va)} in ${name}`;
    const [sctlr, tcr] = [`SCTLR_EL${el}`, `TCR_EL${el}`];
    const off = [
      ...(this.field(sctlr, 'M') === 0 ? [`${sctlr}.M = 0`] : []),
      ...(el === 1
        ? ['DC', 'TGE'].filter((f) => this.field('HCR_EL2', f) === 1).map((f) => `HCR_EL2.${f} = 1`)
        : []),
    ];
    if (off.length > 0) return `${what}: off (${off.join(', ')}), the address stays`;
    const ttbr = `TTBR${upper ? 1 : 0}_EL${el}`;
    const size = 64 - this.field(tcr, upper ? 'T1SZ' : 'T0SZ', e2h);
    return `${what} by ${ttbr} = ${hex(this.read(ttbr))}, ${size} bits`;
  }

  returned(r: Routine, result: bigint): void {
    const own = this.open.at(-1);
    if (own?.routine !== r) return;
    this.open.pop();
    if (result !== 0n) return;
    const at = (f: { offset: number }): bigint => this.cpu.view.getBigUint64(this.cpu.block + f.offset, true);
    if (own.stage.number === 2) this.say(own.depth, `PA ${hex(at(state.s2Pa))}`);
    else if (r.name === 'stage1 EL1&0') this.say(own.depth, `IPA ${hex(at(common.trPa))}`);
    else this.say(own.depth, `PA ${hex(at(common.trPa))}`);
  }

  loaded(at: number, value: bigint, local: (name: string) => bigint | undefined): void {
    const own = this.open.at(-1);
    const level = local('level');
    if (!own || level === undefined) return;
    const pa = this.cpu.get(common.ramBase) + BigInt(at) - this.cpu.get(common.ramHost);
    const d = own.isBig ? swap(value) : value;
    this.say(own.depth, `level ${level}: [${hex(pa)}] = ${descriptorText(d, Number(level), own.stage)}`);
  }
}

// --- the whole walk -----------------------------------------------------------------------------------------------

const impossible = (): never => {
  throw new Error('a translation for the debugger calls the host');
};

/** Who may do what with an address, by the compiled walker. */
function permissions(
  cpu: DebugCpu,
  address: bigint,
  code: number,
  levels: readonly (readonly [string, number])[],
): string {
  const kinds = [
    ['read', 0],
    ['write', Acc.write],
    ['execute', Acc.exec],
  ] as const;
  return levels
    .map(([name, user]) => {
      const can = kinds.filter(([, acc]) => typeof walk(cpu, address, code, acc | user) !== 'number');
      return `${name}: ${can.length > 0 ? can.map(([k]) => k).join(', ') : 'nothing'}`;
    })
    .join('; ');
}

const noRegisters: ReadonlyMap<string, bigint> = new Map();

/** See IsaDebug.explainTranslation. */
export function explainTranslation(
  cpu: DebugCpu,
  address: bigint,
  regime: Exclude<TranslationRegime, 'PA'>,
  registers = noRegisters,
): WalkLine[] {
  const code = regimeCode(cpu, regime);
  const read: Read = (name) => {
    const storage = sysregNamed(name).storage;
    return registers.get(name) ?? (storage ? cpu.get(storage.field, storage.index) : 0n);
  };
  return keepingMail(cpu, () =>
    withRegisters(cpu, registers, () => {
      const recorder = new Recorder(cpu, read);
      const fault = evaluateWalk(cpu, address, code, recorder);
      return [...recorder.lines, ...outcome(cpu, address, regime, code, fault)];
    }),
  );
}

/** Runs the walker in the evaluator, as an access that may always be tried: a read. */
function evaluateWalk(cpu: DebugCpu, address: bigint, code: number, observer: Observer): number {
  const mail = (n: number): number => cpu.block + common.mail.offset + n * common.mail.stride;
  cpu.view.setBigUint64(mail(0), BigInt.asUintN(64, address), true);
  cpu.view.setBigUint64(mail(1), BigInt(code), true);
  cpu.view.setBigUint64(mail(2), 0n, true);
  const host: EvalHost = {
    memory: cpu.view,
    cpu: cpu.block,
    pc: cpu.get(common.pc),
    newBuilder: () => new Builder(),
    host: impossible,
    probe: impossible,
    commit: impossible,
    observer,
  };
  evaluateRoutine(translateAs, [], host);
  return Number(cpu.view.getBigUint64(mail(0), true));
}

const sizeText = (log2: number): string => {
  const unit = ['B', 'KiB', 'MiB', 'GiB', 'TiB'][Math.floor(log2 / 10)] ?? '';
  return `${2 ** (log2 % 10)} ${unit}`;
};

function outcome(cpu: DebugCpu, address: bigint, regime: string, code: number, fault: number): WalkLine[] {
  const levels: readonly (readonly [string, number])[] =
    regime === 'EL3'
      ? [['EL3', 0]]
      : regime === 'EL2'
        ? [['EL2', 0], ...(code === RegimeCode.el20 ? ([['EL0', USER]] as const) : [])]
        : regime === 'IPA'
          ? [['a guest', 0]]
          : [
              ['EL1', 0],
              ['EL0', USER],
            ];
  for (const acc of [0, Acc.exec, USER, Acc.write]) {
    const found = walk(cpu, address, code, acc);
    if (typeof found === 'number') continue;
    const memory = memoryText(Number((cpu.get(common.mail, 2) >> 16n) & 0xffn));
    return [
      { depth: 0, text: `PA ${hex(found.pa)}, ${memory}, a mapping of ${sizeText(found.size)}` },
      { depth: 0, text: permissions(cpu, address, code, levels) },
    ];
  }
  return [{ depth: 0, text: `fault: ${faultText(fault).fault}` }];
}
