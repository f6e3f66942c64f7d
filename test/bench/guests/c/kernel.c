// The least that a program at EL0 needs: page tables, a console, an end. Built without FP and SIMD, and for strictly
// aligned accesses, since it runs before the MMU is on.
#include "bench.h"

typedef u64 Table[512];

#define VALID_TABLE 3ul
#define BLOCK 1ul
#define PAGE 3ul
#define DEVICE (1ul << 2)
#define EL0 (1ul << 6)
#define READ_ONLY (1ul << 7)
#define SHAREABLE (3ul << 8)
#define ACCESSED (1ul << 10)
#define NOT_GLOBAL (1ul << 11)
#define PXN (1ul << 53)
#define UXN (1ul << 54)

#define UART 0x09000000ul
#define KERNEL 0x40000000ul
#define HEAP_PA 0x44000000ul
#define STACK_PA 0x43c00000ul
#define MB2 0x200000ul

// Where the linker script puts the program: addresses of the program, and of RAM for the first byte.
extern char user_text[], user_text_end[], user_open[], user_open_end[], user_end[], user_pa[];

static Table level0, level1, low, ram, image[2], stack, heap[HEAP_BYTES / MB2] __attribute__((aligned(4096)));

// Pages of the heap are anywhere in RAM, as those of a kernel are.
static u64 scattered(u64 page) {
  return HEAP_PA + ((page ^ ((page >> 4) & 0xff)) << 12);
}

static void pages(Table *tables, u64 va, u64 bytes, u64 attributes, u64 pa, int scatter) {
  for (u64 i = 0; i < bytes / 4096; i++) {
    u64 at = va / 4096 + i;
    u64 to = scatter ? scattered(i) : pa + i * 4096;
    tables[at / 512 - va / MB2][at % 512] = to | attributes | PAGE | SHAREABLE | ACCESSED | NOT_GLOBAL | EL0 | PXN;
  }
}

u64 build_tables(void) {
  u64 text = (u64)user_text;
  level0[0] = (u64)level1 | VALID_TABLE;
  level1[0] = (u64)low | VALID_TABLE;
  level1[1] = (u64)ram | VALID_TABLE;
  ram[0] = KERNEL | BLOCK | SHAREABLE | ACCESSED | UXN;
  low[UART / MB2] = UART | BLOCK | DEVICE | ACCESSED | UXN | PXN;
  for (u64 i = 0; i < 2; i++) low[text / MB2 + i] = (u64)image[i] | VALID_TABLE;
  low[STACK / MB2] = (u64)stack | VALID_TABLE;
  for (u64 i = 0; i < HEAP_BYTES / MB2; i++) low[HEAP / MB2 + i] = (u64)heap[i] | VALID_TABLE;
  pages(image, text, 2 * MB2, UXN, (u64)user_pa, 0);
  pages(image, text, (u64)user_text_end - text, READ_ONLY, (u64)user_pa, 0);
  // Code and data in one page.
  u64 open = (u64)user_open;
  for (u64 at = open; at < (u64)user_open_end; at += 4096) image[(at - text) / MB2][at / 4096 % 512] &= ~UXN;
  pages(&stack, STACK, MB2, UXN, STACK_PA, 0);
  pages(heap, HEAP, HEAP_BYTES, UXN, 0, 1);
  return (u64)level0;
}

static void put(char c) {
  *(volatile unsigned int *)UART = (unsigned char)c;
}

static void put_hex(const char *name, u64 value) {
  while (*name) put(*name++);
  for (int shift = 60; shift >= 0; shift -= 4) put("0123456789abcdef"[(value >> shift) & 15]);
}

static void power_off(void) {
  register u64 function __asm__("x0") = 0x84000008; // PSCI SYSTEM_OFF
  __asm__ volatile("smc #0" : "+r"(function) : : "memory");
}

// Called for SVC: number 0 writes a text, 1 powers off.
void system_call(const char *text, u64 length, u64 number) {
  if (number != 0) power_off();
  for (u64 i = 0; i < length; i++) put(text[i]);
}

void report_fault(u64 syndrome, u64 pc, u64 address) {
  put_hex("fault ", syndrome);
  put_hex(" at ", pc);
  put_hex(" address ", address);
  put('\n');
  power_off();
}
