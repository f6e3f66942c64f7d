/** One line of text for each event of the world-switch trace. */
import path from 'node:path';
import type { Architecture, TraceEvent } from '../arch/types';
import type { SymbolIndex } from '../symbols';
import { regimeName } from '../symbols/regime';
import type { Place } from '../symbols/types';

/** Makes the line of an event. Sources are named relative to `root` where they lie below it. */
export class TraceFormatter {
  private readonly names = new Map<string, string>();

  constructor(
    private readonly arch: Architecture,
    private readonly symbols: SymbolIndex,
    private readonly root: string,
  ) {}

  /** Forgets the names of addresses: other symbols are known now. */
  forget(): void {
    this.names.clear();
  }

  /** One line: count, CPU, levels, what happened, where from and where to. */
  line(e: TraceEvent): string {
    const count = String(e.count).padStart(10);
    if (e.mark) {
      const caller = e.mark.caller === undefined ? '' : ` <- ${this.place(e.mark.caller, e.from, e.vmid)}`;
      return `${count}  CPU ${e.cpu}  ${`EL${e.from}`.padEnd(10)}  ${this.arch.eventText(e)}  ${this.place(e.pc, e.from, e.vmid)}${caller}`;
    }
    const to = e.kind === 'call' ? 'EL3' : `EL${e.to}`;
    const levels = `EL${e.from} -> ${to}`;
    const text = this.arch.eventText(e);
    const from = this.place(e.pc, e.from, e.vmid);
    const target = e.target === undefined ? '' : ` -> ${this.place(e.target, e.to, e.vmid)}`;
    return `${count}  CPU ${e.cpu}  ${levels}  ${text}  ${from}${target}`;
  }

  /** The instruction of an event. */
  origin(e: TraceEvent): string {
    return this.place(e.pc, e.from, e.vmid);
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
    const key = `${el} ${el >= 2 ? '' : (vmid ?? '')} ${address}`;
    const known = this.names.get(key);
    if (known !== undefined) return known;
    const name = this.describe(address, el, vmid);
    if (this.names.size > 10_000) this.names.clear();
    this.names.set(key, name);
    return name;
  }

  private describe(address: bigint, el: number, vmid: number | undefined): string {
    const regime = el >= 2 ? { el: regimeName(el) } : { el: 'EL1' as const, vmid: vmid ?? 0 };
    const place: Place = { va: address, regime };
    const symbol = this.symbols.symbolAt(place);
    const line = this.symbols.lineAt(place);
    const offset = symbol && symbol.offset > 0n ? `+0x${symbol.offset.toString(16)}` : '';
    const name = symbol ? `${symbol.name}${offset}` : `0x${address.toString(16)}`;
    return line ? `${name} (${this.file(line.path)}:${line.line})` : name;
  }

  private file(file: string): string {
    const relative = path.relative(this.root, file);
    // Beside the program's folder is near enough: a program may include sources from there.
    const isFar = relative === '' || path.isAbsolute(relative) || relative.startsWith(path.join('..', '..'));
    return isFar ? file : relative;
  }
}
