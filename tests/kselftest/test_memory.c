// SPDX-License-Identifier: MIT
/* Buffers: mapping, read-only ones, sharing with other drivers and other devices. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bitnpu_test.h"
#include "kselftest_harness.h"

FIXTURE(memory) {
	int fd;
	uint32_t queue;
};

FIXTURE_SETUP(memory)
{
	self->fd = bt_open(0);
	if (self->fd == -ENODEV)
		SKIP(return, "no BitNPU device");
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_NORMAL, &self->queue));
}

FIXTURE_TEARDOWN(memory)
{
	close(self->fd);
}

TEST_F_TIMEOUT(memory, zeroed_and_apart, 120)
{
	struct bt_bo bo[8];

	for (unsigned int i = 0; i < 8; i++) {
		ASSERT_EQ(0, bt_bo_create(self->fd, 4096 * (i + 1), 0, &bo[i]));
		EXPECT_NE(0, bo[i].address);
		EXPECT_EQ(0, bo[i].address % 4096);
		for (uint64_t k = 0; k < bo[i].size / 8; k++)
			ASSERT_EQ(0, ((uint64_t *)bo[i].map)[k]);
		memset(bo[i].map, 0xff, bo[i].size);
		for (unsigned int j = 0; j < i; j++)
			EXPECT_TRUE(bo[i].address + bo[i].size < bo[j].address ||
				    bo[j].address + bo[j].size < bo[i].address);
	}
	for (unsigned int i = 0; i < 8; i++)
		bt_bo_destroy(&bo[i]);
}

TEST_F_TIMEOUT(memory, large, 120)
{
	struct bt_bo bo;

	ASSERT_EQ(0, bt_bo_create(self->fd, 64 << 20, 0, &bo));
	EXPECT_EQ(0, bo.address % (2 << 20));
	((char *)bo.map)[bo.size - 1] = 1;
	bt_bo_destroy(&bo);
}

TEST_F_TIMEOUT(memory, addresses_are_reused, 120)
{
	struct bt_bo bo;
	uint64_t first = 0;

	for (unsigned int i = 0; i < 1000; i++) {
		ASSERT_EQ(0, bt_bo_create(self->fd, 65536, 0, &bo));
		if (!first)
			first = bo.address;
		EXPECT_EQ(first, bo.address);
		bt_bo_destroy(&bo);
	}
}

static sigjmp_buf fault_jump;

static void on_fault(int number)
{
	siglongjmp(fault_jump, number);
}

TEST_F_TIMEOUT(memory, mapping_past_the_end, 120)
{
	struct drm_bitnpu_bo_mmap_offset offset = {};
	struct bt_bo bo;

	ASSERT_EQ(0, bt_bo_create(self->fd, 4096, 0, &bo));
	offset.handle = bo.handle;
	ASSERT_EQ(0, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET, &offset));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 8192, PROT_READ, MAP_SHARED, self->fd, offset.offset));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->fd,
				   offset.offset + (1ULL << 40)));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_SHARED, self->fd, 0));
	bt_bo_destroy(&bo);
}

TEST_F_TIMEOUT(memory, mapping_outlives_handle, 120)
{
	struct bt_bo bo;

	ASSERT_EQ(0, bt_bo_create(self->fd, 4096, 0, &bo));
	ASSERT_EQ(0, bt_gem_close(self->fd, bo.handle));
	strcpy(bo.map, "still here");
	EXPECT_STREQ("still here", bo.map);
	munmap(bo.map, bo.size);
	signal(SIGSEGV, on_fault);
	if (!sigsetjmp(fault_jump, 1)) {
		*(volatile char *)bo.map = 1;
		EXPECT_TRUE(false);
	}
	signal(SIGSEGV, SIG_DFL);
}

TEST_F_TIMEOUT(memory, read_only_for_the_device, 120)
{
	struct drm_bitnpu_context_info info;
	struct drm_bitnpu_job_bo bos[2];
	struct drm_bitnpu_job job;
	struct bt_matmul mm;
	struct bt_bo y;

	ASSERT_EQ(0, bt_matmul_create(self->fd, 1, 16, 64, 1, &mm));
	ASSERT_EQ(0, bt_bo_create(self->fd, 4096, DRM_BITNPU_BO_READ_ONLY, &y));
	memset(y.map, 0x5a, y.size);
	job = bt_matmul_job(&mm, &bos[0]);
	bos[1] = (struct drm_bitnpu_job_bo){ .handle = y.handle, .flags = DRM_BITNPU_JOB_BO_READ };
	job.bos.count = 2;
	bt_matmul_cmd(&mm)->y_addr = y.address;
	EXPECT_EQ(-EFAULT, bt_run(self->fd, self->queue, job));
	for (unsigned int i = 0; i < y.size; i++)
		ASSERT_EQ(0x5a, ((unsigned char *)y.map)[i]);
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_EQ(DRM_BITNPU_BAN_FAULT, info.ban);
	EXPECT_EQ(BITNPU_STATUS_READ_ONLY, info.status);
	EXPECT_EQ(y.address, info.addr);
	EXPECT_EQ(-ENOTRECOVERABLE, bt_run(self->fd, self->queue, job));
}

TEST_F_TIMEOUT(memory, closed_buffer_is_out_of_reach, 120)
{
	struct drm_bitnpu_context_info info;
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job job;
	struct bt_matmul mm;
	struct bt_bo x;

	ASSERT_EQ(0, bt_matmul_create(self->fd, 1, 16, 64, 1, &mm));
	ASSERT_EQ(0, bt_bo_create(self->fd, 4096, 0, &x));
	job = bt_matmul_job(&mm, &bo);
	bt_matmul_cmd(&mm)->x_addr = x.address;
	EXPECT_EQ(0, bt_run(self->fd, self->queue, job));
	bt_bo_destroy(&x);
	EXPECT_EQ(-EFAULT, bt_run(self->fd, self->queue, job));
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_EQ(BITNPU_STATUS_UNMAPPED, info.status);
	EXPECT_EQ(x.address, info.addr);
}

/* A guard page follows each buffer: running over its end hits nothing. */
TEST_F_TIMEOUT(memory, guard_page, 120)
{
	struct drm_bitnpu_context_info info;
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job job;
	struct bt_matmul mm;
	struct bt_bo y, next;

	ASSERT_EQ(0, bt_matmul_create(self->fd, 1, 32, 64, 1, &mm));
	ASSERT_EQ(0, bt_bo_create(self->fd, 4096, 0, &y));
	ASSERT_EQ(0, bt_bo_create(self->fd, 4096, 0, &next));
	job = bt_matmul_job(&mm, &bo);
	bt_matmul_cmd(&mm)->y_addr = y.address + y.size - 64;
	EXPECT_EQ(-EFAULT, bt_run(self->fd, self->queue, job));
	ASSERT_EQ(0, bt_context_info(self->fd, &info));
	EXPECT_EQ(y.address + y.size, info.addr);
}

/* A MATMUL whose result goes to an imported buffer. */
static int run_into(int fd, uint32_t queue, int dma_buf, struct bt_matmul *mm, struct bt_bo *imported)
{
	struct drm_prime_handle prime = { .fd = dma_buf };
	struct drm_bitnpu_job_bo bos[2];
	struct drm_bitnpu_bo_info info;
	struct drm_bitnpu_job job;
	int ret = bt_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime);

	if (ret)
		return ret;
	info = (struct drm_bitnpu_bo_info){ .handle = prime.handle };
	ret = bt_ioctl(fd, DRM_IOCTL_BITNPU_BO_INFO, &info);
	if (ret)
		return ret;
	*imported = (struct bt_bo){
		.fd = fd, .handle = prime.handle, .address = info.address, .size = info.size,
	};
	job = bt_matmul_job(mm, &bos[0]);
	bos[1] = (struct drm_bitnpu_job_bo){
		.handle = prime.handle, .flags = DRM_BITNPU_JOB_BO_WRITE,
	};
	job.bos.count = 2;
	bt_matmul_cmd(mm)->y_addr = info.address;
	return bt_run(fd, queue, job);
}

TEST_F_TIMEOUT(memory, udmabuf, 120)
{
	struct udmabuf_create create = { .size = 8192 };
	struct drm_bitnpu_bo_mmap_offset offset = {};
	struct bt_bo imported;
	struct bt_matmul mm;
	int udmabuf, memory, dma_buf;
	void *map;

	udmabuf = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (udmabuf < 0)
		SKIP(return, "no /dev/udmabuf");
	memory = memfd_create("bitnpu", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	ASSERT_LE(0, memory);
	ASSERT_EQ(0, ftruncate(memory, create.size));
	ASSERT_EQ(0, fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK));
	create.memfd = memory;
	dma_buf = ioctl(udmabuf, UDMABUF_CREATE, &create);
	ASSERT_LE(0, dma_buf);
	ASSERT_EQ(0, bt_matmul_create(self->fd, 2, 40, 100, 3, &mm));
	ASSERT_EQ(0, run_into(self->fd, self->queue, dma_buf, &mm, &imported));
	EXPECT_EQ(create.size, imported.size);
	map = mmap(NULL, create.size, PROT_READ, MAP_SHARED, memory, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, memcmp(map, mm.y, 4 * 40));
	munmap(map, create.size);
	/* Mapped here, it is the exporter's memory, by the exporter's rules: this one refuses copies. */
	offset.handle = imported.handle;
	ASSERT_EQ(0, bt_ioctl(self->fd, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET, &offset));
	map = mmap(NULL, create.size, PROT_READ, MAP_SHARED, self->fd, offset.offset);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, memcmp(map, mm.y, 4 * 40));
	munmap(map, create.size);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd,
				   offset.offset));
	EXPECT_EQ(EINVAL, errno);
	bt_gem_close(self->fd, imported.handle);
	close(dma_buf);
	close(memory);
	close(udmabuf);
}

TEST_F_TIMEOUT(memory, dma_heap, 120)
{
	struct dma_heap_allocation_data data = { .len = 8192, .fd_flags = O_RDWR | O_CLOEXEC };
	struct bt_bo imported;
	struct bt_matmul mm;
	void *map;
	int heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);

	if (heap < 0)
		SKIP(return, "no /dev/dma_heap/system");
	ASSERT_EQ(0, ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data));
	ASSERT_EQ(0, bt_matmul_create(self->fd, 2, 40, 100, 3, &mm));
	ASSERT_EQ(0, run_into(self->fd, self->queue, data.fd, &mm, &imported));
	map = mmap(NULL, data.len, PROT_READ, MAP_SHARED, data.fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, memcmp(map, mm.y, 4 * 40));
	munmap(map, data.len);
	bt_gem_close(self->fd, imported.handle);
	close(data.fd);
	close(heap);
}

TEST_F_TIMEOUT(memory, self_import, 120)
{
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR, .fd = -1 };
	struct drm_prime_handle back;
	struct bt_matmul mm;
	uint32_t handle;
	int other = bt_open(0);

	ASSERT_LE(0, other);
	ASSERT_EQ(0, bt_matmul_create(self->fd, 1, 16, 64, 1, &mm));
	prime.handle = handle = mm.bo.handle;
	ASSERT_EQ(0, bt_ioctl(self->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime));
	back = (struct drm_prime_handle){ .fd = prime.fd };
	ASSERT_EQ(0, bt_ioctl(self->fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &back));
	EXPECT_EQ(handle, back.handle);
	/* In another file the same memory has a handle and an address of its own. */
	back = (struct drm_prime_handle){ .fd = prime.fd };
	ASSERT_EQ(0, bt_ioctl(other, DRM_IOCTL_PRIME_FD_TO_HANDLE, &back));
	close(prime.fd);
	close(other);
	EXPECT_EQ(0, bt_run_matmul(self->fd, self->queue, &mm));
	bt_matmul_destroy(&mm);
}

TEST_F_TIMEOUT(memory, between_two_devices, 120)
{
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR, .fd = -1 };
	struct bt_bo imported, shared;
	struct bt_matmul mm;
	uint32_t queue;
	int second;

	if (!bt_sim_present())
		SKIP(return, "needs a second, simulated device");
	ASSERT_EQ(0, bt_sim_create("second", 1, 65536));
	second = bt_sim_open("second");
	ASSERT_LE(0, second);
	ASSERT_EQ(0, bt_queue_create(second, DRM_BITNPU_PRIORITY_NORMAL, &queue));
	ASSERT_EQ(0, bt_bo_create(self->fd, 8192, 0, &shared));
	prime.handle = shared.handle;
	ASSERT_EQ(0, bt_ioctl(self->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime));
	/* The second device writes into the first one's memory. */
	ASSERT_EQ(0, bt_matmul_create(second, 2, 40, 100, 3, &mm));
	ASSERT_EQ(0, run_into(second, queue, prime.fd, &mm, &imported));
	EXPECT_EQ(0, memcmp(shared.map, mm.y, 4 * 40));
	close(prime.fd);
	bt_bo_destroy(&shared);
	close(second);
	EXPECT_EQ(0, bt_sim_destroy("second"));
}

TEST_HARNESS_MAIN
