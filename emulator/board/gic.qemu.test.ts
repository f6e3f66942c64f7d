import assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { Run } from '../../test/support/program';
import { qemuOutput } from '../../test/support/qemu-program';
import { scriptImage, scriptResults, scriptTools, type ScriptOp } from '../../test/support/qemu-script';
import { pick, random } from '../dev/testing/bench';
import { gicBench, playGic } from '../dev/testing/gic-script';
import { playVirtual } from '../dev/testing/vgic-script';

/** Executes a script on the whole machine and on QEMU, and compares what was read. */
function compare(ops: readonly ScriptOp[], cpus: number): void {
  const image = scriptImage(ops, true);
  const ours = new Run(image, { cpus }).toEnd(20_000_000);
  const theirs = scriptResults(qemuOutput(image, { cpus }), ops);
  const mine = scriptResults(ours.output, ops);
  const history: string[] = [];
  let n = 0;
  for (const o of ops) {
    const el = 'el' in o ? ' at EL1' : '';
    if (o.op === 'msr') history.push(`msr ${o.reg}, 0x${o.value.toString(16)}${el}`);
    else if (o.op === 'write') history.push(`write 0x${o.at.toString(16)}, 0x${o.value.toString(16)}`);
    else {
      const what = o.op === 'mrs' ? o.reg : o.op === 'read' ? `0x${o.at.toString(16)}` : 'call';
      const show = (v: bigint | 'abort' | undefined): string =>
        typeof v === 'bigint' ? `0x${v.toString(16)}` : String(v);
      history.push(`${o.op} ${what}${el} -> ${show(mine[n])}`);
      if (mine[n] !== theirs[n])
        assert.fail(
          `ours ${show(mine[n])}, QEMU ${show(theirs[n])}, after\n${history.slice(-25).join('\n')}`,
        );
      n++;
    }
  }
  assert.ok(n > 10 && n === theirs.length);
}

const readable = [
  ...['pmr', 'bpr0', 'bpr1', 'ap0r0', 'ap1r0', 'rpr', 'ctlr', 'sre', 'igrpen0', 'igrpen1'],
  ...['hppir0', 'hppir1', 'iar0', 'iar1'],
].map((r) => `icc_${r}_el1`);
const writable = [
  ...['pmr', 'bpr0', 'bpr1', 'ap0r0', 'ap1r0', 'ctlr', 'sre', 'igrpen0', 'igrpen1'],
  ...['dir', 'eoir0', 'eoir1', 'sgi0r', 'sgi1r', 'asgi1r'],
].map((r) => `icc_${r}_el1`);

/** HCR_EL2: RW with each combination of IMO and FMO. */
const routes = [0x80000000n, 0x80000008n, 0x80000010n, 0x80000018n];
/** ICH_HCR_EL2: nothing, each trap bit (TC, TALL0, TALL1, TSEI, TDIR), all of them. */
const trapBits = [0n, 1n << 10n, 1n << 11n, 1n << 12n, 1n << 13n, 1n << 14n, 0x7c00n];

describe('the GIC of the whole machine against QEMU', function () {
  it('traps and redirects accesses of EL1 by HCR_EL2 and ICH_HCR_EL2', function () {
    requireTool(this, ...scriptTools);
    const ops: ScriptOp[] = [];
    for (const hcr of routes)
      for (const ich of trapBits) {
        ops.push(
          { op: 'msr', reg: 'hcr_el2', value: hcr },
          { op: 'msr', reg: 'ich_hcr_el2', value: ich | 1n },
        );
        ops.push(
          { op: 'msr', reg: 'ich_vmcr_el2', value: 0x584c0003n },
          { op: 'msr', reg: 'icc_pmr_el1', value: 0x38n },
        );
        for (const reg of readable) ops.push({ op: 'mrs', reg, el: 1 });
        for (const reg of writable) {
          // A write that traps leaves nothing behind: ELR_EL2 says whether it did.
          ops.push({ op: 'msr', reg: 'esr_el2', value: 0n }, { op: 'msr', reg, value: 1n, el: 1 });
          ops.push({ op: 'mrs', reg: 'ich_vmcr_el2' }, { op: 'mrs', reg: 'icc_pmr_el1' });
        }
        ops.push(
          { op: 'msr', reg: 'icc_igrpen1_el1', value: 0n },
          { op: 'msr', reg: 'icc_igrpen0_el1', value: 0n },
        );
        ops.push({ op: 'msr', reg: 'icc_ctlr_el1', value: 0n });
      }
    compare(ops, 1);
  });

  it('keeps what each ICH_* register implements of all ones, zeros and random values', function () {
    requireTool(this, ...scriptTools);
    const names = ['hcr', 'vmcr', 'ap0r0', 'ap1r0', 'lr0', 'lr1', 'lr2', 'lr3'].map((r) => `ich_${r}_el2`);
    const all = [...names, ...['vtr', 'misr', 'eisr', 'elrsr'].map((r) => `ich_${r}_el2`)];
    const rnd = random(7);
    const word = (): bigint =>
      (BigInt(rnd(0x40000000)) << 34n) | (BigInt(rnd(0x40000000)) << 4n) | BigInt(rnd(16));
    const ops: ScriptOp[] = all.map((reg): ScriptOp => ({ op: 'mrs', reg }));
    for (const value of [(1n << 64n) - 1n, 0n, ...Array.from({ length: 12 }, word)])
      for (const reg of names) {
        // QEMU takes VGrp0DIE (bit 5) for VGrp1DIE.
        ops.push(
          { op: 'msr', reg, value: value & ~0x20n },
          ...all.map((r): ScriptOp => ({ op: 'mrs', reg: r })),
        );
      }
    compare(ops, 1);
  });

  for (const seed of [11, 12])
    it(`answers a guest and its hypervisor alike, by instructions, seed ${seed}`, function () {
      requireTool(this, ...scriptTools);
      const { accesses } = playVirtual(gicBench(1), random(seed), 300, seed % 2 === 0);
      compare(accesses, 1);
    });

  it('answers random accesses to the physical interface alike, by instructions', function () {
    requireTool(this, ...scriptTools);
    const { accesses } = playGic(gicBench(2), random(13), 300);
    compare(accesses, 2);
  });

  it('does as list registers, group enables, priorities and trap bits change at random', function () {
    requireTool(this, ...scriptTools);
    const rnd = random(17);
    const ops: ScriptOp[] = [{ op: 'msr', reg: 'hcr_el2', value: 0x80000018n }];
    const field = (at: number, values: readonly number[]): bigint => BigInt(pick(rnd, values)) << BigInt(at);
    for (let n = 0; n < 250; n++) {
      const lr =
        field(62, [0, 1, 1, 2, 3]) |
        field(60, [0, 1]) |
        field(48, [0, 0x20, 0x80, 0xa0, 0xf0]) |
        (rnd(3) ? field(41, [0, 1]) : (1n << 61n) | field(32, [27, 40])) |
        field(0, [3, 27, 40, 1000, 1022]);
      const step = pick<() => ScriptOp>(rnd, [
        () => ({ op: 'msr', reg: `ich_lr${rnd(4)}_el2`, value: lr }),
        () => ({ op: 'msr', reg: `ich_lr${rnd(4)}_el2`, value: lr }),
        () => ({ op: 'msr', reg: 'ich_hcr_el2', value: 1n | field(1, [0, 0x2f, 0x6f]) | field(27, [0, 3]) }),
        () => ({
          op: 'msr',
          reg: 'ich_vmcr_el2',
          value: 3n | field(24, [0xff, 0x80]) | field(21, [2, 5]) | field(18, [3, 6]) | field(4, [0, 1]),
        }),
        () => ({ op: 'mrs', reg: `icc_iar${rnd(2)}_el1`, el: 1 }),
        () => ({ op: 'mrs', reg: `icc_iar${rnd(2)}_el1`, el: 1 }),
        () => ({ op: 'msr', reg: `icc_eoir${rnd(2)}_el1`, value: field(0, [3, 27, 40, 1000]), el: 1 }),
        () => ({ op: 'msr', reg: 'icc_dir_el1', value: field(0, [3, 27, 40, 1000]), el: 1 }),
        () => ({ op: 'msr', reg: 'icc_pmr_el1', value: field(0, [0xff, 0x90, 0x30]), el: 1 }),
      ]);
      ops.push(step());
      for (const reg of [
        'lr0',
        'lr1',
        'lr2',
        'lr3',
        'hcr',
        'ap0r0',
        'ap1r0',
        'misr',
        'eisr',
        'elrsr',
        'vmcr',
      ])
        ops.push({ op: 'mrs', reg: `ich_${reg}_el2` });
      for (const reg of ['isr_el1', 'icc_rpr_el1', 'icc_hppir0_el1', 'icc_hppir1_el1'])
        ops.push({ op: 'mrs', reg, el: 1 });
    }
    compare(ops, 1);
  });

  it('shows at once what a debugger’s write to a list register brings about', () => {
    const run = new Run(scriptImage([], true));
    const { machine } = run.computer;
    const input = (field: string, value: bigint): void =>
      machine.input({ kind: 'state', cpu: 0, field, index: 0, value });
    input('ICH_HCR_EL2', 1n);
    assert.equal(run.reg('ICH_MISR_EL2'), 0n);
    input('ICH_LR0_EL2', 1n << 41n);
    assert.equal(run.reg('ICH_MISR_EL2'), 1n, 'EOI');
  });
});
