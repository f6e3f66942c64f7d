// The spectral norm of a matrix that is computed element by element: scalar double, mostly divisions.
#include "bench.h"

#define N 100
static double u[N], v[N], t[N];

static double element(int i, int j) {
  return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1);
}

static void times(const double *from, double *to, int transposed) {
  for (int i = 0; i < N; i++) {
    double sum = 0;
    for (int j = 0; j < N; j++) sum += (transposed ? element(j, i) : element(i, j)) * from[j];
    to[i] = sum;
  }
}

void prepare(u64 rounds) {
  (void)rounds;
  for (int i = 0; i < N; i++) u[i] = 1.0 + i * 0x1p-10;
}

u64 work(u64 rounds) {
  double vbv = 0, vv = 0;
  for (u64 i = 0; i < rounds; i++) {
    times(u, t, 0);
    times(t, v, 1);
    times(v, t, 0);
    times(t, u, 1);
    vbv = vv = 0;
    for (int j = 0; j < N; j++) {
      vbv += u[j] * v[j];
      vv += v[j] * v[j];
    }
    // Else the vectors grow in each round.
    double scale = 1.0 / __builtin_sqrt(vv);
    for (int j = 0; j < N; j++) u[j] *= scale;
  }
  return mix_double(0, __builtin_sqrt(vbv / vv));
}
