// SPDX-License-Identifier: MIT
/* Devices: the list, names, opening and closing; the golden engine's buffers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libbitnpu/bitnpu.h"

static void test_list(void **state)
{
	struct bitnpu_device_info *list;
	struct bitnpu_device *dev;
	struct bitnpu_error err;
	size_t count;

	assert_int_equal(bitnpu_device_list(&list, &count, &err), 0);
	assert_in_range(count, 1, 1000);
	/* The reference is always there and the last choice. */
	assert_string_equal(list[count - 1].name, "golden");
	for (size_t i = 0; i < count; i++) {
		const struct bitnpu_device_info *info = &list[i];

		assert_int_equal(strncmp(info->name, info->engine, strlen(info->engine)), 0);
		assert_int_not_equal(info->features, 0);
		assert_int_not_equal(info->description[0], '\0');
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(info->name, list[j].name);
	}
	assert_int_equal(bitnpu_device_open("auto", &dev, &err), 0);
	assert_string_equal(bitnpu_device_get_info(dev)->name, list[0].name);
	bitnpu_device_close(dev);
	bitnpu_device_list_free(list);
	bitnpu_device_list_free(NULL);
}

static void test_names(void **state)
{
	static const struct {
		const char *name;
		int ret;
	} cases[] = {
		{ "golden", 0 },
		{ "golden:0", 0 },
		{ "golden:00", 0 },
		{ "golden:1", -ENODEV },
		{ "golden:4294967296", -EINVAL },
		{ "golden:99999999999999999999", -EINVAL },
		{ "golden:", -EINVAL },
		{ "golden:-1", -EINVAL },
		{ "golden:+0", -EINVAL },
		{ "golden: 0", -EINVAL },
		{ "golden:0x0", -EINVAL },
		{ "golden:0:0", -EINVAL },
		{ "", -EINVAL },
		{ ":", -EINVAL },
		{ ":0", -EINVAL },
		{ "gold", -ENODEV },
		{ "goldenx", -ENODEV },
		{ "GOLDEN", -ENODEV },
		{ "auto:0", -ENODEV },
		{ "no\x1bsuch", -ENODEV },
	};
	struct bitnpu_error err;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bitnpu_device *dev = NULL;

		assert_int_equal(bitnpu_device_open(cases[i].name, &dev, &err), cases[i].ret);
		if (cases[i].ret == 0) {
			assert_string_equal(bitnpu_device_get_info(dev)->name, "golden");
			assert_string_equal(bitnpu_device_get_info(dev)->engine, "golden");
			bitnpu_device_close(dev);
			continue;
		}
		assert_null(dev);
		assert_int_equal(err.code, cases[i].ret);
		assert_non_null(strstr(err.message, "device"));
		assert_null(strchr(err.message, '\x1b'));
		assert_int_equal(bitnpu_device_open(cases[i].name, &dev, NULL), cases[i].ret);
	}
	assert_int_equal(bitnpu_device_open(NULL, &(struct bitnpu_device *){ NULL }, &err), -EINVAL);
	bitnpu_device_close(NULL);
}

/* The device is closed when nothing is left on it, whatever is destroyed first. */
static void test_lifetime(void **state)
{
	struct bitnpu_device *dev;
	struct bitnpu_context *ctx;
	struct bitnpu_queue *queue;
	struct bitnpu_bo *bo;

	assert_int_equal(bitnpu_device_open("golden", &dev, NULL), 0);
	assert_int_equal(bitnpu_context_create(dev, &ctx, NULL), 0);
	assert_int_equal(bitnpu_queue_create(ctx, &queue, NULL), 0);
	assert_int_equal(bitnpu_bo_create(ctx, 1, 0, &bo, NULL), 0);
	bitnpu_device_close(dev);
	bitnpu_context_destroy(ctx);
	bitnpu_queue_destroy(queue);
	assert_int_equal(bitnpu_bo_size(bo), 1);
	bitnpu_bo_destroy(bo);
}

static void test_golden_buffers(void **state)
{
	struct bitnpu_device *dev;
	struct bitnpu_context *ctx;
	struct bitnpu_bo *bo = NULL;
	struct bitnpu_error err;
	uint8_t *bytes;
	void *ptr;

	assert_int_equal(bitnpu_device_open("golden", &dev, NULL), 0);
	assert_true(bitnpu_device_get_info(dev)->unified);
	assert_int_equal(bitnpu_context_create(dev, &ctx, NULL), 0);
	assert_int_equal(bitnpu_bo_create(ctx, 100000, 0, &bo, NULL), 0);
	assert_int_equal(bitnpu_bo_map(bo, BITNPU_MAP_READ, &ptr, NULL), 0);
	bytes = ptr;
	for (size_t i = 0; i < 100000; i++)
		assert_int_equal(bytes[i], 0);
	bitnpu_bo_destroy(bo);
	bo = NULL;
	/* More than any machine has: refused, not killed for. */
	assert_int_equal(bitnpu_bo_create(ctx, 1ULL << 56, 0, &bo, &err), -ENOMEM);
	assert_null(bo);
	bitnpu_context_destroy(ctx);
	bitnpu_device_close(dev);
}

static void test_version(void **state)
{
	char expected[32];

	snprintf(expected, sizeof(expected), "%d.%d.%d", BITNPU_VERSION_MAJOR,
		 BITNPU_VERSION_MINOR, BITNPU_VERSION_PATCH);
	assert_string_equal(bitnpu_version(), expected);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_lifetime),
		cmocka_unit_test(test_golden_buffers),
		cmocka_unit_test(test_version),
	};

	return cmocka_run_group_tests_name("device", tests, NULL, NULL);
}
