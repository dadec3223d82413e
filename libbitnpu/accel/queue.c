// SPDX-License-Identifier: MIT
/* Queues: jobs go to the driver's scheduler, with syncobjs for what they wait for and what they signal. */
#include "accel.h"

#include <stdlib.h>
#include <string.h>
#include <xf86drm.h>

/* One place is for the job's own fence. */
#define MAX_WAITS	(DRM_BITNPU_MAX_JOB_SYNCS - 1)

int bitnpu_accel_queue_create(struct bitnpu_engine_context *base, struct bitnpu_engine_queue **out,
			      struct bitnpu_error *err)
{
	struct bitnpu_accel_context *ctx = (struct bitnpu_accel_context *)base;
	struct drm_bitnpu_queue_create create = { .priority = DRM_BITNPU_PRIORITY_NORMAL };
	struct bitnpu_engine_queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory for a queue",
				   bitnpu_accel_name(ctx));
	if (drmIoctl(ctx->fd, DRM_IOCTL_BITNPU_QUEUE_CREATE, &create)) {
		const int ret = bitnpu_accel_errno();

		free(queue);
		return bitnpu_fail(err, ret, "%s: no queue: %s", bitnpu_accel_name(ctx),
				   ret == -ENOTRECOVERABLE ? "the context is banned" :
							     strerror(-ret));
	}
	queue->ctx = ctx;
	queue->id = create.queue;
	*out = queue;
	return 0;
}

void bitnpu_accel_queue_destroy(struct bitnpu_engine_queue *queue)
{
	struct drm_bitnpu_queue_destroy destroy = { .queue = queue->id };

	drmIoctl(queue->ctx->fd, DRM_IOCTL_BITNPU_QUEUE_DESTROY, &destroy);
	free(queue);
}

/* Give @job to the driver.  Return: 0 or a negative errno. */
static int submit_job(struct bitnpu_engine_queue *queue, struct drm_bitnpu_job *job,
		      const struct drm_bitnpu_sync *syncs, uint32_t sync_count)
{
	struct drm_bitnpu_submit submit = {
		.queue = queue->id,
		.jobs = {
			.pointer = (uintptr_t)job,
			.count = 1,
			.stride = sizeof(*job),
		},
	};

	job->syncs = (struct drm_bitnpu_array){
		.pointer = sync_count ? (uintptr_t)syncs : 0,
		.count = sync_count,
		.stride = sizeof(*syncs),
	};
	if (drmIoctl(queue->ctx->fd, DRM_IOCTL_BITNPU_SUBMIT, &submit))
		return bitnpu_accel_errno();
	queue->jobs++;
	return 0;
}

/* Let the syncobj of @sync stand for what @wait does; a foreign one needs a syncobj of its own. */
static int import_wait(struct bitnpu_accel_context *ctx, const struct bitnpu_engine_wait *wait,
		       struct drm_bitnpu_sync *sync, struct bitnpu_error *err)
{
	int ret;

	sync->flags = DRM_BITNPU_SYNC_WAIT;
	if (wait->fence) {
		sync->handle = wait->fence->syncobj;
		return 0;
	}
	ret = bitnpu_accel_syncobj_get(ctx, &sync->handle, err);
	if (ret)
		return ret;
	if (drmSyncobjImportSyncFile(ctx->fd, sync->handle, wait->fd)) {
		ret = bitnpu_fail(err, bitnpu_accel_errno(), "%s: cannot wait for a sync_file: %s",
				  bitnpu_accel_name(ctx), strerror(errno));
		bitnpu_accel_syncobj_put(ctx, sync->handle);
	}
	return ret;
}

static void put_waits(struct bitnpu_accel_context *ctx, const struct bitnpu_engine_wait *waits,
		      const struct drm_bitnpu_sync *syncs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!waits[i].fence)
			bitnpu_accel_syncobj_put(ctx, syncs[i].handle);
}

/* Jobs of a queue follow each other, so that empty ones take the waits that the job has no place for. */
static int submit_all(struct bitnpu_engine_queue *queue, struct drm_bitnpu_job *job,
		      struct drm_bitnpu_sync *syncs, size_t wait_count)
{
	for (; wait_count > MAX_WAITS; wait_count -= MAX_WAITS, syncs += MAX_WAITS) {
		struct drm_bitnpu_job empty = { 0 };
		int ret = submit_job(queue, &empty, syncs, MAX_WAITS);

		if (ret)
			return ret;
	}
	return submit_job(queue, job, syncs, wait_count + 1);
}

static int fail_submit(struct bitnpu_engine_queue *queue, int status, struct bitnpu_error *err)
{
	struct drm_bitnpu_context_info info;
	const bool known = bitnpu_accel_query_context(queue->ctx, &info) == 0;

	return bitnpu_accel_fail_job(err, bitnpu_accel_name(queue->ctx), status, queue->id, 0,
				     known ? &info : NULL);
}

/* With @syncs, of which @wait_count + 1 are there. */
static int submit_with(struct bitnpu_engine_queue *queue, const struct bitnpu_accel_list *list,
		       const struct bitnpu_engine_wait *waits, size_t wait_count,
		       struct drm_bitnpu_sync *syncs, struct bitnpu_engine_fence *fence,
		       struct bitnpu_error *err)
{
	/* A copy: the list may be on its way to another queue at this moment. */
	struct drm_bitnpu_job job = list ? list->job : (struct drm_bitnpu_job){ 0 };
	size_t imported = 0;
	int ret = 0;

	while (imported < wait_count && !ret) {
		ret = import_wait(queue->ctx, &waits[imported], &syncs[imported], err);
		imported += !ret;
	}
	if (ret)
		goto put;
	syncs[wait_count].handle = fence->syncobj;
	syncs[wait_count].flags = DRM_BITNPU_SYNC_SIGNAL;
	ret = submit_all(queue, &job, syncs, wait_count);
	if (ret)
		ret = fail_submit(queue, ret, err);
put:
	put_waits(queue->ctx, waits, syncs, imported);
	return ret;
}

int bitnpu_accel_submit(struct bitnpu_engine_queue *queue, void *prepared,
			const struct bitnpu_engine_wait *waits, size_t wait_count,
			struct bitnpu_engine_fence **out, struct bitnpu_error *err)
{
	struct bitnpu_accel_context *ctx = queue->ctx;
	struct drm_bitnpu_sync one = { 0 }, *syncs = &one;
	struct bitnpu_engine_fence *fence;
	int ret;

	fence = calloc(1, sizeof(*fence));
	if (fence && wait_count)
		syncs = calloc(wait_count + 1, sizeof(*syncs));
	if (!fence || !syncs) {
		ret = bitnpu_fail(err, -ENOMEM, "%s: out of memory for a job", bitnpu_accel_name(ctx));
		goto free_fence;
	}
	fence->ctx = ctx;
	ret = bitnpu_accel_syncobj_get(ctx, &fence->syncobj, err);
	if (ret)
		goto free_syncs;
	ret = submit_with(queue, prepared, waits, wait_count, syncs, fence, err);
	if (ret) {
		bitnpu_accel_syncobj_put(ctx, fence->syncobj);
		goto free_syncs;
	}
	fence->queue = queue->id;
	fence->job = queue->jobs;
	*out = fence;
	fence = NULL;
free_syncs:
	if (syncs != &one)
		free(syncs);
free_fence:
	free(fence);
	return ret;
}
