/** What the machine must know of a CPU's breakpoint and watchpoint registers, to notice what they wait for. */

/** DBGBCR<n>_EL1.BT of breakpoints for contexts (Arm ARM DDI 0487 D17.3.2): those that match alone, and those to be linked to. */
export const contextTypes = { unlinked: [2, 6, 8, 10, 12, 14], linked: [3, 7, 9, 11, 13, 15] } as const;

/** Breakpoints and watchpoints of the CPU models (ID_AA64DFR0_EL1.BRPs, WRPs). */
export const BREAKPOINTS = 6;
export const WATCHPOINTS = 4;
/** The first of those that can match contexts (CTX_CMPs). */
export const FIRST_CONTEXT = 4;

/**
 * Offsets in a page at which an instruction may meet a breakpoint: those of enabled ones that match addresses. Where such
 * a page is mapped, and whether the rest fits, is found out when one executes.
 */
export function codeTraps(read: (register: string) => bigint): number[] {
  const found: number[] = [];
  for (let n = 0; n < BREAKPOINTS; n++) {
    const control = read(`DBGBCR${n}_EL1`);
    const type = (control >> 20n) & 0xfn;
    // BAS: an A64 instruction has four bytes, at a multiple of four.
    if (control & 1n && type < 2n && ((control >> 5n) & 3n) !== 0n)
      found.push(Number(read(`DBGBVR${n}_EL1`) & 0xffcn));
  }
  return found;
}

/** Tells one setting of the watchpoints from another. */
export const watchKey = (read: (register: string) => bigint): string =>
  Array.from({ length: WATCHPOINTS }, (_, n) => {
    const control = read(`DBGWCR${n}_EL1`);
    return control & 1n ? `${read(`DBGWVR${n}_EL1`)}/${control}` : '';
  }).join();

/** The key while no watchpoint is enabled. */
export const NO_WATCHPOINT = watchKey(() => 0n);
