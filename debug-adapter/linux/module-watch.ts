import type { Target } from '../target';
import type { ModuleChanges } from './module-symbols';

/** Where the kernel is about to initialise a module, and to free one: both get it as their argument. */
const EVENTS = { do_init_module: false, free_module: true } as const;

/** Stops the machine for a moment where modules come and go, so that breakpoints in them are there in time. */
export class ModuleWatch {
  /** RAM offset of the instruction, and whether the module goes. */
  private readonly places = new Map<number, boolean>();

  constructor(
    private readonly target: Target,
    private readonly changed: (changes: ModuleChanges) => void,
  ) {
    const { linux, symbols, machine } = target;
    if (!linux) return;
    for (const [name, goes] of Object.entries(EVENTS))
      for (const { pa } of symbols.locationsOfSymbol(name)) {
        const offset = pa === undefined ? undefined : machine.physical.ramOffset(pa);
        if (offset === undefined || this.places.has(offset)) continue;
        this.places.set(offset, goes);
        machine.predecode.addBreakpoint(offset);
      }
  }

  get isEmpty(): boolean {
    return this.places.size === 0;
  }

  /** A CPU stands before the instruction at a RAM offset. */
  arrived(cpu: number, offset: number | undefined): void {
    const goes = offset === undefined ? undefined : this.places.get(offset);
    if (goes !== undefined) this.refresh(goes ? this.target.arch.register(cpu, 'x0') : undefined);
  }

  /** Looks whether modules have come or gone. */
  refresh(without?: bigint): void {
    const changes = this.target.modules?.refresh(without);
    if (!changes) return;
    this.target.formatter.forget();
    this.changed(changes);
  }
}
