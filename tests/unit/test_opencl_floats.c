// SPDX-License-Identifier: MIT
/*
 * Float commands on OpenCL where the conformance tests do not go: an ATTENTION whose scores are taken in
 * several launches, and a list that runs on several queues at once.
 */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <opencl/opencl.h>
#include <tests/support/matmul_case.h>

/* 8 MiB of scores a row, so that no two rows are taken at once. */
#define ROWS		3
#define GROUP		8
#define HEAD_DIM	20
#define CAPACITY	262144
#define TOKEN_STRIDE	192
#define ROW_STRIDE	640
#define QUEUES		3

struct attention {
	struct bitnpu_device *dev;
	struct bitnpu_context *ctx;
	struct bitnpu_bo *in, *keys, *values, *tokens, *out;
	struct bitnpu_cmdlist *list;
};

static void must(int ret, const struct bitnpu_error *err)
{
	if (ret)
		fail_msg("%s", err->message);
}

/* Floats and halves alike: small numbers, the same on every device. */
static struct bitnpu_bo *make(struct attention *a, uint64_t bytes, bool halves)
{
	struct bitnpu_error err;
	struct bitnpu_bo *bo;
	uint64_t seed = bytes;
	void *ptr;

	must(bitnpu_bo_create(a->ctx, bytes, 0, &bo, &err), &err);
	must(bitnpu_bo_map(bo, BITNPU_MAP_WRITE, &ptr, &err), &err);
	for (uint64_t i = 0; i < (bytes < 8192 ? bytes : 8192) / 4; i++) {
		const uint64_t random = matmul_case_next(&seed);
		const float value = (float)(random % 2001) / 1000.0f - 1.0f;

		if (halves)
			((uint32_t *)ptr)[i] = random & 0xbbffbbff;
		else
			memcpy((float *)ptr + i, &value, sizeof(value));
	}
	must(bitnpu_bo_unmap(bo, &err), &err);
	return bo;
}

static void set_positions(struct attention *a)
{
	static const uint32_t positions[ROWS] = { 0, 5, 40 };
	struct bitnpu_error err;
	void *ptr;

	must(bitnpu_bo_map(a->tokens, BITNPU_MAP_READ | BITNPU_MAP_WRITE, &ptr, &err), &err);
	for (unsigned int i = 0; i < ROWS; i++)
		*(uint32_t *)((char *)ptr + i * TOKEN_STRIDE) = htole32(positions[i]);
	must(bitnpu_bo_unmap(a->tokens, &err), &err);
}

static void attention_new(struct attention *a, const char *name)
{
	const uint64_t cache = (uint64_t)CAPACITY * HEAD_DIM * 2;
	struct bitnpu_cmd_attention cmd = {
		.opcode = BITNPU_OP_ATTENTION,
		.group = htole16(GROUP), .m = htole32(ROWS), .heads = htole16(1),
		.head_dim = htole16(HEAD_DIM), .capacity = htole32(CAPACITY),
		.in_stride = htole32(ROW_STRIDE), .out_stride = htole32(ROW_STRIDE),
	};
	struct bitnpu_error err;

	must(bitnpu_device_open(name, &a->dev, &err), &err);
	must(bitnpu_context_create(a->dev, &a->ctx, &err), &err);
	a->in = make(a, ROWS * ROW_STRIDE, false);
	a->keys = make(a, cache, true);
	a->values = make(a, cache, true);
	a->tokens = make(a, ROWS * TOKEN_STRIDE, false);
	a->out = make(a, ROWS * ROW_STRIDE, false);
	set_positions(a);
	cmd.in_addr = htole64(bitnpu_bo_address(a->in));
	cmd.k_addr = htole64(bitnpu_bo_address(a->keys));
	cmd.v_addr = htole64(bitnpu_bo_address(a->values));
	cmd.t_addr = htole64(bitnpu_bo_address(a->tokens));
	cmd.out_addr = htole64(bitnpu_bo_address(a->out));
	must(bitnpu_cmdlist_create(a->ctx, &cmd, sizeof(cmd), &a->list, &err), &err);
}

static void attention_free(struct attention *a)
{
	bitnpu_cmdlist_destroy(a->list);
	bitnpu_bo_destroy(a->in);
	bitnpu_bo_destroy(a->keys);
	bitnpu_bo_destroy(a->values);
	bitnpu_bo_destroy(a->tokens);
	bitnpu_bo_destroy(a->out);
	bitnpu_context_destroy(a->ctx);
	bitnpu_device_close(a->dev);
}

/* Run on @queues queues at once, all of which write the same. */
static void attention_run(struct attention *a, unsigned int queues, void *result)
{
	struct bitnpu_queue *queue[QUEUES];
	struct bitnpu_fence *fence[QUEUES];
	struct bitnpu_error err;
	void *ptr;

	for (unsigned int i = 0; i < queues; i++) {
		must(bitnpu_queue_create(a->ctx, &queue[i], &err), &err);
		must(bitnpu_queue_submit(queue[i], a->list, NULL, 0, &fence[i], &err), &err);
	}
	for (unsigned int i = 0; i < queues; i++) {
		must(bitnpu_fence_wait(fence[i], BITNPU_WAIT_FOREVER, &err), &err);
		bitnpu_fence_destroy(fence[i]);
		bitnpu_queue_destroy(queue[i]);
	}
	must(bitnpu_bo_map(a->out, BITNPU_MAP_READ, &ptr, &err), &err);
	memcpy(result, ptr, ROWS * ROW_STRIDE);
	must(bitnpu_bo_unmap(a->out, &err), &err);
}

static void check(unsigned int queues)
{
	char want[ROWS * ROW_STRIDE], got[ROWS * ROW_STRIDE];
	struct attention a;

	attention_new(&a, "golden");
	attention_run(&a, 1, want);
	attention_free(&a);
	attention_new(&a, "opencl:0");
	attention_run(&a, queues, got);
	attention_free(&a);
	assert_memory_equal(want, got, sizeof(want));
}

static void need_floats(void)
{
	struct bitnpu_cl_caps caps;

	if (bitnpu_cl_device_caps(0, &caps) || caps.refusal[0] || !caps.exact_floats) {
		print_message("# no OpenCL device whose floats round as they should\n");
		skip();
	}
}

static void test_launches(void **state)
{
	const struct bitnpu_float_command op = {
		.opcode = BITNPU_OP_ATTENTION, .m = ROWS, .heads = 1, .group = GROUP,
		.head_dim = HEAD_DIM, .capacity = CAPACITY,
	};
	struct bitnpu_float_command small = op;

	assert_int_equal(bitnpu_cl_float_launches(&op), ROWS);
	assert_int_equal(bitnpu_cl_float_scratch(&op), 4 * GROUP * CAPACITY);
	small.capacity = 40;
	assert_int_equal(bitnpu_cl_float_launches(&small), 1);
	assert_int_equal(bitnpu_cl_float_scratch(&small), ROWS * 4 * GROUP * 40);
	/* A row that is larger than what is usual is taken all the same. */
	small.capacity = 4 * CAPACITY;
	assert_int_equal(bitnpu_cl_float_launches(&small), ROWS);
}

static void test_rows_in_turn(void **state)
{
	need_floats();
	check(1);
	setenv("BITNPU_OPENCL_VARIANT", "dots", 1);
	check(1);
	unsetenv("BITNPU_OPENCL_VARIANT");
}

static void test_several_queues(void **state)
{
	need_floats();
	check(QUEUES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_launches),
		cmocka_unit_test(test_rows_in_turn),
		cmocka_unit_test(test_several_queues),
	};

	return cmocka_run_group_tests_name("opencl floats", tests, NULL, NULL);
}
