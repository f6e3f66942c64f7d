// AES-128 in counter mode with the instructions (Arm ARM DDI 0487 C7: AESE, AESMC).
#include "bench.h"
#include <arm_neon.h>

#define BLOCKS 256
static u8 data[BLOCKS][16];
static uint8x16_t keys[11];

// The S-box of one word by AESE with a zero key, whose ShiftRows moves nothing when all columns are equal.
static u32 substitute(u32 word) {
  uint8x16_t all = vreinterpretq_u8_u32(vdupq_n_u32(word));
  return vgetq_lane_u32(vreinterpretq_u32_u8(vaeseq_u8(all, vdupq_n_u8(0))), 0);
}

void prepare(u64 rounds) {
  (void)rounds;
  u64 r = 8;
  u32 w[44];
  for (int i = 0; i < 4; i++) w[i] = next_random(&r);
  u32 constant = 1;
  for (int i = 4; i < 44; i++) {
    u32 t = w[i - 1];
    if (i % 4 == 0) {
      t = substitute(t);
      t = (t >> 8 | t << 24) ^ constant;
      constant = constant << 1 ^ (constant & 0x80 ? 0x11b : 0);
    }
    w[i] = w[i - 4] ^ t;
  }
  for (int i = 0; i < 11; i++) keys[i] = vreinterpretq_u8_u32(vld1q_u32(&w[4 * i]));
  for (int i = 0; i < BLOCKS; i++)
    for (int j = 0; j < 16; j++) data[i][j] = next_random(&r);
}

u64 work(u64 rounds) {
  uint64x2_t counter = vdupq_n_u64(1);
  for (u64 round = 0; round < rounds; round++)
    for (int i = 0; i < BLOCKS; i++) {
      uint8x16_t b = vreinterpretq_u8_u64(counter);
      for (int k = 0; k < 9; k++) b = vaesmcq_u8(vaeseq_u8(b, keys[k]));
      b = veorq_u8(vaeseq_u8(b, keys[9]), keys[10]);
      vst1q_u8(data[i], veorq_u8(vld1q_u8(data[i]), b));
      counter = vaddq_u64(counter, vsetq_lane_u64(1, vdupq_n_u64(0), 1));
    }
  uint8x16_t sum = vdupq_n_u8(0);
  for (int i = 0; i < BLOCKS; i++) sum = vextq_u8(sum, veorq_u8(sum, vld1q_u8(data[i])), 1);
  return vgetq_lane_u64(vreinterpretq_u64_u8(sum), 0) ^ vgetq_lane_u64(vreinterpretq_u64_u8(sum), 1);
}
