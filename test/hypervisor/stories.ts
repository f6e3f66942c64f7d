/** The programs over which properties are checked: the stories of hypervisor/arm64, and some that only specs have. */
import type { Story } from './program';

export interface Case {
  readonly name: string;
  readonly story: string | Story;
  readonly cpus: number;
  /** CPU model. */
  readonly cpu?: string;
  /** What the guests say when all is well. */
  readonly says: readonly RegExp[];
  /** It ends in a panic of EL2, on purpose. */
  readonly panics?: boolean;
  /**
   * Also on QEMU. `exits`: the guest's exits are the same one by one (one vcpu, and nothing that depends on time);
   * `text`: the same lines, in any order where several CPUs print.
   */
  readonly qemu: 'exits' | 'text';
}

const plain: readonly Case[] = [
  { name: 'init.S', story: 'stories/init.S', cpus: 2, says: [/guest: registers intact/], qemu: 'text' },
  {
    name: 'wrecked-stack.S',
    story: 'stories/wrecked-stack.S',
    cpus: 1,
    says: [/200 calls, FP and a page fault later\nhyp: panic/],
    panics: true,
    qemu: 'exits',
  },
  {
    name: 'lazy-fp.S',
    story: 'stories/lazy-fp.S',
    cpus: 1,
    says: [/vm 2 vcpu 0: report 0x0*f0/, /storm: is over/],
    qemu: 'text',
  },
  {
    name: 'smp.S',
    story: 'stories/smp.S',
    cpus: 4,
    says: [/all vcpus counted[^]*all vcpus counted/],
    qemu: 'text',
  },
  {
    name: 'vmid-rollover.S',
    story: 'stories/vmid-rollover.S',
    cpus: 2,
    says: [1, 2, 3, 4, 5].map((n) => new RegExp(`vm ${n} vcpu 0: done, status 0x0*$`, 'm')),
    qemu: 'text',
  },
  {
    name: 'vhe.S',
    story: 'stories/vhe.S',
    cpus: 1,
    cpu: 'cortex-a76',
    says: [/guest: registers intact/],
    qemu: 'exits',
  },
  { name: 'main', story: 'main.S', cpus: 1, says: [/guest: registers intact/], qemu: 'exits' },
  {
    name: 'exit storm',
    story: {
      name: 'exit-storm',
      vms: ['entry=exit_storm, arg=300', 'entry=host_storm, arg=300'],
      payloads: ['exit-storm.S'],
    },
    cpus: 1,
    says: [/storm: is over[^]*storm: is over/],
    qemu: 'exits',
  },
  {
    name: 'FP storm',
    story: {
      name: 'fp-storm',
      vms: ['entry=fp_storm, arg=100|1<<32|6<<40|1<<48'],
      payloads: ['fp-storm.S'],
    },
    cpus: 1,
    says: [/report 0x0*f0 0x/],
    qemu: 'exits',
  },
  {
    name: 'timer',
    story: { name: 'timer', vms: ['entry=timer, arg=5'], payloads: ['timer.S'] },
    cpus: 1,
    says: [
      /timer: interrupts came as they should/,
      /report 0x0*71 0x0*5$/m,
      /report 0x0*72 0x0*2928$/m,
      /report 0x0*73 0x0*29$/m,
      /report 0x0*74 0x0*2928$/m,
      /report 0x0*75 0x0fffff0000000000$/m,
      /report 0x0*76 0x0*$/m,
    ],
    qemu: 'exits',
  },
  {
    name: 'two timers',
    story: {
      name: 'two-timers',
      set: { SLICE_US: 30 },
      vms: ['entry=timer, arg=5', 'entry=timer, arg=4'],
      payloads: ['timer.S'],
    },
    cpus: 1,
    says: [1, 2].flatMap((vm) => [
      new RegExp(`vm ${vm} vcpu 0: report 0x0*71 0x0*${6 - vm}$`, 'm'),
      new RegExp(`vm ${vm} vcpu 0: report 0x0*74 0x0*2928$`, 'm'),
      new RegExp(`vm ${vm} vcpu 0: report 0x0*75 0x0fffff0000000000$`, 'm'),
    ]),
    qemu: 'text',
  },
  {
    name: 'SMP',
    story: {
      name: 'smp',
      set: { NR_CPUS: 4, SLICE_US: 100 },
      vms: ['entry=smp, vcpus=4, arg=4', 'entry=smp, vcpus=3, arg=3'],
      payloads: ['smp.S'],
    },
    cpus: 4,
    says: [
      /vm 1 vcpu 0: report 0x0*50 0x0*320$/m,
      /vm 1 vcpu 0: report 0x0*51 0x0*50$/m,
      /vm 2 vcpu 0: report 0x0*50 0x0*258$/m,
      /vm 2 vcpu 0: report 0x0*51 0x0*3c$/m,
    ],
    qemu: 'text',
  },
  {
    name: 'SMP guest on one CPU',
    story: {
      name: 'smp-1',
      set: { SLICE_US: 100 },
      vms: ['entry=smp, vcpus=3, arg=3'],
      payloads: ['smp.S'],
    },
    cpus: 1,
    says: [/report 0x0*50 0x0*258$/m, /report 0x0*51 0x0*3c$/m],
    qemu: 'text',
  },
  {
    name: 'faulting',
    story: { name: 'faulting', vms: ['entry=faulting'], payloads: ['faulting.S'] },
    cpus: 1,
    says: [/faulting: memory was always there/],
    qemu: 'exits',
  },
  {
    name: 'malicious',
    story: {
      name: 'malicious',
      vms: ['entry=malicious', 'entry=host_storm, arg=20'],
      payloads: ['malicious.S', 'exit-storm.S'],
    },
    cpus: 1,
    says: [
      /malicious: could not get out/,
      /storm: is over/,
      /report 0x0*e1 0x0*33$/m,
      /report 0x0*e2 0x0*27$/m,
      /report 0x0*e3 0x0*$/m,
      /report 0x0*e4 0x0*f$/m,
      /report 0x0*e5 0x0*1$/m,
      /report 0x0*e6 0x0*$/m,
    ],
    qemu: 'exits',
  },
  {
    name: 'VMID roll-over',
    story: {
      name: 'vmid',
      set: { NR_CPUS: 2, SLICE_US: 50, VMID_BITS: 2 },
      vms: [1, 2, 3, 4, 5].map((n) => `entry=vmid_watch, arg=20|${n}<<32`),
      payloads: ['vmid.S'],
    },
    cpus: 2,
    says: [1, 2, 3, 4, 5].map((n) => new RegExp(`vm ${n} vcpu 0: done, status 0x0*$`, 'm')),
    qemu: 'text',
  },
  {
    name: 'FP storm with migration',
    story: {
      name: 'fp-migrate',
      set: { NR_CPUS: 2, SLICE_US: 200, HOST_NEON: 1 },
      vms: [1, 2, 3].map((n) => `entry=fp_storm, arg=40|${n}<<32|6<<40|${n & 1}<<48`),
      payloads: ['fp-storm.S'],
    },
    cpus: 2,
    says: [/vm 3 vcpu 0: done, status 0x0*$/m],
    qemu: 'text',
  },
  {
    name: 'breakpoint registers',
    story: {
      name: 'debug',
      set: { NR_CPUS: 2, SLICE_US: 50 },
      vms: [1, 2, 3].map((n) => `entry=debug_registers, arg=0x${n}110`),
      payloads: ['debug.S'],
    },
    cpus: 2,
    says: [1, 2, 3].map((n) => new RegExp(`vm ${n} vcpu 0: done, status 0x0*$`, 'm')),
    qemu: 'text',
  },
  {
    name: 'all at once',
    story: {
      name: 'stress',
      set: { NR_CPUS: 4, SLICE_US: 30, HOST_NEON: 1, VMID_BITS: 2 },
      vms: [
        'entry=smp, vcpus=4, arg=4',
        'entry=timer, arg=20',
        'entry=fp_storm, arg=500|1<<32|6<<40',
        'entry=fp_storm, arg=500|2<<32|3<<40',
        'entry=malicious',
        'entry=faulting',
        'entry=host_storm, arg=1000',
        'entry=vmid_watch, arg=100|7<<32',
      ],
      payloads: ['smp.S', 'timer.S', 'fp-storm.S', 'malicious.S', 'faulting.S', 'exit-storm.S', 'vmid.S'],
    },
    cpus: 4,
    says: [
      /smp: all vcpus counted and rang/,
      /timer: interrupts came as they should/,
      /malicious: could not get out/,
      /faulting: memory was always there/,
      /storm: is over/,
      ...[2, 3, 4, 5, 6, 7, 8].map((n) => new RegExp(`vm ${n} vcpu 0: done, status 0x0*$`, 'm')),
    ],
    qemu: 'text',
  },
];

/** The same with the host at EL2, on a CPU with VHE. */
const withVhe = (name: string): Case => {
  const c = plain.find((x) => x.name === name);
  if (!c || typeof c.story === 'string') throw new Error(`there is no story ${name} to change`);
  const story = { ...c.story, name: `${c.story.name}-vhe`, set: { ...c.story.set, VHE: 1 } };
  return { ...c, name: `${name}, VHE`, cpu: 'cortex-a76', story };
};

export const cases: readonly Case[] = [
  ...plain,
  ...['timer', 'SMP', 'faulting', 'malicious', 'breakpoint registers', 'all at once'].map(withVhe),
];
