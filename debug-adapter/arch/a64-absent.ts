/**
 * What a guest touches that is not here: instructions and system registers of the architecture that the CPU does not
 * have, physical addresses where nothing answers, functions that the firmware does not know. Each is found where it
 * raises its exception, so that nothing else pays for it, and told once.
 */
import type { Machine } from '../../emulator/core/machine';
import { Decoder } from '../../emulator/codegen/decoder';
import { common } from '../../emulator/ir/state';
import { splitSyndrome } from '../../emulator/isa/a64/debug/syndrome';
import { sysregs } from '../../emulator/isa/a64/sysregs';
import type { Row } from '../../emulator/isa/dsl/row';
import { encodingKey, genericName, type Encoding } from '../../emulator/isa/dsl/sysreg';
import { instructionNameOf, registerNameOf } from './architecture-names';
import type { TraceEvent } from './types';

/** Something that was touched for the first time. */
interface Absent {
  /** What makes it the same thing the next time. */
  readonly key: string;
  readonly text: string;
}

/** Of one kind; a guest that runs wild must not fill the console. */
const MOST = 32;

/** ESR_ELx.EC of aborts from a lower level and from the same (D17.2.37). */
const FETCH_ABORTS = [0x20, 0x21];
const DATA_ABORTS = [0x24, 0x25];
/** The status code of a synchronous external abort, not on a table walk. */
const EXTERNAL = 0x10;

/** Whether a syndrome, by its lower half, is that of an external abort: asked for each exception. */
export function isExternalAbort(esr: number): boolean {
  const ec = esr >>> 26;
  return ec >= 0x20 && ec <= 0x25 && (ec & 2) === 0 && (esr & 0x3f) === EXTERNAL;
}

/** The lowest level that can have access to an encoding, by op0 and op1 (D17.1.2 for op0 = 3, D18.1 for op0 = 2). */
function lowestLevel([op0, op1]: Encoding): number {
  if (op0 === 2) return op1 === 3 ? 0 : op1 === 4 ? 2 : 1;
  return ({ 3: 0, 4: 2, 5: 2, 6: 3 } as Readonly<Record<number, number>>)[op1] ?? 1;
}

/** MRS, MSR, SYS and SYSL (C4.1.66): the encoding, and what is done; undefined for any other instruction. */
function systemAccess(word: number): { encoding: Encoding; what: 'Read' | 'Write' } | undefined {
  if ((word & 0xffc00000) >>> 0 !== 0xd5000000) return undefined;
  const bits = (lsb: number, width: number): number => (word >>> lsb) & ((1 << width) - 1);
  const encoding = [bits(19, 2), bits(16, 3), bits(12, 4), bits(8, 4), bits(5, 3)] as const;
  if (encoding[0] === 0) return undefined;
  return { encoding, what: bits(21, 1) === 1 ? 'Read' : 'Write' };
}

const registers = new Map(sysregs.map((r) => [encodingKey(r.enc), r]));
/** Encodings that are left to who makes the CPU (D17.1.2, "Reserved encodings for IMPLEMENTATION DEFINED registers"). */
const isOwn = ([, , crn]: Encoding): boolean => crn === 11 || crn === 15;
const OWN = 'an IMPLEMENTATION DEFINED';
const known = (encoding: Encoding): string => (isOwn(encoding) ? '' : ' that is known here');
const hex = (v: bigint | number): string => `0x${v.toString(16)}`;

export class AbsentThings {
  private readonly told = new Map<string, Set<string>>();
  private everyRow: Decoder | undefined;
  /** Hears of each thing once. */
  onFound: (text: string, event: TraceEvent) => void = () => undefined;

  constructor(private readonly machine: Machine) {}

  /** An instruction was UNDEFINED, and the exception has just been taken. */
  undefinedInstruction(event: TraceEvent): void {
    const word = this.wordAt(event.cpu, event.pc);
    if (word === undefined) return;
    const system = systemAccess(word);
    if (system && system.encoding[0] > 1) this.tell('register', this.register(system, event.from), event);
    else if (system) this.tell('operation', this.operation(word, system.encoding, event.from), event);
    else this.tell('instruction', this.instruction(word), event);
  }

  /** An access was answered by nobody. */
  externalAbort(event: TraceEvent): void {
    const { ec, iss } = splitSyndrome(event.syndrome);
    const isFetch = FETCH_ABORTS.includes(ec);
    if (!isFetch && !DATA_ABORTS.includes(ec)) return;
    // A fetch leaves no physical address behind.
    const address = isFetch ? event.fault : this.machine.state.get(event.cpu, common.slowPa, 0);
    const what = isFetch ? 'Fetch from' : (iss >> 6) & 1 ? 'Write to' : 'Read from';
    const where = isFetch ? hex(address) : `the physical address ${hex(address)}`;
    const text = `${what} ${where}, where the board has nothing: external abort`;
    this.tell('address', { key: `${what} ${address >> 12n}`, text }, event);
  }

  /** A call of a function that the board does not have. */
  firmwareCall(event: TraceEvent): void {
    const id = hex(BigInt.asUintN(32, event.x0));
    this.tell(
      'call',
      { key: id, text: `SMC of function ${id}, which the firmware does not have: NOT_SUPPORTED` },
      event,
    );
  }

  private tell(kind: string, found: Absent | undefined, event: TraceEvent): void {
    if (!found) return;
    let told = this.told.get(kind);
    if (!told) this.told.set(kind, (told = new Set()));
    if (told.has(found.key) || told.size > MOST) return;
    told.add(found.key);
    this.onFound(
      told.size > MOST ? `More of the kind (${kind}) is not reported any more` : found.text,
      event,
    );
  }

  /** The instruction that was executing; its page is still the current one. */
  private wordAt(cpu: number, pc: bigint): number | undefined {
    const { state, predecode, physical } = this.machine;
    if ((pc & ~0xfffn) !== state.get(cpu, common.pageVa)) return undefined;
    const offset = predecode.offsetOf(state.num(cpu, common.pageRec), Number(pc & 0xfffn));
    const bytes = offset === undefined ? undefined : physical.peek(physical.ramBase + BigInt(offset), 4);
    return bytes?.length === 4 ? new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) : undefined;
  }

  private register(
    { encoding, what }: NonNullable<ReturnType<typeof systemAccess>>,
    level: number,
  ): Absent | undefined {
    // The architecture itself makes it UNDEFINED there.
    if (level < lowestLevel(encoding)) return undefined;
    const key = `${what} ${encodingKey(encoding)}`;
    const number = genericName(encoding);
    const row = registers.get(encodingKey(encoding));
    if (row) {
      const { feature } = row;
      if (feature === undefined || this.machine.config.features.has(feature)) return undefined;
      return {
        key,
        text: `${what} of ${number} (${row.name}), which this CPU does not have (${feature}): UNDEFINED`,
      };
    }
    const name = registerNameOf(encoding);
    if (name !== undefined)
      return { key, text: `${what} of ${number} (${name}), which is not implemented: UNDEFINED` };
    return {
      key,
      text: `${what} of ${number}, ${isOwn(encoding) ? OWN : 'no'} register${known(encoding)}: UNDEFINED`,
    };
  }

  /** SYS and SYSL: cache and TLB maintenance, address translation. */
  private operation(word: number, encoding: Encoding, level: number): Absent | undefined {
    if (level < lowestLevel(encoding)) return undefined;
    const row = this.rowOf(word);
    if (row && !row.name.startsWith('SYS')) return this.instruction(word);
    const number = genericName(encoding);
    return {
      key: number,
      text: `${number}, ${isOwn(encoding) ? OWN : 'no'} system instruction${known(encoding)}: UNDEFINED`,
    };
  }

  /** The row of a word in a CPU that has every feature. */
  private rowOf(word: number): Row | undefined {
    const { isa } = this.machine.config;
    this.everyRow ??= new Decoder(isa.rows, new Set(isa.rows.flatMap((r) => r.feature ?? [])));
    return this.everyRow.decode(word)?.row;
  }

  private instruction(word: number): Absent | undefined {
    const { features } = this.machine.config;
    const row = this.rowOf(word);
    const text = `0x${word.toString(16).padStart(8, '0')}`;
    if (row) {
      const { feature } = row;
      if (feature === undefined || features.has(feature)) return undefined;
      return {
        key: row.name,
        text: `Instruction ${text} (${row.name}), which this CPU does not have (${feature}): UNDEFINED`,
      };
    }
    const named = instructionNameOf(word);
    return (
      named && {
        key: named.name,
        text: `Instruction ${text} (${named.name}, ${named.feature}), which is not implemented: UNDEFINED`,
      }
    );
  }
}
