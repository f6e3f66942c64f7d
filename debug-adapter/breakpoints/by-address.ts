/**
 * Breakpoints at values of the PC, whichever regime executes there: what a debugger that knows nothing of address spaces
 * means. The machine stops at physical addresses, so each is bound to every place from which it has been fetched.
 */
import type { Target } from '../target';
import type { FetchWatch } from './fetches';

export type AddressKind = 'software' | 'hardware';

interface Place {
  readonly id: number;
  readonly kinds: Set<AddressKind>;
  /** RAM offsets to which the address has been translated. */
  readonly offsets: Set<number>;
}

const PAGE_MASK = ~0xfffn;

export class AddressBreakpoints {
  /** Those without a kind have been removed, and their offsets are kept: gdb removes and sets all at every stop. */
  private readonly places = new Map<bigint, Place>();
  private target: Target | undefined;

  /** @param takeId gives the number of a new breakpoint */
  constructor(
    private readonly takeId: () => number,
    private readonly fetches: FetchWatch,
  ) {}

  /** Goes over to a new guest, whose memory is another. */
  attach(target: Target): void {
    this.target = target;
    for (const place of this.places.values()) place.offsets.clear();
    for (const [address, place] of this.places) this.bindNow(address, place);
    this.follow();
  }

  /** Sets one. @returns its number in stop reports */
  add(address: bigint, kind: AddressKind): number {
    let place = this.places.get(address);
    if (!place) {
      this.places.set(address, (place = { id: this.takeId(), kinds: new Set(), offsets: new Set() }));
      this.follow();
      this.bindNow(address, place);
      // Pages that are known already are fetched anew: banks of the TLB that are not in use now may map it elsewhere.
      this.target?.machine.predecode.flush();
    }
    if (place.kinds.size === 0)
      for (const offset of place.offsets) this.target?.machine.predecode.addBreakpoint(offset);
    place.kinds.add(kind);
    return place.id;
  }

  remove(address: bigint, kind: AddressKind): void {
    const place = this.places.get(address);
    if (!place?.kinds.delete(kind) || place.kinds.size > 0) return;
    for (const offset of place.offsets) this.target?.machine.predecode.removeBreakpoint(offset);
  }

  /** Removes and forgets all. */
  clear(): void {
    for (const [address, place] of this.places)
      for (const kind of [...place.kinds]) this.remove(address, kind);
    this.places.clear();
    this.follow();
  }

  /** The number of the breakpoint at a CPU's PC; undefined: there is none. */
  hit(cpu: number): number | undefined {
    if (this.places.size === 0 || !this.target) return undefined;
    const place = this.places.get(this.target.machine.pc(cpu));
    return place && place.kinds.size > 0 ? place.id : undefined;
  }

  private follow(): void {
    this.fetches.set(this, this.places.size > 0 ? (cpu) => this.fetched(cpu) : undefined);
  }

  /** A CPU begins to execute from a page: the addresses in it are where its regime has them. */
  private fetched(cpu: number): void {
    const page = (this.target?.machine.pc(cpu) ?? 0n) & PAGE_MASK;
    for (const [address, place] of this.places)
      if ((address & PAGE_MASK) === page) this.bind(place, this.target?.arch.translate(cpu, address));
  }

  private bindNow(address: bigint, place: Place): void {
    const { target } = this;
    for (let cpu = 0; cpu < (target?.machine.cpus ?? 0); cpu++)
      this.bind(place, target?.arch.translate(cpu, address));
  }

  private bind(place: Place, pa: bigint | undefined): void {
    const offset = pa === undefined ? undefined : this.target?.machine.physical.ramOffset(pa);
    if (offset === undefined || place.offsets.has(offset)) return;
    place.offsets.add(offset);
    if (place.kinds.size > 0) this.target?.machine.predecode.addBreakpoint(offset);
  }
}
