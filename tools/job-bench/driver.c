// SPDX-License-Identifier: MIT
/* Jobs on the driver's own interface, without the library in between. */
#include "driver.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include <drm/bitnpu_isa.h>

#include "libbitnpu/accel/accel.h"

/* Where things lie in the one buffer. */
#define LIST		0
#define X		4096
#define W		8192
#define Y		12288
#define BYTES		16384

static void need(int failed, const char *what)
{
	if (!failed)
		return;
	fprintf(stderr, "job-bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void make_list(struct driver *driver)
{
	struct drm_bitnpu_bo_create create = { .size = BYTES };
	struct drm_bitnpu_bo_mmap_offset offset = { 0 };
	struct bitnpu_cmd_matmul cmd = {
		.opcode = BITNPU_OP_MATMUL,
		.m = htole32(1),
		.n = htole32(16),
		.k = htole32(64),
		.x_stride = htole32(64),
		.y_stride = htole32(64),
	};
	void *memory;

	need(drmIoctl(driver->fd, DRM_IOCTL_BITNPU_BO_CREATE, &create), "BO_CREATE");
	offset.handle = create.handle;
	need(drmIoctl(driver->fd, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET, &offset), "BO_MMAP_OFFSET");
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, driver->fd, (off_t)offset.offset);
	need(memory == MAP_FAILED, "mmap");
	cmd.x_addr = htole64(create.address + X);
	cmd.w_addr = htole64(create.address + W);
	cmd.y_addr = htole64(create.address + Y);
	memcpy((char *)memory + LIST, &cmd, sizeof(cmd));
	munmap(memory, BYTES);
	driver->list_addr = create.address + LIST;
	driver->list_size = sizeof(cmd);
}

void driver_open(struct driver *driver, const char *path)
{
	struct drm_bitnpu_queue_create create = { .priority = DRM_BITNPU_PRIORITY_NORMAL };
	struct drm_bitnpu_device_info info;
	struct bitnpu_error err;

	driver->fd = bitnpu_accel_open_node(path, &info, &err);
	if (driver->fd < 0) {
		fprintf(stderr, "job-bench: %s\n", err.message);
		exit(1);
	}
	need(drmIoctl(driver->fd, DRM_IOCTL_BITNPU_QUEUE_CREATE, &create), "QUEUE_CREATE");
	driver->queue = create.queue;
	for (int i = 0; i < MOST_IN_FLIGHT; i++)
		need(drmSyncobjCreate(driver->fd, 0, &driver->syncobjs[i]), "SYNCOBJ_CREATE");
	make_list(driver);
}

void driver_close(struct driver *driver)
{
	close(driver->fd);
}

void driver_nothing(struct driver *driver)
{
	struct drm_bitnpu_query query = { .type = DRM_BITNPU_QUERY_DEVICE };

	need(drmIoctl(driver->fd, DRM_IOCTL_BITNPU_QUERY, &query), "QUERY");
}

void driver_submit(struct driver *driver, unsigned int first, unsigned int count, int empty)
{
	struct drm_bitnpu_sync syncs[MOST_IN_FLIGHT];
	struct drm_bitnpu_job jobs[MOST_IN_FLIGHT];
	struct drm_bitnpu_submit submit = {
		.queue = driver->queue,
		.jobs = { (uintptr_t)jobs, count, sizeof(jobs[0]) },
	};

	for (unsigned int i = 0; i < count; i++) {
		syncs[i] = (struct drm_bitnpu_sync){
			.handle = driver->syncobjs[first + i],
			.flags = DRM_BITNPU_SYNC_SIGNAL,
		};
		jobs[i] = (struct drm_bitnpu_job){
			.list_addr = empty ? 0 : driver->list_addr,
			.list_size = empty ? 0 : driver->list_size,
			.flags = empty ? 0 : DRM_BITNPU_JOB_RESTARTABLE,
			.syncs = { (uintptr_t)&syncs[i], 1, sizeof(syncs[0]) },
		};
	}
	need(drmIoctl(driver->fd, DRM_IOCTL_BITNPU_SUBMIT, &submit), "SUBMIT");
}

void driver_wait(struct driver *driver, unsigned int index)
{
	need(drmSyncobjWait(driver->fd, &driver->syncobjs[index], 1, INT64_MAX, 0, NULL), "SYNCOBJ_WAIT");
}
