/**
 * Arm PrimeCell GPIO (PL061). Source: DDI 0190B, chapter 3. Inputs read low: nothing is connected to them.
 */
import type { Device } from '../core/device';

export interface Pl061State {
  /** What the output latches hold. */
  data: number;
  dir: number;
  is: number;
  ibe: number;
  iev: number;
  ie: number;
  ris: number;
  afsel: number;
}

/** PeriphID0-3 (part 0x061, as QEMU reports it) and PCellID0-3, from offset 0xfe0. */
const identification = [0x61, 0x10, 0x04, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

const registers: Readonly<Record<number, Exclude<keyof Pl061State, 'data' | 'ris'>>> = {
  0x400: 'dir',
  0x404: 'is',
  0x408: 'ibe',
  0x40c: 'iev',
  0x410: 'ie',
  0x420: 'afsel',
};
const RIS = 0x414;
const MIS = 0x418;
const IC = 0x41c;

export class Pl061 implements Device {
  readonly size = 0x1000;
  readonly state: Pl061State = { data: 0, dir: 0, is: 0, ibe: 0, iev: 0, ie: 0, ris: 0, afsel: 0 };

  constructor(
    readonly name: string,
    private readonly setLine: (level: boolean) => void,
    /** Hears what a CPU's write drives out. */
    private readonly driven: (pins: number, cpu: number) => void = () => undefined,
  ) {}

  read(offset: number, bytes: number): bigint {
    return this.peek(offset, bytes);
  }

  peek(offset: number, bytes: number): bigint {
    const at = offset & ~3;
    const word = BigInt(identification[(at - 0xfe0) >> 2] ?? this.register(at));
    return BigInt.asUintN(8 * bytes, word >> BigInt(8 * (offset & 3)));
  }

  write(offset: number, _bytes: number, value: bigint, cpu: number): boolean {
    const s = this.state;
    const v = Number(value & 0xffn);
    const name = registers[offset];
    // GPIODATA: address bits 9 to 2 are the mask; only outputs take a value.
    if (offset < 0x400) s.data = (s.data & ~(mask(offset) & s.dir)) | (v & mask(offset) & s.dir);
    else if (offset === IC) s.ris &= ~v;
    else if (name) s[name] = v;
    this.detect();
    this.setLine((s.ris & s.ie) !== 0);
    this.driven(this.pins(), cpu);
    return true;
  }

  restored(): void {
    this.setLine((this.state.ris & this.state.ie) !== 0);
  }

  /** Levels of the eight lines: those driven out, and inputs, which are low. */
  private pins(): number {
    return this.state.data & this.state.dir;
  }

  /** Level conditions (GPIOIS, GPIOIEV); they stay until GPIOIC clears them. No input ever changes, so there is no edge. */
  private detect(): void {
    const s = this.state;
    s.ris |= ~(this.pins() ^ s.iev) & s.is & 0xff;
  }

  private register(at: number): number {
    const s = this.state;
    if (at < 0x400) return this.pins() & mask(at);
    if (at === RIS) return s.ris;
    if (at === MIS) return s.ris & s.ie;
    const name = registers[at];
    return name ? s[name] : 0;
  }
}

const mask = (offset: number): number => (offset >> 2) & 0xff;
