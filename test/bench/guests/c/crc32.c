// CRC-32 and CRC-32C with the instructions, by doublewords and by bytes.
#include "bench.h"
#include <arm_acle.h>

#define BYTES 65536
static u64 data[BYTES / 8];

void prepare(u64 rounds) {
  (void)rounds;
  u64 r = 32;
  for (int i = 0; i < BYTES / 8; i++) data[i] = next_random(&r);
}

u64 work(u64 rounds) {
  u32 crc = ~0u, crcc = ~0u;
  for (u64 round = 0; round < rounds; round++) {
    for (int i = 0; i < BYTES / 8; i++) crc = __crc32d(crc, data[i]);
    for (int i = 0; i < BYTES / 8; i++) crcc = __crc32cd(crcc, data[i]);
    const u8 *byte = (const u8 *)data;
    for (int i = 0; i < BYTES / 16; i++) crc = __crc32b(crc, byte[i]);
    for (int i = 0; i < BYTES / 32; i++) crcc = __crc32cw(crcc, (u32)data[i]);
  }
  return (u64)crc << 32 | crcc;
}
