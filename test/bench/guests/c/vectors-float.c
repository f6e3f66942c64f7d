// Loops over arrays of floats that the compiler turns into vector code. KERNEL is the one that is built.
#include "bench.h"

#define N 4096
static float x[N], y[N], z[N];

#define SAXPY 1
#define DOT 2
#define POLYNOMIAL 3
#define LIMITS 4

static __attribute__((noinline)) float kernel(float a) {
#if KERNEL == SAXPY
  for (int i = 0; i < N; i++) y[i] = a * x[i] + y[i] * 0.875f;
  return y[17];
#elif KERNEL == DOT
  float sum = 0;
  for (int i = 0; i < N; i++) sum += x[i] * z[i];
  return sum * a;
#elif KERNEL == POLYNOMIAL
  for (int i = 0; i < N; i++) {
    float v = x[i];
    y[i] = (((v * 0.1f - 0.3f) * v + a) * v - 0.7f) * v + 1.25f;
  }
  return y[33];
#elif KERNEL == LIMITS
  for (int i = 0; i < N; i++) {
    float v = x[i] * a, w = z[i];
    v = v > w ? w : v;
    y[i] = (float)(i32)(v * 100.0f) - w / (1.0f + v * v);
  }
  return y[5];
#endif
}

void prepare(u64 rounds) {
  (void)rounds;
  u64 r = 606;
  for (int i = 0; i < N; i++) {
    x[i] = (float)(i32)(next_random(&r) >> 40) * 0x1p-22f - 1.5f;
    y[i] = (float)(i32)(next_random(&r) >> 40) * 0x1p-23f + 0.1f;
    z[i] = (float)(i32)(next_random(&r) >> 40) * 0x1p-21f - 0.7f;
  }
}

u64 work(u64 rounds) {
  u64 sum = 0;
  for (u64 round = 0; round < rounds * 16; round++) {
    float last = kernel(1.0f + (round & 63) * 0x1p-8f);
    sum = mix_float(sum, last);
    x[round % N] = -x[round % N];
  }
  for (int i = 0; i < N; i += 97) sum = mix_float(sum, y[i]);
  return sum;
}
