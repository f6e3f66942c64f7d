/** The `virt` board: devices at the addresses of map.ts, wired together. */
import type { Board, MachineBus } from '../core/device';
import { Gicv2 } from '../dev/gicv2/gicv2';
import { Gicv3 } from '../dev/gicv3/gicv3';
import { Pl011 } from '../dev/pl011';
import { Pl031 } from '../dev/pl031';
import { Pl061 } from '../dev/pl061';
import { Pmu } from '../dev/pmu';
import { timerRows, Timers } from '../dev/timers';
import { boardItems, FwCfg } from '../dev/fw-cfg';
import type { VirtioBlock } from '../dev/virtio/block';
import type { Security } from '../dev/gicv3/security';
import { secureGpio } from './secure-gpio';
import { irq, MAX_CPUS, region, type GicVersion } from './map';
import { conduitOf, psciCall } from './psci';
import { CONSOLE_PORT, Virtio, type VirtioOptions } from './virtio';

export interface VirtOptions extends VirtioOptions {
  /** The CPUs implement EL2. */
  readonly el2: boolean;
  /** Version of the interrupt controller; 3 unless given. */
  readonly gic?: GicVersion;
  /** Two security states, and who runs at EL3: see Gicv3. */
  readonly security?: Security;
  /** Devices leave nothing working that the architecture does not promise. */
  readonly strict?: boolean;
}

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
  const timers = new Timers(bus, timerRows(options.el2, secure), (cpu, intid, level) =>
    gic.setPpi(cpu, intid, level),
  );
  const pmu = new Pmu(bus, (cpu, level) => gic.setPpi(cpu, 16 + irq('pmu').number, level));
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
    timed: [timers, rtc],
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
    update(cpu) {
      timers.update(cpu);
      pmu.update(cpu);
      gic.updateVirtual(cpu);
    },
    resetCpu: (cpu) => gic.resetCpu(cpu),
  };
}
