/** The registers of a vcpu that does not run: where its hypervisor keeps them. */
import { vcpuName, type SavedRegister, type Vcpu } from '../hypervisors/types';
import { hex, type AddressSpace } from './address-space';
import { FrameRegisters, type RegisterPlace } from './frame-registers';
import type { Guest } from './guest';
import { bytesOf } from './numbers';

/** The level at which a hypervisor runs: what it saves of a guest is what an exception to this level left behind. */
const HYPERVISOR_LEVEL = 2;

/** The address space of a vcpu's code. */
export const vcpuSpace = ({ vm, vcpu, vmid }: Vcpu): AddressSpace => ({
  kind: 'VA',
  level: 'EL1',
  ...(vmid === undefined ? {} : { vmid }),
  vcpu: { vm, vcpu },
});

/** The place of a register that a struct holds. */
export function savedPlace(
  guest: Guest,
  cpu: number,
  struct: string,
  { space, address, bytes }: SavedRegister,
): RegisterPlace {
  return {
    read: () => guest.number(cpu, space, address, bytes),
    write: (v) => void guest.write(cpu, space, address, bytesOf(v, bytes)),
    where: `in ${struct} at ${hex(address)}`,
  };
}

/** Places of the registers that a vcpu's struct holds, by their canonical names. */
function savedPlaces(guest: Guest, cpu: number, { at }: Vcpu): [string, RegisterPlace][] {
  return [...guest.hypervisor.registersIn(at)].flatMap(([name, saved]): [string, RegisterPlace][] => {
    const register = guest.isa.find(name);
    return register ? [[register.name, savedPlace(guest, cpu, at.struct.name, saved)]] : [];
  });
}

/** Registers that no memory holds as they are. */
function computedPlaces(guest: Guest, vcpu: Vcpu): [string, RegisterPlace][] {
  const values = guest.hypervisor.computedRegisters?.(vcpu) ?? new Map<string, bigint>();
  return [...values].map(([name, value]) => [name, { read: () => value, where: 'made anew on each entry' }]);
}

/** A register that is still in a CPU. */
function heldPlace(guest: Guest, name: string, cpu: number): [string, RegisterPlace][] {
  const register = guest.isa.find(name);
  if (!register) return [];
  const place = {
    read: () => register.read?.(guest.cpu(cpu)),
    write: (v: bigint) => register.write?.(guest.cpu(cpu), v),
    where: `in CPU ${cpu}`,
  };
  return [[register.name, place]];
}

/** Registers that are still in a CPU, those of FP and SIMD and others: what memory has of them is old. */
function lazyPlaces(guest: Guest, vcpu: Vcpu): [string, RegisterPlace][] {
  const held = [...(guest.hypervisor.heldRegisters?.(vcpu) ?? [])].flatMap(([name, cpu]) =>
    heldPlace(guest, name, cpu),
  );
  const { machine } = guest.parts;
  const holder = Array.from({ length: machine.cpus }, (_, n) => n).find(
    (n) => guest.hypervisor.fpsimdOwner(n)?.vcpu?.pa === vcpu.pa,
  );
  if (holder === undefined) return held;
  return [...held, ...guest.isa.floating.flatMap((name) => heldPlace(guest, name, holder))];
}

/**
 * The registers of a vcpu that does not run, as its code will find them; undefined if it has no place to go on from.
 * @param cpu a CPU on which the hypervisor is set up: pointers in its structs are read through it
 */
export function vcpuRegisters(guest: Guest, cpu: number, vcpu: Vcpu): FrameRegisters | undefined {
  return guest.once(`places of vcpu ${vcpuName(vcpu)} on ${cpu}`, () => {
    const places = new Map([
      ...savedPlaces(guest, cpu, vcpu),
      ...computedPlaces(guest, vcpu),
      ...lazyPlaces(guest, vcpu),
    ]);
    const saved = new FrameRegisters(guest, cpu, places, true);
    const context = guest.isa.interrupted(HYPERVISOR_LEVEL, saved.reader);
    if (!context || context.level >= HYPERVISOR_LEVEL) return undefined;
    const moved = [...context.registers].flatMap(([name, holder]): [string, RegisterPlace][] => {
      const place = places.get(holder);
      return place ? [[name, place]] : [];
    });
    return saved.with(moved);
  });
}
