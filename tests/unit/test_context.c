// SPDX-License-Identifier: MIT
/* Contexts: device addresses, buffers, mapping for the host, failures of the engine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libbitnpu/core.h"
#include "tests/support/fake_engine.h"
#include "tests/support/random.h"

struct bench {
	struct fake_engine fake;
	struct bitnpu_device *dev;
	struct bitnpu_context *ctx;
	uint64_t page;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->page = sysconf(_SC_PAGESIZE);
	fake_engine_init(&b->fake);
	b->dev = fake_device_open(&b->fake);
	assert_int_equal(bitnpu_context_create(b->dev, &b->ctx, NULL), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	bitnpu_context_destroy(b->ctx);
	bitnpu_device_close(b->dev);
	assert_int_equal(fake_count(&b->fake.bos), 0);
	assert_int_equal(fake_count(&b->fake.maps), 0);
	assert_int_equal(fake_count(&b->fake.contexts), 0);
	assert_int_equal(fake_count(&b->fake.devices), 0);
	free(b);
	return 0;
}

static struct bitnpu_bo *new_bo(struct bitnpu_context *ctx, uint64_t size)
{
	struct bitnpu_bo *bo;

	assert_int_equal(bitnpu_bo_create(ctx, size, 0, &bo, NULL), 0);
	return bo;
}

static struct bitnpu_bo *find(struct bitnpu_context *ctx, uint64_t addr)
{
	struct bitnpu_bo *bo = bitnpu_context_find(ctx, addr);

	if (bo)
		bitnpu_bo_put(bo);
	return bo;
}

/* Buffers come and go at random; addresses lead to their buffer, the gaps to none. */
static void test_addresses(void **state)
{
	struct bench *b = *state;
	struct bitnpu_bo *bos[64] = { 0 };
	struct test_random random;
	uint64_t highest = 0;

	test_random_init(&random, 5);
	for (int i = 0; i < 2000; i++) {
		struct bitnpu_bo **bo = &bos[test_random_below(&random, 64)];

		if (*bo) {
			const uint64_t old = bitnpu_bo_address(*bo);

			bitnpu_bo_destroy(*bo);
			*bo = NULL;
			assert_null(find(b->ctx, old));
			continue;
		}
		*bo = new_bo(b->ctx, 1 + test_random_below(&random, 300000));
		assert_int_equal(bitnpu_bo_address(*bo) % b->page, 0);
		/* Never used before, and not next to anything that was. */
		assert_true(bitnpu_bo_address(*bo) > highest);
		highest = bitnpu_bo_address(*bo) + (*bo)->engine->size;
		assert_null(find(b->ctx, highest));
		assert_null(find(b->ctx, bitnpu_bo_address(*bo) - 1));
		for (int j = 0; j < 64; j++) {
			uint64_t at;

			if (!bos[j])
				continue;
			at = test_random_below(&random, bos[j]->engine->size + 65536);
			assert_ptr_equal(find(b->ctx, bitnpu_bo_address(bos[j]) + at),
					 at < bos[j]->engine->size ? bos[j] : NULL);
		}
	}
	for (int j = 0; j < 64; j++)
		bitnpu_bo_destroy(bos[j]);
	assert_null(find(b->ctx, 0));
	assert_null(find(b->ctx, UINT64_MAX));
}

/* An engine with an MMU gives addresses in any order, and gives one again once its buffer is gone. */
static void test_engine_addresses(void **state)
{
	static const uint64_t addrs[] = { 0x700000, 0x100000, 0x300000, 0x900000, 0x200000 };
	struct bench *b = *state;
	struct bitnpu_bo *bos[5];

	for (int i = 0; i < 5; i++) {
		b->fake.addr = addrs[i];
		bos[i] = new_bo(b->ctx, b->page);
		assert_int_equal(bitnpu_bo_address(bos[i]), addrs[i]);
	}
	for (int i = 0; i < 5; i++) {
		assert_ptr_equal(find(b->ctx, addrs[i]), bos[i]);
		assert_ptr_equal(find(b->ctx, addrs[i] + b->page - 1), bos[i]);
		assert_null(find(b->ctx, addrs[i] + b->page));
		assert_null(find(b->ctx, addrs[i] - 1));
	}
	bitnpu_bo_destroy(bos[2]);
	assert_null(find(b->ctx, addrs[2]));
	assert_ptr_equal(find(b->ctx, addrs[4]), bos[4]);
	assert_ptr_equal(find(b->ctx, addrs[0]), bos[0]);
	b->fake.addr = addrs[2];
	bos[2] = new_bo(b->ctx, b->page);
	assert_ptr_equal(find(b->ctx, addrs[2]), bos[2]);
	for (int i = 0; i < 5; i++)
		bitnpu_bo_destroy(bos[i]);
}

static void test_no_context(void **state)
{
	struct bench *b = *state;
	struct bitnpu_context *ctx = NULL;
	struct bitnpu_error err;

	b->fake.fail_context = -EMFILE;
	assert_int_equal(bitnpu_context_create(b->dev, &ctx, &err), -EMFILE);
	assert_string_equal(err.message, "fake: no context");
	assert_null(ctx);
	assert_int_equal(fake_count(&b->fake.contexts), 1);
}

/* Two contexts are two address spaces: the same addresses, other buffers. */
static void test_separate_spaces(void **state)
{
	struct bench *b = *state;
	struct bitnpu_context *other;
	struct bitnpu_bo *here = new_bo(b->ctx, 1), *there;

	assert_int_equal(bitnpu_context_create(b->dev, &other, NULL), 0);
	assert_null(find(other, bitnpu_bo_address(here)));
	there = new_bo(other, 1);
	assert_int_equal(bitnpu_bo_address(here), bitnpu_bo_address(there));
	assert_ptr_equal(find(other, bitnpu_bo_address(there)), there);
	bitnpu_bo_destroy(here);
	bitnpu_context_destroy(other);
	assert_ptr_equal(find(other, bitnpu_bo_address(there)), there);
	bitnpu_bo_destroy(there);
}

static void test_sizes(void **state)
{
	struct bench *b = *state;
	struct bitnpu_bo *bo = (void *)1;
	struct bitnpu_error err;

	assert_int_equal(bitnpu_bo_create(b->ctx, 0, 0, &bo, &err), -EINVAL);
	assert_int_equal(bitnpu_bo_create(b->ctx, 1, 2, &bo, &err), -EINVAL);
	assert_non_null(strstr(err.message, "0x2"));
	assert_int_equal(bitnpu_bo_create(b->ctx, UINT64_MAX, 0, &bo, &err), -E2BIG);
	assert_int_equal(bitnpu_bo_create(b->ctx, 1ULL << 63, 0, &bo, NULL), -E2BIG);
	b->dev->engine->info.max_buffer_bytes = 2 * b->page;
	assert_int_equal(bitnpu_bo_create(b->ctx, 2 * b->page + 1, 0, &bo, &err), -E2BIG);
	assert_ptr_equal(bo, (void *)1);
	bo = new_bo(b->ctx, b->page + 1);
	assert_int_equal(bitnpu_bo_size(bo), b->page + 1);
	assert_int_equal(bo->engine->size, 2 * b->page);
	bitnpu_bo_destroy(bo);
	bitnpu_bo_destroy(NULL);
	bitnpu_context_destroy(NULL);
}

static void test_out_of_addresses(void **state)
{
	struct bench *b = *state;
	struct bitnpu_bo *bo = (void *)1;
	struct bitnpu_error err;

	b->ctx->next_addr = (1ULL << 63) - 3 * 65536;
	bo = new_bo(b->ctx, 65535);
	assert_ptr_equal(find(b->ctx, bitnpu_bo_address(bo)), bo);
	bitnpu_bo_destroy(bo);
	bo = (void *)1;
	assert_int_equal(bitnpu_bo_create(b->ctx, 1, 0, &bo, &err), -ENOMEM);
	assert_int_equal(err.code, -ENOMEM);
	assert_ptr_equal(bo, (void *)1);
}

static void test_import(void **state)
{
	struct bench *b = *state;
	struct bitnpu_bo *bo = NULL;
	struct bitnpu_error err;
	uint8_t *memory = NULL;
	void *ptr;

	assert_int_equal(posix_memalign((void **)&memory, b->page, 2 * b->page), 0);
	assert_int_equal(bitnpu_bo_import(b->ctx, memory + 64, b->page, 0, &bo, &err), -EINVAL);
	assert_int_equal(bitnpu_bo_import(b->ctx, NULL, b->page, 0, &bo, &err), -EINVAL);
	assert_int_equal(bitnpu_bo_import(b->ctx, memory, 0, 0, &bo, &err), -EINVAL);
	assert_int_equal(bitnpu_bo_import(b->ctx, memory, 1, 0x80, &bo, &err), -EINVAL);
	assert_null(bo);
	assert_int_equal(bitnpu_bo_import(b->ctx, memory, b->page + 1, BITNPU_BO_READ_ONLY, &bo,
					  &err), 0);
	assert_int_equal(bo->engine->size, 2 * b->page);
	/* It may be mapped read-only into the process: nobody may write it. */
	assert_int_equal(bitnpu_bo_map(bo, BITNPU_MAP_WRITE, &ptr, &err), -EACCES);
	assert_int_equal(bitnpu_bo_map(bo, BITNPU_MAP_READ, &ptr, &err), 0);
	assert_ptr_equal(ptr, memory);
	assert_int_equal(bitnpu_bo_unmap(bo, &err), 0);
	bitnpu_bo_destroy(bo);
	free(memory);
}

static void test_map(void **state)
{
	struct bench *b = *state;
	struct bitnpu_bo *bo = new_bo(b->ctx, 100);
	struct bitnpu_error err;
	void *first, *second = (void *)1;

	assert_int_equal(bitnpu_bo_map(bo, 0, &second, &err), -EINVAL);
	assert_int_equal(bitnpu_bo_map(bo, 4, &second, &err), -EINVAL);
	assert_int_equal(bitnpu_bo_unmap(bo, &err), -EINVAL);
	assert_int_equal(bitnpu_bo_map(bo, BITNPU_MAP_READ | BITNPU_MAP_WRITE, &first, &err), 0);
	assert_int_equal(b->fake.access, BITNPU_MAP_READ | BITNPU_MAP_WRITE);
	assert_int_equal(bitnpu_bo_map(bo, BITNPU_MAP_READ, &second, &err), -EBUSY);
	assert_ptr_equal(second, (void *)1);
	assert_int_equal(bitnpu_bo_unmap(bo, &err), 0);

	b->fake.fail_map = -EIO;
	assert_int_equal(bitnpu_bo_map(bo, BITNPU_MAP_READ, &second, &err), -EIO);
	assert_ptr_equal(second, (void *)1);
	b->fake.fail_map = 0;
	assert_int_equal(bitnpu_bo_map(bo, BITNPU_MAP_READ, &second, &err), 0);
	assert_ptr_equal(first, second);
	b->fake.fail_unmap = -EIO;
	assert_int_equal(bitnpu_bo_unmap(bo, &err), -EIO);
	b->fake.fail_unmap = 0;
	/* Destroying ends a map. */
	assert_int_equal(bitnpu_bo_map(bo, BITNPU_MAP_READ, &second, &err), 0);
	bitnpu_bo_destroy(bo);
}

static void test_engine_without_memory(void **state)
{
	struct bench *b = *state;
	struct bitnpu_bo *bo = (void *)1;
	struct bitnpu_error err;

	b->fake.fail_bo = -ENOMEM;
	assert_int_equal(bitnpu_bo_create(b->ctx, 1, 0, &bo, &err), -ENOMEM);
	assert_string_equal(err.message, "fake: no buffer");
	assert_ptr_equal(bo, (void *)1);
	assert_int_equal(b->ctx->count, 0);
}

static void *churn(void *data)
{
	struct bitnpu_context *ctx = data;
	intptr_t failures = 0;
	struct bitnpu_bo *bo;

	for (int i = 0; i < 300; i++) {
		if (bitnpu_bo_create(ctx, 1 + i * 100, 0, &bo, NULL)) {
			failures++;
			continue;
		}
		failures += find(ctx, bitnpu_bo_address(bo)) != bo;
		bitnpu_bo_destroy(bo);
	}
	return (void *)failures;
}

static void test_threads(void **state)
{
	struct bench *b = *state;
	pthread_t threads[8];
	void *failures;

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, churn, b->ctx), 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &failures);
		assert_null(failures);
	}
	assert_int_equal(b->ctx->count, 0);
}

#define TEST(name)	cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_addresses),
		TEST(test_engine_addresses),
		TEST(test_no_context),
		TEST(test_separate_spaces),
		TEST(test_sizes),
		TEST(test_out_of_addresses),
		TEST(test_import),
		TEST(test_map),
		TEST(test_engine_without_memory),
		TEST(test_threads),
	};

	return cmocka_run_group_tests_name("context", tests, NULL, NULL);
}
