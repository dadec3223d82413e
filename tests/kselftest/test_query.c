// SPDX-License-Identifier: MIT
/* DRM_IOCTL_BITNPU_QUERY, and what the kernel shows of a file and a device. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bitnpu_test.h"
#include "kselftest_harness.h"

FIXTURE(query) {
	int fd;
};

FIXTURE_SETUP(query)
{
	self->fd = bt_open(0);
	if (self->fd == -ENODEV)
		SKIP(return, "no BitNPU device");
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(query)
{
	close(self->fd);
}

static int query(int fd, uint32_t type, void *answer, uint32_t *size)
{
	struct drm_bitnpu_query args = { .type = type, .size = *size, .pointer = (uintptr_t)answer };
	int ret = bt_ioctl(fd, DRM_IOCTL_BITNPU_QUERY, &args);

	*size = args.size;
	return ret;
}

TEST_F(query, device)
{
	struct drm_bitnpu_device_info info;

	ASSERT_EQ(0, bt_device_info(self->fd, &info));
	EXPECT_EQ(1, info.hw_version >> 16);
	EXPECT_EQ(BITNPU_ISA_VERSION_MAJOR, info.isa_version >> 16);
	EXPECT_LE(1, info.cores);
	EXPECT_LE(2, info.rings);
	EXPECT_LE(16, info.ring_entries);
	EXPECT_LT(0, info.va_start);
	EXPECT_LT(info.va_start, info.va_end);
	EXPECT_EQ(DRM_BITNPU_MAX_JOBS, info.max_jobs);
	EXPECT_EQ(0, info.max_k_int32 % 64);
	EXPECT_LE(info.max_k_int64, info.max_k_int32);
}

TEST_F(query, size_alone)
{
	static const uint32_t sizes[] = {
		[DRM_BITNPU_QUERY_DEVICE] = sizeof(struct drm_bitnpu_device_info),
		[DRM_BITNPU_QUERY_CONTEXT] = sizeof(struct drm_bitnpu_context_info),
		[DRM_BITNPU_QUERY_COUNTERS] = sizeof(struct drm_bitnpu_counters),
	};

	for (uint32_t type = 0; type < 3; type++) {
		uint32_t size = 0;

		ASSERT_EQ(0, query(self->fd, type, NULL, &size));
		EXPECT_EQ(sizes[type], size);
	}
}

TEST_F(query, shorter_and_longer)
{
	struct drm_bitnpu_device_info info, part;
	unsigned char large[4096];
	uint32_t size = 8;

	ASSERT_EQ(0, bt_device_info(self->fd, &info));
	memset(&part, 0xa5, sizeof(part));
	ASSERT_EQ(0, query(self->fd, DRM_BITNPU_QUERY_DEVICE, &part, &size));
	EXPECT_EQ(sizeof(info), size);
	EXPECT_EQ(0, memcmp(&info, &part, 8));
	EXPECT_EQ(0xa5a5a5a5, part.implementation);

	memset(large, 0xa5, sizeof(large));
	size = sizeof(large);
	ASSERT_EQ(0, query(self->fd, DRM_BITNPU_QUERY_DEVICE, large, &size));
	EXPECT_EQ(sizeof(info), size);
	EXPECT_EQ(0, memcmp(&info, large, sizeof(info)));
	EXPECT_EQ(0xa5, large[sizeof(info)]);
}

TEST_F(query, rejections)
{
	struct drm_bitnpu_device_info info;
	uint32_t size = sizeof(info);

	EXPECT_EQ(-EINVAL, query(self->fd, 3, &info, &size));
	EXPECT_EQ(-EINVAL, query(self->fd, UINT32_MAX, &info, &size));
	size = sizeof(info);
	EXPECT_EQ(-EFAULT, query(self->fd, DRM_BITNPU_QUERY_DEVICE, (void *)8, &size));
}

TEST_F(query, counters_count)
{
	struct drm_bitnpu_counters before, after;
	uint32_t size = sizeof(before), queue;
	struct bt_matmul mm;

	/* Idle devices lose power, and with it their counters: a job between is not enough. */
	ASSERT_EQ(0, bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_NORMAL, &queue));
	ASSERT_EQ(0, bt_matmul_create(self->fd, 2, 17, 70, 1, &mm));
	ASSERT_EQ(0, bt_run_matmul(self->fd, queue, &mm));
	ASSERT_EQ(0, query(self->fd, DRM_BITNPU_QUERY_COUNTERS, &before, &size));
	ASSERT_EQ(0, bt_run_matmul(self->fd, queue, &mm));
	ASSERT_EQ(0, query(self->fd, DRM_BITNPU_QUERY_COUNTERS, &after, &size));
	if (after.entries > before.entries) {
		EXPECT_EQ(2 * 17 * 70, after.macs - before.macs);
		EXPECT_EQ(1, after.commands - before.commands);
		EXPECT_LT(before.cycles_busy, after.cycles_busy);
	} else {
		EXPECT_EQ(2 * 17 * 70, after.macs);
	}
	EXPECT_EQ(after.cycles_busy, after.cycles_mac + after.cycles_stall);
	EXPECT_LT(0, after.sram_high_water);
	bt_matmul_destroy(&mm);
}

TEST_F(query, fdinfo)
{
	char path[64], text[4096];
	struct bt_matmul mm;
	uint32_t queue;

	ASSERT_EQ(0, bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_NORMAL, &queue));
	ASSERT_EQ(0, bt_matmul_create(self->fd, 2, 17, 70, 1, &mm));
	ASSERT_EQ(0, bt_run_matmul(self->fd, queue, &mm));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	ASSERT_LT(0, bt_read_file(path, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "drm-driver:\tbitnpu\n"));
	EXPECT_NE(NULL, strstr(text, "drm-engine-npu:\t"));
	EXPECT_NE(NULL, strstr(text, "bitnpu-macs:\t2380\n"));
	EXPECT_EQ(NULL, strstr(text, "drm-engine-npu:\t0 ns"));
	EXPECT_NE(NULL, strstr(text, "drm-total-memory:\t"));
	bt_matmul_destroy(&mm);
}

TEST_F(query, unknown_ioctls)
{
	unsigned char args[256] = {};

	for (unsigned int nr = 8; nr < 0x60; nr++)
		EXPECT_EQ(-EINVAL, bt_ioctl(self->fd, DRM_IOWR(DRM_COMMAND_BASE + nr, args), args));
}

TEST_HARNESS_MAIN
