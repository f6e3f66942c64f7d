/**
 * Arm PrimeCell real-time clock (PL031). Source: DDI 0224C, chapter 3.
 *
 * A count of seconds that follows virtual time, with one alarm. As on QEMU's board the clock runs whether or not RTCCR is
 * set. It starts at a fixed date, so that two runs agree.
 */
import type { Device, MachineBus, Timed } from '../core/device';

/** 2026-01-01 00:00:00 UTC. */
export const CLOCK_START = 1_767_225_600;
const INSTRUCTIONS_PER_SECOND = 1_000_000_000n;

export interface Pl031State {
  /** The count at `loadedAt` (virtual time in instructions, a whole number of seconds). */
  load: number;
  loadedAt: bigint;
  /** When the count meets the match register next. */
  alarmAt: bigint;
  lr: number;
  mr: number;
  imsc: number;
  ris: number;
}

/** PeriphID0-3 (part 0x031, as QEMU reports it) and PCellID0-3, from offset 0xfe0. */
const identification = [0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

export class Pl031 implements Device, Timed {
  readonly size = 0x1000;
  readonly state: Pl031State = {
    load: CLOCK_START,
    loadedAt: 0n,
    alarmAt: BigInt(2 ** 32 - CLOCK_START) * INSTRUCTIONS_PER_SECOND,
    lr: 0,
    mr: 0,
    imsc: 0,
    ris: 0,
  };

  constructor(
    readonly name: string,
    private readonly bus: MachineBus,
    private readonly setLine: (level: boolean) => void,
  ) {}

  read(offset: number, bytes: number): bigint {
    this.meet();
    return this.peek(offset, bytes);
  }

  peek(offset: number, bytes: number): bigint {
    const at = offset & ~3;
    const word = BigInt(identification[(at - 0xfe0) >> 2] ?? this.register(at));
    return BigInt.asUintN(8 * bytes, word >> BigInt(8 * (offset & 3)));
  }

  write(offset: number, _bytes: number, value: bigint, cpu: number): boolean {
    const s = this.state;
    const v = Number(value & 0xffffffffn);
    this.meet();
    if (offset === 0x04) s.mr = v;
    else if (offset === 0x08) {
      s.lr = s.load = v;
      s.loadedAt = this.lastSecond();
    } else if (offset === 0x10) s.imsc = v & 1;
    else if (offset === 0x1c) s.ris &= ~v;
    if (offset === 0x04 || offset === 0x08) this.arm();
    this.updateLine();
    this.bus.deadlineMoved(cpu);
    return true;
  }

  restored(): void {
    this.updateLine();
  }

  /** Only an alarm that can be seen without reading is worth to wake for. */
  deadline(): bigint | undefined {
    const s = this.state;
    return s.imsc !== 0 && s.ris === 0 ? s.alarmAt : undefined;
  }

  advance(): void {
    this.meet();
    this.updateLine();
  }

  private register(at: number): number {
    const s = this.state;
    switch (at) {
      case 0x00:
        return this.count();
      case 0x04:
        return s.mr;
      case 0x08:
        return s.lr;
      case 0x0c:
        return 1;
      case 0x10:
        return s.imsc;
      case 0x14:
        return this.raised();
      case 0x18:
        return this.raised() & s.imsc;
      default:
        return 0;
    }
  }

  /** RTCDR. */
  private count(): number {
    const passed = (this.bus.now() - this.state.loadedAt) / INSTRUCTIONS_PER_SECOND;
    return Number(BigInt.asUintN(32, BigInt(this.state.load) + passed));
  }

  /** The last moment at which the count changed. */
  private lastSecond(): bigint {
    const now = this.bus.now();
    return now - (now % INSTRUCTIONS_PER_SECOND);
  }

  /** RTCRIS as it is now, also when nobody has looked since the count met the match register. */
  private raised(): number {
    return this.bus.now() >= this.state.alarmAt ? 1 : this.state.ris;
  }

  /** Computes when the count meets the match register: now, if they are equal. */
  private arm(): void {
    const s = this.state;
    const seconds = (s.mr - this.count()) >>> 0;
    s.alarmAt = this.lastSecond() + BigInt(seconds) * INSTRUCTIONS_PER_SECOND;
    this.meet();
  }

  /** Raises the interrupt if the moment has come; the next one is when the count has wrapped. */
  private meet(): void {
    const s = this.state;
    const round = INSTRUCTIONS_PER_SECOND << 32n;
    if (this.bus.now() < s.alarmAt) return;
    s.ris = 1;
    s.alarmAt += ((this.bus.now() - s.alarmAt) / round + 1n) * round;
  }

  private updateLine(): void {
    this.setLine((this.state.ris & this.state.imsc) !== 0);
  }
}
