import assert from 'node:assert/strict';
import { requireTool } from '../../test/support/oracles';
import { Run } from '../../test/support/program';
import { gnuProgram, qemuOutput } from '../../test/support/qemu-program';
import { scriptTools } from '../../test/support/qemu-script';

/** EL2 injects virtual interrupt 40; a guest at EL1 takes, acknowledges and ends it: a, b, c, then the empty LR. */
const virtualInterrupt = `
  // EL2: inject vINTID 40 by LR0, EL1 takes virtual IRQ, acks, EOI, prints; then HVC and poweroff
  .globl _start
_start: ldr x0,=0x80000018
  msr hcr_el2,x0
  adr x0,v2
  msr vbar_el2,x0
  adr x0,v1
  msr vbar_el1,x0
  mov x0,#1
  msr ich_hcr_el2,x0
  ldr x0,=0xf84c000b
  msr ich_vmcr_el2,x0
  ldr x0,=0x5080000000000028
  msr ich_lr0_el2,x0
  adr x0,el1
  msr elr_el2,x0
  mov x0,#0x3c5
  msr spsr_el2,x0
  isb
  eret
el1: mov x9,#0x09000000
  mov w0,#'a'
  strb w0,[x9]
  msr daifclr,#2
  nop
  mov w0,#'c'
  strb w0,[x9]
  hvc #3
  b .
  .ltorg
  .balign 2048
v1: .skip 0x280
  mrs x1,icc_iar1_el1
  cmp x1,#40
  mov w0,#'b'
  mov w2,#'X'
  csel w0,w0,w2,eq
  strb w0,[x9]
  msr icc_eoir1_el1,x1
  eret
  .balign 2048
v2: .skip 0x400
  mrs x0,ich_lr0_el2
  lsr x0,x0,#62
  add w0,w0,#'0'
  strb w0,[x9]
  mov w0,#10
  strb w0,[x9]
  ldr x0,=0x84000008
  smc #0
  b .
`;

/** PSCI CPU_ON, SGIs both ways, a hyp timer PPI out of WFI, the UART's SPI. The handler prints 'A' + INTID. */
const physicalInterrupts = `
  .globl _start
  // CPU 0 starts CPU 1 by PSCI, sends it an SGI, waits for its answer by SGI, then sleeps until a timer interrupt
_start: mov x9,#0x09000000
  mov x20,#0
  bl setup
  mov w0,#'0'
  strb w0,[x9]
  ldr x0,=0xc4000003
  mov x1,#1
  adr x2,second
  mov x3,#77
  smc #0
  add w4,w0,#'0'
1: adr x0,flag // until CPU 1 is ready
  ldr w1,[x0]
  cbz w1,1b
  strb w4,[x9]
  ldr x0,=0x05000002
  msr icc_sgi1r_el1,x0
2: wfi // wakes with interrupts masked, so that none is lost
  msr daifclr,#2
  isb
  msr daifset,#2
  cbz x20,2b
  // timer: 1000 ticks from now
  mrs x0,cntpct_el0
  add x0,x0,#1000
  msr cnthp_cval_el2,x0
  mov x0,#1
  msr cnthp_ctl_el2,x0
  mov x20,#0
3: wfi // wakes with interrupts masked, so that none is lost
  msr daifclr,#2
  isb
  msr daifset,#2
  cbz x20,3b
  // UART transmit interrupt, SPI 33
  mov x0,#0x20
  str w0,[x9,#0x38]
  mov w0,#'u'
  strb w0,[x9]
  mov x20,#0
4: msr daifclr,#2
  nop
  msr daifset,#2
  cbz x20,4b
  mov w0,#10
  strb w0,[x9]
  ldr x0,=0x84000008
  smc #0
  b .
second: mov x9,#0x09000000
  mov x20,#0
  cmp x0,#77
  mov w0,#'1'
  mov w1,#'?'
  csel w0,w0,w1,eq
  strb w0,[x9]
  bl setup
  adr x0,flag
  mov w1,#1
  str w1,[x0]
1: wfi // wakes with interrupts masked, so that none is lost
  msr daifclr,#2
  isb
  msr daifset,#2
  cbz x20,1b
  // answer with SGI 6 to CPU 0, then off
  ldr x0,=0x06000001
  msr icc_sgi1r_el1,x0
  ldr x0,=0x84000002
  smc #0
  mov w0,#'!'
  strb w0,[x9]
  b .
setup: adr x0,vectors
  msr vbar_el2,x0
  mrs x0,hcr_el2
  orr x0,x0,#0x10
  msr hcr_el2,x0
  ldr x1,=0x08000000
  mov w0,#0x12
  str w0,[x1]
  mov w0,#2
  str w0,[x1,#0x84]
  str w0,[x1,#0x104]
  mrs x2,mpidr_el1
  and x2,x2,#0xff
  ldr x1,=0x080b0000
  add x1,x1,x2,lsl #17
  mov w0,#-1
  str w0,[x1,#0x80]
  ldr w0,=0x04000060
  str w0,[x1,#0x100]
  mov x0,#0xff
  msr icc_pmr_el1,x0
  mov x0,#1
  msr icc_igrpen1_el1,x0
  isb
  ret
  .ltorg
flag: .word 0
  .balign 2048
vectors: .skip 0x280
  mrs x1,icc_iar1_el1
  add w2,w1,#'A'
  strb w2,[x9]
  cmp x1,#26
  b.ne 5f
  msr cnthp_ctl_el2,xzr
5: cmp x1,#33
  b.ne 6f
  str wzr,[x9,#0x38]
6: msr icc_eoir1_el1,x1
  mov x20,#1
  isb
  eret
`;

describe('interrupts of the whole machine against QEMU', () => {
  const programs: readonly (readonly [string, string, number])[] = [
    ['a virtual interrupt through a list register', virtualInterrupt, 1],
    ['SGI, PPI and SPI with two CPUs', physicalInterrupts, 2],
  ];
  for (const [name, source, cpus] of programs)
    it(name, function () {
      requireTool(this, ...scriptTools);
      const image = gnuProgram(source);
      const expected = qemuOutput(image, { cpus }).toString();
      assert.ok(expected.endsWith('\n'), `QEMU printed "${expected}"`);
      assert.equal(new Run(image, { cpus }).toEnd(2_000_000).text, expected);
    });
});
