/** Lazy FPSIMD switching: how often registers move, and that nobody's are lost. */
import assert from 'node:assert/strict';
import { state } from '../../emulator/isa/a64/state';
import { buildProgram, type Story } from './program';
import { runOnQemu } from './qemu';
import { reports } from './reports';
import { Rig } from './rig';
import { judge, type Judges } from './judge';
import { requireTool } from '../support/oracles';

/** Argument of fp_storm: guests/fp-storm.S. */
const storm = (rounds: number, seed: number, call: keyof typeof calls, rarely = 0): string =>
  `0x${((BigInt(rarely) << 48n) | (BigInt(calls[call]) << 40n) | (BigInt(seed) << 32n) | BigInt(rounds)).toString(16)}`;
const calls = { nop: 0, version: 1, yield: 2, migrate: 3, hostFp: 4, nothing: 5, each: 6 } as const;

const CHECKSUM = 0xf0;

/** Runs a story under all checkers, to its end and to their satisfaction. */
function run(story: Story, options: { cpus?: number } = {}): Judges & { readonly rig: Rig } {
  const rig = new Rig(buildProgram(story), options);
  const judges = judge(rig);
  assert.equal(rig.run(), 'off', rig.uart);
  assert.deepEqual(rig.complaints, []);
  return { ...judges, rig };
}

/** What a vcpu computes when it is alone and nothing happens to it. */
function alone(rounds: number, seed: number, rarely = 0): string {
  const name = `alone-${rounds}-${seed}-${rarely}`;
  const known = sums.get(name);
  if (known !== undefined) return known;
  const { rig } = run({
    name,
    vms: [`entry=fp_storm, arg=${storm(rounds, seed, 'nothing', rarely)}`],
    payloads: ['fp-storm.S'],
  });
  const sum = reports(rig.uart, CHECKSUM).get('1.0') ?? assert.fail(rig.uart);
  sums.set(name, sum);
  return sum;
}
const sums = new Map<string, string>();

describe('Lazy FPSIMD switching', function () {
  it('moves nothing in 1,000 exits to the host of a guest without FP', () => {
    const { moves, rig } = run({
      name: 'host-storm',
      vms: ['entry=host_storm, arg=1000'],
      payloads: ['exit-storm.S'],
    });
    assert.match(rig.uart, /storm: is over/);
    assert.equal(moves.summary(), '');
  });

  it('moves nothing in 1,000 exits to EL2 of a guest without FP', () => {
    const { moves } = run({
      name: 'exit-storm',
      vms: ['entry=exit_storm, arg=1000'],
      payloads: ['exit-storm.S'],
    });
    assert.equal(moves.summary(), '');
  });

  for (const call of ['nop', 'version'] as const)
    it(`saves the host once and loads the guest once in 1,000 exits with FP (${call}), and the reverse at the put`, () => {
      const { moves, rig, guests } = run({
        name: `fp-storm-${call}`,
        vms: [`entry=fp_storm, arg=${storm(1000, 3, call)}`],
        payloads: ['fp-storm.S'],
      });
      assert.deepEqual(
        moves.moves.map((m) => `${m.what} ${m.whose}`),
        ['save task', 'load vcpu', 'save vcpu', 'load task'],
      );
      // The last two when the guest has left for the last time.
      assert.ok(moves.moves.slice(2).every((m) => m.time > guests.lastExit));
      assert.ok(moves.moves.slice(0, 2).every((m) => m.time < guests.firstExit + 100_000n));
      assert.ok([...guests.exits.values()].every((n) => n > 1000));
      assert.equal(reports(rig.uart, CHECKSUM).get('1.0'), alone(1000, 3));
    });

  it('shows in the sum if one register was wrong once, however long ago', () => {
    const story = {
      name: 'alone',
      vms: [`entry=fp_storm, arg=${storm(400, 3, 'nop')}`],
      payloads: ['fp-storm.S'],
    };
    const right = alone(400, 3);
    for (const half of [15, 60]) {
      const rig = new Rig(buildProgram(story));
      let exits = 0;
      rig.observe(({ view, machine }) => ({
        name: 'flip',
        kinds: ['entry'],
        event: (m) => {
          if (m.to !== 2 || !view.isGuest(m.cpu) || view.fpTraps(m.cpu) || ++exits !== 10) return;
          machine.state.set(m.cpu, state.v, machine.state.get(m.cpu, state.v, half) ^ (1n << 32n), half);
        },
      }));
      rig.run();
      assert.ok(exits > 10);
      assert.notEqual(reports(rig.uart, CHECKSUM).get('1.0'), right, `half ${half}`);
    }
  });

  it('computes what QEMU computes', async function () {
    requireTool(this, 'qemu-system-aarch64');
    const seeds = [0, 1, 2, 3];
    const { uart } = await runOnQemu(
      buildProgram({
        name: 'sums',
        vms: seeds.map((seed) => `entry=fp_storm, arg=${storm(50, seed, 'each')}`),
        payloads: ['fp-storm.S'],
      }),
    );
    const theirs = reports(uart, CHECKSUM);
    assert.deepEqual(
      seeds.map((seed) => theirs.get(`${seed + 1}.0`)),
      seeds.map((seed) => alone(50, seed)),
    );
  });

  it('loses nothing to kernel-mode NEON in interrupts of the host', () => {
    const { rig, moves } = run({
      name: 'neon',
      vms: [`entry=fp_storm, arg=${storm(300, 2, 'hostFp')}`],
      payloads: ['fp-storm.S'],
    });
    assert.equal(reports(rig.uart, CHECKSUM).get('1.0'), alone(300, 2));
    // Each round takes the registers away once: saved once, loaded once.
    const count = (what: string): number =>
      moves.moves.filter((m) => m.what === what && m.whose === 'vcpu').length;
    assert.ok(count('save') >= 300 && count('save') <= 302, moves.summary());
    assert.ok(count('load') >= 300 && count('load') <= 302, moves.summary());
  });

  it('keeps two vcpus apart that take turns on one CPU', () => {
    const { rig } = run({
      name: 'turns',
      vms: [1, 2].map((seed) => `entry=fp_storm, arg=${storm(200, seed, 'yield')}`),
      payloads: ['fp-storm.S'],
    });
    const got = reports(rig.uart, CHECKSUM);
    assert.deepEqual([got.get('1.0'), got.get('2.0')], [alone(200, 1), alone(200, 2)]);
  });

  it('keeps vcpus apart that swap CPUs, with FP in few rounds and in all', () => {
    const { rig } = run(
      {
        name: 'migrate',
        set: { NR_CPUS: 2 },
        vms: [1, 2, 3].map((seed) => `entry=fp_storm, arg=${storm(100, seed, 'migrate', seed & 1)}`),
        payloads: ['fp-storm.S'],
      },
      { cpus: 2 },
    );
    const got = reports(rig.uart, CHECKSUM);
    assert.deepEqual(
      [1, 2, 3].map((vm) => got.get(`${vm}.0`)),
      [1, 2, 3].map((seed) => alone(100, seed, seed & 1)),
    );
  });
});
