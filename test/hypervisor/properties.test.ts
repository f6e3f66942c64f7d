/**
 * Every story under every checker: SMCCC, the state of guests, stage 2; and it does what it should. In strict mode:
 * nothing may depend on what the architecture leaves UNKNOWN.
 */
import assert from 'node:assert/strict';
import { judge } from './judge';
import { BROKEN_LIMIT, mutations } from './mutations';
import { buildProgram } from './program';
import { Rig } from './rig';
import { cases } from './stories';

describe('Every story of the reference hypervisor', function () {
  const calls = new Map<bigint, number>();

  for (const c of cases)
    it(`${c.name}: no checker has anything to say`, () => {
      const rig = new Rig(buildProgram(c.story), {
        cpus: c.cpus,
        strict: true,
        ...(c.cpu === undefined ? {} : { cpu: c.cpu }),
      });
      const { smccc, guests, stage2 } = judge(rig);
      assert.equal(rig.run(undefined, 60_000_000), 'off', rig.uart);
      for (const text of c.says) assert.match(rig.uart, text);
      assert.doesNotMatch(rig.uart, /something is wrong/);
      assert.equal(/panic/.test(rig.uart), c.panics ?? false);
      assert.deepEqual(rig.complaints, []);
      if (mutations.some((m) => m.in === c.name)) assert.ok(rig.machine.now() < BigInt(BROKEN_LIMIT));
      // The checkers have looked at something.
      assert.ok(guests.compared > 20, `${guests.compared}`);
      assert.ok(stage2.walks.size > 0);
      for (const [id, n] of smccc.calls) calls.set(id, (calls.get(id) ?? 0) + n);
    });

  it('calls hyp-init, vcpu_run, the stub, and ids that nobody knows', () => {
    for (const id of [0xc600_0000n, 0xc600_0001n, 0n]) assert.ok((calls.get(id) ?? 0) > 0, id.toString(16));
  });
});
