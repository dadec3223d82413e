// SPDX-License-Identifier: MIT
/* Every way that an ioctl can be called wrongly, with the errno that the header promises. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bitnpu_test.h"
#include "kselftest_harness.h"

FIXTURE(reject) {
	int fd, other;
	uint32_t queue;
	struct bt_matmul mm;
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job job;
};

FIXTURE_SETUP(reject)
{
	self->fd = bt_open(0);
	if (self->fd == -ENODEV)
		SKIP(return, "no BitNPU device");
	ASSERT_LE(0, self->fd);
	self->other = bt_open(0);
	ASSERT_LE(0, self->other);
	ASSERT_EQ(0, bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_NORMAL, &self->queue));
	ASSERT_EQ(0, bt_matmul_create(self->fd, 1, 16, 64, 3, &self->mm));
	self->job = bt_matmul_job(&self->mm, &self->bo);
}

FIXTURE_TEARDOWN(reject)
{
	/* Nothing that was refused has harmed the context. */
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
	bt_matmul_destroy(&self->mm);
	close(self->other);
	close(self->fd);
}

static int create(int fd, uint64_t size, uint32_t flags, uint32_t handle, uint64_t address)
{
	struct drm_bitnpu_bo_create args = {
		.size = size, .flags = flags, .handle = handle, .address = address,
	};
	int ret = bt_ioctl(fd, DRM_IOCTL_BITNPU_BO_CREATE, &args);

	if (!ret)
		bt_gem_close(fd, args.handle);
	return ret;
}

/* An accel file has no master, which these two are about. */
TEST_F(reject, what_needs_a_master)
{
	char name[64];
	struct drm_unique unique = { .unique = name, .unique_len = sizeof(name) };
	struct drm_auth auth = {};

	EXPECT_EQ(-EOPNOTSUPP, bt_ioctl(self->fd, DRM_IOCTL_GET_UNIQUE, &unique));
	EXPECT_EQ(-EOPNOTSUPP, bt_ioctl(self->fd, DRM_IOCTL_GET_MAGIC, &auth));
}

TEST_F(reject, bo_create)
{
	EXPECT_EQ(-EINVAL, create(self->fd, 0, 0, 0, 0));
	for (unsigned int bit = 1; bit < 32; bit++)
		EXPECT_EQ(-EINVAL, create(self->fd, 4096, 1u << bit, 0, 0));
	EXPECT_EQ(-EINVAL, create(self->fd, 4096, 0, 1, 0));
	EXPECT_EQ(-EINVAL, create(self->fd, 4096, 0, 0, 1));
	EXPECT_NE(0, create(self->fd, UINT64_MAX, 0, 0, 0));
	EXPECT_NE(0, create(self->fd, UINT64_MAX - 4095, 0, 0, 0));
	EXPECT_NE(0, create(self->fd, 1ULL << 39, 0, 0, 0));
	EXPECT_NE(0, create(self->fd, 1ULL << 38, 0, 0, 0));
	EXPECT_EQ(0, create(self->fd, 1, 0, 0, 0));
}

TEST_F(reject, bo_info)
{
	struct drm_bitnpu_bo_info args = { .handle = 0xdead };

	EXPECT_EQ(-ENOENT, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_INFO, &args));
	args = (struct drm_bitnpu_bo_info){ .handle = self->mm.bo.handle };
	EXPECT_EQ(-ENOENT, bt_ioctl(self->other, DRM_IOCTL_BITNPU_BO_INFO, &args));
	args = (struct drm_bitnpu_bo_info){ .handle = self->mm.bo.handle, .flags = 1 };
	EXPECT_EQ(-EINVAL, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_INFO, &args));
	args = (struct drm_bitnpu_bo_info){ .handle = self->mm.bo.handle, .size = 1 };
	EXPECT_EQ(-EINVAL, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_INFO, &args));
	args = (struct drm_bitnpu_bo_info){ .handle = self->mm.bo.handle, .address = 1 };
	EXPECT_EQ(-EINVAL, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_INFO, &args));
}

TEST_F(reject, bo_mmap_offset)
{
	struct drm_bitnpu_bo_mmap_offset args = { .handle = 0xdead };

	EXPECT_EQ(-ENOENT, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET, &args));
	args = (struct drm_bitnpu_bo_mmap_offset){ .handle = self->mm.bo.handle };
	EXPECT_EQ(-ENOENT, bt_ioctl(self->other, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET, &args));
	args = (struct drm_bitnpu_bo_mmap_offset){ .handle = self->mm.bo.handle, .flags = 1 };
	EXPECT_EQ(-EINVAL, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET, &args));
	args = (struct drm_bitnpu_bo_mmap_offset){ .handle = self->mm.bo.handle, .offset = 1 };
	EXPECT_EQ(-EINVAL, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET, &args));
	/* The offset of one file's buffer is of no use to another. */
	args = (struct drm_bitnpu_bo_mmap_offset){ .handle = self->mm.bo.handle };
	ASSERT_EQ(0, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET, &args));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->other, args.offset));
	EXPECT_EQ(EACCES, errno);
}

TEST_F(reject, bo_wait)
{
	struct drm_bitnpu_bo_wait args = { .handle = 0xdead };

	EXPECT_EQ(-ENOENT, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_WAIT, &args));
	args = (struct drm_bitnpu_bo_wait){ .handle = self->mm.bo.handle };
	EXPECT_EQ(-ENOENT, bt_ioctl(self->other, DRM_IOCTL_BITNPU_BO_WAIT, &args));
	for (unsigned int bit = 1; bit < 32; bit++) {
		args = (struct drm_bitnpu_bo_wait){ .handle = self->mm.bo.handle, .flags = 1u << bit };
		EXPECT_EQ(-EINVAL, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_WAIT, &args));
	}
	args = (struct drm_bitnpu_bo_wait){ .handle = self->mm.bo.handle };
	EXPECT_EQ(0, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_WAIT, &args));
}

TEST_F(reject, queues)
{
	struct drm_bitnpu_queue_create args = { .priority = 3 };
	struct drm_bitnpu_queue_destroy destroy = { .queue = 0 };

	EXPECT_EQ(-EINVAL, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_QUEUE_CREATE, &args));
	args = (struct drm_bitnpu_queue_create){ .flags = 1 };
	EXPECT_EQ(-EINVAL, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_QUEUE_CREATE, &args));
	args = (struct drm_bitnpu_queue_create){ .queue = 1 };
	EXPECT_EQ(-EINVAL, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_QUEUE_CREATE, &args));
	args = (struct drm_bitnpu_queue_create){ .pad = 1 };
	EXPECT_EQ(-EINVAL, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_QUEUE_CREATE, &args));

	EXPECT_EQ(-ENOENT, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_QUEUE_DESTROY, &destroy));
	destroy.queue = self->queue + 1;
	EXPECT_EQ(-ENOENT, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_QUEUE_DESTROY, &destroy));
	destroy = (struct drm_bitnpu_queue_destroy){ .queue = self->queue, .pad = 1 };
	EXPECT_EQ(-EINVAL, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_QUEUE_DESTROY, &destroy));
}

TEST_F(reject, too_many_queues)
{
	uint32_t queues[DRM_BITNPU_MAX_QUEUES], extra;

	for (unsigned int i = 0; i < DRM_BITNPU_MAX_QUEUES; i++)
		ASSERT_EQ(0, bt_queue_create(self->other, DRM_BITNPU_PRIORITY_LOW, &queues[i]));
	EXPECT_EQ(-ENOSPC, bt_queue_create(self->other, DRM_BITNPU_PRIORITY_LOW, &extra));
	for (unsigned int i = 0; i < DRM_BITNPU_MAX_QUEUES; i++) {
		struct drm_bitnpu_queue_destroy args = { .queue = queues[i] };

		EXPECT_EQ(0, bt_ioctl(self->other, DRM_IOCTL_BITNPU_QUEUE_DESTROY, &args));
		EXPECT_EQ(-ENOENT, bt_ioctl(self->other, DRM_IOCTL_BITNPU_QUEUE_DESTROY, &args));
	}
	EXPECT_EQ(0, bt_queue_create(self->other, DRM_BITNPU_PRIORITY_LOW, &extra));
}

static int submit(int fd, struct drm_bitnpu_submit args)
{
	return bt_ioctl(fd, DRM_IOCTL_BITNPU_SUBMIT, &args);
}

TEST_F(reject, submit)
{
	const struct drm_bitnpu_submit good = {
		.queue = self->queue,
		.jobs = { .pointer = (uintptr_t)&self->job, .count = 1, .stride = sizeof(self->job) },
	};
	struct drm_bitnpu_submit args = good;

	args.queue = 0;
	EXPECT_EQ(-ENOENT, submit(self->fd, args));
	args.queue = self->queue + 1;
	EXPECT_EQ(-ENOENT, submit(self->fd, args));
	args = good;
	args.flags = 1;
	EXPECT_EQ(-EINVAL, submit(self->fd, args));
	args = good;
	args.pad = 1;
	EXPECT_EQ(-EINVAL, submit(self->fd, args));
	args = good;
	args.jobs.count = 0;
	EXPECT_EQ(-EINVAL, submit(self->fd, args));
	args.jobs.count = DRM_BITNPU_MAX_JOBS + 1;
	EXPECT_EQ(-EINVAL, submit(self->fd, args));
	args = good;
	args.jobs.stride = 0;
	EXPECT_EQ(-EINVAL, submit(self->fd, args));
	args.jobs.stride = sizeof(self->job) + 1;
	EXPECT_EQ(-EINVAL, submit(self->fd, args));
	args = good;
	args.jobs.pointer = 8;
	EXPECT_EQ(-EFAULT, submit(self->fd, args));
	args.jobs.pointer = UINT64_MAX - 7;
	EXPECT_EQ(-EFAULT, submit(self->fd, args));
	/* A queue of one file is not a queue of another. */
	EXPECT_EQ(-ENOENT, submit(self->other, good));
}

TEST_F(reject, longer_job)
{
	struct {
		struct drm_bitnpu_job job;
		uint64_t more;
	} longer = { .job = self->job };
	struct drm_bitnpu_submit args = {
		.queue = self->queue,
		.jobs = { .pointer = (uintptr_t)&longer, .count = 1, .stride = sizeof(longer) },
	};

	EXPECT_EQ(0, submit(self->fd, args));
	longer.more = 1;
	EXPECT_EQ(-E2BIG, submit(self->fd, args));
}

TEST_F(reject, job)
{
	struct drm_bitnpu_job job = self->job;

	for (unsigned int bit = 1; bit < 32; bit++) {
		job.flags = 1u << bit;
		EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	}
	job = self->job;
	job.list_addr += 32;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	job = self->job;
	job.list_size = 63;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	job.list_size = 0;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	job = self->job;
	job.list_addr = UINT64_MAX - 63;
	job.list_size = 128;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
}

TEST_F(reject, job_bos)
{
	struct drm_bitnpu_job_bo bos[2] = { self->bo, self->bo };
	struct drm_bitnpu_job job = self->job;

	job.bos.pointer = (uintptr_t)bos;
	bos[0].flags = 0;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	bos[0].flags = DRM_BITNPU_JOB_BO_NO_SYNC;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	for (unsigned int bit = 3; bit < 32; bit++) {
		bos[0].flags = DRM_BITNPU_JOB_BO_READ | 1u << bit;
		EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	}
	bos[0] = self->bo;
	bos[0].handle = 0xdead;
	EXPECT_EQ(-ENOENT, bt_submit(self->fd, self->queue, &job, 1, NULL));
	bos[0] = self->bo;
	job.bos.count = 2;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	job.bos.count = DRM_BITNPU_MAX_JOB_BOS + 1;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	job.bos = (struct drm_bitnpu_array){ .pointer = 8, .count = 1, .stride = sizeof(bos[0]) };
	EXPECT_EQ(-EFAULT, bt_submit(self->fd, self->queue, &job, 1, NULL));
	job.bos = (struct drm_bitnpu_array){ .pointer = (uintptr_t)bos, .count = 1, .stride = 4 };
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	job.bos = (struct drm_bitnpu_array){ .pointer = (uintptr_t)bos };
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
}

TEST_F(reject, foreign_bo)
{
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job job;
	struct bt_bo foreign;
	uint32_t queue;

	ASSERT_EQ(0, bt_queue_create(self->other, DRM_BITNPU_PRIORITY_NORMAL, &queue));
	/* Handles are small numbers in each file: take one that this file does not have. */
	for (unsigned int i = 0; i < 8; i++)
		ASSERT_EQ(0, bt_bo_create(self->fd, 4096, 0, &foreign));
	bo = (struct drm_bitnpu_job_bo){ .handle = foreign.handle, .flags = DRM_BITNPU_JOB_BO_READ };
	job = (struct drm_bitnpu_job){
		.bos = { .pointer = (uintptr_t)&bo, .count = 1, .stride = sizeof(bo) },
	};
	EXPECT_EQ(-ENOENT, bt_submit(self->other, queue, &job, 1, NULL));
	bt_bo_destroy(&foreign);
	EXPECT_EQ(-ENOENT, bt_submit(self->fd, self->queue, &job, 1, NULL));
}

TEST_F(reject, job_syncs)
{
	struct drm_bitnpu_sync sync = {};
	struct drm_bitnpu_job job = self->job;
	uint32_t syncobj;

	ASSERT_EQ(0, bt_syncobj_create(self->fd, DRM_SYNCOBJ_CREATE_SIGNALED, &syncobj));
	job.syncs = (struct drm_bitnpu_array){
		.pointer = (uintptr_t)&sync, .count = 1, .stride = sizeof(sync),
	};
	sync = (struct drm_bitnpu_sync){ .handle = syncobj };
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	sync.flags = DRM_BITNPU_SYNC_WAIT | DRM_BITNPU_SYNC_SIGNAL;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	for (unsigned int bit = 3; bit < 32; bit++) {
		sync.flags = DRM_BITNPU_SYNC_WAIT | 1u << bit;
		EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	}
	sync.flags = DRM_BITNPU_SYNC_WAIT;
	sync.point = 1;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	sync.flags = DRM_BITNPU_SYNC_WAIT | DRM_BITNPU_SYNC_TIMELINE;
	sync.point = 0;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
	sync = (struct drm_bitnpu_sync){ .handle = syncobj + 1, .flags = DRM_BITNPU_SYNC_WAIT };
	EXPECT_EQ(-ENOENT, bt_submit(self->fd, self->queue, &job, 1, NULL));
	sync.flags = DRM_BITNPU_SYNC_SIGNAL;
	EXPECT_EQ(-ENOENT, bt_submit(self->fd, self->queue, &job, 1, NULL));
	job.syncs.count = DRM_BITNPU_MAX_JOB_SYNCS + 1;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, &job, 1, NULL));
}

TEST_F(reject, partial_batch)
{
	struct drm_bitnpu_job jobs[3] = { self->job, self->job, self->job };
	uint32_t done;

	jobs[1].flags = 1u << 31;
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue, jobs, 3, &done));
	EXPECT_EQ(1, done);
}

TEST_HARNESS_MAIN
