// SPDX-License-Identifier: GPL-2.0-only
/*
 * DRM_IOCTL_BITNPU_SUBMIT: jobs as the caller describes them become jobs of a scheduler.
 *
 * Each job is checked, armed and pushed before the next is looked at: it may wait for what an
 * earlier one signals.  Nothing may fail between drm_sched_job_arm() and
 * drm_sched_entity_push_job().
 */
#include <linux/dma-fence-chain.h>
#include <linux/dma-resv.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/bitnpu_accel.h>
#include <drm/bitnpu_isa.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_syncobj.h>

#include "bitnpu_context.h"
#include "bitnpu_device.h"
#include "bitnpu_gem.h"
#include "bitnpu_job.h"
#include "bitnpu_trace.h"

/**
 * struct bitnpu_signal - a syncobj that gets a job's fence
 * @syncobj: holds a reference
 * @chain: of a timeline; allocated before the job is armed
 * @point: of a timeline
 */
struct bitnpu_signal {
	struct drm_syncobj *syncobj;
	struct dma_fence_chain *chain;
	u64 point;
};

/**
 * struct bitnpu_submission - a job on its way to the scheduler
 * @file: the caller's
 * @job: not armed
 * @objects: buffers that it names; their references are the job's, which lives until they are
 *	unlocked
 * @usages: how the job uses each
 * @object_count: how many
 * @ticket: of the locked reservations
 * @signals: what it signals
 * @signal_count: how many
 */
struct bitnpu_submission {
	struct drm_file *file;
	struct bitnpu_job *job;
	struct drm_gem_object **objects;
	u32 *usages;
	u32 object_count;
	struct ww_acquire_ctx ticket;
	struct bitnpu_signal *signals;
	u32 signal_count;
};

/* Strides as the uapi header says: an element may be shorter or longer than this kernel's. */
static int bitnpu_array_check(const struct drm_bitnpu_array *array, u32 min, u32 max)
{
	if (array->count < min || array->count > max)
		return -EINVAL;
	if (array->stride % 8)
		return -EINVAL;
	if (!array->count)
		return array->pointer ? -EINVAL : 0;
	if (array->stride > PAGE_SIZE)
		return -E2BIG;
	return array->stride ? 0 : -EINVAL;
}

static int bitnpu_array_get(const struct drm_bitnpu_array *array, u32 index, void *element,
			    size_t size)
{
	u64 offset = (u64)index * array->stride;

	return copy_struct_from_user(element, size, u64_to_user_ptr(array->pointer + offset),
				     array->stride);
}

static int bitnpu_submit_bo(struct bitnpu_submission *sub, const struct drm_bitnpu_job_bo *bo)
{
	const u32 access = DRM_BITNPU_JOB_BO_READ | DRM_BITNPU_JOB_BO_WRITE;
	struct bitnpu_job *job = sub->job;
	struct bitnpu_mapping *mapping;
	struct drm_gem_object *object;

	if (bo->flags & ~(access | DRM_BITNPU_JOB_BO_NO_SYNC) || !(bo->flags & access))
		return -EINVAL;
	object = drm_gem_object_lookup(sub->file, bo->handle);
	if (!object)
		return -ENOENT;
	mapping = bitnpu_mapping_get(to_bitnpu_bo(object), job->ctx);
	drm_gem_object_put(object);
	if (!mapping)
		return -ENOENT;
	job->mappings[job->mapping_count++] = mapping;
	sub->objects[sub->object_count] = object;
	sub->usages[sub->object_count++] = bo->flags;
	return 0;
}

static int bitnpu_submit_bos(struct bitnpu_submission *sub, const struct drm_bitnpu_array *array)
{
	struct bitnpu_job *job = sub->job;
	struct drm_bitnpu_job_bo bo;
	int ret;
	u32 i;

	ret = bitnpu_array_check(array, 0, DRM_BITNPU_MAX_JOB_BOS);
	if (ret || !array->count)
		return ret;
	job->mappings = kvmalloc_array(array->count, sizeof(*job->mappings),
				       GFP_KERNEL_ACCOUNT);
	sub->objects = kvmalloc_array(array->count, sizeof(*sub->objects), GFP_KERNEL);
	sub->usages = kvmalloc_array(array->count, sizeof(*sub->usages), GFP_KERNEL);
	if (!job->mappings || !sub->objects || !sub->usages)
		return -ENOMEM;
	for (i = 0; i < array->count; i++) {
		ret = bitnpu_array_get(array, i, &bo, sizeof(bo));
		if (!ret)
			ret = bitnpu_submit_bo(sub, &bo);
		if (ret)
			return ret;
	}
	return 0;
}

static int bitnpu_submit_wait(struct bitnpu_submission *sub, const struct drm_bitnpu_sync *sync)
{
	struct dma_fence *fence;
	int ret;

	ret = drm_syncobj_find_fence(sub->file, sync->handle, sync->point, 0, &fence);
	if (ret)
		return ret;
	return drm_sched_job_add_dependency(&sub->job->base, fence);
}

static int bitnpu_submit_signal(struct bitnpu_submission *sub, const struct drm_bitnpu_sync *sync)
{
	struct bitnpu_signal *signal = &sub->signals[sub->signal_count];

	signal->syncobj = drm_syncobj_find(sub->file, sync->handle);
	if (!signal->syncobj)
		return -ENOENT;
	sub->signal_count++;
	signal->point = sync->point;
	if (!(sync->flags & DRM_BITNPU_SYNC_TIMELINE))
		return 0;
	signal->chain = dma_fence_chain_alloc();
	return signal->chain ? 0 : -ENOMEM;
}

static int bitnpu_submit_sync(struct bitnpu_submission *sub, const struct drm_bitnpu_sync *sync)
{
	switch (sync->flags & ~DRM_BITNPU_SYNC_TIMELINE) {
	case DRM_BITNPU_SYNC_WAIT:
	case DRM_BITNPU_SYNC_SIGNAL:
		break;
	default:
		return -EINVAL;
	}
	/* Point 0 of a timeline is where a binary syncobj is. */
	if (!(sync->flags & DRM_BITNPU_SYNC_TIMELINE) != !sync->point)
		return -EINVAL;
	return sync->flags & DRM_BITNPU_SYNC_WAIT ? bitnpu_submit_wait(sub, sync) :
						    bitnpu_submit_signal(sub, sync);
}

static int bitnpu_submit_syncs(struct bitnpu_submission *sub, const struct drm_bitnpu_array *array)
{
	struct drm_bitnpu_sync sync;
	int ret;
	u32 i;

	ret = bitnpu_array_check(array, 0, DRM_BITNPU_MAX_JOB_SYNCS);
	if (ret || !array->count)
		return ret;
	sub->signals = kvcalloc(array->count, sizeof(*sub->signals), GFP_KERNEL);
	if (!sub->signals)
		return -ENOMEM;
	for (i = 0; i < array->count; i++) {
		ret = bitnpu_array_get(array, i, &sync, sizeof(sync));
		if (!ret)
			ret = bitnpu_submit_sync(sub, &sync);
		if (ret)
			return ret;
	}
	return 0;
}

static void bitnpu_submit_unlock(struct bitnpu_submission *sub)
{
	if (sub->object_count)
		drm_gem_unlock_reservations(sub->objects, sub->object_count, &sub->ticket);
}

/*
 * Implicit synchronization.  On success the buffers' reservations are locked, with room for a
 * fence.
 */
static int bitnpu_submit_lock(struct bitnpu_submission *sub)
{
	int ret;
	u32 i;

	if (!sub->object_count)
		return 0;
	ret = drm_gem_lock_reservations(sub->objects, sub->object_count, &sub->ticket);
	if (ret)
		return ret == -EALREADY ? -EINVAL : ret;
	for (i = 0; i < sub->object_count; i++) {
		ret = dma_resv_reserve_fences(sub->objects[i]->resv, 1);
		if (!ret && !(sub->usages[i] & DRM_BITNPU_JOB_BO_NO_SYNC))
			ret = drm_sched_job_add_implicit_dependencies(&sub->job->base,
								      sub->objects[i],
								      sub->usages[i] &
								      DRM_BITNPU_JOB_BO_WRITE);
		if (ret) {
			bitnpu_submit_unlock(sub);
			return ret;
		}
	}
	return 0;
}

/* The job belongs to the scheduler.  Return: its fence, a reference. */
static struct dma_fence *bitnpu_submit_push(struct bitnpu_submission *sub)
{
	struct bitnpu_job *job = sub->job;
	struct bitnpu_queue *queue = job->queue;
	struct dma_fence *fence;
	u32 i;

	mutex_lock(&queue->lock);
	drm_sched_job_arm(&job->base);
	job->number = ++queue->jobs;
	fence = dma_fence_get(&job->base.s_fence->finished);
	for (i = 0; i < sub->object_count; i++)
		dma_resv_add_fence(sub->objects[i]->resv, fence,
				   sub->usages[i] & DRM_BITNPU_JOB_BO_WRITE ?
				   DMA_RESV_USAGE_WRITE : DMA_RESV_USAGE_READ);
	trace_bitnpu_job_submit(job);
	drm_sched_entity_push_job(&job->base);
	mutex_unlock(&queue->lock);
	return fence;
}

static void bitnpu_submit_publish(struct bitnpu_submission *sub, struct dma_fence *fence)
{
	struct bitnpu_signal *signal;
	u32 i;

	for (i = 0; i < sub->signal_count; i++) {
		signal = &sub->signals[i];
		if (signal->chain)
			drm_syncobj_add_point(signal->syncobj, signal->chain, fence, signal->point);
		else
			drm_syncobj_replace_fence(signal->syncobj, fence);
		signal->chain = NULL;
	}
}

static void bitnpu_submit_free(struct bitnpu_submission *sub)
{
	u32 i;

	for (i = 0; i < sub->signal_count; i++) {
		dma_fence_chain_free(sub->signals[i].chain);
		drm_syncobj_put(sub->signals[i].syncobj);
	}
	kvfree(sub->signals);
	kvfree(sub->usages);
	kvfree(sub->objects);
}

static int bitnpu_submit_check(struct bitnpu_queue *queue, const struct drm_bitnpu_job *args)
{
	struct bitnpu_context *ctx = queue->ctx;

	if (READ_ONCE(ctx->bdev->dead))
		return -ENODEV;
	if (READ_ONCE(ctx->banned))
		return -ENOTRECOVERABLE;
	if (args->flags & ~DRM_BITNPU_JOB_RESTARTABLE)
		return -EINVAL;
	if (args->list_size % BITNPU_CMD_SIZE || args->list_addr % BITNPU_CMD_SIZE)
		return -EINVAL;
	if (args->list_size ? args->list_addr > U64_MAX - (args->list_size - 1) : args->list_addr)
		return -EINVAL;
	return 0;
}

static int bitnpu_submit_power(struct bitnpu_job *job)
{
	int ret = pm_runtime_resume_and_get(job->ctx->bdev->drm.dev);

	if (ret < 0)
		return -ENODEV;
	job->powered = true;
	return 0;
}

static int bitnpu_submit_job(struct bitnpu_queue *queue, struct drm_file *file,
			     const struct drm_bitnpu_job *args)
{
	struct bitnpu_submission sub = { .file = file };
	struct bitnpu_job *job;
	struct dma_fence *fence;
	int ret;

	ret = bitnpu_submit_check(queue, args);
	if (ret)
		return ret;
	job = bitnpu_job_create(queue, file, args);
	if (IS_ERR(job))
		return PTR_ERR(job);
	sub.job = job;
	ret = bitnpu_submit_bos(&sub, &args->bos);
	if (!ret)
		ret = bitnpu_submit_syncs(&sub, &args->syncs);
	if (!ret)
		ret = bitnpu_submit_power(job);
	if (!ret)
		ret = bitnpu_submit_lock(&sub);
	if (ret) {
		bitnpu_job_abort(job);
		goto out;
	}
	/* It can end at once, and then takes its buffers' references with it. */
	bitnpu_job_get(job);
	fence = bitnpu_submit_push(&sub);
	bitnpu_submit_unlock(&sub);
	bitnpu_job_put(job);
	bitnpu_submit_publish(&sub, fence);
	dma_fence_put(fence);
out:
	bitnpu_submit_free(&sub);
	return ret;
}

static int bitnpu_submit_jobs(struct bitnpu_queue *queue, struct drm_file *file,
			      struct drm_bitnpu_submit *args)
{
	struct drm_bitnpu_job job;
	int ret;

	/*
	 * A call that a signal interrupts is made again, with what is done already in its
	 * arguments.
	 */
	for (; args->done < args->jobs.count; args->done++) {
		ret = bitnpu_array_get(&args->jobs, args->done, &job, sizeof(job));
		if (!ret)
			ret = bitnpu_submit_job(queue, file, &job);
		if (ret)
			return ret;
	}
	return 0;
}

int bitnpu_ioctl_submit(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_bitnpu_submit *args = data;
	struct bitnpu_queue *queue;
	int idx, ret;

	if (args->flags || args->pad)
		return -EINVAL;
	ret = bitnpu_array_check(&args->jobs, 1, DRM_BITNPU_MAX_JOBS);
	if (ret)
		return ret;
	if (args->done >= args->jobs.count)
		return -EINVAL;
	queue = bitnpu_queue_find(file->driver_priv, args->queue);
	if (!queue)
		return -ENOENT;
	ret = -ENODEV;
	if (drm_dev_enter(drm, &idx)) {
		ret = bitnpu_submit_jobs(queue, file, args);
		drm_dev_exit(idx);
	}
	bitnpu_queue_put(queue);
	return ret;
}
