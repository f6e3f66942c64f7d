/** LDP, STP, LDPSW, LDNP and STNP: one probe covers both registers. Arm ARM DDI 0487 C4.1, "Load/store register pair". */
import type { Access, Val } from '../../../ir/nodes';
import type { ExecFields, Row } from '../../dsl/row';
import { number, setNumber } from '../fp/in-line';
import { baseAddress, checkFpEnabled, encoding, numberWidths, signedOffset } from './load-store-common';
import { row } from '../row';
import type { A64 } from '../sem';

interface Pair {
  readonly suffix: '' | 'sw';
  readonly reg: 'w' | 'x' | 's' | 'd' | 'q';
  readonly opc: string;
  readonly simd: '0' | '1';
  /** Bytes of one register in memory. */
  readonly bytes: 4 | 8 | 16;
  readonly what: string;
}

const pairs: readonly Pair[] = [
  { suffix: '', reg: 'w', opc: '00', simd: '0', bytes: 4, what: 'two 32-bit registers' },
  { suffix: 'sw', reg: 'x', opc: '01', simd: '0', bytes: 4, what: 'two words, sign-extended to 64 bits,' },
  { suffix: '', reg: 'x', opc: '10', simd: '0', bytes: 8, what: 'two 64-bit registers' },
  { suffix: '', reg: 's', opc: '00', simd: '1', bytes: 4, what: 'two 32-bit FP/SIMD registers' },
  { suffix: '', reg: 'd', opc: '01', simd: '1', bytes: 8, what: 'two 64-bit FP/SIMD registers' },
  { suffix: '', reg: 'q', opc: '10', simd: '1', bytes: 16, what: 'two 128-bit FP/SIMD registers' },
];

/** Addressing forms: bits 24-23, whether the address is base or base plus offset, and whether it is written back. */
const forms = [
  { name: 'post-index', bits: '01', nontemporal: false, post: true, writeback: true },
  { name: 'signed offset', bits: '10', nontemporal: false, post: false, writeback: false },
  { name: 'pre-index', bits: '11', nontemporal: false, post: false, writeback: true },
  { name: 'no-allocate', bits: '00', nontemporal: true, post: false, writeback: false },
] as const;

type Form = (typeof forms)[number];

const syntax = (p: Pair, form: Form): string => {
  const offset = `#<i*${p.bytes}:imm7>`;
  if (form.post) return `[<xsp:rn>], ${offset}`;
  return form.writeback ? `[<xsp:rn>, ${offset}]!` : `[<xsp:rn>{, ${offset}}]`;
};

const fields = 'imm7:7 rt2:5 rn:5 rt:5';

/**
 * Loads both before any register is written. Rt = Rt2 is CONSTRAINED UNPREDICTABLE (Arm ARM DDI 0487 K1.2); as on
 * QEMU the first value stays in a general-purpose register, the second one in an FP/SIMD register.
 */
function loadBoth(s: A64, p: Pair, host: Val, f: ExecFields<'rt' | 'rt2', never, never>): void {
  const { bytes } = p;
  if (bytes === 16) {
    const first = s.ld(16, host);
    const second = s.ld(16, host, 16);
    s.setQ(f.rt, first);
    s.setQ(f.rt2, second);
    return;
  }
  const width = numberWidths[bytes];
  if (p.simd === '1' && width) {
    const both = [0, bytes].map((off) => s.floating(s.ld(bytes, host, off)));
    [f.rt, f.rt2].forEach((r, i) => setNumber(s, r, both[i]!, width));
    return;
  }
  const load = (off: number): Val =>
    p.suffix === 'sw' ? s.sext(s.ld(4, host, off)) : s.ld(bytes, host, off, 'i64');
  const first = load(0);
  const second = load(bytes);
  s.setX(f.rt2, second);
  s.setX(f.rt, first);
}

function storeBoth(s: A64, p: Pair, host: Val, f: ExecFields<'rt' | 'rt2', never, never>): void {
  const width = p.simd === '1' ? numberWidths[p.bytes] : undefined;
  [f.rt, f.rt2].forEach((r, i) => {
    if (p.bytes === 16) s.st(16, host, s.q(r), 16 * i);
    else s.st(p.bytes, host, width ? s.floating(number(s, r, width)) : s.x(r), p.bytes * i);
  });
}

function pairRow(p: Pair, form: Form, load: boolean): Row<A64> {
  const m = `${load ? 'ld' : 'st'}${form.nontemporal ? 'n' : ''}p${p.suffix}`;
  const bits = `${p.opc} 101 ${p.simd} 0 ${form.bits} ${load ? '1' : '0'}`;
  const verb = load ? 'Loads' : 'Stores';
  return row(`${m.toUpperCase()} (${form.name}, ${p.reg.toUpperCase()})`, encoding(bits, fields), {
    asm: `${m} <${p.reg}:rt>, <${p.reg}:rt2>, ${syntax(p, form)}`,
    hot: p.reg === 'x' && p.bytes === 8 && !form.nontemporal,
    unpredictable: (f) =>
      (load && f.rt === f.rt2) ||
      (form.writeback && p.simd === '0' && f.rn !== 31 && (f.rn === f.rt || f.rn === f.rt2)),
    doc: `${verb} ${p.what} ${load ? 'from' : 'to'} memory (${form.name}).`,
    exec(s, f) {
      if (p.simd === '1') checkFpEnabled(s);
      const access: Access = { kind: load ? 'read' : 'write', bytes: 2 * p.bytes, elem: p.bytes, flags: 0 };
      const base = baseAddress(s, f.rn);
      const moved = s.add(base, signedOffset(s, f.imm7, 7, p.bytes));
      const host = s.probe(form.post ? base : moved, access);
      if (load) loadBoth(s, p, host, f);
      else storeBoth(s, p, host, f);
      // After the loads: where the base is a destination too (CONSTRAINED UNPREDICTABLE) it holds the address, as on QEMU.
      if (form.writeback) s.setXsp(f.rn, moved);
      if (!load) s.commit(host, access);
    },
  });
}

export const loadStorePairRows: readonly Row<A64>[] = pairs.flatMap((p) =>
  forms.flatMap((form) => {
    if (p.suffix === 'sw') return form.nontemporal ? [] : [pairRow(p, form, true)];
    return [pairRow(p, form, false), pairRow(p, form, true)];
  }),
);
