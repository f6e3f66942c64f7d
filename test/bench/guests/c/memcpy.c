// Copies, comparisons and fills of many lengths, aligned and not, as a C library makes them.
#include "bench.h"

#define BYTES (1ul << 20)
static u8 *from, *to;

static __attribute__((noinline)) void copy(u8 *restrict t, const u8 *restrict f, u64 n) {
  struct Block {
    u64 word[4];
  };
  for (; n >= 64; n -= 64, t += 64, f += 64) {
    struct Block x, y;
    __builtin_memcpy(&x, f, 32);
    __builtin_memcpy(&y, f + 32, 32);
    __builtin_memcpy(t, &x, 32);
    __builtin_memcpy(t + 32, &y, 32);
  }
  for (; n >= 8; n -= 8, t += 8, f += 8) __builtin_memcpy(t, f, 8);
  while (n--) {
    *t++ = *f++;
    HIDE(n);
  }
}

static __attribute__((noinline)) u64 compare(const u8 *a, const u8 *b, u64 n) {
  u64 i = 0;
  for (; i + 8 <= n; i += 8) {
    u64 x, y;
    __builtin_memcpy(&x, a + i, 8);
    __builtin_memcpy(&y, b + i, 8);
    if (x != y) return i + __builtin_ctzl(x ^ y) / 8;
  }
  while (i < n && a[i] == b[i]) i++;
  return i;
}

static __attribute__((noinline)) u64 length(const u8 *s) {
  const u8 *e = s;
  while (*e) e++;
  return e - s;
}

void prepare(u64 rounds) {
  (void)rounds;
  u64 r = 4711;
  from = allocate(BYTES + 4096);
  to = allocate(BYTES + 4096);
  for (u64 i = 0; i < BYTES; i++) from[i] = next_random(&r) >> 30 | 1;
}

u64 work(u64 rounds) {
  u64 sum = 0, r = 31;
  for (u64 round = 0; round < rounds; round++) {
    copy(to, from, BYTES);
    for (int i = 0; i < 400; i++) {
      u64 x = next_random(&r);
      u64 n = (x & 0xfff) >> (x >> 40 & 7), source = x >> 12 & 0x3ffff, target = x >> 44 & 0x3ffff;
      copy(to + target, from + source, n);
      sum += compare(to + target, from + source, n + 64);
      to[target + n + 100] = 0;
      sum += length(to + target + n / 2);
    }
    sum = mix(sum, to[round * 4099 % BYTES]);
  }
  return sum;
}
