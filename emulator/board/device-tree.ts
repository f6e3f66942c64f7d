/** The device tree of the `virt` board, made from the two tables of map.ts. */
import { type DtNode, flatten, type Property, wide } from './dtb';
import { TRANSPORT_BYTES } from '../dev/virtio/mmio';
import {
  affinity,
  irq,
  type GicVersion,
  type IrqName,
  RAM_BASE,
  region,
  type RegionName,
  VIRTIO_TRANSPORTS,
} from './map';
import { conduitOf } from './psci';

/** What the tree depends on. */
export interface TreeOptions {
  readonly cpus: number;
  readonly memoryBytes: bigint;
  readonly el2: boolean;
  /** Version of the interrupt controller. */
  readonly gic: GicVersion;
  /** With two security states: what only Secure state sees is there, disabled for all others. */
  readonly secure?: boolean;
  /** CPU model, for `compatible`: cortex-a57. */
  readonly cpu: string;
  readonly bootargs?: string;
  readonly initrd?: { readonly start: bigint; readonly end: bigint };
}

const phandles = { gic: { 2: 0x8005, 3: 0x8002 }, msi: 0x8006, clock: 0x8000, gpio: 0x8004 } as const;
/**
 * What QEMU takes from the host's random numbers: where KASLR puts the kernel, and what its own generator starts from. Here
 * they are always the same, so that two boots are.
 */
const seeds = {
  kaslr: [0x6b1f3a95, 0x24d80ce7],
  rng: [0x9e3779b9, 0x7f4a7c15, 0xf39cc060, 0x5cedc834, 0x1082276b, 0xf3a27251, 0xf86c6a11, 0xd0c18e95],
} as const;

/** Trigger flags of an interrupt specifier: rising edge; level, active high. */
const EDGE_RISING = 1;
const LEVEL_HIGH = 4;

function interrupt(...names: readonly IrqName[]): Property {
  return {
    cells: names.flatMap((name) => {
      const row = irq(name);
      return [row.kind === 'spi' ? 0 : 1, row.number, LEVEL_HIGH];
    }),
  };
}

function reg(...names: readonly RegionName[]): Property {
  return wide(...names.flatMap((name) => [region(name).base, region(name).size]));
}

const at = (base: bigint): string => base.toString(16);
const flag = { flag: true } as const;
const cell = (...cells: number[]): Property => ({ cells });

function psci(el2: boolean): DtNode {
  return {
    name: 'psci',
    properties: {
      compatible: ['arm,psci-1.0', 'arm,psci-0.2', 'arm,psci'],
      method: conduitOf(el2),
      cpu_suspend: cell(0xc4000001),
      cpu_off: cell(0x84000002),
      cpu_on: cell(0xc4000003),
    },
  };
}

function cpuNodes(o: TreeOptions): DtNode {
  return {
    name: 'cpus',
    properties: { '#address-cells': cell(1), '#size-cells': cell(0) },
    children: Array.from({ length: o.cpus }, (_, n) => ({
      name: `cpu@${affinity(n).toString(16)}`,
      properties: {
        device_type: 'cpu',
        compatible: `arm,${o.cpu}`,
        reg: cell(affinity(n)),
        'enable-method': 'psci',
      },
    })),
  };
}

function gicV2(el2: boolean): DtNode {
  return {
    name: `intc@${at(region('gicd').base)}`,
    properties: {
      compatible: 'arm,cortex-a15-gic',
      reg: el2 ? reg('gicd', 'gicc', 'gich', 'gicv') : reg('gicd', 'gicc'),
      ...gicProperties(2, el2),
    },
    children: [
      {
        name: `v2m@${at(region('gicv2m').base)}`,
        properties: {
          compatible: 'arm,gic-v2m-frame',
          'msi-controller': flag,
          reg: reg('gicv2m'),
          phandle: cell(phandles.msi),
        },
      },
    ],
  };
}

/** What the nodes of all versions have. */
function gicProperties(version: GicVersion, el2: boolean): Record<string, Property> {
  return {
    ...(el2 ? { interrupts: interrupt('vgic maintenance') } : {}),
    'interrupt-controller': flag,
    '#interrupt-cells': cell(3),
    '#address-cells': cell(2),
    '#size-cells': cell(2),
    ranges: flag,
    phandle: cell(phandles.gic[version]),
  };
}

function gicV3(el2: boolean): DtNode {
  return {
    name: `intc@${at(region('gicd').base)}`,
    properties: {
      compatible: 'arm,gic-v3',
      reg: reg('gicd', 'gicr'),
      '#redistributor-regions': cell(1),
      ...gicProperties(3, el2),
    },
  };
}

function uart(): DtNode {
  return {
    name: `pl011@${at(region('uart0').base)}`,
    properties: {
      compatible: ['arm,pl011', 'arm,primecell'],
      reg: reg('uart0'),
      interrupts: interrupt('uart0'),
      clocks: cell(phandles.clock, phandles.clock),
      'clock-names': ['uartclk', 'apb_pclk'],
    },
  };
}

function rtc(): DtNode {
  return {
    name: `pl031@${at(region('rtc').base)}`,
    properties: {
      compatible: ['arm,pl031', 'arm,primecell'],
      reg: reg('rtc'),
      interrupts: interrupt('rtc'),
      clocks: cell(phandles.clock),
      'clock-names': 'apb_pclk',
    },
  };
}

function gpio(): DtNode {
  return {
    name: `pl061@${at(region('gpio').base)}`,
    properties: {
      compatible: ['arm,pl061', 'arm,primecell'],
      reg: reg('gpio'),
      interrupts: interrupt('gpio'),
      clocks: cell(phandles.clock),
      'clock-names': 'apb_pclk',
      'gpio-controller': flag,
      '#gpio-cells': cell(2),
      phandle: cell(phandles.gpio),
    },
  };
}

/** Seen in Secure state only; the board powers off and resets by it. */
function secureGpio(): DtNode {
  return {
    name: `pl061@${at(region('secure-gpio').base)}`,
    properties: {
      compatible: ['arm,pl061', 'arm,primecell'],
      reg: reg('secure-gpio'),
      clocks: cell(phandles.clock),
      'clock-names': 'apb_pclk',
      'gpio-controller': flag,
      '#gpio-cells': cell(2),
      status: 'disabled',
      'secure-status': 'okay',
    },
  };
}

const fwCfg: DtNode = {
  name: `fw-cfg@${at(region('fw-cfg').base)}`,
  properties: { compatible: 'qemu,fw-cfg-mmio', reg: reg('fw-cfg'), 'dma-coherent': flag },
};

function virtio(n: number): DtNode {
  const base = region('virtio').base + BigInt(n * TRANSPORT_BYTES);
  return {
    name: `virtio_mmio@${at(base)}`,
    properties: {
      compatible: 'virtio,mmio',
      reg: wide(base, BigInt(TRANSPORT_BYTES)),
      interrupts: cell(0, irq('virtio').number + n, EDGE_RISING),
      'dma-coherent': flag,
    },
  };
}

const clock: DtNode = {
  name: 'apb-pclk',
  properties: {
    compatible: 'fixed-clock',
    'clock-frequency': cell(24_000_000),
    'clock-output-names': 'clk24mhz',
    '#clock-cells': cell(0),
    phandle: cell(phandles.clock),
  },
};

/** Flags of a PPI's specifier: in a GICv2 it names the CPUs too, from bit 8 on. */
const ppiFlags = (o: TreeOptions): number => LEVEL_HIGH | (o.gic === 2 ? (2 ** o.cpus - 1) << 8 : 0);

function timer(o: TreeOptions): DtNode {
  const names = ['secure physical timer', 'physical timer', 'virtual timer', 'hyp physical timer'] as const;
  return {
    name: 'timer',
    properties: {
      compatible: ['arm,armv8-timer', 'arm,armv7-timer'],
      interrupts: cell(...names.flatMap((name) => [1, irq(name).number, ppiFlags(o)])),
      'always-on': flag,
    },
  };
}

function pmu(o: TreeOptions): DtNode {
  return {
    name: 'pmu',
    properties: {
      compatible: 'arm,armv8-pmuv3',
      interrupts: cell(1, irq('pmu').number, ppiFlags(o)),
    },
  };
}

/** How a kernel is told its command line and its RAM disk. */
export function chosenProperties(o: Pick<TreeOptions, 'bootargs' | 'initrd'>): Record<string, Property> {
  return {
    ...(o.bootargs === undefined ? {} : { bootargs: o.bootargs }),
    ...(o.initrd
      ? { 'linux,initrd-start': wide(o.initrd.start), 'linux,initrd-end': wide(o.initrd.end) }
      : {}),
  };
}

function chosen(o: TreeOptions): DtNode {
  return {
    name: 'chosen',
    properties: {
      'stdout-path': `/pl011@${at(region('uart0').base)}`,
      'rng-seed': cell(...seeds.rng),
      'kaslr-seed': cell(...seeds.kaslr),
      ...chosenProperties(o),
    },
  };
}

/** The tree as nodes. */
export function deviceTree(o: TreeOptions): DtNode {
  return {
    name: '',
    properties: {
      compatible: 'linux,dummy-virt',
      model: 'linux,dummy-virt',
      '#address-cells': cell(2),
      '#size-cells': cell(2),
      'interrupt-parent': cell(phandles.gic[o.gic]),
    },
    children: [
      {
        name: `memory@${at(RAM_BASE)}`,
        properties: { device_type: 'memory', reg: wide(RAM_BASE, o.memoryBytes) },
      },
      cpuNodes(o),
      psci(o.el2),
      timer(o),
      pmu(o),
      o.gic === 2 ? gicV2(o.el2) : gicV3(o.el2),
      uart(),
      rtc(),
      fwCfg,
      gpio(),
      ...(o.secure ? [secureGpio()] : []),
      ...Array.from({ length: VIRTIO_TRANSPORTS }, (_, n) => virtio(n)),
      clock,
      chosen(o),
    ],
  };
}

/** The tree as the blob that a guest gets. */
export function deviceTreeBlob(o: TreeOptions): Uint8Array {
  return flatten(deviceTree(o));
}
