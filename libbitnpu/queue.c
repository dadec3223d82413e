// SPDX-License-Identifier: MIT
/*
 * Queues: jobs in order of submission, one at a time, each after the fences it waits for.
 *
 * Every queue has a thread, so that jobs run whether or not somebody waits.  A thread that waits for
 * the next job of an idle queue runs it itself instead (bitnpu_queue_run_job()): then a small job
 * costs no hand-off.  Whoever runs a job holds the queue's "busy" mark from taking it off the head
 * to its end, which keeps the order.
 *
 * Where the device has queues, "to run" is to hand the job over (device_queue.c), which whoever submits
 * it does at once, unless it waits for what no device knows of.  When the device takes no more, the job
 * is the thread's, which waits until it does.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "device_queue.h"

/**
 * struct bitnpu_queue - a queue
 * @ref: held by the caller and, for moments, by helping waiters
 * @ctx: holds a reference
 * @device: the device's queue, NULL when there is none
 * @thread: runs the jobs
 * @lock: protects all below
 * @work: signaled when there may be something for @thread to do
 * @head: next job
 * @tail: where the next submission is linked
 * @busy: some thread runs a job
 * @stop: @thread ends when no job is left
 */
struct bitnpu_queue {
	struct bitnpu_ref ref;
	struct bitnpu_context *ctx;
	struct bitnpu_device_queue *device;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct bitnpu_job *head, **tail;
	bool busy, stop;
};

void bitnpu_job_free(struct bitnpu_job *job)
{
	if (!job)
		return;
	for (size_t i = 0; i < job->wait_count; i++)
		bitnpu_fence_destroy(job->wait[i]);
	bitnpu_cmdlist_put(job->list);
	free(job);
}

/* Take the head.  Caller holds queue->lock and has seen that the queue is idle and not empty. */
static struct bitnpu_job *take_head(struct bitnpu_queue *queue)
{
	struct bitnpu_job *job = queue->head;

	queue->head = job->next;
	if (!queue->head)
		queue->tail = &queue->head;
	queue->busy = true;
	return job;
}

static int wait_for_fences(struct bitnpu_job *job, struct bitnpu_error *err)
{
	for (size_t i = 0; i < job->wait_count; i++) {
		int ret = bitnpu_fence_wait(job->wait[i], BITNPU_WAIT_FOREVER, err);

		if (ret)
			return ret;
	}
	return 0;
}

static int execute(struct bitnpu_cmdlist *list, struct bitnpu_error *err)
{
	struct bitnpu_context *ctx = list->ctx;

	if (list->checked.count == 0)
		return 0;
	return ctx->dev->ops->execute(ctx->engine, &list->checked, list->prepared, err);
}

static void set_idle(struct bitnpu_queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->busy = false;
	if (queue->head || queue->stop)
		pthread_cond_signal(&queue->work);
	pthread_mutex_unlock(&queue->lock);
}

/* Undo take_head(): the queue's thread shall do it. */
static void put_back(struct bitnpu_queue *queue, struct bitnpu_job *job)
{
	pthread_mutex_lock(&queue->lock);
	job->next = queue->head;
	if (!queue->head)
		queue->tail = &job->next;
	queue->head = job;
	queue->busy = false;
	pthread_cond_signal(&queue->work);
	pthread_mutex_unlock(&queue->lock);
}

/* Run a job that take_head() returned; @patient: as for bitnpu_device_queue_push(). */
static void run(struct bitnpu_queue *queue, struct bitnpu_job *job, bool patient)
{
	struct bitnpu_fence *done = job->done;
	struct bitnpu_error err;
	int ret;

	bitnpu_error_clear(&err);
	if (queue->device) {
		ret = bitnpu_device_queue_push(queue->device, job, patient, &err);
		if (ret == 0) {
			set_idle(queue);
			return;
		}
		if (ret == -EBUSY && !patient) {
			put_back(queue, job);
			return;
		}
	} else {
		ret = wait_for_fences(job, &err);
		if (ret == 0)
			ret = execute(job->list, &err);
	}
	err.code = ret;

	/* Before the queue is idle: when it has been destroyed, its jobs hold nothing any more. */
	bitnpu_job_free(job);
	set_idle(queue);
	bitnpu_fence_signal(done, ret ? &err : NULL);
	bitnpu_fence_destroy(done);
}

static void *queue_thread(void *data)
{
	struct bitnpu_queue *queue = data;
	struct bitnpu_job *job;

	pthread_mutex_lock(&queue->lock);
	for (;;) {
		while (queue->busy || (!queue->head && !queue->stop))
			pthread_cond_wait(&queue->work, &queue->lock);
		if (!queue->head)
			break;
		job = take_head(queue);
		pthread_mutex_unlock(&queue->lock);
		run(queue, job, true);
		pthread_mutex_lock(&queue->lock);
	}
	pthread_mutex_unlock(&queue->lock);
	return NULL;
}

/* Whether run() would not sleep.  Caller holds queue->lock, here and below. */
static bool is_ready(const struct bitnpu_queue *queue, const struct bitnpu_job *job)
{
	for (size_t i = 0; i < job->wait_count; i++)
		if (queue->device ? !bitnpu_fence_is_known(job->wait[i]) :
				    !bitnpu_fence_is_signaled(job->wait[i]))
			return false;
	return true;
}

static bool is_next(const struct bitnpu_queue *queue, const struct bitnpu_fence *fence)
{
	return !queue->busy && queue->head && queue->head->done == fence &&
	       is_ready(queue, queue->head);
}

void bitnpu_queue_run_job(struct bitnpu_queue *queue, struct bitnpu_fence *fence)
{
	struct bitnpu_job *job = NULL;

	pthread_mutex_lock(&queue->lock);
	if (is_next(queue, fence))
		job = take_head(queue);
	pthread_mutex_unlock(&queue->lock);
	if (job)
		run(queue, job, true);
}

/* Signals are the application's: its handlers must not run on our threads. */
static int start_thread(struct bitnpu_queue *queue)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&queue->thread, NULL, queue_thread, queue);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -ret;
}

int bitnpu_queue_create(struct bitnpu_context *ctx, struct bitnpu_queue **out,
			struct bitnpu_error *err)
{
	struct bitnpu_queue *queue = calloc(1, sizeof(*queue));
	int ret;

	if (!queue)
		return bitnpu_fail(err, -ENOMEM, "queue: out of memory");
	bitnpu_ref_init(&queue->ref);
	queue->tail = &queue->head;
	if (ctx->dev->ops->queue_create) {
		ret = bitnpu_device_queue_create(ctx, &queue->device, err);
		if (ret) {
			free(queue);
			return ret;
		}
	}
	ret = -pthread_mutex_init(&queue->lock, NULL);
	if (ret)
		goto destroy_device;
	ret = -pthread_cond_init(&queue->work, NULL);
	if (ret)
		goto destroy_lock;
	bitnpu_ref_get(&ctx->ref);
	queue->ctx = ctx;
	ret = start_thread(queue);
	if (ret)
		goto put_context;
	*out = queue;
	return 0;

put_context:
	bitnpu_context_put(ctx);
	pthread_cond_destroy(&queue->work);
destroy_lock:
	pthread_mutex_destroy(&queue->lock);
destroy_device:
	bitnpu_device_queue_destroy(queue->device);
	free(queue);
	return bitnpu_fail(err, ret, "queue: cannot start its thread");
}

void bitnpu_queue_get(struct bitnpu_queue *queue)
{
	bitnpu_ref_get(&queue->ref);
}

void bitnpu_queue_put(struct bitnpu_queue *queue)
{
	if (!bitnpu_ref_put(&queue->ref))
		return;
	bitnpu_device_queue_destroy(queue->device);
	bitnpu_context_put(queue->ctx);
	pthread_cond_destroy(&queue->work);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

void bitnpu_queue_destroy(struct bitnpu_queue *queue)
{
	if (!queue)
		return;
	pthread_mutex_lock(&queue->lock);
	queue->stop = true;
	pthread_cond_signal(&queue->work);
	pthread_mutex_unlock(&queue->lock);
	pthread_join(queue->thread, NULL);
	bitnpu_device_queue_finish(queue->device);
	bitnpu_queue_put(queue);
}

static struct bitnpu_job *job_create(struct bitnpu_queue *queue, struct bitnpu_cmdlist *list,
				     struct bitnpu_fence *const *wait, size_t wait_count)
{
	struct bitnpu_job *job;

	if (wait_count > (SIZE_MAX - sizeof(*job)) / sizeof(wait[0]))
		return NULL;
	job = calloc(1, sizeof(*job) + wait_count * sizeof(wait[0]));
	if (!job)
		return NULL;
	job->done = bitnpu_fence_create(queue, queue->device);
	if (!job->done) {
		free(job);
		return NULL;
	}
	bitnpu_ref_get(&list->ref);
	job->list = list;
	for (size_t i = 0; i < wait_count; i++) {
		bitnpu_ref_get(&wait[i]->ref);
		job->wait[i] = wait[i];
	}
	job->wait_count = wait_count;
	return job;
}

/* Queue a job; with @here the caller runs it, when it is next, rather than wake the queue's thread. */
static int submit(struct bitnpu_queue *queue, struct bitnpu_cmdlist *list,
		  struct bitnpu_fence *const *wait, size_t wait_count, bool here,
		  struct bitnpu_fence **done, struct bitnpu_error *err)
{
	struct bitnpu_job *job;
	bool now;

	if (list->ctx != queue->ctx)
		return bitnpu_fail(err, -EINVAL, "submit: the list is of another context");
	job = job_create(queue, list, wait, wait_count);
	if (!job)
		return bitnpu_fail(err, -ENOMEM, "submit: out of memory");
	if (done) {
		bitnpu_ref_get(&job->done->ref);
		*done = job->done;
	}
	pthread_mutex_lock(&queue->lock);
	*queue->tail = job;
	queue->tail = &job->next;
	now = here && is_next(queue, job->done);
	if (now)
		take_head(queue);
	else
		pthread_cond_signal(&queue->work);
	pthread_mutex_unlock(&queue->lock);
	if (now)
		run(queue, job, false);
	return 0;
}

int bitnpu_queue_submit(struct bitnpu_queue *queue, struct bitnpu_cmdlist *list,
			struct bitnpu_fence *const *wait, size_t wait_count,
			struct bitnpu_fence **done, struct bitnpu_error *err)
{
	return submit(queue, list, wait, wait_count, queue->device, done, err);
}

int bitnpu_queue_run(struct bitnpu_queue *queue, struct bitnpu_cmdlist *list,
		     struct bitnpu_error *err)
{
	struct bitnpu_fence *done;
	int ret = submit(queue, list, NULL, 0, true, &done, err);

	if (ret)
		return ret;
	ret = bitnpu_fence_wait(done, BITNPU_WAIT_FOREVER, err);
	bitnpu_fence_destroy(done);
	return ret;
}
