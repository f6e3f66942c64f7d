/** Devices on a bus without a machine, driven by lists of accesses that a real machine can be given too. */
import type { Board } from '../../core/device';
import { Wire } from '../../isa/a64/wires/wires';
import type { InterruptController } from '../interrupt-controller';
import type { FakeBus } from './fake-bus';

/** One access; the same shape as test/support/qemu-script.ts takes. Register names are in lower case there. */
export type Access =
  | { readonly op: 'read'; readonly at: bigint; readonly bytes: 1 | 2 | 4 | 8 }
  | { readonly op: 'write'; readonly at: bigint; readonly bytes: 1 | 2 | 4 | 8; readonly value: bigint }
  // el 1: by a guest whose HCR_EL2.IMO and FMO are set.
  | { readonly op: 'mrs'; readonly reg: string; readonly el?: 1 }
  | { readonly op: 'msr'; readonly reg: string; readonly value: bigint; readonly el?: 1 };

/** Bits of ISR_EL1 for the IRQ and FIQ lines of the bus. */
const ISR_IRQ = 0x80n;
const ISR_FIQ = 0x40n;

/** The part of a board that accesses reach. */
export type Parts = Pick<Board, 'devices' | 'sysregs' | 'update'>;

/** Brings all CPUs up to date; the physical timer is PPI 30. */
export function settleAll(bus: FakeBus, gic: InterruptController): void {
  for (let cpu = 0; cpu < bus.cpus; cpu++) {
    const wires = bus.settle(cpu);
    gic.setPpi(cpu, 30, (wires & Wire.physicalTimer) !== 0);
    gic.updateVirtual(cpu, wires);
  }
}

/** Devices and their bus; accesses are those of CPU 0 unless another is given. */
export class TestBench {
  constructor(
    readonly bus: FakeBus,
    readonly board: Parts,
  ) {}

  read(at: number, bytes = 4, cpu = 0): bigint {
    const found = this.device(BigInt(at));
    const value = found?.device.read(found.offset, bytes, cpu);
    if (value === undefined) throw new Error(`nothing answers at 0x${at.toString(16)}`);
    return value;
  }

  write(at: number, value: number | bigint, bytes = 4, cpu = 0): void {
    const found = this.device(BigInt(at));
    const v = BigInt.asUintN(8 * bytes, BigInt(value));
    if (!found?.device.write(found.offset, bytes, v, cpu))
      throw new Error(`nothing answers at 0x${at.toString(16)}`);
    this.board.update();
  }

  mrs(reg: string, cpu = 0): bigint {
    const name = reg.toUpperCase();
    if (name === 'ISR_EL1') {
      const lines = this.bus.lines[cpu] ?? 0;
      return (lines & 1 ? ISR_IRQ : 0n) | (lines & 2 ? ISR_FIQ : 0n);
    }
    return isGic(name) ? this.board.sysregs.read(name, cpu) : this.bus.readSysreg(cpu, name);
  }

  private guestMrs(reg: string): bigint {
    if (reg !== 'isr_el1') return this.mrs(guestName(reg));
    const lines = this.bus.lines[0] ?? 0;
    return (lines & 4 ? ISR_IRQ : 0n) | (lines & 8 ? ISR_FIQ : 0n);
  }

  msr(reg: string, value: number | bigint, cpu = 0): void {
    const name = reg.toUpperCase();
    if (isGic(name)) this.board.sysregs.write(name, cpu, BigInt(value));
    else this.bus.writeSysreg(cpu, name, BigInt(value));
    this.board.update();
  }

  /** Executes accesses; the values of the reads, in order, 'abort' where nothing answers. */
  run(accesses: readonly Access[]): (bigint | 'abort')[] {
    const out: (bigint | 'abort')[] = [];
    for (const a of accesses) {
      if (a.op === 'mrs') out.push(a.el === 1 ? this.guestMrs(a.reg) : this.mrs(a.reg));
      else if (a.op === 'msr') this.msr(a.el === 1 ? guestName(a.reg) : a.reg, a.value);
      else if (a.op === 'write') this.write(Number(a.at), a.value, a.bytes);
      else out.push(this.device(a.at) ? this.read(Number(a.at), a.bytes) : 'abort');
    }
    return out;
  }

  private device(at: bigint): { device: Board['devices'][number]['device']; offset: number } | undefined {
    for (const d of this.board.devices) {
      const offset = at - d.base;
      if (offset >= 0n && offset < BigInt(d.device.size)) return { device: d.device, offset: Number(offset) };
    }
    return undefined;
  }
}

const isGic = (name: string): boolean => /^IC[CV]_/.test(name);

/** The register that a guest gets for a name. */
const guestName = (reg: string): string => reg.replace(/^icc_/, 'icv_');

/** Deterministic pseudo-random numbers for tests (mulberry32). */
export function random(seed: number): (below: number) => number {
  let s = seed >>> 0;
  return (below) => {
    s = (s + 0x6d2b79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), s | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((((t ^ (t >>> 14)) >>> 0) / 0x100000000) * below) | 0;
  };
}

/** One of a list. */
export function pick<T>(rnd: (below: number) => number, list: readonly T[]): T {
  const one = list[rnd(list.length)];
  if (one === undefined) throw new Error('an empty list');
  return one;
}

/** What a script has done so far, one list of accesses after the other. */
export class Played {
  readonly accesses: Access[] = [];
  readonly results: (bigint | 'abort')[] = [];

  constructor(private readonly bench: TestBench) {}

  /** @returns what the accesses read */
  play(list: readonly Access[]): readonly (bigint | 'abort')[] {
    const got = this.bench.run(list);
    this.accesses.push(...list);
    this.results.push(...got);
    return got;
  }
}
