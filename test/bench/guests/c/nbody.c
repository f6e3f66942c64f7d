// Planets under gravity: scalar double with square roots and divisions.
#include "bench.h"

typedef struct {
  double x, y, z, vx, vy, vz, mass;
} Body;

#define BODIES 5
static Body bodies[BODIES];

void prepare(u64 rounds) {
  (void)rounds;
  u64 r = 4242;
  for (int i = 0; i < BODIES; i++) {
    Body *b = &bodies[i];
    double *field = &b->x;
    for (int j = 0; j < 6; j++) field[j] = (double)(i64)(next_random(&r) >> 24) * 0x1p-38 - 2.0;
    b->mass = i == 0 ? 39.5 : 0.01 * (i + 1);
    for (int j = 3; j < 6; j++) field[j] *= i == 0 ? 0.01 : 1.0;
  }
}

static void advance(double dt) {
  for (int i = 0; i < BODIES; i++)
    for (int j = i + 1; j < BODIES; j++) {
      Body *a = &bodies[i], *b = &bodies[j];
      double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
      double square = dx * dx + dy * dy + dz * dz + 0.01;
      double scale = dt / (square * __builtin_sqrt(square));
      a->vx -= dx * b->mass * scale;
      a->vy -= dy * b->mass * scale;
      a->vz -= dz * b->mass * scale;
      b->vx += dx * a->mass * scale;
      b->vy += dy * a->mass * scale;
      b->vz += dz * a->mass * scale;
    }
  for (int i = 0; i < BODIES; i++) {
    bodies[i].x += dt * bodies[i].vx;
    bodies[i].y += dt * bodies[i].vy;
    bodies[i].z += dt * bodies[i].vz;
  }
}

u64 work(u64 rounds) {
  for (u64 i = 0; i < rounds * 100; i++) advance(0.001);
  u64 sum = 0;
  for (int i = 0; i < BODIES; i++) sum = mix_double(mix_double(sum, bodies[i].x), bodies[i].vz);
  return sum;
}
