/**
 * What the hypervisor has: for each CPU the way from its register over the per-CPU data to the vcpu that runs, and each
 * vcpu of each virtual machine, running or not.
 */
import { vcpuName, type StructAt, type TrailStep, type Vcpu, type Vm } from '../hypervisors/types';
import { formatAddress } from './address-space';
import { symbolText } from './disassembly';
import type { Frame } from './frame';
import type { Guest } from './guest';
import { factItems, foundItems } from './fact-items';
import { textItem, type Item } from './items';
import { FrameNames } from './names';
import { hex } from './numbers';
import { savedScopes, type ItemContext } from './register-items';
import type { StopView } from './stop-view';
import { StructItems } from './struct-items';
import { frameOfVcpu, whereIs } from './vms';

const plural = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** Both addresses of a struct: the one that the hypervisor uses, and the physical one. */
export function placeText(guest: Guest, cpu: number, { space, address }: StructAt): string {
  const pa = guest.physical(cpu, space, address);
  const own = formatAddress(space, address);
  return pa === undefined || space.kind === 'PA' ? own : `${own} = ${formatAddress({ kind: 'PA' }, pa)}`;
}

export class HypContext {
  private readonly guest: Guest;

  constructor(
    private readonly view: StopView,
    /** The frame that is looked at: expressions in new values belong to it. */
    private readonly ctx: ItemContext,
    private readonly cpu: number,
  ) {
    this.guest = view.guest;
  }

  /** The content of the scope. */
  items(): Item[] {
    const { hypervisor } = this.guest;
    const cpus = Array.from({ length: this.view.target.machine.cpus }, (_, n) => this.cpuItem(n));
    const machines = new Map<number, { machine: Vm; vcpus: Vcpu[] }>();
    for (const v of hypervisor.vcpus()) {
      const known = machines.get(v.vm) ?? { machine: v.machine, vcpus: [] };
      known.vcpus.push(v);
      machines.set(v.vm, known);
    }
    const found = foundItems(hypervisor, this.cpu);
    return [
      ...found,
      ...cpus,
      ...[...machines.values()].map(({ machine, vcpus }) => this.machineItem(machine, vcpus)),
    ];
  }

  // --- CPUs -------------------------------------------------------------------------------------------------------

  private cpuItem(cpu: number): Item {
    const name = `CPU ${cpu}`;
    const { hypervisor } = this.guest;
    if (this.view.target.machine.schedule.on[cpu] === false) return textItem(name, 'off');
    if (!hypervisor.isSetUp(cpu)) return textItem(name, 'the hypervisor is not set up here yet');
    const vcpu = hypervisor.currentVcpu(cpu);
    return {
      name,
      value:
        vcpu?.runsOn === cpu
          ? `runs vcpu ${vcpuName(vcpu)}`
          : vcpu
            ? `runs the host, which handles vcpu ${vcpuName(vcpu)}`
            : 'runs the host',
      parts: () => [...this.trailItems(cpu), ...this.ownerItem(cpu)],
    };
  }

  /** Each step once, although the ways to host context and vcpu have their first steps in common. */
  private trailItems(cpu: number): Item[] {
    const found = new Map<string, Item>();
    for (const { register, value, steps } of this.guest.hypervisor.trails(cpu)) {
      const name = this.guest.isa.find(register)?.name ?? register;
      found.set(name, {
        name,
        value: hex(value),
        number: value,
        memoryReference: formatAddress({ kind: 'VA', level: 'EL2' }, value),
        isReadOnly: true,
      });
      let path = '';
      for (const step of steps) {
        path += `.${step.field}`;
        found.set(path, this.stepItem(cpu, step));
      }
    }
    return [...found.values()];
  }

  private stepItem(cpu: number, { field, pointer, struct, at }: TrailStep): Item {
    const name = field === '' ? `per-CPU data` : field;
    if (!at) return textItem(name, pointer ? `null: no ${struct}` : 'not readable');
    const items = new StructItems(this.ctx, cpu);
    const vcpu = this.guest.hypervisor.currentVcpu(cpu);
    const isVcpu =
      vcpu?.at.struct.name === struct && this.guest.physical(cpu, at.space, at.address) === vcpu.pa;
    const value = `struct ${struct} at ${placeText(this.guest, cpu, at)}`;
    return { ...items.item(name, at), value: isVcpu ? `${value}, vcpu ${vcpuName(vcpu)}` : value };
  }

  private ownerItem(cpu: number): Item[] {
    const owner = this.guest.hypervisor.fpsimdOwner(cpu);
    if (!owner) return [];
    const whose = owner.vcpu && `guest of vcpu ${vcpuName(owner.vcpu)}`;
    const text = [owner.name, whose].filter((t) => t !== undefined).join(': ');
    return [textItem('FP/SIMD owner', text)];
  }

  // --- virtual machines -------------------------------------------------------------------------------------------

  private machineItem(machine: Vm, vcpus: readonly Vcpu[]): Item {
    const { at, vmid, number } = machine;
    const items = new StructItems(this.ctx, this.cpu);
    const facts = [vmid === undefined ? [] : `VMID ${vmid}`, plural(vcpus.length, 'vcpu')].flat();
    return {
      name: `VM ${number}`,
      value: facts.join(', '),
      parts: () => [
        ...(at
          ? [
              {
                ...items.item(at.struct.name, at),
                value: `struct ${at.struct.name} at ${placeText(this.guest, this.cpu, at)}`,
              },
            ]
          : []),
        ...vcpus.map((v) => this.vcpuItem(v)),
      ],
    };
  }

  /** The CPU that has the FP and SIMD registers of a vcpu. */
  private floatingIn(vcpu: Vcpu): number | undefined {
    const { hypervisor, parts } = this.guest;
    return Array.from({ length: parts.machine.cpus }, (_, n) => n).find(
      (n) => hypervisor.fpsimdOwner(n)?.vcpu?.pa === vcpu.pa,
    );
  }

  private pending(vcpu: Vcpu, frame: Frame | undefined): string[] {
    const own = frame ? this.guest.isa.pendingInterrupts((name) => frame.registers.read(name)) : [];
    return [...own, ...this.guest.hypervisor.pendingInterrupts(vcpu)];
  }

  private vcpuItem(vcpu: Vcpu): Item {
    const frame = frameOfVcpu(this.view, vcpu);
    const holder = this.floatingIn(vcpu);
    const pending = this.pending(vcpu, frame);
    const symbol = frame && symbolText(this.guest, frame.space, frame.pc);
    const facts = [
      whereIs(vcpu),
      frame ? `PC ${hex(frame.pc)}${symbol === undefined ? '' : ` <${symbol}>`}` : 'has no PC yet',
      ...(holder === undefined ? [] : [`FP/SIMD in CPU ${holder}`]),
      ...(pending.length > 0 ? [`${plural(pending.length, 'interrupt')} pending`] : []),
    ];
    const items = new StructItems(this.ctx, this.cpu);
    const path = vcpu.index === undefined ? undefined : `vcpus[${vcpu.index}]`;
    return {
      name: `vcpu ${vcpuName(vcpu)}`,
      value: facts.join(', '),
      ...(path === undefined ? {} : { evaluateName: path }),
      parts: () => [
        {
          ...items.item(vcpu.at.struct.name, vcpu.at, path),
          value: `struct ${vcpu.at.struct.name} at ${placeText(this.guest, this.cpu, vcpu.at)}`,
        },
        ...factItems(this.guest.hypervisor.facts?.(vcpu) ?? []),
        ...(frame ? savedScopes(new FrameNames(this.view, frame).context) : []),
        textItem('FP/SIMD registers', holder === undefined ? 'in memory' : `in CPU ${holder}`),
        {
          ...textItem(
            'pending interrupts',
            pending.length > 0 ? plural(pending.length, 'interrupt') : 'none',
          ),
          ...(pending.length > 0 ? { parts: () => pending.map((text, n) => textItem(`[${n}]`, text)) } : {}),
        },
      ],
    };
  }
}
