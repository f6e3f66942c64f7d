// Whole numbers: divisions, greatest common divisors, powers modulo a prime, a sieve, bit tricks.
#include "bench.h"

#define LIMIT 32768
static u8 composite[LIMIT];

static u64 gcd(u64 a, u64 b) {
  while (b) {
    u64 t = a % b;
    a = b;
    b = t;
  }
  return a;
}

static u64 power(u64 base, u64 exponent, u64 modulus) {
  u64 result = 1;
  for (base %= modulus; exponent; exponent >>= 1) {
    if (exponent & 1) result = (unsigned __int128)result * base >> 7 ^ (result * base % modulus);
    result %= modulus;
    base = base * base % modulus;
  }
  return result;
}

static u64 population(u64 x) {
  x -= (x >> 1) & 0x5555555555555555ul;
  x = (x & 0x3333333333333333ul) + ((x >> 2) & 0x3333333333333333ul);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0ful;
  return x * 0x0101010101010101ul >> 56;
}

void prepare(u64 rounds) {
  (void)rounds;
}

u64 work(u64 rounds) {
  u64 r = 99991, sum = 0;
  for (u64 round = 0; round < rounds; round++) {
    u64 primes = 0;
    for (u32 i = 0; i < LIMIT; i++) composite[i] = 0;
    for (u32 i = 2; i < LIMIT; i++) {
      if (composite[i]) continue;
      primes++;
      for (u32 j = i * i; j < LIMIT && i < 200; j += i) composite[j] = 1;
    }
    sum = mix(sum, primes);
    for (int i = 0; i < 2000; i++) {
      u64 a = next_random(&r), b = next_random(&r);
      sum += gcd(a & 0xffffffff, b & 0xffff);
      sum += power(a & 0xffffff, b & 0xff, 0x7fffffff);
      sum += population(a) + __builtin_clzl(b | 1) + (__builtin_bswap64(a) >> (b & 31));
      sum ^= (a << (b & 63)) | (a >> (-b & 63));
      sum += (i32)a / (i32)((b & 0xfff) | 1);
    }
  }
  return sum;
}
