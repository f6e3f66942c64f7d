/**
 * Arm PrimeCell UART (PL011). Source: DDI 0183G, chapter 3.
 *
 * Two liberties, both those of QEMU's board, on which guests rely: characters are sent at once, and sent whether or not
 * CR.UARTEN and TXE are set. Input from outside that does not fit the FIFO waits instead of being lost, since it
 * arrives at no baud rate; an overrun happens only in loop-back.
 */
import type { Device, MachineBus } from '../core/device';

/** Bits of RIS, MIS, IMSC and ICR. */
export const Interrupt = {
  ri: 1 << 0,
  cts: 1 << 1,
  dcd: 1 << 2,
  dsr: 1 << 3,
  rx: 1 << 4,
  tx: 1 << 5,
  receiveTimeout: 1 << 6,
  framing: 1 << 7,
  parity: 1 << 8,
  break: 1 << 9,
  overrun: 1 << 10,
} as const;

const Flag = {
  cts: 1,
  dsr: 2,
  dcd: 4,
  busy: 8,
  rxEmpty: 16,
  txFull: 32,
  rxFull: 64,
  txEmpty: 128,
  ri: 256,
} as const;
const LineControl = { brk: 1, fifoEnable: 16 } as const;
const Control = { loopBack: 1 << 7, dtr: 1 << 10, rts: 1 << 11, out1: 1 << 12, out2: 1 << 13 } as const;
/** Bits of DR above the character, also those of RSR when shifted down by 8. */
const BREAK_ERROR = 1 << 10;
const OVERRUN_ERROR = 1 << 11;

const FIFO_DEPTH = 16;
/** IFLS.RXIFLSEL: characters in the FIFO at which the receive interrupt is raised. */
const receiveTriggers = [2, 4, 8, 12, 14];

/** In loop-back the modem outputs feed the inputs (DDI 0183G 2.4.6): output bit of CR, input bit of FR, its interrupt. */
const modem = [
  { output: Control.rts, input: Flag.cts, interrupt: Interrupt.cts },
  { output: Control.dtr, input: Flag.dsr, interrupt: Interrupt.dsr },
  { output: Control.out1, input: Flag.dcd, interrupt: Interrupt.dcd },
  { output: Control.out2, input: Flag.ri, interrupt: Interrupt.ri },
] as const;

export interface Pl011State {
  /** Receive FIFO: characters with their error bits, as DR shows them. */
  fifo: number[];
  /** The next character that enters the FIFO carries the overrun bit. */
  overrun: boolean;
  /** Input from outside that waits for room. */
  waiting: number[];
  rsr: number;
  ilpr: number;
  ibrd: number;
  fbrd: number;
  lcrh: number;
  cr: number;
  ifls: number;
  imsc: number;
  ris: number;
  dmacr: number;
}

interface Register {
  read?(s: Pl011State): number;
  write?(s: Pl011State, value: number): void;
  /** Where reading has an effect: the same without it. */
  peek?(s: Pl011State): number;
}

/** PeriphID0-3 (part 0x011, revision r1p4 as QEMU reports it) and PCellID0-3, from offset 0xfe0. */
const identification = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

export class Pl011 implements Device {
  readonly size = 0x1000;
  readonly state: Pl011State = {
    fifo: [],
    overrun: false,
    waiting: [],
    rsr: 0,
    ilpr: 0,
    ibrd: 0,
    fbrd: 0,
    lcrh: 0,
    cr: 0x300,
    ifls: 0x12,
    imsc: 0,
    ris: 0,
    dmacr: 0,
  };

  private readonly registers: Readonly<Record<number, Register>> = {
    0x00: {
      read: () => this.receive(),
      peek: (s) => s.fifo[0] ?? 0,
      write: (s, v) => this.transmit(s, v & 0xff),
    },
    0x04: { read: (s) => s.rsr, write: (s) => (s.rsr = 0) },
    0x18: { read: (s) => this.flags(s) },
    0x20: { read: (s) => s.ilpr, write: (s, v) => (s.ilpr = v & 0xff) },
    0x24: { read: (s) => s.ibrd, write: (s, v) => (s.ibrd = v & 0xffff) },
    0x28: { read: (s) => s.fbrd, write: (s, v) => (s.fbrd = v & 0x3f) },
    0x2c: { read: (s) => s.lcrh, write: (s, v) => this.setLineControl(s, v & 0xff) },
    0x30: { read: (s) => s.cr, write: (s, v) => this.setControl(s, v & 0xff87) },
    0x34: { read: (s) => s.ifls, write: (s, v) => (s.ifls = v & 0x3f) },
    0x38: { read: (s) => s.imsc, write: (s, v) => (s.imsc = v & 0x7ff) },
    0x3c: { read: (s) => s.ris },
    0x40: { read: (s) => s.ris & s.imsc },
    0x44: { write: (s, v) => (s.ris &= ~v) },
    0x48: { read: (s) => s.dmacr, write: (s, v) => (s.dmacr = v & 7) },
  };

  constructor(
    readonly name: string,
    private readonly bus: MachineBus,
    /** Drives the combined interrupt, UARTINTR. */
    private readonly setLine: (level: boolean) => void,
  ) {}

  read(offset: number, bytes: number): bigint {
    return this.access(offset, bytes, (r) => r.read?.(this.state) ?? 0);
  }

  peek(offset: number, bytes: number): bigint {
    return this.access(offset, bytes, (r) => (r.peek ?? r.read)?.(this.state) ?? 0);
  }

  write(offset: number, _bytes: number, value: bigint): boolean {
    this.registers[offset]?.write?.(this.state, Number(value & 0xffffffffn));
    this.updateLine();
    return true;
  }

  restored(): void {
    this.updateLine();
  }

  /** Characters that arrive on the wire. In loop-back the wire is disconnected and they are lost. */
  input(bytes: Uint8Array): void {
    if (this.state.cr & Control.loopBack) return;
    for (const b of bytes) this.state.waiting.push(b);
    this.fillFifo();
    this.updateLine();
  }

  /** A register is in the low half of its word; a narrow load elsewhere in the word gets its bits of that lane. */
  private access(offset: number, bytes: number, get: (r: Register) => number): bigint {
    const lane = BigInt(8 * (offset & 3));
    const at = offset & ~3;
    const id = identification[(at - 0xfe0) >> 2];
    const r = this.registers[at];
    const word = BigInt(id !== undefined ? id : r ? get(r) : 0);
    return BigInt.asUintN(8 * bytes, word >> lane);
  }

  private flags(s: Pl011State): number {
    let f = Flag.txEmpty as number;
    if (s.fifo.length === 0) f |= Flag.rxEmpty;
    if (s.fifo.length >= depth(s)) f |= Flag.rxFull;
    for (const m of modem) if (modemIn(s.cr, m.output)) f |= m.input;
    return f;
  }

  private transmit(s: Pl011State, character: number): void {
    if (s.cr & Control.loopBack) this.arrive(s, character);
    else this.bus.emit({ kind: 'uart', bytes: Uint8Array.of(character) });
    // The transmitter has drained to its trigger level again before the next instruction.
    s.ris |= Interrupt.tx;
  }

  private receive(): number {
    const s = this.state;
    const c = s.fifo.shift();
    if (c === undefined) return 0;
    s.rsr = c >> 8;
    if (s.fifo.length < trigger(s)) s.ris &= ~Interrupt.rx;
    if (s.fifo.length === 0) s.ris &= ~Interrupt.receiveTimeout;
    this.fillFifo();
    this.updateLine();
    return c;
  }

  private fillFifo(): void {
    const s = this.state;
    while (s.waiting.length > 0 && s.fifo.length < depth(s)) this.arrive(s, s.waiting.shift() ?? 0);
  }

  /** A character from the receive shifter. */
  private arrive(s: Pl011State, character: number): void {
    if (s.fifo.length >= depth(s)) {
      s.overrun = true;
      s.ris |= Interrupt.overrun;
      s.rsr |= OVERRUN_ERROR >> 8;
      return;
    }
    s.fifo.push(character | (s.overrun ? OVERRUN_ERROR : 0));
    s.overrun = false;
    if (character & BREAK_ERROR) s.ris |= Interrupt.break;
    if (s.fifo.length >= trigger(s)) s.ris |= Interrupt.rx;
    // Below the trigger level the 32 bit periods of silence pass at once.
    else s.ris |= Interrupt.receiveTimeout;
  }

  private setLineControl(s: Pl011State, v: number): void {
    const before = s.lcrh;
    s.lcrh = v;
    // Turning the FIFO on or off empties it: with FEN = 0 only one place remains.
    if ((before ^ v) & LineControl.fifoEnable) {
      s.fifo = [];
      s.ris &= ~(Interrupt.rx | Interrupt.receiveTimeout);
      this.fillFifo();
    }
    if (v & ~before & LineControl.brk && s.cr & Control.loopBack) this.arrive(s, BREAK_ERROR);
  }

  private setControl(s: Pl011State, v: number): void {
    const before = s.cr;
    s.cr = v;
    for (const m of modem) if (modemIn(before, m.output) !== modemIn(v, m.output)) s.ris |= m.interrupt;
  }

  private updateLine(): void {
    this.setLine((this.state.ris & this.state.imsc) !== 0);
  }
}

/** Level of a modem input: nothing is connected outside loop-back. */
function modemIn(cr: number, output: number): boolean {
  return (cr & Control.loopBack) !== 0 && (cr & output) !== 0;
}

function depth(s: Pl011State): number {
  return s.lcrh & LineControl.fifoEnable ? FIFO_DEPTH : 1;
}

function trigger(s: Pl011State): number {
  return s.lcrh & LineControl.fifoEnable ? (receiveTriggers[(s.ifls >> 3) & 7] ?? 14) : 1;
}
