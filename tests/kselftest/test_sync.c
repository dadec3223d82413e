// SPDX-License-Identifier: MIT
/* Fences: binary and timeline, waited for before they exist, across processes, and of buffers. */
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bitnpu_test.h"
#include "kselftest_harness.h"

FIXTURE(sync) {
	int fd;
	uint32_t queue[2];
	struct bt_matmul mm[2];
	struct drm_bitnpu_job_bo bo[2];
	struct drm_bitnpu_job job[2];
};

FIXTURE_SETUP(sync)
{
	self->fd = bt_open(0);
	if (self->fd == -ENODEV)
		SKIP(return, "no BitNPU device");
	ASSERT_LE(0, self->fd);
	for (unsigned int i = 0; i < 2; i++) {
		ASSERT_EQ(0, bt_queue_create(self->fd, DRM_BITNPU_PRIORITY_NORMAL, &self->queue[i]));
		ASSERT_EQ(0, bt_matmul_create(self->fd, 4, 64, 512, i, &self->mm[i]));
		self->job[i] = bt_matmul_job(&self->mm[i], &self->bo[i]);
	}
}

FIXTURE_TEARDOWN(sync)
{
	for (unsigned int i = 0; i < 2; i++)
		bt_matmul_destroy(&self->mm[i]);
	close(self->fd);
}

static void set_syncs(struct drm_bitnpu_job *job, struct drm_bitnpu_sync *syncs, uint32_t count)
{
	job->syncs = (struct drm_bitnpu_array){
		.pointer = (uintptr_t)syncs, .count = count, .stride = sizeof(*syncs),
	};
}

static int transfer_to_binary(int fd, uint32_t timeline, uint64_t point, uint32_t binary)
{
	struct drm_syncobj_transfer args = {
		.src_handle = timeline, .src_point = point, .dst_handle = binary,
	};

	return bt_ioctl(fd, DRM_IOCTL_SYNCOBJ_TRANSFER, &args);
}

static uint64_t timeline_value(int fd, uint32_t timeline)
{
	uint64_t value = UINT64_MAX;
	struct drm_syncobj_timeline_array args = {
		.handles = (uintptr_t)&timeline, .points = (uintptr_t)&value, .count_handles = 1,
	};

	return bt_ioctl(fd, DRM_IOCTL_SYNCOBJ_QUERY, &args) ? UINT64_MAX : value;
}

static int timeline_signal(int fd, uint32_t timeline, uint64_t point)
{
	struct drm_syncobj_timeline_array args = {
		.handles = (uintptr_t)&timeline, .points = (uintptr_t)&point, .count_handles = 1,
	};

	return bt_ioctl(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &args);
}

TEST_F_TIMEOUT(sync, binary_between_queues, 120)
{
	struct drm_bitnpu_sync signal = { .flags = DRM_BITNPU_SYNC_SIGNAL };
	struct drm_bitnpu_sync both[2] = {
		{ .flags = DRM_BITNPU_SYNC_WAIT }, { .flags = DRM_BITNPU_SYNC_SIGNAL },
	};

	/* The second job writes where the first does; the fence decides what stays. */
	bt_matmul_cmd(&self->mm[0])->y_addr = bt_matmul_cmd(&self->mm[1])->y_addr;
	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &signal.handle));
	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &both[1].handle));
	both[0].handle = signal.handle;
	set_syncs(&self->job[0], &signal, 1);
	set_syncs(&self->job[1], both, 2);
	for (unsigned int round = 0; round < 8; round++) {
		ASSERT_EQ(0, bt_submit(self->fd, self->queue[0], &self->job[0], 1, NULL));
		ASSERT_EQ(0, bt_submit(self->fd, self->queue[1], &self->job[1], 1, NULL));
		ASSERT_EQ(0, bt_syncobj_wait(self->fd, both[1].handle, 0, 0, BT_TIMEOUT_NS));
		EXPECT_EQ(0, bt_fence_error(self->fd, signal.handle));
		EXPECT_EQ(0, bt_fence_error(self->fd, both[1].handle));
		EXPECT_TRUE(bt_matmul_check(&self->mm[1]));
		bt_matmul_clear(&self->mm[1]);
	}
}

TEST_F_TIMEOUT(sync, within_a_batch, 120)
{
	struct drm_bitnpu_sync signal = { .flags = DRM_BITNPU_SYNC_SIGNAL };
	struct drm_bitnpu_sync wait = { .flags = DRM_BITNPU_SYNC_WAIT };

	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &signal.handle));
	wait.handle = signal.handle;
	set_syncs(&self->job[0], &signal, 1);
	set_syncs(&self->job[1], &wait, 1);
	EXPECT_EQ(0, bt_submit(self->fd, self->queue[0], self->job, 2, NULL));
	EXPECT_EQ(0, bt_syncobj_wait(self->fd, signal.handle, 0, 0, BT_TIMEOUT_NS));
	EXPECT_EQ(0, bt_run(self->fd, self->queue[0], (struct drm_bitnpu_job){}));
	EXPECT_TRUE(bt_matmul_check(&self->mm[1]));
}

TEST_F_TIMEOUT(sync, timeline, 120)
{
	struct drm_bitnpu_sync signal = {
		.flags = DRM_BITNPU_SYNC_SIGNAL | DRM_BITNPU_SYNC_TIMELINE,
	};
	uint32_t binary;

	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &signal.handle));
	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &binary));
	set_syncs(&self->job[0], &signal, 1);
	for (signal.point = 1; signal.point <= 5; signal.point++)
		ASSERT_EQ(0, bt_submit(self->fd, self->queue[0], &self->job[0], 1, NULL));
	ASSERT_EQ(0, bt_syncobj_wait(self->fd, signal.handle, 3, 0, BT_TIMEOUT_NS));
	EXPECT_LE(3, timeline_value(self->fd, signal.handle));
	ASSERT_EQ(0, bt_syncobj_wait(self->fd, signal.handle, 5, 0, BT_TIMEOUT_NS));
	EXPECT_EQ(5, timeline_value(self->fd, signal.handle));
	ASSERT_EQ(0, transfer_to_binary(self->fd, signal.handle, 5, binary));
	EXPECT_EQ(0, bt_fence_error(self->fd, binary));
}

TEST_F_TIMEOUT(sync, timeline_wait, 120)
{
	struct drm_bitnpu_sync sync[2] = {
		{ .flags = DRM_BITNPU_SYNC_WAIT | DRM_BITNPU_SYNC_TIMELINE, .point = 7 },
		{ .flags = DRM_BITNPU_SYNC_SIGNAL },
	};

	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &sync[0].handle));
	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &sync[1].handle));
	set_syncs(&self->job[0], sync, 2);
	/* Nobody has submitted it yet. */
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue[0], &self->job[0], 1, NULL));
	ASSERT_EQ(0, timeline_signal(self->fd, sync[0].handle, 7));
	EXPECT_EQ(0, bt_submit(self->fd, self->queue[0], &self->job[0], 1, NULL));
	EXPECT_EQ(0, bt_syncobj_wait(self->fd, sync[1].handle, 0, 0, BT_TIMEOUT_NS));
	EXPECT_TRUE(bt_matmul_check(&self->mm[0]));
}

TEST_F_TIMEOUT(sync, binary_without_fence, 120)
{
	struct drm_bitnpu_sync sync = { .flags = DRM_BITNPU_SYNC_WAIT };

	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &sync.handle));
	set_syncs(&self->job[0], &sync, 1);
	EXPECT_EQ(-EINVAL, bt_submit(self->fd, self->queue[0], &self->job[0], 1, NULL));
}

/*
 * Another process waits, not a thread: glibc's of 32 bits wait for one another by a system call that kernels
 * without CONFIG_COMPAT_32BIT_TIME lack.
 */
TEST_F_TIMEOUT(sync, wait_before_submit, 120)
{
	struct drm_bitnpu_sync signal = {
		.flags = DRM_BITNPU_SYNC_SIGNAL | DRM_BITNPU_SYNC_TIMELINE, .point = 3,
	};
	int status;
	pid_t pid;

	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &signal.handle));
	EXPECT_EQ(-EINVAL, bt_syncobj_wait(self->fd, signal.handle, 3, 0, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(bt_syncobj_wait(self->fd, signal.handle, 3,
				      DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT, BT_TIMEOUT_NS) ? 1 : 0);
	usleep(100000);
	set_syncs(&self->job[0], &signal, 1);
	EXPECT_EQ(0, bt_submit(self->fd, self->queue[0], &self->job[0], 1, NULL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(bt_matmul_check(&self->mm[0]));
}

static int send_fd(int socket, int fd)
{
	char byte = 0, control[CMSG_SPACE(sizeof(fd))] = {};
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(socket, &msg, 0) == 1 ? 0 : -errno;
}

static int receive_fd(int socket)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(socket, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* The child has a file of its own; its job waits for a syncobj that the parent's job signals. */
static int run_child(int socket)
{
	struct drm_syncobj_handle import = {};
	struct drm_bitnpu_sync sync[2] = {
		{ .flags = DRM_BITNPU_SYNC_WAIT }, { .flags = DRM_BITNPU_SYNC_SIGNAL },
	};
	struct drm_bitnpu_job_bo bo;
	struct drm_bitnpu_job job;
	struct bt_matmul mm;
	uint32_t queue;
	int fd = bt_open(0);

	import.fd = receive_fd(socket);
	if (fd < 0 || import.fd < 0 || bt_ioctl(fd, DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &import))
		return 1;
	sync[0].handle = import.handle;
	if (bt_queue_create(fd, DRM_BITNPU_PRIORITY_NORMAL, &queue) ||
	    bt_matmul_create(fd, 1, 16, 64, 5, &mm) || bt_syncobj_create(fd, 0, &sync[1].handle))
		return 2;
	job = bt_matmul_job(&mm, &bo);
	set_syncs(&job, sync, 2);
	if (bt_submit(fd, queue, &job, 1, NULL) ||
	    bt_syncobj_wait(fd, sync[1].handle, 0, 0, BT_TIMEOUT_NS) ||
	    bt_fence_error(fd, sync[1].handle) || !bt_matmul_check(&mm))
		return 3;
	/* The parent's fence was waited for, so it has ended. */
	return bt_fence_error(fd, sync[0].handle) ? 4 : 0;
}

TEST_F_TIMEOUT(sync, across_processes, 120)
{
	struct drm_syncobj_handle export = { .fd = -1 };
	int sockets[2], status;
	uint32_t syncobj;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &syncobj));
	ASSERT_EQ(0, bt_submit_one(self->fd, self->queue[0], self->job[0], syncobj));
	export.handle = syncobj;
	ASSERT_EQ(0, bt_ioctl(self->fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &export));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(run_child(sockets[1]));
	EXPECT_EQ(0, send_fd(sockets[0], export.fd));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	close(export.fd);
}

TEST_F_TIMEOUT(sync, sync_file_polls, 120)
{
	struct pollfd poll_fd = { .events = POLLIN };
	uint32_t syncobj;

	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &syncobj));
	ASSERT_EQ(0, bt_submit_one(self->fd, self->queue[0], self->job[0], syncobj));
	poll_fd.fd = bt_syncobj_export(self->fd, syncobj);
	ASSERT_LE(0, poll_fd.fd);
	EXPECT_EQ(1, poll(&poll_fd, 1, 60000));
	EXPECT_EQ(0, bt_sync_file_error(poll_fd.fd));
	close(poll_fd.fd);
}

/* What a job writes is in the buffer's reservation: a dma-buf of it can be polled. */
TEST_F_TIMEOUT(sync, implicit, 120)
{
	struct drm_prime_handle prime = { .flags = DRM_CLOEXEC | DRM_RDWR, .fd = -1 };
	struct dma_buf_export_sync_file export = { .flags = DMA_BUF_SYNC_READ, .fd = -1 };

	prime.handle = self->mm[0].bo.handle;
	ASSERT_EQ(0, bt_ioctl(self->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime));
	ASSERT_EQ(0, bt_submit(self->fd, self->queue[0], &self->job[0], 1, NULL));
	ASSERT_EQ(0, bt_ioctl(prime.fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &export));
	EXPECT_EQ(1, poll(&(struct pollfd){ .fd = export.fd, .events = POLLIN }, 1, 60000));
	EXPECT_EQ(0, bt_sync_file_error(export.fd));
	EXPECT_TRUE(bt_matmul_check(&self->mm[0]));
	close(export.fd);
	close(prime.fd);
}

/* Queue 1's job names queue 0's buffer: it waits although no syncobj says so. */
TEST_F_TIMEOUT(sync, implicit_between_queues, 120)
{
	struct drm_bitnpu_job_bo bos[2] = { self->bo[0], self->bo[1] };
	uint32_t syncobj;

	bt_matmul_cmd(&self->mm[1])->y_addr = bt_matmul_cmd(&self->mm[0])->y_addr;
	self->job[1].bos.pointer = (uintptr_t)bos;
	self->job[1].bos.count = 2;
	ASSERT_EQ(0, bt_syncobj_create(self->fd, 0, &syncobj));
	for (unsigned int round = 0; round < 8; round++) {
		ASSERT_EQ(0, bt_submit(self->fd, self->queue[1], &self->job[1], 1, NULL));
		ASSERT_EQ(0, bt_submit_one(self->fd, self->queue[0], self->job[0], syncobj));
		ASSERT_EQ(0, bt_syncobj_wait(self->fd, syncobj, 0, 0, BT_TIMEOUT_NS));
		EXPECT_TRUE(bt_matmul_check(&self->mm[0]));
	}
}

TEST_HARNESS_MAIN
