// SPDX-License-Identifier: MIT
/* Jobs that run: results, batches, order, queues, priorities. */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bitnpu_test.h"
#include "kselftest_harness.h"

FIXTURE(submit) {
	int fd;
	uint32_t queue;
};

FIXTURE_SETUP(submit)
{
	self->fd = bt_open(0);
	if (self->fd == -ENODEV)
		SKIP(return, "no BitNPU device");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_NORMAL, &self->queue));
}

FIXTURE_TEARDOWN(submit)
{
	close(self->fd);
}

TEST_F_TIMEOUT(submit, empty, 120)
{
	EXPECT_EQ(0, bt_run(self->fd, self->queue, (struct drm_bitnpu_job){}));
}

TEST_F_TIMEOUT(submit, shapes, 120)
{
	static const uint32_t shapes[][3] = {
		{ 1, 1, 1 }, { 1, 16, 16 }, { 1, 17, 15 }, { 2, 15, 17 }, { 5, 33, 129 }, { 3, 64, 1000 },
		{ 1, 1, 4096 }, { 70, 1, 64 },
	};

	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		struct bt_matmul mm;

		ASSERT_EQ(0, bt_matmul_create(self->fd, shapes[i][0], shapes[i][1], shapes[i][2], i,
					      &mm));
		EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &mm));
		bt_matmul_destroy(&mm);
	}
}

TEST_F_TIMEOUT(submit, list_of_many, 120)
{
	struct drm_bitnpu_job_bo bo;
	struct bitnpu_cmd_matmul *cmd;
	struct drm_bitnpu_job job;
	struct bt_matmul mm;

	ASSERT_EQ(0, bt_matmul_create(self->fd, 2, 20, 80, 5, &mm));
	cmd = bt_matmul_cmd(&mm);
	for (unsigned int i = 1; i < 64; i++) {
		memset(&cmd[i], 0, sizeof(cmd[i]));
		cmd[i].opcode = i % 2 ? BITNPU_OP_BARRIER : BITNPU_OP_NOP;
	}
	cmd[63] = cmd[0];
	cmd[0] = cmd[2];
	job = bt_matmul_job(&mm, &bo);
	job.list_size = 64 * 64;
	EXPECT_EQ(0, bt_run(self->fd, self->queue, job));
	EXPECT_TRUE(bt_matmul_check(&mm));
	bt_matmul_destroy(&mm);
}

TEST_F_TIMEOUT(submit, batch_of_256, 120)
{
	struct drm_bitnpu_job jobs[DRM_BITNPU_MAX_JOBS];
	struct drm_bitnpu_job_bo bos[8];
	struct drm_bitnpu_sync sync = { .flags = DRM_BITNPU_SYNC_SIGNAL };
	struct bt_matmul mm[8];
	uint32_t done;

	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &sync.handle));
	for (unsigned int i = 0; i < 8; i++)
		ASSERT_EQ(0, bt_matmul_create(self->fd, 1, 16 + i, 64 + i, i, &mm[i]));
	for (unsigned int i = 0; i < DRM_BITNPU_MAX_JOBS; i++)
		jobs[i] = bt_matmul_job(&mm[i % 8], &bos[i % 8]);
	jobs[DRM_BITNPU_MAX_JOBS - 1].syncs = (struct drm_bitnpu_array){
		.pointer = (uintptr_t)&sync, .count = 1, .stride = sizeof(sync),
	};
	ASSERT_EQ(0, bt_submit(self->fd, self->queue, jobs, DRM_BITNPU_MAX_JOBS, &done));
	EXPECT_EQ(DRM_BITNPU_MAX_JOBS, done);
	ASSERT_EQ(0, bt_syncobj_wait(self->fd, sync.handle, 0, 0, BT_TIMEOUT_NS));
	EXPECT_EQ(0, bt_fence_error(self->fd, sync.handle));
	for (unsigned int i = 0; i < 8; i++) {
		EXPECT_TRUE(bt_matmul_check(&mm[i]));
		bt_matmul_destroy(&mm[i]);
	}
}

/* Two jobs write the same y: what stays is the later one's, without any fence between them. */
TEST_F_TIMEOUT(submit, order_in_a_queue, 120)
{
	struct drm_bitnpu_job_bo bo[2];
	struct drm_bitnpu_job jobs[2];
	struct bt_matmul mm[2];

	for (unsigned int round = 0; round < 16; round++) {
		uint32_t syncobj;

		ASSERT_EQ(0, bt_matmul_create(self->fd, 4, 64, 512, round, &mm[0]));
		ASSERT_EQ(0, bt_matmul_create(self->fd, 4, 64, 64, ~round, &mm[1]));
		bt_matmul_cmd(&mm[0])->y_addr = bt_matmul_cmd(&mm[1])->y_addr;
		jobs[0] = bt_matmul_job(&mm[0], &bo[0]);
		jobs[1] = bt_matmul_job(&mm[1], &bo[1]);
		ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &syncobj));
		ASSERT_EQ(0, bt_submit(self->fd, self->queue, jobs, 1, NULL));
		ASSERT_EQ(0, bt_submit_one(self->fd, self->queue, jobs[1], syncobj));
		ASSERT_EQ(0, bt_syncobj_wait(self->fd, syncobj, 0, 0, BT_TIMEOUT_NS));
		EXPECT_TRUE(bt_matmul_check(&mm[1]));
		bt_syncobj_destroy(self->fd, syncobj);
		bt_matmul_destroy(&mm[0]);
		bt_matmul_destroy(&mm[1]);
	}
}

TEST_F_TIMEOUT(submit, queues_of_every_priority, 120)
{
	for (uint32_t priority = 0; priority <= DRM_BITNPU_PRIORITY_HIGH; priority++) {
		struct bt_matmul mm;
		uint32_t queue;

		ASSERT_EQ(0, bt_queue_create(self->fd, priority, &queue));
		ASSERT_EQ(0, bt_matmul_create(self->fd, 2, 32, 64, priority, &mm));
		EXPECT_EQ(0, bt_run_matmul(self->fd, queue, &mm));
		bt_matmul_destroy(&mm);
	}
}

static int drop_sys_nice(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[CAP_SYS_NICE / 32].effective &= ~(1u << CAP_SYS_NICE % 32);
	data[CAP_SYS_ADMIN / 32].effective &= ~(1u << CAP_SYS_ADMIN % 32);
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

TEST_F_TIMEOUT(submit, high_priority_needs_a_capability, 120)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		uint32_t queue;

		if (drop_sys_nice())
			_exit(1);
		if (bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_HIGH, &queue) != -EACCES)
			_exit(2);
		_exit(bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_LOW, &queue) ? 3 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* A destroyed queue's jobs still run. */
TEST_F_TIMEOUT(submit, destroy_queue_with_jobs, 120)
{
	struct drm_bitnpu_queue_destroy destroy = {};
	struct drm_bitnpu_job_bo bo;
	struct bt_matmul mm;
	uint32_t syncobj;

	ASSERT_EQ(0, bt_matmul_create(self->fd, 8, 256, 1024, 9, &mm));
	ASSERT_EQ(0, bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_LOW, &destroy.queue));
	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &syncobj));
	ASSERT_EQ(0, bt_submit_one(self->fd, destroy.queue, bt_matmul_job(&mm, &bo), syncobj));
	ASSERT_EQ(0, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_QUEUE_DESTROY, &destroy));
	ASSERT_EQ(0, bt_syncobj_wait(self->fd, syncobj, 0, 0, BT_TIMEOUT_NS));
	EXPECT_EQ(0, bt_fence_error(self->fd, syncobj));
	EXPECT_TRUE(bt_matmul_check(&mm));
	bt_matmul_destroy(&mm);
}

TEST_F_TIMEOUT(submit, bo_wait, 120)
{
	struct drm_bitnpu_bo_wait wait = { .flags = DRM_BITNPU_WAIT_WRITE };
	struct drm_bitnpu_job_bo bo;
	struct bt_matmul mm;

	ASSERT_EQ(0, bt_matmul_create(self->fd, 16, 256, 2048, 9, &mm));
	wait.handle = mm.bo.handle;
	ASSERT_EQ(0, bt_submit_one(self->fd, self->queue, bt_matmul_job(&mm, &bo), 0));
	EXPECT_EQ(-ETIME, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_WAIT, &wait));
	wait.timeout_ns = bt_deadline(BT_TIMEOUT_NS);
	EXPECT_EQ(0, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_WAIT, &wait));
	EXPECT_TRUE(bt_matmul_check(&mm));
	bt_matmul_destroy(&mm);
}

TEST_HARNESS_MAIN
