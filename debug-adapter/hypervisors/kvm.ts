/**
 * Linux KVM, by the symbols and types that the kernel carries for itself. The kernel's list of symbols may hold code
 * only, so that the place of its per-CPU data is taken from the code that uses it.
 */
import type { AddressSpace } from '../inspect/address-space';
import { littleEndian } from '../symbols/dwarf/expression';
import type { CType } from '../symbols/dwarf/types';
import { SymbolError } from '../symbols/errors';
import type { Btf } from '../symbols/linux/btf';
import { memberPlace } from '../symbols/linux/member-path';

/** What is asked of the kernel and the machine. */
export interface KvmParts {
  readonly image: Uint8Array;
  /** Physical address of the first byte of the image. */
  readonly loadAddress: bigint;
  readonly types: Btf;
  /** A function: its offset in the image, and the address that the symbols give it. */
  functionAt(name: string): { readonly offset: bigint; readonly address: bigint } | undefined;
  register(cpu: number, name: string): bigint | undefined;
  /** Undefined where not all of it can be read. */
  memory(cpu: number, space: AddressSpace, address: bigint, bytes: number): Uint8Array | undefined;
  physical(cpu: number, space: AddressSpace, address: bigint): bigint | undefined;
}

/** The vcpu that a CPU runs. */
export interface KvmVcpu {
  readonly space: AddressSpace;
  readonly address: bigint;
  readonly type: CType;
  /** How it was found, as a sentence. */
  readonly how: string;
}

const EL2: AddressSpace = { kind: 'VA', level: 'EL2' };
/** HCR_EL2.E2H: the kernel itself runs at EL2. */
const E2H = 1n << 34n;
/** Address bits of a descriptor and of TTBR0_EL2, without 52-bit addresses. */
const TABLE = 0xffff_ffff_f000n;
/** KVM at EL2 has some tens of tables. */
const MAX_TABLES = 4096;
/** `__guest_enter` and the exits behind it are one file of assembly, far smaller than this. */
const MAX_CODE = 0x1000;
const u64 = (v: bigint): bigint => BigInt.asUintN(64, v);

// Encodings: Arm ARM DDI 0487 C6.2 (ADRP, ADD (immediate), MRS, ADD (shifted register), LDR (immediate)).
const isAdrp = (w: number): boolean => (w & 0x9f00_0000) >>> 0 === 0x9000_0000;
const isAddImmediate = (w: number): boolean => (w & 0xffc0_0000) >>> 0 === 0x9100_0000;
const isAddRegister = (w: number): boolean => (w & 0xffe0_fc00) >>> 0 === 0x8b00_0000;
const isLoad = (w: number): boolean => (w & 0xffc0_0000) >>> 0 === 0xf940_0000;
/** MRS of TPIDR_EL2 or TPIDR_EL1: a kernel that may run at either level patches the one into the other. */
const isThreadId = (w: number): boolean => {
  const register = (w & 0xffff_ffe0) >>> 0;
  return register === 0xd53c_d040 || register === 0xd538_d080;
};
const rd = (w: number): number => w & 31;
const rn = (w: number): number => (w >>> 5) & 31;
const rm = (w: number): number => (w >>> 16) & 31;
const imm12 = (w: number): number => (w >>> 10) & 0xfff;
/** The page that ADRP at `at` gives. */
const page = (w: number, at: number): number =>
  (at & ~0xfff) + (((((w & 0x00ff_ffe0) << 8) >> 11) & ~3) | ((w >>> 29) & 3)) * 0x1000;

/**
 * The per-CPU data whose member `member` some code loads at `inner` bytes in it, as an offset in the image:
 * `adrp a; add d, a, #lo; mrs m, tpidr; add d, d, m; add d, d, #inner; ldr v, [d, #member]`.
 */
export function perCpuOf(
  image: Uint8Array,
  code: { readonly from: number; readonly to: number },
  inner: number,
  member: number,
): number | undefined {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const end = Math.min(code.to, image.length) - 24;
  for (let at = code.from; at >= 0 && at <= end; at += 4) {
    const [adrp = 0, low = 0, mrs = 0, sum = 0, field = 0, load = 0] = [0, 4, 8, 12, 16, 20].map((k) =>
      view.getUint32(at + k, true),
    );
    if (!isAdrp(adrp) || !isAddImmediate(low) || rn(low) !== rd(adrp) || !isThreadId(mrs)) continue;
    const d = rd(low);
    if (!isAddRegister(sum) || rd(sum) !== d || rn(sum) !== d || rm(sum) !== rd(mrs)) continue;
    if (!isAddImmediate(field) || rn(field) !== d || rd(field) !== d || imm12(field) !== inner) continue;
    if (isLoad(load) && rn(load) === d && 8 * imm12(load) === member) return page(adrp, at) + imm12(low);
  }
  return undefined;
}

/** A place in code that tells where the pointer to the running vcpu is. */
interface Clue {
  readonly name: string;
  /** Of the code, in the image. */
  readonly code: bigint;
  readonly address: bigint;
  /** Of the pointer, in the image's copy of the per-CPU data. */
  readonly pointer: bigint;
}

export class Kvm {
  private readonly clues = new Map<string, Clue | undefined>();
  /** Where EL2 has the image, by TTBR0_EL2. */
  private readonly bases = new Map<bigint, bigint | undefined>();

  constructor(private readonly parts: KvmParts) {}

  /** The vcpu whose guest a CPU runs, or whose exit KVM handles; undefined when there is none, or it cannot be found. */
  currentVcpu(cpu: number): KvmVcpu | undefined {
    const { parts } = this;
    const type = parts.types.named('struct kvm_vcpu');
    const [hcr, perCpu] = ['HCR_EL2', 'TPIDR_EL2'].map((name) => parts.register(cpu, name));
    if (!type || hcr === undefined || perCpu === undefined) return undefined;
    const isVhe = (hcr & E2H) !== 0n;
    const clue = this.clue(isVhe ? '__guest_enter' : '__kvm_nvhe___guest_enter');
    const base = clue && this.imageAt(cpu, clue, isVhe);
    if (!clue || base === undefined) return undefined;
    const bytes = parts.memory(cpu, EL2, u64(base + clue.pointer + perCpu), 8);
    const address = bytes && littleEndian(bytes);
    if (address === undefined || address === 0n) return undefined;
    const how = `by TPIDR_EL2 and kvm_host_data.host_ctxt.__hyp_running_vcpu, whose place the code behind ${clue.name} tells`;
    return { space: EL2, address, type, how };
  }

  private clue(name: string): Clue | undefined {
    if (!this.clues.has(name)) this.clues.set(name, this.findClue(name));
    return this.clues.get(name);
  }

  private findClue(name: string): Clue | undefined {
    const { image, types } = this.parts;
    const found = this.parts.functionAt(name);
    const data = types.named('struct kvm_host_data');
    if (!found || !data) return undefined;
    try {
      const inner = memberPlace(data, 'host_ctxt').offset;
      const member = memberPlace(data, 'host_ctxt.__hyp_running_vcpu').offset - inner;
      const from = Number(found.offset);
      const place = perCpuOf(image, { from, to: from + MAX_CODE }, inner, member);
      if (place === undefined) return undefined;
      return { name, code: found.offset, address: found.address, pointer: BigInt(place + inner + member) };
    } catch (error) {
      if (error instanceof SymbolError) return undefined;
      throw error;
    }
  }

  /** The virtual address at which EL2 has the first byte of the image: a random one in nVHE, but as a whole. */
  private imageAt(cpu: number, clue: Clue, isVhe: boolean): bigint | undefined {
    const { loadAddress, physical } = this.parts;
    const isThere = (address: bigint | undefined): boolean =>
      address !== undefined && physical(cpu, EL2, address) === loadAddress + clue.code;
    if (isVhe) return isThere(clue.address) ? u64(clue.address - clue.code) : undefined;
    const table = this.parts.register(cpu, 'TTBR0_EL2');
    if (table === undefined) return undefined;
    const known = this.bases.get(table);
    if (known !== undefined && isThere(u64(known + clue.code))) return known;
    const address = this.mappedAt(cpu, table, loadAddress + clue.code);
    const base = address !== undefined && isThere(address) ? u64(address - clue.code) : undefined;
    this.bases.set(table, base);
    return base;
  }

  /** A virtual address that the tables of EL2 map to a physical one (Arm ARM DDI 0487 D8.3, 4 KiB granule). */
  private mappedAt(cpu: number, ttbr: bigint, wanted: bigint): bigint | undefined {
    const tcr = this.parts.register(cpu, 'TCR_EL2') ?? 0n;
    // TG0 is 0 for 4 KiB, which is what KVM takes with kernels of that page size.
    if (((tcr >> 14n) & 3n) !== 0n) return undefined;
    const bits = 64 - Number(tcr & 63n);
    const open = [{ at: ttbr & TABLE, level: 4 - Math.ceil((bits - 12) / 9), va: 0n }];
    for (let n = 0; n < Math.min(open.length, MAX_TABLES); n++) {
      const table = open[n];
      const data = table && this.parts.memory(cpu, { kind: 'PA' }, table.at, 4096);
      if (!table || !data) continue;
      const shift = BigInt(12 + 9 * (3 - table.level));
      const view = new DataView(data.buffer, data.byteOffset, data.length);
      for (let i = 0; i < 512; i++) {
        const low = view.getUint32(8 * i, true);
        if ((low & 1) === 0) continue;
        const descriptor = view.getBigUint64(8 * i, true);
        const va = table.va | (BigInt(i) << shift);
        if (table.level < 3 && (low & 2) !== 0) {
          open.push({ at: descriptor & TABLE, level: table.level + 1, va });
          continue;
        }
        const output = ((descriptor & TABLE) >> shift) << shift;
        if (wanted >= output && wanted - output < 1n << shift) return va + wanted - output;
      }
    }
    return undefined;
  }
}
