import * as assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import * as fs from 'node:fs';
import { requireTool } from '../../../test/support/oracles';
import { memorySource } from '../byte-source';
import { SymbolIndex } from '../index';
import { Workshop } from '../testing';
import { littleEndian } from './expression';
import type { FrameReader } from './expression';
import type { CType } from './types';
import { readLocation } from './variables';
import type { Variable } from './variables';

const source = `
enum reason { EXIT_IRQ = 1, EXIT_HVC = 2, EXIT_NEG = 70000 };
typedef unsigned long u64;
struct regs { u64 x[4]; u64 pc; };
struct vcpu {
  struct regs regs;
  enum reason why;
  unsigned int low : 3, mid : 9, high : 20;
  struct vcpu *next;
  short grid[2][3];
};
union word { u64 all; unsigned int half[2]; };
struct vcpu first = { { { 1, 2, 3, 4 }, 0x4000 }, EXIT_HVC, 5, 300, 77777, &first, { { 1, 2, 3 }, { 4, 5, -6 } } };
volatile int sink;

__attribute__((noinline)) int leaf(struct vcpu *v, int depth, const u64 *table)
{
  union word w = { .all = table[1] + depth };
  int sum = depth * 3;
  for (int i = 0; i < 4; i++) {
    u64 part = v->regs.x[i];
    sum += part;
    sink = sum + w.half[0];
  }
  sink = sum; /* stop here */
  return sum + v->low;
}

static inline int twice(int n) { int copy = n + 1; sink = copy; return leaf(&first, copy, first.regs.x) * 2; }

__attribute__((noinline)) int middle(int n, u64 big)
{
  struct vcpu mine = first;
  mine.regs.pc = big;
  mine.why = EXIT_NEG;
  u64 list[3] = { big, big + 1, n };
  sink = mine.regs.pc + list[n & 1];
  int got = twice(n);
  sink = list[n & 1] + mine.grid[1][2];
  return got + leaf(&mine, n, list);
}

void _start(void)
{
  int status = middle(7, 0x123456789abcUL);
  register long x0 asm("x0") = status & 0;
  register long x8 asm("x8") = 93;
  asm volatile("svc #0" : : "r"(x0), "r"(x8));
  __builtin_unreachable();
}
`;

/** The value as gdb prints it with radix 16 and no symbols. */
function format(type: CType, bytes: Uint8Array): string {
  if (type.kind === 'struct' || type.kind === 'union') {
    const parts = type.members().map(({ name, offset, bits, type: inner }) => {
      if (bits === undefined)
        return `${name} = ${format(inner, bytes.subarray(offset, offset + inner.size))}`;
      const word = littleEndian(bytes.subarray(offset, offset + 8)) >> BigInt(bits.at);
      return `${name} = 0x${BigInt.asUintN(bits.width, word).toString(16)}`;
    });
    return `{${parts.join(', ')}}`;
  }
  if (type.kind === 'array') {
    const inner = type.target();
    const parts = Array.from({ length: type.count ?? 0 }, (_, i) =>
      format(inner, bytes.subarray(i * inner.size, (i + 1) * inner.size)),
    );
    return `{${parts.join(', ')}}`;
  }
  const value = littleEndian(bytes.subarray(0, type.size));
  if (type.kind === 'enum') return type.enumerators().find((e) => e.value === value)?.name ?? String(value);
  return `0x${value.toString(16)}`;
}

function show(variable: Variable, frame: FrameReader): string {
  if (variable.location === undefined) return '<optimized out>';
  const bytes = readLocation(variable.location, variable.type.size, frame);
  return bytes === undefined ? '<unreadable>' : format(variable.type, bytes);
}

interface GdbFrame {
  pc: bigint;
  cfa: bigint;
  locals: Map<string, string>;
}

/** Runs the program under qemu's user emulation to the stop line, and lets gdb say what it sees in every frame. */
async function ask(shop: Workshop, breakpoint: string) {
  const socket = shop.path('gdb.sock');
  fs.rmSync(socket, { force: true });
  const qemu: ChildProcess = spawn('qemu-aarch64-static', ['-g', socket, shop.path('p.elf')], {
    stdio: 'ignore',
  });
  try {
    for (let n = 0; n < 3000 && !fs.existsSync(socket); n++)
      await new Promise((done) => setTimeout(done, 20));
    const regs = [...Array.from({ length: 31 }, (_, i) => `x${i}`), 'sp', 'pc'];
    const script = [
      'set pagination off',
      'set width 0',
      'set output-radix 16',
      'set print symbol off',
      'set print repeats unlimited',
      'set print elements unlimited',
      'set print entry-values no',
      'set remotetimeout 60',
      `target remote ${socket}`,
      `break ${breakpoint}`,
      'continue',
      'echo @@regs\\n',
      `printf "${regs.map(() => '%lx').join(' ')}\\n", ${regs.map((r) => `$${r}`).join(', ')}`,
      'dump binary memory stack.bin $sp $sp+2048',
      `dump binary memory data.bin &first (char*)&first+sizeof(first)`,
      'printf "%lx\\n", &first',
      ...[0, 1, 2, 3, 4].flatMap((n) => [
        `echo @@frame\\n`,
        `frame ${n}`,
        'printf "pc %lx\\n", $pc',
        'info frame',
        'info args',
        'info locals',
      ]),
    ];
    shop.write('live', script.join('\n'));
    const printed = await new Promise<string>((resolve, reject) => {
      const gdb = spawn('gdb-multiarch', ['-nx', '-batch', '-x', 'live', 'p.elf'], { cwd: shop.dir });
      let text = '';
      gdb.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
      gdb.on('error', reject);
      gdb.on('close', () => resolve(text));
    });
    const [before = '', ...frames] = printed.split('@@frame\n');
    const [values = '', data = ''] = (before.split('@@regs\n')[1] ?? '').split('\n');
    const list = values.split(' ').map((v) => BigInt(`0x${v}`));
    return {
      registers: list.slice(0, 32),
      pc: list[32] ?? 0n,
      dataAt: BigInt(`0x${data}`),
      stack: shop.read('stack.bin'),
      data: shop.read('data.bin'),
      frames: frames
        .filter((text) => /^pc /m.test(text))
        .map((text): GdbFrame => {
          const locals = new Map<string, string>();
          for (const m of text.matchAll(/^(\w+) = (.*)$/gm))
            if (!locals.has(m[1] ?? '')) locals.set(m[1] ?? '', m[2] ?? '');
          return {
            pc: BigInt(`0x${/^pc ([0-9a-f]+)/m.exec(text)?.[1]}`),
            cfa: BigInt(/frame at (0x[0-9a-f]+)/.exec(text)?.[1] ?? 0),
            locals,
          };
        }),
    };
  } finally {
    qemu.kill();
  }
}

describe('C variables and unwinding against gdb on a running program', () => {
  const variants = ['-gdwarf-2', '-gdwarf-4', '-gdwarf-5'].flatMap((d) =>
    ['-O0', '-O1', '-O2'].map((o) => [d, o]),
  );
  variants.push(['-gdwarf-5', '-O1', '-fomit-frame-pointer', '-fno-asynchronous-unwind-tables']);
  for (const flags of variants) {
    it(flags.join(' '), async function () {
      requireTool(this, 'aarch64-linux-gnu-gcc', 'gdb-multiarch', 'qemu-aarch64-static');
      const shop = new Workshop();
      try {
        shop.write('p.c', source);
        shop.run(
          'aarch64-linux-gnu-gcc',
          ...flags,

          '-nostdlib',
          '-static',
          '-ffreestanding',
          'p.c',
          '-o',
          'p.elf',
        );
        const stopLine = source.split('\n').findIndex((l) => l.includes('stop here')) + 1;
        const seen = await ask(shop, `p.c:${stopLine}`);
        const index = new SymbolIndex();
        index.add({ name: 'p.elf', source: memorySource(shop.read('p.elf')) });
        const sp = seen.registers[31] ?? 0n;
        const piece = (bytes: Uint8Array, start: bigint, address: bigint, length: number) =>
          address >= start && address + BigInt(length) <= start + BigInt(bytes.length)
            ? bytes.subarray(Number(address - start), Number(address - start) + length)
            : undefined;
        let frame: FrameReader = {
          reg: (n) => seen.registers[n],
          mem: (a, n) => piece(seen.stack, sp, a, n) ?? piece(seen.data, seen.dataAt, a, n),
        };
        let pc: bigint | undefined = seen.pc;
        let isCaller = false;
        let compared = 0;
        const names: string[] = [];
        for (let at = 0; at < seen.frames.length && pc !== undefined;) {
          // For a caller the call instruction counts, not the one behind it.
          const place: bigint = isCaller ? pc - 1n : pc;
          const { name = '?', inlined = [] } = index.functionAt(place) ?? {};
          names.push(...inlined.map((c) => c.name), name);
          const theirs = seen.frames[at];
          assert.ok(theirs !== undefined);
          assert.equal(pc, theirs.pc, `pc of frame ${at}`);
          const mine = new Map(index.variablesAt(place, frame).map((v) => [v.name, v]));
          for (const [variable, text] of theirs.locals) {
            const ours = mine.get(variable);
            assert.ok(ours !== undefined, `${variable} in frame ${at}, ${name}`);
            // Values in several pieces and entry values are shown as optimised out, which claims nothing wrong.
            const shown = show(ours, frame);
            if (shown === '<optimized out>' && flags[1] !== '-O0') continue;
            assert.equal(shown, text, `${variable} in frame ${at}, ${name}`);
            compared++;
          }
          // gdb shows an inlined call as a frame of its own, with the same pc.
          at += 1 + inlined.length;
          const caller = index.unwind(place, frame);
          assert.ok(caller !== undefined || name === '_start', `${name} has call frame information`);
          if (caller === undefined || name === '_start') break;
          assert.equal(caller.cfa, theirs.cfa, `CFA of frame ${at}`);
          frame = caller;
          pc = caller.pc;
          isCaller = true;
        }
        assert.deepEqual(names, ['leaf', 'twice', 'middle', '_start']);
        assert.ok(compared >= (flags[1] === '-O0' ? 10 : 4), `only ${compared} values`);
        assert.deepEqual(index.problems(), []);
      } finally {
        shop.close();
      }
    });
  }
});
