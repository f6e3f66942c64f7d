/* EL1: code with something to look at in a debugger. */
#include "trap.h"

enum colour { RED, GREEN = 5, BLUE };

struct point {
	int x;
	int y;
};

struct shape {
	const char *name;
	enum colour colour;
	struct point corners[3];
	struct point *first;
	u32 visible : 1;
	u32 layer : 7;
};

static int table[5] = { 3, -1, 4, -1, 5 };
static u64 checksum;
long answers[2];

static u64 factorial(u32 n)
{
	if (n < 2)
		return 1;
	return n * factorial(n - 1);
}

static int sum(const int *values, int count)
{
	int total = 0;

	for (int i = 0; i < count; i++)
		total += values[i];
	return total;
}

static int twice_area(const struct shape *shape)
{
	const struct point *c = shape->corners;
	int ax = c[1].x - c[0].x;
	int ay = c[1].y - c[0].y;
	int bx = c[2].x - c[0].x;
	int by = c[2].y - c[0].y;

	return ax * by - ay * bx;
}

static u8 mixed(signed char small, u8 letter, short half, long long wide, _Bool flag)
{
	u8 result = (u8)(letter + small);

	if (flag)
		result += (u8)(half + wide);
	return result;
}

static long calls(long value)
{
	long more = hypercall(CALL_ADD_ONE, value);
	long count = hypercall(CALL_COUNT, 0);

	answers[0] = more;
	answers[1] = count;
	return more + count;
}

static u32 probe(void)
{
	volatile u32 *nowhere = (volatile u32 *)0x80000000ul;
	u32 value = *nowhere;

	return value;
}

void guest_main(void)
{
	struct shape shape = {
		.name = "triangle",
		.colour = GREEN,
		.corners = { { 0, 0 }, { 4, 0 }, { 0, -3 } },
		.visible = 1,
		.layer = 42,
	};
	u64 product;
	int total, area;

	shape.first = &shape.corners[0];
	product = factorial(5);
	total = sum(table, 5);
	area = twice_area(&shape);
	checksum = product + (u64)(total - area);
	checksum += (u64)calls(41);
	checksum += probe();
	checksum += mixed(-3, 'A', -1000, 1ll << 40, 1);
	hypercall(CALL_PRINT, (long)"guest: checksum ");
	print_number(checksum);
	print("\n");
}
