/** The processes and threads of a kernel, by its own list of them. */
import { SymbolError } from '../symbols/errors';
import type { KernelImage } from './kernel-image';
import { KernelType } from './memory';
import type { PerCpu } from './percpu';

export interface Task {
  /** Of its struct task_struct. */
  readonly address: bigint;
  readonly pid: number;
  /** The process that it is a thread of. */
  readonly tgid: number;
  readonly parent: number | undefined;
  readonly name: string;
  /** A letter, as ps has it. */
  readonly state: string;
  /** A thread of the kernel has no memory of its own. */
  readonly isKernel: boolean;
  /** The CPU that runs it. */
  readonly cpu: number | undefined;
}

/** More are damage. */
const MAX_TASKS = 32_768;
const MAX_THREADS = 4096;

/** Bits of task_struct.__state and exit_state (Linux, Documentation/filesystems/proc.rst, "State"). */
const STATES: readonly (readonly [bit: bigint, letter: string])[] = [
  [0x10n, 'X'],
  [0x20n, 'Z'],
  [0x402n, 'I'],
  [0x1n, 'S'],
  [0x2n, 'D'],
  [0x4n, 'T'],
  [0x8n, 't'],
  [0x40n, 'P'],
];

function letterOf(state: bigint): string {
  const known = STATES.find(([bits]) => (state & bits) === bits);
  return state === 0n ? 'R' : (known?.[1] ?? '?');
}

export class Tasks {
  private readonly task: KernelType;
  private readonly queue: KernelType | undefined;
  private readonly signal: KernelType | undefined;

  /** @throws SymbolError for a kernel without the type of tasks */
  constructor(private readonly kernel: KernelImage & { readonly percpu: PerCpu | undefined }) {
    const { types, memory, percpu } = kernel;
    const named = (name: string): KernelType | undefined => {
      const type = types?.named(name);
      return type && new KernelType(memory, type);
    };
    const task = named('struct task_struct');
    if (!task)
      throw new SymbolError('This kernel does not describe its tasks: build it with CONFIG_DEBUG_INFO_BTF.');
    this.task = task;
    this.signal = named('struct signal_struct');
    const type = percpu?.typeOf('runqueues');
    this.queue = type && new KernelType(memory, type);
  }

  /** The task of a CPU, by its run queue; undefined before there is one. */
  current(cpu: number): Task | undefined {
    return this.of(cpu, 'curr');
  }

  private of(cpu: number, member: 'curr' | 'idle'): Task | undefined {
    const at = this.kernel.percpu?.address('runqueues', cpu);
    const address = at === undefined ? undefined : this.queue?.number(at, member);
    return address === undefined || address === 0n ? undefined : this.at(address);
  }

  /** All tasks, the process list of the kernel with each one's threads; the idle tasks of the CPUs first. */
  all(): Task[] {
    const { memory, cpus } = this.kernel;
    const idle = Array.from({ length: cpus }, (_, cpu) => this.of(cpu, 'idle')).filter(
      (t) => t !== undefined,
    );
    const [first] = idle;
    if (!first) return [];
    // The idle task of the first CPU is the head of the list.
    const leaders = memory
      .list(this.task.addressOf(first.address, 'tasks'), MAX_TASKS)
      .map((node) => this.task.containerOf(node, 'tasks'));
    const found = new Set<bigint>();
    for (const leader of leaders) {
      if (found.size > MAX_TASKS) break;
      for (const task of this.threads(leader)) found.add(task);
    }
    return [...idle, ...found].flatMap((t) => (typeof t === 'bigint' ? (this.at(t) ?? []) : t));
  }

  /** The value of the first of the members that this kernel has. */
  private oneOf(address: bigint, ...paths: readonly string[]): bigint | undefined {
    const path = paths.find((p) => this.task.has(p));
    return path === undefined ? undefined : this.task.number(address, path);
  }

  private threads(leader: bigint): bigint[] {
    const signal = this.task.number(leader, 'signal');
    if (!this.signal || signal === undefined || signal === 0n) return [leader];
    const nodes = this.kernel.memory.list(this.signal.addressOf(signal, 'thread_head'), MAX_THREADS);
    const all = nodes.map((node) => this.task.containerOf(node, 'thread_node'));
    return all.includes(leader) ? all : [leader];
  }

  /** The task at an address; undefined where it cannot be read. */
  at(address: bigint): Task | undefined {
    const { task } = this;
    const [pid, tgid, parent, mm, running, left] = [
      ...['pid', 'tgid', 'real_parent', 'mm', 'on_cpu', 'exit_state'],
    ].map((path) => task.number(address, path));
    const state = this.oneOf(address, '__state', 'state');
    const cpu = this.oneOf(address, 'thread_info.cpu', 'cpu');
    const name = task.text(address, 'comm');
    if (pid === undefined || tgid === undefined || state === undefined || name === undefined)
      return undefined;
    const parentId = parent === undefined || parent === 0n ? undefined : task.number(parent, 'tgid');
    return {
      address,
      pid: Number(pid),
      tgid: Number(tgid),
      parent: parentId === undefined ? undefined : Number(parentId),
      name,
      state: letterOf(state | (left ?? 0n)),
      isKernel: mm === 0n,
      cpu: running === 1n && cpu !== undefined ? Number(cpu) : undefined,
    };
  }
}
