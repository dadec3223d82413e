/* SPDX-License-Identifier: MIT */
/*
 * The accel engine, internally: NPUs behind /dev/accel/accelN (uapi/drm/bitnpu_accel.h).
 *
 * nodes.c finds the devices, device.c describes and opens them, context.c keeps an open file for each
 * context, memory.c holds buffers, list.c and restartable.c make a job of a command list, queue.c submits
 * it, fence.c waits for it, failure.c says why it failed.
 */
#ifndef BITNPU_ACCEL_H
#define BITNPU_ACCEL_H

#include <errno.h>
#include <pthread.h>

#include <drm/bitnpu_accel.h>

#include <libbitnpu/engine.h>
#include <libbitnpu/error.h>

/* ---- nodes (nodes.c) ------------------------------------------------------------------------ */

/**
 * struct bitnpu_accel_node - a device file of the driver
 * @path: of the file
 * @error: negative errno when it cannot be opened, else 0
 */
struct bitnpu_accel_node {
	char path[64];
	int error;
};

/**
 * bitnpu_accel_scan() - find the driver's device files
 * @dev: where they are, "/dev/accel"
 * @sys: where the kernel says whose they are, "/sys/class/accel"; asked of those that cannot be opened
 * @nodes: malloc()ed, ascending by number; NULL when there are none
 *
 * Return: how many.
 */
unsigned int bitnpu_accel_scan(const char *dev, const char *sys, struct bitnpu_accel_node **nodes);

/**
 * bitnpu_accel_open_node() - open a device file and make sure of its driver
 * @path: of the file
 * @info: what the device is
 * @err: why it cannot be used
 *
 * Return: a file descriptor, or a negative errno.
 */
int bitnpu_accel_open_node(const char *path, struct drm_bitnpu_device_info *info,
			   struct bitnpu_error *err);

/* ---- devices (device.c) --------------------------------------------------------------------- */

/**
 * struct bitnpu_accel_device - an open device
 * @base: the core's part
 * @path: of its file; each context opens it anew, for an open file is an address space
 * @info: what it is
 */
struct bitnpu_accel_device {
	struct bitnpu_engine_device base;
	char path[64];
	struct drm_bitnpu_device_info info;
};

/* ---- contexts (context.c) ------------------------------------------------------------------- */

/**
 * struct bitnpu_accel_context - an open file of the device
 * @base: the core's part
 * @fd: the file
 * @lock: protects all below
 * @idle: syncobjs that no fence uses
 * @idle_count: how many
 * @idle_capacity: of @idle
 */
struct bitnpu_accel_context {
	struct bitnpu_engine_context base;
	int fd;
	pthread_mutex_t lock;
	uint32_t *idle;
	size_t idle_count, idle_capacity;
};

int bitnpu_accel_context_create(struct bitnpu_engine_device *dev, struct bitnpu_engine_context **ctx,
				struct bitnpu_error *err);
void bitnpu_accel_context_destroy(struct bitnpu_engine_context *ctx);

/** bitnpu_accel_name() - Return: the name of the device of @ctx, such as "accel:0" */
const char *bitnpu_accel_name(const struct bitnpu_accel_context *ctx);

/** bitnpu_accel_syncobj_get() - a syncobj that may still hold an old fence; bitnpu_accel_syncobj_put() */
int bitnpu_accel_syncobj_get(struct bitnpu_accel_context *ctx, uint32_t *handle,
			     struct bitnpu_error *err);
void bitnpu_accel_syncobj_put(struct bitnpu_accel_context *ctx, uint32_t handle);

/* ---- memory (memory.c) ---------------------------------------------------------------------- */

/**
 * struct bitnpu_accel_bo - a buffer
 * @base: the core's part; @base.host stays from the first map to the end
 * @handle: GEM handle
 */
struct bitnpu_accel_bo {
	struct bitnpu_engine_bo base;
	uint32_t handle;
};

int bitnpu_accel_bo_create(struct bitnpu_engine_context *ctx, uint64_t size, uint32_t flags,
			   struct bitnpu_engine_bo **bo, struct bitnpu_error *err);
int bitnpu_accel_bo_import(struct bitnpu_engine_context *ctx, const void *ptr, uint64_t size,
			   uint32_t flags, struct bitnpu_engine_bo **bo, struct bitnpu_error *err);
void bitnpu_accel_bo_destroy(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo);
int bitnpu_accel_bo_map(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo, uint32_t access,
			struct bitnpu_error *err);
int bitnpu_accel_bo_unmap(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo,
			  struct bitnpu_error *err);

/** bitnpu_accel_bo_new() - a buffer of @size bytes filled with @data, which is not kept mapped */
int bitnpu_accel_bo_new(struct bitnpu_accel_context *ctx, const void *data, uint64_t data_size,
			uint64_t size, uint32_t flags, struct bitnpu_accel_bo **bo,
			struct bitnpu_error *err);

/* ---- lists (list.c, restartable.c) ---------------------------------------------------------- */

/**
 * struct bitnpu_accel_list - a command list as a job; immutable
 * @bo: holds the commands
 * @job: all but its syncs, which queue.c fills in
 * @bos: of @job
 */
struct bitnpu_accel_list {
	struct bitnpu_accel_bo *bo;
	struct drm_bitnpu_job job;
	struct drm_bitnpu_job_bo bos[];
};

int bitnpu_accel_prepare(struct bitnpu_engine_context *ctx, const struct bitnpu_checked_list *list,
			 void **prepared, struct bitnpu_error *err);
void bitnpu_accel_unprepare(struct bitnpu_engine_context *ctx, void *prepared);

/**
 * bitnpu_accel_is_restartable() - whether running a list twice gives what running it once does
 * @cmds: the list
 * @count: its length
 *
 * That is when no command writes what an earlier or the same command reads.  Rows are taken with what lies
 * between them.  O(n log n).
 *
 * Return: 1, 0 or -ENOMEM.
 */
int bitnpu_accel_is_restartable(const struct bitnpu_checked_cmd *cmds, size_t count);

/* ---- queues and fences (queue.c, fence.c) --------------------------------------------------- */

/**
 * struct bitnpu_engine_queue - a queue of the driver
 * @ctx: whose
 * @id: its number
 * @jobs: submitted so far, which the driver numbers from 1
 */
struct bitnpu_engine_queue {
	struct bitnpu_accel_context *ctx;
	uint32_t id;
	uint64_t jobs;
};

/**
 * struct bitnpu_engine_fence - the end of a job
 * @ctx: whose
 * @syncobj: holds its fence
 * @queue: number of its queue
 * @job: its number there
 */
struct bitnpu_engine_fence {
	struct bitnpu_accel_context *ctx;
	uint32_t syncobj;
	uint32_t queue;
	uint64_t job;
};

int bitnpu_accel_queue_create(struct bitnpu_engine_context *ctx, struct bitnpu_engine_queue **queue,
			      struct bitnpu_error *err);
void bitnpu_accel_queue_destroy(struct bitnpu_engine_queue *queue);
int bitnpu_accel_submit(struct bitnpu_engine_queue *queue, void *prepared,
			const struct bitnpu_engine_wait *waits, size_t wait_count,
			struct bitnpu_engine_fence **fence, struct bitnpu_error *err);
int bitnpu_accel_fence_wait(struct bitnpu_engine_fence *fence, int64_t deadline_ns);
int bitnpu_accel_fence_status(struct bitnpu_engine_fence *fence, struct bitnpu_error *err);
int bitnpu_accel_fence_export(struct bitnpu_engine_fence *fence, int *fd, struct bitnpu_error *err);
void bitnpu_accel_fence_destroy(struct bitnpu_engine_fence *fence);

/* ---- failures (failure.c) ------------------------------------------------------------------- */

/** bitnpu_accel_errno() - Return: why the last system call failed, never 0 */
static inline int bitnpu_accel_errno(void)
{
	const int error = errno;

	return error > 0 ? -error : -EIO;
}
#ifdef __clang_analyzer__
/* As for bitnpu_fail(): it does not see that this is not 0. */
#define bitnpu_accel_errno() (-EIO)
#endif

/**
 * bitnpu_accel_query_context() - Return: 0 or a negative errno, -ENODEV when the device is gone
 * @ctx: which
 * @info: what its jobs have come to
 */
int bitnpu_accel_query_context(const struct bitnpu_accel_context *ctx,
			       struct drm_bitnpu_context_info *info);

/**
 * bitnpu_accel_fail_job() - say why a job failed
 * @err: optional; names the command, and holds the fault, when it was this job that the context is banned for
 * @device: name of the device
 * @status: of the job's fence, or of the submission that was refused
 * @queue: number of the job's queue
 * @job: its number there, 0 when it was refused
 * @info: the job's context, NULL when it cannot be asked any more
 *
 * Return: the negative errno that the library gives: @status, but -ETIMEDOUT for a hang, since -ETIME is
 * what a wait returns that was too short.
 */
int bitnpu_accel_fail_job(struct bitnpu_error *err, const char *device, int status, uint32_t queue,
			  uint64_t job, const struct drm_bitnpu_context_info *info);

#endif /* BITNPU_ACCEL_H */
