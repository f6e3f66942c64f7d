/** What KVM knows of a vcpu beside its registers: virtual interrupts, timers, why and how often it left its guest. */
import type { KvmPlaces } from './kvm-places';
import type { ExitCount, Fact, TypedStruct, Vcpu } from './types';

/** A list of interrupts is never longer; a damaged one has no end. */
const MAX_INTERRUPTS = 1024;
const NONE = 'none';

const bits = (value: bigint, lsb: number, width: number): bigint =>
  (value >> BigInt(lsb)) & ((1n << BigInt(width)) - 1n);
const hex = (v: bigint): string => `0x${v.toString(16)}`;
const words = (all: readonly (readonly [boolean, string])[]): string =>
  all.flatMap(([is, word]) => (is ? [word] : [])).join(', ');

/** SGI 0 to 15, PPI 16 to 31, SPI from 32, LPI from 8192 (Arm IHI 0069, 2.2.1). */
function interruptName(id: bigint): string {
  if (id < 16n) return `SGI ${id}`;
  if (id < 32n) return `PPI ${id}`;
  return id < 8192n ? `SPI ${id}` : `LPI ${id}`;
}

/** The interrupts in `ap_list`, those that are pending or active for a vcpu, each in a few words. */
export function interruptsOf(places: KvmPlaces, cpu: number, vcpu: TypedStruct): string[] {
  const head = places.at(vcpu, 'arch.vgic_cpu.ap_list_head');
  const type = places.kernel.types?.named('struct vgic_irq');
  const entry = type && places.member(type, 'ap_list')?.offset;
  if (!head || entry === undefined) return [];
  const found: string[] = [];
  let at = places.value(cpu, vcpu, 'arch.vgic_cpu.ap_list_head.next');
  while (at !== undefined && at !== 0n && at !== head.address && found.length < MAX_INTERRUPTS) {
    const irq = places.struct('vgic_irq', head.space, BigInt.asUintN(64, at - BigInt(entry)));
    if (!irq) break;
    const value = (member: string): bigint => places.value(cpu, irq, member) ?? 0n;
    const state = words([
      [value('pending_latch') !== 0n || value('line_level') !== 0n, 'pending'],
      [value('active') !== 0n, 'active'],
      [value('enabled') === 0n, 'not enabled'],
      [value('hw') !== 0n, `linked to the host's interrupt ${value('hwintid')}`],
      [true, `priority ${hex(value('priority'))}`],
    ]);
    found.push(`${interruptName(value('intid'))}: ${state}`);
    at = places.value(cpu, irq, 'ap_list.next');
  }
  return found;
}

const STATES = ['inactive', 'pending', 'active', 'pending and active'];

/** A list register of GICv3 (Arm IHI 0069, ICH_LR<n>_EL2). */
function listRegister(lr: bigint): string {
  const state = STATES[Number(bits(lr, 62, 2))] ?? '';
  const linked = bits(lr, 61, 1) !== 0n ? `, linked to interrupt ${bits(lr, 32, 13)}` : '';
  return `${interruptName(bits(lr, 0, 32))}: ${state}, group ${bits(lr, 60, 1)}, priority ${hex(bits(lr, 48, 8))}${linked}`;
}

/** A list register of GICv2 (Arm IHI 0048, GICH_LRn). */
function listRegisterV2(lr: bigint): string {
  const state = STATES[Number(bits(lr, 28, 2))] ?? '';
  const linked = bits(lr, 31, 1) !== 0n ? `, linked to interrupt ${bits(lr, 10, 10)}` : '';
  return `${interruptName(bits(lr, 0, 10))}: ${state}, group ${bits(lr, 30, 1)}, priority ${hex(bits(lr, 23, 5) << 3n)}${linked}`;
}

function virtualGic(places: KvmPlaces, cpu: number, vcpu: TypedStruct): Fact {
  // 0x3: ID_AA64PFR0_EL1.GIC says that the CPU has the system registers of GICv3.
  const isV3 = bits(places.host.register(0, 'ID_AA64PFR0_EL1') ?? 0n, 24, 4) !== 0n;
  const base = `arch.vgic_cpu.${isV3 ? 'vgic_v3' : 'vgic_v2'}`;
  const used = Number(places.value(cpu, vcpu, `${base}.used_lrs`) ?? 0n);
  const count = places.member(vcpu.type, `${base}.vgic_lr`)?.type.count ?? 0;
  const waiting = interruptsOf(places, cpu, vcpu);
  const registers = Array.from({ length: Math.min(used, count) }, (_, n): Fact => {
    const path = `${base}.vgic_lr[${n}]`;
    const value = places.value(cpu, vcpu, path) ?? 0n;
    const at = places.at(vcpu, path);
    const text = isV3 ? listRegister(value) : listRegisterV2(value);
    return { name: `list register ${n}`, value: `${hex(value)} ${text}`, ...(at ? { at } : {}) };
  });
  return {
    name: 'virtual GIC',
    value: `${used} list register${used === 1 ? '' : 's'} used, ap_list: ${waiting.length === 0 ? 'empty' : waiting.join('; ')}`,
    parts: () => [...registers, ...waiting.map((value, n) => ({ name: `ap_list[${n}]`, value }))],
  };
}

/** CNTx_CTL: ENABLE, IMASK, ISTATUS (Arm ARM DDI 0487 D19.12). */
function timer(
  places: KvmPlaces,
  cpu: number,
  vcpu: TypedStruct,
  registers: { readonly name: string; readonly prefix: string; readonly index: number },
  loadedOn: number | undefined,
): Fact {
  const { name, prefix, index } = registers;
  const numbers = places.kernel.types?.named('enum vcpu_sysreg')?.enumerators() ?? [];
  const own = `arch.timer_cpu.timers[${index}]`;
  const isLoaded = loadedOn !== undefined && places.value(cpu, vcpu, `${own}.loaded`) === 1n;
  const value = (register: string): bigint => {
    const full = `${prefix}_${register}_EL0`;
    // While it is loaded, the CPU's timer is the vcpu's.
    const live = isLoaded && prefix === 'CNTV' ? places.host.register(loadedOn, full) : undefined;
    const n = numbers.find((e) => e.name === full)?.value;
    return live ?? (n === undefined ? undefined : places.value(cpu, vcpu, `arch.ctxt.sys_regs[${n}]`)) ?? 0n;
  };
  const control = value('CTL');
  const text = words([
    [true, (control & 1n) !== 0n ? 'enabled' : 'off'],
    [(control & 2n) !== 0n, 'masked'],
    [(control & 1n) !== 0n, `fires at ${hex(value('CVAL'))}`],
    [places.value(cpu, vcpu, `${own}.irq.level`) === 1n, 'line asserted'],
    [isLoaded, `in the timer of CPU ${loadedOn}`],
  ]);
  return { name, value: text };
}

/** The counts of `kvm_vcpu.stat`, then those that all architectures have; histograms are left out. */
export function countsOf(places: KvmPlaces, cpu: number, vcpu: TypedStruct): ExitCount[] {
  const stat = places.member(vcpu.type, 'stat')?.type.members() ?? [];
  const generic = stat.find((m) => m.name === 'generic')?.type.members() ?? [];
  const paths = [
    ...stat.filter((m) => m.type.kind === 'base').map((m) => m.name),
    ...generic.filter((m) => m.type.kind === 'base').map((m) => `generic.${m.name}`),
  ];
  return paths.flatMap((path) => {
    const at = places.at(vcpu, `stat.${path}`);
    const count = at && places.number(cpu, at);
    return at && count !== undefined ? [{ name: path.replace(/^generic\./, ''), count, at }] : [];
  });
}

function power(places: KvmPlaces, cpu: number, vcpu: TypedStruct): string {
  const state = places.value(cpu, vcpu, 'arch.mp_state.mp_state');
  if (state !== undefined)
    // KVM_MP_STATE_STOPPED and _SUSPENDED (Linux, Documentation/virt/kvm/api.rst).
    return state === 5n ? 'off by PSCI' : state === 9n ? 'suspended by PSCI' : 'on';
  return places.value(cpu, vcpu, 'arch.power_off') === 1n ? 'off by PSCI' : 'on';
}

/** The facts of a vcpu, for people. */
export function factsOf(
  places: KvmPlaces,
  cpu: number,
  at: TypedStruct,
  { machine, vmid }: Vcpu,
  loadedOn: number | undefined,
): Fact[] {
  const kvm = machine.at && 'type' in machine.at ? machine.at : undefined;
  const pid = kvm && places.value(cpu, kvm, 'userspace_pid');
  const counts = countsOf(places, cpu, at);
  const exits = counts.find(({ name }) => name === 'exits');
  return [
    { name: 'VMID', value: vmid === undefined ? NONE : String(vmid) },
    ...(pid === undefined ? [] : [{ name: 'process', value: String(pid) }]),
    { name: 'loaded', value: loadedOn === undefined ? 'on no CPU' : `on CPU ${loadedOn}` },
    { name: 'power', value: power(places, cpu, at) },
    virtualGic(places, cpu, at),
    timer(places, cpu, at, { name: 'physical timer', prefix: 'CNTP', index: 0 }, loadedOn),
    timer(places, cpu, at, { name: 'virtual timer', prefix: 'CNTV', index: 1 }, loadedOn),
    {
      name: 'exits',
      value: exits === undefined ? 'not counted' : String(exits.count),
      parts: () => counts.map((c) => ({ name: c.name, value: String(c.count), at: c.at })),
    },
  ];
}
