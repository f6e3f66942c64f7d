/** The registers of one stack frame: those of the CPU, with what is known to be elsewhere. */
import type { DebugField, DebugRegister, IsaDebug, ReadRegister } from '../../emulator/isa/dsl/debug';
import { UserError } from '../errors';
import type { Guest } from './guest';

/** Where a frame's register is, when it is not in the CPU's register of that name. */
export interface RegisterPlace {
  /** undefined: the value is lost. */
  read(): bigint | undefined;
  /** Absent: the value was computed and is nowhere. */
  write?(value: bigint): void;
  /** In words, for people: `in ELR_EL2`. */
  readonly where?: string;
}

const mask = (v: bigint, bits: number): bigint => BigInt.asUintN(bits, v);

export class FrameRegisters {
  constructor(
    readonly guest: Guest,
    readonly cpu: number,
    /** By canonical name. */
    readonly places: ReadonlyMap<string, RegisterPlace> = new Map(),
    /** Only the places count: the registers of the CPU are somebody else's. */
    readonly isDetached = false,
  ) {}

  get isa(): IsaDebug {
    return this.guest.isa;
  }

  /** The same frame with some registers elsewhere. */
  with(places: Iterable<readonly [string, RegisterPlace]>): FrameRegisters {
    return new FrameRegisters(this.guest, this.cpu, new Map([...this.places, ...places]), this.isDetached);
  }

  find(name: string): DebugRegister | undefined {
    const found = this.isa.find(name);
    return found && this.has(found) ? found : undefined;
  }

  /** A register of a feature that the CPU lacks is not there. */
  has(register: DebugRegister): boolean {
    return register.feature === undefined || this.guest.cpu(this.cpu).features.has(register.feature);
  }

  /** The fields of a register in their present layout. */
  fields(register: DebugRegister): readonly DebugField[] {
    return register.layout?.(this.reader) ?? register.fields;
  }

  /** A register of an interrupted context, which another register of this one holds: PC in ELR_EL2. */
  heldBy(holder: string): RegisterPlace {
    const register = this.isa.find(holder);
    return {
      read: () => (register ? this.value(register) : undefined),
      ...(register && this.whyNotWritable(register) === undefined
        ? { write: (v: bigint) => this.write(register, v) }
        : {}),
      where: `in ${holder}`,
    };
  }

  /** The value, or undefined when it is lost or cannot be read. */
  value(register: DebugRegister): bigint | undefined {
    if (register.part) {
      const whole = this.isa.find(register.part.register);
      const value = whole && this.value(whole);
      return value === undefined ? undefined : mask(value, register.part.width);
    }
    const place = this.places.get(register.name);
    if (place) return place.read();
    if (this.isDetached) return undefined;
    return register.read?.(this.guest.cpu(this.cpu));
  }

  /** The value by name; undefined also when there is no such register. */
  read(name: string): bigint | undefined {
    const register = this.find(name);
    return register && this.value(register);
  }

  /** For the architecture's own questions; a lost value counts as zero. */
  readonly reader: ReadRegister = (name) => this.read(name) ?? 0n;

  /** Why a register cannot be written, or undefined. */
  whyNotWritable(register: DebugRegister): string | undefined {
    if (register.part) {
      const whole = this.isa.find(register.part.register);
      return whole ? this.whyNotWritable(whole) : 'it does not exist';
    }
    const place = this.places.get(register.name);
    if (place) return place.write ? undefined : 'its value was not saved by the code that this frame called';
    if (this.isDetached) return 'the hypervisor has not saved it';
    return register.write ? undefined : 'it is a read-only register';
  }

  /** Changes the register where it is. @throws UserError */
  write(register: DebugRegister, value: bigint): void {
    const why = this.whyNotWritable(register);
    if (why) throw new UserError(`${register.name} cannot be changed: ${why}.`);
    if (value < 0n ? -value > 1n << BigInt(register.width - 1) : value >> BigInt(register.width))
      throw new UserError(
        `The value 0x${value.toString(16)} does not fit: ${register.name} has ${register.width} bits.`,
      );
    const bits = mask(value, register.width);
    const whole = register.part ? this.isa.find(register.part.register) : register;
    const place = whole && this.places.get(whole.name);
    if (place?.write) place.write(bits);
    else whole?.write?.(this.guest.cpu(this.cpu), bits);
  }
}
