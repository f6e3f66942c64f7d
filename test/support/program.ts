/** Small programs for specs of the whole machine: assembled here, run to the end, looked at. */
import assert from 'node:assert/strict';
import { assemble } from '../../emulator/asm/assemble';
import { a64Isa } from '../../emulator/isa/a64';
import { sysregNamed } from '../../emulator/isa/a64/sysregs';
import { state } from '../../emulator/isa/a64/state';
import { Computer, type ComputerConfig } from '../../emulator/board/computer';

/** Assembles a program. Execution starts at `_start`, at EL2. */
export function program(source: string): Uint8Array {
  const made = assemble({ main: 'main.S', read: () => source, isa: a64Isa });
  assert.deepEqual(made.diagnostics, []);
  assert.ok(made.elf);
  return made.elf;
}

/** A machine with a program, and what it prints. */
export class Run {
  readonly computer: Computer;
  private readonly printed: Uint8Array[] = [];

  constructor(image: Uint8Array, config: Partial<ComputerConfig> = {}) {
    this.computer = new Computer({ cpus: 1, memoryBytes: 0x800_0000, image, ...config });
    this.computer.onEvent = (e) => {
      if (e.kind === 'uart') this.printed.push(e.bytes);
    };
  }

  /** What it printed. */
  get output(): Uint8Array {
    return Buffer.concat(this.printed);
  }

  get text(): string {
    return new TextDecoder().decode(this.output);
  }

  /** Runs until the program powers the machine off. */
  toEnd(instructions = 5_000_000): this {
    this.computer.machine.run({ instructions });
    assert.equal(this.computer.ended?.kind, 'poweroff', `still running after "${this.text}"`);
    return this;
  }

  x(n: number, cpu = 0): bigint {
    return this.computer.machine.state.get(cpu, state.x, n);
  }

  /** The stored value of a system register. */
  reg(name: string, cpu = 0): bigint {
    const { field, index } = sysregNamed(name).storage!;
    return this.computer.machine.state.get(cpu, field, index);
  }
}

/** The end of a program: PSCI SYSTEM_OFF. */
export const powerOff = `
  ldr x0, =0x84000008
  smc #0
  b .
`;

/**
 * Turns the MMU of EL2 on, with its caches: 39 bits of address from the table of level 1 at x1, attribute 0 for devices and 1 for
 * Normal memory. x2 is free.
 */
export const mmuOnAtEl2 = `
  ldr x2, =0xff00
  msr mair_el2, x2
  ldr x2, =0x80823519
  msr tcr_el2, x2
  msr ttbr0_el2, x1
  tlbi alle2
  dsb sy
  isb
  ldr x2, =0x30c51835
  msr sctlr_el2, x2
  isb
`;

/**
 * Tables for that: the gigabyte of RAM at its own address, and at 2 GiB a window of `pages` pages of 4 KiB, whose entries the program
 * makes. x1, x3 and x4 are the tables `level1`, `level2` and `level3`; x2 and x5 are free.
 */
export const windowTables = (pages: number): string => `
  adrp x1, level1
  ldr x2, =0x40000705
  str x2, [x1, #8]
  adrp x3, level2
  orr x2, x3, #3
  str x2, [x1, #16]
  adrp x4, level3
  mov x5, #0
1: add x2, x4, x5, lsl #12
  orr x2, x2, #3
  str x2, [x3, x5, lsl #3]
  add x5, x5, #1
  cmp x5, #${pages / 512}
  b.ne 1b
`;

/** Lets PPIs of a GICv3 come to the first CPU, in group 1. x0 and x1 are free. */
export const enablePpis = (...ppis: readonly number[]): string => `
  ldr x0, =0x080a0000
  str wzr, [x0, #0x14]
  ldr x0, =0x08000000
  mov w1, #0x12
  str w1, [x0]
  ldr x0, =0x080b0000
  ldr w1, =${ppis.reduce((bits, ppi) => bits + 2 ** ppi, 0)}
  str w1, [x0, #0x80]
  str w1, [x0, #0x100]
  mov x1, #0xff
  msr icc_pmr_el1, x1
  mov x1, #1
  msr icc_igrpen1_el1, x1
`;

const hexOf = (bits: 32 | 64): string => `
hex:	mov x10, #${bits - 4}
1:	lsr x11, x1, x10
	and x11, x11, #15
	cmp x11, #10
	add x12, x11, #'0'
	add x13, x11, #'a' - 10
	csel x11, x12, x13, lo
	strb w11, [x20]
	subs x10, x10, #4
	b.ge 1b
	mov x11, #10
	strb w11, [x20]
	ret
`;

/** A function `hex` that prints x1 in hexadecimal, and a new line; x20 is the UART, x10 to x13 are free. */
export const printHex = hexOf(64);

/** The same for w1. */
export const printHex32 = hexOf(32);
