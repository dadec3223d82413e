// SPDX-License-Identifier: MIT
/*
 * Handing jobs over to the queue of a device.
 *
 * The device runs them in order and signals their ends itself; what a job held is freed by whoever
 * looks first: a waiter, or the next submission.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "device_queue.h"

/* A look at a job costs a system call: so many may be under way before one is taken unasked. */
#define MANY_JOBS	64

/**
 * struct bitnpu_device_queue - jobs that a device has got
 * @ctx: whose; no reference
 * @engine: the engine's part
 * @first: their fences in order of submission, a reference each
 * @last: the latest of them
 * @count: how many
 */
struct bitnpu_device_queue {
	struct bitnpu_context *ctx;
	struct bitnpu_engine_queue *engine;
	struct bitnpu_fence *first, *last;
	size_t count;
};

int bitnpu_device_queue_create(struct bitnpu_context *ctx, struct bitnpu_device_queue **out,
			       struct bitnpu_error *err)
{
	struct bitnpu_device_queue *queue = calloc(1, sizeof(*queue));
	int ret;

	if (!queue)
		return bitnpu_fail(err, -ENOMEM, "queue: out of memory");
	queue->ctx = ctx;
	ret = ctx->dev->ops->queue_create(ctx->engine, &queue->engine, err);
	if (ret) {
		free(queue);
		return ret;
	}
	*out = queue;
	return 0;
}

void bitnpu_device_queue_destroy(struct bitnpu_device_queue *queue)
{
	if (!queue)
		return;
	queue->ctx->dev->ops->queue_destroy(queue->engine);
	free(queue);
}

static void drop_first(struct bitnpu_device_queue *queue)
{
	struct bitnpu_fence *fence = queue->first;

	queue->first = fence->next;
	queue->count--;
	bitnpu_fence_destroy(fence);
}

void bitnpu_device_queue_finish(struct bitnpu_device_queue *queue)
{
	while (queue && queue->count) {
		bitnpu_fence_wait(queue->first, BITNPU_WAIT_FOREVER, NULL);
		drop_first(queue);
	}
}

/* Forget jobs that are known to have ended, and when there are many look whether more have. */
static void drop_ended(struct bitnpu_device_queue *queue)
{
	while (queue->count) {
		if (queue->count > MANY_JOBS)
			bitnpu_fence_wait(queue->first, 0, NULL);
		if (!bitnpu_fence_is_signaled(queue->first))
			break;
		drop_first(queue);
	}
}

static void append(struct bitnpu_device_queue *queue, struct bitnpu_fence *fence)
{
	if (queue->count++)
		queue->last->next = fence;
	else
		queue->first = fence;
	queue->last = fence;
}

/* What the device is to wait for in place of @fence, which is known. */
static int translate(const struct bitnpu_device_queue *queue, struct bitnpu_fence *fence,
		     struct bitnpu_engine_wait *wait, struct bitnpu_error *err)
{
	wait->fd = -1;
	if (fence->device && fence->ctx == queue->ctx) {
		wait->fence = fence->device;
		return 0;
	}
	return bitnpu_fence_export_fd(fence, &wait->fd, err);
}

/* Fill @waits from those of @job that have not ended; *@count is how many, also on error. */
static int collect_waits(const struct bitnpu_device_queue *queue, const struct bitnpu_job *job,
			 struct bitnpu_engine_wait *waits, size_t *count, struct bitnpu_error *err)
{
	for (size_t i = 0; i < job->wait_count; i++) {
		int ret = bitnpu_fence_wait_known(job->wait[i], err);

		if (ret)
			return ret;
		if (bitnpu_fence_is_signaled(job->wait[i]))
			continue;
		ret = translate(queue, job->wait[i], &waits[*count], err);
		if (ret)
			return ret;
		(*count)++;
	}
	return 0;
}

/*
 * Until a job has ended, so that the device may take another.  It counts those of all queues of a context:
 * when none is ours, only time tells.
 */
static void wait_for_room(struct bitnpu_device_queue *queue)
{
	const struct timespec pause = { .tv_nsec = BITNPU_NS_PER_S / 1000 };

	if (!queue->count) {
		nanosleep(&pause, NULL);
		return;
	}
	bitnpu_fence_wait(queue->first, BITNPU_WAIT_FOREVER, NULL);
	drop_first(queue);
}

static int submit(struct bitnpu_device_queue *queue, struct bitnpu_job *job, bool patient,
		  struct bitnpu_engine_fence **fence, struct bitnpu_error *err)
{
	const struct bitnpu_engine_ops *ops = queue->ctx->dev->ops;
	struct bitnpu_engine_wait *waits = NULL;
	size_t count = 0;
	int ret;

	if (job->wait_count) {
		waits = calloc(job->wait_count, sizeof(*waits));
		if (!waits)
			return bitnpu_fail(err, -ENOMEM, "submit: out of memory");
	}
	ret = collect_waits(queue, job, waits, &count, err);
	if (ret)
		goto out;
	while ((ret = ops->submit(queue->engine, job->list->prepared, waits, count, fence, err)) ==
	       -EBUSY && patient)
		wait_for_room(queue);
out:
	for (size_t i = 0; i < count; i++)
		if (waits[i].fd >= 0)
			close(waits[i].fd);
	free(waits);
	return ret;
}

int bitnpu_device_queue_push(struct bitnpu_device_queue *queue, struct bitnpu_job *job, bool patient,
			     struct bitnpu_error *err)
{
	struct bitnpu_engine_fence *device;
	int ret = submit(queue, job, patient, &device, err);

	if (ret)
		return ret;
	/* From here on a waiter may free the job at any time, but not the fence. */
	append(queue, job->done);
	bitnpu_fence_hand_over(queue->last, queue->ctx, device, job);
	drop_ended(queue);
	return 0;
}
