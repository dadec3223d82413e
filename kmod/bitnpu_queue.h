/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_QUEUE_H__
#define __BITNPU_QUEUE_H__

#include <linux/kref.h>
#include <linux/mutex.h>

#include <drm/gpu_scheduler.h>

struct bitnpu_context;
struct drm_device;
struct drm_file;

/**
 * struct bitnpu_queue - jobs that run in order
 * @ref: held by bitnpu_context.queues and by each job
 * @ctx: holds a reference
 * @number: in its context
 * @entity: picks a ring whenever it has no job left; destroyed with the queue, so when it is empty
 * @lock: numbers of jobs, fences and the entity's list are in one order
 * @jobs: submitted so far; under @lock
 * @killed: the process died: what has not begun is cancelled
 */
struct bitnpu_queue {
	struct kref ref;
	struct bitnpu_context *ctx;
	u32 number;
	struct drm_sched_entity entity;
	struct mutex lock; /* order of @jobs */
	u64 jobs;
	bool killed;
};

/** bitnpu_queue_find() - Return: a reference to a context's queue, or NULL */
struct bitnpu_queue *bitnpu_queue_find(struct bitnpu_context *ctx, u32 number);
struct bitnpu_queue *bitnpu_queue_get(struct bitnpu_queue *queue);

/** bitnpu_queue_put() - may sleep */
void bitnpu_queue_put(struct bitnpu_queue *queue);

/**
 * bitnpu_queues_fini() - the file is closed: destroy its queues
 * @ctx: whose
 *
 * Jobs already submitted still run, unless a signal that kills closes the file: then those that
 * have not begun are cancelled.
 */
void bitnpu_queues_fini(struct bitnpu_context *ctx);

int bitnpu_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *file);
int bitnpu_ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* __BITNPU_QUEUE_H__ */
