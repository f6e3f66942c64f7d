/** What is below a guest in a call stack: KVM where it has entered the guest, and the host that has called it. */
import type { AddressSpace } from './address-space';
import type { FrameRegisters, RegisterPlace } from './frame-registers';
import type { Guest } from './guest';
import { savedPlace } from './vcpu-registers';

/** PSTATE of code at EL2, with its own stack pointer and interrupts masked (Arm ARM DDI 0487 C5.2.19). */
const AT_EL2 = 0x3c9n;
const LOST: RegisterPlace = { read: () => undefined };
/** They hold the PC and the PSTATE that an exception has left, in KVM's struct too. */
const HOLDERS: Readonly<Record<string, string>> = { elr_el2: 'pc', spsr_el2: 'cpsr', sp_el1: 'sp' };
const EL2: AddressSpace = { kind: 'VA', level: 'EL2' };

/** A context to go on from. */
export interface Below {
  readonly label: string;
  readonly level: number;
  readonly registers: FrameRegisters;
  readonly space: AddressSpace;
}

/** KVM's own context, which goes on when the guest exits; undefined where it cannot be found. */
export function hypContext(guest: Guest, cpu: number, now: FrameRegisters): Below | undefined {
  const { hypervisor, isa } = guest;
  const host = hypervisor.hostContext(cpu);
  const vcpu = hypervisor.currentVcpu(cpu);
  const saved = host && guest.parts.linux?.kvmStack.registers(host.address, isVhe(guest, cpu));
  if (!saved || !host || !vcpu) return undefined;
  const places = new Map<string, RegisterPlace>();
  for (const name of isa.dwarf) if (isa.find(name)?.kind === 'general') places.set(name, LOST);
  for (const [name, address] of saved)
    places.set(name, savedPlace(guest, cpu, 'kvm_hyp_ctxt', { space: host.space, address, bytes: 8 }));
  const link = places.get(isa.records.link) ?? LOST;
  places.set('pc', link);
  places.set('cpsr', { read: () => AT_EL2 });
  // Handlers at EL2 use the same stack: only while the guest runs is the stack pointer where it was left.
  const stack = isa.find('SP_EL2');
  const isInGuest = isa.levelOf(guest.reader(cpu)) < 2;
  places.set(isa.records.stack, isInGuest && stack ? { read: () => now.value(stack) } : LOST);
  const what = `KVM runs vcpu ${vcpu.vm}.${vcpu.vcpu}`;
  return { label: what, level: 2, registers: now.with(places), space: EL2 };
}

/** The host that has called KVM at EL2, where the kernel itself runs at EL1. */
export function hostContext(guest: Guest, cpu: number, now: FrameRegisters): Below | undefined {
  const { hypervisor, isa } = guest;
  const host = hypervisor.hostContext(cpu);
  if (!host || isVhe(guest, cpu)) return undefined;
  const places = new Map<string, RegisterPlace>();
  for (const [name, saved] of hypervisor.registersIn(host)) {
    const register = isa.find(HOLDERS[name] ?? name);
    if (register) places.set(register.name, savedPlace(guest, cpu, host.struct.name, saved));
  }
  const pc = places.get('pc')?.read();
  if (pc === undefined || pc === 0n || isa.levelOf((n) => places.get(n)?.read() ?? 0n) !== 1)
    return undefined;
  const space: AddressSpace = { kind: 'VA', level: 'EL1', vmid: 0 };
  return { label: 'HVC from EL1', level: 1, registers: now.with(places), space };
}

function isVhe(guest: Guest, cpu: number): boolean {
  const space = guest.parts.linux?.memory.spaceOf(cpu);
  return space?.kind === 'VA' && space.level === 'EL2';
}
