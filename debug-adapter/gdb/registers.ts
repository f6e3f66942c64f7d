/** The registers of a CPU by gdb's numbers, and the target description that gives them their names. */
import type { DebugRegister } from '../../emulator/isa/dsl/debug';
import { ALWAYS_READ, architecture, gdbFeatures, type GdbFeature, type GdbRegister } from '../arch/a64-gdb';
import { UserError } from '../errors';
import type { Target } from '../target';

interface Entry extends GdbRegister {
  readonly found: DebugRegister;
}

const bytesOf = (r: GdbRegister): number => r.bits / 8;

/** Little-endian, as all of an AArch64 target is to gdb. */
function toDigits(value: bigint, bytes: number): string {
  const text = BigInt.asUintN(8 * bytes, value)
    .toString(16)
    .padStart(2 * bytes, '0');
  return text.match(/../g)?.reverse().join('') ?? '';
}

function fromDigits(text: string): bigint | undefined {
  if (text === '' || text.length % 2 !== 0 || !/^[0-9a-fA-F]+$/.test(text)) return undefined;
  return BigInt(`0x${text.match(/../g)?.reverse().join('') ?? '0'}`);
}

export class GdbRegisters {
  private readonly features: readonly GdbFeature[];
  private readonly list: readonly Entry[];
  /** How many of them `g` has. */
  private readonly always: number;

  constructor(private readonly target: Target) {
    const { guest } = target;
    const first = guest.cpu(0);
    this.features = gdbFeatures(
      (r) =>
        (r.feature === undefined || first.features.has(r.feature)) &&
        r.read !== undefined &&
        r.read(first) !== undefined,
    );
    this.list = this.features.flatMap((f) =>
      f.registers.map((r) => {
        const found = guest.isa.find(r.register);
        if (!found) throw new Error(`no register ${r.register} for gdb`);
        return { ...r, found };
      }),
    );
    this.always = this.features.slice(0, ALWAYS_READ).reduce((n, f) => n + f.registers.length, 0);
  }

  /** The document of `qXfer:features:read:target.xml`. */
  description(): string {
    let number = 0;
    const features = this.features.map((f) => {
      const registers = f.registers.map((r) => {
        const group = r.group === undefined ? '' : ` group="${r.group}"`;
        return `<reg name="${r.name}" bitsize="${r.bits}" type="${r.type}" regnum="${number++}"${group}/>`;
      });
      return [`<feature name="${f.name}">`, ...f.types.map((t) => t.xml), ...registers, '</feature>'].join(
        '\n',
      );
    });
    return [
      '<?xml version="1.0"?>',
      '<!DOCTYPE target SYSTEM "gdb-target.dtd">',
      '<target version="1.0">',
      `<architecture>${architecture}</architecture>`,
      ...features,
      '</target>',
      '',
    ].join('\n');
  }

  private read(cpu: number, r: Entry): string {
    const value = r.found.read?.(this.target.guest.cpu(cpu));
    return value === undefined ? 'xx'.repeat(bytesOf(r)) : toDigits(value, bytesOf(r));
  }

  private write(cpu: number, r: Entry, value: bigint): void {
    if (!r.found.write) throw new UserError(`${r.name} is read-only`);
    r.found.write(this.target.guest.cpu(cpu), value);
  }

  /** One register (`p`); undefined: there is no such number. */
  get(cpu: number, number: bigint): string | undefined {
    const r = this.list[Number(number)];
    return r && this.read(cpu, r);
  }

  /** Writes one register (`P`). @returns false when number or value are none @throws UserError */
  set(cpu: number, number: bigint, digits: string): boolean {
    const r = this.list[Number(number)];
    const value = fromDigits(digits);
    if (!r || value === undefined || digits.length !== 2 * bytesOf(r)) return false;
    this.write(cpu, r, value);
    return true;
  }

  /** The general and the vector registers (`g`). */
  all(cpu: number): string {
    return this.list
      .slice(0, this.always)
      .map((r) => this.read(cpu, r))
      .join('');
  }

  /** Writes them (`G`): those that differ. @returns false when it is not a register set */
  setAll(cpu: number, digits: string): boolean {
    const values: [Entry, string][] = [];
    let at = 0;
    for (const r of this.list.slice(0, this.always)) {
      const size = 2 * bytesOf(r);
      values.push([r, digits.slice(at, at + size).toLowerCase()]);
      at += size;
    }
    if (at !== digits.length || values.some(([, v]) => fromDigits(v) === undefined)) return false;
    for (const [r, v] of values) if (this.read(cpu, r) !== v) this.write(cpu, r, fromDigits(v) ?? 0n);
    return true;
  }
}
