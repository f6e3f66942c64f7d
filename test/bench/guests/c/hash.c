// A hash table with open addressing over 16 MB: insertions, searches that find and that do not, removals.
#include "bench.h"

#define SLOTS (1ul << 20)
#define MANY (SLOTS / 2)
#define GONE 1ul

typedef struct {
  u64 key, value;
} Slot;

static Slot *slots;

static u64 place(u64 key) {
  return key * 0x9e3779b97f4a7c15ul >> 44;
}

static Slot *find(u64 key) {
  for (u64 i = place(key);; i = (i + 1) & (SLOTS - 1)) {
    if (slots[i].key == key) return &slots[i];
    if (slots[i].key == 0) return 0;
  }
}

static void insert(u64 key, u64 value) {
  Slot *known = find(key);
  if (known) {
    known->value += value;
    return;
  }
  u64 i = place(key);
  while (slots[i].key > GONE) i = (i + 1) & (SLOTS - 1);
  slots[i] = (Slot){key, value};
}

void prepare(u64 rounds) {
  (void)rounds;
  u64 r = 55;
  slots = allocate(SLOTS * sizeof(Slot));
  for (u64 i = 0; i < MANY / 2; i++) insert(next_random(&r) % (MANY * 2) + 2, i);
}

u64 work(u64 rounds) {
  u64 r = 77, sum = 0;
  for (u64 i = 0; i < rounds * 1024; i++) {
    u64 x = next_random(&r), key = x % (MANY * 2) + 2;
    Slot *s = find(key);
    if (s) sum += s->value;
    if ((x >> 60) == 0) insert(key, i);
    else if ((x >> 60) == 1 && s) s->key = GONE;
  }
  return sum;
}
