/** The distributor's register window (GICD, IHI 0048 4.3); registers for INTIDs 0-31 are banked for each CPU. */
import type { Device } from '../../core/device';
import { locate, readBank, writeBank, type Located } from '../gicv3/bank-registers';
import { intids, type DistributorState, type Interrupts } from './interrupts';

/** The first register behind those that have one or more bits for each interrupt. */
const END_OF_BANKS = 0xd00;
const TARGETS = 0x800;
const SGIR = 0xf00;
const CLEAR_SGI = 0xf10;
const SET_SGI = 0xf20;
const BANKS = intids / 32;

/** Peripheral and component identification, 0xfd0-0xffc: a GICv2 of Arm. */
const identification = [4, 0, 0, 0, 0x90, 0xb4, 0x2b, 0, 0x0d, 0xf0, 0x05, 0xb1];

/** A register with one byte for each interrupt. */
interface ByteRegister {
  read(n: number, cpu: number): number;
  write(n: number, cpu: number, value: number): void;
}

export class Distributor implements Device {
  readonly name = 'gicd';
  readonly size = 0x1000;

  constructor(private readonly irqs: Interrupts) {}

  get state(): DistributorState {
    return this.irqs.distributor;
  }

  read(offset: number, bytes: number, cpu: number): bigint {
    if (offset & (bytes - 1) || bytes > 4) return 0n;
    const found = located(offset);
    const bank = found && this.irqs.bank(found.bank, cpu);
    if (found && bank) return BigInt(readBank(found, bank, offset, bytes));
    const list = this.byteRegister(offset);
    if (list) {
      if (bytes === 2) return 0n;
      let v = 0;
      for (let i = bytes - 1; i >= 0; i--) v = (v << 8) | list.read(indexOf(offset) + i, cpu);
      return BigInt(v >>> 0);
    }
    return bytes === 4 ? BigInt(this.word(offset)) : 0n;
  }

  /** Banked registers are those of CPU 0. */
  peek(offset: number, bytes: number): bigint {
    return this.read(offset, bytes, 0);
  }

  write(offset: number, bytes: number, value: bigint, cpu: number): boolean {
    if (offset & (bytes - 1) || bytes > 4) return true;
    const v = Number(value & 0xffffffffn);
    const found = located(offset);
    const bank = found && this.irqs.bank(found.bank, cpu);
    const list = this.byteRegister(offset);
    if (found && bank) {
      writeBank(found, bank, offset, bytes, v);
      if (found.bank === 0) this.irqs.settlePrivate(cpu);
    } else if (list && bytes !== 2) {
      for (let i = 0; i < bytes; i++) list.write(indexOf(offset) + i, cpu, (v >>> (8 * i)) & 0xff);
    } else if (bytes === 4) {
      if (offset === 0) this.state.enableGroups = v & 3;
      else if (offset === SGIR) this.generate(v, cpu);
    }
    this.irqs.changed();
    return true;
  }

  restored(): void {
    this.irqs.changed();
  }

  private word(offset: number): number {
    if (offset === 0) return this.state.enableGroups;
    // TYPER: number of banks and of CPUs; no Security Extensions.
    if (offset === 4) return (BANKS - 1) | ((this.irqs.cpus - 1) << 5);
    // IIDR: implementer Arm.
    if (offset === 8) return 0x43b;
    return offset >= 0xfd0 ? (identification[(offset - 0xfd0) >> 2] ?? 0) : 0;
  }

  /** ITARGETSR, CPENDSGIR, SPENDSGIR. */
  private byteRegister(offset: number): ByteRegister | undefined {
    if (offset >= TARGETS && offset < TARGETS + intids) return this.targets;
    if (offset >= CLEAR_SGI && offset < CLEAR_SGI + 16) return this.pendingSgi(false);
    return offset >= SET_SGI && offset < SET_SGI + 16 ? this.pendingSgi(true) : undefined;
  }

  /** Those of INTIDs 0-31 say which CPU reads them; with one CPU all are zero (IHI 0048 4.3.12). */
  private readonly targets: ByteRegister = {
    read: (n, cpu) => (this.irqs.cpus === 1 ? 0 : n < 32 ? 1 << cpu : (this.state.targets[n - 32] ?? 0)),
    write: (n, _cpu, v) => {
      if (n >= 32 && this.irqs.cpus > 1) this.state.targets[n - 32] = v & (2 ** this.irqs.cpus - 1);
    },
  };

  private pendingSgi(set: boolean): ByteRegister {
    return {
      read: (n, cpu) => this.irqs.sources(n, cpu),
      write: (n, cpu, v) => {
        const old = this.irqs.sources(n, cpu);
        this.irqs.setSources(n, cpu, set ? old | v : old & ~v);
      },
    };
  }

  /** GICD_SGIR: INTID 3:0, target list 23:16; filter 25:24 is 0 the list, 1 all others, 2 the writer itself. */
  private generate(v: number, cpu: number): void {
    const self = 1 << cpu;
    const targets = [(v >>> 16) & 0xff, 0xff & ~self, self, 0][(v >>> 24) & 3] ?? 0;
    this.irqs.sendSgi(v & 0xf, cpu, targets);
  }
}

const located = (offset: number): Located | undefined =>
  offset < END_OF_BANKS ? locate(offset & ~3, BANKS) : undefined;

/** Which byte of ITARGETSR (one an INTID) or of the SGI registers an offset is. */
const indexOf = (offset: number): number => (offset < SGIR ? offset - TARGETS : offset & 0xf);
