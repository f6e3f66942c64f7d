/**
 * Strict mode's TLB: translations that never vanish by themselves. The TLB proper holds a few hundred pages and drops
 * some with every operation that may; here an entry stays until an operation that must invalidate it. So a missing TLBI,
 * after a change of a table or when a VMID is used again, shows. Guest-visible: part of snapshots and of the state hash.
 */
import type { StateField } from '../ir/nodes';
import { common } from '../ir/state';
import type { CpuState } from './cpu-state';
import { isMeant, type TlbSelection } from './tlb-maintenance';

/** Accesses of one kind to one page, in one context. */
interface Kept {
  readonly page: bigint;
  /** log2 of the mapping's size. */
  readonly size: number;
  /** The fields that the translation left, in the order of `fields`. */
  readonly values: readonly bigint[];
}

interface Context {
  readonly cpu: number;
  /** The key of TLB banks, 4 words. */
  readonly key: readonly bigint[];
  readonly entries: Map<string, Kept>;
}

const PAGE_MASK = 0xfffn;

export class KeptTranslations {
  private contexts = new Map<string, Context>();

  /** `fields`: all that a translation leaves; none where the instruction set keeps nothing. */
  constructor(
    private readonly state: CpuState,
    private readonly fields: readonly StateField[],
  ) {}

  /** Host call: lays back the translation of mail[0] for an access of kind `acc`; 0 if there is none. */
  find(cpu: number, acc: number): 0 | 1 {
    const va = this.state.get(cpu, common.mail, 0);
    const kept = this.context(cpu)?.entries.get(entryName(va, acc));
    if (!kept) return 0;
    this.fields.forEach((f, i) => this.state.set(cpu, f, kept.values[i] ?? 0n));
    const pa = this.state.get(cpu, common.trPa);
    this.state.set(cpu, common.trPa, (pa & ~PAGE_MASK) | (va & PAGE_MASK));
    return 1;
  }

  /** Host call: keeps the translation that was just made of mail[0]. */
  keep(cpu: number, acc: number): void {
    const va = this.state.get(cpu, common.mail, 0);
    const values = this.fields.map((f) => this.state.get(cpu, f));
    const size = Math.max(12, this.state.num(cpu, common.trSize));
    const name = this.contextName(cpu);
    let context = this.contexts.get(name);
    if (!context) {
      const key = [0, 1, 2, 3].map((i) => this.state.get(cpu, common.ctxKey, i));
      this.contexts.set(name, (context = { cpu, key, entries: new Map() }));
    }
    context.entries.set(entryName(va, acc), { page: va & ~PAGE_MASK, size, values });
  }

  reset(cpu: number): void {
    for (const [name, c] of this.contexts) if (c.cpu === cpu) this.contexts.delete(name);
  }

  invalidate(cpu: number, what: TlbSelection): void {
    for (const [name, c] of this.contexts) {
      if (c.cpu !== cpu || !isMeant(what.bank, c.key)) continue;
      const { va, bytes = 1n } = what;
      if (va === undefined) this.contexts.delete(name);
      else
        for (const [at, e] of c.entries) {
          // Bits 63-56 may be an address tag, which TLBI ignores (Arm ARM DDI 0487 D8.13.5).
          const first = BigInt.asUintN(56, va) >> BigInt(e.size);
          const last = (BigInt.asUintN(56, va) + bytes - 1n) >> BigInt(e.size);
          const own = BigInt.asUintN(56, e.page) >> BigInt(e.size);
          if (own >= first && own <= last) c.entries.delete(at);
        }
    }
  }

  save(): unknown {
    return this.contexts;
  }

  restore(saved: unknown): void {
    this.contexts = structuredClone(saved) as Map<string, Context>;
  }

  /** All of it, the same text for the same content. */
  text(): string {
    const lines = [...this.contexts].flatMap(([name, c]) =>
      [...c.entries].map(([at, e]) => `${name}/${at}=${e.values.join()}`),
    );
    return lines.sort().join('\n');
  }

  private context(cpu: number): Context | undefined {
    return this.contexts.get(this.contextName(cpu));
  }

  private contextName(cpu: number): string {
    return `${cpu}:${[0, 1, 2, 3].map((i) => this.state.get(cpu, common.ctxKey, i).toString(16)).join(':')}`;
  }
}

const entryName = (va: bigint, acc: number): string => `${(va >> 12n).toString(16)}.${acc}`;
