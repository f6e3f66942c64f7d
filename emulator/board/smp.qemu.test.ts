import assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { mmuOnAtEl2, Run } from '../../test/support/program';
import { gnuProgram, qemuOutput } from '../../test/support/qemu-program';
import { scriptTools } from '../../test/support/qemu-script';

const CPUS = 8;

/** Each CPU's page of its own: +0 SGIs seen (bits), +8 spurious, +16 what it read through the window, +24 timer ticks. */
const macros = `
  .macro print character
  mov w0, #\\character
  strb w0, [x28]
  .endm
  // A spinlock: waits by WFE, released by a store-release and SEV.
  .macro lock
1: ldaxr w2, [x25]
  cbz w2, 2f
  wfe
  b 1b
2: mov w2, #1
  stxr w3, w2, [x25]
  cbnz w3, 1b
  .endm
  .macro unlock
  stlr wzr, [x25]
  dsb sy
  sev
  .endm
  // Meets all CPUs: x24 counts arrivals.
  .macro barrier
  add x23, x23, #${CPUS}
1: ldaxr x2, [x24]
  add x2, x2, #1
  stlxr w3, x2, [x24]
  cbnz w3, 1b
  dsb sy
  sev
2: ldar x2, [x24]
  cmp x2, x23
  b.hs 3f
  wfe
  b 2b
3:
  .endm
  // Prints x0 as 16 hexadecimal digits and a space; CPU 0 only.
  .macro hex
  mov x2, #60
1: lsr x3, x0, x2
  and w3, w3, #15
  cmp w3, #10
  add w4, w3, #'0'
  add w5, w3, #'a' - 10
  csel w3, w4, w5, lo
  strb w3, [x28]
  subs x2, x2, #4
  b.pl 1b
  mov w3, #' '
  strb w3, [x28]
  .endm
`;

/**
 * Registers of a CPU while it runs: x19 number, x20 own page, x23 barrier target, x24 barrier, x25 lock, x26 counter,
 * x27 redistributor's SGI frame, x28 UART.
 */
const source = `
  ${macros}
  .globl _start
_start:
  mov x28, #0x09000000
  mov x19, #0
  ldr x0, =0x08000000
  mov w1, #0x12
  str w1, [x0]
  bl tables
  print 97
  // The others, with their number as context; a second time they are on already.
  mov x20, #1
1: ldr x0, =0xc4000003
  mov x1, x20
  adr x2, secondary
  mov x3, x20
  smc #0
  cbnz x0, fail
  add x20, x20, #1
  cmp x20, #${CPUS}
  b.lo 1b
  ldr x0, =0xc4000003
  mov x1, #${CPUS}
  adr x2, secondary
  smc #0
  hex                         // no such CPU
  b common
secondary:
  mov x28, #0x09000000
  mov x19, x0
common:
  adrp x24, shared
  add x25, x24, #64
  add x26, x24, #128
  mov x23, #0
  adrp x20, pages
  add x20, x20, x19, lsl #12
  bl setup
  barrier

  // 500 increments each, under the lock: a lost one shows.
  mov x21, #500
3: lock
  ldr x2, [x26]
  add x2, x2, #1
  str x2, [x26]
  unlock
  subs x21, x21, #1
  b.ne 3b
  // and 500 by exclusives alone
  add x22, x26, #64
  mov x21, #500
4: ldxr x2, [x22]
  add x2, x2, #1
  stxr w3, x2, [x22]
  cbnz w3, 4b
  subs x21, x21, #1
  b.ne 4b
  barrier

  // Each CPU sends SGI n to all CPUs of the list 0xff, then SGI 8 to all but itself: all see SGIs 0-8.
  msr daifclr, #2
  lsl x0, x19, #24
  orr x0, x0, #0xff
  msr icc_sgi1r_el1, x0
  cbnz x19, 5f
  ldr x0, =0x10008000000
  msr icc_sgi1r_el1, x0
5: isb
  mov x2, #0x1ff
  cmp x19, #0
  mov x3, #0xff
  csel x2, x3, x2, eq
6: ldr x3, [x20]
  cmp x3, x2
  b.ne 6b
  // A private timer each: 1000 ticks from now, taken out of WFI.
  mrs x0, cntpct_el0
  add x0, x0, #1000
  msr cnthp_cval_el2, x0
  mov x0, #1
  msr cnthp_ctl_el2, x0
  // Masked from the look to WFI, which ends for what is pending: taken between the two it would have woken nobody.
7: msr daifset, #2
  ldr x3, [x20, #24]
  cbnz x3, 8f
  wfi
  msr daifclr, #2
  isb
  b 7b
8: barrier

  // The window shows block A to all; CPU 0 makes it B, with break before make and one broadcast TLBI.
  ldr x21, =0x80000000
  ldr x0, [x21]
  barrier
  cbnz x19, 9f
  adrp x1, window
  str xzr, [x1]
  dsb ish
  lsr x0, x21, #12
  tlbi vae2is, x0
  dsb ish
  ldr x0, =0x40400711
  str x0, [x1]
  dsb ish
9: barrier
  isb
  ldr x0, [x21]
  str x0, [x20, #16]
  barrier
  cbnz x19, off

  // CPU 0 reports, waits until the others are off, and starts CPU 5 once more.
  print 98
  ldr x0, [x26]
  hex
  ldr x0, [x26, #64]
  hex
  adrp x20, pages
  mov x21, #0
report:
  mov w0, #10
  strb w0, [x28]
  ldr x0, [x20]
  hex
  ldr x0, [x20, #8]
  hex
  ldr x0, [x20, #16]
  hex
  ldr x0, [x20, #24]
  hex
  add x20, x20, #4096
  add x21, x21, #1
  cmp x21, #${CPUS}
  b.lo report
  mov x20, #1
1: ldr x0, =0xc4000004
  mov x1, x20
  mov x2, #0
  smc #0
  cmp x0, #1
  b.ne 1b
  add x20, x20, #1
  cmp x20, #${CPUS}
  b.lo 1b
  print 99
  // An SGI for a CPU that is off stays pending; its CPU interface was reset with it.
  ldr x0, =0x03000020
  msr icc_sgi1r_el1, x0
  isb
  ldr x0, =0xc4000003
  mov x1, #5
  adr x2, again
  ldr x3, =0x123456789abcdef0
  smc #0
  hex
  add x1, x24, #512
answer:
  ldr x0, [x1]
  cbz x0, answer
  hex
  ldr x0, [x1, #8]
  hex
  ldr x0, [x1, #16]
  hex
  ldr x0, [x1, #24]
  hex
  ldr x0, [x1, #32]
  hex
  mov w0, #10
  strb w0, [x28]
  ldr x0, =0x84000008
  smc #0
  b .
off:
  ldr x0, =0x84000002
  smc #0
fail:
  print 33
  b .
  .ltorg

  // CPU 5 after its second start: context, registers of its CPU interface, the SGI that waited.
again:
  mov x10, x0
  adrp x24, shared
  add x1, x24, #512
  mrs x2, icc_pmr_el1
  mrs x3, icc_igrpen1_el1
  mov x0, #0xff
  msr icc_pmr_el1, x0
  mov x0, #1
  msr icc_igrpen1_el1, x0
  isb
  mrs x4, isr_el1
  mrs x5, icc_iar1_el1
  stp x2, x3, [x1, #8]
  stp x4, x5, [x1, #24]
  dsb sy
  str x10, [x1]
  b off

tables:
  // 0-1 GiB device, 1-2 GiB normal, 2 GiB: the window through a table of the second level.
  adrp x1, level1
  ldr x2, =0x401
  str x2, [x1]
  ldr x2, =0x40000705
  str x2, [x1, #8]
  adrp x3, window
  orr x2, x3, #3
  str x2, [x1, #16]
  ldr x2, =0x40200711
  str x2, [x3]
  mov x2, #0xa
  ldr x3, =0x40200000
  str x2, [x3]
  mov x2, #0xb
  ldr x3, =0x40400000
  str x2, [x3]
  ret

setup:
  adr x0, vectors
  msr vbar_el2, x0
  adrp x1, level1
${mmuOnAtEl2}
  mov x0, #0x10
  msr hcr_el2, x0
  ldr x27, =0x080b0000
  add x27, x27, x19, lsl #17
  sub x1, x27, #0x10000
  str wzr, [x1, #0x14]
1: ldr w0, [x1, #0x14]
  tbnz w0, #2, 1b
  mov w0, #-1
  str w0, [x27, #0x80]
  ldr w0, =0x0400ffff
  str w0, [x27, #0x100]
  mov x0, #0xff
  msr icc_pmr_el1, x0
  mov x0, #1
  msr icc_igrpen1_el1, x0
  isb
  ret
  .ltorg

  .balign 2048
vectors:
  .skip 0x280
  stp x0, x1, [x20, #64]
  stp x2, x3, [x20, #80]
  mrs x1, icc_iar1_el1
  cmp x1, #26
  b.ne 1f
  ldr x0, [x20, #24]
  add x0, x0, #1
  str x0, [x20, #24]
  msr cnthp_ctl_el2, xzr
  isb
  b 3f
1: cmp x1, #16
  b.lo 2f
  ldr x0, [x20, #8]
  add x0, x0, #1
  str x0, [x20, #8]
  b 4f
2: mov x2, #1
  lsl x2, x2, x1
  ldr x0, [x20]
  orr x0, x0, x2
  str x0, [x20]
3: msr icc_eoir1_el1, x1
4: ldp x0, x1, [x20, #64]
  ldp x2, x3, [x20, #80]
  eret

  .data
  .balign 4096
shared: .space 4096
pages: .space 4096 * ${CPUS}
level1: .space 4096
window: .space 4096
`;

describe('eight CPUs', function () {
  it('lock, signal, sleep, translate and stop as on QEMU', function () {
    requireTool(this, ...scriptTools);
    const image = gnuProgram(source);
    const expected = qemuOutput(image, { cpus: CPUS }).toString();
    assert.match(expected, /00000fa0 0000000000000fa0 /, expected);
    for (const strict of [false, true])
      assert.equal(
        new Run(image, { cpus: CPUS, strict }).toEnd(20_000_000).text,
        expected,
        `strict ${strict}`,
      );
  });
});
