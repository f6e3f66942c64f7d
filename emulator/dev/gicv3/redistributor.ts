/** The redistributors' register window (GICR, IHI 0069 12.10-12.11): two 64 KiB frames for each CPU. */
import type { Device, MachineBus } from '../../core/device';
import { identification, locate, readBank, writeBank, type View } from './bank-registers';
import { affinityOf, type Interrupts, type RedistributorState } from './interrupts';
import { viewOf } from './security';

const FRAME = 0x10000;
/** GICR_WAKER: ProcessorSleep, and ChildrenAsleep that follows it at once. */
const SLEEP = 2;
const ASLEEP = 4;

export class Redistributors implements Device {
  readonly name = 'gicr';
  readonly size: number;

  constructor(
    private readonly irqs: Interrupts,
    private readonly bus: MachineBus,
  ) {
    this.size = irqs.cpus * 2 * FRAME;
  }

  get state(): { cpus: RedistributorState[] } {
    return this.irqs.redistributors;
  }

  read(offset: number, bytes: number, accessor: number): bigint {
    return this.readAs(viewOf(this.irqs, this.bus, accessor), offset, bytes);
  }

  private readAs(view: View, offset: number, bytes: number): bigint {
    if (offset & (bytes - 1)) return 0n;
    const cpu = Math.floor(offset / (2 * FRAME));
    const at = offset % FRAME;
    return offset & FRAME
      ? BigInt(this.readSgi(view, cpu, at, bytes))
      : this.readControl(view, cpu, at, bytes);
  }

  peek(offset: number, bytes: number): bigint {
    return this.readAs(this.irqs.twoStates ? 'secure' : 'single', offset, bytes);
  }

  write(offset: number, bytes: number, value: bigint, accessor: number): boolean {
    if (offset & (bytes - 1)) return true;
    const view = viewOf(this.irqs, this.bus, accessor);
    const cpu = Math.floor(offset / (2 * FRAME));
    const r = this.irqs.redistributor(cpu);
    const at = offset % FRAME;
    const v = Number(value & 0xffffffffn);
    if (!(offset & FRAME)) {
      // GICR_WAKER is Secure state's where there is one.
      if (at === 0x14 && bytes === 4 && view !== 'nonSecure') {
        r.sleep = (v & SLEEP) !== 0;
        this.irqs.changed(cpu);
      }
      return true;
    }
    const found = locate(at & ~3, 1, view);
    if (found) {
      writeBank(found, r.bank, at, bytes, v);
      if (found.config) r.bank.edge = (r.bank.edge | 0xffff) >>> 0;
      this.irqs.changed(cpu);
    }
    return true;
  }

  restored(): void {
    this.irqs.changed();
  }

  private readSgi(view: View, cpu: number, at: number, bytes: number): number {
    const found = locate(at & ~3, 1, view);
    return found ? readBank(found, this.irqs.redistributor(cpu).bank, at, bytes) : 0;
  }

  private readControl(view: View, cpu: number, at: number, bytes: number): bigint {
    if (at === 8 || at === 0xc) {
      const typer = this.typer(cpu);
      if (bytes === 8) return typer;
      return bytes === 4 ? BigInt.asUintN(32, at === 8 ? typer : typer >> 32n) : 0n;
    }
    if (bytes !== 4) return 0n;
    if (at === 4) return 0x43bn;
    if (at === 0x14 && view === 'nonSecure') return 0n;
    if (at === 0x14) return this.irqs.redistributor(cpu).sleep ? BigInt(SLEEP | ASLEEP) : 0n;
    return at >= 0xffd0 ? BigInt(identification(0x93, at)) : 0n;
  }

  /** GICR_TYPER: affinity in the upper half, CPU number in 23:8, Last in bit 4. */
  private typer(cpu: number): bigint {
    const last = cpu === this.irqs.cpus - 1 ? 0x10n : 0n;
    return (BigInt(affinityOf(cpu)) << 32n) | (BigInt(cpu) << 8n) | last;
  }
}
