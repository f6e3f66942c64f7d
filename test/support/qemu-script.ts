/**
 * Runs a list of bus and system register accesses on QEMU's `virt` board at EL2 or EL1 and returns what was read: an
 * oracle for device models. The list becomes a straight-line program, assembled by the GNU toolchain.
 */
import assert, { AssertionError } from 'node:assert/strict';
import { gnuProgram, qemuOutput, type QemuMachine } from './qemu-program';

/** The tools that runOnQemu needs, for requireTool. */
export const scriptTools = ['qemu-system-aarch64', 'aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld'];

export type ScriptOp =
  | { readonly op: 'read'; readonly at: bigint; readonly bytes: 1 | 2 | 4 | 8 }
  | { readonly op: 'write'; readonly at: bigint; readonly bytes: 1 | 2 | 4 | 8; readonly value: bigint }
  // Waits until a device of QEMU's, which works beside the CPU, has made memory or a register equal to a value.
  | { readonly op: 'await'; readonly at: bigint; readonly bytes: 1 | 2 | 4 | 8; readonly value: bigint }
  // el 1: executed by a guest at EL1, to which the EL2 program drops for it.
  | { readonly op: 'mrs'; readonly reg: string; readonly el?: 1 }
  | { readonly op: 'msr'; readonly reg: string; readonly value: bigint; readonly el?: 1 }
  | { readonly op: 'call'; readonly conduit: 'hvc' | 'smc'; readonly args: readonly bigint[] };

const load = { 1: 'ldrb w1, [x0]', 2: 'ldrh w1, [x0]', 4: 'ldr w1, [x0]', 8: 'ldr x1, [x0]' } as const;
const store = { 1: 'strb w1, [x0]', 2: 'strh w1, [x0]', 4: 'str w1, [x0]', 8: 'str x1, [x0]' } as const;

const keep = 'str x1, [x20], #8';

/** Executes one instruction at EL1, interrupts masked, and comes back by HVC. */
function atEl1(instruction: string): string[] {
  return [
    'adr x16, 9f',
    'msr elr_el2, x16',
    'mov x16, #0x3c5',
    'msr spsr_el2, x16',
    'eret',
    `9: ${instruction}`,
    'isb',
    'hvc #1',
  ];
}

function lines(o: ScriptOp): string[] {
  switch (o.op) {
    case 'read':
      return [`ldr x0, =${o.at}`, load[o.bytes], keep];
    case 'write':
      return [`ldr x0, =${o.at}`, `ldr x1, =${BigInt.asUintN(64, o.value)}`, store[o.bytes], 'dsb sy'];
    case 'await':
      return [
        `ldr x0, =${o.at}`,
        `ldr x3, =${o.value}`,
        'ldr x2, =20000000',
        `7: ${load[o.bytes]}`,
        'cmp x1, x3',
        'b.eq 8f',
        'subs x2, x2, #1',
        'b.ne 7b',
        '8: dmb sy',
      ];
    case 'mrs':
      return ['isb', ...(o.el === 1 ? atEl1(`mrs x1, ${o.reg}`) : [`mrs x1, ${o.reg}`]), keep];
    case 'msr':
      return [
        `ldr x1, =${BigInt.asUintN(64, o.value)}`,
        ...(o.el === 1 ? atEl1(`msr ${o.reg}, x1`) : [`msr ${o.reg}, x1`, 'isb']),
      ];
    case 'call':
      return [
        ...o.args.map((a, n) => `ldr x${n}, =${BigInt.asUintN(64, a)}`),
        `${o.conduit} #0`,
        'mov x1, x0',
        keep,
      ];
  }
}

const readsOf = (ops: readonly ScriptOp[]): number =>
  ops.filter((o) => o.op === 'read' || o.op === 'mrs' || o.op === 'call').length;

/** The program that executes the operations, prints what was read and powers the machine off. */
export function scriptImage(ops: readonly ScriptOp[], el2: boolean): Uint8Array {
  const reads = readsOf(ops);
  const el = el2 ? 'el2' : 'el1';
  const conduit = el2 ? 'smc' : 'hvc';
  const source = `
    .arch armv8-a+crc
    .globl _start
_start: adr x0, vectors
    msr vbar_${el}, x0
    adrp x20, results
    mov x19, x20
    mov x21, #0
    b 1f
    .ltorg
1:
${ops
  .map((o, i) =>
    [...lines(o).map((l) => `    ${l}`), i % 32 === 31 ? `    b 2f\n    .ltorg\n2:` : ''].join('\n'),
  )
  .join('\n')}
    ldr x0, =0x09000000
    mov x2, #0x301
    str w2, [x0, #0x30]     // UART on, loop-back off
    mov x3, #0x70
    str w3, [x0, #0x2c]
    mov x2, #0
3:  ldrb w1, [x19, x2]
    strb w1, [x0]
    add x2, x2, #1
    ldr x18, =${reads * 8}
    cmp x2, x18
    b.lo 3b
    adrp x19, faults
    mov x2, #0
4:  ldrb w1, [x19, x2]
    strb w1, [x0]
    add x2, x2, #1
    ldr x18, =${reads}
    cmp x2, x18
    b.lo 4b
    ldr x0, =0x84000008
    ${conduit} #0
    b .
    .ltorg
    .balign 2048
vectors:
    .rept 16
    .balign 128
    b handler
    .endr
    // A synchronous exception: mark the next result as an abort and go on after the instruction.
handler:
${
  el2
    ? `    mrs x16, esr_el2
    lsr x16, x16, #26
    cmp x16, #0x16
    b.ne 5f
    mov x16, #0x3c9         // HVC: go on at EL2
    msr spsr_el2, x16
    eret
5:`
    : ''
}
    mrs x16, elr_${el}
    add x16, x16, #4
    msr elr_${el}, x16
    adrp x16, faults
    adrp x17, results
    sub x17, x20, x17
    lsr x17, x17, #3
    add x16, x16, x17
    mov w17, #1
    strb w17, [x16]
    eret
    .section .data
    .balign 4096
results: .space ${reads * 8 + 8}
    .balign 4096
faults: .space ${reads + 8}
`;
  return gnuProgram(source);
}

/** The values that the program of scriptImage left as the last thing it printed. */
export function scriptResults(printed: Uint8Array, ops: readonly ScriptOp[]): (bigint | 'abort')[] {
  const reads = readsOf(ops);
  const out = Buffer.from(printed.subarray(printed.length - reads * 9));
  return Array.from({ length: reads }, (_, i) =>
    out[reads * 8 + i] ? ('abort' as const) : out.readBigUInt64LE(i * 8),
  );
}

export type ScriptMachine = Omit<QemuMachine, 'cpus'> & { readonly el2: boolean; readonly smp?: number };

/**
 * Executes the operations and returns one value for each read, mrs and call, in order. An access that aborts or a
 * register that does not exist gives the string 'abort' in its place.
 */
export function runOnQemu(ops: readonly ScriptOp[], machine: ScriptMachine): (bigint | 'abort')[] {
  const { el2, smp = 1 } = machine;
  return scriptResults(qemuOutput(scriptImage(ops, el2), { ...machine, cpus: smp }), ops);
}

const show = (v: bigint | 'abort' | undefined): string =>
  typeof v === 'bigint' ? `0x${v.toString(16)}` : String(v);

/** Compares what was read here with QEMU, one by one; on a difference the message has the operations before it. */
export function compareWithQemu(
  ops: readonly ScriptOp[],
  ours: readonly (bigint | 'abort')[],
  machine: ScriptMachine,
  what: string,
): void {
  const theirs = runOnQemu(ops, machine);
  const history: string[] = [];
  let n = 0;
  for (const o of ops) {
    const where = 'reg' in o ? o.reg : 'at' in o ? `${o.bytes} bytes at 0x${o.at.toString(16)}` : o.conduit;
    if (o.op === 'write' || o.op === 'msr' || o.op === 'await') {
      history.push(`${o.op} ${where} ${show(o.value)}`);
      continue;
    }
    const [mine, qemus] = [ours[n], theirs[n]];
    n++;
    history.push(`${o.op} ${where} -> ${show(mine)}`);
    if (mine !== qemus)
      throw new AssertionError({
        message: `${what}: ours ${show(mine)}, QEMU ${show(qemus)}, after\n${history.slice(-30).join('\n')}`,
      });
  }
  assert.equal(n, theirs.length);
}
