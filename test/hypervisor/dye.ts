/**
 * Values that nobody computes, put into registers that a program does not use: a register that a world switch forgets then
 * shows up with somebody else's colour. The host gets its colour before it calls a vcpu, a guest at each exit.
 */
import { state } from '../../emulator/isa/a64/state';
import { sysregNamed } from '../../emulator/isa/a64/sysregs';
import type { Moment, Observer, Rig } from './rig';

const HOST = 0xa0c5_5770n;
/** The bytes in memory by which a value of the host's is known. */
export const HOST_COLOUR = Buffer.from([0x70, 0x57, 0xc5, 0xa0]);
const GUEST = 0xb03a_9e90n;

/** Registers of EL1 whose value changes nothing here, and the bits that may have any value. */
const registers: readonly (readonly [string, bigint])[] = [
  ['TPIDR_EL0', ~0n],
  ['TPIDRRO_EL0', ~0n],
  ['TPIDR_EL1', ~0n],
  ['CONTEXTIDR_EL1', 0xffff_ffffn],
  ['AMAIR_EL1', ~0n],
  ['AFSR0_EL1', 0xffff_ffffn],
  ['AFSR1_EL1', 0xffff_ffffn],
  ['FAR_EL1', ~0n],
  ['PAR_EL1', ~0n],
  // EPD1 is set: no walk begins there.
  ['TTBR1_EL1', 0xffff_ffff_f000n],
  // TDCC: traps of the debug channel from EL0, where nobody runs.
  ['MDSCR_EL1', 1n << 12n],
  // EVNTI: what the event stream would count.
  ['CNTKCTL_EL1', 0xf0n],
];

export interface DyeOptions {
  /** Also the FP registers of the host, while they are its own. */
  readonly hostFp?: boolean;
  /** False: guests keep their own values. */
  readonly guests?: boolean;
}

/** The function id of vcpu_run: hypervisor/ABI.md. */
const VCPU_RUN = 0xc600_0001n;

export class Dye implements Observer {
  readonly name = 'dye';
  readonly kinds = ['hvc', 'entry'] as const;
  private count = 0n;
  private readonly dyed = new Set<number>();

  constructor(
    private readonly rig: Rig,
    private readonly options: DyeOptions = {},
  ) {}

  event(m: Moment): void {
    const { view } = this.rig;
    if (m.kind === 'hvc') {
      if (m.from !== 1 || view.isGuest(m.cpu) || view.x(m.cpu, 0) !== VCPU_RUN || this.dyed.has(m.cpu))
        return;
      this.dyed.add(m.cpu);
      this.registers(m.cpu, HOST);
      if (this.options.hostFp) this.vectors(m.cpu);
    } else if ((this.options.guests ?? true) && m.to === 2 && m.from < 2 && view.isGuest(m.cpu))
      this.registers(m.cpu, GUEST);
  }

  private registers(cpu: number, colour: bigint): void {
    this.count++;
    // SP_EL0: host and guests use SP_EL1.
    this.stackPointer(cpu, colour);
    for (const [n, [name, mask]] of registers.entries()) {
      const value = (colour << 32n) | (BigInt(n) << 24n) | ((this.count & 0xfffn) << 12n) | (colour & 0xfffn);
      this.set(cpu, name, value & mask);
    }
  }

  private stackPointer(cpu: number, colour: bigint): void {
    this.rig.machine.state.set(cpu, state.spEl, (colour << 32n) | (this.count << 4n), 0);
  }

  private set(cpu: number, name: string, value: bigint): void {
    const { storage, mask = ~0n } = sysregNamed(name);
    if (!storage) throw new Error(`${name} has no stored value`);
    this.rig.machine.state.set(cpu, storage.field, BigInt.asUintN(64, value & mask), storage.index);
  }

  private vectors(cpu: number): void {
    for (let n = 0; n < state.v.count; n++)
      this.rig.machine.state.set(cpu, state.v, (HOST << 32n) | BigInt(n), n);
    // QC and IXC; flush to zero and rounding towards zero.
    this.set(cpu, 'FPSR', (1n << 27n) | (1n << 4n));
    this.set(cpu, 'FPCR', (1n << 24n) | (3n << 22n));
  }
}
