/**
 * QEMU as an independent oracle: random words of every row that touches only general-purpose registers, flags and the
 * PC, with random registers; the evaluator and regions are compared with it. Replay a failure with the SEED that it prints; ROW_CASES=n runs n cases a row.
 */
import assert from 'node:assert/strict';
import { requireTool } from '../../../../test/support/oracles';
import { Machine } from '../../../core/machine';
import { flatHost, flatIsa } from '../../../core/testing/flat-isa';
import { common } from '../../../ir/state';
import { insert } from '../../dsl/pattern';
import { rawFields, type Row } from '../../dsl/row';
import { cpuModel } from '../cpus';
import { a64Rows } from '../rows';
import type { A64 } from '../sem';
import { SP, state } from '../state';
import { build, decode, fieldsOf, matches, TestCpu, type Decoded } from './machine';
import { touched } from './inspect';
import {
  addressOf,
  describeWord,
  landingOf,
  landings,
  runOnQemu,
  tools,
  type Case,
  type Registers,
  type Result,
} from '../../../../test/support/qemu-user';
import { Random, seed } from '../../../../test/support/random';
import { singleRegions } from '../../../../test/support/single-regions';

const casesPerRow = Number(process.env['ROW_CASES'] ?? 400);
const casesPerWord = 5;

const { features } = cpuModel('cortex-a57');
const rowsOfA57 = a64Rows.filter((r) => r.feature === undefined || features.has(r.feature));

/** State that a case of the program can set up and compare. */
const comparable = new Set(['x', 'nzcv', 'pc']);

function isComparable(row: Row<A64>): boolean {
  return row.shapes.every((shape) => {
    const word = anyWord(row, new Random(1n), shape);
    const t = touched(build(fieldsOf(row, word), 'record'));
    // Without a probe, a load from linear memory is one from a table of constants.
    const inside = [...t.beyond].every((k) => k === 'ld');
    return inside && [...t.fields].every((f) => comparable.has(f)) && !t.exits.has('hold');
  });
}

/** Fields that hold a PC-relative branch target. */
const labels = (row: Row<A64>): string[] =>
  [...row.shapes]
    .flatMap((s) => row.asm(s))
    .flatMap((t) => [...t.matchAll(/<label:(\w+)>/g)].map((m) => m[1]!));

/** A random word of the row with that shape; a branch by label goes to one of the slot's landings. */
function anyWord(row: Row<A64>, r: Random, shape: Readonly<Record<string, number>>): number {
  const targets = new Set(labels(row));
  for (let tries = 0; tries < 100000; tries++) {
    let word = ((r.bits32() & ~row.pattern.mask) | row.pattern.value) >>> 0;
    for (const f of row.pattern.fields) {
      if (targets.has(f.name)) word = insert(word, f, 1 + 2 * r.below(landings));
      else if (f.name in shape) word = insert(word, f, shape[f.name] ?? 0);
      // Registers that are the same, and number 31, deserve more than their share.
      else if (f.width === 5 && r.below(8) === 0) word = insert(word, f, r.pick([31, 30, 0]));
    }
    if (matches(row, word)) return word;
  }
  throw new Error(`${row.name}: no word with the shape ${JSON.stringify(shape)}`);
}

function anyRegisters(r: Random): Registers {
  const x = Array.from({ length: 31 }, () => r.value());
  return { x, sp: r.value(), nzcv: BigInt(r.below(16)) << 28n };
}

/** What our evaluator makes of a case. */
function evaluateCase(d: Decoded, c: Case, mode: 'known' | 'record', body = build(d, mode)): Result {
  const cpu = new TestCpu();
  c.before.x.forEach((v, n) => cpu.setX(n, v));
  cpu.sp = c.before.sp;
  cpu.nzcv = c.before.nzcv;
  cpu.pc = addressOf(c.slot);
  cpu.run(body, d);
  const landing = Array.from({ length: landings }, (_, n) => landingOf(c.slot, n)).indexOf(cpu.pc);
  return { x: c.before.x.map((_, n) => cpu.x(n)), sp: cpu.sp, nzcv: cpu.nzcv, landing };
}

/** Runs cases on a machine whose translator makes a region of each of the words. */
function regionRunner(words: readonly number[]): (c: Case) => Result {
  const [first, last] = [addressOf(0), addressOf(words.length)];
  const ramBase = first & ~0xffffn;
  const ramBytes = Number((last | 0xffffn) + 1n - ramBase);
  const isa = flatIsa(a64Rows);
  const features = new Set(a64Rows.flatMap((r) => (r.feature ? [r.feature] : [])));
  const m = new Machine({
    ...{ isa, cpus: 1, ramBase, ramBytes, features, host: flatHost, translate: singleRegions },
  });
  words.forEach((w, slot) => m.physical.poke(addressOf(slot), new Uint8Array(new Uint32Array([w]).buffer)));
  return ({ slot, before }) => {
    before.x.forEach((v, n) => m.state.set(0, state.x, v, n));
    m.state.set(0, state.x, before.sp, SP);
    m.state.set(0, state.nzcv, Number(before.nzcv));
    m.state.set(0, common.pc, addressOf(slot));
    m.run({ instructions: 1 });
    const landing = Array.from({ length: landings }, (_, n) => landingOf(slot, n)).indexOf(m.pc(0));
    return {
      x: before.x.map((_, n) => m.state.get(0, state.x, n)),
      sp: m.state.get(0, state.x, SP),
      nzcv: BigInt(m.state.num(0, state.nzcv)),
      landing,
    };
  };
}

const names = (r: Result): Record<string, string> => ({
  ...Object.fromEntries(r.x.map((v, n) => [`x${n}`, `0x${v.toString(16)}`])),
  sp: `0x${r.sp.toString(16)}`,
  nzcv: `0x${r.nzcv.toString(16)}`,
  landing: String(r.landing),
});

/** The lines of a message that says in which registers two results differ. */
function difference(before: Registers, ours: Result, qemu: Result): string[] {
  const [a, b] = [names(ours), names(qemu)];
  const start = names({ ...before, landing: 0 });
  return Object.keys(a)
    .filter((k) => a[k] !== b[k])
    .map((k) => `  ${k}: ours ${a[k]}, QEMU ${b[k]}, before ${start[k]}`);
}

function report(word: number, name: string, c: Case, lines: readonly string[]): never {
  const inputs = names({ ...c.before, landing: 0 });
  const used = [...new Set([0, 5, 10, 16].map((lsb) => (word >>> lsb) & 31))]
    .map((n) => (n === 31 ? `sp=${inputs['sp']}` : `x${n}=${inputs[`x${n}`]}`))
    .join(' ');
  assert.fail(
    [
      `0x${word.toString(16)} (${describeWord(word)}), row ${name}, differs from QEMU (SEED=${seed})`,
      `  ${used} nzcv=${inputs['nzcv']}`,
      ...lines,
    ].join('\n'),
  );
}

describe(`A64 rows against QEMU (SEED=${seed})`, function () {
  this.timeout(180_000 * Math.max(1, casesPerRow / 400));

  const rows = a64Rows.filter(isComparable);

  it(`agrees on random operands of ${rows.length} rows`, function () {
    requireTool(this, ...tools);
    const r = new Random(seed);
    const words: number[] = [];
    const cases: Case[] = [];
    const decoded: Decoded[] = [];
    for (const row of rows) {
      const wanted = Math.max(casesPerRow / casesPerWord, row.shapes.length * 2);
      // A branch without a label takes its target from rn.
      const indirect =
        labels(row).length === 0 &&
        touched(build(fieldsOf(row, anyWord(row, r, row.shapes[0]!)), 'record')).exits.has('branch');
      for (let n = 0; n < wanted; n++) {
        const word = anyWord(row, r, row.shapes[n % row.shapes.length]!);
        const { rn } = rawFields(row.pattern, word);
        if (indirect && (rn === undefined || rn === 31)) continue;
        const slot = words.push(word) - 1;
        decoded.push(fieldsOf(row, word));
        for (let i = 0; i < casesPerWord; i++) {
          const before = anyRegisters(r);
          const x = [...before.x];
          if (indirect && rn !== undefined) x[rn] = landingOf(slot, r.below(landings));
          cases.push({ slot, before: { ...before, x } });
        }
      }
    }
    const results = runOnQemu(words, cases, 'max');
    const bodies = decoded.map((d) => ({ known: build(d, 'known'), record: build(d, 'record') }));
    const inRegion = regionRunner(words);
    cases.forEach((c, i) => {
      const d = decoded[c.slot]!;
      const body = bodies[c.slot]!;
      const ours = {
        known: evaluateCase(d, c, 'known', body.known),
        record: evaluateCase(d, c, 'record', body.record),
        region: inRegion(c),
      };
      for (const [how, result] of Object.entries(ours)) {
        const lines = difference(c.before, result, results[i]!);
        if (lines.length > 0) report(words[c.slot]!, `${d.row.name} (${how})`, c, lines);
      }
    });
  });

  it('agrees on which words of data processing (immediate, register) are UNDEFINED', function () {
    requireTool(this, ...tools);
    const r = new Random(seed);
    // Bits 28-25 are 100x for immediate and x101 for register data processing (Arm ARM DDI 0487 C4.1).
    const words = Array.from({ length: 6000 }, (_, n) => {
      const op0 = n % 3 === 0 ? 0b1000 | (n & 1) : 0b0101 | ((n & 1) << 3);
      const anything = r.bits32();
      return ((anything & ~(15 << 25)) | (op0 << 25)) >>> 0;
    });
    const cases = words.map((_, slot): Case => ({ slot, before: anyRegisters(r) }));
    const results = runOnQemu(words, cases, 'cortex-a57');
    cases.forEach((c, i) => {
      const word = words[i]!;
      const d = decode(rowsOfA57, word);
      const ours: Result = d ? evaluateCase(d, c, 'known') : { ...c.before, landing: 'undefined' };
      const lines = difference(c.before, ours, results[i]!);
      if (lines.length > 0) report(word, d?.row.name ?? 'none', c, lines);
    });
  });
});
