/** A launched Linux kernel: its image, and what is known of what it keeps in memory. */
import { KernelEntries } from './entry';
import { KernelImage } from './kernel-image';
import { KvmStack } from './kvm-stack';
import { Modules } from './modules';
import { MessageBuffer } from './printk';
import { PerCpu } from './percpu';
import { Tasks } from './tasks';

export class LinuxKernel extends KernelImage {
  private readonly views = new Map<string, unknown>();

  private view<T>(name: string, make: () => T): T {
    if (!this.views.has(name)) this.views.set(name, make());
    // The name says what is kept under it.
    return this.views.get(name) as T;
  }

  /** Its per-CPU variables; undefined for a kernel without types. */
  get percpu(): PerCpu | undefined {
    const { types } = this;
    return types && this.view('per-CPU', () => new PerCpu(this, types));
  }

  /** Its processes and threads. @throws SymbolError */
  get tasks(): Tasks {
    return this.view('tasks', () => new Tasks(this));
  }

  /** KVM's own registers while a guest runs. */
  get kvmStack(): KvmStack {
    return this.view('KVM', () => new KvmStack(this));
  }

  /** What its entry code saves. */
  get entries(): KernelEntries {
    return this.view('entries', () => new KernelEntries(this));
  }

  /** The modules that it has loaded. */
  get modules(): Modules {
    return this.view('modules', () => new Modules(this));
  }

  /** Its messages. @throws SymbolError */
  get messages(): MessageBuffer {
    return this.view('messages', () => new MessageBuffer(this));
  }
}
