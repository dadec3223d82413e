// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues: a scheduler entity each.  A queue lives until its last job has been freed, so that
 * destroying one never has to kill or wait for jobs.
 */
#include <linux/capability.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <drm/bitnpu_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "bitnpu_context.h"
#include "bitnpu_device.h"
#include "bitnpu_job.h"
#include "bitnpu_queue.h"

static int bitnpu_queue_priority(u32 priority, enum drm_sched_priority *out)
{
	switch (priority) {
	case DRM_BITNPU_PRIORITY_LOW:
		*out = DRM_SCHED_PRIORITY_LOW;
		return 0;
	case DRM_BITNPU_PRIORITY_NORMAL:
		*out = DRM_SCHED_PRIORITY_NORMAL;
		return 0;
	case DRM_BITNPU_PRIORITY_HIGH:
		if (!capable(CAP_SYS_NICE))
			return -EACCES;
		*out = DRM_SCHED_PRIORITY_HIGH;
		return 0;
	default:
		return -EINVAL;
	}
}

struct bitnpu_queue *bitnpu_queue_find(struct bitnpu_context *ctx, u32 number)
{
	struct bitnpu_queue *queue;

	xa_lock(&ctx->queues);
	queue = xa_load(&ctx->queues, number);
	if (queue)
		kref_get(&queue->ref);
	xa_unlock(&ctx->queues);
	return queue;
}

struct bitnpu_queue *bitnpu_queue_get(struct bitnpu_queue *queue)
{
	kref_get(&queue->ref);
	return queue;
}

static void bitnpu_queue_release(struct kref *ref)
{
	struct bitnpu_queue *queue = container_of(ref, struct bitnpu_queue, ref);
	struct bitnpu_context *ctx = queue->ctx;

	drm_sched_entity_fini(&queue->entity);
	mutex_destroy(&queue->lock);
	kfree(queue);
	bitnpu_context_put(ctx);
}

void bitnpu_queue_put(struct bitnpu_queue *queue)
{
	kref_put(&queue->ref, bitnpu_queue_release);
}

static struct bitnpu_queue *bitnpu_queue_create(struct bitnpu_context *ctx,
						enum drm_sched_priority priority)
{
	struct bitnpu_device *bdev = ctx->bdev;
	struct bitnpu_queue *queue;
	int ret;

	queue = kzalloc(sizeof(*queue), GFP_KERNEL);
	if (!queue)
		return ERR_PTR(-ENOMEM);
	ret = drm_sched_entity_init(&queue->entity, priority, bdev->scheds, bdev->caps.rings, NULL);
	if (ret) {
		kfree(queue);
		return ERR_PTR(ret);
	}
	kref_init(&queue->ref);
	mutex_init(&queue->lock);
	queue->ctx = bitnpu_context_get(ctx);
	return queue;
}

int bitnpu_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct bitnpu_context *ctx = file->driver_priv;
	struct drm_bitnpu_queue_create *args = data;
	enum drm_sched_priority priority;
	struct bitnpu_queue *queue;
	int ret;

	if (args->flags || args->queue || args->pad)
		return -EINVAL;
	ret = bitnpu_queue_priority(args->priority, &priority);
	if (ret)
		return ret;
	if (READ_ONCE(ctx->bdev->dead))
		return -ENODEV;
	if (READ_ONCE(ctx->banned))
		return -ENOTRECOVERABLE;

	queue = bitnpu_queue_create(ctx, priority);
	if (IS_ERR(queue))
		return PTR_ERR(queue);
	/* Once it has a number another thread can destroy it. */
	bitnpu_queue_get(queue);
	ret = xa_alloc(&ctx->queues, &queue->number, queue, XA_LIMIT(1, DRM_BITNPU_MAX_QUEUES),
		       GFP_KERNEL);
	if (ret)
		bitnpu_queue_put(queue);
	else
		args->queue = queue->number;
	bitnpu_queue_put(queue);
	return ret == -EBUSY ? -ENOSPC : ret;
}

int bitnpu_ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct bitnpu_context *ctx = file->driver_priv;
	struct drm_bitnpu_queue_destroy *args = data;
	struct bitnpu_queue *queue;

	if (args->pad)
		return -EINVAL;
	queue = xa_erase(&ctx->queues, args->queue);
	if (!queue)
		return -ENOENT;
	bitnpu_queue_put(queue);
	return 0;
}

void bitnpu_queues_fini(struct bitnpu_context *ctx)
{
	bool killed = (current->flags & PF_EXITING) && current->exit_code == SIGKILL;
	struct bitnpu_queue *queue;
	unsigned long number;

	xa_for_each(&ctx->queues, number, queue) {
		xa_erase(&ctx->queues, number);
		WRITE_ONCE(queue->killed, killed);
		bitnpu_queue_put(queue);
	}
	/* Else an idle module would look busy for a moment after its last file was closed. */
	bitnpu_jobs_flush();
}
