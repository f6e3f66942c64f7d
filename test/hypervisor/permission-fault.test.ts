/**
 * Permission faults of stage 2, for which HPFAR_EL2 is not valid: EL2 asks the guest's own tables by AT S1E1R. Another CPU
 * may have changed those in the meantime; then the translation fails, and the guest simply tries again.
 */
import assert from 'node:assert/strict';
import { buildProgram, type Patch } from './program';
import type { Moment, Observer } from './rig';
import { Rig } from './rig';

const S1PTW = 1n << 7n;

/** What guest memory is away from the guest's addresses: hypervisor/ABI.md. */
const GUEST_OFFSET = 0x1000_0000n;

/** Takes the guest's translation away at each permission fault that comes for the first time, until the guest is entered. */
class OtherCpu implements Observer {
  readonly name = 'other-cpu';
  readonly kinds = ['stage2Fault', 'guestEntry', 'hvc'] as const;
  /** Faults whose translation failed, and those that the guest simply took again. */
  taken = 0;
  again = 0;
  permissionFaults = 0;
  /** The second entry of the guest's level 1 table: all of its RAM. */
  private readonly entry: bigint;
  private readonly kept: bigint;
  private waiting: bigint | undefined;
  private readonly seen = new Set<bigint>();

  constructor(private readonly rig: Rig) {
    const { program } = rig;
    this.entry = program.symbol('guest_l1') + 8n + GUEST_OFFSET;
    const at = Number(
      program.symbol('guest_l1') + 8n - program.sections.find((s) => s.name === '.guest')!.address,
    );
    this.kept = Buffer.from(program.sections.find((s) => s.name === '.guest')!.content).readBigUInt64LE(at);
  }

  event(m: Moment): void {
    if (m.kind === 'stage2Fault') {
      const permission = (m.esr & 0x3cn) === 0x0cn && (m.esr & S1PTW) === 0n;
      if (!permission || this.rig.view.reg(m.cpu, 'FAR_EL2') >> 30n !== 1n) return;
      this.permissionFaults++;
      // While the guest's MMU is off there is no table to take away.
      if (this.seen.has(m.pc) || (this.rig.view.reg(m.cpu, 'SCTLR_EL1') & 1n) === 0n) return;
      this.seen.add(m.pc);
      this.waiting = m.pc;
      this.taken++;
      this.rig.write64(this.entry, 0n);
    } else if (this.waiting !== undefined) {
      // The next thing that happens: the guest again, at the same instruction; not a call of the host.
      if (m.kind === 'guestEntry' && this.rig.view.isGuest(m.cpu) && m.pc === this.waiting) this.again++;
      this.rig.write64(this.entry, this.kept);
      this.waiting = undefined;
    }
  }
}

function run(strict: boolean, patches: readonly Patch[] = []): { rig: Rig; other: OtherCpu } {
  const story = { name: 'faulting', vms: ['entry=faulting'], payloads: ['faulting.S'] };
  const rig = new Rig(buildProgram(story, patches), { strict });
  const other = rig.observe((r) => new OtherCpu(r));
  rig.run(undefined, 5_000_000);
  return { rig, other };
}

describe('Permission faults of stage 2', function () {
  for (const strict of [false, true])
    it(`are tried again when the guest's own tables have no translation${strict ? ', strict' : ''}`, () => {
      const { rig, other } = run(strict);
      assert.match(rig.uart, /faulting: memory was always there/);
      assert.ok(other.taken >= 4, `${other.taken}`);
      assert.equal(other.again, other.taken);
      // Each happened once more, and then the host resolved it.
      assert.ok(other.permissionFaults >= 2 * other.taken);
    });

  it('would not be, if a failed translation were believed', () => {
    const { rig, other } = run(true, [
      { file: 'hyp/exits.S', before: '\ttbnz\tx2, #0, handled_at_el2', after: '\tnop' },
    ]);
    assert.ok(other.again < other.taken || !/memory was always there/.test(rig.uart), rig.uart);
  });
});
