// Calls of itself: Fibonacci numbers, Ackermann's function, the towers of Hanoi, queens on a board.
#include "bench.h"

static __attribute__((noinline, noclone)) u64 fib(u64 n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static __attribute__((noinline, noclone)) u64 ackermann(u64 m, u64 n) {
  if (m == 0) return n + 1;
  if (n == 0) return ackermann(m - 1, 1);
  return ackermann(m - 1, ackermann(m, n - 1));
}

static u64 moves;

static __attribute__((noinline, noclone)) void hanoi(int n, int from, int to, int by) {
  if (n == 0) return;
  hanoi(n - 1, from, by, to);
  moves += n * (u64)from + to;
  hanoi(n - 1, by, to, from);
}

static __attribute__((noinline, noclone)) u64 queens(u32 row, u32 columns, u32 left, u32 right, u32 n) {
  if (row == n) return 1;
  u64 count = 0;
  for (u32 free = ~(columns | left | right) & ((1u << n) - 1); free; free &= free - 1) {
    u32 bit = free & -free;
    count += queens(row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1, n);
  }
  return count;
}

void prepare(u64 rounds) {
  (void)rounds;
}

u64 work(u64 rounds) {
  u64 sum = 0;
  for (u64 i = 0; i < rounds; i++) {
    sum = mix(sum, fib(18 + (i & 3)));
    sum = mix(sum, ackermann(2, 40 + (i & 7)));
    hanoi(10, 1, 2, 3);
    sum = mix(sum, moves + queens(0, 0, 0, 0, 7));
  }
  return sum;
}
