// SPDX-License-Identifier: MIT
/* The OpenCL engine on every device there is: each variant agrees with golden bit for bit. */
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

/* Cases of each variant, unless BITNPU_TEST_CASES says another number: simulators are slow. */
#define CASES	48

static int case_count(void)
{
	const char *cases = getenv("BITNPU_TEST_CASES");

	return cases ? atoi(cases) : CASES;
}

static void check_case(struct bitnpu_device *dev, struct bitnpu_device *golden,
		       const struct matmul_case *c, uint64_t seed)
{
	char why[512];

	if (matmul_case_compare(dev, golden, c, seed, why, sizeof(why)))
		fail_msg("%s", why);
}

/* Long rows pass the columns that a kernel takes at once; groups of scales end inside and past it. */
static void long_case(struct matmul_case *c, uint64_t *seed)
{
	static const uint32_t ks[] = { 2048, 2049, 8191, 8192, 8193, 16384, 20000 };

	matmul_case_random(c, seed, 5, 20, 1);
	c->k = ks[matmul_case_next(seed) % (sizeof(ks) / sizeof(ks[0]))];
	if (c->output_format == BITNPU_Y_INT64)
		c->group_shift = BITNPU_GROUP_SHIFT_MIN + matmul_case_next(seed) % 12;
}

static void test_variants(void **state)
{
	uint64_t seed = matmul_case_seed();
	struct bitnpu_error err = { 0 };
	struct bitnpu_device *golden;
	unsigned int tried = 0;

	if (!bitnpu_cl_device_count()) {
		print_message("# no OpenCL device\n");
		skip();
	}
	assert_true(case_count() > 0);
	assert_int_equal(bitnpu_device_open("golden", &golden, &err), 0);
	for (const struct bitnpu_cl_variant *v = bitnpu_cl_variants; v->name; v++) {
		struct bitnpu_device *dev;
		struct matmul_case c;

		setenv("BITNPU_OPENCL_VARIANT", v->name, 1);
		if (bitnpu_device_open("opencl:0", &dev, &err)) {
			printf("# %s: %s\n", v->name, err.message);
			continue;
		}
		tried++;
		for (int i = 0; i < case_count(); i++) {
			if (i % 4)
				matmul_case_random(&c, &seed, 9, 70, 1500);
			else
				long_case(&c, &seed);
			check_case(dev, golden, &c, matmul_case_next(&seed));
		}
		bitnpu_device_close(dev);
	}
	unsetenv("BITNPU_OPENCL_VARIANT");
	bitnpu_device_close(golden);
	assert_true(tried > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_variants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
