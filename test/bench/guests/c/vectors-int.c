// Loops over arrays of integers that the compiler turns into vector code. KERNEL is the one that is built.
#include "bench.h"

#define N 4096
static u8 bytes[N + 16], other[N + 16], out[N + 16];
static i16 shorts[N], factors[N];
static i32 words[N], more[N];

#define SUM 1
#define BLUR 2
#define MINMAX 3
#define DIFFERENCES 4
#define PRODUCTS 5
#define BLEND 6

static __attribute__((noinline)) u64 kernel(u32 round) {
#if KERNEL == SUM
  u32 sum = 0;
  for (int i = 0; i < N; i++) sum += bytes[i];
  return sum + round;
#elif KERNEL == BLUR
  for (int i = 1; i < N - 1; i++) out[i] = (bytes[i - 1] + 2 * bytes[i] + bytes[i + 1] + 2) >> 2;
  return out[round % N];
#elif KERNEL == MINMAX
  i32 low = 0x7fffffff, high = -low, clipped = 0;
  for (int i = 0; i < N; i++) {
    i32 x = words[i];
    low = x < low ? x : low;
    high = x > high ? x : high;
    clipped += x > more[i] ? more[i] : x;
  }
  return (u64)(u32)low * 3 + (u32)high + (u32)clipped;
#elif KERNEL == DIFFERENCES
  u32 sum = 0;
  for (int i = 0; i < N; i++) {
    int d = bytes[i] - other[i];
    sum += d < 0 ? -d : d;
  }
  return sum;
#elif KERNEL == PRODUCTS
  i32 sum = 0;
  for (int i = 0; i < N; i++) sum += shorts[i] * factors[i];
  return (u32)sum;
#elif KERNEL == BLEND
  for (int i = 0; i < N; i++) {
    u32 x = words[i], y = more[i];
    words[i] = ((x & 0x00ff00ff) + (y >> 3 & 0x001f001f)) ^ (x << 7 | y >> 25);
  }
  return words[round % N];
#endif
}

void prepare(u64 rounds) {
  (void)rounds;
  u64 r = 31337;
  for (int i = 0; i < N; i++) {
    u64 x = next_random(&r);
    bytes[i] = x;
    other[i] = x >> 8;
    shorts[i] = x >> 16;
    factors[i] = x >> 32;
    words[i] = x >> 13;
    more[i] = x >> 29;
  }
}

u64 work(u64 rounds) {
  u64 sum = 0;
  for (u64 round = 0; round < rounds * 16; round++) {
    sum = mix(sum, kernel(round));
    bytes[round % N] += (u8)sum;
    shorts[round % N] ^= (i16)sum;
    words[round % N] += (i32)(sum >> 40);
  }
  return sum;
}
