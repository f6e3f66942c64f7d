/**
 * The log of everything that enters the machine from outside, with the virtual time at which it did: console input
 * and the debugger's writes. The same start and the same log give the same run.
 */
export type Input =
  | { readonly kind: 'input'; readonly port: string; readonly bytes: Uint8Array }
  | { readonly kind: 'memory'; readonly pa: bigint; readonly bytes: Uint8Array }
  | {
      readonly kind: 'state';
      readonly cpu: number;
      readonly field: string;
      readonly index: number;
      readonly value: bigint;
    }
  /** A register that a device implements (ICC_*), by name. */
  | {
      readonly kind: 'register';
      readonly cpu: number;
      readonly register: string;
      readonly value: bigint;
    };

export interface LogEntry {
  /** Virtual time, in instructions. */
  readonly at: bigint;
  readonly input: Input;
}

export class InputLog {
  private readonly log: LogEntry[] = [];
  /** Entries before this one have been applied. */
  private applied = 0;

  constructor(entries: readonly LogEntry[] = []) {
    this.log.push(...entries);
  }

  get entries(): readonly LogEntry[] {
    return this.log;
  }

  /** Records an input that happens now. What was still to come in a replayed log is dropped: history has changed. */
  record(at: bigint, input: Input): void {
    this.log.length = this.applied;
    this.log.push({ at, input });
    this.applied++;
  }

  /** When the next entry is due, in virtual time. */
  next(): bigint | undefined {
    return this.log[this.applied]?.at;
  }

  /** Takes the entries that are due. */
  due(now: bigint): Input[] {
    const out: Input[] = [];
    for (let e = this.log[this.applied]; e && e.at <= now; e = this.log[this.applied]) {
      out.push(e.input);
      this.applied++;
    }
    return out;
  }

  /** How many entries have been applied: with the log itself, the position in a replay. */
  get position(): number {
    return this.applied;
  }

  /** After a restore: the entries from `position` on are to come again. */
  rewind(position: number): void {
    this.applied = position;
  }
}
