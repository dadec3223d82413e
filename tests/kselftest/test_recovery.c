// SPDX-License-Identifier: MIT
/* What the driver does when the device misbehaves.  Needs the simulator, which does so on demand. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bitnpu_test.h"
#include "kselftest_harness.h"

#define INSTANCE	"recovery"
#define INNOCENTS	3

FIXTURE(recovery) {
	int fd, other[INNOCENTS];
	uint32_t queue, other_queue[INNOCENTS];
	struct bt_matmul mm, other_mm[INNOCENTS];
};

FIXTURE_VARIANT(recovery) {
	unsigned int cores;
};

FIXTURE_VARIANT_ADD(recovery, one_core) {
	.cores = 1,
};

FIXTURE_VARIANT_ADD(recovery, two_cores) {
	.cores = 2,
};

FIXTURE_SETUP(recovery)
{
	if (!bt_sim_present())
		SKIP(return, "needs the simulator");
	bt_sim_destroy(INSTANCE);
	ASSERT_EQ(0, bt_sim_create(INSTANCE, variant->cores, 65536));
	self->fd = bt_sim_open(INSTANCE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_NORMAL, &self->queue));
	ASSERT_EQ(0, bt_matmul_create(self->fd, 2, 32, 128, 1, &self->mm));
	for (unsigned int i = 0; i < INNOCENTS; i++) {
		self->other[i] = bt_sim_open(INSTANCE);
		ASSERT_LE(0, self->other[i]);
		ASSERT_EQ(0, bt_queue_create(self->other[i], DRM_BITNPU_PRIORITY_NORMAL,
					     &self->other_queue[i]));
		ASSERT_EQ(0, bt_matmul_create(self->other[i], 2, 64, 256, i, &self->other_mm[i]));
	}
}

FIXTURE_TEARDOWN(recovery)
{
	if (!bt_sim_present())
		return;
	for (unsigned int i = 0; i < INNOCENTS; i++) {
		bt_matmul_destroy(&self->other_mm[i]);
		close(self->other[i]);
	}
	bt_matmul_destroy(&self->mm);
	close(self->fd);
	EXPECT_EQ(0, bt_sim_destroy(INSTANCE));
}

static int fault(const char *name, unsigned int count)
{
	char attribute[64];

	snprintf(attribute, sizeof(attribute), "fault/%s", name);
	return bt_sim_write(INSTANCE, attribute, count);
}

/* The guilty file's job first, then several of each innocent.  Return: the guilty fence's error. */
static int run_with_innocents(FIXTURE_DATA(recovery) *self, int *wrong)
{
	struct drm_bitnpu_job_bo bo, other_bo[INNOCENTS];
	uint32_t syncobj, other_syncobj[INNOCENTS];
	int ret;

	bt_syncobj_create(self->fd, 0, &syncobj);
	ret = bt_submit_one(self->fd, self->queue, bt_matmul_job(&self->mm, &bo), syncobj);
	if (ret)
		return ret;
	/* So that it is this job that the fault hits. */
	usleep(100000);
	for (unsigned int i = 0; i < INNOCENTS; i++) {
		struct drm_bitnpu_job job = bt_matmul_job(&self->other_mm[i], &other_bo[i]);

		bt_matmul_clear(&self->other_mm[i]);
		bt_syncobj_create(self->other[i], 0, &other_syncobj[i]);
		for (unsigned int k = 0; k < 4; k++)
			*wrong += !!bt_submit(self->other[i], self->other_queue[i], &job, 1, NULL);
		*wrong += !!bt_submit_one(self->other[i], self->other_queue[i], job,
					  other_syncobj[i]);
	}
	for (unsigned int i = 0; i < INNOCENTS; i++) {
		*wrong += !!bt_syncobj_wait(self->other[i], other_syncobj[i], 0, 0, BT_TIMEOUT_NS);
		*wrong += !!bt_fence_error(self->other[i], other_syncobj[i]);
		*wrong += !bt_matmul_check(&self->other_mm[i]);
		bt_syncobj_destroy(self->other[i], other_syncobj[i]);
	}
	ret = bt_syncobj_wait(self->fd, syncobj, 0, 0, BT_TIMEOUT_NS);
	return ret ? ret : bt_fence_error(self->fd, syncobj);
}

TEST_F_TIMEOUT(recovery, hang, 120)
{
	struct drm_bitnpu_context_info info;
	int wrong = 0;

	ASSERT_EQ(0, fault("hang", 1));
	EXPECT_EQ(-ETIME, run_with_innocents(self, &wrong));
	EXPECT_EQ(0, wrong);
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_HANG, info.ban);
	EXPECT_EQ(self->queue, info.queue);
	EXPECT_EQ(1, info.job);
	EXPECT_EQ(1, info.resets);
	EXPECT_EQ(-ENOTRECOVERABLE, bt_run_matmul(self->fd, self->queue, &self->mm));
	ASSERT_EQ(0, bt_context_info(self->other[0], &info));
	EXPECT_EQ(DRM_BITNPU_BAN_NONE, info.ban);
	EXPECT_EQ(5, info.jobs_completed);
	EXPECT_EQ(0, info.jobs_failed);
}

TEST_F_TIMEOUT(recovery, hang_and_ring_reset_fails, 120)
{
	struct drm_bitnpu_context_info info;
	int wrong = 0;

	ASSERT_EQ(0, fault("hang", 1));
	ASSERT_EQ(0, fault("ring_reset", 1));
	EXPECT_EQ(-ETIME, run_with_innocents(self, &wrong));
	EXPECT_EQ(0, wrong);
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_LE(1, info.resets);
}

TEST_F_TIMEOUT(recovery, several_hangs, 240)
{
	for (unsigned int i = 0; i < INNOCENTS; i++) {
		ASSERT_EQ(0, fault("hang", 1));
		EXPECT_EQ(-ETIME, bt_run_matmul(self->other[i], self->other_queue[i],
						&self->other_mm[i]));
	}
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
}

TEST_F_TIMEOUT(recovery, lost_interrupt, 120)
{
	struct drm_bitnpu_context_info info;

	ASSERT_EQ(0, fault("lost_irq", 1));
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_NONE, info.ban);
	EXPECT_EQ(0, info.resets);
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
}

TEST_F_TIMEOUT(recovery, lost_doorbell, 120)
{
	ASSERT_EQ(0, fault("lost_doorbell", 1));
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
}

TEST_F_TIMEOUT(recovery, spurious_interrupt, 120)
{
	for (unsigned int i = 0; i < 100; i++)
		ASSERT_EQ(0, fault("spurious_irq", 3));
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
}

TEST_F_TIMEOUT(recovery, page_fault, 120)
{
	struct drm_bitnpu_context_info info;
	int wrong = 0;

	ASSERT_EQ(0, fault("page_fault", 1));
	EXPECT_EQ(-EFAULT, run_with_innocents(self, &wrong));
	EXPECT_EQ(0, wrong);
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_FAULT, info.ban);
	EXPECT_EQ(0, info.resets);
}

TEST_F_TIMEOUT(recovery, bus_error, 120)
{
	struct drm_bitnpu_context_info info;
	int wrong = 0;

	ASSERT_EQ(0, fault("bus_read", 1));
	EXPECT_EQ(-EIO, run_with_innocents(self, &wrong));
	EXPECT_EQ(0, wrong);
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_DEVICE, info.ban);
	EXPECT_EQ(BITNPU_STATUS_DEVICE, info.status);
	ASSERT_EQ(0, fault("bus_write", 1));
	EXPECT_EQ(-EIO, bt_run_matmul(self->other[0], self->other_queue[0], &self->other_mm[0]));
	EXPECT_EQ(0, bt_run_matmul(self->other[1], self->other_queue[1], &self->other_mm[1]));
}

/* Device errors and corrupt records: a full reset, and restartable jobs run again. */
static void expect_full_reset(struct __test_metadata *_metadata, FIXTURE_DATA(recovery) *self,
			      const char *name)
{
	struct drm_bitnpu_context_info info;
	int wrong = 0;

	ASSERT_EQ(0, fault(name, 1));
	EXPECT_EQ(0, run_with_innocents(self, &wrong));
	EXPECT_EQ(0, wrong);
	EXPECT_TRUE(bt_matmul_check(&self->mm));
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_NONE, info.ban);
	EXPECT_LE(1, info.resets);
}

TEST_F_TIMEOUT(recovery, corrupt_record, 120)
{
	expect_full_reset(_metadata, self, "record_check");
}

TEST_F_TIMEOUT(recovery, record_of_another_entry, 120)
{
	expect_full_reset(_metadata, self, "record_sequence");
}

TEST_F_TIMEOUT(recovery, entry_cannot_be_fetched, 120)
{
	expect_full_reset(_metadata, self, "bus_fetch");
}

TEST_F_TIMEOUT(recovery, record_cannot_be_written, 120)
{
	expect_full_reset(_metadata, self, "bus_record");
}

TEST_F_TIMEOUT(recovery, not_restartable, 120)
{
	struct drm_bitnpu_context_info info;
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job job = bt_matmul_job(&self->mm, &bo);

	job.flags = 0;
	ASSERT_EQ(0, fault("record_check", 1));
	EXPECT_EQ(-EIO, bt_run(self->fd, self->queue, job));
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_DEVICE, info.ban);
	EXPECT_EQ(0, bt_run_matmul(self->other[0], self->other_queue[0], &self->other_mm[0]));
}

/* A job that makes progress for much longer than any test waits.  Its buffer goes with the file. */
static int long_job(int fd, struct drm_bitnpu_job *job)
{
	const uint32_t m = 1024, n = 4096, k = 4096;
	struct bt_bo bo;
	int ret = bt_bo_create(fd, 4096 + m * k + n * k / 4 + m * n * 4, 0, &bo);

	if (ret)
		return ret;
	*(struct bitnpu_cmd_matmul *)bo.map = (struct bitnpu_cmd_matmul){
		.opcode = BITNPU_OP_MATMUL, .m = m, .n = n, .k = k,
		.x_addr = bo.address + 4096, .w_addr = bo.address + 4096 + m * k,
		.y_addr = bo.address + 4096 + m * k + n * k / 4,
		.x_stride = k, .y_stride = 4 * n,
	};
	munmap(bo.map, bo.size);
	*job = (struct drm_bitnpu_job){ .list_addr = bo.address, .list_size = 64 };
	return 0;
}

/*
 * The device must be reset for one context while another one's job, which may not be run twice, is in the
 * ring.  A second core executes it, far from its end: it ends in error, and only it.  Behind a single core
 * it has not begun, so it runs after the reset and ends well.
 */
TEST_F_TIMEOUT(recovery, victim_of_a_reset, 180)
{
	const bool executes = variant->cores > 1;
	struct drm_bitnpu_job_bo hung_bo, bo;
	struct drm_bitnpu_context_info info;
	struct drm_bitnpu_job job;
	uint32_t guilty, victim;

	job = bt_matmul_job(&self->other_mm[0], &bo);
	if (executes)
		ASSERT_EQ(0, long_job(self->other[0], &job));
	job.flags = 0;
	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &guilty));
	ASSERT_EQ(0, bt_syncobj_create(self->other[0], 0, &victim));
	ASSERT_EQ(0, fault("hang", 1));
	ASSERT_EQ(0, fault("ring_reset", 1));
	ASSERT_EQ(0, bt_submit_one(self->fd, self->queue, bt_matmul_job(&self->mm, &hung_bo), guilty));
	usleep(100000);
	ASSERT_EQ(0, bt_submit_one(self->other[0], self->other_queue[0], job, victim));
	ASSERT_EQ(0, bt_syncobj_wait(self->fd, guilty, 0, 0, BT_TIMEOUT_NS));
	EXPECT_EQ(-ETIME, bt_fence_error(self->fd, guilty));
	ASSERT_EQ(0, bt_syncobj_wait(self->other[0], victim, 0, 0, BT_TIMEOUT_NS));
	EXPECT_EQ(executes ? -EIO : 0, bt_fence_error(self->other[0], victim));
	EXPECT_EQ(!executes, bt_matmul_check(&self->other_mm[0]));
	ASSERT_EQ(0, bt_context_info(self->other[0], &info));
	EXPECT_EQ(executes ? DRM_BITNPU_BAN_RESET : DRM_BITNPU_BAN_NONE, info.ban);
	EXPECT_EQ(0, bt_run_matmul(self->other[1], self->other_queue[1], &self->other_mm[1]));
}

#define PARAMETERS	"/sys/module/bitnpu/parameters/"

/* Progress does not help a job that runs longer than it may. */
TEST_F_TIMEOUT(recovery, job_limit, 120)
{
	const int64_t timeout_ms = 20000;
	struct drm_bitnpu_context_info info;
	struct drm_bitnpu_job job;
	char limit[16], timeout[16];
	int64_t begin;

	ASSERT_LT(0, bt_read_file(PARAMETERS "job_limit_ms", limit, sizeof(limit)));
	ASSERT_LT(0, bt_read_file(PARAMETERS "timeout_ms", timeout, sizeof(timeout)));
	ASSERT_EQ(0, long_job(self->fd, &job));
	ASSERT_EQ(0, bt_write_file(PARAMETERS "timeout_ms", "20000"));
	ASSERT_EQ(0, bt_write_file(PARAMETERS "job_limit_ms", "500"));
	begin = bt_deadline(0);
	EXPECT_EQ(-ETIME, bt_run(self->fd, self->queue, job));
	/* Before it could have been taken for one without progress. */
	EXPECT_GT(timeout_ms * 1000000, bt_deadline(0) - begin);
	EXPECT_EQ(0, bt_write_file(PARAMETERS "job_limit_ms", limit));
	EXPECT_EQ(0, bt_write_file(PARAMETERS "timeout_ms", timeout));
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_HANG, info.ban);
	EXPECT_EQ(1, info.resets);
	EXPECT_EQ(0, bt_run_matmul(self->other[0], self->other_queue[0], &self->other_mm[0]));
}

/* So many jobs and no more are pending at once, and others may queue theirs. */
TEST_F_TIMEOUT(recovery, pending_jobs, 180)
{
	static struct drm_bitnpu_job jobs[DRM_BITNPU_MAX_JOBS];
	uint32_t done, count;
	char timeout[16];
	int ret;

	ASSERT_LT(0, bt_read_file(PARAMETERS "timeout_ms", timeout, sizeof(timeout)));
	/* Those that have ended do not count. */
	for (count = 0; count <= DRM_BITNPU_MAX_PENDING; count += DRM_BITNPU_MAX_JOBS + 1) {
		ASSERT_EQ(0, bt_submit(self->fd, self->queue, jobs, DRM_BITNPU_MAX_JOBS, NULL));
		ASSERT_EQ(0, bt_run(self->fd, self->queue, jobs[0]));
	}
	ASSERT_EQ(0, bt_write_file(PARAMETERS "timeout_ms", "600000"));
	ASSERT_EQ(0, fault("hang", 1));
	count = 0;
	do {
		ret = bt_submit(self->fd, self->queue, jobs, DRM_BITNPU_MAX_JOBS, &done);
		count += done;
	} while (!ret && count <= DRM_BITNPU_MAX_PENDING);
	EXPECT_EQ(-EBUSY, ret);
	EXPECT_EQ(DRM_BITNPU_MAX_PENDING, count);
	EXPECT_EQ(0, bt_submit(self->other[0], self->other_queue[0], jobs, 1, NULL));
	/* They end with the instance. */
	EXPECT_EQ(0, bt_write_file(PARAMETERS "timeout_ms", timeout));
}

TEST_F_TIMEOUT(recovery, reset_fails_once, 120)
{
	int wrong = 0;

	ASSERT_EQ(0, fault("hang", 1));
	ASSERT_EQ(0, fault("ring_reset", 1));
	ASSERT_EQ(0, fault("reset", 1));
	EXPECT_EQ(-ETIME, run_with_innocents(self, &wrong));
	EXPECT_EQ(0, wrong);
}

TEST_F_TIMEOUT(recovery, dead_device, 180)
{
	uint32_t queue;

	ASSERT_EQ(0, fault("hang", 1));
	ASSERT_EQ(0, fault("ring_reset", 1));
	ASSERT_EQ(0, fault("reset", 1000));
	EXPECT_NE(0, bt_run_matmul(self->fd, self->queue, &self->mm));
	EXPECT_EQ(-ENODEV, bt_run_matmul(self->other[0], self->other_queue[0], &self->other_mm[0]));
	EXPECT_EQ(-ENODEV, bt_queue_create(self->other[1], DRM_BITNPU_PRIORITY_LOW, &queue));
}

static int find_dump(char *path, size_t size)
{
	DIR *dir = opendir("/sys/class/devcoredump");
	struct dirent *entry;
	int ret = -ENOENT;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "devcd", 5))
			continue;
		snprintf(path, size, "/sys/class/devcoredump/%s/data", entry->d_name);
		ret = 0;
	}
	closedir(dir);
	return ret;
}

TEST_F_TIMEOUT(recovery, devcoredump, 120)
{
	char path[300], text[8192];

	/* A dump that was written to goes a little later. */
	while (!find_dump(path, sizeof(path))) {
		bt_write_file(path, "1");
		usleep(10000);
	}
	ASSERT_EQ(0, fault("hang", 1));
	EXPECT_EQ(-ETIME, bt_run_matmul(self->fd, self->queue, &self->mm));
	if (access("/sys/class/devcoredump", F_OK))
		SKIP(return, "the kernel has no CONFIG_DEV_COREDUMP");
	for (unsigned int i = 0; find_dump(path, sizeof(path)) && i < 500; i++)
		usleep(10000);
	ASSERT_EQ(0, find_dump(path, sizeof(path)));
	EXPECT_LT(100, bt_read_file(path, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "ring 0"));
	EXPECT_EQ(0, bt_write_file(path, "1"));
}

static int count_lines(const char *path, const char *what)
{
	static char text[1 << 20];
	char *at = text;
	int count = 0, ret = bt_read_file(path, text, sizeof(text));

	if (ret < 0)
		return ret;
	while ((at = strstr(at, what))) {
		at++;
		count++;
	}
	return count;
}

TEST_F_TIMEOUT(recovery, tracepoints, 120)
{
	const char *const events = "/sys/kernel/tracing/events/bitnpu/enable";

	if (access("/sys/kernel/tracing/trace", W_OK))
		SKIP(return, "no tracefs");
	ASSERT_EQ(0, bt_write_file("/sys/kernel/tracing/trace", ""));
	ASSERT_EQ(0, bt_write_file(events, "1"));
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
	ASSERT_EQ(0, fault("hang", 1));
	EXPECT_EQ(-ETIME, bt_run_matmul(self->fd, self->queue, &self->mm));
	ASSERT_EQ(0, bt_write_file(events, "0"));
	EXPECT_LE(2, count_lines("/sys/kernel/tracing/trace", "bitnpu_job_submit:"));
	EXPECT_LE(1, count_lines("/sys/kernel/tracing/trace", "bitnpu_reset"));
}

TEST_HARNESS_MAIN
