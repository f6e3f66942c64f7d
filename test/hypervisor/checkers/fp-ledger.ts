/**
 * Books of our own on FP registers: the newest values of every vcpu and every host task, wherever they are. At a quiet
 * moment they must be in the owner's memory, or in the registers of a CPU that the host's books give to that owner; and a
 * CPU that is given to somebody must hold his newest values.
 */
import { changedFp, type FpState } from '../cpu-view';
import type { Moment, Observer, Rig } from '../rig';
import { vcpuAt } from './owner';

/** Somebody who has FP registers. */
interface Account {
  readonly name: string;
  /** Physical address of the fp struct. */
  readonly memory: bigint;
  newest: FpState;
  /** For a vcpu, where its struct is, by an EL2 address. */
  readonly vcpu?: bigint;
}

const FP_GUEST = 1n;

export class FpLedger implements Observer {
  readonly name = 'fp-ledger';
  readonly kinds = ['entry'] as const;
  /** How often the books were checked, and how often an account was found in registers only. */
  checks = 0;
  inRegisters = 0;
  private readonly accounts = new Map<bigint, Account>();
  private readonly vcpus = new Map<string, Account>();
  private readonly arrived = new Set<number>();

  constructor(private readonly rig: Rig) {}

  /** Opens the accounts: when the host has made its vcpus and tasks, and none has changed anything yet. */
  open(vcpus: number, tasks: number): void {
    const { program } = this.rig;
    const add = (name: string, at: bigint, vcpu?: bigint): void => {
      const account = {
        name,
        memory: at,
        newest: this.memoryOf(at),
        ...(vcpu === undefined ? {} : { vcpu }),
      };
      this.accounts.set(at, account);
    };
    for (let n = 0; n < vcpus; n++) {
      const at = program.symbol('vcpus') + BigInt(n) * program.symbol('vcpu.size');
      add(`vcpu ${n}`, at + program.symbol('vcpu.fp'), at + HYP_OFFSET);
    }
    for (let n = 0; n < tasks; n++)
      add(`task ${n}`, program.symbol('tasks') + BigInt(n) * TASK_BYTES + program.symbol('task.fp'));
  }

  /** A CPU begins with its orders: what it holds now is its task's. Before, nothing of it is in the books. */
  arrive(cpu: number): void {
    if (this.arrived.has(cpu)) return;
    this.arrived.add(cpu);
    const owner = this.loaded(cpu);
    if (owner) owner.newest = this.registersOf(cpu);
  }

  /** A vcpu that had the registers leaves: these are its newest values. */
  event(m: Moment): void {
    const { view } = this.rig;
    if (m.to !== 2 || m.from === 2 || !view.isGuest(m.cpu) || view.fpTraps(m.cpu)) return;
    const account = this.accountOf(view.vcpu(m.cpu), m.cpu);
    if (account) account.newest = this.registersOf(m.cpu);
  }

  /** The account of a vcpu that runs on a CPU: its VMID, and with it VTTBR_EL2, exists since it ran first. */
  private accountOf(vcpu: string, cpu: number): Account | undefined {
    let account = this.vcpus.get(vcpu);
    if (!account) {
      account = [...this.accounts.values()].find(
        (a) => a.vcpu !== undefined && vcpuAt(this.rig, cpu, a.vcpu) === vcpu,
      );
      if (account) this.vcpus.set(vcpu, account);
    }
    return account;
  }

  /** The task that a CPU runs. */
  taskOf(cpu: number): Account | undefined {
    const { program } = this.rig;
    const task = this.field(cpu, 'percpu.task');
    return this.accounts.get((task & 0xffff_ffffn) + program.symbol('task.fp'));
  }

  /** The task of a CPU has computed: by this rule. */
  computed(cpu: number, rule: (before: FpState) => FpState): void {
    const task = this.taskOf(cpu);
    if (task) task.newest = rule(task.newest);
  }

  /** Are all books true? */
  check(where: string): void {
    this.checks++;
    const complain = (text: string): void => this.rig.complain(this.name, `${where}: ${text}`);
    const found = new Set<Account>();
    for (const cpu of this.arrived) {
      const owner = this.loaded(cpu);
      const guest = this.field(cpu, 'percpu.host', 'host.fp_owner') === FP_GUEST;
      if (guest !== (owner?.name.startsWith('vcpu') ?? false))
        complain(`CPU ${cpu}: fp_owner and fp_loaded (${owner?.name ?? 'nobody'}) do not agree`);
      if (!owner) continue;
      const wrong = changedFp(owner.newest, this.registersOf(cpu));
      if (wrong.length > 0)
        complain(`CPU ${cpu} is given to ${owner.name}, but does not hold its ${wrong.join(', ')}`);
      else found.add(owner);
    }
    for (const account of this.accounts.values()) {
      const wrong = changedFp(account.newest, this.memoryOf(account.memory));
      if (wrong.length === 0) continue;
      if (found.has(account)) this.inRegisters++;
      else complain(`${account.name} has lost its ${wrong.join(', ')}`);
    }
  }

  private field(cpu: number, ...names: string[]): bigint {
    const { program } = this.rig;
    const area = program.symbol('percpu_areas') + BigInt(cpu) * program.symbol('percpu.size');
    return this.rig.read64(names.reduce((at, name) => at + program.symbol(name), area));
  }

  /** Whose values the host believes to be in a CPU. */
  private loaded(cpu: number): Account | undefined {
    const at = this.field(cpu, 'percpu.fp_loaded');
    return at === 0n ? undefined : this.accounts.get(at);
  }

  private registersOf(cpu: number): FpState {
    const { view } = this.rig;
    return { v: view.v(cpu), fpcr: view.reg(cpu, 'FPCR'), fpsr: view.reg(cpu, 'FPSR') };
  }

  private memoryOf(at: bigint): FpState {
    const { program } = this.rig;
    return {
      v: Buffer.from(this.rig.machine.physical.peek(at + program.symbol('fp.v'), 512)),
      fpcr: this.rig.read64(at + program.symbol('fp.fpcr')),
      fpsr: this.rig.read64(at + program.symbol('fp.fpsr')),
    };
  }
}

/** EL2 reaches memory at its physical address plus this (constants.inc, HYP_VA_OFFSET). */
const HYP_OFFSET = 0x70_0000_0000n;
/** A task has a page of its own: EL2 maps it alone. */
const TASK_BYTES = 4096n;
