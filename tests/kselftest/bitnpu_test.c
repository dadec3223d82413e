// SPDX-License-Identifier: MIT
#include "bitnpu_test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sync_file.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CONFIGFS	"/sys/kernel/config/bitnpu_sim"

int bt_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(fd, request, arg);
	} while (ret && (errno == EINTR || errno == EAGAIN));
	return ret ? -errno : 0;
}

int bt_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, text, strlen(text));
	ret = ret < 0 ? -errno : 0;
	close(fd);
	return ret;
}

int bt_read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len, total = 0;

	if (fd < 0)
		return -errno;
	while (total < size - 1 && (len = read(fd, text + total, size - 1 - total)) > 0)
		total += len;
	close(fd);
	text[total] = 0;
	return total;
}

static bool is_ours(int fd)
{
	char name[16] = "";
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

	return !bt_ioctl(fd, DRM_IOCTL_VERSION, &version) && !strcmp(name, DRM_BITNPU_DRIVER_NAME);
}

int bt_open(unsigned int index)
{
	for (unsigned int i = 0; i < 256; i++) {
		char path[32];
		int fd;

		snprintf(path, sizeof(path), "/dev/accel/accel%u", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (is_ours(fd) && index-- == 0)
			return fd;
		close(fd);
	}
	return -ENODEV;
}

int bt_open_named(const char *name)
{
	char path[300];
	struct dirent *entry;
	int fd = -ENODEV;
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/platform/devices/%s/accel", name);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, "accel", 5))
			continue;
		snprintf(path, sizeof(path), "/dev/accel/%s", entry->d_name);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
		break;
	}
	closedir(dir);
	return fd;
}

int64_t bt_deadline(int64_t ns)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec + ns;
}

int bt_gem_close(int fd, uint32_t handle)
{
	struct drm_gem_close args = { .handle = handle };

	return bt_ioctl(fd, DRM_IOCTL_GEM_CLOSE, &args);
}

int bt_bo_from_handle(int fd, uint32_t handle, struct bt_bo *bo)
{
	struct drm_bitnpu_bo_info info = { .handle = handle };
	struct drm_bitnpu_bo_mmap_offset offset = { .handle = handle };
	int ret = bt_ioctl(fd, DRM_IOCTL_BITNPU_BO_INFO, &info);

	if (!ret)
		ret = bt_ioctl(fd, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET, &offset);
	if (ret)
		return ret;
	*bo = (struct bt_bo){ .fd = fd, .handle = handle, .address = info.address, .size = info.size };
	bo->map = mmap(NULL, bo->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset.offset);
	if (bo->map == MAP_FAILED) {
		bo->map = NULL;
		return -errno;
	}
	return 0;
}

int bt_bo_create(int fd, uint64_t size, uint32_t flags, struct bt_bo *bo)
{
	struct drm_bitnpu_bo_create args = { .size = size, .flags = flags };
	int ret = bt_ioctl(fd, DRM_IOCTL_BITNPU_BO_CREATE, &args);

	if (ret)
		return ret;
	ret = bt_bo_from_handle(fd, args.handle, bo);
	if (ret)
		bt_gem_close(fd, args.handle);
	return ret;
}

void bt_bo_destroy(struct bt_bo *bo)
{
	if (bo->map)
		munmap(bo->map, bo->size);
	bt_gem_close(bo->fd, bo->handle);
}

int bt_queue_create(int fd, uint32_t priority, uint32_t *queue)
{
	struct drm_bitnpu_queue_create args = { .priority = priority };
	int ret = bt_ioctl(fd, DRM_IOCTL_BITNPU_QUEUE_CREATE, &args);

	*queue = args.queue;
	return ret;
}

int bt_syncobj_create(int fd, uint32_t flags, uint32_t *handle)
{
	struct drm_syncobj_create args = { .flags = flags };
	int ret = bt_ioctl(fd, DRM_IOCTL_SYNCOBJ_CREATE, &args);

	*handle = args.handle;
	return ret;
}

int bt_syncobj_destroy(int fd, uint32_t handle)
{
	struct drm_syncobj_destroy args = { .handle = handle };

	return bt_ioctl(fd, DRM_IOCTL_SYNCOBJ_DESTROY, &args);
}

int bt_syncobj_wait(int fd, uint32_t handle, uint64_t point, uint32_t flags, int64_t ns)
{
	struct drm_syncobj_timeline_wait timeline = {
		.handles = (uintptr_t)&handle,
		.points = (uintptr_t)&point,
		.count_handles = 1,
		.timeout_nsec = bt_deadline(ns),
		.flags = flags,
	};
	struct drm_syncobj_wait binary = {
		.handles = (uintptr_t)&handle,
		.count_handles = 1,
		.timeout_nsec = timeline.timeout_nsec,
		.flags = flags,
	};

	return point ? bt_ioctl(fd, DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &timeline) :
		       bt_ioctl(fd, DRM_IOCTL_SYNCOBJ_WAIT, &binary);
}

int bt_syncobj_export(int fd, uint32_t handle)
{
	struct drm_syncobj_handle args = {
		.handle = handle,
		.flags = DRM_SYNCOBJ_HANDLE_TO_FD_FLAGS_EXPORT_SYNC_FILE,
		.fd = -1,
	};
	int ret = bt_ioctl(fd, DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &args);

	return ret ? ret : args.fd;
}

int bt_sync_file_error(int sync_file)
{
	struct sync_file_info info = {};
	int ret = bt_ioctl(sync_file, SYNC_IOC_FILE_INFO, &info);

	if (ret)
		return ret;
	return info.status == 0 ? 1 : info.status < 0 ? info.status : 0;
}

int bt_fence_error(int fd, uint32_t handle)
{
	int sync_file = bt_syncobj_export(fd, handle);
	int ret;

	if (sync_file < 0)
		return sync_file;
	ret = bt_sync_file_error(sync_file);
	close(sync_file);
	return ret;
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* The 64-byte lines of docs/command-set.md, section 2, written from that page alone. */
static void pack_ternary(uint8_t *out, const int8_t *w, uint32_t n, uint32_t k)
{
	const uint32_t lines = (k + 15) / 16;

	memset(out, 0x55, (size_t)64 * lines * ((n + 15) / 16));
	for (uint32_t row = 0; row < n; row++) {
		for (uint32_t column = 0; column < k; column++) {
			const uint32_t line = row / 16 * lines + column / 16;
			const uint32_t i = column % 16;
			uint8_t *byte = out + 64 * line + 4 * (row % 16) + i % 4;
			const unsigned int shift = 2 * (i / 4);

			*byte = (*byte & ~(3 << shift)) | (w[row * k + column] + 1) << shift;
		}
	}
}

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

struct bitnpu_cmd_matmul *bt_matmul_cmd(struct bt_matmul *mm)
{
	return mm->bo.map;
}

static void fill(struct bt_matmul *mm, uint32_t seed)
{
	const uint32_t x_stride = round_up(mm->k, 64), y_stride = round_up(4 * mm->n, 64);
	uint8_t *base = mm->bo.map;

	for (size_t i = 0; i < (size_t)mm->m * mm->k; i++)
		mm->x[i] = next_random(&seed);
	for (size_t i = 0; i < (size_t)mm->n * mm->k; i++)
		mm->w[i] = (int)(next_random(&seed) % 3) - 1;
	for (uint32_t m = 0; m < mm->m; m++)
		memcpy(base + mm->x_offset + m * x_stride, mm->x + (size_t)m * mm->k, mm->k);
	pack_ternary(base + mm->w_offset, mm->w, mm->n, mm->k);
	for (uint32_t m = 0; m < mm->m; m++) {
		for (uint32_t n = 0; n < mm->n; n++) {
			int32_t sum = 0;

			for (uint32_t k = 0; k < mm->k; k++)
				sum += mm->x[m * mm->k + k] * mm->w[n * mm->k + k];
			mm->y[m * mm->n + n] = sum;
		}
	}
	*bt_matmul_cmd(mm) = (struct bitnpu_cmd_matmul){
		.opcode = BITNPU_OP_MATMUL,
		.weight_format = BITNPU_W_TERNARY,
		.output_format = BITNPU_Y_INT32,
		.m = mm->m, .n = mm->n, .k = mm->k,
		.x_addr = mm->bo.address + mm->x_offset,
		.w_addr = mm->bo.address + mm->w_offset,
		.y_addr = mm->bo.address + mm->y_offset,
		.x_stride = x_stride,
		.y_stride = y_stride,
	};
	bt_matmul_clear(mm);
}

int bt_matmul_create(int fd, uint32_t m, uint32_t n, uint32_t k, uint32_t seed, struct bt_matmul *mm)
{
	const uint64_t x_bytes = m * round_up(k, 64), y_bytes = m * round_up(4 * n, 64);
	const uint64_t w_bytes = 64ULL * ((n + 15) / 16) * ((k + 15) / 16);
	int ret;

	*mm = (struct bt_matmul){ .m = m, .n = n, .k = k, .x_offset = 4096 };
	mm->w_offset = mm->x_offset + x_bytes;
	mm->y_offset = mm->w_offset + w_bytes;
	ret = bt_bo_create(fd, mm->y_offset + y_bytes, 0, &mm->bo);
	if (ret)
		return ret;
	mm->x = malloc((size_t)m * k);
	mm->w = malloc((size_t)n * k);
	mm->y = malloc((size_t)m * n * sizeof(*mm->y));
	if (!mm->x || !mm->w || !mm->y) {
		bt_matmul_destroy(mm);
		return -ENOMEM;
	}
	fill(mm, seed);
	return 0;
}

void bt_matmul_destroy(struct bt_matmul *mm)
{
	free(mm->x);
	free(mm->w);
	free(mm->y);
	bt_bo_destroy(&mm->bo);
}

void bt_matmul_clear(struct bt_matmul *mm)
{
	memset((uint8_t *)mm->bo.map + mm->y_offset, 0xa5, mm->m * round_up(4 * mm->n, 64));
}

bool bt_matmul_check(const struct bt_matmul *mm)
{
	const uint32_t stride = round_up(4 * mm->n, 64);
	const uint8_t *y = (const uint8_t *)mm->bo.map + mm->y_offset;

	for (uint32_t m = 0; m < mm->m; m++)
		if (memcmp(y + m * stride, mm->y + m * mm->n, 4 * mm->n))
			return false;
	return true;
}

struct drm_bitnpu_job bt_matmul_job(struct bt_matmul *mm, struct drm_bitnpu_job_bo *bo)
{
	*bo = (struct drm_bitnpu_job_bo){
		.handle = mm->bo.handle,
		.flags = DRM_BITNPU_JOB_BO_READ | DRM_BITNPU_JOB_BO_WRITE,
	};
	return (struct drm_bitnpu_job){
		.list_addr = mm->bo.address,
		.list_size = 64,
		.flags = DRM_BITNPU_JOB_RESTARTABLE,
		.bos = { .pointer = (uintptr_t)bo, .count = 1, .stride = sizeof(*bo) },
	};
}

int bt_submit(int fd, uint32_t queue, const struct drm_bitnpu_job *jobs, uint32_t count, uint32_t *done)
{
	struct drm_bitnpu_submit args = {
		.queue = queue,
		.jobs = { .pointer = (uintptr_t)jobs, .count = count, .stride = sizeof(*jobs) },
	};
	int ret = bt_ioctl(fd, DRM_IOCTL_BITNPU_SUBMIT, &args);

	if (done)
		*done = args.done;
	return ret;
}

int bt_submit_one(int fd, uint32_t queue, struct drm_bitnpu_job job, uint32_t syncobj)
{
	struct drm_bitnpu_sync sync = { .handle = syncobj, .flags = DRM_BITNPU_SYNC_SIGNAL };

	if (syncobj) {
		job.syncs = (struct drm_bitnpu_array){
			.pointer = (uintptr_t)&sync, .count = 1, .stride = sizeof(sync),
		};
	}
	return bt_submit(fd, queue, &job, 1, NULL);
}

int bt_run(int fd, uint32_t queue, struct drm_bitnpu_job job)
{
	uint32_t syncobj;
	int ret = bt_syncobj_create(fd, 0, &syncobj);

	if (ret)
		return ret;
	ret = bt_submit_one(fd, queue, job, syncobj);
	if (!ret)
		ret = bt_syncobj_wait(fd, syncobj, 0, 0, BT_TIMEOUT_NS);
	if (!ret)
		ret = bt_fence_error(fd, syncobj);
	bt_syncobj_destroy(fd, syncobj);
	return ret;
}

int bt_run_matmul(int fd, uint32_t queue, struct bt_matmul *mm)
{
	struct drm_bitnpu_job_bo bo;
	int ret;

	bt_matmul_clear(mm);
	ret = bt_run(fd, queue, bt_matmul_job(mm, &bo));
	if (ret)
		return ret;
	return bt_matmul_check(mm) ? 0 : -EBADMSG;
}

int bt_context_info(int fd, struct drm_bitnpu_context_info *info)
{
	struct drm_bitnpu_query query = {
		.type = DRM_BITNPU_QUERY_CONTEXT, .size = sizeof(*info), .pointer = (uintptr_t)info,
	};

	return bt_ioctl(fd, DRM_IOCTL_BITNPU_QUERY, &query);
}

int bt_device_info(int fd, struct drm_bitnpu_device_info *info)
{
	struct drm_bitnpu_query query = {
		.type = DRM_BITNPU_QUERY_DEVICE, .size = sizeof(*info), .pointer = (uintptr_t)info,
	};

	return bt_ioctl(fd, DRM_IOCTL_BITNPU_QUERY, &query);
}

bool bt_sim_present(void)
{
	return !access(CONFIGFS, W_OK);
}

int bt_sim_write(const char *instance, const char *attribute, unsigned int value)
{
	char path[256], text[16];

	snprintf(path, sizeof(path), CONFIGFS "/%s/%s", instance, attribute);
	snprintf(text, sizeof(text), "%u", value);
	return bt_write_file(path, text);
}

int bt_sim_create(const char *instance, unsigned int cores, unsigned int sram_bytes)
{
	char path[256];
	int ret;

	snprintf(path, sizeof(path), CONFIGFS "/%s", instance);
	if (mkdir(path, 0755))
		return -errno;
	ret = bt_sim_write(instance, "cores", cores);
	if (!ret)
		ret = bt_sim_write(instance, "sram_bytes", sram_bytes);
	if (!ret)
		ret = bt_sim_write(instance, "live", 1);
	if (ret)
		rmdir(path);
	return ret;
}

int bt_sim_destroy(const char *instance)
{
	char path[256];

	snprintf(path, sizeof(path), CONFIGFS "/%s", instance);
	return rmdir(path) ? -errno : 0;
}

int bt_sim_device(const char *instance, char *name, size_t size)
{
	char path[256];
	int ret;

	snprintf(path, sizeof(path), CONFIGFS "/%s/device", instance);
	ret = bt_read_file(path, name, size);
	if (ret < 0)
		return ret;
	name[strcspn(name, "\n")] = 0;
	return 0;
}

int bt_sim_open(const char *instance)
{
	char name[64];
	int ret = bt_sim_device(instance, name, sizeof(name));

	return ret ? ret : bt_open_named(name);
}

void bt_sim_clear_faults(const char *instance)
{
	static const char *const faults[] = {
		"hang", "ring_reset", "reset", "lost_irq", "lost_doorbell", "bus_read", "bus_write",
		"bus_fetch", "bus_record", "page_fault", "record_check", "record_sequence", "bit_flip",
	};
	char attribute[64];

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		snprintf(attribute, sizeof(attribute), "fault/%s", faults[i]);
		bt_sim_write(instance, attribute, 0);
	}
}
