/** The world-switch trace of A64: what is copied when something happens, and what it means. */
import { firmwareFunctionName } from '../../emulator/board/psci';
import type { Machine } from '../../emulator/core/machine';
import { recordKinds, Slot, type RecordKind } from '../../emulator/ir/event-ring';
import { common } from '../../emulator/ir/state';
import {
  briefSyndrome,
  faultIpa,
  hasFaultAddress,
  hasIntermediateAddress,
  splitSyndrome,
} from '../../emulator/isa/a64/debug/syndrome';
import { EventKind, type EventName } from '../../emulator/isa/a64/events';
import { exceptions, explainRoute } from '../../emulator/isa/a64/exceptions/routes';
import { state } from '../../emulator/isa/a64/state';
import {
  OwnSlot,
  RECORD_SLOTS,
  recordCopies,
  recordedRegisters,
  RecordFlag,
} from '../../emulator/isa/a64/switch-record';
import { sysregNamed } from '../../emulator/isa/a64/sysregs';
import { NO_PROGRESS } from '../control/loops';
import { TraceRing } from '../trace/ring';
import { AbsentThings, isExternalAbort } from './a64-absent';
import type { TraceEvent } from './types';

/** Kinds of events that the trace consists of. */
export const traced: readonly EventName[] = ['entry', 'eret', 'irq', 'stage2Fault', 'undefined', 'smc'];

const interruptNames = ['IRQ', 'IRQ', 'FIQ', 'SError'] as const;
const { interrupt: INTERRUPT, stage2: STAGE2, undefined: UNDEFINED } = RecordFlag;

const hex = (v: bigint): string => `0x${v.toString(16)}`;

/** Byte offset of a system register in the CPU block. */
function offsetOf(register: string): number {
  const storage = sysregNamed(register).storage;
  if (!storage) throw new Error(`${register} has no place in the CPU block`);
  return storage.field.offset + storage.index * storage.field.stride;
}

const recorded = recordedRegisters();
const element = (f: { offset: number; stride: number }, n: number): number => f.offset + n * f.stride;

const copies = recordCopies();
const copySlots = Int32Array.from(copies, ({ slot }) => 2 * slot);
const copyWords = Int32Array.from(copies, ({ field, index }) => element(field, index) >> 2);
const leftWord = common.left.offset >> 2;
const pcWord = common.pc.offset >> 2;
const levelOfMail = (element(common.mail, 2) >> 2) | 0;
const vectorBases = [0, 1, 2, 3].map((el) => (el === 0 ? 0 : offsetOf(`VBAR_EL${el}`)));
const returnAddresses = [0, 1, 2, 3].map((el) => (el === 0 ? 0 : offsetOf(`ELR_EL${el}`)));

/** Calls that return behind themselves: SMC where EL3 takes it. */
const isCallEc = (ec: number, to: number): boolean =>
  ec === exceptions.svc.ec || ec === exceptions.hvc.ec || (ec === exceptions.smc.ec && to === 3);

export class A64Trace {
  readonly ring: TraceRing;
  /** What the guest has touched that is not here. */
  readonly absent: AbsentThings;
  private readonly memory: Uint32Array;
  /** Kinds that were reported for the exception that is being taken: they come before its `entry`. */
  private pending = 0;

  constructor(private readonly machine: Machine) {
    const { buffer } = machine.memory;
    this.memory = new Uint32Array(buffer);
    const decode = (_ring: TraceRing, at: number): TraceEvent => this.decode(at);
    this.ring = new TraceRing(buffer, machine.layout.events, RECORD_SLOTS, NO_PROGRESS, decode);
    this.absent = new AbsentThings(machine);
  }

  /** Whether code records by itself what nobody must hear of at once; otherwise \`event\` hears of all. */
  set isQuiet(on: boolean) {
    const { state: cpus, layout } = this.machine;
    for (let cpu = 0; cpu < this.machine.cpus; cpu++) cpus.set(cpu, common.eventRing, on ? layout.events : 0);
  }

  /** Host call `event`: something happened; details are in the mail (see emulator/isa/a64/events.ts). */
  event(block: number, kind: number): void {
    const flags = flagOf[kind] ?? 0;
    if (kind === EventKind.entry || kind === EventKind.eret) {
      const isEntry = kind === EventKind.entry;
      const cpu = this.machine.state.cpuOf(block);
      const seen = this.pending;
      this.write(block, cpu, isEntry ? 'entry' : 'return', seen);
      this.pending = 0;
      if (isEntry) this.lookForAbsent(block, seen);
    } else if (kind === EventKind.smc) {
      if (this.traps(block)) return;
      this.write(block, this.machine.state.cpuOf(block), 'call', 0);
      const id = this.memory[(block + element(state.x, 0)) >> 2] ?? 0;
      if (firmwareFunctionName(BigInt(id)) === undefined) this.absent.firmwareCall(this.ring.last(1)[0]!);
    } else this.pending |= flags;
  }

  /** An exception has been taken: the few that tell of something absent are looked at again. */
  private lookForAbsent(block: number, seen: number): void {
    if (seen & UNDEFINED) this.absent.undefinedInstruction(this.ring.last(1)[0]!);
    else if (isExternalAbort(this.memory[(block + element(common.mail, 1)) >> 2] ?? 0))
      this.absent.externalAbort(this.ring.last(1)[0]!);
  }

  /** Whether an SMC is taken to EL2 (HCR_EL2.TSC, bit 19) or to EL3: it is traced as that exception. */
  private traps(block: number): boolean {
    const view = this.machine.view;
    const word = (f: { offset: number }): number => view.getUint32(block + f.offset, true);
    if (word(state.hasEL3) && !word(state.firmwareAtEl3)) return true;
    const hcr = view.getUint32(block + offsetOf('HCR_EL2'), true);
    return view.getUint8(block + state.el.offset) === 1 && ((hcr >> 19) & 1) === 1;
  }

  private write(block: number, cpu: number, kind: RecordKind, flags: number): void {
    const { ring, memory } = this;
    const { words } = ring;
    const base = block >> 2;
    const at = ring.begin(kind, cpu, flags);
    const first = 2 * at;
    for (let i = 0; i < copySlots.length; i++) {
      const to = first + copySlots[i]!;
      const from = base + copyWords[i]!;
      words[to] = memory[from]!;
      words[to + 1] = memory[from + 1]!;
    }
    words[first + 2 * Slot.left] = memory[base + leftWord]!;
    words[first + 2 * Slot.left + 1] = 0;
    ring.wide[at + Slot.vtime] = this.machine.schedule.vtime;
    const levels = memory[base + levelOfMail]!;
    const pc = kind === 'mark' ? base + pcWord : base + (element(common.mail, 0) >> 2);
    words[first + 2 * Slot.pc] = memory[pc]!;
    words[first + 2 * Slot.pc + 1] = memory[pc + 1]!;
    const target =
      kind === 'entry'
        ? vectorBases[(levels >> 8) & 0xff]
        : kind === 'return'
          ? returnAddresses[levels & 0xff]
          : undefined;
    const from = base + ((target ?? 0) >> 2);
    words[first + 2 * Slot.target] = target === undefined ? 0 : memory[from]!;
    words[first + 2 * Slot.target + 1] = target === undefined ? 0 : memory[from + 1]!;
    ring.end();
  }

  /** Records that a CPU is about to execute a mark of the hypervisor. */
  mark(cpu: number, note: NonNullable<TraceEvent['mark']>): void {
    this.ring.note(this.ring.begin('mark', cpu, 0), note);
    this.write(this.machine.state.block(cpu), cpu, 'mark', 0);
  }

  // --- what records mean ------------------------------------------------------------------------------------------

  private decode(at: number): TraceEvent {
    const { ring } = this;
    const slot = (n: number): bigint => ring.wide[at + n] ?? 0n;
    const header = Number(slot(Slot.header) & 0xffffn);
    const flags = Number(slot(Slot.header) >> 32n);
    const kind = recordKinds[header & 0xff] ?? 'entry';
    const where = kind === 'mark' ? 0n : slot(OwnSlot.mail + 2);
    const vector = (where >> 16n) & 0xffffn;
    const [from, to] = [Number(where & 0xffn), Number((where >> 8n) & 0xffn)];
    const registers = (name: string): bigint => {
      const n = recorded.indexOf(name);
      return n < 0 ? 0n : slot(OwnSlot.registers + n);
    };
    // Behind the end of a run the time that it has taken is in vtime already.
    const now = slot(Slot.timeEnd) - slot(Slot.left);
    const ran = kind !== 'mark' && now > slot(Slot.vtime) ? now - slot(Slot.vtime) : 0n;
    const isInterrupt = (flags & INTERRUPT) !== 0;
    const syndrome = kind === 'mark' ? 0n : slot(OwnSlot.mail + 1);
    const { ec } = splitSyndrome(syndrome);
    const event: TraceEvent = {
      kind,
      count: slot(Slot.retired) + ran,
      cpu: header >> 8,
      from,
      to: kind === 'call' ? 3 : to,
      // Calls return behind themselves; the trace names the instruction.
      pc: slot(Slot.pc) - (kind === 'entry' && !isInterrupt && isCallEc(ec, to) ? 4n : 0n),
      target:
        kind === 'entry' ? slot(Slot.target) + vector : kind === 'return' ? slot(Slot.target) : undefined,
      syndrome,
      fault: kind === 'entry' ? slot(OwnSlot.mail + 3) : 0n,
      ipa:
        flags & STAGE2 && hasIntermediateAddress(syndrome)
          ? faultIpa(slot(OwnSlot.mail + 4), slot(OwnSlot.mail + 3))
          : undefined,
      interrupt: isInterrupt ? interruptNames[Number((vector >> 7n) & 3n)] : undefined,
      undefinedInstruction: (flags & UNDEFINED) !== 0,
      x0: slot(OwnSlot.x0),
      vmid: vmidOf(registers),
      registers: (name) => {
        const special = name.slice(0, -1);
        if (name === 'HPFAR_EL2') return slot(OwnSlot.mail + 4);
        if (special === 'ESR_EL') return syndrome;
        if (special === 'FAR_EL') return slot(OwnSlot.mail + 3);
        if (special === 'SPSR_EL') return slot(OwnSlot.mail + 2) >> 32n;
        return registers(name);
      },
      cause:
        kind === 'entry' && !isInterrupt && ec === exceptions.fp.ec ? fpCause(from, registers) : undefined,
    };
    if (kind !== 'mark') return event;
    const note = ring.noteOf(at) as NonNullable<TraceEvent['mark']>;
    return { ...event, from: note.level, to: note.level, mark: note };
  }
}

/** Which flag of a record an event kind sets that comes before its exception. */
const flagOf: Readonly<Record<number, number>> = {
  [EventKind.irq]: INTERRUPT,
  [EventKind.stage2Fault]: STAGE2,
  [EventKind.undefined]: UNDEFINED,
};

/** The VMID while HCR_EL2.VM is set: 8 bits of VTTBR_EL2, or 16 with VTCR_EL2.VS. */
function vmidOf(read: (name: string) => bigint): number | undefined {
  const secure = (read('ID_AA64PFR0_EL1') & 0xf000n) !== 0n && (read('SCR_EL3') & 1n) === 0n;
  if ((read('HCR_EL2') & 1n) === 0n || secure) return undefined;
  const wide = ((read('VTCR_EL2') >> 19n) & 1n) === 1n;
  return Number((read('VTTBR_EL2') >> 48n) & (wide ? 0xffffn : 0xffn));
}

/** The control bits that trapped an FP or SIMD instruction: `CPTR_EL2.TFP = 1`. */
function fpCause(from: number, read: (name: string) => bigint): string | undefined {
  return explainRoute('fp', from, read)?.why.split(': ')[0];
}

const callEcs: readonly (number | undefined)[] = [exceptions.svc.ec, exceptions.hvc.ec, exceptions.smc.ec];

/** An event of the trace in a few words. */
export function eventText(e: TraceEvent): string {
  if (e.kind === 'return') return 'ERET';
  if (e.kind === 'mark') return e.mark?.text ?? '';
  if (e.kind === 'call') {
    const name = firmwareFunctionName(e.x0);
    return `SMC #${e.syndrome & 0xffffn} firmware ${name ?? hex(e.x0)}`;
  }
  if (e.interrupt) return e.interrupt;
  const { ec } = splitSyndrome(e.syndrome);
  const address = hasFaultAddress(e.syndrome) ? ` at ${hex(e.fault)}` : '';
  const ipa = e.ipa === undefined ? '' : `, IPA ${hex(e.ipa)}`;
  const call = callEcs.includes(ec) ? ` x0=${hex(e.x0)}` : '';
  const cause = e.cause === undefined ? '' : `, FPSIMD trap by ${e.cause}`;
  return `${briefSyndrome(e.syndrome)}${address}${ipa}${call}${cause}`;
}
