/** Has generated code come back when an instruction has touched watched memory: between instructions, as always. */
import { common, StopReason } from '../ir/state';
import type { CpuState } from './cpu-state';
import { PAGE } from './layout';
import type { Predecode } from './predecode';

export class WatchStop {
  /** How to undo what makes generated code return; empty while nothing does. */
  private readonly undo: (() => void)[] = [];
  /** Whether somebody else wants to hear of fetches, too. */
  hearsFetches = false;

  constructor(
    private readonly state: CpuState,
    private readonly predecode: Predecode,
  ) {}

  get isArmed(): boolean {
    return this.undo.length > 0;
  }

  /**
   * Makes generated code return when the instruction at the PC has executed; or before it, if it is being fetched: what
   * its table walk has done is over.
   */
  arm(cpu: number): void {
    if (this.isArmed) return;
    const { state, predecode } = this;
    // An instruction that accesses memory ends either by going on to the next record or by a look at stopRequest.
    this.undo.push(predecode.stopBehind(state.num(cpu, common.pageRec), this.inPage(cpu)));
    if (state.num(cpu, common.stopRequest) === StopReason.none) {
      state.set(cpu, common.stopRequest, StopReason.watch);
      this.undo.push(() => {
        if (state.num(cpu, common.stopRequest) === StopReason.watch)
          state.set(cpu, common.stopRequest, StopReason.none);
      });
    }
    state.set(cpu, common.fetchHook, 1);
    this.undo.push(() => state.set(cpu, common.fetchHook, this.hearsFetches ? 1 : 0));
  }

  /** The page of the PC, at trPa, is fetched from. While armed, that can only be the fetch whose walk is to be reported. */
  fetched(cpu: number): void {
    if (!this.isArmed) return;
    const offset = Number(this.state.get(cpu, common.trPa) - this.state.get(cpu, common.ramBase));
    this.undo.push(this.predecode.stopBefore(offset - (offset % PAGE) + this.inPage(cpu)));
  }

  /** @returns whether it was armed */
  disarm(): boolean {
    const was = this.isArmed;
    for (const f of this.undo.splice(0).reverse()) f();
    return was;
  }

  private inPage(cpu: number): number {
    return Number(this.state.get(cpu, common.pc) & BigInt(PAGE - 1));
  }
}
