/** Devices that only Secure state sees: here the GPIO by whose lines firmware at EL3 powers the board off or resets it. */
import type { Device, MachineBus } from '../core/device';
import { isSecureAccess } from '../dev/gicv3/security';
import { Pl061 } from '../dev/pl061';

/** Output lines of the GPIO, as on QEMU's `virt`. */
const POWER_OFF = 1;
const RESTART = 2;

/** A device that answers in Secure state only: to all others nothing is there. */
class SecureWindow implements Device {
  readonly name: string;
  readonly size: number;

  constructor(
    private readonly inner: Device,
    private readonly bus: MachineBus,
  ) {
    this.name = inner.name;
    this.size = inner.size;
  }

  get state(): object {
    return this.inner.state;
  }

  read(offset: number, bytes: number, cpu: number): bigint | undefined {
    return isSecureAccess(this.bus, cpu) ? this.inner.read(offset, bytes, cpu) : undefined;
  }

  write(offset: number, bytes: number, value: bigint, cpu: number): boolean {
    return isSecureAccess(this.bus, cpu) && this.inner.write(offset, bytes, value, cpu);
  }

  peek(offset: number, bytes: number): bigint | undefined {
    return this.inner.peek(offset, bytes);
  }

  restored(): void {
    this.inner.restored?.();
  }
}

/** The GPIO of Secure state. */
export function secureGpio(bus: MachineBus): Device {
  const gpio: Pl061 = new Pl061(
    'secure-gpio',
    () => undefined,
    (pins, cpu) => {
      if (pins & POWER_OFF) bus.stopCpu(cpu);
      if (pins & POWER_OFF) bus.emit({ kind: 'poweroff', reason: `Secure GPIO line 0 by CPU ${cpu}` });
      else if (pins & RESTART) {
        bus.stopCpu(cpu);
        bus.emit({ kind: 'reset', reason: `Secure GPIO line 1 by CPU ${cpu}` });
      }
    },
  );
  return new SecureWindow(gpio, bus);
}
