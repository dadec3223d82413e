// SPDX-License-Identifier: MIT
/* The example of docs/command-set.md, section 6, byte for byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "libbitnpu/datapath.h"

static const uint8_t command[BITNPU_CMD_SIZE] = {
	0x02, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00,
	0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x30, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
	0x40, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

/* 64 bytes each at 0x1000, 0x2000 and 0x3000. */
struct memory {
	struct bitnpu_dma dma;
	uint8_t x[64], w[64], y[64];
};

static uint8_t *at(struct memory *memory, uint64_t addr, uint32_t len)
{
	uint8_t *const pages[] = { NULL, memory->x, memory->w, memory->y };

	if (addr < 0x1000 || addr > 0x3fff || addr % 0x1000 + len > 64)
		return NULL;
	return pages[addr / 0x1000] + addr % 0x1000;
}

static int load(struct bitnpu_dma *dma, void *dst, __u64 addr, __u32 len)
{
	const uint8_t *src = at((struct memory *)dma, addr, len);

	if (!src)
		return -EFAULT;
	memcpy(dst, src, len);
	return 0;
}

static int store(struct bitnpu_dma *dma, __u64 addr, const void *src, __u32 len)
{
	uint8_t *dst = at((struct memory *)dma, addr, len);

	if (!dst)
		return -EFAULT;
	memcpy(dst, src, len);
	return 0;
}

static void test_example(void **state)
{
	static const int8_t x[] = { 3, -2, 5, 7, -128 };
	static const uint8_t words[] = { 0x5a, 0x54, 0x55, 0x56, 0x55, 0x55, 0x54, 0x56 };
	static const uint8_t y[] = { 0x8c, 0xff, 0xff, 0xff, 0x02, 0x00, 0x00, 0x00 };
	struct memory memory = { .dma = { .load = load, .store = store } };
	struct bitnpu_matmul mm;
	struct bitnpu_fault fault;

	/* Past column K x holds what must have no influence, past column N y what must survive. */
	memset(memory.x, 0x7f, sizeof(memory.x));
	memcpy(memory.x, x, sizeof(x));
	memset(memory.w, 0x55, sizeof(memory.w));
	memcpy(memory.w, words, sizeof(words));
	memset(memory.y, 0xee, sizeof(memory.y));
	assert_int_equal(bitnpu_cmd_check(command, ~0ULL, &mm, &fault), BITNPU_STATUS_OK);
	assert_int_equal(bitnpu_matmul_run(&mm, &memory.dma), 0);
	assert_memory_equal(memory.y, y, sizeof(y));
	for (size_t i = sizeof(y); i < sizeof(memory.y); i++)
		assert_int_equal(memory.y[i], 0xee);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
	};

	return cmocka_run_group_tests_name("command set", tests, NULL, NULL);
}
