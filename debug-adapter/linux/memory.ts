/** The memory of a running kernel, and its structs by the types that it carries. */
import type { AddressSpace } from '../inspect/address-space';
import { littleEndian } from '../symbols/dwarf/expression';
import type { CType } from '../symbols/dwarf/types';
import { SymbolError } from '../symbols/errors';
import { memberPlace, type MemberPlace } from '../symbols/linux/member-path';

/** What is asked of the machine. */
export interface KernelHost {
  readonly cpus: number;
  register(cpu: number, name: string): bigint | undefined;
  /** The physical address; undefined where nothing is mapped. */
  translate(cpu: number, space: AddressSpace, address: bigint): bigint | undefined;
  /** Physical memory; shorter where it cannot be read. */
  physical(pa: bigint, bytes: number): Uint8Array;
  /** What `make` gives; asked once only while the machine stands still and nobody writes. */
  once<T>(what: string, make: () => T): T;
}

/** HCR_EL2.E2H: the kernel itself runs at EL2. */
const E2H = 1n << 34n;
const PAGE = 0x1000;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);
/** Longer texts are damage. */
const MAX_TEXT = 1024;

export class KernelMemory {
  constructor(private readonly host: KernelHost) {}

  /** The address space in which a CPU has the kernel. */
  spaceOf(cpu: number): AddressSpace {
    const isVhe = ((this.host.register(cpu, 'HCR_EL2') ?? 0n) & E2H) !== 0n;
    return isVhe ? { kind: 'VA', level: 'EL2' } : { kind: 'VA', level: 'EL1', vmid: 0 };
  }

  /** A page, through the first CPU that has the kernel's tables. */
  private page(address: bigint): Uint8Array | undefined {
    const { host } = this;
    return host.once(`page of the kernel at ${address}`, () => {
      for (let cpu = 0; cpu < host.cpus; cpu++) {
        const pa = host.translate(cpu, this.spaceOf(cpu), address);
        const found = pa === undefined ? undefined : host.physical(pa, PAGE);
        if (found?.length === PAGE) return found;
      }
      return undefined;
    });
  }

  /** Undefined where not all of it can be read. */
  bytes(address: bigint, count: number): Uint8Array | undefined {
    const out = new Uint8Array(count);
    for (let done = 0; done < count;) {
      const at = u64(address + BigInt(done));
      const inPage = Number(at & BigInt(PAGE - 1));
      const page = this.page(at - BigInt(inPage));
      if (!page) return undefined;
      const part = page.subarray(inPage, inPage + count - done);
      out.set(part, done);
      done += part.length;
    }
    return out;
  }

  number(address: bigint, bytes: number): bigint | undefined {
    const found = this.bytes(address, bytes);
    return found && littleEndian(found);
  }

  pointer(address: bigint): bigint | undefined {
    return this.number(address, 8);
  }

  /** A C string; undefined where it cannot be read. */
  text(address: bigint, most = MAX_TEXT): string | undefined {
    let text = '';
    for (let at = address; text.length < most;) {
      const inPage = Number(at & BigInt(PAGE - 1));
      const rest = this.page(u64(at) - BigInt(inPage))?.subarray(inPage, inPage + most - text.length);
      if (!rest) return undefined;
      const end = rest.indexOf(0);
      text += Buffer.from(end < 0 ? rest : rest.subarray(0, end)).toString('latin1');
      if (end >= 0) break;
      at += BigInt(rest.length);
    }
    return text;
  }

  /** Follows a list of the kernel (`struct list_head`): the addresses of its nodes, without the head. */
  list(head: bigint, most: number): bigint[] {
    // In damaged memory a list may come back to itself without its head.
    const nodes = new Set<bigint>();
    let at = this.pointer(head);
    while (at !== undefined && at !== head && at !== 0n && nodes.size < most && !nodes.has(at)) {
      nodes.add(at);
      at = this.pointer(at);
    }
    return [...nodes];
  }
}

/** A type of the kernel, for reading its values wherever they are. Places of members are found once. */
export class KernelType {
  private readonly places = new Map<string, MemberPlace>();

  constructor(
    private readonly memory: KernelMemory,
    readonly type: CType,
  ) {}

  /** Whether this kernel has the member. */
  has(path: string): boolean {
    try {
      return this.place(path).offset >= 0;
    } catch (error) {
      if (error instanceof SymbolError) return false;
      throw error;
    }
  }

  /** @throws SymbolError when there is no such member */
  place(path: string): MemberPlace {
    let place = this.places.get(path);
    if (!place) this.places.set(path, (place = memberPlace(this.type, path)));
    return place;
  }

  /** @throws SymbolError */
  addressOf(at: bigint, path: string): bigint {
    return u64(at + BigInt(this.place(path).offset));
  }

  /** The struct that a member belongs to. @throws SymbolError */
  containerOf(member: bigint, path: string): bigint {
    return u64(member - BigInt(this.place(path).offset));
  }

  /** The value of a member; undefined where it cannot be read. @throws SymbolError */
  number(at: bigint, path: string): bigint | undefined {
    const { type, bits } = this.place(path);
    const raw = this.memory.number(this.addressOf(at, path), type.size);
    if (raw === undefined || !bits) return raw;
    return (raw >> BigInt(bits.at)) & ((1n << BigInt(bits.width)) - 1n);
  }

  /** The value of an array of characters. @throws SymbolError */
  text(at: bigint, path: string): string | undefined {
    return this.memory.text(this.addressOf(at, path), this.place(path).type.size);
  }
}
