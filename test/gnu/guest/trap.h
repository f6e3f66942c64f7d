/* Shared by the hypervisor and its guest. */
#ifndef TRAP_H
#define TRAP_H

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

/* What trap_from_guest (start.S) saves; it knows the offsets. */
struct frame {
	u64 x[31];
	u64 elr;
	u64 spsr;
	u64 esr;
};

enum call { CALL_ADD_ONE = 1, CALL_COUNT, CALL_PRINT };

enum trap_class { TRAP_HVC64 = 0x16, TRAP_DATA_ABORT_LOWER = 0x24 };

void print(const char *text);
void print_number(u64 value);

/* start.S */
extern char hyp_vectors[];
void enter_guest(void (*entry)(void), u64 spsr);
void guest_start(void);
long hypercall(long number, long argument);
void power_off(void);

#endif
