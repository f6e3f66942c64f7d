/** The world-switch trace: the last events in a ring, and one line of text for each. */
import path from 'node:path';
import type { Architecture, TraceEvent } from '../arch/types';
import type { SymbolIndex } from '../symbols';
import type { Place } from '../symbols/types';

/** Events that are kept. */
export const TRACE_LENGTH = 4096;

/** The last events, oldest first. */
export class TraceRing {
  private readonly ring: TraceEvent[] = [];
  private next = 0;

  constructor(private readonly capacity: number = TRACE_LENGTH) {}

  push(event: TraceEvent): void {
    this.ring[this.next] = event;
    this.next = (this.next + 1) % this.capacity;
  }

  /** The last `count` events. */
  last(count: number): TraceEvent[] {
    const full = this.ring.length === this.capacity;
    const all = full ? [...this.ring.slice(this.next), ...this.ring.slice(0, this.next)] : [...this.ring];
    return count >= all.length ? all : all.slice(all.length - count);
  }
}

/** Makes the line of an event. Sources are named relative to `root` where they lie below it. */
export class TraceFormatter {
  private readonly names = new Map<string, string>();

  constructor(
    private readonly arch: Architecture,
    private readonly symbols: SymbolIndex,
    private readonly root: string,
  ) {}

  /** One line: count, CPU, levels, what happened, where from and where to. */
  line(e: TraceEvent): string {
    const count = String(e.count).padStart(10);
    const to = e.kind === 'call' ? 'EL3' : `EL${e.to}`;
    const levels = `EL${e.from} -> ${to}`;
    const text = this.arch.eventText(e);
    const from = this.place(e.pc, e.from, e.vmid);
    const target = e.target === undefined ? '' : ` -> ${this.place(e.target, e.to, e.vmid)}`;
    return `${count}  CPU ${e.cpu}  ${levels}  ${text}  ${from}${target}`;
  }

  /** Where a CPU is. */
  where(cpu: number): string {
    const { pc, el } = this.arch.context(cpu);
    return `EL${el}, ${this.at(cpu, pc)}`;
  }

  /** An instruction in the context in which a CPU is. */
  at(cpu: number, pc: bigint): string {
    const { el, vmid } = this.arch.context(cpu);
    return this.place(pc, el, vmid);
  }

  /** A symbol with offset, and file:line where known. */
  private place(address: bigint, el: number, vmid: number | undefined): string {
    const key = `${el} ${el === 2 ? '' : (vmid ?? '')} ${address}`;
    const known = this.names.get(key);
    if (known !== undefined) return known;
    const name = this.describe(address, el, vmid);
    if (this.names.size > 10_000) this.names.clear();
    this.names.set(key, name);
    return name;
  }

  private describe(address: bigint, el: number, vmid: number | undefined): string {
    const regime =
      el === 2 ? { el: 'EL2' as const } : { el: 'EL1' as const, ...(vmid === undefined ? {} : { vmid }) };
    const place: Place = { va: address, regime };
    const symbol = this.symbols.symbolAt(place);
    const line = this.symbols.lineAt(place);
    const offset = symbol && symbol.offset > 0n ? `+0x${symbol.offset.toString(16)}` : '';
    const name = symbol ? `${symbol.name}${offset}` : `0x${address.toString(16)}`;
    return line ? `${name} (${this.file(line.path)}:${line.line})` : name;
  }

  private file(file: string): string {
    const relative = path.relative(this.root, file);
    return relative === '' || relative.startsWith('..') || path.isAbsolute(relative) ? file : relative;
  }
}
