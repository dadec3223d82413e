// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs: their life between submission and the last reference, and their hardware fences.
 */
#include <linux/module.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include <drm/bitnpu_accel.h>
#include <drm/bitnpu_isa.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>

#include "bitnpu_compat.h"
#include "bitnpu_context.h"
#include "bitnpu_device.h"
#include "bitnpu_gem.h"
#include "bitnpu_job.h"
#include "bitnpu_perf.h"
#include "bitnpu_regs.h"
#include "bitnpu_ring.h"
#include "bitnpu_trace.h"

/*
 * The last reference to a job or a fence may go in any context, also under other drivers' locks
 * and in the scheduler's own work, while what it holds can be the last reference to the device
 * and its schedulers.
 */
static LLIST_HEAD(bitnpu_dead_jobs);
static LLIST_HEAD(bitnpu_dead_fences);
static struct workqueue_struct *bitnpu_release_wq;

static const char *bitnpu_fence_name(struct dma_fence *fence)
{
	return "bitnpu";
}

static void bitnpu_fence_free(struct bitnpu_fence *fence)
{
	struct bitnpu_device *bdev = fence->bdev;

	kfree_rcu(fence, base.rcu);
	drm_dev_put(&bdev->drm);
	module_put(THIS_MODULE);
}

static void bitnpu_job_free(struct bitnpu_job *job)
{
	struct bitnpu_device *bdev = job->ctx->bdev;
	unsigned int i;

	if (job->powered) {
		pm_runtime_mark_last_busy(bdev->drm.dev);
		pm_runtime_put_autosuspend(bdev->drm.dev);
	}
	if (job->begun)
		dma_fence_put(&job->fence->base);
	else if (job->fence)
		bitnpu_fence_free(job->fence);
	for (i = 0; i < job->mapping_count; i++)
		bitnpu_mapping_put(job->mappings[i]);
	kvfree(job->mappings);
	bitnpu_queue_put(job->queue);
	kfree(job);
}

static void bitnpu_release_work(struct work_struct *work)
{
	struct bitnpu_fence *fence, *next_fence;
	struct bitnpu_job *job, *next_job;
	struct llist_node *fences, *jobs;

	jobs = llist_del_all(&bitnpu_dead_jobs);
	llist_for_each_entry_safe(job, next_job, jobs, node)
		bitnpu_job_free(job);
	fences = llist_del_all(&bitnpu_dead_fences);
	llist_for_each_entry_safe(fence, next_fence, fences, node)
		bitnpu_fence_free(fence);
}

static DECLARE_WORK(bitnpu_release, bitnpu_release_work);

static void bitnpu_fence_release(struct dma_fence *base)
{
	struct bitnpu_fence *fence = container_of(base, struct bitnpu_fence, base);

	llist_add(&fence->node, &bitnpu_dead_fences);
	queue_work(bitnpu_release_wq, &bitnpu_release);
}

static const struct dma_fence_ops bitnpu_fence_ops = {
	.get_driver_name = bitnpu_fence_name,
	.get_timeline_name = bitnpu_fence_name,
	.release = bitnpu_fence_release,
};

static struct bitnpu_fence *bitnpu_fence_create(struct bitnpu_device *bdev)
{
	struct bitnpu_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL_ACCOUNT);

	if (!fence)
		return NULL;
	spin_lock_init(&fence->lock);
	drm_dev_get(&bdev->drm);
	__module_get(THIS_MODULE);
	fence->bdev = bdev;
	return fence;
}

int bitnpu_jobs_init(void)
{
	bitnpu_release_wq = alloc_workqueue("bitnpu-release", WQ_UNBOUND, 0);
	return bitnpu_release_wq ? 0 : -ENOMEM;
}

void bitnpu_jobs_exit(void)
{
	destroy_workqueue(bitnpu_release_wq);
}

void bitnpu_jobs_flush(void)
{
	flush_work(&bitnpu_release);
}

struct bitnpu_job *bitnpu_job_create(struct bitnpu_queue *queue, struct drm_file *file,
				     const struct drm_bitnpu_job *args)
{
	struct bitnpu_job *job;
	int ret = -ENOMEM;

	if (atomic_inc_return(&queue->ctx->pending) > DRM_BITNPU_MAX_PENDING) {
		ret = -EBUSY;
		goto err_pending;
	}
	job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);
	if (!job)
		goto err_pending;
	kref_init(&job->ref);
	job->queue = bitnpu_queue_get(queue);
	job->ctx = queue->ctx;
	job->list_addr = args->list_addr;
	job->list_size = args->list_size;
	job->flags = args->flags;
	job->fence = bitnpu_fence_create(job->ctx->bdev);
	if (!job->fence)
		goto err_job;
	ret = bitnpu_sched_job_init(&job->base, &queue->entity, queue, file);
	if (ret)
		goto err_job;
	return job;

err_job:
	bitnpu_job_free(job);
err_pending:
	atomic_dec(&queue->ctx->pending);
	return ERR_PTR(ret);
}

void bitnpu_job_abort(struct bitnpu_job *job)
{
	atomic_dec(&job->ctx->pending);
	drm_sched_job_cleanup(&job->base);
	bitnpu_job_free(job);
}

struct bitnpu_job *bitnpu_job_get(struct bitnpu_job *job)
{
	kref_get(&job->ref);
	return job;
}

static void bitnpu_job_release(struct kref *ref)
{
	struct bitnpu_job *job = container_of(ref, struct bitnpu_job, ref);

	llist_add(&job->node, &bitnpu_dead_jobs);
	queue_work(bitnpu_release_wq, &bitnpu_release);
}

void bitnpu_job_put(struct bitnpu_job *job)
{
	kref_put(&job->ref, bitnpu_job_release);
}

void bitnpu_job_done(struct bitnpu_job *job, int error)
{
	struct bitnpu_context *ctx = job->ctx;
	unsigned long flags;

	spin_lock_irqsave(&ctx->lock, flags);
	if (error)
		ctx->info.jobs_failed++;
	else
		ctx->info.jobs_completed++;
	spin_unlock_irqrestore(&ctx->lock, flags);

	/* Before the fence: who has waited for it may submit again. */
	atomic_dec(&ctx->pending);
	trace_bitnpu_job_done(job, error);
	if (error)
		dma_fence_set_error(&job->fence->base, error);
	dma_fence_signal(&job->fence->base);
	bitnpu_job_put(job);
}

void bitnpu_job_ban(struct bitnpu_job *job, u32 reason, const struct bitnpu_record *record)
{
	struct drm_bitnpu_context_info info = {
		.ban = reason,
		.queue = job->queue->number,
		.job = job->number,
		.status = le32_to_cpu(record->status),
		.index = le32_to_cpu(record->index),
		.field = le32_to_cpu(record->field),
		.addr = le64_to_cpu(record->addr),
	};

	trace_bitnpu_job_ban(job, &info);
	bitnpu_context_ban(job->ctx, &info);
}

bool bitnpu_job_shares(const struct bitnpu_job *job)
{
	const struct drm_gem_object *object;
	unsigned int i;

	for (i = 0; i < job->mapping_count; i++) {
		object = &job->mappings[i]->bo->base.base;
		if (READ_ONCE(object->dma_buf) || object->import_attach)
			return true;
	}
	return false;
}

/*
 * A fence comes back in every case: it keeps the scheduler, which the finished fence refers to,
 * in memory.
 */
static struct dma_fence *bitnpu_job_run(struct drm_sched_job *base)
{
	struct bitnpu_ring *ring = container_of(base->sched, struct bitnpu_ring, sched);
	struct bitnpu_job *job = to_bitnpu_job(base);
	struct dma_fence *fence = &job->fence->base;
	bool cookie = dma_fence_begin_signalling();

	dma_fence_init(fence, &bitnpu_fence_ops, &job->fence->lock, ring->fence_context,
		       ++ring->fence_seqno);
	dma_fence_get(fence);
	job->begun = true;
	if (READ_ONCE(job->queue->killed))
		job->error = -ECANCELED;
	bitnpu_ring_emit(ring, job);
	dma_fence_end_signalling(cookie);
	return fence;
}

static void bitnpu_job_finished(struct drm_sched_job *base)
{
	drm_sched_job_cleanup(base);
	bitnpu_job_put(to_bitnpu_job(base));
}

/*
 * No timedout_job: bitnpu_reset.c watches the rings.  The scheduler's timer starts anew with each
 * job that is pushed, so that a steady submitter would hide a hang until the ring is full; and it
 * cannot tell a job that makes progress from one that does not.
 */
const struct drm_sched_backend_ops bitnpu_sched_ops = {
	.run_job = bitnpu_job_run,
	.free_job = bitnpu_job_finished,
};
