// SPDX-License-Identifier: MIT
/* sync_files: what the kernel gives to wait for a job from outside of its driver. */
#include <errno.h>
#include <linux/sync_file.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "clock.h"
#include "core.h"

int bitnpu_sync_file_wait(int fd, int64_t deadline_ns)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	int ret;

	do {
		const int64_t left = deadline_ns ? deadline_ns - (int64_t)bitnpu_now_ns() : 0;
		const struct timespec timeout = {
			.tv_sec = left > 0 ? left / BITNPU_NS_PER_S : 0,
			.tv_nsec = left > 0 ? left % BITNPU_NS_PER_S : 0,
		};

		ret = ppoll(&ready, 1, deadline_ns == INT64_MAX ? NULL : &timeout, NULL);
	} while (ret < 0 && (errno == EINTR || errno == EAGAIN));
	return ret > 0 ? 0 : -ETIME;
}

int bitnpu_sync_file_status(int fd, int *status)
{
	struct sync_file_info info = { 0 };

	/* Without room for its fences only the summary is filled in. */
	if (ioctl(fd, SYNC_IOC_FILE_INFO, &info))
		return -EINVAL;
	*status = info.status;
	return 0;
}
