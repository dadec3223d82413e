// SPDX-License-Identifier: MIT
/*
 * OpenCL that fails: each entry point named below is replaced for the whole program, forwards to the
 * real one, and fails when a test tells it to.  Every failure gives one line that names it, and the
 * device works again afterwards.  The disk cache: used, damaged, unwritable, absent.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <opencl/opencl.h>
#include <tests/support/matmul_case.h>
#include <tests/support/scratch.h>

/**
 * struct fault - an entry point that may fail
 * @after: calls that still succeed, -1 for all of them
 * @status: what the failing calls return
 * @calls: calls so far
 */
struct fault {
	int after;
	cl_int status;
	int calls;
};

static struct fault build = { .after = -1 }, source = { .after = -1 }, buffer = { .after = -1 };
static struct fault enqueue = { .after = -1 }, finish = { .after = -1 };
static struct scratch scratch;

static bool fails(struct fault *fault)
{
	return fault->calls++ >= fault->after && fault->after >= 0;
}

static void inject(struct fault *fault, int after, cl_int status)
{
	*fault = (struct fault){ .after = after, .status = status };
}

static void recover(struct fault *fault)
{
	*fault = (struct fault){ .after = -1 };
}

#define REAL(name)	((__typeof__(&name))dlsym(RTLD_NEXT, #name))

CL_API_ENTRY cl_int CL_API_CALL clBuildProgram(cl_program program, cl_uint count,
					       const cl_device_id *devices, const char *options,
					       void(CL_CALLBACK *notify)(cl_program, void *),
					       void *user)
{
	if (fails(&build))
		return build.status;
	return REAL(clBuildProgram)(program, count, devices, options, notify, user);
}

CL_API_ENTRY cl_program CL_API_CALL clCreateProgramWithSource(cl_context context, cl_uint count,
							      const char **strings,
							      const size_t *lengths,
							      cl_int *status)
{
	if (fails(&source)) {
		*status = source.status;
		return NULL;
	}
	return REAL(clCreateProgramWithSource)(context, count, strings, lengths, status);
}

CL_API_ENTRY cl_mem CL_API_CALL clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size,
					       void *host, cl_int *status)
{
	if (fails(&buffer)) {
		*status = buffer.status;
		return NULL;
	}
	return REAL(clCreateBuffer)(context, flags, size, host, status);
}

CL_API_ENTRY cl_int CL_API_CALL clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel,
						       cl_uint dimensions, const size_t *offset,
						       const size_t *global, const size_t *local,
						       cl_uint count, const cl_event *wait,
						       cl_event *event)
{
	if (fails(&enqueue))
		return enqueue.status;
	return REAL(clEnqueueNDRangeKernel)(queue, kernel, dimensions, offset, global, local, count,
					    wait, event);
}

CL_API_ENTRY cl_int CL_API_CALL clFinish(cl_command_queue queue)
{
	const cl_int status = REAL(clFinish)(queue);

	return fails(&finish) ? finish.status : status;
}

static const struct matmul_case small = {
	.weight_format = BITNPU_W_TERNARY,
	.output_format = BITNPU_Y_INT32,
	.m = 2,
	.n = 20,
	.k = 70,
};

static struct bitnpu_device *open_device(void)
{
	struct bitnpu_device *dev;
	struct bitnpu_error err;

	if (!bitnpu_cl_device_count()) {
		print_message("# no OpenCL device\n");
		skip();
	}
	if (bitnpu_device_open("opencl:0", &dev, &err))
		fail_msg("%s", err.message);
	return dev;
}

static int run_small(struct bitnpu_device *dev, struct bitnpu_error *err)
{
	size_t bytes;
	void *y;
	int ret = matmul_case_run(dev, &small, 1, &y, &bytes, err);

	if (!ret)
		free(y);
	return ret;
}

/* @fault fails with @status: the job or call gives @code and words, and works afterwards. */
static void expect_failure(struct fault *fault, cl_int status, int code, const char *words)
{
	struct bitnpu_device *dev = open_device();
	struct bitnpu_error err = { 0 };
	int ret;

	inject(fault, 0, status);
	ret = run_small(dev, &err);
	if (!fault->calls)
		fail_msg("%s: the call that should fail was not made", words);
	recover(fault);
	assert_int_equal(ret, code);
	assert_int_equal(err.code, code);
	if (!strstr(err.message, words) || !strstr(err.message, bitnpu_cl_status_name(status)))
		fail_msg("\"%s\" does not name %s", err.message, words);
	if (run_small(dev, &err))
		fail_msg("afterwards: %s", err.message);
	bitnpu_device_close(dev);
}

static void test_build_fails(void **state)
{
	setenv("BITNPU_CACHE_DIR", "", 1);
	expect_failure(&build, CL_BUILD_PROGRAM_FAILURE,
		       bitnpu_cl_status_errno(CL_BUILD_PROGRAM_FAILURE), "clBuildProgram");
	expect_failure(&source, CL_OUT_OF_HOST_MEMORY, -ENOMEM, "clCreateProgramWithSource");
}

static void test_memory_runs_out(void **state)
{
	setenv("BITNPU_CACHE_DIR", "", 1);
	expect_failure(&buffer, CL_MEM_OBJECT_ALLOCATION_FAILURE, -ENOMEM, "clCreateBuffer");
}

static void test_device_disappears(void **state)
{
	setenv("BITNPU_CACHE_DIR", "", 1);
	expect_failure(&enqueue, CL_DEVICE_NOT_AVAILABLE,
		       bitnpu_cl_status_errno(CL_DEVICE_NOT_AVAILABLE), "clEnqueueNDRangeKernel");
	/* Whoever waits first finds out: mapping a buffer, or a job. */
	expect_failure(&finish, CL_OUT_OF_RESOURCES, bitnpu_cl_status_errno(CL_OUT_OF_RESOURCES),
		       "opencl: cl");
}

static unsigned int entries(char path[512])
{
	DIR *directory = opendir(scratch.directory);
	const struct dirent *entry;
	unsigned int count = 0;

	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		if (strncmp(entry->d_name, "opencl-", 7))
			continue;
		snprintf(path, 512, "%s/%s", scratch.directory, entry->d_name);
		count++;
	}
	closedir(directory);
	return count;
}

/* How often a new device has to compile for the small case. */
static int compilations(void)
{
	struct bitnpu_device *dev = open_device();
	struct bitnpu_error err;
	int calls;

	recover(&source);
	if (run_small(dev, &err))
		fail_msg("%s", err.message);
	calls = source.calls;
	bitnpu_device_close(dev);
	return calls;
}

static void test_cache(void **state)
{
	char path[512];
	size_t bytes;
	char *entry;

	setenv("BITNPU_CACHE_DIR", scratch.directory, 1);
	assert_int_equal(compilations(), 1);
	assert_int_equal(entries(path), 1);
	assert_int_equal(compilations(), 0);

	/* A flipped bit, a cut and an empty file each read as absent and are replaced. */
	entry = file_read(path, &bytes);
	assert_non_null(entry);
	entry[bytes / 2] ^= 1;
	assert_true(file_write(path, entry, bytes));
	assert_int_equal(compilations(), 1);
	assert_int_equal(compilations(), 0);
	assert_int_equal(truncate(path, (off_t)bytes - 1), 0);
	assert_int_equal(compilations(), 1);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(compilations(), 1);
	assert_int_equal(compilations(), 0);
	assert_int_equal(entries(path), 1);
	free(entry);
}

static void test_no_cache(void **state)
{
	char file[256];

	setenv("BITNPU_CACHE_DIR", "", 1);
	assert_int_equal(compilations(), 1);
	assert_int_equal(compilations(), 1);
	/* A directory that cannot be made, since a file is in its way, even for root. */
	strcpy(file, scratch_path(&scratch, "file"));
	assert_true(file_write(file, "", 0));
	setenv("BITNPU_CACHE_DIR", scratch_path(&scratch, "file/cache"), 1);
	assert_int_equal(compilations(), 1);
	unlink(file);
}

static int new_scratch(void **state)
{
	scratch_new(&scratch);
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
		cmocka_unit_test(test_build_fails),
		cmocka_unit_test(test_memory_runs_out),
		cmocka_unit_test(test_device_disappears),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_no_cache),
	};

	return cmocka_run_group_tests_name("opencl failures", tests, new_scratch, free_scratch);
}
