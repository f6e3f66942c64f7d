/** The programs in C that the translator is measured with: what is built how, and how much of it a run does. */

export interface GuestProgram {
  /** `row/what`. */
  readonly name: string;
  /** In guests/c. */
  readonly source: string;
  readonly flags: readonly string[];
  /** Work of a measured run: QEMU takes 2.5 to 3.5 s of CPU time for it on the machine where this was written, so that getting ready counts little. */
  readonly rounds: number;
}

export interface Row {
  readonly name: string;
  readonly what: string;
  /** Ours / QEMU, at least. */
  readonly bar: number;
}

/** Rows of programs, in the order of the table. */
export const rows: readonly Row[] = [
  { name: 'integer', what: 'integer work at EL0 under the MMU', bar: 1 },
  { name: 'data', what: 'memcpy, pointer chase over 64 MB, hash table', bar: 1 },
  { name: 'calls', what: 'recursion, indirect calls, an interpreter in C', bar: 1.5 },
  { name: 'double', what: 'scalar double: nbody, spectral norm, matrices', bar: 4 },
  { name: 'neon', what: 'vector code by the compiler', bar: 4 },
  { name: 'crypto', what: 'AES, SHA-256, CRC-32 with the instructions', bar: 1 },
  { name: 'beside', what: 'literal and counter in one page with the code', bar: 20 },
];

const program = (name: string, source: string, flags: string, rounds: number): GuestProgram => ({
  ...{ name, source, rounds },
  flags: flags.split(' '),
});

const scalar = '-fno-tree-vectorize -fno-math-errno';
const noFma = '-ffp-contract=off';

export const programs: readonly GuestProgram[] = [
  program('integer/mix-O2', 'mix.c', '-O2', 20400),
  program('integer/mix-Os', 'mix.c', '-Os', 14000),
  program('integer/sort', 'sort.c', '-O3', 760),
  program('integer/numbers', 'numbers.c', '-O2', 4800),
  program('data/memcpy', 'memcpy.c', '-O2', 2360),
  program('data/chase', 'chase.c', '-O2', 5600),
  program('data/hash', 'hash.c', '-Os', 7200),
  program('calls/recursion', 'recursion.c', '-O2', 6800),
  program('calls/indirect', 'indirect.c', '-O3', 10400),
  program('calls/switch-O2', 'interpreter.c', '-O2', 2440),
  program('calls/switch-Os', 'interpreter.c', '-Os', 2440),
  program('double/nbody', 'nbody.c', `-O2 ${scalar}`, 11200),
  program('double/spectral', 'spectral.c', `-O2 ${scalar}`, 4400),
  program('double/matrix-fma', 'matmul.c', `-O3 ${scalar}`, 312),
  program('double/matrix', 'matmul.c', `-O2 ${scalar} ${noFma}`, 264),
  program('double/mandelbrot', 'mandelbrot.c', `-Os ${noFma}`, 840),
  program('neon/sum', 'vectors-int.c', '-O3 -DKERNEL=SUM', 25600),
  program('neon/blur', 'vectors-int.c', '-O3 -DKERNEL=BLUR', 14800),
  program('neon/minmax', 'vectors-int.c', '-O3 -DKERNEL=MINMAX', 16800),
  program('neon/differences', 'vectors-int.c', '-O3 -funroll-loops -DKERNEL=DIFFERENCES', 24400),
  program('neon/products', 'vectors-int.c', '-O3 -DKERNEL=PRODUCTS', 20000),
  program('neon/blend', 'vectors-int.c', '-O2 -ftree-vectorize -DKERNEL=BLEND', 10000),
  program('neon/saxpy', 'vectors-float.c', `-O3 ${noFma} -DKERNEL=SAXPY`, 4800),
  program('neon/saxpy-fma', 'vectors-float.c', '-O3 -DKERNEL=SAXPY', 4400),
  program('neon/dot', 'vectors-float.c', '-O3 -ffast-math -DKERNEL=DOT', 6000),
  program('neon/polynomial', 'vectors-float.c', `-O3 ${noFma} -funroll-loops -DKERNEL=POLYNOMIAL`, 1640),
  program('neon/limits', 'vectors-float.c', `-O3 ${noFma} -fno-trapping-math -DKERNEL=LIMITS`, 920),
  program('neon/matrix-f32', 'matmul.c', '-O3 -DREAL=float', 312),
  program('neon/matrix-f64', 'matmul.c', `-O3 ${noFma}`, 376),
  program('crypto/aes', 'aes.c', '-O2 -march=armv8-a+crypto', 24800),
  program('crypto/sha256', 'sha256.c', '-O2 -march=armv8-a+crypto', 39200),
  program('crypto/crc32', 'crc32.c', '-O3 -march=armv8-a+crc', 6400),
  program('beside/counter', 'beside.S', '-O2', 72000),
];

/** For a breakpoint with a condition, in `step`. */
export const CALLED = program('condition/called', 'called.c', '-O2', 1);

/** The row that a program belongs to. */
export const rowOf = ({ name }: GuestProgram): string => name.split('/')[0]!;
