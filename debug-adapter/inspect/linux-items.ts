/** What is known of a launched Linux kernel, in a frame of it: tasks, per-CPU variables, modules, by its own types. */
import type { LinuxKernel } from '../linux/kernel';
import type { Task } from '../linux/tasks';
import type { CType } from '../symbols/dwarf/types';
import { SymbolError } from '../symbols/errors';
import type { AddressSpace } from './address-space';
import { CItems } from './c-items';
import type { Frame } from './frame';
import { textItem, type Item } from './items';
import { hex } from './numbers';
import type { ItemContext } from './register-items';
import type { NamesView } from './names-view';

/** `per_cpu(runqueues, 1)`: what the kernel itself writes for the variable of another CPU. */
const CALL = /\bper_cpu\(\s*([A-Za-z_]\w*)\s*,\s*([^(),]+?)\s*\)/g;
/** The name that stands for it where only names can stand. */
const NAME = /^percpu\$(\w+)\$(\d+)$/;

/** Puts a name for each `per_cpu(NAME, CPU)` of an expression. */
export function namePerCpu(text: string, number: (text: string) => bigint): string {
  return text.replace(CALL, (_all, name: string, cpu: string) => `percpu$${name}$${number(cpu)}`);
}

/** Why a per-CPU variable that an expression names is not there; undefined for any other name. */
export function absentPerCpu(name: string): string | undefined {
  const [, of, cpu] = NAME.exec(name) ?? [];
  return of === undefined
    ? undefined
    : `There is no per-CPU variable "${of}" on CPU ${cpu} here: select a frame of a launched Linux kernel, and one of its variables and CPUs.`;
}

/** The kernel whose code a frame is, or whose program. */
export function kernelOf(view: NamesView, frame: Frame): LinuxKernel | undefined {
  const { linux } = view.target;
  if (!linux || frame.vcpu || frame.space.kind !== 'VA') return undefined;
  const own = linux.memory.spaceOf(frame.cpu);
  const { level, vmid } = frame.space;
  return own.kind === 'VA' && level === own.level && (vmid ?? 0) === 0 ? linux : undefined;
}

export class LinuxItems {
  constructor(
    private readonly view: NamesView,
    private readonly ctx: ItemContext,
    private readonly frame: Frame,
    private readonly kernel: LinuxKernel,
  ) {}

  private get space(): AddressSpace {
    return this.kernel.memory.spaceOf(this.frame.cpu);
  }

  /** A value of the kernel; `path` is an expression for it. */
  private typed(name: string, path: string, type: CType, address: bigint): Item {
    const frame: Frame = { ...this.frame, space: this.space };
    const items = new CItems(this.ctx, frame, this.view.walker.reader(frame));
    const location = { kind: 'memory', address } as const;
    return { ...items.variable({ name: path, type, isArgument: false, location }), name };
  }

  /** A per-CPU variable by its name, of the frame's CPU, or as `namePerCpu` writes it. */
  perCpu(name: string): Item | undefined {
    const [, of, cpu] = NAME.exec(name) ?? [];
    const wanted = of ?? name;
    const path = of === undefined ? name : `per_cpu(${of}, ${cpu})`;
    return this.variable(wanted, cpu === undefined ? this.frame.cpu : Number(cpu), path);
  }

  private variable(name: string, cpu: number, path: string): Item | undefined {
    const { percpu, cpus } = this.kernel;
    const type = percpu?.typeOf(name);
    const address = type && cpu < cpus ? percpu?.address(name, cpu) : undefined;
    return type && address !== undefined ? this.typed(path, path, type, address) : undefined;
  }

  /** Names for completion. */
  names(): readonly string[] {
    return this.kernel.percpu?.all.map((v) => v.name) ?? [];
  }

  /** The content of the scope. */
  items(): Item[] {
    const { percpu, cpus, modules } = this.kernel;
    if (!percpu) return [textItem('found', 'This kernel has no types: build it with CONFIG_DEBUG_INFO_BTF.')];
    const found = percpu.how;
    return [
      ...(found === undefined
        ? [textItem('found', 'Where per-CPU data is was not found.')]
        : [textItem('found', `per-CPU data ${found}.`)]),
      ...Array.from({ length: cpus }, (_, cpu) => this.current(cpu)),
      this.group('per-CPU variables', `of CPU ${this.frame.cpu}`, () =>
        percpu.all.flatMap(({ name }) => this.variable(name, this.frame.cpu, name) ?? []),
      ),
      this.group('tasks', 'processes and threads', () => this.kernel.tasks.all().map((t) => this.task(t))),
      this.group('modules', modules.how === undefined ? '' : `found ${modules.how}`, () =>
        modules
          .all()
          .flatMap(
            (m) =>
              this.cast(m.name, 'module', m.address, `${hex(m.base)}, ${m.size} bytes, ${m.state}`) ?? [],
          ),
      ),
    ];
  }

  private group(name: string, value: string, parts: () => readonly Item[]): Item {
    const safe = (): readonly Item[] => {
      try {
        return parts();
      } catch (error) {
        if (error instanceof SymbolError) return [textItem('not found', error.message)];
        throw error;
      }
    };
    return { name, value, parts: safe, isText: true };
  }

  private current(cpu: number): Item {
    const name = `current task of CPU ${cpu}`;
    const task = this.asked(() => this.kernel.tasks.current(cpu));
    if (!task) return textItem(name, 'none yet');
    return this.cast(name, 'task_struct', task.address, summary(task)) ?? textItem(name, summary(task));
  }

  private asked<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (error instanceof SymbolError) return undefined;
      throw error;
    }
  }

  private task(task: Task): Item {
    const name = `[${task.pid}]`;
    const state = `${summary(task)}, ${task.state}${task.cpu === undefined ? '' : ` on CPU ${task.cpu}`}`;
    return this.cast(name, 'task_struct', task.address, state) ?? textItem(name, state);
  }

  /** A struct of the kernel by its address. */
  private cast(name: string, type: string, address: bigint, value: string): Item | undefined {
    const known = this.kernel.types?.named(`struct ${type}`);
    if (!known) return undefined;
    return { ...this.typed(name, `(struct ${type} *)${hex(address)}`, known, address), value };
  }
}

const summary = ({ name, pid, isKernel }: Task): string =>
  `${isKernel && pid !== 0 ? `[${name}]` : name} (pid ${pid})`;
