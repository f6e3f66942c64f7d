// A chase of pointers over 64 MB: one random cycle through all cache lines.
#include "bench.h"

#define LINES ((64ul << 20) / 64)

typedef struct Line {
  struct Line *next;
  u64 value;
  u64 rest[6];
} Line;

static Line *lines;

void prepare(void) {
  u64 r = 2463534242ul;
  lines = allocate(LINES * sizeof(Line));
  u32 *order = allocate(LINES * 4);
  for (u64 i = 0; i < LINES; i++) order[i] = i;
  for (u64 i = LINES - 1; i > 0; i--) {
    u64 j = next_random(&r) % (i + 1);
    u32 t = order[i];
    order[i] = order[j];
    order[j] = t;
  }
  for (u64 i = 0; i < LINES; i++) {
    lines[order[i]].next = &lines[order[(i + 1) % LINES]];
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
