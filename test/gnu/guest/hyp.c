/* EL2: an identity stage 2 and the handler of what the guest traps for. */
#include "trap.h"

#define write_sysreg(name, value)                                              \
	__asm__ volatile("msr " #name ", %0" ::"r"((u64)(value)) : "memory")
#define read_sysreg(name)                                                      \
	({                                                                     \
		u64 read_value;                                                \
		__asm__ volatile("mrs %0, " #name : "=r"(read_value));         \
		read_value;                                                    \
	})

struct hyp_state {
	u32 traps;
	u64 last_fault;
	enum trap_class last_class;
};

struct hyp_state hyp_state;
static u64 stage2[512] __attribute__((aligned(4096)));

/* Arm ARM DDI 0487 D5.3: blocks of 1 GiB at level 1; valid, access flag, inner shareable, read and write. */
static u64 block(u64 address, u32 memory_type)
{
	u64 attributes = (1ul << 10) | (3ul << 8) | (3ul << 6);

	attributes |= (u64)memory_type << 2;
	return address | attributes | 1;
}

static void stage2_on(u32 vmid)
{
	stage2[0] = block(0, 1);
	stage2[1] = block(1ul << 30, 15);
	write_sysreg(vtcr_el2, (1ul << 31) | (1ul << 6) | 32);
	write_sysreg(vttbr_el2, ((u64)vmid << 48) | (u64)stage2);
	write_sysreg(hcr_el2, (1ul << 31) | 1);
	__asm__ volatile("dsb ish\n\ttlbi vmalls12e1is\n\tdsb ish\n\tisb" ::: "memory");
}

static u64 handle_call(enum call number, u64 argument)
{
	static u64 calls;

	calls++;
	switch (number) {
	case CALL_ADD_ONE:
		return argument + 1;
	case CALL_COUNT:
		return calls;
	case CALL_PRINT:
		print((const char *)argument);
		return 0;
	}
	return ~0ul;
}

/* A load from where stage 2 has nothing reads all ones; a store is ignored. */
static void handle_abort(struct frame *frame)
{
	u32 iss = frame->esr & 0x1ffffff;
	u32 target = (iss >> 16) & 31;
	int is_store = (iss >> 6) & 1;

	hyp_state.last_fault = read_sysreg(far_el2);
	if (!is_store && target < 31)
		frame->x[target] = 0xffffffff;
	frame->elr += 4;
}

void handle_trap(struct frame *frame)
{
	enum trap_class class = (enum trap_class)(frame->esr >> 26);

	hyp_state.traps++;
	hyp_state.last_class = class;
	if (class == TRAP_HVC64)
		frame->x[0] = handle_call((enum call)frame->x[0], frame->x[1]);
	else
		handle_abort(frame);
}

void hyp_main(void)
{
	print("hyp: stage 2 on\n");
	write_sysreg(vbar_el2, hyp_vectors);
	stage2_on(3);
	enter_guest(guest_start, 0x3c5);
}
