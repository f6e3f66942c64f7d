/** The `virt` board: devices at the addresses of map.ts, wired together. */
import type { Board, MachineBus } from '../core/device';
import { Gicv2 } from '../dev/gicv2/gicv2';
import { Gicv3 } from '../dev/gicv3/gicv3';
import { Pl011 } from '../dev/pl011';
import { Pl031 } from '../dev/pl031';
import { Pl061 } from '../dev/pl061';
import { boardItems, FwCfg } from '../dev/fw-cfg';
import type { VirtioBlock } from '../dev/virtio/block';
import type { Security } from '../dev/gicv3/security';
import { Wire } from '../isa/a64/wires/wires';
import { secureGpio } from './secure-gpio';
import { irq, MAX_CPUS, region, type GicVersion } from './map';
import { conduitOf, psciCall } from './psci';
import { CONSOLE_PORT, Virtio, type VirtioOptions } from './virtio';

interface VirtOptions extends VirtioOptions {
  /** The CPUs implement EL2. */
  readonly el2: boolean;
  /** Version of the interrupt controller; 3 unless given. */
  readonly gic?: GicVersion;
  /** Two security states, and who runs at EL3: see Gicv3. */
  readonly security?: Security;
  /** Devices leave nothing working that the architecture does not promise. */
  readonly strict?: boolean;
}

/** The private interrupts that outputs of a CPU drive. */
const ppis: readonly { readonly wire: number; readonly intid: number }[] = [
  { wire: Wire.hypTimer, intid: 16 + irq('hyp physical timer').number },
  { wire: Wire.virtualTimer, intid: 16 + irq('virtual timer').number },
  { wire: Wire.hypVirtualTimer, intid: 28 },
  { wire: Wire.secureTimer, intid: 16 + irq('secure physical timer').number },
  { wire: Wire.physicalTimer, intid: 16 + irq('physical timer').number },
  { wire: Wire.pmu, intid: 16 + irq('pmu').number },
];

/** Where the board's input goes, by port name. */
export const inputPorts = ['uart0', CONSOLE_PORT] as const;

/** The board, and what its owner must reach. */
export interface VirtBoard extends Board {
  readonly disks: readonly VirtioBlock[];
  /** Input may go to CONSOLE_PORT. */
  readonly hasConsole: boolean;
}

/** Makes the board for a machine with `bus.cpus` CPUs. */
export function createVirtBoard(bus: MachineBus, options: VirtOptions): VirtBoard {
  if (bus.cpus < 1 || bus.cpus > MAX_CPUS)
    throw new Error(`The virt board has 1 to ${MAX_CPUS} CPUs, not ${bus.cpus}.`);
  const gic =
    options.gic === 2
      ? new Gicv2(bus, options.el2)
      : new Gicv3(bus, options.el2, options.strict, options.security);
  const uart = new Pl011('uart0', bus, (level) => gic.setSpi(irq('uart0').number, level));
  const rtc = new Pl031('rtc', bus, (level) => gic.setSpi(irq('rtc').number, level));
  const gpio = new Pl061('gpio', (level) => gic.setSpi(irq('gpio').number, level));
  const virtio = new Virtio(bus, (n, level) => gic.setSpi(irq('virtio').number + n, level), options);
  const fwCfg = new FwCfg('fw-cfg', bus, boardItems(bus.cpus));
  const secure = options.security !== undefined && options.security !== 'none';
  return {
    devices: [
      ...gic.windows.map(({ region: name, device }) => ({ base: region(name).base, device })),
      { base: region('uart0').base, device: uart },
      { base: region('rtc').base, device: rtc },
      { base: region('gpio').base, device: gpio },
      { base: region('fw-cfg').base, device: fwCfg },
      ...virtio.devices,
      ...(secure ? [{ base: region('secure-gpio').base, device: secureGpio(bus) }] : []),
    ],
    disks: virtio.disks,
    hasConsole: virtio.console !== undefined,
    sysregs: gic,
    timed: [rtc],
    firmware(cpu, conduit) {
      if (conduit !== conduitOf(options.el2)) return false;
      psciCall(bus, cpu);
      return true;
    },
    input(port, bytes) {
      const device = port === 'uart0' ? uart : port === CONSOLE_PORT ? virtio.console : undefined;
      if (!device)
        throw new Error(`The board has no input port "${port}"; there is ${inputPorts.join(', ')}.`);
      device.input(bytes);
    },
    update(only) {
      for (let cpu = only ?? 0; cpu < (only === undefined ? bus.cpus : only + 1); cpu++) {
        const wires = bus.settle(cpu);
        for (const { wire, intid } of ppis) gic.setPpi(cpu, intid, (wires & wire) !== 0);
        gic.updateVirtual(cpu, wires);
      }
    },
    resetCpu: (cpu) => gic.resetCpu(cpu),
  };
}
