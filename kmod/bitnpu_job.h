/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_JOB_H__
#define __BITNPU_JOB_H__

#include <linux/dma-fence.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/llist.h>

#include <drm/gpu_scheduler.h>

#include "bitnpu_queue.h"

struct bitnpu_context;
struct bitnpu_device;
struct bitnpu_mapping;
struct bitnpu_record;
struct bitnpu_ring;
struct drm_bitnpu_job;
struct drm_device;
struct drm_file;

/**
 * struct bitnpu_fence - hardware fence of a job
 * @base: initialized when the job is given to its ring: its sequence is the ring's order
 * @lock: of @base
 * @bdev: holds a reference to its DRM device, and one to this module
 * @node: for the release, which is left to a work item
 *
 * Scheduler fences live as long as somebody keeps a sync_file, hold their hardware fence, and
 * name their scheduler when asked.  The references keep all of that memory and code in place.
 */
struct bitnpu_fence {
	struct dma_fence base;
	spinlock_t lock; /* of @base */
	struct bitnpu_device *bdev;
	struct llist_node node;
};

/**
 * struct bitnpu_job - a command list on its way through a ring
 * @base: the scheduler's part
 * @ref: held by the scheduler, and by the ring while it is in flight
 * @queue: holds a reference
 * @ctx: the queue's
 * @number: counted from 1 in its queue
 * @list_addr: device address of the list, 0 for an empty job
 * @list_size: bytes
 * @flags: DRM_BITNPU_JOB_*
 * @fence: hardware fence, made with the job, so that running it allocates nothing; holds a
 *	reference
 * @begun: it was given to a ring, so @fence is initialized
 * @powered: holds a runtime PM reference
 * @sequence: of its ring entry, changed when it is written again
 * @emitted: when it was given to its ring
 * @error: what it ends with whatever the device says; under bitnpu_ring.lock
 * @attempts: times that it was executing when the NPU failed
 * @mappings: buffers it named, a reference each
 * @mapping_count: how many
 * @node: for the release, which is left to a work item
 */
struct bitnpu_job {
	struct drm_sched_job base;
	struct kref ref;
	struct bitnpu_queue *queue;
	struct bitnpu_context *ctx;
	u64 number;
	u64 list_addr;
	u32 list_size;
	u32 flags;
	struct bitnpu_fence *fence;
	bool begun;
	bool powered;
	u64 sequence;
	ktime_t emitted;
	int error;
	unsigned int attempts;
	struct bitnpu_mapping **mappings;
	unsigned int mapping_count;
	struct llist_node node;
};

static inline struct bitnpu_job *to_bitnpu_job(struct drm_sched_job *base)
{
	return container_of(base, struct bitnpu_job, base);
}

extern const struct drm_sched_backend_ops bitnpu_sched_ops;

/** bitnpu_jobs_init() - once a module */
int bitnpu_jobs_init(void);

/** bitnpu_jobs_exit() - no device is bound, no job and no fence is left: each holds the module */
void bitnpu_jobs_exit(void);

/** bitnpu_jobs_flush() - wait until what has been put is released; may sleep */
void bitnpu_jobs_flush(void);

/**
 * bitnpu_job_create() - a job that can be armed
 * @queue: a reference is taken
 * @file: whose
 * @args: checked
 *
 * Return: to be armed, or given to bitnpu_job_abort(); or ERR_PTR.
 */
struct bitnpu_job *bitnpu_job_create(struct bitnpu_queue *queue, struct drm_file *file,
				     const struct drm_bitnpu_job *args);

/** bitnpu_job_abort() - drop a job that was not armed */
void bitnpu_job_abort(struct bitnpu_job *job);

struct bitnpu_job *bitnpu_job_get(struct bitnpu_job *job);

/** bitnpu_job_put() - any context: what may sleep is left to a work item */
void bitnpu_job_put(struct bitnpu_job *job);

/**
 * bitnpu_job_done() - signal a job's hardware fence
 * @job: just taken from its ring, with the ring's reference, which is dropped
 * @error: 0 or a negative errno
 */
void bitnpu_job_done(struct bitnpu_job *job, int error);

/**
 * bitnpu_job_ban() - ban a job's context for what the job did
 * @job: not done yet
 * @reason: &enum drm_bitnpu_ban
 * @record: what the NPU said, or would have
 */
void bitnpu_job_ban(struct bitnpu_job *job, u32 reason, const struct bitnpu_record *record);

/** bitnpu_job_shares() - Return: whether a buffer that it names is shared with other contexts */
bool bitnpu_job_shares(const struct bitnpu_job *job);

int bitnpu_ioctl_submit(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* __BITNPU_JOB_H__ */
