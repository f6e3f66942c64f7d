/** What a hypervisor knows of a vcpu beside its struct, and how it was found, as items. */
import type { Fact, Hypervisor, Vcpu } from '../hypervisors/types';
import { formatAddress } from './address-space';
import type { Guest } from './guest';
import { textItem, type Item } from './items';

/** Facts as lines that may open. */
export const factItems = (facts: readonly Fact[]): Item[] =>
  facts.map(({ name, value, at, parts }) => ({
    ...textItem(name, value),
    ...(at ? { memoryReference: formatAddress(at.space, at.address), memory: at } : {}),
    ...(parts ? { parts: () => factItems(parts()) } : {}),
  }));

/** How the vcpu of a CPU and the list of all vcpus were found. */
export const foundItems = (hypervisor: Hypervisor, cpu: number): Item[] =>
  (hypervisor.findings?.(cpu) ?? []).map((text) => {
    const [what = '', how = ''] = text.split(/ found by: | not found: /);
    return textItem(what, `${text.includes(' not found: ') ? 'not found' : 'found by'}: ${how}`);
  });

/** What stands before the fields of a vcpu's struct. */
export const vcpuItems = (guest: Guest, cpu: number, vcpu: Vcpu): Item[] => [
  ...foundItems(guest.hypervisor, cpu),
  ...factItems(guest.hypervisor.facts?.(vcpu) ?? []),
];
