// SPDX-License-Identifier: MIT
/* Processes that end, devices that go, sleep, modules that come again, all with jobs in flight. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bitnpu_test.h"
#include "kselftest_harness.h"

#define INSTANCE	"lifetime"

FIXTURE(lifetime) {
	int fd;
	uint32_t queue;
	struct bt_matmul mm;
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job job;
};

FIXTURE_SETUP(lifetime)
{
	if (!bt_sim_present())
		SKIP(return, "needs the simulator");
	bt_sim_destroy(INSTANCE);
	ASSERT_EQ(0, bt_sim_create(INSTANCE, 2, 65536));
	self->fd = bt_sim_open(INSTANCE);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_NORMAL, &self->queue));
	ASSERT_EQ(0, bt_matmul_create(self->fd, 8, 256, 1024, 1, &self->mm));
	self->job = bt_matmul_job(&self->mm, &self->bo);
}

FIXTURE_TEARDOWN(lifetime)
{
	bt_matmul_destroy(&self->mm);
	close(self->fd);
	bt_sim_destroy(INSTANCE);
}

/* Somebody who comes later finds a working device. */
static int newcomer(void)
{
	struct bt_matmul mm;
	uint32_t queue;
	int fd = bt_sim_open(INSTANCE);
	int ret;

	if (fd < 0)
		return fd;
	ret = bt_queue_create(fd, DRM_BITNPU_PRIORITY_NORMAL, &queue);
	if (!ret)
		ret = bt_matmul_create(fd, 1, 16, 64, 3, &mm);
	if (!ret) {
		ret = bt_run_matmul(fd, queue, &mm);
		bt_matmul_destroy(&mm);
	}
	close(fd);
	return ret;
}

TEST_F_TIMEOUT(lifetime, close_with_jobs_in_flight, 120)
{
	int sync_file, fd = bt_sim_open(INSTANCE);
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job job;
	struct bt_matmul mm;
	uint32_t queue, syncobj;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, bt_queue_create(fd, DRM_BITNPU_PRIORITY_NORMAL, &queue));
	ASSERT_EQ(0, bt_matmul_create(fd, 4, 256, 1024, 1, &mm));
	ASSERT_EQ(0, bt_syncobj_create(fd, 0, &syncobj));
	job = bt_matmul_job(&mm, &bo);
	for (unsigned int i = 0; i < 16; i++)
		ASSERT_EQ(0, bt_submit(fd, queue, &job, 1, NULL));
	ASSERT_EQ(0, bt_submit_one(fd, queue, job, syncobj));
	sync_file = bt_syncobj_export(fd, syncobj);
	ASSERT_LE(0, sync_file);
	close(fd);
	/* The jobs name their buffer, so they end well, and the mapping shows what they wrote. */
	for (unsigned int i = 0; i < 6000 && bt_sync_file_error(sync_file) == 1; i++)
		usleep(10000);
	EXPECT_EQ(0, bt_sync_file_error(sync_file));
	EXPECT_TRUE(bt_matmul_check(&mm));
	munmap(mm.bo.map, mm.bo.size);
	close(sync_file);
	EXPECT_EQ(0, newcomer());
}

TEST_F_TIMEOUT(lifetime, unmap_and_close_handle_with_jobs_in_flight, 120)
{
	struct drm_bitnpu_context_info info;
	uint32_t syncobj;
	void *copy = malloc(self->mm.bo.size);

	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &syncobj));
	for (unsigned int i = 0; i < 8; i++)
		ASSERT_EQ(0, bt_submit_one(self->fd, self->queue, self->job, syncobj));
	ASSERT_EQ(0, bt_gem_close(self->fd, self->mm.bo.handle));
	munmap(self->mm.bo.map, self->mm.bo.size);
	self->mm.bo.map = NULL;
	ASSERT_EQ(0, bt_syncobj_wait(self->fd, syncobj, 0, 0, BT_TIMEOUT_NS));
	EXPECT_EQ(0, bt_fence_error(self->fd, syncobj));
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_NONE, info.ban);
	free(copy);
}

TEST_F_TIMEOUT(lifetime, fork_shares_the_context, 120)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(bt_run_matmul(self->fd, self->queue, &self->mm) ? 1 : 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
}

TEST_F_TIMEOUT(lifetime, dup_keeps_it_open, 120)
{
	int copy = dup(self->fd);

	ASSERT_LE(0, copy);
	close(self->fd);
	self->fd = copy;
	self->mm.bo.fd = copy;
	EXPECT_EQ(0, bt_run_matmul(copy, self->queue, &self->mm));
}

TEST_F_TIMEOUT(lifetime, kill_with_jobs_in_flight, 120)
{
	for (unsigned int round = 0; round < 8; round++) {
		int status;
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid) {
			struct drm_bitnpu_job_bo bo;
			struct drm_bitnpu_job job;
			struct bt_matmul mm;
			uint32_t queue;
			int fd = bt_sim_open(INSTANCE);

			if (fd < 0 || bt_queue_create(fd, DRM_BITNPU_PRIORITY_NORMAL, &queue) ||
			    bt_matmul_create(fd, 2, 128, 512, round, &mm))
				_exit(1);
			job = bt_matmul_job(&mm, &bo);
			for (;;)
				bt_submit(fd, queue, &job, 1, NULL);
		}
		usleep(50000);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
	}
	EXPECT_EQ(0, newcomer());
}

struct submitter {
	int fd, ret;
	uint32_t queue;
	struct drm_bitnpu_job job;
	unsigned int jobs;
};

static void *submit_until_it_fails(void *data)
{
	struct submitter *s = data;

	while (!(s->ret = bt_run(s->fd, s->queue, s->job)))
		s->jobs++;
	return NULL;
}

/* What remains of a device that is gone: errors, and memory that can be looked at and let go. */
static void expect_gone(struct __test_metadata *_metadata, FIXTURE_DATA(lifetime) *self)
{
	struct drm_bitnpu_bo_create create = { .size = 4096 };
	struct drm_bitnpu_device_info info;
	uint32_t queue;

	EXPECT_EQ(-ENODEV, bt_submit(self->fd, self->queue, &self->job, 1, NULL));
	EXPECT_EQ(-ENODEV, bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_LOW, &queue));
	EXPECT_EQ(-ENODEV, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_CREATE, &create));
	EXPECT_EQ(-ENODEV, bt_device_info(self->fd, &info));
	memset(self->mm.bo.map, 1, self->mm.bo.size);
}

TEST_F_TIMEOUT(lifetime, removal_with_files_open, 120)
{
	struct submitter submitter = { .fd = self->fd, .queue = self->queue, .job = self->job };
	pthread_t thread;

	ASSERT_EQ(0, pthread_create(&thread, NULL, submit_until_it_fails, &submitter));
	usleep(300000);
	ASSERT_EQ(0, bt_sim_write(INSTANCE, "live", 0));
	pthread_join(thread, NULL);
	EXPECT_EQ(-ENODEV, submitter.ret);
	expect_gone(_metadata, self);
	/* And it can come again while the old file is open. */
	ASSERT_EQ(0, bt_sim_write(INSTANCE, "live", 1));
	EXPECT_EQ(0, newcomer());
	expect_gone(_metadata, self);
}

TEST_F_TIMEOUT(lifetime, unbind_and_bind, 240)
{
	char device[64];

	ASSERT_EQ(0, bt_sim_device(INSTANCE, device, sizeof(device)));
	for (unsigned int round = 0; round < 10; round++) {
		ASSERT_EQ(0, bt_write_file("/sys/bus/platform/drivers/bitnpu/unbind", device));
		ASSERT_EQ(0, bt_write_file("/sys/bus/platform/drivers/bitnpu/bind", device));
		EXPECT_EQ(0, newcomer());
	}
	expect_gone(_metadata, self);
}

TEST_F_TIMEOUT(lifetime, unbind_with_jobs_in_flight, 240)
{
	char device[64];

	ASSERT_EQ(0, bt_sim_device(INSTANCE, device, sizeof(device)));
	for (unsigned int round = 0; round < 4; round++) {
		struct submitter submitter = { .fd = bt_sim_open(INSTANCE) };
		struct drm_bitnpu_job_bo bo;
		struct bt_matmul mm;
		pthread_t thread;

		ASSERT_LE(0, submitter.fd);
		ASSERT_EQ(0, bt_queue_create(submitter.fd, DRM_BITNPU_PRIORITY_NORMAL,
					     &submitter.queue));
		ASSERT_EQ(0, bt_matmul_create(submitter.fd, 4, 128, 1024, round, &mm));
		submitter.job = bt_matmul_job(&mm, &bo);
		if (round % 2)
			ASSERT_EQ(0, bt_sim_write(INSTANCE, "fault/hang", 1));
		ASSERT_EQ(0, pthread_create(&thread, NULL, submit_until_it_fails, &submitter));
		usleep(200000);
		ASSERT_EQ(0, bt_write_file("/sys/bus/platform/drivers/bitnpu/unbind", device));
		pthread_join(thread, NULL);
		EXPECT_EQ(-ENODEV, submitter.ret);
		bt_matmul_destroy(&mm);
		close(submitter.fd);
		bt_sim_clear_faults(INSTANCE);
		ASSERT_EQ(0, bt_write_file("/sys/bus/platform/drivers/bitnpu/bind", device));
		EXPECT_EQ(0, newcomer());
	}
}

/*
 * The freezer, the devices' callbacks, and back.  There are more jobs than entries in a ring, so that some
 * run when the devices are to stop, and others wait until they are back.
 */
TEST_F_TIMEOUT(lifetime, suspend, 240)
{
	const unsigned int jobs = 128;
	struct drm_bitnpu_context_info info;
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job job;
	struct bt_matmul mm;
	char text[16384];

	if (bt_read_file("/proc/mounts", text, sizeof(text)) > 0 && strstr(text, " 9p "))
		SKIP(return, "9p mounts do not survive the suspension of their transport");
	if (bt_read_file("/sys/power/pm_test", text, sizeof(text)) < 0)
		SKIP(return, "the kernel has no CONFIG_PM_SLEEP_DEBUG");
	ASSERT_EQ(0, bt_write_file("/sys/power/pm_test", "devices"));
	ASSERT_EQ(0, bt_write_file("/sys/module/suspend/parameters/pm_test_delay", "1"));
	ASSERT_EQ(0, bt_matmul_create(self->fd, 4, 128, 1024, 1, &mm));
	job = bt_matmul_job(&mm, &bo);
	for (unsigned int round = 1; round <= 2; round++) {
		uint32_t syncobj;

		bt_matmul_clear(&mm);
		ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &syncobj));
		for (unsigned int i = 0; i < jobs; i++)
			ASSERT_EQ(0, bt_submit_one(self->fd, self->queue, job, syncobj));
		ASSERT_EQ(0, bt_write_file("/sys/power/state", "freeze"));
		ASSERT_EQ(0, bt_syncobj_wait(self->fd, syncobj, 0, 0, BT_TIMEOUT_NS));
		EXPECT_EQ(0, bt_fence_error(self->fd, syncobj));
		EXPECT_TRUE(bt_matmul_check(&mm));
		ASSERT_EQ(0, bt_context_info(self->fd, &info));
		EXPECT_EQ(0, info.jobs_failed);
		EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
	}
	bt_matmul_destroy(&mm);
	ASSERT_EQ(0, bt_write_file("/sys/power/pm_test", "none"));
}

TEST_F_TIMEOUT(lifetime, runtime_pm, 120)
{
	char device[64], path[200], text[32];
	unsigned int i;

	ASSERT_EQ(0, bt_sim_device(INSTANCE, device, sizeof(device)));
	snprintf(path, sizeof(path), "/sys/bus/platform/devices/%s/power/runtime_status", device);
	for (unsigned int round = 0; round < 3; round++) {
		EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
		for (i = 0; i < 1000; i++) {
			ASSERT_LT(0, bt_read_file(path, text, sizeof(text)));
			if (!strcmp(text, "suspended\n"))
				break;
			usleep(10000);
		}
		EXPECT_STREQ("suspended\n", text);
	}
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
}

TEST_F_TIMEOUT(lifetime, sixty_four_processes, 300)
{
	pid_t pid[64];

	for (unsigned int i = 0; i < 64; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i]) {
			for (unsigned int k = 0; k < 4; k++)
				if (newcomer())
					_exit(1);
			_exit(0);
		}
	}
	for (unsigned int i = 0; i < 64; i++) {
		int status;

		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
}

TEST_HARNESS_MAIN
