/** What loads and stores do besides moving data: which faults come first, what a fault leaves, what the access says. */
import assert from 'node:assert/strict';
import { Random, seed } from '../../../../test/support/random';
import type { Access } from '../../../ir/nodes';
import { common } from '../../../ir/state';
import { verify } from '../../../ir/verify';
import { insert } from '../../dsl/pattern';
import { rawFields, type Row } from '../../dsl/row';
import { exclusiveRows } from './exclusive';
import { loadStoreRows } from './load-store';
import { loadStorePairRows } from './load-store-pair';
import { build, fieldsOf, TestCpu } from '../row-tests/machine';
import { Flag, type A64 } from '../sem';
import { simdLoadStoreRows } from '../simd/load-store';
import { simdMoveRows } from '../simd/move';
import { state } from '../state';
import { sysregNamed } from '../sysregs';

const memoryRows = [...loadStoreRows, ...loadStorePairRows, ...exclusiveRows, ...simdLoadStoreRows];
const all = [...memoryRows, ...simdMoveRows];

const isPrefetch = (row: Row<A64>): boolean => row.name.startsWith('PRF');
const isStoreExclusive = (row: Row<A64>): boolean => /^STL?X/.test(row.name);

/** Bit 26 (V) tells FP/SIMD loads and stores, and the bits of data processing all moves. */
const usesSimd = (row: Row<A64>): boolean =>
  simdMoveRows.includes(row) || (row.pattern.value & (1 << 26)) !== 0;

function randomWord(row: Row<A64>, r: Random, rn?: number): number {
  const field = row.fields.get('rn');
  for (;;) {
    const any = ((r.bits32() & ~row.pattern.mask) | row.pattern.value) >>> 0;
    const word = field && rn !== undefined ? insert(any, field, rn) : any;
    if (row.when(rawFields(row.pattern, word))) return word;
  }
}

const syndromeClass = { fp: 0x07n, spAlignment: 0x26n } as const;
const start = 0x4000n;

/** A CPU at EL1 on which every access faults; it counts them. */
class FaultingCpu extends TestCpu {
  readonly accesses: Access[] = [];

  constructor(r: Random) {
    super({
      probe: (_va, access) => {
        this.accesses.push(access);
        return undefined;
      },
    });
    for (let n = 0; n < 31; n++) this.setX(n, r.bits64());
    for (let n = 0; n < 64; n++) this.set(state.v, r.bits64(), n);
    this.set(state.el, 1n);
    this.set(state.spsel, 1n);
    this.pc = start;
  }

  system(name: string): bigint {
    const { storage } = sysregNamed(name);
    assert.ok(storage);
    return this.get(storage.field, storage.index);
  }

  execute(row: Row<A64>, word: number): void {
    const d = fieldsOf(row, word);
    this.run(build(d, 'record'), d);
  }

  /** EC of the exception that was taken to EL1 and returns to the instruction; undefined: none was. */
  taken(): bigint | undefined {
    const esr = this.system('ESR_EL1');
    if (esr === 0n) return undefined;
    assert.equal(this.system('ELR_EL1'), start);
    return esr >> 26n;
  }
}

const hex = (word: number): string => `0x${word.toString(16)}, SEED=${seed}`;

describe('A64 loads, stores and moves', () => {
  it('have bodies that keep the rules of the IR', () => {
    for (const row of all) {
      const word = randomWord(row, new Random(seed));
      for (const shape of row.shapes) {
        const problems = verify(build({ ...fieldsOf(row, word), shape }, 'record'));
        assert.deepEqual(problems, [], row.name);
      }
    }
  });

  it('leave everything as it was when the access faults', () => {
    const r = new Random(seed);
    for (const row of memoryRows) {
      for (let n = 0; n < 4; n++) {
        const cpu = new FaultingCpu(r);
        const word = randomWord(row, r);
        if (isStoreExclusive(row)) continue;
        const before = cpu.memory.buffer.slice(0);
        const pc = cpu.get(common.pc);
        cpu.execute(row, word);
        // The address of the instruction is known to the fault, but nothing else has changed.
        cpu.set(common.pc, pc);
        assert.deepEqual(
          new Uint8Array(cpu.memory.buffer),
          new Uint8Array(before),
          `${row.name} ${hex(word)}`,
        );
        assert.equal(cpu.accesses.length, isPrefetch(row) ? 0 : 1, row.name);
      }
    }
  });

  it('keep the mark of a store-exclusive that faults', () => {
    const r = new Random(seed);
    for (const row of exclusiveRows.filter(isStoreExclusive)) {
      const cpu = new FaultingCpu(r);
      const word = randomWord(row, r, 7);
      const size = Number(
        /\(X\)/.test(row.name) ? 8 : ({ B: 1, H: 2 }[/X[RP]([BH])/.exec(row.name)?.[1] ?? ''] ?? 4),
      );
      cpu.set(state.exAddr, cpu.x(7));
      cpu.set(state.exBytes, BigInt(row.name.includes('XP') ? 2 * size : size));
      const status = rawFields(row.pattern, word)['rs'] ?? 0;
      const old = cpu.x(status);
      cpu.execute(row, word);
      assert.equal(cpu.accesses.length, 1, row.name);
      const ordered = row.name.startsWith('STL') ? Flag.acqRel : 0;
      assert.equal(cpu.accesses[0]?.flags, Flag.aligned | ordered, row.name);
      assert.equal(cpu.x(status), old, row.name);
      assert.notEqual(cpu.get(state.exBytes), 0n, row.name);
    }
  });

  it('trap as FP/SIMD instructions exactly when they use these registers', () => {
    const r = new Random(seed);
    for (const row of all) {
      const cpu = new FaultingCpu(r);
      cpu.set(state.fpTrap, 1n);
      const word = randomWord(row, r);
      const vectors = (): bigint[] => Array.from({ length: 64 }, (_, n) => cpu.get(state.v, n));
      const before = vectors();
      cpu.execute(row, word);
      assert.equal(cpu.taken(), usesSimd(row) ? syndromeClass.fp : undefined, `${row.name} ${hex(word)}`);
      if (usesSimd(row)) assert.equal(cpu.accesses.length, 0, row.name);
      assert.deepEqual(vectors(), before);
    }
  });

  it('check the alignment of SP as a base, and of no other register', () => {
    const r = new Random(seed);
    for (const row of memoryRows.filter((m) => m.fields.has('rn'))) {
      const run = (rn: number, base: bigint, check: bigint): FaultingCpu => {
        const cpu = new FaultingCpu(r);
        cpu.set(state.spCheck, check);
        cpu.setX(rn, base);
        cpu.execute(row, randomWord(row, r, rn));
        return cpu;
      };
      for (const low of [1n, 2n, 4n, 8n]) {
        const cpu = run(31, 0x8000n + low, 1n);
        assert.equal(cpu.taken(), isPrefetch(row) ? undefined : syndromeClass.spAlignment, row.name);
        assert.equal(cpu.accesses.length, 0, row.name);
      }
      const access = isPrefetch(row) || isStoreExclusive(row) ? 0 : 1;
      for (const [rn, base, check] of [
        [31, 0x8000n, 1n],
        [31, 0x8008n, 0n],
        [9, 0x8008n, 1n],
      ] as const) {
        const cpu = run(rn, base, check);
        assert.equal(cpu.taken(), undefined, row.name);
        assert.equal(cpu.accesses.length, access, row.name);
      }
    }
  });
});

/** ISS.SF and ISS.SSE of a transfer (Arm ARM DDI 0487 D24.2.40), by mnemonic and register. */
function syndromeOf(row: Row<A64>): number {
  const sf = /, X\)|\(X\)/.test(row.name) ? Flag.sf : 0;
  const signed = /^LD[UT]?RS|^LDTRS/.test(row.name) ? Flag.signExtend : 0;
  return Flag.isv | sf | signed;
}

describe('What A64 accesses tell the abort handler', () => {
  const accessOf = (row: Row<A64>): Access => {
    const cpu = new FaultingCpu(new Random(seed));
    cpu.execute(row, randomWord(row, new Random(seed), 3));
    assert.ok(cpu.accesses[0], row.name);
    return cpu.accesses[0];
  };

  it('describes single general-purpose registers without writeback, and nothing else', () => {
    for (const row of memoryRows) {
      if (isPrefetch(row) || isStoreExclusive(row)) continue;
      const general = (row.pattern.value & (1 << 26)) === 0;
      const pair = loadStorePairRows.includes(row);
      const exclusive = /^LDA?X/.test(row.name);
      const writeback = /(pre|post)-index/.test(row.name);
      const described = general && !pair && !exclusive && !writeback;
      const mask = Flag.isv | Flag.sf | Flag.signExtend;
      assert.equal(accessOf(row).flags & mask, described ? syndromeOf(row) : 0, row.name);
    }
  });

  it('says which accesses are unprivileged, aligned and ordered', () => {
    for (const row of memoryRows) {
      if (isPrefetch(row) || isStoreExclusive(row)) continue;
      const { flags } = accessOf(row);
      assert.equal((flags & Flag.unprivileged) !== 0, row.name.includes('unprivileged'), row.name);
      assert.equal((flags & Flag.aligned) !== 0, exclusiveRows.includes(row), row.name);
      assert.equal((flags & Flag.acqRel) !== 0, /^(LDA|STL)/.test(row.name), row.name);
    }
  });

  it('covers both registers of a pair, and all of a structure, with one access', () => {
    const size = { W: 4, X: 8, S: 4, D: 8, Q: 16 } as const;
    for (const row of loadStorePairRows) {
      const reg = /, (\w)\)/.exec(row.name)?.[1] as keyof typeof size;
      const elem = row.name.startsWith('LDPSW') ? 4 : size[reg];
      const { bytes, elem: got } = accessOf(row);
      assert.deepEqual([bytes, got], [2 * elem, elem], row.name);
    }
    for (const row of simdLoadStoreRows) {
      const { bytes, elem } = accessOf(row);
      const registers = Number(/, (\d) registers/.exec(row.name)?.[1] ?? 0);
      if (registers) assert.ok(bytes === 8 * registers || bytes === 16 * registers, row.name);
      else assert.equal(bytes, elem * Number(row.name.charAt(2)), row.name);
    }
  });
});
