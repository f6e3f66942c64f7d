/** `Z` and `z`: gdb's breakpoints and watchpoints, which no other client sees as its own. */
import type { WatchKind } from '../../emulator/core/watch';
import type { AddressKind } from '../breakpoints/by-address';
import { checkedBytes, formatDataId } from '../breakpoints/data-place';
import type { Control } from '../control';
import type { StopReport } from '../control/types';
import { formatAddress, type AddressSpace } from '../inspect/address-space';

const codeKinds: Readonly<Record<string, AddressKind>> = { 0: 'software', 1: 'hardware' };
/** What the reply says of each kind of code breakpoint, if the client knows the word. */
const codeReasons: Readonly<Record<AddressKind, string>> = { software: 'swbreak', hardware: 'hwbreak' };

interface DataKind {
  readonly kind: WatchKind;
  readonly reason: string;
}
const dataKinds: Readonly<Record<string, DataKind>> = {
  2: { kind: 'write', reason: 'watch' },
  3: { kind: 'read', reason: 'rwatch' },
  4: { kind: 'access', reason: 'awatch' },
};

interface Watched extends DataKind {
  readonly address: bigint;
  readonly bytes: number;
  /** The address space of the first time: gdb sets all anew at each stop, wherever that is. */
  readonly space: AddressSpace;
  isSet: boolean;
  /** Its number in stop reports. */
  id: number;
}

export class GdbBreakpoints {
  private readonly code = new Map<number, AddressKind>();
  private readonly watched = new Map<string, Watched>();

  constructor(private readonly control: Control) {}

  /** `space`: what the address means now. @returns false for a type that does not exist @throws UserError */
  insert(type: string, address: bigint, size: number, space: AddressSpace): boolean {
    const kind = codeKinds[type];
    if (kind !== undefined) {
      this.code.set(this.control.addresses.add(address, kind), kind);
      return true;
    }
    const data = dataKinds[type];
    if (!data) return false;
    const bytes = checkedBytes(size);
    const key = `${type} ${address} ${bytes}`;
    const known = this.watched.get(key) ?? { ...data, address, bytes, space, isSet: true, id: -1 };
    known.isSet = true;
    this.watched.set(key, known);
    this.apply();
    return true;
  }

  /** @returns false for a type that does not exist */
  remove(type: string, address: bigint, size: number): boolean {
    const kind = codeKinds[type];
    if (kind !== undefined) this.control.addresses.remove(address, kind);
    else if (!dataKinds[type]) return false;
    const known = this.watched.get(`${type} ${address} ${size}`);
    if (known) {
      known.isSet = false;
      this.apply();
    }
    return true;
  }

  clear(): void {
    this.control.addresses.clear();
    this.watched.clear();
    this.apply();
  }

  private apply(): void {
    const set = [...this.watched.values()].filter((w) => w.isSet);
    const specs = set.map(({ space, address, bytes, kind }) => ({
      dataId: formatDataId({ space, address, bytes, name: formatAddress(space, address) }),
      kind,
    }));
    const made = this.control.data.replace(specs, 'gdb');
    set.forEach((w, i) => (w.id = made[i]?.id ?? -1));
  }

  private watchedBy(report: StopReport): Watched | undefined {
    return [...this.watched.values()].find((w) => w.isSet && report.others?.includes(w.id));
  }

  /** Whether the guest has stopped behind an access that gdb watches. */
  isAccess(report: StopReport): boolean {
    return this.watchedBy(report) !== undefined;
  }

  /** What a stop reply says beside signal and thread. */
  stopReason(report: StopReport, knows: ReadonlySet<string>): string {
    const watched = this.watchedBy(report);
    if (watched) return `${watched.reason}:${watched.address.toString(16)};`;
    const kind = report.others?.map((id) => this.code.get(id)).find((k) => k !== undefined);
    const reason = kind && codeReasons[kind];
    return reason !== undefined && knows.has(reason) ? `${reason}:;` : '';
  }
}
