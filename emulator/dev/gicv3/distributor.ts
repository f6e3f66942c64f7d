/** The distributor's register window (GICD, IHI 0069 12.9) with affinity routing, and one or two security states. */
import type { Device, MachineBus } from '../../core/device';
import { identification, locate, readBank, writeBank, type View } from './bank-registers';
import { groupOf, intids, type DistributorState, type Interrupts } from './interrupts';
import { viewOf } from './security';

/** GICD_CTLR by who looks: what reads as one, and which groups it enables. */
const control: Readonly<Record<View, { readonly fixed: number; readonly groups: number }>> = {
  // DS (bit 6): one security state. ARE (bit 4): affinity routing.
  single: { fixed: 0x50, groups: 3 },
  // ARE_S and ARE_NS.
  secure: { fixed: 0x30, groups: 7 },
  // ARE_NS and EnableGrp1A.
  nonSecure: { fixed: 0x10, groups: 2 },
};
/** GICD_TYPER.SecurityExtn. */
const TWO_STATES = 0x400;

/** Words with a fixed value: what the board's GIC says about itself. */
const constants: Readonly<Record<number, number>> = {
  // TYPER: ITLinesNumber 7, IDbits 16, A3V, No1N; no LPIs, no message-based SPIs.
  0x4: 0x03780007,
  // IIDR: implementer Arm.
  0x8: 0x43b,
};

export class Distributor implements Device {
  readonly name = 'gicd';
  readonly size = 0x10000;

  constructor(
    private readonly irqs: Interrupts,
    private readonly bus: MachineBus,
  ) {}

  get state(): DistributorState {
    return this.irqs.distributor;
  }

  read(offset: number, bytes: number, cpu: number): bigint {
    return this.readAs(viewOf(this.irqs, this.bus, cpu), offset, bytes);
  }

  private readAs(view: View, offset: number, bytes: number): bigint {
    const route = routeAt(offset, bytes);
    if (route !== undefined) {
      if (!this.mayRoute(view, route)) return 0n;
      const v = this.state.route[route] ?? 0n;
      return bytes === 8 ? v : BigInt.asUintN(32, offset & 4 ? v >> 32n : v);
    }
    if (offset & (bytes - 1)) return 0n;
    const found = locate(offset & ~3, intids / 32, view);
    // Bank 0 belongs to the redistributors under affinity routing: RAZ/WI here.
    const bank = found && this.state.banks[found.bank - 1];
    if (found && bank) return BigInt(readBank(found, bank, offset, bytes));
    if (bytes !== 4) return 0n;
    if (offset === 0) return BigInt(control[view].fixed | (this.state.enableGroups & control[view].groups));
    if (offset >= 0xffd0) return BigInt(identification(0x92, offset));
    return BigInt((constants[offset] ?? 0) | (offset === 4 && view !== 'single' ? TWO_STATES : 0));
  }

  peek(offset: number, bytes: number): bigint {
    return this.readAs(this.irqs.twoStates ? 'secure' : 'single', offset, bytes);
  }

  write(offset: number, bytes: number, value: bigint, cpu: number): boolean {
    const view = viewOf(this.irqs, this.bus, cpu);
    const route = routeAt(offset, bytes);
    if (route !== undefined) {
      if (!this.mayRoute(view, route)) return true;
      const old = this.state.route[route] ?? 0n;
      const low = 0xffffffffn;
      this.state.route[route] =
        bytes === 8
          ? value
          : offset & 4
            ? (old & low) | ((value & low) << 32n)
            : (old & ~low) | (value & low);
    } else if ((offset & (bytes - 1)) === 0) {
      const found = locate(offset & ~3, intids / 32, view);
      const bank = found && this.state.banks[found.bank - 1];
      const v = Number(value & 0xffffffffn);
      if (found && bank) writeBank(found, bank, offset, bytes, v);
      else if (offset === 0 && bytes === 4) {
        const { groups } = control[view];
        this.state.enableGroups = (this.state.enableGroups & ~groups) | (v & groups);
      }
    }
    this.irqs.changed();
    return true;
  }

  /** Non-secure state routes interrupts of its own only. */
  private mayRoute(view: View, spi: number): boolean {
    const bank = this.state.banks[spi >> 5];
    return view !== 'nonSecure' || (bank !== undefined && groupOf(bank, spi) === 1);
  }

  restored(): void {
    this.irqs.changed();
  }
}

/** Index of the SPI whose IROUTER (0x6100 + 8 n, 32 or 64 bits wide) an access names. */
function routeAt(offset: number, bytes: number): number | undefined {
  if (bytes < 4 || offset & (bytes - 1) || offset < 0x6100 || offset >= 0x6000 + 8 * intids) return undefined;
  return (offset - 0x6100) >> 3;
}
