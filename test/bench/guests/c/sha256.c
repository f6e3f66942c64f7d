// SHA-256 with the instructions (FIPS 180-4; Arm ARM DDI 0487 C7: SHA256H, SHA256H2, SHA256SU0, SHA256SU1).
#include "bench.h"
#include <arm_neon.h>

#define BLOCKS 64
static u32 constants[64];
static u8 data[BLOCKS * 64];
static u32 state[8];

// The first 32 bits of the fraction of a root of a prime: cube root, or square root.
static u32 fraction(u32 prime, int cube) {
  unsigned __int128 wanted = cube ? (unsigned __int128)prime << 96 : (unsigned __int128)prime << 64;
  u64 low = 0, high = 1ul << 36;
  while (high - low > 1) {
    u64 mid = (low + high) / 2;
    unsigned __int128 power = (unsigned __int128)mid * mid * (cube ? mid : 1);
    if (power <= wanted) low = mid;
    else high = mid;
  }
  return low;
}

void prepare(u64 rounds) {
  (void)rounds;
  u64 r = 256;
  for (u32 prime = 2, n = 0; n < 64; prime++) {
    int composite = 0;
    for (u32 d = 2; d * d <= prime; d++) composite |= prime % d == 0;
    if (composite) continue;
    constants[n] = fraction(prime, 1);
    if (n < 8) state[n] = fraction(prime, 0);
    n++;
  }
  for (u32 i = 0; i < sizeof data; i++) data[i] = next_random(&r);
}

static void block(const u8 *at) {
  uint32x4_t abcd = vld1q_u32(state), efgh = vld1q_u32(state + 4), w[4];
  uint32x4_t first = abcd, second = efgh;
  for (int i = 0; i < 4; i++) w[i] = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(at + 16 * i)));
  for (int i = 0; i < 16; i++) {
    uint32x4_t keyed = vaddq_u32(w[i & 3], vld1q_u32(constants + 4 * i));
    uint32x4_t old = abcd;
    abcd = vsha256hq_u32(abcd, efgh, keyed);
    efgh = vsha256h2q_u32(efgh, old, keyed);
    if (i < 12) w[i & 3] = vsha256su1q_u32(vsha256su0q_u32(w[i & 3], w[(i + 1) & 3]), w[(i + 2) & 3], w[(i + 3) & 3]);
  }
  vst1q_u32(state, vaddq_u32(first, abcd));
  vst1q_u32(state + 4, vaddq_u32(second, efgh));
}

u64 work(u64 rounds) {
  for (u64 round = 0; round < rounds; round++)
    for (int i = 0; i < BLOCKS; i++) block(data + 64 * i);
  u64 sum = 0;
  for (int i = 0; i < 8; i++) sum = mix(sum, state[i]);
  return sum;
}
