/** Operands that are names: conditions, shifts, barriers, prefetch operations, PSTATE fields. */
import type { OperandFactory, OperandHandler } from '../../dsl/operand';
import { hex, isError, join, takeNumber } from './immediate';
import { fieldAt, mismatch, wrong } from './registers';

type Names = readonly (readonly [name: string, value: number])[];

/** C1.2.4. The first name of a value is the one that is printed. */
const conditions: Names = [
  ...['eq', 'ne', 'cs', 'cc', 'mi', 'pl', 'vs', 'vc', 'hi', 'ls', 'ge', 'lt', 'gt', 'le', 'al', 'nv'].map(
    (name, n) => [name, n] as const,
  ),
  ['hs', 2],
  ['lo', 3],
];

interface NamedSpec {
  noun: string;
  names: Names;
  /** Names stand for this value of the field. */
  encode?: (v: number) => number;
  /** Numbers are possible, too: how they are printed. */
  number?: (v: number) => string;
}

/** An operand that is one of a list of names. */
export function named(spec: NamedSpec): OperandFactory {
  const { noun, names, encode = (v) => v } = spec;
  const values = new Map(names.map(([name, v]) => [name, encode(v)]));
  const texts = new Map<number, string>();
  for (const [name, v] of values) if (!texts.has(v)) texts.set(v, name);
  const unique = [...new Set(names.map(([name]) => name))];
  const list = unique.length > 24 ? `${unique.slice(0, 6).join(', ')} ...` : unique.join(', ');
  return (fields): OperandHandler => {
    const field = join(fields);
    const expects = `${noun} (${list})`;
    const no = mismatch(expects);
    return {
      expects,
      names,
      parse(from, f) {
        const token = from.peek();
        const v = token?.kind === 'id' ? values.get(token.lower) : undefined;
        if (v !== undefined) {
          from.next();
          field.set(f, v);
          return undefined;
        }
        if (!spec.number || token?.kind === 'id') return no;
        from.accept('#');
        const n = takeNumber(from);
        if (isError(n)) return n.wrong ? n : no;
        const most = 2 ** field.width - 1;
        if (n.value < 0n || n.value > BigInt(most))
          return wrong(`${noun} ${n.value} is out of range: 0 to ${most}`);
        field.set(f, Number(n.value));
        return undefined;
      },
      print: (f) => {
        const v = field.get(f);
        return texts.get(v) ?? spec.number?.(v);
      },
    };
  };
}

const byIndex = (text: string): Names =>
  text
    .split(' ')
    .map((name, n) => [name, n] as const)
    .filter(([name]) => name !== '-');

const twoDigits = (v: number): string => `#0x${v.toString(16).padStart(2, '0')}`;

/** C6.2.247: type in bits 4-3, level in bits 2-1, policy in bit 0. */
const prefetches: Names = ['pld', 'pli', 'pst'].flatMap((type, t) =>
  ['l1', 'l2', 'l3'].flatMap((level, l) =>
    ['keep', 'strm'].map((policy, p) => [`${type}${level}${policy}`, (t << 3) | (l << 1) | p] as const),
  ),
);

/** C5.2 and C6.2.230 MSR (immediate): op1 and op2 of the PSTATE fields. */
const pstateFields: Names = (
  [
    ['uao', 0, 3],
    ['pan', 0, 4],
    ['spsel', 0, 5],
    ['ssbs', 3, 1],
    ['dit', 3, 2],
    ['tco', 3, 4],
    ['daifset', 3, 6],
    ['daifclr', 3, 7],
  ] as const
).map(([name, op1, op2]) => [name, (op1 << 3) | op2] as const);

/** `#0xf`: the flags of CCMP. */
const nzcv: OperandFactory = (fields) => {
  const { name } = fieldAt(fields, 0);
  return {
    expects: 'flags (#0 to #15)',
    parse(from, f) {
      from.accept('#');
      const v = takeNumber(from);
      if (isError(v)) return v;
      if (v.kind !== 'later' && (v.value < 0n || v.value > 15n)) {
        return wrong(`flags ${v.value} are out of range: 0 to 15, bits N, Z, C, V`);
      }
      f[name] = v.kind === 'later' ? 0 : Number(v.value);
      return undefined;
    },
    print: (f) => `#${hex(f[name] ?? 0)}`,
  };
};

/** `C7`: a register number of SYS. */
const systemC: OperandFactory = (fields) => {
  const { name } = fieldAt(fields, 0);
  const no = mismatch('c0 to c15');
  return {
    expects: no.text,
    parse(from, f) {
      const m = /^c(\d|1[0-5])$/.exec(from.peek()?.lower ?? '');
      if (!m) return no;
      from.next();
      f[name] = Number(m[1]);
      return undefined;
    },
    print: (f) => `C${f[name]}`,
  };
};

const extendNames = 'uxtb uxth uxtw uxtx sxtb sxth sxtw sxtx';

/** The extension of an extended register (C6.2.3): with the stack pointer the neutral one is written LSL. */
const extend: OperandFactory = (fields, place) => {
  const option = fieldAt(fields, 0).name;
  const amount = fieldAt(fields, 1).name;
  const neutral = place.shape['sf'] === 0 ? 2 : 3;
  const values = new Map(byIndex(extendNames));
  const destinationIsSp = /^(add|sub)$/.test(place.mnemonic);
  const withSp = (f: Readonly<Record<string, number>>): boolean =>
    f[option] === neutral && (f['rn'] === 31 || (destinationIsSp && f['rd'] === 31));
  const no = mismatch(`an extension (lsl, ${extendNames.replaceAll(' ', ', ')})`);
  return {
    expects: no.text,
    keep: (f) => !withSp(f),
    parse(from, f) {
      const word = from.peek()?.lower ?? '';
      const v = word === 'lsl' ? neutral : values.get(word);
      if (v === undefined) return no;
      from.next();
      f[option] = v;
      f[amount] = 0;
      if (from.accept('#') || (from.peek() && from.peek()?.text !== ',')) {
        const n = takeNumber(from);
        if (isError(n)) return n;
        if (n.value < 0n || n.value > 4n)
          return wrong(`shift ${n.value} is out of range for ${from.mnemonic}: 0 to 4`);
        f[amount] = Number(n.value);
      } else if (word === 'lsl') return wrong('lsl needs an amount: #0 to #4');
      return undefined;
    },
    print: (f) => {
      const name = withSp(f) ? 'lsl' : extendNames.split(' ')[f[option] ?? 0];
      return f[amount] || name === 'lsl' ? `${name} #${f[amount]}` : name;
    },
  };
};

/** The extension of a register offset (C6.2.166): shifted by log2 of the access size, or not at all. */
const ldextend: OperandFactory = (fields) => {
  const option = fieldAt(fields, 0).name;
  const shifted = fieldAt(fields, 1).name;
  const last = fields[2];
  const size = last && 'literal' in last ? last.literal : 0;
  const values = new Map([
    ['uxtw', 2],
    ['lsl', 3],
    ['sxtw', 6],
    ['sxtx', 7],
  ]);
  const no = mismatch(`an extension (lsl #${size}, uxtw, sxtw, sxtx)`);
  return {
    expects: no.text,
    parse(from, f) {
      const word = from.peek()?.lower ?? '';
      const v = values.get(word);
      if (v === undefined) return no;
      from.next();
      f[option] = v;
      f[shifted] = 0;
      if (from.accept('#') || (from.peek() && from.peek()?.text !== ']')) {
        const n = takeNumber(from);
        if (isError(n)) return n;
        if (n.value !== 0n && n.value !== BigInt(size)) {
          return wrong(
            `shift ${n.value} is not possible for ${from.mnemonic}: ${size ? `0 or ${size}` : '0'}`,
          );
        }
        // An explicit `lsl #0` of a byte access is the shifted form (S = 1).
        f[shifted] = n.value === BigInt(size) ? 1 : 0;
      } else if (word === 'lsl') return wrong(`lsl needs an amount: #${size}`);
      return undefined;
    },
    print: (f) => {
      const name = { 2: 'uxtw', 3: 'lsl', 6: 'sxtw', 7: 'sxtx' }[f[option] ?? 0];
      return name === undefined ? undefined : f[shifted] ? `${name} #${size}` : name;
    },
  };
};

/** The kinds that are names. */
export const namedKinds: Readonly<Record<string, OperandFactory>> = {
  cond: named({ noun: 'a condition', names: conditions }),
  invcond: named({
    noun: 'a condition',
    names: conditions.filter(([, v]) => v < 14),
    encode: (v) => v ^ 1,
  }),
  shift: named({ noun: 'a shift', names: byIndex('lsl lsr asr ror') }),
  extend,
  ldextend,
  nzcv,
  c: systemC,
  // C6.2.81 DSB; C6.2.79 DMB.
  barrier: named({
    noun: 'a barrier option',
    names: byIndex('- oshld oshst osh - nshld nshst nsh - ishld ishst ish - ld st sy'),
    number: twoDigits,
  }),
  isb: named({ noun: 'a barrier option', names: [['sy', 15]], number: (v) => `#${hex(v)}` }),
  prfop: named({ noun: 'a prefetch operation', names: prefetches, number: twoDigits }),
  pstate: named({ noun: 'a PSTATE field', names: pstateFields }),
};
