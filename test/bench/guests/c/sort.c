// Quicksort with insertion sort for what is short, and binary searches in the result.
#include "bench.h"

#define N 20000
static u32 *values, *copy;

static void sort(u32 *v, i64 low, i64 high) {
  while (high - low > 12) {
    u32 pivot = v[(low + high) / 2];
    i64 i = low, j = high;
    while (i <= j) {
      while (v[i] < pivot) i++;
      while (v[j] > pivot) j--;
      if (i <= j) {
        u32 t = v[i];
        v[i++] = v[j];
        v[j--] = t;
      }
    }
    if (j - low < high - i) {
      sort(v, low, j);
      low = i;
    } else {
      sort(v, i, high);
      high = j;
    }
  }
  for (i64 i = low + 1; i <= high; i++) {
    u32 x = v[i];
    i64 j = i - 1;
    for (; j >= low && v[j] > x; j--) v[j + 1] = v[j];
    v[j + 1] = x;
  }
}

void prepare(u64 rounds) {
  (void)rounds;
  u64 r = 1234567;
  values = allocate(N * 4);
  copy = allocate(N * 4);
  for (int i = 0; i < N; i++) values[i] = next_random(&r) >> 20;
}

u64 work(u64 rounds) {
  u64 sum = 0;
  for (u64 round = 0; round < rounds; round++) {
    for (int i = 0; i < N; i++) copy[i] = values[i] ^ (u32)round;
    sort(copy, 0, N - 1);
    for (u64 i = 0; i < N / 4; i++) {
      u32 wanted = values[i];
      u64 low = 0, high = N;
      while (low < high) {
        u64 mid = (low + high) / 2;
        if (copy[mid] < wanted) low = mid + 1;
        else high = mid;
      }
      sum += low;
    }
    sum = mix(sum, copy[round % N]);
  }
  return sum;
}
