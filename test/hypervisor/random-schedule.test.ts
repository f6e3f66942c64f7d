/** Ten thousand random events: whoever runs, is interrupted, moved or put, everybody finds his FP registers again. */
import assert from 'node:assert/strict';
import { state } from '../../emulator/isa/a64/state';
import { FpLedger } from './checkers/fp-ledger';
import { judge } from './judge';
import { buildProgram, type Patch, type Story } from './program';
import { Rig } from './rig';
import { encodeOrders, Op, randomOrders, type Order } from './schedule';
import { Random, seed } from '../support/random';

const CPUS = 3;
const VCPUS = 4;
const STORY: Story = {
  name: 'script',
  set: { NR_CPUS: CPUS, SCRIPT: 1 },
  // FP always, in few rounds, in few rounds with other seeds, never.
  vms: [
    'entry=fp_storm, arg=0x1000000|1<<32|6<<40',
    'entry=fp_storm, arg=0x1000000|2<<32|6<<40|1<<48',
    'entry=fp_storm, arg=0x1000000|3<<32|0<<40|1<<48',
    'entry=host_storm, arg=0x1000000',
  ],
  payloads: ['fp-storm.S', 'exit-storm.S'],
};

/** What the host's task does with its registers: script_task_fp of host/script.S. */
function taskRule(before: { v: Buffer; fpcr: bigint; fpsr: bigint }): typeof before {
  const v = Buffer.from(before.v);
  for (let n = 0; n < 64; n++)
    v.writeBigUInt64LE(BigInt.asUintN(64, v.readBigUInt64LE(8 * n) + (n & 1 ? 2n : 1n)), 8 * n);
  return { v, fpcr: before.fpcr ^ (1n << 22n), fpsr: before.fpsr ^ 1n };
}

interface Outcome {
  readonly rig: Rig;
  readonly ledger: FpLedger;
  readonly done: number;
}

function run(orders: readonly Order[], patches: readonly Patch[] = []): Outcome {
  const program = buildProgram(STORY, patches);
  const rig = new Rig(program, { cpus: CPUS });
  judge(rig);
  const ledger = rig.observe((r) => new FpLedger(r));
  const table = program.symbol('host_script');
  rig.machine.physical.poke(table, encodeOrders(orders));
  let done = 0;
  let last: Order | undefined;
  rig.breakAt(program.symbol('host_script_step'), (cpu) => {
    if (done === 0) ledger.open(VCPUS, 2 * CPUS);
    ledger.arrive(cpu);
    if (last?.op === 'task') ledger.computed(last.cpu, taskRule);
    const at = Number(rig.machine.state.get(cpu, state.x, 22) - table) / 4;
    const order = orders[at];
    assert.equal(at, done, 'orders are done one after the other');
    assert.equal(order?.cpu, cpu);
    if (done > 0)
      ledger.check(`before order ${at} (${order?.op} on CPU ${cpu}), after ${last?.op} on CPU ${last?.cpu}`);
    done++;
    last = order;
  });
  rig.run(() => rig.complaints.length > 0);
  return { rig, ledger, done };
}

describe(`A random schedule (SEED=${seed})`, function () {
  it('10,000 events lose no register', () => {
    const orders = randomOrders(new Random(seed), 10_000, { cpus: CPUS, vcpus: VCPUS });
    const { rig, ledger, done } = run(orders);
    assert.deepEqual(rig.complaints, []);
    assert.equal(rig.computer.ended?.kind, 'poweroff', rig.uart);
    assert.equal(done, orders.length - 1);
    // It was not all in memory all the time.
    assert.ok(ledger.inRegisters > 1000, `${ledger.inRegisters}`);
  });

  const broken: readonly (readonly [string, Patch, RegExp])[] = [
    [
      'a put that does not save',
      {
        file: 'host/fpsimd.S',
        before: '\tbl\tfpsimd_save\n\tbl\tfpsimd_flush\n\tldp',
        after: '\tbl\tfpsimd_flush\n\tldp',
      },
      /lost its/,
    ],
    [
      'a put that does not flush',
      {
        file: 'host/fpsimd.S',
        before: '\tbl\tfpsimd_save\n\tbl\tfpsimd_flush\n\tldp',
        after: '\tbl\tfpsimd_save\n\tldp',
      },
      /do not agree|does not hold/,
    ],
    [
      "a first use that does not save the host's registers",
      {
        file: 'hyp/fpsimd.S',
        before: 'hyp_save_host_fp:\n\tsave_fp\tx2, x3\n1:',
        after: 'hyp_save_host_fp:\n1:',
      },
      /task \d has lost its/,
    ],
    [
      'a task that is not mapped anew for EL2',
      {
        file: 'host/fpsimd.S',
        before: '\tstr\tx1, [x19, #vcpu.host_fp]\n',
        after: '\tldr\tx2, [x19, #vcpu.host_fp]\n\tcbnz\tx2, 2f\n\tstr\tx1, [x19, #vcpu.host_fp]\n',
      },
      /task \d has lost its/,
    ],
  ];
  for (const [what, patch, says] of broken)
    it(`finds ${what}`, () => {
      const orders = randomOrders(new Random(7n), 400, { cpus: CPUS, vcpus: VCPUS });
      const { rig } = run(orders, [patch]);
      assert.ok(
        rig.complaints.some((c) => c.by === 'fp-ledger' && says.test(c.text)),
        JSON.stringify(rig.complaints, undefined, 1),
      );
    });

  it('has every kind of event', () => {
    const orders = randomOrders(new Random(seed), 1000, { cpus: CPUS, vcpus: VCPUS });
    for (const op of Object.keys(Op))
      assert.ok(
        orders.some((o) => o.op === op),
        op,
      );
  });
});
