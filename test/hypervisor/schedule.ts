/** Random orders for the host's scheduler: the table that the script story reads (hypervisor/arm64/host). */
import type { Random } from '../support/random';

export const Op = { end: 0, run: 1, neon: 2, put: 3, irq: 4, task: 5, switchTask: 6 } as const;

export interface Order {
  readonly op: keyof typeof Op;
  readonly cpu: number;
  readonly vcpu: number;
  readonly arg: number;
}

/** What happens how often, of a hundred. */
const weights: readonly (readonly [keyof typeof Op, number])[] = [
  ['run', 44],
  ['neon', 14],
  ['task', 14],
  ['put', 10],
  ['irq', 10],
  ['switchTask', 8],
];

/**
 * A list of `count` orders that a scheduler may give: a vcpu is loaded on one CPU at a time, a CPU has one vcpu at most;
 * all vcpus are put at the end. Migration is a put on one CPU and a run on another.
 */
export function randomOrders(
  random: Random,
  count: number,
  machine: { readonly cpus: number; readonly vcpus: number },
): Order[] {
  const loaded = new Array<number | undefined>(machine.cpus).fill(undefined);
  const orders: Order[] = [];
  const give = (op: keyof typeof Op, cpu: number, vcpu = 0, arg = 0): void => {
    orders.push({ op, cpu, vcpu, arg });
  };
  const put = (cpu: number): void => {
    const vcpu = loaded[cpu];
    if (vcpu === undefined) return;
    give('put', cpu, vcpu);
    loaded[cpu] = undefined;
  };
  while (orders.length < count) {
    const cpu = random.below(machine.cpus);
    let dice = random.below(100);
    const op = weights.find(([, weight]) => (dice -= weight) < 0)?.[0] ?? 'run';
    if (op === 'put') put(cpu);
    else if (op === 'neon') give(op, cpu);
    else if (op === 'task' || op === 'switchTask') {
      // The host puts a loaded vcpu before.
      give(op, cpu);
      loaded[cpu] = undefined;
    } else if (op === 'irq') give(op, cpu, 0, 1 + random.below(40));
    else {
      // Mostly the one that is loaded; else any, taken from where it is.
      let vcpu = loaded[cpu];
      if (vcpu === undefined || random.below(4) === 0) {
        vcpu = random.below(machine.vcpus);
        const at = loaded.indexOf(vcpu);
        if (at >= 0 && at !== cpu) put(at);
        if (loaded[cpu] !== vcpu) put(cpu);
      }
      loaded[cpu] = vcpu;
      give('run', cpu, vcpu, 1 + random.below(3));
    }
  }
  for (let cpu = 0; cpu < machine.cpus; cpu++) put(cpu);
  give('end', 0);
  return orders;
}

/** The bytes of the table. */
export function encodeOrders(orders: readonly Order[]): Uint8Array {
  return Uint8Array.from(orders.flatMap((o) => [Op[o.op], o.cpu, o.vcpu, o.arg]));
}
