// The Mandelbrot set: scalar double with comparisons and conversions.
#include "bench.h"

#define SIZE 64

void prepare(u64 rounds) {
  (void)rounds;
}

u64 work(u64 rounds) {
  u64 sum = 0;
  for (u64 round = 0; round < rounds; round++)
    for (int row = 0; row < SIZE; row++)
      for (int column = 0; column < SIZE; column++) {
        double cx = column * (3.0 / SIZE) - 2.1 + (double)(round & 7) * 0x1p-10, cy = row * (2.5 / SIZE) - 1.2;
        double x = 0, y = 0, xx = 0, yy = 0;
        u32 n = 0;
        while (n < 60 && xx + yy < 4.0) {
          y = 2 * x * y + cy;
          x = xx - yy + cx;
          xx = x * x;
          yy = y * y;
          n++;
        }
        sum = sum * 3 + n + (u64)(i64)(x * 16);
      }
  return sum;
}
