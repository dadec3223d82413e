// SPDX-License-Identifier: MIT
/* The datapath against MATMUL on plain matrices, and its check of commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libbitnpu/datapath.h"
#include "tests/support/plain_matmul.h"

#define ALL_FEATURES	(BITNPU_FEATURE_W_TERNARY | BITNPU_FEATURE_W_BINARY | \
			 BITNPU_FEATURE_W_INT8 | BITNPU_FEATURE_Y_INT32 | BITNPU_FEATURE_Y_INT64)
#define POISON		0xa5
#define X_ADDR		0x100000000ULL
#define W_ADDR		0x200000000ULL
#define S_ADDR		0x300000000ULL
#define Y_ADDR		0xffffffff00000000ULL

/* Memory of one command: four regions, each exactly as long as the command set says. */
struct memory {
	struct bitnpu_dma dma;
	uint8_t *x, *w, *s, *y;
	size_t x_bytes, w_bytes, s_bytes, y_bytes;
	long accesses;
	long fail_at;	/* the access that fails, or -1 */
};

static int check_access(struct memory *mem, uint64_t addr, uint32_t len)
{
	assert_in_range(len, 1, 64);
	assert_int_equal(addr / 64, (addr + len - 1) / 64);
	return mem->accesses++ == mem->fail_at ? -5 : 0;
}

static int load(struct bitnpu_dma *dma, void *dst, __u64 addr, __u32 len)
{
	struct memory *mem = (struct memory *)dma;
	const uint8_t *src = NULL;
	int ret = check_access(mem, addr, len);

	if (addr >= X_ADDR && addr + len <= X_ADDR + mem->x_bytes)
		src = mem->x + (addr - X_ADDR);
	else if (addr >= W_ADDR && addr + len <= W_ADDR + mem->w_bytes)
		src = mem->w + (addr - W_ADDR);
	else if (addr >= S_ADDR && addr + len <= S_ADDR + mem->s_bytes)
		src = mem->s + (addr - S_ADDR);
	else
		fail_msg("load of %u bytes at 0x%llx", len, (unsigned long long)addr);
	memcpy(dst, src, len);
	return ret;
}

static int store(struct bitnpu_dma *dma, __u64 addr, const void *src, __u32 len)
{
	struct memory *mem = (struct memory *)dma;
	int ret = check_access(mem, addr, len);

	assert_true(addr >= Y_ADDR && addr + len <= Y_ADDR + mem->y_bytes);
	memcpy(mem->y + (addr - Y_ADDR), src, len);
	return ret;
}

static uint8_t *junk(size_t bytes, struct test_random *random)
{
	uint8_t *p = malloc(bytes + 1);

	assert_non_null(p);
	test_random_bytes(random, p, bytes);
	return p;
}

static void memory_init(struct memory *mem, const struct plain_matmul *plain, uint32_t x_stride,
			uint32_t y_stride, struct bitnpu_matmul *mm, struct test_random *random)
{
	struct bitnpu_cmd_matmul cmd;
	struct bitnpu_fault fault;

	*mem = (struct memory){
		.dma = { .load = load, .store = store },
		.x_bytes = plain_x_bytes(plain, x_stride),
		.w_bytes = plain_w_bytes(plain),
		.s_bytes = plain_s_bytes(plain),
		.y_bytes = plain_y_bytes(plain, y_stride),
		.fail_at = -1,
	};
	/* What no operand owns is noise: padding must not count. */
	mem->x = junk(mem->x_bytes, random);
	mem->w = junk(mem->w_bytes, random);
	mem->s = junk(mem->s_bytes, random);
	mem->y = junk(mem->y_bytes, random);
	memset(mem->y, POISON, mem->y_bytes);
	plain_pack_x(plain, mem->x, x_stride);
	plain_pack_w(plain, mem->w);
	plain_pack_s(plain, mem->s);

	plain_command(plain, x_stride, y_stride, &cmd);
	cmd.x_addr = X_ADDR;
	cmd.w_addr = W_ADDR;
	cmd.s_addr = plain->groups ? S_ADDR : 0;
	cmd.y_addr = Y_ADDR;
	assert_int_equal(bitnpu_cmd_check(&cmd, ALL_FEATURES, mm, &fault), BITNPU_STATUS_OK);
	assert_int_equal(mm->x_bytes, mem->x_bytes);
	assert_int_equal(mm->w_bytes, mem->w_bytes);
	assert_int_equal(mm->s_bytes, mem->s_bytes);
	assert_int_equal(mm->y_bytes, mem->y_bytes);
}

static void memory_free(struct memory *mem)
{
	free(mem->x);
	free(mem->w);
	free(mem->s);
	free(mem->y);
}

static uint8_t *expected_y(const struct plain_matmul *plain, uint32_t y_stride)
{
	const size_t bytes = plain_y_bytes(plain, y_stride);
	uint8_t *y = malloc(bytes);

	assert_non_null(y);
	memset(y, POISON, bytes);
	plain_pack_y(plain, y, y_stride);
	return y;
}

static uint32_t stride_of(uint32_t bytes, struct test_random *random)
{
	return (bytes + 63) / 64 * 64 + 64 * test_random_below(random, 3);
}

/* Run whole and then tile by tile, backwards; both must give what the plain matmul gives. */
static void check_matmul(const struct plain_matmul *plain, struct test_random *random)
{
	const uint32_t x_stride = stride_of(plain->k, random);
	const uint32_t y_stride = stride_of(plain->n * plain_y_size(plain), random);
	uint8_t *expected = expected_y(plain, y_stride);
	struct bitnpu_matmul mm;
	struct memory mem;

	memory_init(&mem, plain, x_stride, y_stride, &mm, random);
	assert_int_equal(bitnpu_matmul_run(&mm, &mem.dma), 0);
	assert_memory_equal(mem.y, expected, mem.y_bytes);

	memset(mem.y, POISON, mem.y_bytes);
	for (uint32_t tile = mm.tiles; tile-- > 0;)
		assert_int_equal(bitnpu_matmul_tiles(&mm, tile, 1, &mem.dma), 0);
	assert_memory_equal(mem.y, expected, mem.y_bytes);
	memory_free(&mem);
	free(expected);
}

static void test_halves(void **state)
{
	for (uint32_t half = 0; half <= UINT16_MAX; half++)
		assert_int_equal(bitnpu_half_to_fixed(half), plain_half(half));
	assert_int_equal(bitnpu_half_to_fixed(0x3c00), 1 << 24);
	assert_int_equal(bitnpu_half_to_fixed(0x8001), -1);
	assert_int_equal(bitnpu_half_to_fixed(0xffff), -(2047LL << 30));
}

static void test_shapes(void **state)
{
	static const uint32_t ms[] = { 1, 2, 3, 4, 5, 9 };
	static const uint32_t ns[] = { 1, 15, 16, 17, 33, 40 };
	static const uint32_t ks[] = { 1, 3, 4, 5, 16, 31, 32, 33, 63, 64, 65, 128, 251, 509 };
	struct test_random random;
	struct plain_matmul plain;

	test_random_init(&random, 1);
	for (unsigned int i = 0; i < 1500; i++) {
		const uint8_t weight_format = i % 3, output_format = i / 3 % 2;

		assert_true(plain_matmul_alloc(&plain, weight_format, output_format,
					       5 + test_random_below(&random, 12),
					       ms[test_random_below(&random, 6)],
					       ns[test_random_below(&random, 6)],
					       ks[test_random_below(&random, 14)]));
		plain_matmul_random(&plain, &random);
		check_matmul(&plain, &random);
		plain_matmul_free(&plain);
	}
}

/* The largest sums there are: they must neither saturate nor overflow. */
static void test_largest_sums(void **state)
{
	static const int8_t largest[] = { 2, -1, -128 };
	struct test_random random;
	struct plain_matmul plain;

	test_random_init(&random, 2);
	for (uint8_t format = 0; format < 3; format++) {
		for (uint8_t output = 0; output < 2; output++) {
			assert_true(plain_matmul_alloc(&plain, format, output, 16, 2, 17, 65536));
			memset(plain.x, -128, (size_t)plain.m * plain.k);
			memset(plain.w, largest[format], (size_t)plain.n * plain.k);
			/* Exponent 31 and the largest fraction: int8 wraps. */
			if (plain.s)
				memset(plain.s, 0x7f, (size_t)plain.n * plain.groups * 2);
			check_matmul(&plain, &random);
			plain_matmul_free(&plain);
		}
	}
}

static void test_dma_errors(void **state)
{
	struct bitnpu_matmul mm;
	struct test_random random;
	struct plain_matmul plain;
	struct memory mem;
	long total;

	test_random_init(&random, 3);
	assert_true(plain_matmul_alloc(&plain, BITNPU_W_TERNARY, BITNPU_Y_INT64, 5, 5, 17, 70));
	plain_matmul_random(&plain, &random);
	memory_init(&mem, &plain, 128, 192, &mm, &random);
	assert_int_equal(bitnpu_matmul_run(&mm, &mem.dma), 0);
	total = mem.accesses;
	for (long i = 0; i < total; i++) {
		mem.accesses = 0;
		mem.fail_at = i;
		assert_int_equal(bitnpu_matmul_run(&mm, &mem.dma), -5);
		assert_int_equal(mem.accesses, i + 1);
	}
	memory_free(&mem);
	plain_matmul_free(&plain);
}

static const struct bitnpu_cmd_matmul good = {
	.opcode = BITNPU_OP_MATMUL,
	.weight_format = BITNPU_W_BINARY,
	.output_format = BITNPU_Y_INT64,
	.m = 3,
	.n = 20,
	.k = 100,
	.x_addr = X_ADDR,
	.w_addr = W_ADDR,
	.s_addr = S_ADDR,
	.y_addr = Y_ADDR,
	.x_stride = 128,
	.y_stride = 192,
	.group_shift = 5,
};

/* Every error at once; each is reported in its turn and then mended. */
static void test_order_of_checks(void **state)
{
	static const struct step {
		uint32_t status, field, bytes;
	} steps[] = {
		{ BITNPU_STATUS_OPCODE, 0, 1 },
		{ BITNPU_STATUS_RESERVED, 1, 1 },
		{ BITNPU_STATUS_RESERVED, 57, 1 },
		{ BITNPU_STATUS_RESERVED, 63, 1 },
		{ BITNPU_STATUS_FORMAT, 2, 1 },
		{ BITNPU_STATUS_FORMAT, 3, 1 },
		{ BITNPU_STATUS_DIMENSION, 4, 4 },
		{ BITNPU_STATUS_DIMENSION, 8, 4 },
		{ BITNPU_STATUS_DIMENSION, 12, 4 },
		{ BITNPU_STATUS_FORMAT, 56, 1 },
		{ BITNPU_STATUS_ALIGNMENT, 16, 8 },
		{ BITNPU_STATUS_ALIGNMENT, 24, 8 },
		{ BITNPU_STATUS_ALIGNMENT, 32, 8 },
		{ BITNPU_STATUS_ALIGNMENT, 40, 8 },
		{ BITNPU_STATUS_ALIGNMENT, 48, 4 },
		{ BITNPU_STATUS_ALIGNMENT, 52, 4 },
	};
	uint8_t buffer[65], *bad = buffer + 1;	/* any alignment */
	struct bitnpu_matmul mm;
	struct bitnpu_fault fault;

	memcpy(bad, &good, sizeof(good));
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		memset(bad + steps[i].field, 0xff, steps[i].bytes);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		const uint64_t ones = ~0ULL >> (64 - 8 * steps[i].bytes);

		memset(&fault, 0xee, sizeof(fault));
		assert_int_equal(bitnpu_cmd_check(bad, ALL_FEATURES, &mm, &fault),
				 steps[i].status);
		assert_int_equal(fault.status, steps[i].status);
		assert_int_equal(fault.field, steps[i].field);
		assert_int_equal(fault.addr, ones);
		assert_int_equal(fault.reserved, 0);
		memcpy(bad + steps[i].field, (const uint8_t *)&good + steps[i].field,
		       steps[i].bytes);
	}
	assert_int_equal(bitnpu_cmd_check(bad, ALL_FEATURES, &mm, &fault), BITNPU_STATUS_OK);
}

static void expect(const struct bitnpu_cmd_matmul *cmd, uint64_t features, uint32_t status,
		   uint32_t field, uint64_t addr)
{
	struct bitnpu_matmul mm;
	struct bitnpu_fault fault = { 0 };

	assert_int_equal(bitnpu_cmd_check(cmd, features, &mm, &fault), status);
	assert_int_equal(fault.status, status);
	assert_int_equal(fault.field, field);
	assert_int_equal(fault.addr, addr);
}

static void test_features(void **state)
{
	struct bitnpu_cmd_matmul cmd = good;

	for (uint8_t format = 0; format < 3; format++) {
		cmd.weight_format = format;
		expect(&cmd, ALL_FEATURES & ~(BITNPU_FEATURE_W_TERNARY << format),
		       BITNPU_STATUS_UNSUPPORTED, 2, format);
		expect(&cmd, BITNPU_FEATURE_W_TERNARY << format | BITNPU_FEATURE_Y_INT64,
		       BITNPU_STATUS_OK, 0, 0);
	}
	expect(&cmd, ALL_FEATURES & ~BITNPU_FEATURE_Y_INT64, BITNPU_STATUS_UNSUPPORTED, 3, 1);
	cmd.output_format = BITNPU_Y_INT32;
	cmd.group_shift = 0;
	cmd.s_addr = 0;
	expect(&cmd, ALL_FEATURES & ~BITNPU_FEATURE_Y_INT32, BITNPU_STATUS_UNSUPPORTED, 3, 0);
	expect(&cmd, ALL_FEATURES & ~BITNPU_FEATURE_Y_INT64, BITNPU_STATUS_OK, 0, 0);
}

/* A range may end at 2^64 and not one byte later; @bytes is its extent. */
static void check_end(size_t field, uint64_t bytes)
{
	struct bitnpu_cmd_matmul cmd = good;
	const uint64_t last = (0 - bytes) & ~63ULL;
	const uint64_t first_bad = last + 64;

	memcpy((uint8_t *)&cmd + field, &last, sizeof(last));
	expect(&cmd, ALL_FEATURES, BITNPU_STATUS_OK, 0, 0);
	memcpy((uint8_t *)&cmd + field, &first_bad, sizeof(first_bad));
	expect(&cmd, ALL_FEATURES, first_bad ? BITNPU_STATUS_OVERFLOW : BITNPU_STATUS_OK,
	       first_bad ? field : 0, first_bad);
}

static void test_end_of_address_space(void **state)
{
	check_end(offsetof(struct bitnpu_cmd_matmul, x_addr), 2 * 128 + 128);
	check_end(offsetof(struct bitnpu_cmd_matmul, w_addr), 2 * 4 * 64);
	check_end(offsetof(struct bitnpu_cmd_matmul, s_addr), 2 * 4 * 32);
	check_end(offsetof(struct bitnpu_cmd_matmul, y_addr), 2 * 192 + 160);
}

/* The largest command there is: nothing in its extents may overflow. */
static void test_limits(void **state)
{
	struct bitnpu_cmd_matmul cmd = good;
	struct bitnpu_matmul mm;
	struct bitnpu_fault fault;

	cmd.weight_format = BITNPU_W_INT8;
	cmd.m = BITNPU_MAX_M;
	cmd.n = BITNPU_MAX_N;
	cmd.k = BITNPU_MAX_K;
	cmd.y_addr = 0;
	cmd.x_stride = cmd.y_stride = 0xffffffc0;
	assert_int_equal(bitnpu_cmd_check(&cmd, ALL_FEATURES, &mm, &fault), BITNPU_STATUS_OK);
	assert_int_equal(mm.x_bytes, 65535ULL * 0xffffffc0 + 65536);
	assert_int_equal(mm.w_bytes, 1ULL << 40);
	assert_int_equal(mm.s_bytes, (1ULL << 24) * 2048 * 2);
	assert_int_equal(mm.y_bytes, 65535ULL * 0xffffffc0 + (1ULL << 27));
	cmd.y_stride = 1 << 27;
	expect(&cmd, ALL_FEATURES, BITNPU_STATUS_OK, 0, 0);
	cmd.y_stride -= 64;
	expect(&cmd, ALL_FEATURES, BITNPU_STATUS_STRIDE, 52, cmd.y_stride);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_halves),
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_largest_sums),
		cmocka_unit_test(test_dma_errors),
		cmocka_unit_test(test_order_of_checks),
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_end_of_address_space),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("datapath", tests, NULL, NULL);
}
