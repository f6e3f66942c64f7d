// An interpreter of a small stack machine with one `switch`, and a program for it: primes, then a sort.
#include "bench.h"

enum Op { HALT, PUSH, ADD, SUB, MUL, MOD, LESS, EQUAL, NOT, JUMP, JUMP0, LOAD, STORE, PEEK, POKE, DUP, DROP, XOR, SHR, CALL, RETURN, OPS };

#define CELLS 256
static i32 cells[CELLS];

static __attribute__((noinline)) u64 run(const i32 *code, i32 argument) {
  i32 stack[64], vars[16] = {argument}, calls[16];
  i32 sp = 0, cp = 0;
  u64 steps = 0;
  const i32 *pc = code;
  for (;;) {
    steps++;
    switch (*pc++) {
      case HALT: return mix(steps, stack[sp - 1]);
      case PUSH: stack[sp++] = *pc++; break;
      case ADD: sp--; stack[sp - 1] += stack[sp]; break;
      case SUB: sp--; stack[sp - 1] -= stack[sp]; break;
      case MUL: sp--; stack[sp - 1] = (i32)((u32)stack[sp - 1] * (u32)stack[sp]); break;
      case MOD: sp--; stack[sp - 1] %= stack[sp]; break;
      case LESS: sp--; stack[sp - 1] = stack[sp - 1] < stack[sp]; break;
      case EQUAL: sp--; stack[sp - 1] = stack[sp - 1] == stack[sp]; break;
      case NOT: stack[sp - 1] = !stack[sp - 1]; break;
      case JUMP: pc = code + *pc; break;
      case JUMP0: pc = stack[--sp] ? pc + 1 : code + *pc; break;
      case LOAD: stack[sp++] = vars[*pc++]; break;
      case STORE: vars[*pc++] = stack[--sp]; break;
      case PEEK: stack[sp - 1] = cells[stack[sp - 1] & (CELLS - 1)]; break;
      case POKE: sp -= 2; cells[stack[sp] & (CELLS - 1)] = stack[sp + 1]; break;
      case DUP: stack[sp] = stack[sp - 1]; sp++; break;
      case DROP: sp--; break;
      case XOR: sp--; stack[sp - 1] ^= stack[sp]; break;
      case SHR: sp--; stack[sp - 1] = (i32)((u32)stack[sp - 1] >> (stack[sp] & 31)); break;
      case CALL: calls[cp++] = (i32)(pc + 1 - code); pc = code + *pc; break;
      case RETURN: pc = code + calls[--cp]; break;
      default: return steps;
    }
  }
}

// Variables: 0 the argument, 1 candidate, 2 divisor, 3 how many were found, 4 place, 5 sum.
enum { NEXT_CANDIDATE, NEXT_DIVISOR, PRIME, GO_ON, SUMS, NEXT_PLACE, DONE, STEP_PLACE, LABELS };
#define LABEL (-1)

static const i32 source[][2] = {
    {PUSH, 2}, {STORE, 1}, {PUSH, 0}, {STORE, 3},
    {LABEL, NEXT_CANDIDATE}, {LOAD, 1}, {LOAD, 0}, {LESS}, {JUMP0, SUMS},
    {PUSH, 2}, {STORE, 2},
    {LABEL, NEXT_DIVISOR}, {LOAD, 1}, {LOAD, 2}, {DUP}, {MUL}, {LESS}, {NOT}, {JUMP0, PRIME},
    {LOAD, 1}, {LOAD, 2}, {MOD}, {JUMP0, GO_ON},
    {LOAD, 2}, {PUSH, 1}, {ADD}, {STORE, 2}, {JUMP, NEXT_DIVISOR},
    {LABEL, PRIME}, {LOAD, 3}, {LOAD, 1}, {POKE}, {LOAD, 3}, {PUSH, 1}, {ADD}, {STORE, 3},
    {LABEL, GO_ON}, {LOAD, 1}, {PUSH, 1}, {ADD}, {STORE, 1}, {JUMP, NEXT_CANDIDATE},
    {LABEL, SUMS}, {PUSH, 0}, {STORE, 4}, {PUSH, 1}, {STORE, 5},
    {LABEL, NEXT_PLACE}, {LOAD, 4}, {LOAD, 3}, {EQUAL}, {NOT}, {JUMP0, DONE},
    {LOAD, 5}, {PUSH, 31}, {MUL}, {LOAD, 4}, {PEEK}, {XOR}, {DUP}, {PUSH, 7}, {SHR}, {SUB}, {STORE, 5},
    {CALL, STEP_PLACE}, {JUMP, NEXT_PLACE},
    {LABEL, STEP_PLACE}, {LOAD, 4}, {PUSH, 1}, {ADD}, {STORE, 4}, {RETURN},
    {LABEL, DONE}, {LOAD, 5}, {HALT},
};

static i32 program[256];

static int has_operand(i32 op) {
  return op == PUSH || op == LOAD || op == STORE || op == JUMP || op == JUMP0 || op == CALL;
}

void prepare(u64 rounds) {
  (void)rounds;
  i32 labels[LABELS];
  for (int pass = 0; pass < 2; pass++) {
    int at = 0;
    for (u64 i = 0; i < sizeof source / sizeof source[0]; i++) {
      i32 op = source[i][0], operand = source[i][1];
      if (op == LABEL) {
        labels[operand] = at;
        continue;
      }
      program[at++] = op;
      if (has_operand(op)) program[at++] = pass && (op == JUMP || op == JUMP0 || op == CALL) ? labels[operand] : operand;
    }
  }
}

u64 work(u64 rounds) {
  u64 sum = 0;
  for (u64 i = 0; i < rounds; i++) sum = mix(sum, run(program, 600 + (i & 63)));
  return sum;
}
