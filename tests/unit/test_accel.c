// SPDX-License-Identifier: MIT
/* What the accel engine does without a driver: finding device files, judging lists, explaining failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libbitnpu/accel/accel.h"
#include "tests/support/random.h"

/* ---- device files --------------------------------------------------------------------------- */

static void test_no_directory(void **state)
{
	struct bitnpu_accel_node *nodes = (void *)1;

	assert_int_equal(bitnpu_accel_scan("/nonexistent/accel", "/nonexistent", &nodes), 0);
	assert_null(nodes);
}

static void make_file(const char *dir, const char *name, mode_t mode)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_CREAT | O_WRONLY, mode);
	assert_true(fd >= 0);
	close(fd);
}

/* A symbolic link that leads nowhere cannot be opened, not even by root. */
static void make_closed(const char *dir, const char *name)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(symlink("nowhere", path), 0);
}

static void make_driver(const char *sys, const char *name, const char *driver)
{
	char path[512], target[512];

	snprintf(path, sizeof(path), "%s/%s", sys, name);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/device", sys, name);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/%s/device/driver", sys, name);
	snprintf(target, sizeof(target), "../../bus/drivers/%s", driver);
	assert_int_equal(symlink(target, path), 0);
}

static int remove_entry(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	return remove(path);
}

/*
 * Files that open are asked themselves, and these are no devices at all; of the others the kernel tells.
 * What has another name is never looked at.
 */
static void test_scan(void **state)
{
	char dev[] = "/tmp/bitnpu-accel-XXXXXX", sys[64];
	struct bitnpu_accel_node *nodes;

	assert_non_null(mkdtemp(dev));
	snprintf(sys, sizeof(sys), "%s/sys", dev);
	assert_int_equal(mkdir(sys, 0700), 0);
	make_file(dev, "accel0", 0600);
	make_driver(sys, "accel0", "bitnpu");
	make_closed(dev, "accel10");
	make_driver(sys, "accel10", "bitnpu");
	make_closed(dev, "accel9");
	make_driver(sys, "accel9", "bitnpu");
	make_closed(dev, "accel2");
	make_driver(sys, "accel2", "othernpu");
	make_closed(dev, "accel3");
	make_closed(dev, "accel");
	make_driver(sys, "accel", "bitnpu");
	make_closed(dev, "accel4x");
	make_driver(sys, "accel4x", "bitnpu");

	assert_int_equal(bitnpu_accel_scan(dev, sys, &nodes), 2);
	assert_non_null(strstr(nodes[0].path, "/accel9"));
	assert_int_equal(nodes[0].error, -ENOENT);
	assert_non_null(strstr(nodes[1].path, "/accel10"));
	free(nodes);
	assert_int_equal(nftw(dev, remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void test_open_node(void **state)
{
	struct drm_bitnpu_device_info info;
	struct bitnpu_error err;

	assert_int_equal(bitnpu_accel_open_node("/nonexistent", &info, &err), -ENOENT);
	assert_string_equal(err.message, "/nonexistent: No such file or directory");
	assert_int_equal(bitnpu_accel_open_node("/dev/null", &info, &err), -ENODEV);
	assert_string_equal(err.message, "/dev/null: not a file of the driver bitnpu");
	if (geteuid() == 0)
		return;
	assert_int_equal(bitnpu_accel_open_node("/proc/kmsg", &info, &err), -EACCES);
	assert_non_null(strstr(err.message, "render"));
}

/* ---- lists that may run twice --------------------------------------------------------------- */

#define MOST_CMDS	24

static struct bitnpu_checked_cmd command(uint64_t x, uint64_t w, uint64_t s, uint64_t y, uint64_t bytes)
{
	return (struct bitnpu_checked_cmd){
		.opcode = BITNPU_OP_MATMUL,
		.mm = {
			.x_addr = x, .x_bytes = bytes,
			.w_addr = w, .w_bytes = bytes,
			.s_addr = s, .s_bytes = s ? bytes : 0,
			.y_addr = y, .y_bytes = bytes,
		},
	};
}

static bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
	return a < b + b_bytes && b < a + a_bytes;
}

/* The definition. */
static bool plainly_restartable(const struct bitnpu_checked_cmd *cmds, size_t count)
{
	for (size_t later = 0; later < count; later++) {
		const struct bitnpu_matmul *w = &cmds[later].mm;

		if (cmds[later].opcode != BITNPU_OP_MATMUL)
			continue;
		for (size_t earlier = 0; earlier < later; earlier++) {
			const struct bitnpu_matmul *r = &cmds[earlier].mm;

			if (cmds[earlier].opcode == BITNPU_OP_MATMUL &&
			    (overlap(w->y_addr, w->y_bytes, r->x_addr, r->x_bytes) ||
			     overlap(w->y_addr, w->y_bytes, r->w_addr, r->w_bytes) ||
			     (r->s_bytes &&
			      overlap(w->y_addr, w->y_bytes, r->s_addr, r->s_bytes))))
				return false;
		}
	}
	return true;
}

static void test_restartable_simple(void **state)
{
	struct bitnpu_checked_cmd chain[3] = {
		command(0x1000, 0x2000, 0, 0x3000, 64),
		{ .opcode = BITNPU_OP_BARRIER },
		command(0x3000, 0x2000, 0, 0x4000, 64),
	};

	assert_int_equal(bitnpu_accel_is_restartable(chain, 0), 1);
	assert_int_equal(bitnpu_accel_is_restartable(chain, 1), 1);
	/* Reading what was written before is fine: it is written anew. */
	assert_int_equal(bitnpu_accel_is_restartable(chain, 3), 1);
	/* Writing over the first one's activations is not. */
	chain[2].mm.y_addr = 0x1000;
	assert_int_equal(bitnpu_accel_is_restartable(chain, 3), 0);
	chain[2].mm.y_addr = 0x1000 - 63;
	assert_int_equal(bitnpu_accel_is_restartable(chain, 3), 0);
	chain[2].mm.y_addr = 0x1000 - 64;
	assert_int_equal(bitnpu_accel_is_restartable(chain, 3), 1);
	chain[2].mm.y_addr = 0x1000 + 63;
	assert_int_equal(bitnpu_accel_is_restartable(chain, 3), 0);
	/* Nor over weights, nor scales. */
	chain[2].mm.y_addr = 0x2000;
	assert_int_equal(bitnpu_accel_is_restartable(chain, 3), 0);
	chain[0].mm.s_addr = 0x5000;
	chain[0].mm.s_bytes = 32;
	chain[2].mm.y_addr = 0x5000;
	assert_int_equal(bitnpu_accel_is_restartable(chain, 3), 0);
	chain[2].mm.y_addr = 0x5020;
	assert_int_equal(bitnpu_accel_is_restartable(chain, 3), 1);
}

/* Random ranges of very different lengths, many of them touching. */
static void test_restartable_random(void **state)
{
	struct bitnpu_checked_cmd cmds[MOST_CMDS] = { 0 };
	struct test_random random;
	int restartable = 0;

	test_random_init(&random, 11);
	for (int round = 0; round < 20000; round++) {
		const size_t count = 1 + test_random_below(&random, MOST_CMDS);
		const uint32_t space = 16u << test_random_below(&random, 14);
		bool expected;

		for (size_t i = 0; i < count; i++) {
			struct bitnpu_matmul *mm = &cmds[i].mm;

			cmds[i] = command(1 + test_random_below(&random, space),
					  1 + test_random_below(&random, space),
					  test_random_below(&random, space),
					  1 + test_random_below(&random, space),
					  1 + test_random_below(&random, 8));
			mm->w_bytes = 1 + test_random_below(&random, 1 + space / 8);
			/* The core refuses a command whose result overlaps its own operands. */
			if (overlap(mm->y_addr, mm->y_bytes, mm->x_addr, mm->x_bytes) ||
			    overlap(mm->y_addr, mm->y_bytes, mm->w_addr, mm->w_bytes) ||
			    (mm->s_bytes && overlap(mm->y_addr, mm->y_bytes, mm->s_addr, mm->s_bytes)))
				cmds[i].opcode = BITNPU_OP_BARRIER;
		}
		expected = plainly_restartable(cmds, count);
		restartable += expected;
		assert_int_equal(bitnpu_accel_is_restartable(cmds, count), expected);
	}
	/* Both answers were due often. */
	assert_in_range(restartable, 2000, 18000);
}

/* A hundred thousand commands, the last of which writes what the first reads. */
static void test_restartable_long(void **state)
{
	const size_t count = 100000;
	struct bitnpu_checked_cmd *cmds = calloc(count, sizeof(*cmds));

	assert_non_null(cmds);
	for (size_t i = 0; i < count; i++)
		cmds[i] = command(0x100000000 + i * 64, 0x200000000 + i * 64, 0, 0x300000000 + i * 64, 64);
	assert_int_equal(bitnpu_accel_is_restartable(cmds, count), 1);
	cmds[count - 1].mm.y_addr = cmds[0].mm.w_addr;
	assert_int_equal(bitnpu_accel_is_restartable(cmds, count), 0);
	free(cmds);
}

/* ---- failures ------------------------------------------------------------------------------- */

static const struct drm_bitnpu_context_info fault_info = {
	.ban = DRM_BITNPU_BAN_FAULT,
	.queue = 2,
	.job = 7,
	.status = BITNPU_STATUS_UNMAPPED,
	.index = 3,
	.field = 40,
	.addr = 0x123000,
};

static void test_guilty(void **state)
{
	struct drm_bitnpu_context_info info = fault_info;
	struct bitnpu_error err;

	assert_int_equal(bitnpu_accel_fail_job(&err, "accel:1", -EFAULT, 2, 7, &info), -EFAULT);
	assert_int_equal(err.code, -EFAULT);
	assert_string_equal(err.message, "accel:1: command 3: access to device address 0x123000, which is not"
			    " mapped (unmapped); the context is banned");
	assert_int_equal(err.fault.status, BITNPU_STATUS_UNMAPPED);
	assert_int_equal(err.fault.index, 3);
	assert_int_equal(err.fault.field, 40);
	assert_int_equal(err.fault.addr, 0x123000);

	info.status = BITNPU_STATUS_READ_ONLY;
	bitnpu_accel_fail_job(&err, "accel:1", -EFAULT, 2, 7, &info);
	assert_non_null(strstr(err.message, "write to device address 0x123000, which is read-only"));

	info.ban = DRM_BITNPU_BAN_LIST;
	info.status = BITNPU_STATUS_OPCODE;
	info.field = 0;
	info.addr = 9;
	assert_int_equal(bitnpu_accel_fail_job(&err, "accel:1", -EINVAL, 2, 7, &info), -EINVAL);
	assert_string_equal(err.message, "accel:1: command 3: opcode 0x9: undefined opcode (opcode);"
			    " the context is banned");

	info.ban = DRM_BITNPU_BAN_HANG;
	info.status = 0;
	/* Not what a wait returns that was too short. */
	assert_int_equal(bitnpu_accel_fail_job(&err, "accel:1", -ETIME, 2, 7, &info), -ETIMEDOUT);
	assert_non_null(strstr(err.message, "no progress"));
	assert_int_equal(err.fault.status, BITNPU_STATUS_DEVICE);

	info.ban = DRM_BITNPU_BAN_DEVICE;
	assert_int_equal(bitnpu_accel_fail_job(&err, "accel:1", -EIO, 2, 7, &info), -EIO);
	assert_non_null(strstr(err.message, "the device failed"));
	info.ban = DRM_BITNPU_BAN_RESET;
	assert_int_equal(bitnpu_accel_fail_job(&err, "accel:1", -EIO, 2, 7, &info), -EIO);
	assert_non_null(strstr(err.message, "reset because of another context"));
	assert_int_equal(bitnpu_accel_fail_job(NULL, "accel:1", -EIO, 2, 7, &info), -EIO);
}

/* Whoever is cancelled learns what for; the fault is of another list. */
static void test_innocent(void **state)
{
	const struct bitnpu_fault none = { 0 };
	struct bitnpu_error err;

	assert_int_equal(bitnpu_accel_fail_job(&err, "accel:0", -ECANCELED, 2, 8, &fault_info), -ECANCELED);
	assert_non_null(strstr(err.message, "accel:0: job cancelled, the context is banned: command 3:"));
	assert_non_null(strstr(err.message, "0x123000"));
	assert_memory_equal(&err.fault, &none, sizeof(none));
	/* Job 7 of another queue is not the same job. */
	bitnpu_accel_fail_job(&err, "accel:0", -ECANCELED, 1, 7, &fault_info);
	assert_non_null(strstr(err.message, "cancelled"));
	assert_int_equal(bitnpu_accel_fail_job(&err, "accel:0", -ENOTRECOVERABLE, 2, 0, &fault_info),
			 -ENOTRECOVERABLE);
	assert_non_null(strstr(err.message, "accel:0: job refused, the context is banned: command 3:"));
}

static void test_gone(void **state)
{
	const struct drm_bitnpu_context_info good = { 0 };
	struct bitnpu_error err;

	assert_int_equal(bitnpu_accel_fail_job(&err, "accel:0", -ENODEV, 1, 1, NULL), -ENODEV);
	assert_string_equal(err.message, "accel:0: job: the device is gone");
	assert_int_equal(bitnpu_accel_fail_job(&err, "accel:0", -ENODEV, 2, 7, &fault_info), -ENODEV);
	assert_string_equal(err.message, "accel:0: job: the device is gone");
	assert_int_equal(bitnpu_accel_fail_job(&err, "accel:0", -ENOMEM, 1, 0, &good), -ENOMEM);
	assert_string_equal(err.message, "accel:0: job: Cannot allocate memory");
	assert_int_equal(bitnpu_accel_fail_job(&err, "accel:0", -ETIME, 1, 1, &good), -ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_directory),
		cmocka_unit_test(test_scan),
		cmocka_unit_test(test_open_node),
		cmocka_unit_test(test_restartable_simple),
		cmocka_unit_test(test_restartable_random),
		cmocka_unit_test(test_restartable_long),
		cmocka_unit_test(test_guilty),
		cmocka_unit_test(test_innocent),
		cmocka_unit_test(test_gone),
	};

	return cmocka_run_group_tests_name("accel", tests, NULL, NULL);
}
