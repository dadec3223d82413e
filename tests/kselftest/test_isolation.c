// SPDX-License-Identifier: MIT
/* One open file can neither read nor write nor stop what belongs to another. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bitnpu_test.h"
#include "kselftest_harness.h"

#define NEIGHBOURS	4

FIXTURE(isolation) {
	int fd, bad;
	uint32_t queue, bad_queue;
	struct bt_matmul mm, bad_mm;
	int neighbour[NEIGHBOURS];
	uint32_t neighbour_queue[NEIGHBOURS];
	struct bt_matmul neighbour_mm[NEIGHBOURS];
};

FIXTURE_SETUP(isolation)
{
	self->fd = bt_open(0);
	if (self->fd == -ENODEV)
		SKIP(return, "no BitNPU device");
	self->bad = bt_open(0);
	ASSERT_LE(0, self->bad);
	ASSERT_EQ(0, bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_NORMAL, &self->queue));
	ASSERT_EQ(0, bt_queue_create(self->bad, DRM_BITNPU_PRIORITY_NORMAL, &self->bad_queue));
	ASSERT_EQ(0, bt_matmul_create(self->fd, 1, 16, 64, 1, &self->mm));
	ASSERT_EQ(0, bt_matmul_create(self->bad, 1, 16, 64, 2, &self->bad_mm));
	for (unsigned int i = 0; i < NEIGHBOURS; i++) {
		self->neighbour[i] = bt_open(0);
		ASSERT_LE(0, self->neighbour[i]);
		ASSERT_EQ(0, bt_queue_create(self->neighbour[i], DRM_BITNPU_PRIORITY_NORMAL,
					     &self->neighbour_queue[i]));
		ASSERT_EQ(0, bt_matmul_create(self->neighbour[i], 2, 64, 256, i,
					      &self->neighbour_mm[i]));
	}
}

FIXTURE_TEARDOWN(isolation)
{
	for (unsigned int i = 0; i < NEIGHBOURS; i++) {
		bt_matmul_destroy(&self->neighbour_mm[i]);
		close(self->neighbour[i]);
	}
	bt_matmul_destroy(&self->bad_mm);
	bt_matmul_destroy(&self->mm);
	close(self->bad);
	close(self->fd);
}

/* Run @job on the bad file between jobs of the neighbours; they must not notice. */
static int run_among_neighbours(FIXTURE_DATA(isolation) *self, struct drm_bitnpu_job job)
{
	struct drm_bitnpu_job_bo bo[NEIGHBOURS];
	uint32_t syncobj[2][NEIGHBOURS];
	int ret, wrong = 0;

	for (unsigned int i = 0; i < NEIGHBOURS; i++) {
		bt_matmul_clear(&self->neighbour_mm[i]);
		bt_syncobj_create(self->neighbour[i], 0, &syncobj[0][i]);
		bt_syncobj_create(self->neighbour[i], 0, &syncobj[1][i]);
		wrong += !!bt_submit_one(self->neighbour[i], self->neighbour_queue[i],
					 bt_matmul_job(&self->neighbour_mm[i], &bo[i]),
					 syncobj[0][i]);
	}
	ret = bt_submit(self->bad, self->bad_queue, &job, 1, NULL);
	for (unsigned int i = 0; i < NEIGHBOURS; i++)
		wrong += !!bt_submit_one(self->neighbour[i], self->neighbour_queue[i],
					 bt_matmul_job(&self->neighbour_mm[i], &bo[i]),
					 syncobj[1][i]);
	for (unsigned int i = 0; i < NEIGHBOURS; i++) {
		for (unsigned int k = 0; k < 2; k++) {
			wrong += !!bt_syncobj_wait(self->neighbour[i], syncobj[k][i], 0, 0,
						   BT_TIMEOUT_NS);
			wrong += !!bt_fence_error(self->neighbour[i], syncobj[k][i]);
			bt_syncobj_destroy(self->neighbour[i], syncobj[k][i]);
		}
		wrong += !bt_matmul_check(&self->neighbour_mm[i]);
	}
	return wrong ? -EBADMSG : ret;
}

TEST_F_TIMEOUT(isolation, addresses_are_per_file, 120)
{
	/* Both files begin at the same address: the same number, two memories. */
	EXPECT_EQ(self->mm.bo.address, self->bad_mm.bo.address);
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
	EXPECT_EQ(0, bt_run_matmul(self->bad, self->bad_queue, &self->bad_mm));
	EXPECT_TRUE(bt_matmul_check(&self->mm));
	EXPECT_TRUE(bt_matmul_check(&self->bad_mm));
}

TEST_F_TIMEOUT(isolation, others_memory_cannot_be_read, 120)
{
	struct drm_bitnpu_context_info info;
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job job = bt_matmul_job(&self->bad_mm, &bo);
	struct bt_bo secret;

	/* Somewhere the bad file has nothing. */
	ASSERT_EQ(0, bt_bo_create(self->fd, 16 << 20, 0, &secret));
	memset(secret.map, 1, secret.size);
	bt_matmul_cmd(&self->bad_mm)->x_addr = secret.address + (8 << 20);
	EXPECT_EQ(0, run_among_neighbours(self, job));
	EXPECT_EQ(-ENOTRECOVERABLE, bt_run(self->bad, self->bad_queue, job));
	ASSERT_EQ(0, bt_context_info(self->bad, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_FAULT, info.ban);
	EXPECT_EQ(BITNPU_STATUS_UNMAPPED, info.status);
	EXPECT_EQ(secret.address + (8 << 20), info.addr);
	EXPECT_FALSE(bt_matmul_check(&self->bad_mm));
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_NONE, info.ban);
	bt_bo_destroy(&secret);
}

TEST_F_TIMEOUT(isolation, others_memory_cannot_be_written, 120)
{
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job job = bt_matmul_job(&self->bad_mm, &bo);
	struct bt_bo precious;

	ASSERT_EQ(0, bt_bo_create(self->fd, 16 << 20, 0, &precious));
	memset(precious.map, 0x77, precious.size);
	bt_matmul_cmd(&self->bad_mm)->y_addr = precious.address + (8 << 20);
	EXPECT_EQ(0, run_among_neighbours(self, job));
	for (uint64_t i = 0; i < precious.size; i++)
		ASSERT_EQ(0x77, ((unsigned char *)precious.map)[i]);
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
	bt_bo_destroy(&precious);
}

TEST_F_TIMEOUT(isolation, refused_commands_hurt_nobody_else, 120)
{
	struct drm_bitnpu_context_info info;
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job job = bt_matmul_job(&self->bad_mm, &bo);

	bt_matmul_cmd(&self->bad_mm)->reserved[3] = 1;
	EXPECT_EQ(0, run_among_neighbours(self, job));
	ASSERT_EQ(0, bt_context_info(self->bad, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_LIST, info.ban);
	EXPECT_EQ(BITNPU_STATUS_RESERVED, info.status);
	EXPECT_EQ(60, info.field);
	EXPECT_EQ(1, info.jobs_failed);
}

TEST_F_TIMEOUT(isolation, list_outside_of_memory, 120)
{
	struct drm_bitnpu_context_info info;
	struct drm_bitnpu_job job = { .list_addr = 1ULL << 38, .list_size = 64 };

	EXPECT_EQ(0, run_among_neighbours(self, job));
	ASSERT_EQ(0, bt_context_info(self->bad, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_FAULT, info.ban);
	EXPECT_EQ(1ULL << 38, info.addr);
}

TEST_F_TIMEOUT(isolation, address_past_the_device, 120)
{
	struct drm_bitnpu_context_info info;
	struct drm_bitnpu_job job = { .list_addr = 1ULL << 40, .list_size = 64 };

	EXPECT_EQ(0, run_among_neighbours(self, job));
	ASSERT_EQ(0, bt_context_info(self->bad, &info));
	EXPECT_EQ(BITNPU_STATUS_UNMAPPED, info.status);
}

/* The context is banned whole: its other queues, and its jobs that were waiting. */
TEST_F_TIMEOUT(isolation, ban_is_of_the_context, 120)
{
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job jobs[8];
	uint32_t queue, syncobj;
	int ret;

	ASSERT_EQ(0, bt_queue_create(self->bad, DRM_BITNPU_PRIORITY_NORMAL, &queue));
	ASSERT_EQ(0, bt_syncobj_create(self->bad, 0, &syncobj));
	bt_matmul_cmd(&self->bad_mm)->opcode = 0xff;
	for (unsigned int i = 0; i < 8; i++)
		jobs[i] = bt_matmul_job(&self->bad_mm, &bo);
	/* They may come too late to be accepted, but never run well. */
	ret = bt_submit(self->bad, self->bad_queue, jobs, 7, NULL);
	ASSERT_TRUE(!ret || ret == -ENOTRECOVERABLE);
	if (!bt_submit_one(self->bad, self->bad_queue, jobs[7], syncobj)) {
		ASSERT_EQ(0, bt_syncobj_wait(self->bad, syncobj, 0, 0, BT_TIMEOUT_NS));
		EXPECT_EQ(-ECANCELED, bt_fence_error(self->bad, syncobj));
	}
	while (bt_submit(self->bad, queue, &(struct drm_bitnpu_job){}, 1, NULL) == 0)
		usleep(1000);
	EXPECT_EQ(-ENOTRECOVERABLE,
		  bt_submit(self->bad, queue, &(struct drm_bitnpu_job){}, 1, NULL));
	EXPECT_EQ(-ENOTRECOVERABLE, bt_queue_create(self->bad, DRM_BITNPU_PRIORITY_LOW, &queue));
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &self->mm));
}

TEST_HARNESS_MAIN
