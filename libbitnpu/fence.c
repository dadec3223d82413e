// SPDX-License-Identifier: MIT
/* Fences: the end of a job, with its error, for any number of waiters. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "core.h"

#define NS_PER_S	1000000000LL

/* A wait must not change length when somebody sets the clock. */
static int init_monotonic_cond(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	int ret = pthread_condattr_init(&attr);

	if (ret)
		return ret;
	ret = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (ret == 0)
		ret = pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
	return ret;
}

struct bitnpu_fence *bitnpu_fence_create(struct bitnpu_queue *queue)
{
	struct bitnpu_fence *fence = calloc(1, sizeof(*fence));

	if (!fence)
		return NULL;
	if (pthread_mutex_init(&fence->lock, NULL))
		goto free_fence;
	if (init_monotonic_cond(&fence->signaled_cond))
		goto destroy_lock;
	bitnpu_ref_init(&fence->ref);
	fence->queue = queue;
	return fence;

destroy_lock:
	pthread_mutex_destroy(&fence->lock);
free_fence:
	free(fence);
	return NULL;
}

void bitnpu_fence_destroy(struct bitnpu_fence *fence)
{
	if (!fence || !bitnpu_ref_put(&fence->ref))
		return;
	pthread_cond_destroy(&fence->signaled_cond);
	pthread_mutex_destroy(&fence->lock);
	free(fence);
}

void bitnpu_fence_signal(struct bitnpu_fence *fence, const struct bitnpu_error *error)
{
	pthread_mutex_lock(&fence->lock);
	if (error)
		fence->error = *error;
	fence->queue = NULL;
	fence->signaled = true;
	pthread_cond_broadcast(&fence->signaled_cond);
	pthread_mutex_unlock(&fence->lock);
}

bool bitnpu_fence_is_signaled(struct bitnpu_fence *fence)
{
	bool signaled;

	pthread_mutex_lock(&fence->lock);
	signaled = fence->signaled;
	pthread_mutex_unlock(&fence->lock);
	return signaled;
}

static struct timespec deadline_after(int64_t timeout_ns)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += timeout_ns / NS_PER_S;
	t.tv_nsec += timeout_ns % NS_PER_S;
	if (t.tv_nsec >= NS_PER_S) {
		t.tv_nsec -= NS_PER_S;
		t.tv_sec++;
	}
	return t;
}

/* Sleep until the fence signals or the time is over.  Caller holds fence->lock. */
static void sleep_on(struct bitnpu_fence *fence, int64_t timeout_ns)
{
	struct timespec deadline;

	if (timeout_ns == BITNPU_WAIT_FOREVER) {
		while (!fence->signaled)
			pthread_cond_wait(&fence->signaled_cond, &fence->lock);
	} else if (timeout_ns > 0) {
		deadline = deadline_after(timeout_ns);
		while (!fence->signaled &&
		       pthread_cond_timedwait(&fence->signaled_cond, &fence->lock, &deadline) == 0)
			;
	}
}

/*
 * Whoever waits for ever may as well do the work: a tiny job then costs no sleep and no wake-up.  A
 * wait with a timeout must end in time, so it leaves the job to the queue's own thread.
 */
static void help(struct bitnpu_fence *fence)
{
	struct bitnpu_queue *queue;

	pthread_mutex_lock(&fence->lock);
	queue = fence->queue;
	if (queue)
		bitnpu_queue_get(queue);
	pthread_mutex_unlock(&fence->lock);
	if (!queue)
		return;
	bitnpu_queue_run_job(queue, fence);
	bitnpu_queue_put(queue);
}

int bitnpu_fence_wait(struct bitnpu_fence *fence, int64_t timeout_ns, struct bitnpu_error *err)
{
	int ret;

	if (timeout_ns == BITNPU_WAIT_FOREVER)
		help(fence);
	pthread_mutex_lock(&fence->lock);
	sleep_on(fence, timeout_ns);
	if (!fence->signaled) {
		ret = bitnpu_fail(err, -ETIME, "fence: not signaled within %lld ns",
				  (long long)timeout_ns);
	} else {
		ret = fence->error.code;
		if (ret && err)
			*err = fence->error;
	}
	pthread_mutex_unlock(&fence->lock);
	return ret;
}
