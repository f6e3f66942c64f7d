/** AArch64, as run control, breakpoints and trace see it. */
import type { Board } from '../../emulator/core/device';
import type { Machine } from '../../emulator/core/machine';
import {
  briefSyndrome,
  faultIpa,
  hasIntermediateAddress,
  splitSyndrome,
} from '../../emulator/isa/a64/debug/syndrome';
import { translateForDebugger } from '../../emulator/isa/a64/debug/translate';
import { eventBit, type EventName } from '../../emulator/isa/a64/events';
import { exceptions } from '../../emulator/isa/a64/exceptions/routes';
import { SP, state } from '../../emulator/isa/a64/state';
import { findSysreg, sysregNamed } from '../../emulator/isa/a64/sysregs';
import type { DebugCpu } from '../../emulator/isa/dsl/debug';
import { bitRange } from '../../emulator/isa/dsl/sysreg';
import { regimeName } from '../symbols/regime';
import { A64Trace, eventText, traced } from './a64-trace';
import { debugCpus } from './debug-cpu';
import type {
  Architecture,
  CpuContext,
  FilterId,
  FilterInfo,
  InstructionKind,
  RegimeName,
  StopCause,
  TraceEvent,
  TranslationState,
} from './types';

/** What each filter arms, and when the event of that kind is really the filter's. */
interface FilterRow extends FilterInfo {
  readonly event: EventName;
  /** The `InstructionKind` that it stops on, before it executes. */
  readonly on?: InstructionKind;
  readonly when?: (a: A64, cpu: number) => boolean;
  readonly stop: string;
}

/** Stage 2 is on: a hypervisor may have it for its host too, under a VMID of its own. */
const hasStage2 = (a: A64, cpu: number): boolean => a.field(cpu, 'HCR_EL2', 'VM') === 1n && !a.isSecure(cpu);
const inGuest = (a: A64, cpu: number): boolean => hasStage2(a, cpu) && a.vmid(cpu) !== a.hostVmid;
/** The level that took or leaves by an exception is EL2 or EL3, and the other one is below it. */
const fromBelow = (a: A64, cpu: number): boolean => {
  const { el } = a.context(cpu);
  return el >= 2 && a.savedEl(cpu, el) < BigInt(el);
};
const atEl2 = (a: A64, cpu: number): boolean => a.context(cpu).el === 2;

const filterTable: readonly FilterRow[] = [
  { id: 'hvc', label: 'HVC', description: 'Before each HVC instruction', event: 'hvc', on: 'hvc', stop: '' },
  { id: 'smc', label: 'SMC', description: 'Before each SMC instruction', event: 'smc', on: 'smc', stop: '' },
  { id: 'svc', label: 'SVC', description: 'Before each SVC instruction', event: 'svc', on: 'svc', stop: '' },
  {
    id: 'trap-entry',
    label: 'Trap entry',
    description: 'Every exception taken to EL2 or EL3, at the first instruction of its vector',
    event: 'trapEntry',
    stop: 'trap entry',
  },
  {
    id: 'trap-exit',
    label: 'Trap exit',
    description: 'Before each ERET that leaves EL2 or EL3',
    event: 'trapExit',
    on: 'eret',
    when: fromBelow,
    stop: 'trap exit',
  },
  {
    id: 'guest-entry',
    label: 'Guest entry',
    description: 'The first instruction of a guest after EL2 has entered it',
    event: 'guestEntry',
    when: inGuest,
    stop: 'guest entry',
  },
  {
    id: 'guest-exit',
    label: 'Guest exit',
    description: 'Every exception that a guest takes to EL2',
    event: 'trapEntry',
    when: (a, cpu) => atEl2(a, cpu) && inGuest(a, cpu) && fromBelow(a, cpu),
    stop: 'guest exit',
  },
  {
    id: 'stage2-fault',
    label: 'Stage 2 fault',
    description: 'Aborts of a guest by stage 2 translation',
    event: 'stage2Fault',
    stop: 'stage 2 fault',
  },
  {
    id: 'irq',
    label: 'IRQ',
    description: 'Interrupts, when they are taken',
    event: 'irq',
    stop: 'interrupt',
  },
  {
    id: 'undefined',
    label: 'Undefined instruction',
    description: 'Instructions that the CPU does not have',
    event: 'undefined',
    stop: 'undefined instruction',
  },
];

/** The exception filters, known before anything is launched. */
export const exceptionFilters: readonly FilterInfo[] = filterTable.map(({ id, label, description }) => ({
  id,
  label,
  description,
}));

/** What decides translation, beside the tables themselves. */
const translationRegisters = [
  'SCTLR_EL1',
  'TCR_EL1',
  'TTBR0_EL1',
  'TTBR1_EL1',
  'HCR_EL2',
  'VTCR_EL2',
  'VTTBR_EL2',
  'SCTLR_EL2',
  'TCR_EL2',
  'TTBR0_EL2',
  'TTBR1_EL2',
  'SCR_EL3',
  'SCTLR_EL3',
  'TCR_EL3',
  'TTBR0_EL3',
] as const;
/** Where their halves are in the CPU block. */
const translationWords = Uint32Array.from(
  translationRegisters.flatMap((name) => {
    const storage = sysregNamed(name).storage;
    if (!storage) throw new Error(`${name} is not in the CPU's state`);
    const at = storage.field.offset + storage.index * storage.field.stride;
    return [at, at + 4];
  }),
);
const interruptNames = [undefined, 'IRQ', 'FIQ', 'SError'] as const;
/** The exception classes of the instructions that call a higher level. */
const calls: Readonly<Partial<Record<InstructionKind, number>>> = {
  svc: exceptions.svc.ec,
  hvc: exceptions.hvc.ec,
  smc: exceptions.smc.ec,
};
/** M[3:2] of an SPSR or PSTATE is the exception level. */
const elText = (el: number | bigint): string => `EL${el}`;

export class A64 implements Architecture {
  readonly filters = exceptionFilters;
  /** The VMID of a host that has a stage 2 of its own. */
  hostVmid: number | undefined;
  private armed: ReadonlySet<FilterId> = new Set();
  private readonly cpus: readonly DebugCpu[];
  readonly trace: A64Trace;

  constructor(
    private readonly machine: Machine,
    board: Board,
  ) {
    this.cpus = debugCpus(machine, board);
    this.trace = new A64Trace(machine);
  }

  private debugCpu(cpu: number): DebugCpu {
    const found = this.cpus[cpu];
    if (!found) throw new Error(`there is no CPU ${cpu}`);
    return found;
  }

  // --- registers ------------------------------------------------------------------------------------------------

  x(cpu: number, n: number): bigint {
    return this.machine.state.get(cpu, state.x, n);
  }

  /** A system register's value as the debugger sees it; undefined for one that is not there. */
  sysreg(cpu: number, name: string): bigint | undefined {
    const row = findSysreg(name);
    if (!row) return undefined;
    if (row.device) return this.debugCpu(cpu).peekDevice(row.name);
    return row.storage && this.machine.state.get(cpu, row.storage.field, row.storage.index);
  }

  /** A field of a register that exists. */
  field(cpu: number, register: string, field: string): bigint {
    const range = bitRange(sysregNamed(register).fields?.[field] ?? 0);
    return ((this.sysreg(cpu, register) ?? 0n) >> BigInt(range.lsb)) & ((1n << BigInt(range.width)) - 1n);
  }

  /** The exception level that an SPSR returns to: M[3:2] (C5.2.19). */
  savedEl(cpu: number, el: number): bigint {
    return ((this.sysreg(cpu, `SPSR_EL${el}`) ?? 0n) >> 2n) & 3n;
  }

  private el(cpu: number): number {
    return this.machine.state.num(cpu, state.el);
  }

  private esr(cpu: number): bigint {
    return this.sysreg(cpu, `ESR_EL${Math.max(this.el(cpu), 1)}`) ?? 0n;
  }

  /** The faulting intermediate physical address. */
  private faultIpa(cpu: number): bigint {
    return faultIpa(this.sysreg(cpu, 'HPFAR_EL2') ?? 0n, this.sysreg(cpu, 'FAR_EL2') ?? 0n);
  }

  private readonly special: Readonly<Record<string, (cpu: number) => bigint | undefined>> = {
    pc: (cpu) => this.machine.pc(cpu),
    sp: (cpu) => this.x(cpu, SP),
    fp: (cpu) => this.x(cpu, 29),
    lr: (cpu) => this.x(cpu, 30),
    xzr: () => 0n,
    wzr: () => 0n,
    el: (cpu) => BigInt(this.el(cpu)),
    ec: (cpu) => BigInt(splitSyndrome(this.esr(cpu)).ec),
    iss: (cpu) => BigInt(splitSyndrome(this.esr(cpu)).iss),
    ipa: (cpu) => this.faultIpa(cpu),
    cpu: (cpu) => BigInt(cpu),
    vmid: (cpu) => BigInt(this.vmid(cpu) ?? 0),
  };

  register(cpu: number, name: string): bigint | undefined {
    const lower = name.toLowerCase();
    if (Object.hasOwn(this.special, lower)) return this.special[lower]?.(cpu);
    const gpr = /^([xw])([0-9]|[12][0-9]|30)$/.exec(lower);
    if (gpr) {
      const value = this.x(cpu, Number(gpr[2]));
      return gpr[1] === 'w' ? BigInt.asUintN(32, value) : value;
    }
    return this.sysreg(cpu, name);
  }

  registerField(register: string, field: string): { lsb: number; width: number } | undefined {
    const fields = findSysreg(register)?.fields ?? {};
    const name = Object.keys(fields).find((f) => f.toLowerCase() === field.toLowerCase());
    const range = name === undefined ? undefined : fields[name];
    return range === undefined ? undefined : bitRange(range);
  }

  // --- where a CPU is -------------------------------------------------------------------------------------------

  /** Whether the CPU is below EL3 in Secure state, or EL3 has that in mind: SCR_EL3.NS is 0. */
  isSecure(cpu: number): boolean {
    return this.machine.state.num(cpu, state.el2Off) !== 0;
  }

  /** VMID of the guest context in HCR_EL2 and VTTBR_EL2; undefined while no guest is set up. */
  vmid(cpu: number): number | undefined {
    if (!hasStage2(this, cpu)) return undefined;
    const wide = this.field(cpu, 'VTCR_EL2', 'VS') === 1n;
    return Number(((this.sysreg(cpu, 'VTTBR_EL2') ?? 0n) >> 48n) & (wide ? 0xffffn : 0xffn));
  }

  context(cpu: number): CpuContext {
    const el = this.el(cpu);
    return {
      el,
      pc: this.machine.pc(cpu),
      sp: this.x(cpu, SP),
      vmid: el < 2 ? this.vmid(cpu) : undefined,
    };
  }

  levelText(cpu: number): string {
    const el = this.el(cpu);
    if (el >= 2) return elText(el);
    if (this.isSecure(cpu)) return `${elText(el)} secure`;
    return `${elText(el)} ${inGuest(this, cpu) ? 'guest' : 'host'}`;
  }

  isRegime(
    cpu: number,
    { el, vmid, asid }: { readonly el?: string; readonly vmid?: number; readonly asid?: number },
  ): boolean {
    const c = this.context(cpu);
    if (el !== undefined && regimeName(c.el) !== (el === 'EL0' ? 'EL1' : el)) return false;
    if (asid !== undefined && asid !== this.asid(cpu)) return false;
    return vmid === undefined || (c.vmid ?? 0) === vmid;
  }

  /** The ASID of the EL1&0 regime: TCR_EL1.A1 says which TTBR has it, TCR_EL1.AS how wide it is. */
  private asid(cpu: number): number {
    const ttbr = this.field(cpu, 'TCR_EL1', 'A1') === 1n ? 'TTBR1_EL1' : 'TTBR0_EL1';
    const wide = this.field(cpu, 'TCR_EL1', 'AS') === 1n;
    return Number(((this.sysreg(cpu, ttbr) ?? 0n) >> 48n) & (wide ? 0xffffn : 0xffn));
  }

  translationState(cpu: number): TranslationState {
    const { state: cpus, view } = this.machine;
    const block = cpus.block(cpu);
    return translationWords.map((offset) => view.getUint32(block + offset, true));
  }

  isTranslationState(cpu: number, known: TranslationState): boolean {
    const { state: cpus, view } = this.machine;
    const block = cpus.block(cpu);
    for (let i = 0; i < translationWords.length; i++)
      if (view.getUint32(block + translationWords[i]!, true) !== known[i]) return false;
    return true;
  }

  translate(cpu: number, address: bigint, regime?: RegimeName): bigint | undefined {
    const found = translateForDebugger(this.debugCpu(cpu), address, regime ?? 'current');
    return 'pa' in found ? found.pa : undefined;
  }

  private word(cpu: number, address: bigint): number | undefined {
    const pa = this.translate(cpu, address);
    const bytes = pa === undefined ? undefined : this.machine.physical.peek(pa, 4);
    if (bytes?.length !== 4) return undefined;
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  }

  instructionKind(cpu: number): InstructionKind {
    const word = this.word(cpu, this.machine.pc(cpu));
    if (word === undefined) return 'plain';
    return this.machine.predecode.decodeWord(word)?.row.flow ?? 'plain';
  }

  // --- stops ----------------------------------------------------------------------------------------------------

  arm(filters: ReadonlySet<FilterId>, everyEntry: boolean): void {
    this.armed = filters;
    const stops: EventName[] = filterTable.filter((f) => filters.has(f.id)).map((f) => f.event);
    if (everyEntry) stops.push('entry', 'irq');
    const mask = (kinds: readonly EventName[]): number => kinds.reduce((m, k) => m | eventBit(k), 0);
    this.machine.setEvents(mask(traced), mask(stops));
  }

  setHoldSkip(cpu: number, on: boolean): void {
    this.machine.state.set(cpu, state.holdSkip, on ? 1 : 0);
  }

  takeCauses(cpu: number): { causes: StopCause[]; entered: boolean; interrupt: boolean } {
    const bits = this.machine.state.num(cpu, state.stopEvents);
    this.machine.state.set(cpu, state.stopEvents, 0);
    const happened = (f: FilterRow): boolean => (bits & eventBit(f.event)) !== 0 && f.on === undefined;
    const after = filterTable
      .filter((f) => this.armed.has(f.id) && happened(f) && (f.when?.(this, cpu) ?? true))
      .map((f) => ({ filter: f.id, label: f.stop, detail: this.entryText(cpu, f) }));
    const interrupt = (bits & eventBit('irq')) !== 0;
    const entryBits = (['entry', 'trapEntry', 'irq', 'stage2Fault', 'undefined'] as const).reduce(
      (m, k) => m | eventBit(k),
      0,
    );
    return { causes: [...after, ...this.causesAt(cpu)], entered: (bits & entryBits) !== 0, interrupt };
  }

  private entryText(cpu: number, f: FilterRow): string {
    if (f.event === 'guestEntry') {
      const { el, pc, vmid } = this.context(cpu);
      return `${elText(el)}, VMID ${vmid ?? 0} at 0x${pc.toString(16)}`;
    }
    const el = this.el(cpu);
    const source = elText(this.savedEl(cpu, el));
    const kind = interruptNames[Number((this.machine.pc(cpu) >> 7n) & 3n)];
    if (kind) return `${kind} from ${source}`;
    const esr = this.esr(cpu);
    const guests = el === 2 && hasStage2(this, cpu) && fromBelow(this, cpu);
    const ipa = guests && hasIntermediateAddress(esr) ? ` at IPA 0x${this.faultIpa(cpu).toString(16)}` : '';
    return `${briefSyndrome(esr)}${ipa} from ${source}`;
  }

  causesAt(cpu: number): StopCause[] {
    const rows = filterTable.filter((f) => f.on !== undefined && this.armed.has(f.id));
    if (rows.length === 0) return [];
    const kind = this.instructionKind(cpu);
    return rows
      .filter((f) => f.on === kind && (f.when?.(this, cpu) ?? true))
      .map((f) => ({ filter: f.id, label: f.stop, ...this.heldCause(cpu, kind) }));
  }

  /** Class and ISS (imm16) of the exception that HVC, SMC or SVC at the PC will be. */
  callSyndrome(cpu: number): Readonly<Record<string, bigint>> | undefined {
    const ec = calls[this.instructionKind(cpu)];
    if (ec === undefined) return undefined;
    const word = BigInt(this.word(cpu, this.machine.pc(cpu)) ?? 0);
    return { ec: BigInt(ec), iss: (word >> 5n) & 0xffffn };
  }

  private heldCause(cpu: number, kind: InstructionKind): Pick<StopCause, 'detail' | 'values'> {
    const { el } = this.context(cpu);
    if (kind === 'eret') {
      const to = this.savedEl(cpu, el);
      return { detail: `ERET to ${elText(to)} at 0x${(this.sysreg(cpu, `ELR_EL${el}`) ?? 0n).toString(16)}` };
    }
    const values = this.callSyndrome(cpu);
    const imm = values?.['iss'] ?? 0n;
    return { detail: `${kind.toUpperCase()} #${imm} from ${elText(el)}`, ...(values ? { values } : {}) };
  }

  eventText(e: TraceEvent): string {
    return eventText(e);
  }
}
