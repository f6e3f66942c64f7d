/** Takes EL2's stack away: at every exception to EL2 its pointer is nonsense and its memory is filled with nonsense. */
import { state } from '../../emulator/isa/a64/state';
import type { Moment, Observer, Rig } from './rig';

/** An address that EL2 maps nowhere, and not even aligned. */
const NOWHERE = 0x00de_ad00_0000_0003n;

export class WreckedStack implements Observer {
  readonly name = 'wrecked-stack';
  readonly kinds = ['entry'] as const;
  /** How often it was wrecked. */
  times = 0;
  private readonly from: bigint;
  private readonly junk: Buffer;

  constructor(
    private readonly rig: Rig,
    private readonly pointer = NOWHERE,
  ) {
    const { program } = rig;
    this.from = program.symbol('hyp_stack');
    this.junk = Buffer.alloc(Number(program.symbol('hyp_stack_end') - this.from));
  }

  event(m: Moment): void {
    // Before hyp-init there is no stack.
    if (m.to !== 2 || (this.rig.view.reg(m.cpu, 'SCTLR_EL2') & 1n) === 0n) return;
    this.times++;
    this.rig.machine.state.set(m.cpu, state.x, this.pointer, 31);
    for (let at = 0; at < this.junk.length; at += 8)
      this.junk.writeBigUInt64LE(0xdead_0000_0000_0000n | BigInt(at * 7919 + this.times), at);
    this.rig.machine.physical.poke(this.from, this.junk);
  }
}
