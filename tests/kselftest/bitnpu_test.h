/* SPDX-License-Identifier: MIT */
/*
 * What the tests share: the device by raw ioctls, commands with an answer computed here and nowhere else,
 * syncobjs, and the simulator's instances and faults.
 */
#ifndef BITNPU_TEST_H
#define BITNPU_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include <drm/bitnpu_accel.h>
#include <drm/bitnpu_isa.h>

/* Nothing here takes so long, even emulated; it ends a test that would hang. */
#define BT_TIMEOUT_NS	60000000000LL

/** bt_ioctl() - ioctl(), again when a signal came.  Return: 0 or -errno */
int bt_ioctl(int fd, unsigned long request, void *arg);

/** bt_open() - open device node @index among those of this driver.  Return: fd, or -errno */
int bt_open(unsigned int index);

/** bt_open_named() - the device whose parent has this name in /sys/bus/platform/devices */
int bt_open_named(const char *name);

/** bt_deadline() - CLOCK_MONOTONIC after @ns from now */
int64_t bt_deadline(int64_t ns);

/**
 * struct bt_bo - a buffer, mapped
 */
struct bt_bo {
	int fd;
	uint32_t handle;
	uint64_t address, size;
	void *map;
};

int bt_bo_create(int fd, uint64_t size, uint32_t flags, struct bt_bo *bo);
/** bt_bo_from_handle() - address and mapping of a handle, imported ones as well */
int bt_bo_from_handle(int fd, uint32_t handle, struct bt_bo *bo);
void bt_bo_destroy(struct bt_bo *bo);
int bt_gem_close(int fd, uint32_t handle);

int bt_queue_create(int fd, uint32_t priority, uint32_t *queue);

int bt_syncobj_create(int fd, uint32_t flags, uint32_t *handle);
int bt_syncobj_destroy(int fd, uint32_t handle);
/** bt_syncobj_wait() - @point 0: binary.  Return: 0, -ETIME, ... */
int bt_syncobj_wait(int fd, uint32_t handle, uint64_t point, uint32_t flags, int64_t ns);
/** bt_syncobj_export() - a sync_file of the fence.  Return: fd or -errno */
int bt_syncobj_export(int fd, uint32_t handle);
/** bt_fence_error() - how the fence in a syncobj ended: 1 pending, 0 well, or -errno */
int bt_fence_error(int fd, uint32_t handle);
int bt_sync_file_error(int sync_file);

/**
 * struct bt_matmul - a MATMUL with random operands in a buffer of its own, and its answer
 * @bo: the list at its beginning, then x, w and y
 * @m: rows of x
 * @n: outputs
 * @k: columns
 * @x: a copy of the operands
 * @w: one weight a byte
 * @y: the answer
 */
struct bt_matmul {
	struct bt_bo bo;
	uint32_t m, n, k;
	uint64_t x_offset, w_offset, y_offset;
	int8_t *x, *w;
	int32_t *y;
};

int bt_matmul_create(int fd, uint32_t m, uint32_t n, uint32_t k, uint32_t seed, struct bt_matmul *mm);
void bt_matmul_destroy(struct bt_matmul *mm);
/** bt_matmul_job() - a job that runs it, @bo filled in to go with the job */
struct drm_bitnpu_job bt_matmul_job(struct bt_matmul *mm, struct drm_bitnpu_job_bo *bo);
/** bt_matmul_cmd() - the command, in the buffer */
struct bitnpu_cmd_matmul *bt_matmul_cmd(struct bt_matmul *mm);
/** bt_matmul_check() - Return: whether y is the answer */
bool bt_matmul_check(const struct bt_matmul *mm);
/** bt_matmul_clear() - overwrite y, so that it cannot be right by chance */
void bt_matmul_clear(struct bt_matmul *mm);

/** bt_submit() - Return: 0 or -errno; @done may be NULL */
int bt_submit(int fd, uint32_t queue, const struct drm_bitnpu_job *jobs, uint32_t count, uint32_t *done);
/** bt_submit_one() - one job that signals @syncobj, which may be 0 */
int bt_submit_one(int fd, uint32_t queue, struct drm_bitnpu_job job, uint32_t syncobj);
/** bt_run() - submit and wait.  Return: the fence's error, or that of the submission */
int bt_run(int fd, uint32_t queue, struct drm_bitnpu_job job);
/** bt_run_matmul() - Return: 0 when it ran and the answer is right, -EBADMSG when it is wrong, -errno */
int bt_run_matmul(int fd, uint32_t queue, struct bt_matmul *mm);

int bt_context_info(int fd, struct drm_bitnpu_context_info *info);
int bt_device_info(int fd, struct drm_bitnpu_device_info *info);

/** bt_sim_present() - whether the simulator's configfs is there */
bool bt_sim_present(void);
/** bt_sim_write() - write a number to an instance's attribute.  Return: 0 or -errno */
int bt_sim_write(const char *instance, const char *attribute, unsigned int value);
/** bt_sim_create() - a live instance; its device is opened with bt_sim_open() */
int bt_sim_create(const char *instance, unsigned int cores, unsigned int sram_bytes);
int bt_sim_destroy(const char *instance);
/** bt_sim_open() - Return: fd of the instance's device, or -errno */
int bt_sim_open(const char *instance);
/** bt_sim_device() - name of the instance's platform device */
int bt_sim_device(const char *instance, char *name, size_t size);
/** bt_sim_clear_faults() - no fault of @instance is armed any more */
void bt_sim_clear_faults(const char *instance);

int bt_write_file(const char *path, const char *text);
int bt_read_file(const char *path, char *text, size_t size);

#endif /* BITNPU_TEST_H */
