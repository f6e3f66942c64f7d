import assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { runOnQemu, scriptTools } from '../../test/support/qemu-script';
import { FakeBus } from '../dev/testing/fake-bus';
import { firmwareFunctionName } from './psci';
import { createVirtBoard } from './virt';

const MINUS = (n: bigint): bigint => BigInt.asUintN(64, -n);

function call(bus: FakeBus, args: readonly bigint[], options: { el2?: boolean; cpu?: number } = {}): bigint {
  const cpu = options.cpu ?? 0;
  const el2 = options.el2 ?? true;
  args.forEach((a, n) => bus.setX(cpu, n, a));
  assert.equal(createVirtBoard(bus, { el2 }).firmware(cpu, el2 ? 'smc' : 'hvc'), true);
  return bus.getX(cpu, 0);
}

describe('PSCI', () => {
  it('answers as QEMU does, by SMC with EL2 and by HVC without', function () {
    requireTool(this, ...scriptTools);
    const calls: bigint[][] = [
      [0x84000000n],
      [0x84000006n],
      [0x84000004n, 0n, 0n],
      [0xc4000004n, 0n, 0n],
      [0xc4000004n, 1n, 0n],
      [0xc4000004n, 2n, 0n],
      [0xc4000004n, 0x100n, 0n],
      [0xc4000003n, 0n, 0x40080000n, 0n],
      [0xc4000003n, 5n, 0x40080000n, 0n],
      [0x84000003n, 0n, 0x40080000n, 0n],
      [0x84000005n],
      [0xc4000005n],
      [0x84000007n],
      [0x8400000an, 0x84000000n],
      [0x8400000an, 0x84000002n],
      [0x8400000an, 0xc4000003n],
      [0x8400000an, 0x84000003n],
      [0x8400000an, 0xc4000001n],
      [0x8400000an, 0x84000008n],
      [0x8400000an, 0x8400000an],
      [0x8400000an, 0xc4000012n],
      [0x8400000an, 0x84000005n],
      [0xc4000001n, 0xfffe0000n],
      [0xc4000000n],
      [0xc4000008n],
      [0x12345678n],
      [0xffffffffn],
      [0n],
    ];
    for (const el2 of [true, false]) {
      const bus = new FakeBus(2);
      const ours = calls.map((args) => call(bus, args, { el2 }));
      const theirs = runOnQemu(
        calls.map((args) => ({ op: 'call', conduit: el2 ? 'smc' : 'hvc', args }) as const),
        { el2, smp: 2 },
      );
      calls.forEach((args, n) =>
        assert.equal(ours[n], theirs[n], `${args.map((a) => a.toString(16)).join(' ')}, EL2 ${el2}`),
      );
    }
  });

  it('leaves the other conduit to the guest', () => {
    for (const el2 of [true, false]) {
      const bus = new FakeBus(1);
      bus.setX(0, 0, 0x84000000n);
      assert.equal(createVirtBoard(bus, { el2 }).firmware(0, el2 ? 'hvc' : 'smc'), false);
      assert.equal(bus.getX(0, 0), 0x84000000n);
    }
  });

  it('CPU_ON starts a CPU once, with entry and context', () => {
    const bus = new FakeBus(2);
    assert.equal(call(bus, [0xc4000004n, 1n, 0n]), 1n, 'off');
    assert.equal(call(bus, [0xc4000003n, 1n, 0x4009_0000n, 0x1234_5678_9abcn]), 0n);
    assert.deepEqual(bus.calls, ['start 1 40090000 123456789abc']);
    assert.equal(call(bus, [0xc4000004n, 1n, 0n]), 0n, 'on');
    assert.equal(call(bus, [0xc4000003n, 1n, 0x4009_0000n, 0n]), MINUS(4n));
  });

  it('an SMC32 call has 32-bit arguments', () => {
    const bus = new FakeBus(2);
    assert.equal(call(bus, [0x84000003n, 0xffff_0000_0000_0001n, 0xff_4009_0000n, 0xff_0000_0007n]), 0n);
    assert.deepEqual(bus.calls, ['start 1 40090000 7']);
  });

  it('refuses an entry that is no instruction address', () => {
    const bus = new FakeBus(2);
    assert.equal(call(bus, [0xc4000003n, 1n, 0x4009_0002n, 0n]), MINUS(2n));
    assert.deepEqual(bus.calls, []);
  });

  it('CPU_OFF does not return: x0 keeps the function', () => {
    const bus = new FakeBus(2);
    bus.on[1] = true;
    assert.equal(call(bus, [0x84000002n], { cpu: 1 }), 0x84000002n);
    assert.deepEqual(bus.calls, ['stop 1']);
  });

  it('CPU_SUSPEND sleeps as WFI does and succeeds', () => {
    for (const state of [0n, 0x10000n]) {
      const bus = new FakeBus(1);
      assert.equal(call(bus, [0xc4000001n, state, 0x40080000n, 0n]), 0n);
      assert.deepEqual(bus.calls, ['suspend 0']);
    }
  });

  it('SYSTEM_OFF and SYSTEM_RESET tell the machine', () => {
    for (const [id, kind] of [
      [0x84000008n, 'poweroff'],
      [0x84000009n, 'reset'],
    ] as const) {
      const bus = new FakeBus(1);
      call(bus, [id]);
      assert.deepEqual(
        bus.events.map((e) => e.kind),
        [kind],
      );
    }
  });

  it('reports the calling convention that it has', () => {
    const bus = new FakeBus(1);
    assert.equal(call(bus, [0x80000000n]), 0x10000n);
    assert.equal(call(bus, [0x8400000an, 0x80000000n]), 0n);
  });

  it('names its functions in both calling conventions', () => {
    assert.equal(firmwareFunctionName(0xc4000003n), 'CPU_ON');
    assert.equal(firmwareFunctionName(0x84000003n), 'CPU_ON');
    assert.equal(firmwareFunctionName(0xc4000008n), undefined);
  });
});
