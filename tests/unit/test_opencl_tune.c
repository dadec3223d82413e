// SPDX-License-Identifier: MIT
/*
 * The OpenCL tuner: what it found is read back and used, what is damaged is as good as absent, and results
 * are exact whatever is chosen.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <libbitnpu/core.h>
#include <opencl/opencl.h>
#include <tests/support/matmul_case.h>
#include <tests/support/scratch.h>

/* Random choices, unless BITNPU_TEST_CASES says another number. */
#define CHOICES	16

static struct scratch scratch;

static const struct matmul_case small = {
	.weight_format = BITNPU_W_TERNARY,
	.output_format = BITNPU_Y_INT32,
	.m = 2,
	.n = 40,
	.k = 300,
};

static struct bitnpu_cl_device *engine_of(struct bitnpu_device *dev)
{
	return (struct bitnpu_cl_device *)dev->engine;
}

static struct bitnpu_device *open_device(const char *name)
{
	struct bitnpu_device *dev;
	struct bitnpu_error err;

	if (bitnpu_device_open(name, &dev, &err))
		fail_msg("%s", err.message);
	return dev;
}

static void need_device(void)
{
	if (!bitnpu_cl_device_count()) {
		print_message("# no OpenCL device\n");
		skip();
	}
}

static struct bitnpu_cl_class class_of(const struct matmul_case *c)
{
	const struct bitnpu_matmul mm = { .weight_format = c->weight_format,
					  .output_format = c->output_format,
					  .m = c->m, .n = c->n, .k = c->k };

	return bitnpu_cl_class_of(&mm);
}

static void check_case(struct bitnpu_device *dev, const struct matmul_case *c, uint64_t seed)
{
	struct bitnpu_device *golden = open_device("golden");
	char why[512];

	if (matmul_case_compare(dev, golden, c, seed, why, sizeof(why)))
		fail_msg("%s", why);
	bitnpu_device_close(golden);
}

/* A choice that the device can run and would not make itself for @c. */
static bool other_choice(const struct bitnpu_cl_device *dev, const struct matmul_case *c,
			 struct bitnpu_cl_choice *choice)
{
	struct bitnpu_cl_choice usual;

	assert_true(bitnpu_cl_choice_usual(&dev->caps, NULL, c->m, (c->n + 15) / 16, &usual));
	for (const struct bitnpu_cl_variant *v = bitnpu_cl_variants; v->name; v++) {
		*choice = (struct bitnpu_cl_choice){ v, v->groups[0], 1, 2 };
		if (v != usual.variant && bitnpu_cl_choice_fits(&dev->caps, choice))
			return true;
	}
	return false;
}

static bool has_program(const struct bitnpu_cl_device *dev, const struct bitnpu_cl_variant *variant)
{
	for (const struct bitnpu_cl_program *p = dev->programs; p; p = p->next)
		if (p->config.choice.variant == variant)
			return true;
	return false;
}

static void test_parse(void **state)
{
	static const char *const bad[] = {
		"x", "\n", "0 0 0 12 11 tiles 1 16 1 5 4", "0 0 0 12 11 tiles 1 16 1 5\n",
		"0 0 0 12 11 tiles 1 16 1 5 4 3\n", "3 0 0 12 11 tiles 1 16 1 5 4\n",
		"0 2 0 12 11 tiles 1 16 1 5 4\n", "0 0 7 12 11 tiles 1 16 1 5 4\n",
		"0 0 0 32 11 tiles 1 16 1 5 4\n", "0 0 0 12 11 tile 1 16 1 5 4\n",
		"0 0 0 12 11 tiles 2 16 1 5 4\n", "0 0 0 12 11 tiles 1 0 1 5 4\n",
		"0 0 0 12 11 tiles 1 17 1 5 4\n", "0 0 0 12 11 tiles 1 16 3 5 4\n",
		"0 0 0 12 11 tiles 1 16 8 5 4\n", "0 0 0 12 11 blocks 64 3 8 5 4\n",
		"0 0 0 12 11 blocks 256 1 8 5 4\n", "0 0 0 12 11 blocks 64 4 128 5 4\n",
		"0 0 0 12 11 tiles 1 16 1 5 4\n1\n", "0 0 0 12 11 tiles 1 16 1-5 4\n",
		"0 0 0 12 11 tiles 1 16 1 -5 4\n", "0 0 0 12 11 tiles 1 16 1 5 4 \n",
		"0 0 0 12 11 tiles 1 4294967297 1 5 4\n", "0 0 0  12 11 tiles 1 16 1 5 4\n",
	};
	static struct bitnpu_cl_tuned_list list;
	const struct bitnpu_cl_caps caps = { .max_group = 256, .local = 65536, .short_width = 16 };
	const struct bitnpu_cl_caps tiny = { .max_group = 16, .local = 65536, .short_width = 1 };
	const char *good = "0 0 0 12 11 tiles 1 16 1 5 4\n2 1 6 3 4 blocks 64 4 8 9 8\n";
	char *text;
	size_t size;

	assert_true(bitnpu_cl_tuned_parse(&caps, "", 0, &list));
	assert_int_equal(list.count, 0);
	assert_true(bitnpu_cl_tuned_parse(&caps, good, strlen(good), &list));
	assert_int_equal(list.count, 2);
	assert_string_equal(list.entries[1].choice.variant->name, "blocks");
	assert_int_equal(list.entries[1].choice.m_block, 8);
	assert_int_equal(list.entries[1].usual_ns, 9);
	text = bitnpu_cl_tuned_format(&list, &size);
	assert_string_equal(text, good);
	free(text);
	/* What another device can run is of no use here. */
	assert_false(bitnpu_cl_tuned_parse(&tiny, good, strlen(good), &list));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (bitnpu_cl_tuned_parse(&caps, bad[i], strlen(bad[i]), &list))
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(list.count, 0);
	}
}

/* More classes than there is room for are refused, not written past the end. */
static void test_full(void **state)
{
	static struct bitnpu_cl_tuned_list list;
	struct bitnpu_cl_tuned entry = { .choice = { bitnpu_cl_variants, 1, 1, 1 } };
	char words[64];

	for (unsigned int i = 0; i < BITNPU_CL_TUNED_MAX; i++) {
		entry.class.n = i % 32;
		entry.class.k = i / 32;
		assert_true(bitnpu_cl_tuned_set(&list, &entry));
	}
	entry.class.k = 31;
	assert_false(bitnpu_cl_tuned_set(&list, &entry));
	assert_int_equal(list.count, BITNPU_CL_TUNED_MAX);
	bitnpu_cl_tuned_words(&list, words, sizeof(words));
	assert_true(strlen(words) < sizeof(words));
	assert_non_null(strstr(words, ", ..."));
}

/* A choice in the disk cache is what a newly opened device computes with, and says so. */
static void test_cached_choice_is_used(void **state)
{
	static struct bitnpu_cl_tuned_list list;
	struct bitnpu_cl_tuned entry = { .class = class_of(&small), .usual_ns = 2, .best_ns = 1 };
	struct bitnpu_device *dev;

	need_device();
	dev = open_device("opencl:0");
	if (!other_choice(engine_of(dev), &small, &entry.choice)) {
		bitnpu_device_close(dev);
		skip();
	}
	assert_int_equal(engine_of(dev)->tuned.count, 0);
	assert_null(strstr(bitnpu_device_get_info(dev)->detail, "tuned"));
	list.count = 0;
	assert_true(bitnpu_cl_tuned_set(&list, &entry));
	bitnpu_cl_tuned_store(&engine_of(dev)->caps, scratch.directory, &list);
	bitnpu_device_close(dev);

	dev = open_device("opencl:0");
	assert_non_null(strstr(bitnpu_device_get_info(dev)->detail, "tuned"));
	assert_non_null(strstr(bitnpu_device_get_info(dev)->detail, entry.choice.variant->name));
	check_case(dev, &small, 5);
	assert_true(has_program(engine_of(dev), entry.choice.variant));
	bitnpu_device_close(dev);

	/* The environment overrides it. */
	setenv("BITNPU_OPENCL_VARIANT", "lanes16", 1);
	dev = open_device("opencl:0");
	check_case(dev, &small, 6);
	assert_false(has_program(engine_of(dev), entry.choice.variant));
	bitnpu_device_close(dev);
	unsetenv("BITNPU_OPENCL_VARIANT");
}

static void test_exact_whatever_is_chosen(void **state)
{
	const char *cases = getenv("BITNPU_TEST_CASES");
	const int count = cases ? atoi(cases) : CHOICES;
	uint64_t seed = matmul_case_seed();
	struct bitnpu_device *dev;
	struct bitnpu_cl_device *engine;
	unsigned int variants = 0;

	need_device();
	assert_true(count > 0);
	while (bitnpu_cl_variants[variants].name)
		variants++;
	dev = open_device("opencl:0");
	engine = engine_of(dev);
	for (int done = 0; done < count;) {
		const struct bitnpu_cl_variant *v = &bitnpu_cl_variants[matmul_case_next(&seed) % variants];
		struct bitnpu_cl_tuned entry = {
			.choice = {
				.variant = v,
				.group = v->groups[matmul_case_next(&seed) % BITNPU_CL_GROUPS],
				.tiles = 1u << matmul_case_next(&seed) % 5,
				.m_block = 1u << matmul_case_next(&seed) % 7,
			},
		};
		struct matmul_case c;

		if (!bitnpu_cl_choice_fits(&engine->caps, &entry.choice))
			continue;
		matmul_case_random(&c, &seed, 70, 200, 900);
		entry.class = class_of(&c);
		assert_true(bitnpu_cl_tuned_set(&engine->tuned, &entry));
		printf("# %s %u/%u/%u\n", v->name, entry.choice.group, entry.choice.tiles,
		       entry.choice.m_block);
		check_case(dev, &c, matmul_case_next(&seed));
		assert_true(has_program(engine, v));
		done++;
	}
	bitnpu_device_close(dev);
}

/* Measuring: kept on disk, exact, and after damage to the file there is simply nothing. */
static void test_tune(void **state)
{
	struct bitnpu_error err = { 0 };
	struct bitnpu_device *dev, *golden;
	struct bitnpu_cl_key key;
	char name[64];
	size_t bytes;
	char *file;

	need_device();
	golden = open_device("golden");
	assert_int_equal(bitnpu_device_tune(golden, 10, &err), -ENOTSUP);
	bitnpu_device_close(golden);
	dev = open_device("opencl:0");
	key = bitnpu_cl_tuned_key(&engine_of(dev)->caps);
	assert_int_equal(bitnpu_device_tune(dev, 0, &err), -EINVAL);
	assert_int_equal(bitnpu_device_tune(dev, 200, &err), 0);
	check_case(dev, &small, 7);
	assert_int_equal(engine_of(dev)->tuned.count, 1);
	assert_true(engine_of(dev)->tuned.entries[0].best_ns > 0);
	/* A kind that was measured is not measured again. */
	engine_of(dev)->tuned.entries[0].usual_ns = 12345;
	check_case(dev, &small, 8);
	assert_int_equal(engine_of(dev)->tuned.entries[0].usual_ns, 12345);
	bitnpu_device_close(dev);

	dev = open_device("opencl:0");
	assert_int_equal(engine_of(dev)->tuned.count, 1);
	bitnpu_device_close(dev);

	snprintf(name, sizeof(name), "opencl-%016llx%016llx", (unsigned long long)key.high,
		 (unsigned long long)key.low);
	file = file_read(scratch_path(&scratch, name), &bytes);
	assert_non_null(file);
	file[bytes - 2] ^= 1;
	assert_true(file_write(scratch_path(&scratch, name), file, bytes));
	free(file);
	dev = open_device("opencl:0");
	assert_int_equal(engine_of(dev)->tuned.count, 0);
	check_case(dev, &small, 9);
	bitnpu_device_close(dev);
}

static int new_scratch(void **state)
{
	scratch_new(&scratch);
	setenv("BITNPU_CACHE_DIR", scratch.directory, 1);
	unsetenv("BITNPU_OPENCL_VARIANT");
	return 0;
}

static int free_scratch(void **state)
{
	scratch_free(&scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_full),
		cmocka_unit_test_setup_teardown(test_cached_choice_is_used, new_scratch, free_scratch),
		cmocka_unit_test_setup_teardown(test_exact_whatever_is_chosen, new_scratch,
						free_scratch),
		cmocka_unit_test_setup_teardown(test_tune, new_scratch, free_scratch),
	};

	return cmocka_run_group_tests_name("opencl tuner", tests, NULL, NULL);
}
