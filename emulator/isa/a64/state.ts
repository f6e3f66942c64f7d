/** The A64 state in the CPU block: see ir/state.ts for the fields that come before. */
import { StateLayout, commonEnd } from '../../ir/state';

export const layout = new StateLayout(commonEnd);

/** Numbers of the special slots of `x`. */
export const SP = 31;
export const ZERO = 32;
export const TRASH = 33;

/** Bits of state.features. */
export const CpuFeature = {
  PAN: 1,
  UAO: 2,
  VHE: 4,
  RAS: 8,
  SSBS: 16,
  HPDS: 32,
  XNX: 64,
  HAFDBS: 128,
  LOR: 256,
  PMUv3p1: 512,
  FP16: 1024,
  PAuth: 0x800,
  BTI: 0x1000,
  DIT: 0x2000,
  /** AArch32 at EL0. */
  AArch32: 0x4000,
  LVA: 0x8000,
  LPA: 0x10000,
  TTST: 0x20000,
  E0PD: 0x40000,
  FWB: 0x80000,
  EVT: 0x100000,
  IDST: 0x200000,
  /** The CPU interface of a GICv3, with its virtual one. */
  GICv3: 0x400000,
} as const;

export const state = {
  /** X0-X30; [31] the current stack pointer, [32] reads as zero for ever. */
  x: layout.field('x', 8, 33),
  /** Behind them, for who writes by number: takes writes to ZR, in generated code that does not know them for such. Nothing reads it. */
  trash: layout.field('trash', 8),
  /** V0-V31 as pairs of 64-bit halves: V[n] = v[2n+1]:v[2n]. */
  v: layout.field('v', 8, 64, 8),
  /** PSTATE.NZCV in bits 31-28, as in SPSR. */
  nzcv: layout.field('nzcv', 4),
  /** PSTATE.DAIF in bits 9-6, as in SPSR. */
  daif: layout.field('daif', 4),
  /** PSTATE.EL, 0-3. */
  el: layout.field('el', 4),
  /** PSTATE.SP. */
  spsel: layout.field('spsel', 4),
  /** PSTATE.IL, SS, PAN, UAO as 0 or 1. */
  il: layout.field('il', 4),
  ss: layout.field('ss', 4),
  pan: layout.field('pan', 4),
  uao: layout.field('uao', 4),
  /** PSTATE.SSBS as 0 or 1. */
  ssbs: layout.field('ssbs', 4),
  /** PSTATE.DIT as 0 or 1; PSTATE.BTYPE (see branch-target.ts). */
  dit: layout.field('dit', 4),
  btype: layout.field('btype', 4),
  /** SP_EL0-SP_EL3; the one in use lives in x[31] and is written back by a change of EL or SPSel. */
  spEl: layout.field('spEl', 8, 4),
  /** Exclusive monitor: bytes marked (0: open), their physical address. */
  exBytes: layout.field('exBytes', 4),
  exAddr: layout.field('exAddr', 8),
  /** The event register of WFE. */
  eventRegister: layout.field('eventRegister', 4),

  // --- derived by the contextKey routine, so that instructions need one look ---
  /** EL to which FP and SIMD instructions trap now; 0: they do not. */
  fpTrap: layout.field('fpTrap', 4),
  /** SCTLR_ELx.SA or SA0 of the current EL: a misaligned SP used as base faults. */
  spCheck: layout.field('spCheck', 4),
  /** The current EL translates two ranges of addresses: the upper one has bits 63-55 set. */
  twoRanges: layout.field('twoRanges', 4),
  /** Pointer authentication: bits of KeyBit that SCTLR_ELx enables; whether the instructions trap instead. */
  pauth: layout.field('pauth', 4),
  pauthTrap: layout.field('pauthTrap', 4),
  /** How often all this was computed: what is known of a context's pages is known as long as this stays. */
  contexts: layout.field('contexts', 8),
  /** Pages that are known not to be guarded, each with `contexts` at that time. */
  landingPage: layout.field('landingPage', 8, 16),
  landingContext: layout.field('landingContext', 8, 16),
  /** Authentication codes computed lately: see pauth/pointer.ts. */
  pacMemo: layout.field('pacMemo', 8, 192),

  // --- configuration, set at reset ---
  /** The CPU implements EL2: HVC reaches it, and PSCI answers SMC; otherwise PSCI answers HVC. */
  hasEL2: layout.field('hasEL2', 4),
  /** The CPU implements EL3. */
  hasEL3: layout.field('hasEL3', 4),
  /** With EL3: the board's firmware answers SMC in its place (PSCI). */
  firmwareAtEl3: layout.field('firmwareAtEl3', 4),
  /** SCR_EL3.NS is 0: below EL3 is Secure state, in which EL2 is not enabled and its controls have no effect. */
  el2Off: layout.field('el2Off', 4),
  /** Features that routines ask for while running: bits of CpuFeature. */
  features: layout.field('features', 4),
  /** log2 of the physical address space. */
  paBits: layout.field('paBits', 4),
  /** CCSIDR_EL1 of the first level data, first level instruction and second level cache. */
  ccsidr: layout.field('ccsidr', 8, 3),

  // --- virtual interrupts (see wires/virtual-interface.ts) ---
  /** Which list register is next, and whether it is signalled. */
  virtualNext: layout.field('virtualNext', 4),

  // --- counters of instructions (see pmu/counters.ts) ---
  /** Some counter may count: a change of the exception level settles them. */
  pmuActive: layout.field('pmuActive', 4),
  /** The instructions that this CPU had retired when its counters held what they hold. */
  pmuBase: layout.field('pmuBase', 8),
  /** The routine ownDeadline is to run when this CPU has retired so many instructions; 0: never. */
  ownDeadline: layout.field('ownDeadline', 8),

  // --- self-hosted debug (see self-hosted/) ---
  /** MDSCR_EL1.SS or MDE is set, and the OS lock is not. */
  debugOn: layout.field('debugOn', 4),
  /** Software step is active; a breakpoint for contexts may match any instruction. */
  stepActive: layout.field('stepActive', 4),
  checkEach: layout.field('checkEach', 4),
  /** A run of generated code is to be one instruction long. */
  oneByOne: layout.field('oneByOne', 4),
  /** An instruction may be executed with PSTATE.SS = 1: granted when so many were retired; it was a load-exclusive. */
  stepGranted: layout.field('stepGranted', 4),
  stepAt: layout.field('stepAt', 8),
  loadedExclusive: layout.field('loadedExclusive', 4),
  /** It has been executed, and nothing else has happened since. */
  stepped: layout.field('stepped', 4),
  /** Some watchpoint is enabled. */
  watching: layout.field('watching', 4),

  // --- between the debugger and the instructions (see events.ts) ---
  /** Strict mode: what is UNKNOWN gets poison values (see unknown.ts). */
  strict: layout.field('strict', 4),
  /** Set when resuming at an instruction that would stop before it executes; the instruction clears it. */
  holdSkip: layout.field('holdSkip', 4),
  /** The kinds (1 << kind) that made the last stop; the debugger clears it. */
  stopEvents: layout.field('stopEvents', 4),

  // --- results of the page walker beside common.trPa ... (see mmu.ts) ---
  /** The fault of the last translation: a Fault word, 0 when it succeeded. */
  fault: layout.field('fault', 4),
  /** Beside a fault: 1 when a read of the address would have met it too, which is what atomics report. */
  faultReads: layout.field('faultReads', 4),
  /** Arguments of the host call writeDescriptor: physical address, and the descriptor as it stands in memory. */
  descriptorPa: layout.field('descriptorPa', 8),
  descriptor: layout.field('descriptor', 8),
  /** The intermediate physical address that stage 2 could not translate. */
  faultIpa: layout.field('faultIpa', 8),
  /** Memory attributes of the last translation as in PAR_EL1.ATTR, and its shareability as in PAR_EL1.SH. */
  trMem: layout.field('trMem', 4),
  trSh: layout.field('trSh', 4),
  /** The last stage 1 translation of a Secure state led to the Non-secure physical address space (PAR_EL1.NS). */
  trNs: layout.field('trNs', 4),
  /** Stage 1 of the last translation led to a guarded page (GP). */
  trGuarded: layout.field('trGuarded', 4),
  /** The last stage 2 walk: output address, log2 of the mapping's size, MemAttr of the descriptor, shareability. */
  s2Pa: layout.field('s2Pa', 8),
  s2Size: layout.field('s2Size', 4),
  s2Mem: layout.field('s2Mem', 4),
  s2Sh: layout.field('s2Sh', 4),
  s2Level: layout.field('s2Level', 4),
} as const;

/** The vector registers as elements of other sizes: of 16 bytes whole registers, of 8 bytes state.v. */
export const vectorViews = {
  1: layout.view(state.v, 1),
  2: layout.view(state.v, 2),
  4: layout.view(state.v, 4),
  8: state.v,
  16: layout.view(state.v, 16),
} as const;
