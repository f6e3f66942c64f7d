/**
 * What the code of a kernel tells of its data: a kernel's own list of symbols may hold functions only, so that the place
 * of a variable is taken from the instructions that use it. All places are offsets in the image.
 */

// Encodings: Arm ARM DDI 0487 C6.2 (ADRP, ADD (immediate, shifted register), LDR (immediate, register), MOV (register),
// CMP (shifted register), BL).
const isAdrp = (w: number): boolean => (w & 0x9f00_0000) >>> 0 === 0x9000_0000;
const isAddImmediate = (w: number): boolean => (w & 0xffc0_0000) >>> 0 === 0x9100_0000;
const isAddRegister = (w: number): boolean => (w & 0xffe0_fc00) >>> 0 === 0x8b00_0000;
const isMove = (w: number): boolean => (w & 0xffe0_ffe0) >>> 0 === 0xaa00_03e0;
/** LDR of a doubleword. */
const isLoad = (w: number): boolean => (w & 0xffc0_0000) >>> 0 === 0xf940_0000;
/** LDR of a doubleword that moves its base before the access. */
const isLoadPreIndexed = (w: number): boolean => (w & 0xffe0_0c00) >>> 0 === 0xf840_0c00;
const isCompare = (w: number): boolean => (w & 0xffe0_fc1f) >>> 0 === 0xeb00_001f;
const isCall = (w: number): boolean => (w & 0xfc00_0000) >>> 0 === 0x9400_0000;
/** LDR of element number Rm of an array of doublewords: `[Xn, Wm, SXTW #3]` and the other extensions. */
const isLoadElement = (w: number): boolean => (w & 0xffe0_1c00) >>> 0 === 0xf860_1800;
/** MRS of TPIDR_EL2 or TPIDR_EL1: a kernel that may run at either level patches the one into the other. */
const isThreadId = (w: number): boolean => {
  const register = (w & 0xffff_ffe0) >>> 0;
  return register === 0xd53c_d040 || register === 0xd538_d080;
};
/** STR and STP of doublewords at an offset. */
const isStore = (w: number): boolean =>
  (w & 0xffc0_0000) >>> 0 === 0xf900_0000 || (w & 0xffc0_0000) >>> 0 === 0xa900_0000;
const isBranch = (w: number): boolean => ((w >>> 26) & 7) === 5;
const rd = (w: number): number => w & 31;
const rn = (w: number): number => (w >>> 5) & 31;
const rm = (w: number): number => (w >>> 16) & 31;
const imm12 = (w: number): number => (w >>> 10) & 0xfff;
const imm9 = (w: number): number => (w << 11) >> 23;
/** Registers that a called function may change (AAPCS64, 6.1.1). */
const SCRATCH = [...Array.from({ length: 19 }, (_, n) => n), 30];
/** The page that ADRP at `at` gives. */
const page = (w: number, at: number): number =>
  (at & ~0xfff) + (((((w & 0x00ff_ffe0) << 8) >> 11) & ~3) | ((w >>> 29) & 3)) * 0x1000;

/** A piece of an image, by offsets. */
export interface CodeRange {
  readonly from: number;
  readonly to: number;
}

/**
 * What a register holds, as far as straight code says: an address in the image, what was loaded from there, an element of
 * the array there, the offset of this CPU's data, or `inner` bytes in this CPU's copy of what is at an address.
 */
interface Held {
  readonly kind: 'address' | 'loaded' | 'element' | 'thread' | 'own';
  readonly at: number;
  readonly inner?: number;
}

interface OwnLoad {
  readonly variable: number;
  readonly inner: number | undefined;
  readonly member: number;
}

export interface References {
  /** Doublewords that are loaded, such as pointers. */
  readonly loaded: ReadonlySet<number>;
  /** A variable to whose address an element of an array is added: per-CPU data and the offsets of the CPUs. */
  readonly perCpu: readonly { readonly variable: number; readonly offsets: number }[];
  /** Per-CPU data of the CPU itself that is written, in the order of the code. */
  readonly ownStored: readonly number[];
  /**
   * Doublewords of per-CPU data of the CPU itself that are loaded: `member` bytes from `inner` bytes in a variable on.
   * `inner` is undefined where the code adds none, and may be 0 where it does.
   */
  readonly ownLoaded: readonly OwnLoad[];
  /**
   * The heads of lists that are walked: the code loads the first pointer of the head, and compares what it has loaded
   * with the address of the head (an empty list is its own next).
   */
  readonly walked: ReadonlySet<number>;
}

/** The data that a piece of code uses. */
export function referencesIn(image: Uint8Array, code: CodeRange): References {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const end = Math.min(code.to, image.length) - 4;
  const loaded = new Set<number>();
  const perCpu: { variable: number; offsets: number }[] = [];
  const ownStored: number[] = [];
  const ownLoaded: OwnLoad[] = [];
  const walked = new Set<number>();
  const held = new Map<number, Held>();
  const put = (register: number, value: Held | undefined): void => {
    if (value === undefined || register === 31) held.delete(register);
    else held.set(register, value);
  };
  const address = (register: number): number | undefined => {
    const value = held.get(register);
    return value?.kind === 'address' ? value.at : undefined;
  };
  for (let at = code.from; at >= 0 && at <= end; at += 4) {
    const w = view.getUint32(at, true);
    const base = address(rn(w));
    const own = held.get(rn(w))?.kind === 'own' ? held.get(rn(w)) : undefined;
    if (isAdrp(w)) put(rd(w), { kind: 'address', at: page(w, at) });
    else if (isAddImmediate(w)) {
      const within = own && { ...own, inner: (own.inner ?? 0) + imm12(w) };
      put(rd(w), base === undefined ? within : { kind: 'address', at: base + imm12(w) });
    } else if (isMove(w)) put(rd(w), held.get(rm(w)));
    else if (isThreadId(w)) put(rd(w), { kind: 'thread', at: 0 });
    else if (isStore(w)) {
      if (own && own.inner === undefined) ownStored.push(own.at);
    } else if (isLoad(w)) {
      const from = base === undefined ? undefined : base + 8 * imm12(w);
      if (from !== undefined) loaded.add(from);
      if (own) ownLoaded.push({ variable: own.at, inner: own.inner, member: 8 * imm12(w) });
      put(rd(w), from === undefined ? undefined : { kind: 'loaded', at: from });
    } else if (isLoadPreIndexed(w)) {
      const moved = base === undefined ? undefined : base + imm9(w);
      put(rn(w), moved === undefined ? undefined : { kind: 'address', at: moved });
      put(rd(w), moved === undefined ? undefined : { kind: 'loaded', at: moved });
    } else if (isCompare(w)) {
      const [a, b] = [held.get(rn(w)), held.get(rm(w))].sort((x) => (x?.kind === 'address' ? -1 : 1));
      if (a?.kind === 'address' && b?.kind === 'loaded' && a.at === b.at) walked.add(a.at);
    } else if (isCall(w)) for (const n of SCRATCH) held.delete(n);
    else if (isLoadElement(w)) put(rd(w), base === undefined ? undefined : { kind: 'element', at: base });
    else if (isAddRegister(w)) {
      const [a, b] = [held.get(rn(w)), held.get(rm(w))];
      const [variable, element] = a?.kind === 'address' ? [a, b] : [b, a];
      if (variable?.kind === 'address' && element?.kind === 'element')
        perCpu.push({ variable: variable.at, offsets: element.at });
      const isOwn = variable?.kind === 'address' && element?.kind === 'thread';
      put(rd(w), isOwn ? { kind: 'own', at: variable.at } : undefined);
    } else if (!isBranch(w)) held.delete(rd(w));
  }
  return { loaded, perCpu, ownStored, ownLoaded, walked };
}

/**
 * The variable of per-CPU data whose member some code loads for its own CPU: `member` bytes from `inner` bytes in the
 * variable on.
 */
export const perCpuOf = (
  image: Uint8Array,
  code: CodeRange,
  inner: number,
  member: number,
): number | undefined =>
  referencesIn(image, code).ownLoaded.find((own) => own.inner === inner && own.member === member)?.variable;
