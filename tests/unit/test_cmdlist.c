// SPDX-License-Identifier: MIT
/* Command lists: every refusal, with its command, field and address; references; preparation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libbitnpu/core.h"
#include "tests/support/fake_engine.h"
#include "tests/support/random.h"

#define FIELD(name)	offsetof(struct bitnpu_cmd_matmul, name)

/* A MATMUL that is right on four buffers of one page and a read-only one. */
struct bench {
	struct fake_engine fake;
	struct bitnpu_device *dev;
	struct bitnpu_context *ctx;
	struct bitnpu_bo *x, *w, *s, *y, *read_only;
	struct bitnpu_cmd_matmul good;
	uint64_t page;
};

static struct bitnpu_bo *new_bo(struct bench *b, uint32_t flags)
{
	struct bitnpu_bo *bo;

	assert_int_equal(bitnpu_bo_create(b->ctx, b->page, flags, &bo, NULL), 0);
	return bo;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->page = sysconf(_SC_PAGESIZE);
	fake_engine_init(&b->fake);
	b->dev = fake_device_open(&b->fake);
	assert_int_equal(bitnpu_context_create(b->dev, &b->ctx, NULL), 0);
	b->x = new_bo(b, 0);
	b->w = new_bo(b, 0);
	b->s = new_bo(b, 0);
	b->y = new_bo(b, 0);
	b->read_only = new_bo(b, BITNPU_BO_READ_ONLY);
	b->good = (struct bitnpu_cmd_matmul){
		.opcode = BITNPU_OP_MATMUL,
		.weight_format = BITNPU_W_TERNARY,
		.output_format = BITNPU_Y_INT64,
		.m = 3,
		.n = 20,
		.k = 100,
		.x_addr = bitnpu_bo_address(b->x),
		.w_addr = bitnpu_bo_address(b->w),
		.s_addr = bitnpu_bo_address(b->s),
		.y_addr = bitnpu_bo_address(b->y),
		.x_stride = 128,
		.y_stride = 192,
		.group_shift = 5,
	};
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	bitnpu_bo_destroy(b->x);
	bitnpu_bo_destroy(b->w);
	bitnpu_bo_destroy(b->s);
	bitnpu_bo_destroy(b->y);
	bitnpu_bo_destroy(b->read_only);
	bitnpu_context_destroy(b->ctx);
	bitnpu_device_close(b->dev);
	/* Every refusal has dropped what it held. */
	assert_int_equal(fake_count(&b->fake.bos), 0);
	assert_int_equal(fake_count(&b->fake.prepared), 0);
	assert_int_equal(fake_count(&b->fake.devices), 0);
	free(b);
	return 0;
}

static void expect_fault(struct bench *b, const void *cmds, size_t bytes,
			 const struct bitnpu_fault *expected)
{
	struct bitnpu_cmdlist *list = (void *)1;
	struct bitnpu_error err;
	char index[32];

	memset(&err, 0xee, sizeof(err));
	assert_int_equal(bitnpu_cmdlist_create(b->ctx, cmds, bytes, &list, &err), -EINVAL);
	assert_ptr_equal(list, (void *)1);
	assert_int_equal(err.code, -EINVAL);
	assert_memory_equal(&err.fault, expected, sizeof(*expected));
	assert_non_null(strstr(err.message, bitnpu_status_name(expected->status)));
	if (expected->status != BITNPU_STATUS_LENGTH) {
		snprintf(index, sizeof(index), "command %u:", expected->index);
		assert_non_null(strstr(err.message, index));
	}
	assert_int_equal(bitnpu_cmdlist_create(b->ctx, cmds, bytes, &list, NULL), -EINVAL);
}

/* @cmd after a good command, a NOP and a BARRIER: it is number 3. */
static void expect_refused(struct bench *b, const void *cmd, uint32_t status, uint32_t field,
			   uint64_t addr)
{
	const struct bitnpu_fault expected = {
		.status = status,
		.index = 3,
		.field = field,
		.addr = addr,
	};
	struct bitnpu_cmd list[4] = {
		[1].opcode = BITNPU_OP_NOP,
		[2].opcode = BITNPU_OP_BARRIER,
	};

	memcpy(&list[0], &b->good, sizeof(list[0]));
	memcpy(&list[3], cmd, sizeof(list[3]));
	expect_fault(b, list, sizeof(list), &expected);
}

static void expect_accepted(struct bench *b, const void *cmd)
{
	struct bitnpu_cmdlist *list;
	struct bitnpu_error err;

	if (bitnpu_cmdlist_create(b->ctx, cmd, BITNPU_CMD_SIZE, &list, &err))
		fail_msg("%s", err.message);
	bitnpu_cmdlist_destroy(list);
}

static void test_length(void **state)
{
	struct bench *b = *state;
	struct bitnpu_cmd cmds[2] = { 0 };

	for (size_t bytes = 0; bytes < sizeof(cmds); bytes++) {
		const struct bitnpu_fault expected = {
			.status = BITNPU_STATUS_LENGTH,
			.addr = bytes,
		};

		if (bytes != sizeof(cmds[0]))
			expect_fault(b, bytes ? cmds : NULL, bytes, &expected);
	}
}

static void test_opcodes(void **state)
{
	struct bench *b = *state;
	struct bitnpu_cmd_matmul cmd = b->good;

	for (unsigned int opcode = BITNPU_OP_GATE + 1; opcode < 256; opcode++) {
		cmd.opcode = opcode;
		expect_refused(b, &cmd, BITNPU_STATUS_OPCODE, 0, opcode);
	}
	/* The fake engine has no float commands, and nothing of them is looked at. */
	for (unsigned int opcode = BITNPU_OP_NORM_QUANTIZE; opcode <= BITNPU_OP_GATE; opcode++) {
		memset(&cmd, 0xff, sizeof(cmd));
		cmd.opcode = opcode;
		expect_refused(b, &cmd, BITNPU_STATUS_UNSUPPORTED, 0, opcode);
	}
}

static void test_reserved_bytes(void **state)
{
	struct bench *b = *state;
	uint8_t cmd[BITNPU_CMD_SIZE];

	for (unsigned int opcode = BITNPU_OP_NOP; opcode <= BITNPU_OP_MATMUL; opcode++) {
		for (uint32_t i = 1; i < BITNPU_CMD_SIZE; i++) {
			if (opcode == BITNPU_OP_MATMUL && i != FIELD(flags) && i < FIELD(reserved))
				continue;
			for (uint8_t bit = 0; bit < 8; bit++) {
				memset(cmd, 0, sizeof(cmd));
				if (opcode == BITNPU_OP_MATMUL)
					memcpy(cmd, &b->good, sizeof(cmd));
				cmd[0] = opcode;
				cmd[i] = 1 << bit;
				expect_refused(b, cmd, BITNPU_STATUS_RESERVED, i, 1 << bit);
			}
		}
	}
}

static void test_formats(void **state)
{
	struct bench *b = *state;
	struct bitnpu_cmd_matmul cmd = b->good;

	for (unsigned int format = 3; format < 256; format++) {
		cmd.weight_format = format;
		expect_refused(b, &cmd, BITNPU_STATUS_FORMAT, FIELD(weight_format), format);
	}
	cmd = b->good;
	for (unsigned int format = 2; format < 256; format++) {
		cmd.output_format = format;
		expect_refused(b, &cmd, BITNPU_STATUS_FORMAT, FIELD(output_format), format);
	}
	cmd = b->good;
	for (unsigned int shift = 0; shift < 256; shift++) {
		cmd.group_shift = shift;
		if (shift >= 5 && shift <= 16)
			expect_accepted(b, &cmd);
		else
			expect_refused(b, &cmd, BITNPU_STATUS_FORMAT, FIELD(group_shift), shift);
	}
	cmd = b->good;
	cmd.output_format = BITNPU_Y_INT32;
	expect_refused(b, &cmd, BITNPU_STATUS_FORMAT, FIELD(group_shift), cmd.group_shift);
	cmd.group_shift = 0;
	expect_refused(b, &cmd, BITNPU_STATUS_FORMAT, FIELD(s_addr), cmd.s_addr);
	cmd.s_addr = 0;
	expect_accepted(b, &cmd);
}

static void test_unsupported(void **state)
{
	struct bench *b = *state;

	b->dev->engine->info.features &= ~BITNPU_FEATURE_W_TERNARY;
	expect_fault(b, &b->good, sizeof(b->good),
		     &(struct bitnpu_fault){ .status = BITNPU_STATUS_UNSUPPORTED,
					     .field = FIELD(weight_format),
					     .addr = BITNPU_W_TERNARY });
	b->dev->engine->info.features |= BITNPU_FEATURE_W_TERNARY;
	b->dev->engine->info.features &= ~BITNPU_FEATURE_Y_INT64;
	expect_fault(b, &b->good, sizeof(b->good),
		     &(struct bitnpu_fault){ .status = BITNPU_STATUS_UNSUPPORTED,
					     .field = FIELD(output_format),
					     .addr = BITNPU_Y_INT64 });
}

static void test_dimensions(void **state)
{
	static const struct {
		size_t field;
		uint32_t max;
	} dimensions[] = {
		{ FIELD(m), BITNPU_MAX_M },
		{ FIELD(n), BITNPU_MAX_N },
		{ FIELD(k), BITNPU_MAX_K },
	};
	struct bench *b = *state;

	for (size_t i = 0; i < 3; i++) {
		const uint32_t bad[] = { 0, dimensions[i].max + 1, 0x80000000, 0xffffffff };

		for (size_t j = 0; j < 4; j++) {
			struct bitnpu_cmd_matmul cmd = b->good;

			memcpy((uint8_t *)&cmd + dimensions[i].field, &bad[j], sizeof(bad[j]));
			expect_refused(b, &cmd, BITNPU_STATUS_DIMENSION, dimensions[i].field,
				       bad[j]);
		}
	}
}

static void test_alignment(void **state)
{
	static const struct {
		size_t field, size;
	} fields[] = {
		{ FIELD(x_addr), 8 }, { FIELD(w_addr), 8 },   { FIELD(s_addr), 8 },
		{ FIELD(y_addr), 8 }, { FIELD(x_stride), 4 }, { FIELD(y_stride), 4 },
	};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		for (uint8_t bit = 0; bit < 6; bit++) {
			struct bitnpu_cmd_matmul cmd = b->good;
			uint64_t value = 0;

			((uint8_t *)&cmd)[fields[i].field] |= 1 << bit;
			memcpy(&value, (uint8_t *)&cmd + fields[i].field, fields[i].size);
			expect_refused(b, &cmd, BITNPU_STATUS_ALIGNMENT, fields[i].field, value);
		}
	}
}

static void test_strides(void **state)
{
	struct bench *b = *state;
	struct bitnpu_cmd_matmul cmd = b->good;

	cmd.x_stride = 64;
	expect_refused(b, &cmd, BITNPU_STATUS_STRIDE, FIELD(x_stride), 64);
	cmd.x_stride = 0;
	expect_refused(b, &cmd, BITNPU_STATUS_STRIDE, FIELD(x_stride), 0);
	cmd = b->good;
	cmd.y_stride = 128;
	expect_refused(b, &cmd, BITNPU_STATUS_STRIDE, FIELD(y_stride), 128);
	cmd.output_format = BITNPU_Y_INT32;
	cmd.group_shift = 0;
	cmd.s_addr = 0;
	expect_accepted(b, &cmd);
}

static void test_overflow(void **state)
{
	static const size_t fields[] = { FIELD(x_addr), FIELD(w_addr), FIELD(s_addr),
					 FIELD(y_addr) };
	const uint64_t last = ~63ULL;
	struct bench *b = *state;

	for (size_t i = 0; i < 4; i++) {
		struct bitnpu_cmd_matmul cmd = b->good;

		memcpy((uint8_t *)&cmd + fields[i], &last, sizeof(last));
		expect_refused(b, &cmd, BITNPU_STATUS_OVERFLOW, fields[i], last);
	}
}

/* @bytes: what the good command reads or writes from the address at @field on */
static void check_mapping(struct bench *b, size_t field, const struct bitnpu_bo *bo,
			  uint64_t bytes)
{
	const uint64_t addr = bitnpu_bo_address(bo);
	const uint64_t last = addr + ((b->page - bytes) & ~63ULL);
	const uint64_t bad[] = { 0, 64, addr - 64, addr + b->page, addr + (1ULL << 40),
				 addr & 0xffffffff, addr ^ 1ULL << 62 };
	struct bitnpu_cmd_matmul cmd = b->good;
	uint64_t past = last + 64;

	memcpy((uint8_t *)&cmd + field, &last, sizeof(last));
	expect_accepted(b, &cmd);
	memcpy((uint8_t *)&cmd + field, &past, sizeof(past));
	expect_refused(b, &cmd, BITNPU_STATUS_UNMAPPED, field, addr + b->page);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy((uint8_t *)&cmd + field, &bad[i], sizeof(bad[i]));
		expect_refused(b, &cmd, BITNPU_STATUS_UNMAPPED, field, bad[i]);
	}
}

static void test_unmapped(void **state)
{
	struct bench *b = *state;
	struct bitnpu_cmd_matmul cmd = b->good;

	check_mapping(b, FIELD(x_addr), b->x, 2 * 128 + 128);
	check_mapping(b, FIELD(w_addr), b->w, 2 * 7 * 64);
	check_mapping(b, FIELD(s_addr), b->s, 2 * 4 * 32);
	check_mapping(b, FIELD(y_addr), b->y, 2 * 192 + 160);
	/* In the order x, w, s, y. */
	cmd.x_addr = cmd.w_addr = cmd.s_addr = cmd.y_addr = 64;
	expect_refused(b, &cmd, BITNPU_STATUS_UNMAPPED, FIELD(x_addr), 64);
	cmd.x_addr = b->good.x_addr;
	expect_refused(b, &cmd, BITNPU_STATUS_UNMAPPED, FIELD(w_addr), 64);
	cmd.w_addr = b->good.w_addr;
	expect_refused(b, &cmd, BITNPU_STATUS_UNMAPPED, FIELD(s_addr), 64);
	cmd.s_addr = b->good.s_addr;
	expect_refused(b, &cmd, BITNPU_STATUS_UNMAPPED, FIELD(y_addr), 64);
}

static void test_read_only(void **state)
{
	struct bench *b = *state;
	struct bitnpu_cmd_matmul cmd = b->good;
	const uint64_t addr = bitnpu_bo_address(b->read_only);

	cmd.y_addr = addr + 64;
	expect_refused(b, &cmd, BITNPU_STATUS_READ_ONLY, FIELD(y_addr), addr + 64);
	/* It is refused before any overlap in it. */
	cmd.x_addr = cmd.w_addr = cmd.s_addr = addr;
	expect_refused(b, &cmd, BITNPU_STATUS_READ_ONLY, FIELD(y_addr), addr + 64);
	cmd.y_addr = b->good.y_addr;
	expect_accepted(b, &cmd);
}

/* y, 544 bytes, next to and over an operand of @bytes at @field in the same buffer */
static void check_overlap(struct bench *b, size_t field, uint64_t bytes)
{
	const uint64_t y = bitnpu_bo_address(b->y) + 1024;
	const uint64_t y_bytes = 2 * 192 + 160;
	struct bitnpu_cmd_matmul cmd = b->good;

	cmd.y_addr = y;
	for (uint64_t at = y - 1024; at < y + 1024; at += 64) {
		memcpy((uint8_t *)&cmd + field, &at, sizeof(at));
		if (at + bytes <= y || y + y_bytes <= at)
			expect_accepted(b, &cmd);
		else
			expect_refused(b, &cmd, BITNPU_STATUS_OVERLAP, FIELD(y_addr), y);
	}
}

static void test_overlap(void **state)
{
	struct bench *b = *state;

	check_overlap(b, FIELD(x_addr), 2 * 128 + 128);
	check_overlap(b, FIELD(w_addr), 2 * 7 * 64);
	check_overlap(b, FIELD(s_addr), 2 * 4 * 32);
}

/* A buffer lives as long as a list that names it, but no new list finds it. */
static void test_references(void **state)
{
	struct bench *b = *state;
	struct bitnpu_cmdlist *list;
	const uint64_t addr = bitnpu_bo_address(b->w);

	assert_int_equal(bitnpu_cmdlist_create(b->ctx, &b->good, sizeof(b->good), &list, NULL),
			 0);
	bitnpu_bo_destroy(b->w);
	b->w = NULL;
	assert_int_equal(fake_count(&b->fake.bos), 5);
	expect_fault(b, &b->good, sizeof(b->good),
		     &(struct bitnpu_fault){ .status = BITNPU_STATUS_UNMAPPED,
					     .field = FIELD(w_addr),
					     .addr = addr });
	assert_int_equal(fake_count(&b->fake.bos), 5);
	bitnpu_cmdlist_destroy(list);
	assert_int_equal(fake_count(&b->fake.bos), 4);
}

static void test_preparation(void **state)
{
	struct bench *b = *state;
	struct bitnpu_cmdlist *list = (void *)1;
	struct bitnpu_error err;

	b->fake.fail_prepare = -ENOSPC;
	assert_int_equal(bitnpu_cmdlist_create(b->ctx, &b->good, sizeof(b->good), &list, &err),
			 -ENOSPC);
	assert_ptr_equal(list, (void *)1);
	assert_string_equal(err.message, "fake: no preparation");
	b->fake.fail_prepare = 0;
	assert_int_equal(bitnpu_cmdlist_create(b->ctx, &b->good, sizeof(b->good), &list, NULL),
			 0);
	assert_int_equal(fake_count(&b->fake.prepared), 1);
	bitnpu_cmdlist_destroy(list);
	assert_int_equal(fake_count(&b->fake.prepared), 0);
}

/* A device whose memory bounds K says so, each output format having its own bound. */
static void test_largest_k(void **state)
{
	struct bench *b = *state;
	struct bitnpu_device_info *info = &b->dev->engine->info;
	struct bitnpu_cmd_matmul int32 = b->good;
	struct bitnpu_cmdlist *list;
	struct bitnpu_error err;

	int32.output_format = BITNPU_Y_INT32;
	int32.group_shift = 0;
	int32.s_addr = 0;
	info->max_k_int32 = 99;
	info->max_k_int64 = 100;
	assert_int_equal(bitnpu_cmdlist_create(b->ctx, &b->good, sizeof(b->good), &list, NULL), 0);
	bitnpu_cmdlist_destroy(list);
	expect_refused(b, &int32, BITNPU_STATUS_UNSUPPORTED, FIELD(k), 100);
	info->max_k_int32 = 0;
	info->max_k_int64 = 98;
	assert_int_equal(bitnpu_cmdlist_create(b->ctx, &int32, sizeof(int32), &list, NULL), 0);
	bitnpu_cmdlist_destroy(list);
	assert_int_equal(bitnpu_cmdlist_create(b->ctx, &b->good, sizeof(b->good), &list, &err),
			 -EINVAL);
	assert_non_null(strstr(err.message, "k 100"));
	assert_non_null(strstr(err.message, "up to 98"));
	assert_int_equal(err.fault.field, FIELD(k));
	/* What is wrong on every device is reported as every device does. */
	b->good.y_addr = b->good.x_addr;
	assert_int_equal(bitnpu_cmdlist_create(b->ctx, &b->good, sizeof(b->good), &list, &err),
			 -EINVAL);
	assert_int_equal(err.fault.status, BITNPU_STATUS_OVERLAP);
}

/* What the engine is given: NOPs dropped, indexes of the list as it was, operands resolved. */
static void test_checked_commands(void **state)
{
	struct bench *b = *state;
	struct bitnpu_cmd cmds[5] = { [1].opcode = BITNPU_OP_BARRIER };
	struct bitnpu_cmdlist *list;
	const struct bitnpu_checked_cmd *mm;

	memcpy(&cmds[3], &b->good, sizeof(cmds[3]));
	((struct bitnpu_cmd_matmul *)&cmds[3])->x_addr += 128;
	assert_int_equal(bitnpu_cmdlist_create(b->ctx, cmds, sizeof(cmds), &list, NULL), 0);
	memset(cmds, 0xff, sizeof(cmds));	/* the list has its own copy */
	assert_int_equal(list->checked.count, 2);
	assert_int_equal(list->checked.cmds[0].opcode, BITNPU_OP_BARRIER);
	assert_int_equal(list->checked.cmds[0].index, 1);
	mm = &list->checked.cmds[1];
	assert_int_equal(mm->opcode, BITNPU_OP_MATMUL);
	assert_int_equal(mm->index, 3);
	assert_ptr_equal(mm->x.bo, b->x->engine);
	assert_int_equal(mm->x.offset, 128);
	assert_ptr_equal(mm->w.bo, b->w->engine);
	assert_ptr_equal(mm->s.bo, b->s->engine);
	assert_ptr_equal(mm->y.bo, b->y->engine);
	assert_int_equal(mm->y.offset, 0);
	assert_int_equal(mm->mm.n, 20);
	assert_int_equal(mm->mm.groups, 4);
	bitnpu_cmdlist_destroy(list);
}

/* One byte of a good command changed at random: accepted or refused, never a crash. */
static void test_mutations(void **state)
{
	struct bench *b = *state;
	struct test_random random;
	int accepted = 0;

	test_random_init(&random, 4);
	for (int i = 0; i < 20000; i++) {
		struct bitnpu_cmdlist *list;
		struct bitnpu_error err;
		uint8_t cmd[BITNPU_CMD_SIZE];
		int ret;

		memcpy(cmd, &b->good, sizeof(cmd));
		for (uint32_t j = test_random_below(&random, 3); j < 3; j++)
			cmd[test_random_below(&random, sizeof(cmd))] = test_random_u64(&random);
		ret = bitnpu_cmdlist_create(b->ctx, cmd, sizeof(cmd), &list, &err);
		if (ret == 0) {
			accepted++;
			bitnpu_cmdlist_destroy(list);
		} else {
			assert_int_equal(ret, -EINVAL);
			assert_in_range(err.fault.status, BITNPU_STATUS_OPCODE,
					BITNPU_STATUS_OVERLAP);
			assert_in_range(err.fault.field, 0, BITNPU_CMD_SIZE - 1);
			assert_int_equal(err.fault.index, 0);
		}
	}
	assert_in_range(accepted, 1, 19999);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_length),
		TEST(test_opcodes),
		TEST(test_reserved_bytes),
		TEST(test_formats),
		TEST(test_unsupported),
		TEST(test_dimensions),
		TEST(test_alignment),
		TEST(test_strides),
		TEST(test_overflow),
		TEST(test_unmapped),
		TEST(test_read_only),
		TEST(test_overlap),
		TEST(test_references),
		TEST(test_preparation),
		TEST(test_largest_k),
		TEST(test_checked_commands),
		TEST(test_mutations),
	};

	return cmocka_run_group_tests_name("cmdlist", tests, NULL, NULL);
}
