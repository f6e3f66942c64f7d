/**
 * Single instructions at every exception level and security state, under firmware at EL3 that prepares each of them and
 * prints what became of it: a program for our machine and for QEMU's `virt,secure=on`.
 */
import { gnuProgram, qemuOutput } from './qemu-program';

/** Where a case executes: `s` Secure, `n` Non-secure, and the exception level. */
export type World = 'el3' | 'n2' | 'n1' | 'n0' | 's1' | 's0';

export interface El3Case {
  readonly name: string;
  readonly at: World;
  /** System registers that EL3 sets before, in this order. */
  readonly set?: Readonly<Record<string, bigint>>;
  /** Bits of SCR_EL3 besides NS, HCE and RW. */
  readonly scr?: bigint;
  /** Bits of SCR_EL3 that are clear: HCE, RW. */
  readonly clear?: bigint;
  /** SPSR_EL3.DAIF; all masked unless given. */
  readonly daif?: bigint;
  /** Instructions; what they leave in X1 is printed. */
  readonly code: readonly string[];
  /** Instructions of EL3 before the case, with X0 to X2 and X9 free. */
  readonly before?: readonly string[];
}

export interface El3Outcome {
  /** The level that the exception was taken to, and the offset of its vector. */
  readonly level: number;
  readonly vector: number;
  readonly esr: bigint;
  /** Preferred return address, from the first instruction of the case. */
  readonly elr: bigint;
  readonly spsr: bigint;
  readonly far: bigint;
  readonly x1: bigint;
}

const worlds: Readonly<Record<World, { readonly scr: bigint; readonly spsr: bigint }>> = {
  el3: { scr: 0x531n, spsr: 0xdn },
  n2: { scr: 0x531n, spsr: 9n },
  n1: { scr: 0x531n, spsr: 5n },
  n0: { scr: 0x531n, spsr: 0n },
  s1: { scr: 0x530n, spsr: 5n },
  s0: { scr: 0x530n, spsr: 0n },
};

const WORDS = 6;

/** What each case starts from. */
const defaults: Readonly<Record<string, bigint>> = {
  hcr_el2: 1n << 31n,
  cptr_el3: 0n,
  cptr_el2: 0x33ffn,
  // Its trap of PMU registers is the way back to EL3 from everywhere.
  mdcr_el3: 0x40n,
  mdcr_el2: 6n,
  cpacr_el1: 0x300000n,
  sctlr_el1: 0x30d50838n,
  sctlr_el2: 0x30c50830n,
  sctlr_el3: 0x30c50830n,
  pmuserenr_el0: 1n,
  cntkctl_el1: 0n,
  cnthctl_el2: 3n,
  ...Object.fromEntries([1, 2, 3].flatMap((n) => [`far_el${n}`, `esr_el${n}`].map((r) => [r, 0n]))),
  spsr_el1: 0n,
  spsr_el2: 0n,
  cntps_ctl_el1: 0n,
};

const put = (register: string, value: bigint): string => `ldr x0, =${value}\n msr ${register}, x0`;

function caseSource(c: El3Case, n: number): string {
  const { scr, spsr } = worlds[c.at];
  const registers = { ...defaults, ...c.set };
  return `
    ${Object.entries(registers)
      .map(([r, v]) => put(r, v))
      .join('\n ')}
    ${put('scr_el3', (scr | (c.scr ?? 0n)) & ~(c.clear ?? 0n))}
    ${put('spsr_el3', spsr | ((c.daif ?? 0xfn) << 6n))}
    isb
    ${(c.before ?? []).join('\n ')}
    adr x0, 10f
    msr elr_el3, x0
    adr x26, 10f
    adr x25, 20f
    mov x28, #0
    mov x1, #0
    eret
10: ${c.code.join('\n ')}
    ${c.at === 'el3' ? 'brk #0x7f' : 'mrs x9, pmcr_el0'}
    .ltorg
20:
    // Case ${n} is done.
`;
}

/** A table of vectors; each entry says in X27 which it is. */
const vectors = (el: 1 | 2 | 3): string => `
    .balign 2048
vectors${el}:
    .set offset, 0
    .rept 16
    .balign 128
    mov x27, #offset
    b caught${el}
    .set offset, offset + 0x80
    .endr
`;

const save = (el: number): string => `
    mov x28, #${el}
    orr x28, x28, x27, lsl #8
    mrs x20, esr_el${el}
    mrs x21, elr_el${el}
    mrs x22, spsr_el${el}
    mrs x23, far_el${el}`;

/**
 * Tables for `prepare`, in TABLES: the first level of a 39-bit address space with 4 KiB pages, in which the first two GiB
 * (devices, RAM) stand where they are.
 */
export const tables = (...blocks: readonly bigint[]): string => `
    ldr x0, =TABLES
    ldr x1, =0x0060000000000401
    str x1, [x0]
    ldr x1, =0x40000705
    str x1, [x0, #8]
    ${blocks.map((d, n) => `ldr x1, =${d}\n str x1, [x0, #${8 * (n + 2)}]`).join('\n ')}
    dsb sy
    b 3f
    .ltorg
    .set TABLES, 0x40400000
3:
`;

/** The program that makes all cases one after the other, prints what became of them and powers the board off. */
export function el3Program(cases: readonly El3Case[], prepare = ''): Uint8Array {
  return gnuProgram(`
    .arch armv8.2-a
    .globl _start
_start:
    mrs x0, mpidr_el1
    and x0, x0, #0xff
    cbnz x0, .
    .irp n, 1, 2, 3
    adrp x0, vectors\\n
    add x0, x0, :lo12:vectors\\n
    msr vbar_el\\n, x0
    .endr
    ldr x24, =0x09000000
    mov w0, #0x301
    str w0, [x24, #0x30]
    ${prepare}
    ${cases.map(caseSource).join('')}
    ldr x1, =0x090b0000
    mov w0, #3
    str w0, [x1, #0x400]
    mov w0, #1
    str w0, [x1, #4]
    b .
    .ltorg
caught1: ${save(1)}
    mrs x9, pmcr_el0
    b .
caught2: ${save(2)}
    mrs x9, pmcr_el0
    b .
caught3:
    cbnz x28, 1f
${save(3)}
1:  sub x21, x21, x26
    mov x10, x28
    bl word
    .irp r, x20, x21, x22, x23, x1
    mov x10, \\r
    bl word
    .endr
    br x25
word:
    mov x11, #8
2:  strb w10, [x24]
    lsr x10, x10, #8
    subs x11, x11, #1
    b.ne 2b
    ret
${vectors(1)}${vectors(2)}${vectors(3)}
`);
}

/** What the program printed. */
export function el3Outcomes(printed: Uint8Array, cases: readonly El3Case[]): El3Outcome[] {
  const out = Buffer.from(printed);
  if (out.length !== cases.length * WORDS * 8)
    throw new Error(`${out.length} bytes printed for ${cases.length} cases: it stopped in one of them`);
  return cases.map((_, n) => {
    const word = (i: number): bigint => out.readBigUInt64LE((n * WORDS + i) * 8);
    const where = Number(word(0));
    const [esr, elr, spsr, far, x1] = [1, 2, 3, 4, 5].map(word) as [bigint, bigint, bigint, bigint, bigint];
    return { level: where & 0xff, vector: where >> 8, esr, elr, spsr, far, x1 };
  });
}

/** The cases whose outcomes differ, in words. */
export function differences(
  cases: readonly El3Case[],
  here: readonly El3Outcome[],
  there: readonly El3Outcome[],
): string[] {
  const show = (o: El3Outcome | undefined): string =>
    Object.entries(o ?? {})
      .map(([k, v]) => `${k} ${(v as number | bigint).toString(16)}`)
      .join(', ');
  return cases.flatMap((c, n) => {
    const [a, b] = [show(here[n]), show(there[n])];
    return a === b
      ? []
      : [`${n} ${c.name} (after ${cases[n - 1]?.name ?? 'nothing'}):\n  here  ${a}\n  QEMU  ${b}`];
  });
}

/** The cases on QEMU. */
export const el3OnQemu = (image: Uint8Array, cases: readonly El3Case[], cpu: string): El3Outcome[] =>
  el3Outcomes(qemuOutput(image, { cpus: 1, cpu, more: ['-machine', 'its=off,secure=on'] }), cases);
