/* SPDX-License-Identifier: MIT */
/*
 * What the files of the core share: the objects behind bitnpu.h.
 *
 * Lifetimes: every object is reference counted and holds a reference to what it is built on (queue,
 * list and buffer hold the context, the context holds the device), so the caller may destroy them in
 * any order.
 *
 * Locks: none is held while an engine executes or prepares.  Order, outermost first: queue, fence,
 * the fences that its job waits for.  The context's and a buffer's locks are leaves.
 */
#ifndef BITNPU_CORE_H
#define BITNPU_CORE_H

#include <pthread.h>

#include "engine.h"
#include "error.h"

/** struct bitnpu_ref - a reference count */
struct bitnpu_ref {
	unsigned int count;
};

static inline void bitnpu_ref_init(struct bitnpu_ref *ref)
{
	ref->count = 1;
}

static inline void bitnpu_ref_get(struct bitnpu_ref *ref)
{
	__atomic_add_fetch(&ref->count, 1, __ATOMIC_RELAXED);
}

/** bitnpu_ref_put() - Return: whether that was the last reference */
static inline bool bitnpu_ref_put(struct bitnpu_ref *ref)
{
	return __atomic_sub_fetch(&ref->count, 1, __ATOMIC_ACQ_REL) == 0;
}

/**
 * struct bitnpu_device - an opened device
 * @ref: held by the caller and each context
 * @ops: its engine
 * @engine: the engine's part
 */
struct bitnpu_device {
	struct bitnpu_ref ref;
	const struct bitnpu_engine_ops *ops;
	struct bitnpu_engine_device *engine;
};

void bitnpu_device_put(struct bitnpu_device *dev);

/**
 * struct bitnpu_context - an address space
 * @ref: held by the caller and each buffer, list and queue
 * @dev: holds a reference
 * @engine: the engine's part
 * @lock: protects all below
 * @bos: buffers that have not been destroyed, ascending by address; no references
 * @count: how many
 * @capacity: of @bos
 * @next_addr: where the next buffer goes that the engine gives no address
 */
struct bitnpu_context {
	struct bitnpu_ref ref;
	struct bitnpu_device *dev;
	struct bitnpu_engine_context *engine;
	pthread_mutex_t lock;
	struct bitnpu_bo **bos;
	size_t count, capacity;
	uint64_t next_addr;
};

void bitnpu_context_put(struct bitnpu_context *ctx);

/**
 * struct bitnpu_bo - a buffer and its mapping
 * @ref: held by the caller and each list that names it
 * @ctx: holds a reference
 * @engine: the engine's part
 * @addr: device address of its first byte
 * @size: bytes asked for; @engine->size bytes are mapped
 * @imported: host memory of the caller
 * @lock: protects @mapped and serializes the engine's map and unmap
 * @mapped: between map and unmap
 */
struct bitnpu_bo {
	struct bitnpu_ref ref;
	struct bitnpu_context *ctx;
	struct bitnpu_engine_bo *engine;
	uint64_t addr, size;
	bool imported;
	pthread_mutex_t lock;
	bool mapped;
};

void bitnpu_bo_put(struct bitnpu_bo *bo);

/**
 * bitnpu_context_find() - the buffer that is mapped at @addr
 * @ctx: the address space
 * @addr: any device address
 *
 * Return: a reference, or NULL.
 */
struct bitnpu_bo *bitnpu_context_find(struct bitnpu_context *ctx, uint64_t addr);

/**
 * struct bitnpu_cmdlist - a checked command list; immutable
 * @ref: held by the caller and each job
 * @ctx: holds a reference
 * @checked: what was checked, NOPs dropped
 * @bos: references to the buffers that it names, repeats included
 * @bo_count: how many
 * @prepared: the engine's part
 */
struct bitnpu_cmdlist {
	struct bitnpu_ref ref;
	struct bitnpu_context *ctx;
	struct bitnpu_checked_list checked;
	struct bitnpu_bo **bos;
	size_t bo_count;
	void *prepared;
};

void bitnpu_cmdlist_put(struct bitnpu_cmdlist *list);

/**
 * struct bitnpu_job - a submitted list
 * @next: the job after it in its queue
 * @list: holds a reference
 * @done: its fence; holds a reference until the job is in a device's queue
 * @wait_count: length of @wait
 * @wait: fences it waits for; holds references
 */
struct bitnpu_job {
	struct bitnpu_job *next;
	struct bitnpu_cmdlist *list;
	struct bitnpu_fence *done;
	size_t wait_count;
	struct bitnpu_fence *wait[];
};

/** bitnpu_job_free() - free @job (NULL is ignored) and all it holds but @job->done */
void bitnpu_job_free(struct bitnpu_job *job);

/**
 * struct bitnpu_fence - the end of a job
 * @ref: held by the job, by the caller and by each job that waits for it
 * @has_device: the job is for a queue of a device
 * @fd: of an imported fence its sync_file, else -1
 * @lock: protects all below
 * @changed: broadcast when the job enters a device's queue and when it has ended
 * @signaled: the job is known to have ended
 * @queue: where the job is queued on the host, NULL once it is not; no reference
 * @ctx: of a job that a device has got; holds a reference.  It never changes then, as @device
 * @device: the device's part, or NULL
 * @job: what it holds while the device has got it
 * @next: the job after it in the device's queue; of &struct bitnpu_queue
 * @error: the job's error, code 0 when it succeeded; constant once @signaled
 *
 * A fence is of one of three kinds: on the host until its job's end (@queue), of a job in a device's
 * queue (@device), or imported (@fd).  The latter two signal without the core, which notices when it
 * looks: only then is @signaled set.
 */
struct bitnpu_fence {
	struct bitnpu_ref ref;
	bool has_device;
	int fd;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool signaled;
	struct bitnpu_queue *queue;
	struct bitnpu_context *ctx;
	struct bitnpu_engine_fence *device;
	struct bitnpu_job *job;
	struct bitnpu_fence *next;
	struct bitnpu_error error;
};

/**
 * bitnpu_fence_create() - Return: the fence of a job, or NULL without memory
 * @queue: of the job, NULL for none
 * @has_device: whether its jobs go to a device's queue
 */
struct bitnpu_fence *bitnpu_fence_create(struct bitnpu_queue *queue, bool has_device);

/** bitnpu_fence_signal() - the job has ended; @error is NULL when it succeeded */
void bitnpu_fence_signal(struct bitnpu_fence *fence, const struct bitnpu_error *error);

/**
 * bitnpu_fence_hand_over() - the job has entered a device's queue
 * @fence: its fence
 * @ctx: its context
 * @device: the device's part
 * @job: what is to be freed when it has ended
 */
void bitnpu_fence_hand_over(struct bitnpu_fence *fence, struct bitnpu_context *ctx,
			    struct bitnpu_engine_fence *device, struct bitnpu_job *job);

/** bitnpu_fence_is_signaled() - Return: whether the job is known to have ended */
bool bitnpu_fence_is_signaled(struct bitnpu_fence *fence);

/** bitnpu_fence_is_known() - Return: whether it has ended or will without anything from the host */
bool bitnpu_fence_is_known(struct bitnpu_fence *fence);

/** bitnpu_fence_wait_known() - wait until it is; the job's error if that is known */
int bitnpu_fence_wait_known(struct bitnpu_fence *fence, struct bitnpu_error *err);

/* The end of a job as a file descriptor (sync_file.c); docs.kernel.org/driver-api/sync_file.html. */

/** bitnpu_sync_file_wait() - as fence_wait of &struct bitnpu_engine_ops */
int bitnpu_sync_file_wait(int fd, int64_t deadline_ns);
/**
 * bitnpu_sync_file_status() - how the job did
 * @fd: maybe no sync_file
 * @status: 1 ended well, 0 not yet, or the job's negative errno
 *
 * Return: 0, or -EINVAL when @fd is no sync_file.
 */
int bitnpu_sync_file_status(int fd, int *status);

void bitnpu_queue_get(struct bitnpu_queue *queue);
void bitnpu_queue_put(struct bitnpu_queue *queue);

/**
 * bitnpu_queue_run_job() - run the job of @fence, or hand it over, on the calling thread
 * @queue: where it is queued
 * @fence: the job's fence
 *
 * Does nothing unless the job is the next of an idle queue and need not wait.
 */
void bitnpu_queue_run_job(struct bitnpu_queue *queue, struct bitnpu_fence *fence);

#endif /* BITNPU_CORE_H */
