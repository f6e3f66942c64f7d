// Calls through tables: methods of shapes, comparisons for a sort, a chain of stages.
#include "bench.h"

typedef struct Shape Shape;
typedef struct {
  u64 (*area)(const Shape *);
  void (*grow)(Shape *, u32);
} Methods;
struct Shape {
  const Methods *methods;
  u32 a, b;
};

static u64 square_area(const Shape *s) { return (u64)s->a * s->a; }
static u64 box_area(const Shape *s) { return (u64)s->a * s->b; }
static u64 ring_area(const Shape *s) { return ((u64)s->a * s->a - (u64)s->b * s->b) * 3; }
static u64 line_area(const Shape *s) { return s->a == 0; }
static void grow_both(Shape *s, u32 n) { s->a += n, s->b += n; }
static void grow_first(Shape *s, u32 n) { s->a = (s->a + n) & 0xffff; }
static void swap_both(Shape *s, u32 n) {
  u32 t = s->a;
  s->a = s->b + n;
  s->b = t;
}

static const Methods kinds[] = {
    {square_area, grow_first}, {box_area, grow_both}, {ring_area, swap_both}, {line_area, grow_first}, {box_area, swap_both},
};

typedef int Compare(const Shape *, const Shape *);
static int by_a(const Shape *x, const Shape *y) { return x->a < y->a ? -1 : x->a > y->a; }
static int by_area(const Shape *x, const Shape *y) {
  u64 p = x->methods->area(x), q = y->methods->area(y);
  return p < q ? -1 : p > q;
}
static Compare *volatile orders[] = {by_a, by_area};

#define SHAPES 256
static Shape shapes[SHAPES];
static Shape *sorted[SHAPES];

static __attribute__((noinline)) void sort(Shape **v, u32 n, Compare *compare) {
  for (u32 gap = n / 2; gap; gap /= 2)
    for (u32 i = gap; i < n; i++) {
      Shape *x = v[i];
      u32 j = i;
      for (; j >= gap && compare(v[j - gap], x) > 0; j -= gap) v[j] = v[j - gap];
      v[j] = x;
    }
}

static u64 add(u64 x, u64 n) { return x + n; }
static u64 turn(u64 x, u64 n) { return x << (n & 31) | x >> (-n & 63); }
static u64 times(u64 x, u64 n) { return x * (n | 1); }
static u64 other(u64 x, u64 n) { return x ^ n; }
static u64 (*volatile stages[])(u64, u64) = {add, turn, times, other, add, other, turn, add};

void prepare(u64 rounds) {
  (void)rounds;
  u64 r = 17;
  for (u32 i = 0; i < SHAPES; i++) {
    u64 x = next_random(&r);
    shapes[i] = (Shape){&kinds[(x >> 50) % 5], x & 0xfff, x >> 12 & 0xff};
    sorted[i] = &shapes[i];
  }
}

u64 work(u64 rounds) {
  u64 sum = 0;
  for (u64 round = 0; round < rounds; round++) {
    for (u32 i = 0; i < SHAPES; i++) {
      Shape *s = &shapes[i];
      sum += s->methods->area(s);
      s->methods->grow(s, round & 3);
    }
    sort(sorted, SHAPES, orders[round & 1]);
    for (u32 i = 0; i < 1024; i++) sum = stages[i * 5 & 7](sum, i);
    sum = mix(sum, sorted[round % SHAPES]->a);
  }
  return sum;
}
