// A short function that is called in a loop: where a conditional breakpoint is set that never holds.
#include "bench.h"

__attribute__((noinline, noclone)) u64 step(u64 n) {
  return n * 3 ^ n >> 5;
}

void prepare(u64 rounds) {
  (void)rounds;
}

u64 work(u64 rounds) {
  u64 sum = 0;
  for (u64 i = 0; i < rounds * 1000; i++) sum = mix(sum, step(i));
  return sum;
}
