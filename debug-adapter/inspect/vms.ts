/** All virtual machines and their vcpus as a table, with how often each vcpu has left its guest. */
import { UserError } from '../errors';
import { vcpuName, type ExitCount, type Hypervisor, type Vcpu } from '../hypervisors/types';
import { symbolText } from './disassembly';
import type { Frame } from './frame';
import type { Guest } from './guest';
import { hex } from './numbers';

/** The call stacks of a stop. */
interface Stacks {
  readonly guest: Guest;
  frames(cpu: number): readonly Frame[];
  vcpuFrames(vcpu: Vcpu): readonly Frame[];
}

/** The frame of a vcpu's own code: of the CPU that runs it, or of its saved registers. */
export function frameOfVcpu(view: Stacks, vcpu: Vcpu): Frame | undefined {
  const { runsOn } = vcpu;
  if (runsOn === undefined) return view.vcpuFrames(vcpu)[0];
  return view
    .frames(runsOn)
    .find((f) => f.kind === 'code' && f.space.kind === 'VA' && f.space.level === 'EL1');
}

/** Where a vcpu is, in a few words. */
export const whereIs = ({ runsOn }: Vcpu): string =>
  runsOn === undefined ? 'not running' : `runs on CPU ${runsOn}`;

function place(view: Stacks, vcpu: Vcpu): string {
  const frame = frameOfVcpu(view, vcpu);
  if (!frame) return 'none yet';
  const symbol = symbolText(view.guest, frame.space, frame.pc);
  return `${hex(frame.pc)}${symbol === undefined ? '' : ` <${symbol}>`}`;
}

/** The counts that are not zero; the sum of all is shown by itself. */
const reasons = (counts: readonly ExitCount[]): string =>
  counts
    .filter(({ name, count }) => count !== 0n && /exit/.test(name) && name !== 'exits')
    .map(({ name, count }) => `${name} ${count}`)
    .join(', ');

function row(view: Stacks, vcpu: Vcpu): string[] {
  const counts = view.guest.hypervisor.exitCounts?.(vcpu) ?? [];
  const all = counts.find(({ name }) => name === 'exits')?.count;
  return [
    vcpuName(vcpu),
    vcpu.vmid === undefined ? '-' : String(vcpu.vmid),
    whereIs(vcpu),
    place(view, vcpu),
    all === undefined ? '-' : String(all),
    reasons(counts),
  ];
}

/** All of it in a line, for what `vms` and `vcpus` are as expressions. */
export function vmSummary(hypervisor: Hypervisor): string | undefined {
  const all = hypervisor.vcpus().map((v) => {
    const exits = hypervisor.exitCounts?.(v).find(({ name }) => name === 'exits');
    return `vcpu ${vcpuName(v)} ${whereIs(v)}${exits === undefined ? '' : `, ${exits.count} exits`}`;
  });
  return all.length === 0 ? undefined : all.join('; ');
}

/** The table as lines. @throws UserError where there is nothing to list */
export function vmTable(view: Stacks, cpu: number): string[] {
  const { hypervisor } = view.guest;
  if (hypervisor.name === 'none')
    throw new UserError(
      '"vms" needs a launched Linux kernel with KVM, or a hypervisor that describes its structs: this program has none.',
    );
  const vcpus = hypervisor.vcpus();
  const machines = new Map(vcpus.map((v) => [v.vm, v.machine]));
  // A machine that has no vcpu yet.
  const empty = hypervisor.elements('vms').length - machines.size;
  const rows = [['VCPU', 'VMID', 'STATE', 'PC', 'EXITS', 'BY REASON'], ...vcpus.map((v) => row(view, v))];
  const widths = (rows[0] ?? []).map((_, n) => Math.max(...rows.map((r) => (r[n] ?? '').length)));
  const lines = rows.map((r) =>
    r
      .map((cell, n) => cell.padEnd(widths[n] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const none = hypervisor.name === 'kvm' && empty > 0 ? [`${empty} more without a vcpu`] : [];
  return [
    ...(vcpus.length === 0 ? ['There is no vcpu now.'] : lines),
    ...none,
    ...(hypervisor.findings?.(cpu) ?? []),
  ];
}
