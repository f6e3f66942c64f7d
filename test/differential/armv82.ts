/**
 * cortex-a76 (Armv8.2), and a host kernel on it: the system registers with and without HCR_EL2.E2H, traps of EL0 under
 * TGE, exceptions that go to EL2 then.
 */
import { Decoder } from '../../emulator/codegen/decoder';
import { cpuModel } from '../../emulator/isa/a64/cpus';
import { a64Rows } from '../../emulator/isa/a64/rows';
import type { Case } from './batch';
import type { Kind } from './campaign';
import { TCR_EL1, type CaseBuilder } from './cases';
import { exceptionKindsOf, exceptionReturn, single } from './exceptions';
import { at, CaseFlag, offsetOf } from './record';
import type { Rng } from './rng';
import { MAIR, symbol } from './runner';
import { readAll, systemKinds, trap, writable, writeRead } from './system';

const CPU = 'cortex-a76';
const E2H = 1n << 34n;
const TGE = 1n << 27n;

/** Bits of SCTLR_EL2 that are controls over EL0 of a host: UCI, SPAN, nTWE, nTWI, UCT, DZE. */
const USER = [26n, 23n, 18n, 16n, 15n, 14n].reduce((v, bit) => v | (1n << bit), 0n);

/** EL2&0 with the runner's tables, and random controls over EL0. */
function hostRegime(rng: Rng, c: CaseBuilder): void {
  c.flag(CaseFlag.el2Regime | CaseFlag.flush)
    .set('TCR_EL2', TCR_EL1)
    .set('TTBR0_EL2', symbol('el2_level1'))
    .set('TTBR1_EL2', 0n)
    .set('MAIR_EL2', MAIR)
    .set('SCTLR_EL2', (0x30c51825n & ~USER) | (rng.bits64() & USER));
}

/** The controls of EL2 in their layout with E2H. */
function hostControls(rng: Rng, c: CaseBuilder): void {
  const tge = rng.oneIn(4) ? 0n : TGE;
  c.update('HCR_EL2', E2H | tge, tge ? 0n : TGE);
  c.update('CPTR_EL2', BigInt(rng.below(4)) << 20n, 3n << 20n);
  c.set('CNTHCTL_EL2', rng.bits64() & 0xf03n);
  hostRegime(rng, c);
}

const WFI = 0xd503207f;

/**
 * One instruction that may trap. HCR_EL2.TWI counts nothing in a host, so that SCTLR_EL2.nTWI must end a WFI;
 * QEMU 7.2 looks at SCTLR_EL1's.
 */
function trapInHost(rng: Rng): Case | undefined {
  const made = trap(rng, 'trap', (c) => hostControls(rng, c));
  if (made?.record.readUInt32LE(at.words) === WFI) {
    for (const offset of [offsetOf('SCTLR_EL1'), offsetOf('SCTLR_EL2')])
      made.record.writeBigUInt64LE(made.record.readBigUInt64LE(offset) & ~(1n << 16n), offset);
  }
  return made;
}

/** A case that another kind made, in a host. */
function inHost(rng: Rng, made: Case | undefined): Case | undefined {
  if (!made) return undefined;
  const record = Buffer.from(made.record);
  const put = (name: Parameters<typeof offsetOf>[0], change: (v: bigint) => bigint): void => {
    const v = record.readBigUInt64LE(offsetOf(name));
    record.writeBigUInt64LE(change(v), offsetOf(name));
  };
  put('HCR_EL2', (v) => v | E2H | (rng.oneIn(5) ? 0n : TGE));
  put('CPTR_EL2', () => 3n << 20n);
  return { ...made, record };
}

const many = (count: number, make: () => Case | undefined): Case[] =>
  Array.from({ length: count }, make).filter((c) => c !== undefined);

const decoder = new Decoder(a64Rows, cpuModel(CPU).features);

const hostKinds: readonly Kind[] = [
  {
    name: 'system registers with E2H, read at each level',
    make: (rng) => ({
      cases: [
        ...readAll(rng, 'MRS', ['EL0t', 'EL1h', 'EL2h'], E2H),
        ...readAll(rng, 'MRS', ['EL0t', 'EL2h'], E2H | TGE),
      ],
    }),
  },
  {
    name: 'system registers with E2H, written and read back at EL2',
    make: (rng, count) => ({
      cases: Array.from({ length: count }, (_, i) =>
        writeRead(rng, 'MSR at EL2', writable[i % writable.length]!, 2, E2H | (rng.oneIn(2) ? TGE : 0n)),
      ),
    }),
  },
  {
    name: 'traps in a host',
    make: (rng, count) => ({
      cases: many(count, () => trapInHost(rng)),
    }),
  },
  {
    name: 'single words of all rows, in a host',
    make: (rng, count) => ({
      cases: many(count, () => inHost(rng, single(rng, 'single words of all rows', decoder))),
    }),
  },
  {
    name: 'exception returns in a host',
    make: (rng, count) => ({
      cases: many(count, () => inHost(rng, exceptionReturn(rng, 'exception returns'))),
    }),
  },
];

/** The kinds of the other CPU on this one, and those of a host. */
export const armv82Kinds: readonly Kind[] = [
  ...[...systemKinds, ...exceptionKindsOf(CPU)].map((k) => ({ ...k, name: `${k.name}, ${CPU}` })),
  ...hostKinds,
].map((k) => ({ name: k.name, make: (rng, count) => ({ ...k.make(rng, count), cpu: CPU }) }));

/** The kinds on `max`; QEMU's has more instructions and registers. */
export const maxKinds: readonly Kind[] = exceptionKindsOf('max')
  .filter(({ name }) => name !== 'words that are no instruction')
  .map((k) => ({ ...k, name: `${k.name}, max` }));
