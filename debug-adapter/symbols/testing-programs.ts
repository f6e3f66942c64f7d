/** Sources that the tests build with the GNU toolchain: assembly as hypervisors write it, and C with inlining. */
export const assembly = `.macro save r1, r2
  stp \\r1, \\r2, [sp, #-16]!
  nop
.endm
  .text
  .global _start
  .type _start, %function
_start:
  mov x0, #1
  save x0, x1
  mov x4, x5
  save x2, x3
  bl helper
  .include "inc/body.s"
local_label:
  bl compute
  b .
  .size _start, . - _start
  .section .vectors, "ax"
  .global vectors
vectors:
  .rept 3
  eret
  .balign 0x80
  .endr
  .include "inc/body.s"
  ldr x0, =0x123456789
  .ltorg
  .data
  .global counter
counter: .quad 7
  .size counter, 8
  .type counter, %object
`;

export const included = `  add x0, x0, #1
  .ifndef helper_done
helper:
  ret
  .set helper_done, 1
  .endif
  sub x0, x0, #1
`;

export const header = `static inline int clamp(int value, int top)
{
  if (value > top)
    return top;
  return value;
}
`;

export const program = `#include "inc/clamp.h"

struct vcpu { unsigned long x[31]; unsigned long pc; int id; };
struct vcpu vcpus[2];
static volatile int ticks;

static int helper(int a)
{
  ticks += a;
  return ticks;
}

int compute(struct vcpu *v, int n)
{
  int sum = 0;
  for (int i = 0; i < n; i++) {
    sum += clamp(v->x[i], 100);
    if (sum > 1000)
      sum = clamp(sum, 500) + helper(i);
  }

  /* no code here */

  v->pc = sum;
  return helper(sum) + clamp(ticks, 3);
}
`;

export const second = `#include "inc/clamp.h"
int other(int a);
static int helper(int a) { return a * 3; }
__attribute__((cold, noinline)) int rare(int a) { return a + 7; }
int other(int a)
{
  if (__builtin_expect(a == 12345, 0))
    return rare(a);
  return clamp(helper(a), 9);
}
`;
