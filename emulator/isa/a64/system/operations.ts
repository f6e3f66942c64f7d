/** SYS and SYSL: cache maintenance, address translation, TLB invalidation (Arm ARM DDI 0487 C5.3 to C5.5). */
import type { Operand, Val } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { Acc, accessDesc } from '../../dsl/isa';
import type { RawFields, Row } from '../../dsl/row';
import { encodingKey, type Encoding, type TrapRule } from '../../dsl/sysreg';
import { raiseAbort } from '../exceptions/abort';
import { hostCalls } from '../host-calls';
import { AccMore, RegimeCode, translate } from '../mmu/mmu';
import { addressTranslate } from '../mmu/at';
import { systemOperations } from '../operands/sysops';
import { row } from '../row';
import { Flag, type A64 } from '../sem';
import { state } from '../state';
import { isE2h, isHost } from '../mmu/regimes';
import { controlHolds, el2IsOff } from '../sysregs/controls';
import { checkTraps, requireLevel } from './access';
import { tlbiOps, type TlbiOp } from '../mmu/tlbi';

interface Operation {
  readonly name: string;
  readonly min: 0 | 1 | 2 | 3;
  readonly trap: readonly TrapRule[];
  readonly doc: string;
  /** The feature that the CPU must have. */
  readonly feature?: string;
  readonly exec: (s: A64, rt: Operand) => void;
}

// --- caches: there are none, so maintenance only checks the address -------------------------------------------------

const uci: TrapRule = { when: '!SCTLR_EL1.UCI', to: 1 };
const hyp = (field: string): TrapRule => ({ when: `HCR_EL2.${field}`, to: 2 });

/** Translates the address of a maintenance operation and takes the fault. DC IVAC needs write permission. */
function maintain(s: A64, rt: Operand, write: boolean): void {
  const va = s.x(rt);
  const acc = Acc.cacheMaintenance | (write ? Acc.write : 0);
  s.syncPc();
  const fault = s.call(translate, va, s.i32(acc));
  const desc = accessDesc({ bytes: 1, elem: 1, kind: 'read', flags: Flag.cacheMaintenance });
  s.if(fault, () => s.raise(raiseAbort, va, s.i32(desc), s.i32(0)));
}

/** log2 of the block of DC ZVA, as DCZID_EL0.BS says: 64 bytes. */
const ZVA = 64;

function zeroBlock(s: A64, rt: Operand): void {
  const va = s.x(rt);
  // A fault reports the address as it was given, so that is probed first.
  s.probe(va, { kind: 'write', bytes: 1, elem: 1, flags: 0 });
  const access = { kind: 'write', bytes: ZVA, elem: 8, flags: 0 } as const;
  const host = s.probe(s.andi(va, -ZVA), access);
  for (let at = 0; at < ZVA; at += 8) s.st(8, host, s.i64(0), at);
  s.commit(host, access);
}

const nothing = (): void => undefined;

const cacheOps: readonly Operation[] = [
  {
    name: 'dc ivac',
    min: 1,
    trap: [hyp('TPCP')],
    doc: 'Invalidates a data cache line',
    exec: (s, rt) => maintain(s, rt, true),
  },
  {
    name: 'dc isw',
    min: 1,
    trap: [hyp('TSW')],
    doc: 'Invalidates a data cache line by set and way',
    exec: nothing,
  },
  {
    name: 'dc csw',
    min: 1,
    trap: [hyp('TSW')],
    doc: 'Cleans a data cache line by set and way',
    exec: nothing,
  },
  {
    name: 'dc cisw',
    min: 1,
    trap: [hyp('TSW')],
    doc: 'Cleans and invalidates a data cache line by set and way',
    exec: nothing,
  },
  {
    name: 'dc zva',
    min: 0,
    trap: [{ when: '!SCTLR_EL1.DZE', to: 1 }, hyp('TDZ')],
    doc: 'Zeroes 64 bytes',
    exec: zeroBlock,
  },
  {
    name: 'dc cvac',
    min: 0,
    trap: [uci, hyp('TPCP')],
    doc: 'Cleans a data cache line to the point of coherency',
    exec: (s, rt) => maintain(s, rt, false),
  },
  {
    name: 'dc cvau',
    min: 0,
    trap: [uci, hyp('TPU'), hyp('TOCU')],
    doc: 'Cleans a data cache line to the point of unification',
    exec: (s, rt) => maintain(s, rt, false),
  },
  {
    name: 'dc cvap',
    min: 0,
    trap: [uci, hyp('TPCP')],
    doc: 'Cleans a data cache line to the point of persistence',
    feature: 'DPB',
    exec: (s, rt) => maintain(s, rt, false),
  },
  {
    name: 'dc cvadp',
    min: 0,
    trap: [uci, hyp('TPCP')],
    doc: 'Cleans a data cache line to the point of deep persistence',
    feature: 'DPB2',
    exec: (s, rt) => maintain(s, rt, false),
  },
  {
    name: 'dc civac',
    min: 0,
    trap: [uci, hyp('TPCP')],
    doc: 'Cleans and invalidates a data cache line',
    exec: (s, rt) => maintain(s, rt, false),
  },
  {
    name: 'ic ialluis',
    min: 1,
    trap: [hyp('TPU'), hyp('TICAB')],
    doc: 'Invalidates the instruction caches of all CPUs',
    exec: nothing,
  },
  {
    name: 'ic iallu',
    min: 1,
    trap: [hyp('TPU'), hyp('TOCU')],
    doc: 'Invalidates the instruction cache',
    exec: nothing,
  },
  {
    name: 'ic ivau',
    min: 0,
    trap: [uci, hyp('TPU'), hyp('TOCU')],
    doc: 'Invalidates an instruction cache line',
    exec: (s, rt) => maintain(s, rt, false),
  },
];

// --- AT -------------------------------------------------------------------------------------------------------------

/** Operations on EL2's own translations are UNDEFINED at EL3 while EL2 is not enabled. */
const requireEl2 = (s: A64): void => s.if(el2IsOff(s), () => s.undefinedInstruction());

/** AT; S1E1x and S1E0x look into EL2&0 in a host, S1E2x whenever that is the regime of EL2 (D8.11.1). */
function at(
  name: string,
  min: 1 | 2 | 3,
  regime: keyof typeof RegimeCode,
  user: boolean,
  write: boolean,
  feature?: 'PAN2' | 'EL3',
): Operation {
  return {
    name: `at ${name}`,
    min,
    trap: [],
    ...(feature ? { feature } : {}),
    doc: `Translates an address for a ${write ? 'write' : 'read'}; the result is in PAR_EL1`,
    exec: (s, rt) => {
      if (regime === 'el2') requireEl2(s);
      s.syncPc();
      // AT changes no descriptor, and minds PSTATE.PAN only where its name says so.
      const acc = s.i32((write ? Acc.write : 0) | Acc.peek | (feature === 'PAN2' ? 0 : AccMore.anyPan));
      const hosts = regime === 'el2' ? isE2h(s) : regime === 'el10Stage1' ? isHost(s) : s.i32(0);
      const code = s.select(hosts, s.i32(RegimeCode.el20), s.i32(RegimeCode[regime]));
      const taken = s.call(addressTranslate, s.x(rt), acc, code, s.i32(user ? 1 : 0));
      s.if(taken, () => s.exit('recheck'));
    },
  };
}

const atOps: readonly Operation[] = [false, true].flatMap((write) => {
  const suffix = write ? 'w' : 'r';
  return [
    at(`s1e1${suffix}`, 1, 'el10Stage1', false, write),
    at(`s1e0${suffix}`, 1, 'el10Stage1', true, write),
    at(`s1e2${suffix}`, 2, 'el2', false, write),
    at(`s1e1${suffix}p`, 1, 'el10Stage1', false, write, 'PAN2'),
    at(`s12e1${suffix}`, 2, 'el10', false, write),
    at(`s12e0${suffix}`, 2, 'el10', true, write),
    at(`s1e3${suffix}`, 3, 'el3', false, write, 'EL3'),
  ];
});

// --- TLBI -----------------------------------------------------------------------------------------------------------

/** Those of EL3 need that, too. */
function featureOf({ feature, scope }: TlbiOp): { readonly feature?: string } {
  const all = [...(feature ? [feature] : []), ...(scope === 'el3' ? ['EL3'] : [])];
  return all.length ? { feature: all.join(' ') } : {};
}

const tlbis: readonly Operation[] = tlbiOps.map((op, number) => ({
  name: `tlbi ${op.name}`,
  min: op.min,
  trap: op.min === 1 ? [hyp('TTLB'), ...(op.domain ? [hyp(op.domain)] : [])] : [],
  doc: `Invalidates TLB entries${op.byVa ? ' of an address' : ''}${op.broadcast ? ' on all CPUs' : ''}`,
  ...featureOf(op),
  exec: (s: A64, rt: Operand): void => {
    if (op.scope === 'el2') requireEl2(s);
    s.set(common.mail, s.x(rt), 0);
    // HCR_EL2.FB makes operations of EL1 reach all CPUs.
    const forced: Val = s.and(s.eqi(s.get(state.el), 1), controlHolds(s, 'HCR_EL2.FB'));
    s.syncPc();
    s.call(hostCalls.tlbi, s.cpu(), s.i32(number), op.broadcast ? s.i32(1) : forced);
    s.nextWithRecheck();
  },
}));

// --- rows -----------------------------------------------------------------------------------------------------------

const operations = new Map([...cacheOps, ...atOps, ...tlbis].map((o) => [o.name, o]));

interface Placed {
  readonly enc: Encoding;
  readonly operation: Operation;
  readonly takesRegister: boolean;
}

const placed: readonly Placed[] = systemOperations.flatMap((o) => {
  const operation = operations.get(`${o.instruction} ${o.name}`);
  return operation
    ? [{ enc: [1, ...o.encoding] as Encoding, operation, takesRegister: o.takesRegister }]
    : [];
});
const byKey = new Map(placed.map((p) => [encodingKey(p.enc), p]));

type Shape = 'op1' | 'CRn' | 'CRm' | 'op2';
const find = (f: RawFields<Shape>): Placed | undefined =>
  byKey.get(encodingKey([1, f.op1, f.CRn, f.CRm, f.op2]));

/** One row an instruction name: the assembler's AT, DC, IC and TLBI. */
function operationRow(instruction: 'at' | 'dc' | 'ic' | 'tlbi', doc: string, feature?: string): Row<A64> {
  const mine = placed.filter(
    ({ operation: o }) => o.name.startsWith(`${instruction} `) && o.feature === feature,
  );
  const keys = new Set(mine.map((p) => encodingKey(p.enc)));
  return row(
    `${instruction.toUpperCase()}${feature ? ` (${feature})` : ''}`,
    '1101010100 0 01 op1:3 CRn:4 CRm:4 op2:3 rt:5',
    {
      asm: [
        ...(mine.every((p) => p.takesRegister) ? [] : [`${instruction} <sysopx:op1,CRn,CRm,op2> ; rt=31`]),
        `${instruction} <sysop:op1,CRn,CRm,op2>, <x:rt>`,
        'sys #<u:op1>, <c:CRn>, <c:CRm>, #<u:op2>, <x:rt>',
      ],
      shape: ['op1', 'CRn', 'CRm', 'op2'],
      shapes: () => mine.map(({ enc: [, op1, CRn, CRm, op2] }) => ({ op1, CRn, CRm, op2 })),
      when: (f) => keys.has(encodingKey([1, f.op1, f.CRn, f.CRm, f.op2])),
      ...(feature ? { feature } : {}),
      doc,
      exec: (s, f) => {
        const { operation, enc } = find(f)!;
        requireLevel(s, operation.min);
        checkTraps(s, operation.trap, enc, false, f.rt, operation.min);
        operation.exec(s, f.rt);
      },
    },
  );
}

export const systemOperationRows: readonly Row<A64>[] = [
  operationRow('at', 'Translates an address by the rules of another exception level.'),
  operationRow('at', 'Translates an address as a privileged access that minds PSTATE.PAN.', 'PAN2'),
  operationRow('dc', 'Data cache maintenance by address to the point of persistence.', 'DPB'),
  operationRow('dc', 'Data cache maintenance by address or set and way; DC ZVA zeroes memory.'),
  operationRow('dc', 'Data cache maintenance by address to the point of deep persistence.', 'DPB2'),
  operationRow('ic', 'Instruction cache maintenance.'),
  operationRow('tlbi', 'Invalidates TLB entries.'),
  operationRow('at', 'Translates an address by the rules of EL3.', 'EL3'),
  operationRow('tlbi', 'Invalidates TLB entries of EL3.', 'EL3'),
  operationRow('tlbi', 'Invalidates TLB entries in the outer shareable domain: on all CPUs.', 'TLBIOS'),
  operationRow('tlbi', 'Invalidates TLB entries of a range of addresses.', 'TLBIRANGE'),
  operationRow('tlbi', 'Invalidates TLB entries of EL3 on all CPUs.', 'TLBIOS EL3'),
  operationRow('tlbi', 'Invalidates TLB entries of EL3 for a range of addresses.', 'TLBIRANGE EL3'),
  row('SYS (unknown)', '1101010100 0 01 op1:3 CRn:4 CRm:4 op2:3 rt:5', {
    asm: [
      'sys #<u:op1>, <c:CRn>, <c:CRm>, #<u:op2> ; rt=31',
      'sys #<u:op1>, <c:CRn>, <c:CRm>, #<u:op2>, <x:rt>',
    ],
    when: (f) => find(f) === undefined,
    doc: 'A system operation that this CPU does not have: UNDEFINED.',
    exec: (s) => s.undefinedInstruction(),
  }),
  row('SYSL', '1101010100 1 01 op1:3 CRn:4 CRm:4 op2:3 rt:5', {
    asm: 'sysl <x:rt>, #<u:op1>, <c:CRn>, <c:CRm>, #<u:op2>',
    doc: 'A system operation with a result: this CPU has none, so it is UNDEFINED.',
    exec: (s) => s.undefinedInstruction(),
  }),
];
