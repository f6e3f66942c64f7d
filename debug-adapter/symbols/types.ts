import type { ByteSource } from './byte-source';
import type { Inflate } from './elf';
import type { Binding, SymbolKind } from './elf-symbols';
import type { SourceMapEntry } from './paths';

export type ExceptionLevel = 'EL0' | 'EL1' | 'EL2' | 'EL3';

/** Where a virtual address is valid. An absent part means "any". */
export interface Regime {
  el?: ExceptionLevel;
  vmid?: number;
  /** The number that the hypervisor's view gives a virtual machine: its VMID is asked for when it matters. */
  vm?: number;
  /** The addresses are physical ones. */
  physical?: boolean;
}

/** An address to look up: virtual (any regime, or the one named) or physical. */
export type Place = bigint | { va: bigint; regime?: Regime } | { pa: bigint };

/** One source of symbols: a file, and where it is loaded. */
export interface ModuleSpec {
  /** The path that messages show; two modules of one name share what was read. */
  name: string;
  source: ByteSource;
  /** Added to link-time addresses to get run-time addresses; a function where it is known only later (KASLR). */
  offset?: bigint | (() => bigint);
  /** Added to the load addresses of the program headers (p_paddr) to get physical addresses. */
  physicalOffset?: bigint;
  regime?: Regime;
  /**
   * The code may run at other virtual addresses than `offset` says (before the MMU is on, the code of KVM at EL2): what
   * is not found by its virtual address is looked for by its physical one.
   */
  isMovable?: boolean;
}

export interface SymbolIndexOptions {
  sourceMap?: readonly SourceMapEntry[];
  /** Undoes zlib, for compressed debug sections. */
  inflate?: Inflate;
  /** Where a virtual address of the host is mapped now, for files that may run at other addresses (`isMovable`). */
  physical?: (va: bigint, el: ExceptionLevel) => bigint | undefined;
  /** The VMID that a virtual machine has now; undefined while there is no such machine. */
  vmidOf?: (vm: number) => number | undefined;
}

/** A symbol with its run-time address. */
export interface SymbolHit {
  name: string;
  /** Run-time address: in the space of the question for symbolAt, virtual for the others. */
  address: bigint;
  size: bigint;
  kind: SymbolKind;
  binding: Binding;
  /** The name of the module that has it. */
  file: string;
  regime: Regime | undefined;
}

/** The symbol that an address belongs to. */
export interface SymbolAt extends SymbolHit {
  /** How far the address is behind the symbol. */
  offset: bigint;
}

/** The source line of an address. */
export interface LineAt {
  path: string;
  line: number;
  column: number | undefined;
  isStmt: boolean;
  /** The addresses of the row, in the space of the question. */
  address: bigint;
  endAddress: bigint;
  file: string;
}

/** A place where code of a line begins. */
export interface CodeLocation {
  /** Run-time virtual address (or physical, in a module whose regime is physical). */
  address: bigint;
  /** Physical address by the program headers; undefined for guests (their physical addresses are intermediate). */
  pa: bigint | undefined;
  regime: Regime | undefined;
  file: string;
}

export interface LineAddresses {
  /** The path as lineAt reports it. */
  path: string;
  /** The line that has the code: the one asked for or the next one with code. */
  line: number;
  addresses: bigint[];
  locations: CodeLocation[];
  /** Why there are none, as a sentence for the user. */
  reason?: string;
}

export interface BreakpointLocation {
  line: number;
  column: number | undefined;
  addresses: bigint[];
}

/** A function whose code stands in its caller's. */
export interface InlinedCall {
  name: string;
  /** The source line of the call; undefined when the debug information does not say. */
  callSite: { path: string; line: number } | undefined;
}

/** A function of the debug information. */
export interface FunctionAt {
  name: string;
  /** Where it begins, in the space of the question. */
  address: bigint;
  /** Functions inlined at the address, the innermost first. */
  inlined: InlinedCall[];
  file: string;
}
