/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_JOB_H__
#define __BITNPU_JOB_H__

#include <linux/dma-fence.h>
#include <linux/kref.h>
#include <linux/ktime.h>

#include <drm/gpu_scheduler.h>

struct bitnpu_context;
struct bitnpu_mapping;
struct bitnpu_ring;
struct drm_device;
struct drm_file;

/**
 * struct bitnpu_job - a command list on its way through a ring
 * @base: the scheduler's part
 * @ref: held by the scheduler, and by the ring while it is in flight
 * @ctx: holds a reference
 * @queue: number of its queue
 * @number: counted from 1 in its queue
 * @list_addr: device address of the list, 0 for an empty job
 * @list_size: bytes
 * @flags: DRM_BITNPU_JOB_*
 * @fence: the hardware fence; embedded and initialized when the job is made, so that running it
 *	allocates nothing
 * @sequence: of its ring entry, changed when it is emitted again
 * @emitted: when it was written to the ring first; @progress is judged from here
 * @progress: PROGRESS when a timeout last looked, and @progress_time when that was
 * @mappings: buffers it named, a reference each
 * @mapping_count: how many
 */
struct bitnpu_job {
	struct drm_sched_job base;
	struct kref ref;
	struct bitnpu_context *ctx;
	u32 queue;
	u64 number;
	u64 list_addr;
	u32 list_size;
	u32 flags;
	struct dma_fence *fence;
	u64 sequence;
	ktime_t emitted;
	u32 progress;
	ktime_t progress_time;
	struct bitnpu_mapping **mappings;
	unsigned int mapping_count;
};

static inline struct bitnpu_job *to_bitnpu_job(struct drm_sched_job *base)
{
	return container_of(base, struct bitnpu_job, base);
}

extern const struct drm_sched_backend_ops bitnpu_sched_ops;

struct bitnpu_job *bitnpu_job_get(struct bitnpu_job *job);

/** bitnpu_job_put() - any context: what may sleep is left to a work item */
void bitnpu_job_put(struct bitnpu_job *job);

/**
 * bitnpu_job_done() - signal a job's hardware fence
 * @job: in flight, just taken from its ring
 * @error: 0 or a negative errno
 */
void bitnpu_job_done(struct bitnpu_job *job, int error);

/** bitnpu_queues_fini() - the file is closed: destroy its queues; jobs that have begun end normally */
void bitnpu_queues_fini(struct bitnpu_context *ctx);

int bitnpu_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *file);
int bitnpu_ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *file);
int bitnpu_ioctl_submit(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* __BITNPU_JOB_H__ */
