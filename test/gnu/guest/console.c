/* The PL011 of the virt board, at EL2 and at EL1. */
#include "trap.h"

static volatile u32 *const uart = (volatile u32 *)0x09000000ul;

void print(const char *text)
{
	while (*text)
		*uart = (u8)*text++;
}

void print_number(u64 value)
{
	char digits[21];
	char *at = &digits[20];

	*at = 0;
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	print(at);
}
