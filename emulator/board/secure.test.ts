/** A machine with `secure`: who starts where, who answers SMC, what only Secure state reaches. */
import assert from 'node:assert/strict';
import { el3Outcomes, el3Program, type El3Case } from '../../test/support/el3-cases';
import { requireTool } from '../../test/support/oracles';
import { Run } from '../../test/support/program';
import { gnuProgram, qemuOutput } from '../../test/support/qemu-program';
import { scriptTools } from '../../test/support/qemu-script';
import { state } from '../isa/a64/state';
import { BootError } from './elf';

const print = `
    // Prints X0 in hexadecimal and a new line; X1, X3 to X6 are free.
hex: ldr x1, =0x09000000
    mov w3, #0x301
    str w3, [x1, #0x30]
    mov x3, #60
1:  lsr x4, x0, x3
    and x4, x4, #15
    cmp x4, #10
    add x5, x4, #48
    add x6, x4, #87
    csel x5, x5, x6, lo
    strb w5, [x1]
    subs x3, x3, #4
    b.ge 1b
    mov w5, #10
    strb w5, [x1]
    ret
    .ltorg
`;
/** Firmware switches the board off by the GPIO of Secure state. */
const off = `
    ldr x1, =0x090b0000
    mov w0, #3
    str w0, [x1, #0x400]
    mov w0, #1
    str w0, [x1, #4]
    b .
    .ltorg
`;

/** All CPUs count themselves, one after the other; the last sees the Secure timer fire as FIQ. */
const firmware = `
    .globl _start
_start:
    mrs x20, mpidr_el1
    and x20, x20, #0xff
    adrp x21, turn
2:  ldar x0, [x21]
    cmp x0, x20
    b.ne 2b
    mrs x0, currentel
    orr x0, x0, x20, lsl #8
    bl hex
    cmp x20, #2
    b.eq timer
    add x0, x20, #1
    stlr x0, [x21]
3:  wfi
    b 3b
timer:
    adrp x0, vectors
    msr vbar_el3, x0
    ldr x2, =0x08000000
    mov w0, #0x37
    str w0, [x2]
    ldr x2, =0x080e0000             // the redistributor of CPU 2
    str wzr, [x2, #0x14]
    add x2, x2, #0x10000
    mov w0, #1 << 29                // group 0, enabled
    str w0, [x2, #0x100]
    mov x0, #0xff
    msr s3_0_c4_c6_0, x0
    mov x0, #1
    msr s3_0_c12_c12_6, x0
    mov x0, #0x534                  // Secure, FIQ to EL3
    msr scr_el3, x0
    mrs x0, cntpct_el0
    add x0, x0, #1000
    msr cntps_cval_el1, x0
    mov x0, #1
    msr cntps_ctl_el1, x0
    isb
    msr daifclr, #1
4:  wfi
    b 4b
fiq:
    mrs x0, s3_0_c12_c8_0           // acknowledge
    bl hex
    mrs x0, cntps_ctl_el1
    bl hex
    mrs x0, isr_el1
    bl hex
${off}
${print}
    .balign 2048
vectors:
    .rept 16
    .balign 128
    b fiq
    .endr
    .data
    .balign 4096
turn: .quad 0
`;

/** A raw image with the header of an arm64 kernel (Linux, booting.rst), which asks the firmware. */
const kernel = `
    .globl _start
_start:
    b entry
    .long 0
    .quad 0x80000
    .quad 0x20000
    .quad 0
    .quad 0, 0, 0
    .ascii "ARM\\x64"
    .long 0
entry:
    mrs x0, currentel
    bl hex
    ldr x0, =0x84000000
    smc #0
    bl hex
    ldr x0, =0x12345678             // no function
    smc #0
    bl hex
    mrs x0, id_aa64pfr0_el1
    bl hex
    adr x2, second
    mov x1, #1
    mov x3, #0x77
    ldr x0, =0xc4000003
    smc #0
    bl hex
5:  wfe
    b 5b
second:
    bl hex                          // its context
    mrs x0, currentel
    bl hex
    ldr x2, =0x08000000             // the distributor as Non-secure state sees it
    ldr w0, [x2]
    bl hex
    ldr w0, [x2, #0x84]             // groups: not its business
    bl hex
    ldr x0, =0x84000008
    smc #0
    b .
    .ltorg
${print}
`;

/** The bytes of an ELF that is linked in one piece: from the file offset of its only segment. */
function raw(elf: Uint8Array): Uint8Array {
  const view = new DataView(elf.buffer, elf.byteOffset);
  const header = Number(view.getBigUint64(32, true));
  const [offset, size] = [8, 32].map((at) => Number(view.getBigUint64(header + at, true))) as [
    number,
    number,
  ];
  // The linker maps the file's headers along with the code.
  const code = Number(view.getBigUint64(24, true) - view.getBigUint64(header + 16, true));
  return elf.slice(offset + code, offset + size);
}

const more = ['-machine', 'its=off,secure=on'];

describe('a board with two security states', function () {
  it('starts all CPUs at EL3, and has the timer of Secure state', function () {
    for (const tool of scriptTools) requireTool(this, tool);
    const image = gnuProgram(firmware);
    const run = new Run(image, { secure: true, cpus: 3 }).toEnd();
    assert.equal(run.text.split('\n').length, 7, run.text);
    assert.equal(run.text, qemuOutput(image, { cpus: 3, more }).toString('latin1'));
  });

  it('boots a kernel at Non-secure EL2 and stands for its firmware', function () {
    for (const tool of scriptTools) requireTool(this, tool);
    const image = raw(gnuProgram(kernel));
    const run = new Run(image, { secure: true, cpus: 2 });
    assert.equal(run.computer.plan.format, 'linux');
    run.toEnd();
    assert.equal(run.text.split('\n').length, 10, run.text);
    assert.equal(run.text, qemuOutput(image, { cpus: 2, more }).toString('latin1'));
  });

  it('shows Non-secure state nothing of what is not its own', () => {
    const gpio = 0x090b0000;
    const waker = 0x080a0014;
    const load = (at: number): string[] => [`ldr x2, =${at}`, 'ldr w1, [x2]'];
    const cases: readonly El3Case[] = [
      { name: 'the GPIO from EL3', at: 'el3', code: load(gpio + 0xfe0) },
      { name: 'the GPIO from Secure EL1', at: 's1', code: load(gpio + 0xfe0) },
      { name: 'the GPIO from EL2', at: 'n2', code: load(gpio + 0xfe0) },
      // GICR_WAKER is RAZ/WI for Non-secure state (IHI 0069 12.11.42).
      { name: 'GICR_WAKER from EL3', at: 'el3', code: load(waker) },
      { name: 'GICR_WAKER from EL1', at: 'n1', code: [...load(waker), 'str wzr, [x2]'] },
      { name: 'GICR_WAKER after it', at: 's1', code: load(waker) },
    ];
    const found = el3Outcomes(new Run(el3Program(cases), { secure: true }).toEnd().output, cases);
    assert.deepEqual(
      found.map((o) => [o.level, Number(o.esr >> 26n), o.x1]),
      [
        [3, 0x3c, 0x61n],
        [3, 0x18, 0x61n],
        [2, 0x25, 0n],
        [3, 0x3c, 6n],
        [3, 0x18, 0n],
        [3, 0x18, 6n],
      ],
    );
  });

  it('runs firmware in strict mode as well, and the same way twice', () => {
    const cases: readonly El3Case[] = (['el3', 'n2', 'n1', 'n0', 's1', 's0'] as const).map((at) => ({
      ...{ name: at, at, code: ['svc #1'] },
    }));
    const image = el3Program(cases);
    const [plain, strict, again] = [false, true, true].map((on) =>
      new Run(image, { secure: true, strict: on }).toEnd(),
    ) as [Run, Run, Run];
    const levels = (r: Run): number[] => el3Outcomes(r.output, cases).map((o) => o.level);
    assert.deepEqual(levels(strict), levels(plain));
    assert.equal(strict.computer.machine.hash(), again.computer.machine.hash());
  });

  it('goes on from a snapshot as if nothing had been', () => {
    const run = new Run(gnuProgram(firmware), { secure: true, cpus: 3 });
    const { machine } = run.computer;
    machine.run({ instructions: 2500 });
    const saved = machine.snapshots.take();
    machine.run({ instructions: 700 });
    const hash = machine.hash();
    machine.snapshots.restore(saved);
    machine.run({ instructions: 700 });
    assert.equal(machine.hash(), hash);
  });

  it('needs a GICv3, and is not there unless asked for', () => {
    const image = gnuProgram(firmware);
    assert.throws(() => new Run(image, { secure: true, gic: 2 }), BootError);
    const plain = new Run(image, { cpus: 3 });
    assert.equal(plain.computer.machine.state.num(0, state.el), 2);
    assert.deepEqual(plain.computer.machine.schedule.on.slice(0, 3), [true, false, false]);
  });
});
