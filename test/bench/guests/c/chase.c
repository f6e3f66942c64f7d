// A chase of pointers over 64 MB: one random cycle through all cache lines.
#include "bench.h"


typedef struct Line {
  struct Line *next;
  u64 value;
  u64 rest[6];
} Line;

static Line *lines;

void prepare(u64 rounds) {
  // 64 MB, or 64 KB where there is little to do.
  u64 count = (rounds < 16 ? 64ul << 10 : 64ul << 20) / sizeof(Line);
  u64 r = 2463534242ul;
  lines = allocate(count * sizeof(Line));
  u32 *order = allocate(count * 4);
  for (u64 i = 0; i < count; i++) order[i] = i;
  for (u64 i = count - 1; i > 0; i--) {
    u64 j = next_random(&r) % (i + 1);
    u32 t = order[i];
    order[i] = order[j];
    order[j] = t;
  }
  for (u64 i = 0; i < count; i++) {
    lines[order[i]].next = &lines[order[(i + 1) % count]];
    lines[order[i]].value = i * 7;
  }
}

u64 work(u64 rounds) {
  u64 sum = 0;
  Line *p = lines;
  for (u64 i = 0; i < rounds * 1024; i++) {
    sum += p->value;
    p = p->next;
  }
  return mix(sum, p->value);
}
