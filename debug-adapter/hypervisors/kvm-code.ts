/**
 * What the code of KVM tells: a kernel's own list of symbols may hold functions only, so that the place of its data is
 * taken from the instructions that use it.
 */

// Encodings: Arm ARM DDI 0487 C6.2 (ADRP, ADD (immediate and shifted register), MRS, MOV (register), LDR (immediate),
// CMP (shifted register), BL).
const isAdrp = (w: number): boolean => (w & 0x9f00_0000) >>> 0 === 0x9000_0000;
const isAddImmediate = (w: number): boolean => (w & 0xffc0_0000) >>> 0 === 0x9100_0000;
const isAddRegister = (w: number): boolean => (w & 0xffe0_fc00) >>> 0 === 0x8b00_0000;
const isMove = (w: number): boolean => (w & 0xffe0_ffe0) >>> 0 === 0xaa00_03e0;
const isLoad = (w: number): boolean => (w & 0xffc0_0000) >>> 0 === 0xf940_0000;
/** LDR of a doubleword that moves its base before the access. */
const isLoadPreIndexed = (w: number): boolean => (w & 0xffe0_0c00) >>> 0 === 0xf840_0c00;
const isCompare = (w: number): boolean => (w & 0xffe0_fc1f) >>> 0 === 0xeb00_001f;
const isCall = (w: number): boolean => (w & 0xfc00_0000) >>> 0 === 0x9400_0000;
/** Loads and stores of any form that write the register of bits 4:0, and arithmetic: all that is not a branch or store. */
const isBranch = (w: number): boolean => ((w >>> 26) & 7) === 5;
/** MRS of TPIDR_EL2 or TPIDR_EL1: a kernel that may run at either level patches the one into the other. */
const isThreadId = (w: number): boolean => {
  const register = (w & 0xffff_ffe0) >>> 0;
  return register === 0xd53c_d040 || register === 0xd538_d080;
};
const rd = (w: number): number => w & 31;
const rn = (w: number): number => (w >>> 5) & 31;
const rm = (w: number): number => (w >>> 16) & 31;
const imm12 = (w: number): number => (w >>> 10) & 0xfff;
const imm9 = (w: number): number => (w << 11) >> 23;
/** The page that ADRP at `at` gives. */
const page = (w: number, at: number): number =>
  (at & ~0xfff) + (((((w & 0x00ff_ffe0) << 8) >> 11) & ~3) | ((w >>> 29) & 3)) * 0x1000;

/** A piece of an image, by offsets. */
export interface CodeRange {
  readonly from: number;
  readonly to: number;
}

/**
 * The per-CPU data whose member `member` some code loads at `inner` bytes in it, as an offset in the image:
 * `adrp a; add d, a, #lo; mrs m, tpidr; add d, d, m; add d, d, #inner; ldr v, [d, #member]`.
 */
export function perCpuOf(
  image: Uint8Array,
  code: CodeRange,
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

/** What a register holds, as far as straight code says: an address in the image, or what was loaded from one. */
interface Held {
  readonly kind: 'address' | 'loaded';
  readonly at: number;
}

/** Registers that a called function may change (AAPCS64, 6.1.1). */
const SCRATCH = [...Array.from({ length: 19 }, (_, n) => n), 30];

/**
 * The heads of the lists that some code walks, as offsets in the image: it loads the first pointer of the head, and
 * compares what it has loaded with the address of the head (an empty list is its own next).
 */
export function walkedLists(image: Uint8Array, code: CodeRange): Set<number> {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const end = Math.min(code.to, image.length) - 4;
  const found = new Set<number>();
  const held = new Map<number, Held>();
  const put = (register: number, value: Held | undefined): void => {
    if (value === undefined || register === 31) held.delete(register);
    else held.set(register, value);
  };
  const address = (register: number): number | undefined => {
    const value = held.get(register);
    return value?.kind === 'address' ? value.at : undefined;
  };
  const loaded = (base: number | undefined): Held | undefined =>
    base === undefined ? undefined : { kind: 'loaded', at: base };
  for (let at = code.from; at >= 0 && at <= end; at += 4) {
    const w = view.getUint32(at, true);
    const base = address(rn(w));
    if (isAdrp(w)) put(rd(w), { kind: 'address', at: page(w, at) });
    else if (isAddImmediate(w))
      put(rd(w), base === undefined ? undefined : { kind: 'address', at: base + imm12(w) });
    else if (isMove(w)) put(rd(w), held.get(rm(w)));
    else if (isLoad(w)) put(rd(w), loaded(base === undefined ? undefined : base + 8 * imm12(w)));
    else if (isLoadPreIndexed(w)) {
      const moved = base === undefined ? undefined : base + imm9(w);
      put(rn(w), moved === undefined ? undefined : { kind: 'address', at: moved });
      put(rd(w), loaded(moved));
    } else if (isCompare(w)) {
      const [a, b] = [held.get(rn(w)), held.get(rm(w))];
      if (a && b && a.kind !== b.kind && a.at === b.at) found.add(a.at);
    } else if (isCall(w)) for (const n of SCRATCH) held.delete(n);
    else if (!isBranch(w)) held.delete(rd(w));
  }
  return found;
}
