/**
 * What a Linux kernel saves when an exception interrupts it or a program: a `struct pt_regs` at the top of the stack that
 * its entry code calls handlers on. The frame pointer there is the address of its member `stackframe` (Linux,
 * arch/arm64/kernel/entry.S).
 */
import { SymbolError } from '../symbols/errors';
import type { KernelImage } from './kernel-image';
import { KernelType } from './memory';

/** Code that runs with a complete pt_regs: how it was entered is in the name. */
const ENTRY = /^el[01][ht]_(?:64|32)_(sync|irq|fiq|error)$/;
/** Where it goes back; and a new thread, before it does so for the first time. */
const EXIT = /^(?:ret_to_user|ret_to_kernel|ret_from_fork)$/;
/** Where threads of the kernel and its CPUs begin. */
const ROOT =
  /^(?:ret_from_fork|rest_init|start_kernel|secondary_start_kernel|__(?:primary|secondary)_switched)$/;
const KINDS: Readonly<Record<string, string>> = {
  sync: 'synchronous exception',
  irq: 'IRQ',
  fiq: 'FIQ',
  error: 'SError',
};
/** Of PSTATE in the form of SPSR: the exception level (Arm ARM DDI 0487 C5.2.19, M[3:2]); bit 4 is AArch32. */
const LEVEL = 0b1_1100n;
const NO_SYSCALL = 0xffff_ffffn;
const GENERAL = 31;

/** What entry code has saved of the context that it interrupted. */
export interface SavedContext {
  readonly level: number;
  readonly pc: bigint;
  /** Where each register is, by the names of the instruction set. */
  readonly places: ReadonlyMap<string, bigint>;
  /** What it was, as far as the kernel says. */
  readonly what: string;
  /** The program has called the kernel: its PC is behind the instruction. */
  readonly isCall: boolean;
}

export class KernelEntries {
  private readonly regs: KernelType | undefined;

  constructor(kernel: KernelImage) {
    const type = kernel.types?.named('struct pt_regs');
    this.regs = type && new KernelType(kernel.memory, type);
  }

  /** Whether a stack of the kernel begins with this function: whatever the last exception was, it is not below. */
  static isRoot(name: string): boolean {
    return ROOT.test(name);
  }

  /** Whether a function's frame may have a saved context. */
  static isEntry(name: string): boolean {
    return ENTRY.test(name) || EXIT.test(name);
  }

  /**
   * The context that the frame of an entry function has saved; undefined where it is none.
   * @param kernelLevel the exception level of the kernel
   */
  saved(name: string, framePointer: bigint, kernelLevel: number): SavedContext | undefined {
    const { regs } = this;
    if (!regs || framePointer === 0n) return undefined;
    try {
      return this.read(regs, name, regs.containerOf(framePointer, 'stackframe'), kernelLevel);
    } catch (error) {
      // A kernel whose pt_regs has no frame record.
      if (error instanceof SymbolError) return undefined;
      throw error;
    }
  }

  private read(regs: KernelType, name: string, at: bigint, kernelLevel: number): SavedContext | undefined {
    const [pstate, pc, record, call] = ['pstate', 'pc', 'stackframe[1]', 'syscallno'].map((path) =>
      regs.number(at, path),
    );
    if (pstate === undefined || pc === undefined || pc === 0n) return undefined;
    const level = Number((pstate & LEVEL) >> 2n);
    // What interrupted the kernel is a frame record of its own; below a program there is nothing.
    if (level !== 0 && level !== kernelLevel) return undefined;
    if (record !== (level === 0 ? 0n : pc)) return undefined;
    const places = new Map<string, bigint>();
    for (let n = 0; n < GENERAL; n++) places.set(`x${n}`, regs.addressOf(at, `regs[${n}]`));
    for (const [register, member] of [
      ['sp', 'sp'],
      ['pc', 'pc'],
      ['cpsr', 'pstate'],
    ] as const)
      places.set(register, regs.addressOf(at, member));
    const kind = ENTRY.exec(name)?.[1];
    const isCall =
      level === 0 && call !== undefined && call !== NO_SYSCALL && (kind === 'sync' || kind === undefined);
    const what = isCall ? `system call ${call}` : (KINDS[kind ?? ''] ?? 'exception');
    return { level, pc, places, what, isCall };
  }
}
