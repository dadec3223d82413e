// SPDX-License-Identifier: MIT
/* Which device files make "auto" ask OpenCL for devices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "opencl/opencl.h"
#include "tests/support/scratch.h"

static void test_files(void **state)
{
	static const struct {
		const char *name;
		bool hardware;
	} cases[] = {
		{ "nvidia0", true }, { "nvidia17", true }, { "kfd", true },
		{ "dxg", true }, { "mali0", true }, { "kgsl-3d0", true },
		{ "pvrsrvkm", true }, { "galcore", true },
		/* There also without a GPU. */
		{ "nvidiactl", false }, { "nvidia-caps", false }, { "null", false },
		{ "accel0", false }, { "kfd0", false }, { "mali", false },
	};
	struct scratch scratch;

	scratch_new(&scratch);
	assert_false(bitnpu_cl_has_hardware(scratch.directory));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *path = scratch_path(&scratch, cases[i].name);

		assert_true(file_write(path, "", 0));
		if (bitnpu_cl_has_hardware(scratch.directory) != cases[i].hardware)
			fail_msg("%s", cases[i].name);
		assert_int_equal(unlink(path), 0);
	}
	assert_false(bitnpu_cl_has_hardware(scratch.directory));
	scratch_free(&scratch);
}

static void test_render_nodes(void **state)
{
	static const struct {
		const char *name;
		bool hardware;
	} cases[] = {
		/* A display that cannot render, as of many virtual machines. */
		{ "card0", false }, { "renderD128", true }, { "renderD129", true },
	};
	struct scratch scratch;
	char dri[128], path[160];

	scratch_new(&scratch);
	snprintf(dri, sizeof(dri), "%s/dri", scratch.directory);
	assert_int_equal(mkdir(dri, 0700), 0);
	assert_false(bitnpu_cl_has_hardware(scratch.directory));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dri, cases[i].name);
		assert_true(file_write(path, "", 0));
		if (bitnpu_cl_has_hardware(scratch.directory) != cases[i].hardware)
			fail_msg("%s", path);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(dri), 0);
	scratch_free(&scratch);
}

static void test_no_directory(void **state)
{
	assert_false(bitnpu_cl_has_hardware("/nonexistent"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_render_nodes),
		cmocka_unit_test(test_no_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
