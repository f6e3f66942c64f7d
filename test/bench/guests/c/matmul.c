// Multiplication of matrices of REAL, which the build chooses: scalar or vectors, fused or not, as the flags say.
#include "bench.h"

#ifndef REAL
#define REAL double
#endif
#define N 96
static REAL a[N][N], b[N][N], c[N][N];

void prepare(u64 rounds) {
  (void)rounds;
  u64 r = 987;
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      a[i][j] = (REAL)(i32)(next_random(&r) >> 33) * (REAL)0x1p-31;
      b[i][j] = (REAL)(i32)(next_random(&r) >> 33) * (REAL)0x1p-31 - (REAL)0.5;
    }
}

u64 work(u64 rounds) {
  for (u64 round = 0; round < rounds; round++) {
    for (int i = 0; i < N; i++) {
      for (int j = 0; j < N; j++) c[i][j] = 0;
      for (int k = 0; k < N; k++) {
        REAL x = a[i][k];
        for (int j = 0; j < N; j++) c[i][j] += x * b[k][j];
      }
    }
    a[round % N][3] = c[2][round % N] * (REAL)0.01;
  }
  u64 sum = 0;
  for (int i = 0; i < N; i++) sum = mix_double(sum, c[i][i]);
  return sum;
}
