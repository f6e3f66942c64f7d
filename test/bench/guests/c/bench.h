// What programs of the benchmark have: two functions to define, memory, and no library.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef signed char i8;
typedef short i16;
typedef int i32;
typedef long i64;

#define HEAP 0x10000000ul
#define HEAP_BYTES 0x0a000000ul
#define STACK 0x0fe00000ul

// Before the clock starts; what is too large for a short run may be smaller in one.
void prepare(u64 rounds);
// What is measured. Returns a checksum.
u64 work(u64 rounds);

// A new piece of the heap, zero, at a multiple of 64 bytes.
void *allocate(u64 bytes);

// The next of a fixed sequence of random numbers (xorshift).
static inline u64 next_random(u64 *state) {
  u64 x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

// Keeps the compiler from knowing a value.
#define HIDE(x) __asm__ volatile("" : "+r"(x) : : "memory")

// One more value in a checksum.
static inline u64 mix(u64 sum, u64 value) {
  return (sum ^ value) * 0x9e3779b97f4a7c15ul + (sum >> 29);
}

static inline u64 mix_double(u64 sum, double value) {
  u64 bits;
  __builtin_memcpy(&bits, &value, 8);
  return mix(sum, bits);
}

static inline u64 mix_float(u64 sum, float value) {
  u32 bits;
  __builtin_memcpy(&bits, &value, 4);
  return mix(sum, bits);
}
