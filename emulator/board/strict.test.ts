import assert from 'node:assert/strict';
import { sysregs } from '../isa/a64/sysregs';
import { unknownAtReset } from '../isa/a64/unknown';
import { mmuOnAtEl2, powerOff, program, Run } from '../../test/support/program';

/** x19-x26 are results: registers that no firmware call touches. */
const both = (source: string): { plain: Run; strict: Run } => {
  const image = program(source);
  return { plain: new Run(image).toEnd(), strict: new Run(image, { strict: true }).toEnd() };
};

/**
 * A hypervisor with stage 2 on and a guest at EL1 with stage 1 off. Of 2 MiB blocks of IPA 0x40000000 the first is
 * mapped, the second read-only; nothing else is. The vectors of EL2 go to `trap` for anything from EL1.
 */
const hypervisor = (guest: string, trap: string): string => `
  .global _start
_start:
  adr x0, vectors
  msr vbar_el2, x0
  mov x0, #0
  msr sctlr_el1, x0
  ldr x0, =0x80023f59     // 39 bits of IPA from level 1, 40 bits of PA
  msr vtcr_el2, x0
  adrp x1, level1
  adrp x2, level2
  orr x3, x2, #3
  str x3, [x1, #8]
  ldr x3, =0x400007fd     // block, AF, inner shareable, read and write, normal memory
  str x3, [x2]
  ldr x3, =0x4020077d     // the same, read-only
  str x3, [x2, #8]
  msr vttbr_el2, x1
  ldr x0, =0x80000001     // RW, VM
  msr hcr_el2, x0
  adr x0, guest
  msr elr_el2, x0
  mov x0, #0x3c5
  msr spsr_el2, x0
  dsb sy
  tlbi vmalls12e1
  isb
  eret
  .ltorg
guest:
  ${guest}
  .balign 2048
vectors:
  .skip 0x200
  b .                    // from EL2
  .skip 0x200 - 4
  mrs x19, elr_el2
  mrs x20, spsr_el2
  mrs x21, esr_el2
  mrs x22, far_el2
  mrs x23, hpfar_el2
  ${trap}
  ${powerOff}
  .section .bss
  .balign 4096
level1: .skip 4096
level2: .skip 4096
stage1: .skip 4096
`;

describe('strict mode', () => {
  it('leaves HPFAR_EL2 UNKNOWN on a permission fault of stage 2, and FAR_EL2 as it is', () => {
    const { plain, strict } = both(hypervisor('ldr x1, =0x40200008\n str x0, [x1]\n .ltorg', ''));
    assert.equal(plain.x(23), 0x402000n);
    assert.notEqual(strict.x(23), 0x402000n);
    assert.equal(strict.x(23) & ~0xffffffffff0n, 0n, 'only FIPA is UNKNOWN');
    for (const r of [plain, strict]) {
      assert.equal(r.x(22), 0x40200008n);
      assert.equal(r.x(21) & 0x3fn, 0xen, 'permission fault, level 2');
    }
  });

  it('keeps HPFAR_EL2 on a translation fault', () => {
    const { strict } = both(hypervisor('ldr x1, =0x50000008\n str x0, [x1]\n .ltorg', ''));
    assert.equal(strict.x(21) & 0x3fn, 6n, 'translation fault, level 2');
    assert.equal(strict.x(23), 0x500000n);
    assert.equal(strict.x(22), 0x50000008n);
  });

  it('keeps HPFAR_EL2 on a permission fault that a walk of stage 1 met', () => {
    // HCR_EL2.PTW: the table is in Device memory for stage 2.
    const guest = `
      ldr x1, =0x40200000
      msr ttbr0_el1, x1
      ldr x1, =0x80803519
      msr tcr_el1, x1
      mov x1, #0x0800
      movk x1, #0x30d0, lsl #16
      orr x1, x1, #1
      msr sctlr_el1, x1
      isb
      nop
      .ltorg`;
    const source = hypervisor(guest, '')
      .replace('=0x4020077d', '=0x40200741')
      .replace('=0x80000001', '=0x80000005');
    const { plain, strict } = both(source);
    for (const r of [plain, strict]) {
      assert.equal(r.x(21) & 0xbcn, 0x8cn, 'permission fault, S1PTW');
      assert.equal(r.x(23), 0x402000n);
    }
  });

  it('leaves FAR_EL2 and HPFAR_EL2 UNKNOWN after an exception that sets neither', () => {
    const { plain, strict } = both(hypervisor('hvc #7', ''));
    assert.deepEqual([plain.x(22), plain.x(23)], [0n, 0n]);
    assert.notEqual(strict.x(22), 0n);
    assert.notEqual(strict.x(23), 0n);
    for (const r of [plain, strict]) assert.equal(r.x(21), 0x5a000007n);
  });

  it('makes ELR, SPSR and ESR UNKNOWN by a return', () => {
    const { plain, strict } = both(`
      .global _start
    _start:
      adr x0, 1f
      msr elr_el2, x0
      mov x0, #0x3c9
      msr spsr_el2, x0
      msr esr_el2, xzr
      eret
    1:
      mrs x19, elr_el2
      mrs x20, spsr_el2
      mrs x21, esr_el2
      adr x24, 1b
      ${powerOff}`);
    assert.deepEqual([plain.x(19), plain.x(20), plain.x(21)], [plain.x(24), 0x3c9n, 0n]);
    assert.notEqual(strict.x(19), strict.x(24));
    assert.notEqual(strict.x(20), 0x3c9n);
    assert.notEqual(strict.x(21), 0n);
  });

  it('leaves PAR_EL1 UNKNOWN when AT takes an exception', () => {
    // Stage 1 maps the gigabyte of the program; the table of the next one is where stage 2 maps nothing.
    const guest = `
      mov x1, #0xff
      msr mair_el1, x1
      adrp x1, stage1
      ldr x2, =0x40000701
      str x2, [x1, #8]
      ldr x2, =0x60000003
      str x2, [x1, #16]
      msr ttbr0_el1, x1
      ldr x1, =0x80803519
      msr tcr_el1, x1
      ldr x1, =0x123000
      msr par_el1, x1
      ldr x1, =0x30d00801
      msr sctlr_el1, x1
      isb
      ldr x0, =0x80000000
      at s1e1r, x0
      hvc #1
      .ltorg`;
    const { plain, strict } = both(hypervisor(guest, 'mrs x24, par_el1'));
    for (const r of [plain, strict]) assert.equal(r.x(21) >> 26n, 0x24n);
    assert.equal(plain.x(24), 0x123000n);
    assert.notEqual(strict.x(24), 0x123000n);
  });

  it('resets every register with an UNKNOWN reset value to poison, and no other', () => {
    const image = program(`.global _start\n_start: b .`);
    const [plain, strict] = [new Run(image), new Run(image, { strict: true })];
    let poisoned = 0;
    for (const r of sysregs) {
      if (!r.storage || r.same || r.view) continue;
      const [a, b] = [plain.reg(r.name), strict.reg(r.name)];
      assert.equal((a ^ b) & ~unknownAtReset(r), 0n, r.name);
      if (a !== b) poisoned++;
    }
    assert.ok(poisoned > 50, `${poisoned} registers`);
    for (const name of [
      'VBAR_EL2',
      'HCR_EL2',
      'ELR_EL2',
      'TTBR0_EL2',
      'CPTR_EL2',
      'ICH_LR0_EL2',
      'CNTVOFF_EL2',
    ])
      assert.notEqual(strict.reg(name), plain.reg(name), name);
    assert.equal(strict.reg('SCTLR_EL2') & 5n, 0n, 'MMU and cache are off');
    assert.equal(strict.x(0), plain.x(0), 'x0 is the boot protocol’s');
    for (let n = 1; n <= 30; n++) assert.notEqual(strict.x(n), 0n, `x${n}`);
  });

  it('is the same in each run, and in pieces', () => {
    const image = program(hypervisor('hvc #7', ''));
    const hash = (pieces: number): string => {
      const { machine } = new Run(image, { strict: true }).computer;
      for (let n = 0; n < 60; n += pieces) machine.run({ instructions: pieces });
      return machine.hash();
    };
    assert.equal(hash(60), hash(1));
  });

  it('clears the exclusive monitor now and then, so that only a loop succeeds', () => {
    const { plain, strict } = both(`
      .global _start
    _start:
      adrp x1, word
      mov x19, #0
      mov x2, #1000
      str xzr, [x1]
    1: ldxr x3, [x1]
      add x3, x3, #1
      stxr w4, x3, [x1]
      cbz w4, 2f
      add x19, x19, #1
      b 1b
    2: sub x2, x2, #1
      cbnz x2, 1b
      ldr x20, [x1]
      ${powerOff}
      .bss
      .balign 4096
    word: .skip 8`);
    assert.equal(plain.x(19), 0n);
    assert.ok(strict.x(19) > 50n && strict.x(19) < 300n, `${strict.x(19)} failures in 1000`);
    assert.equal(strict.x(20), 1000n);
  });

  it('leaves X1-X17 UNKNOWN after a firmware call, and no others', () => {
    const results = Array.from({ length: 12 }, (_, n) => `cmp x${n + 1}, #${n + 1}\n cinc x19, x19, ne`).join(
      '\n',
    );
    const { plain, strict } = both(`
      .global _start
    _start:
      ${Array.from({ length: 30 }, (_, n) => `mov x${n + 1}, #${n + 1}`).join('\n')}
      mov x19, #0
      mov x0, #0x84000000
      smc #0
      mov x20, x0
      ${results}
      ${powerOff}`);
    assert.deepEqual([plain.x(19), plain.x(20), strict.x(20)], [0n, 0x10001n, 0x10001n]);
    assert.equal(strict.x(19), 12n);
    for (const n of [18, 21, 29, 30]) assert.equal(strict.x(n), BigInt(n));
  });

  it('delivers no interrupt while the redistributor sleeps', () => {
    const wake = (waker: string): { plain: Run; strict: Run } =>
      both(`
      .global _start
    _start:
      mov x19, #0
      mov x0, #0x10
      msr hcr_el2, x0
      ldr x1, =0x08000000
      mov w0, #2
      str w0, [x1]
      ldr x1, =0x080a0000
      ${waker}
      add x1, x1, #0x10000
      mov w0, #-1
      str w0, [x1, #0x80]
      str w0, [x1, #0x100]
      mov x0, #0xff
      msr icc_pmr_el1, x0
      mov x0, #1
      msr icc_igrpen1_el1, x0
      ldr x0, =0x03000001
      msr icc_sgi1r_el1, x0
      isb
      mrs x19, icc_iar1_el1
      ${powerOff}`);
    const asleep = wake('nop');
    assert.deepEqual([asleep.plain.x(19), asleep.strict.x(19)], [3n, 1023n]);
    const awake = wake('str wzr, [x1, #0x14]');
    assert.deepEqual([awake.plain.x(19), awake.strict.x(19)], [3n, 3n]);
  });

  const unpredictable = [
    ['ldp x1, x1, [x2]', 0xa9400441],
    ['ldr x2, [x2], #8', 0xf8408442],
    ['str x2, [x2, #8]!', 0xf8008c42],
    ['stp x2, x3, [x2], #16', 0xa8810c42],
    ['ldxp x1, x1, [x2]', 0xc87f0441],
    ['stxr w1, x1, [x2]', 0xc8017c41],
    ['stxr w2, x1, [x2]', 0xc8027c41],
    ['stxp w1, x3, x1, [x2]', 0xc8210443],
    ['ldp d1, d1, [x2]', 0x6d400441],
  ] as const;
  for (const [text, word] of unpredictable)
    it(`takes the CONSTRAINED UNPREDICTABLE ${text} as UNDEFINED`, () => {
      const { plain, strict } = both(`
        .global _start
      _start:
        adr x0, vectors
        msr vbar_el2, x0
        msr cptr_el2, xzr
        adrp x2, place
        mov x19, #0
        isb
        .inst ${word}
        ${powerOff}
        .balign 2048
      vectors:
        .skip 0x200
        mrs x19, esr_el2
        ${powerOff}
        .bss
        .balign 4096
        .skip 4096
      place: .skip 8192`);
      assert.equal(plain.x(19), 0n);
      assert.equal(strict.x(19), 0x2000000n);
    });

  /**
   * EL2 with its MMU on: RAM at its own address, and a window at 2 GiB that shows the block at 0x40200000 until the
   * program lets it show that at 0x40400000. A page 4 MiB further takes the window's place in the TLB.
   */
  const window = (maintenance: string): string => `
    .global _start
  _start:
    adrp x1, level1
    ldr x2, =0x401
    str x2, [x1]
    ldr x2, =0x40000705
    str x2, [x1, #8]
    adrp x3, table
    orr x2, x3, #3
    str x2, [x1, #16]
    ldr x2, =0x40200705
    str x2, [x3]
    str x2, [x3, #16]
    ldr x4, =0x40200000
    mov x2, #0xa
    str x2, [x4]
    add x4, x4, #0x200000
    mov x2, #0xb
    str x2, [x4]
    mov x2, #0x30
    msr hcr_el2, x2
${mmuOnAtEl2}
    ldr x21, =0x80000000
    ldr x22, [x21]
    ldr x2, =0x40400705
    str x2, [x3]
    dsb sy
    ${maintenance}
    dsb sy
    isb
    ldr x0, =0x80401000
    ldr x0, [x0]
    ldr x19, [x21]
    ${powerOff}
    .ltorg
    .bss
    .balign 4096
  level1: .skip 4096
  table: .skip 4096
  `;

  it('keeps a translation until it is invalidated', () => {
    const without = both(window('nop'));
    assert.deepEqual([without.plain.x(22), without.plain.x(19)], [0xan, 0xbn], 'the TLB is small');
    assert.equal(without.strict.x(19), 0xan);
    for (const tlbi of ['lsr x0, x21, #12\n tlbi vae2is, x0', 'tlbi alle2'])
      assert.equal(both(window(tlbi)).strict.x(19), 0xbn, tlbi);
    const elsewhere = both(window('lsr x0, x3, #12\n tlbi vae2, x0'));
    assert.equal(elsewhere.strict.x(19), 0xan, 'another address');
  });

  /** The guest writes where it may not; the hypervisor grants it, says so or not, and lets it try once more. */
  const granted = (maintenance: string, stage1: string): string =>
    hypervisor(
      `${stage1}
       ldr x1, =0x40200008
       str x0, [x1]
       hvc #1
       .ltorg`,
      `lsr x0, x21, #26
       add x25, x25, #1
       cmp x0, #0x16
       b.eq 1f
       cmp x25, #4
       b.hs 1f
       adrp x2, level2
       ldr x3, =0x402007fd
       str x3, [x2, #8]
       dsb sy
       ${maintenance}
       dsb sy
       isb
       msr elr_el2, x19
       msr spsr_el2, x20
       eret
       .ltorg
    1:`,
    ).replace('_start:', '_start: mov x25, #0');

  it('keeps a lack of permission until it is invalidated', () => {
    const traps = (maintenance: string, stage1 = ''): { plain: bigint; strict: bigint } => {
      const { plain, strict } = both(granted(maintenance, stage1));
      return { plain: plain.x(25), strict: strict.x(25) };
    };
    const byIpa = 'ldr x0, =0x40200\n tlbi ipas2e1is, x0';
    assert.deepEqual(traps('nop'), { plain: 2n, strict: 4n });
    assert.deepEqual(traps(byIpa), { plain: 2n, strict: 2n });
    const stage1 = `
      adrp x1, stage1
      mov x2, #0xff
      msr mair_el1, x2
      ldr x2, =0x40000701
      str x2, [x1, #8]
      msr ttbr0_el1, x1
      ldr x1, =0x80803519
      msr tcr_el1, x1
      ldr x1, =0x30d00801
      msr sctlr_el1, x1
      isb`;
    assert.deepEqual(traps(byIpa, stage1), { plain: 2n, strict: 4n }, 'entries of both stages stay');
    const all = `${byIpa}\n dsb ish\n tlbi vmalle1is`;
    assert.deepEqual(traps(all, stage1), { plain: 2n, strict: 2n });
  });

  it('takes the translations that it keeps along into a snapshot', () => {
    const { machine } = new Run(program(window('nop')), { strict: true }).computer;
    machine.run({ instructions: 34 });
    const snapshot = machine.snapshots.take();
    const before = machine.hash();
    machine.run({ instructions: 12 });
    const after = machine.hash();
    machine.snapshots.restore(snapshot);
    assert.equal(machine.hash(), before);
    machine.run({ instructions: 12 });
    assert.equal(machine.hash(), after);
  });
});
