// SPDX-License-Identifier: MIT
/* Fences: the end of a job, with its error, for any number of waiters. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "core.h"

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

struct bitnpu_fence *bitnpu_fence_create(struct bitnpu_queue *queue, bool has_device)
{
	struct bitnpu_fence *fence = calloc(1, sizeof(*fence));

	if (!fence)
		return NULL;
	if (pthread_mutex_init(&fence->lock, NULL))
		goto free_fence;
	if (init_monotonic_cond(&fence->changed))
		goto destroy_lock;
	bitnpu_ref_init(&fence->ref);
	fence->queue = queue;
	fence->has_device = has_device;
	fence->fd = -1;
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
	if (fence->device) {
		fence->ctx->dev->ops->fence_destroy(fence->device);
		bitnpu_context_put(fence->ctx);
	}
	if (fence->fd >= 0)
		close(fence->fd);
	pthread_cond_destroy(&fence->changed);
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
	pthread_cond_broadcast(&fence->changed);
	pthread_mutex_unlock(&fence->lock);
}

void bitnpu_fence_hand_over(struct bitnpu_fence *fence, struct bitnpu_context *ctx,
			    struct bitnpu_engine_fence *device, struct bitnpu_job *job)
{
	bitnpu_ref_get(&ctx->ref);
	pthread_mutex_lock(&fence->lock);
	fence->queue = NULL;
	fence->ctx = ctx;
	fence->device = device;
	fence->job = job;
	pthread_cond_broadcast(&fence->changed);
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

/* Caller holds fence->lock, here and below. */
static bool is_known(const struct bitnpu_fence *fence)
{
	return fence->signaled || fence->device || fence->fd >= 0;
}

bool bitnpu_fence_is_known(struct bitnpu_fence *fence)
{
	bool known;

	pthread_mutex_lock(&fence->lock);
	known = is_known(fence);
	pthread_mutex_unlock(&fence->lock);
	return known;
}

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){ ns / BITNPU_NS_PER_S, ns % BITNPU_NS_PER_S };
}

/* Sleep until the host has nothing more to do for the job, or the time is over. */
static void sleep_until_known(struct bitnpu_fence *fence, int64_t deadline_ns)
{
	const struct timespec deadline = to_timespec(deadline_ns);

	if (deadline_ns == INT64_MAX) {
		while (!is_known(fence))
			pthread_cond_wait(&fence->changed, &fence->lock);
	} else if (deadline_ns > 0) {
		while (!is_known(fence) &&
		       pthread_cond_timedwait(&fence->changed, &fence->lock, &deadline) == 0)
			;
	}
}

/* ---- fences that signal elsewhere ----------------------------------------------------------- */

/* Whether a fence that is known has ended by then. */
static bool has_ended(const struct bitnpu_fence *fence, int64_t deadline_ns)
{
	if (fence->device)
		return fence->ctx->dev->ops->fence_wait(fence->device, deadline_ns) == 0;
	return bitnpu_sync_file_wait(fence->fd, deadline_ns) == 0;
}

static int device_status(const struct bitnpu_fence *fence, struct bitnpu_error *err)
{
	int status = 0;

	if (fence->device)
		return fence->ctx->dev->ops->fence_status(fence->device, err);
	if (bitnpu_sync_file_status(fence->fd, &status) == 0 && status < 0)
		return bitnpu_fail(err, status, "imported fence: its job failed: %s",
				   strerror(-status));
	return 0;
}

/*
 * The first fence that the job waited for and that failed or is not settled, or NULL.  Since the job
 * ended well, all have ended.
 */
static struct bitnpu_fence *find_suspect(const struct bitnpu_fence *fence)
{
	for (size_t i = 0; fence->job && i < fence->job->wait_count; i++) {
		struct bitnpu_fence *wait = fence->job->wait[i];
		bool good;

		pthread_mutex_lock(&wait->lock);
		good = wait->signaled && wait->error.code == 0;
		pthread_mutex_unlock(&wait->lock);
		if (!good)
			return wait;
	}
	return NULL;
}

/*
 * The job of @fence has ended: find out how and free what it held.
 *
 * Return: NULL, or a fence to settle before, with a reference.
 */
static struct bitnpu_fence *try_settle(struct bitnpu_fence *fence)
{
	struct bitnpu_fence *suspect = NULL;
	struct bitnpu_job *job = NULL;
	struct bitnpu_error err;

	bitnpu_error_clear(&err);
	err.code = device_status(fence, &err);
	pthread_mutex_lock(&fence->lock);
	if (fence->signaled)
		goto unlock;
	if (err.code == 0)
		suspect = find_suspect(fence);
	if (suspect && !bitnpu_fence_is_signaled(suspect)) {
		bitnpu_ref_get(&suspect->ref);
		pthread_mutex_unlock(&fence->lock);
		return suspect;
	}
	fence->error = suspect ? suspect->error : err;
	fence->signaled = true;
	job = fence->job;
	fence->job = NULL;
	pthread_cond_broadcast(&fence->changed);
unlock:
	pthread_mutex_unlock(&fence->lock);
	bitnpu_job_free(job);
	return NULL;
}

/* Jobs that waited for jobs that waited: without recursion, since a chain has any length. */
static void settle(struct bitnpu_fence *fence)
{
	/* The caller's reference stays.  NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	while (!bitnpu_fence_is_signaled(fence)) {
		struct bitnpu_fence *next, *at = fence;

		bitnpu_ref_get(&at->ref);
		while ((next = try_settle(at))) {
			bitnpu_fence_destroy(at);
			at = next;
		}
		bitnpu_fence_destroy(at);
	}
}

/* ---- waiting -------------------------------------------------------------------------------- */

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

static int64_t deadline_after(int64_t timeout_ns)
{
	const int64_t now = (int64_t)bitnpu_now_ns();

	if (timeout_ns <= 0)
		return 0;
	return timeout_ns < INT64_MAX - now ? now + timeout_ns : INT64_MAX;
}

int bitnpu_fence_wait_known(struct bitnpu_fence *fence, struct bitnpu_error *err)
{
	int ret;

	help(fence);
	pthread_mutex_lock(&fence->lock);
	sleep_until_known(fence, INT64_MAX);
	ret = fence->signaled ? fence->error.code : 0;
	if (ret && err)
		*err = fence->error;
	pthread_mutex_unlock(&fence->lock);
	return ret;
}

int bitnpu_fence_wait(struct bitnpu_fence *fence, int64_t timeout_ns, struct bitnpu_error *err)
{
	const int64_t deadline = deadline_after(timeout_ns);
	bool settled;
	int ret;

	if (timeout_ns == BITNPU_WAIT_FOREVER)
		help(fence);
	pthread_mutex_lock(&fence->lock);
	sleep_until_known(fence, deadline);
	settled = fence->signaled || !is_known(fence);
	pthread_mutex_unlock(&fence->lock);
	if (!settled && has_ended(fence, deadline))
		settle(fence);

	pthread_mutex_lock(&fence->lock);
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

/* ---- fences as file descriptors -------------------------------------------------------------- */

int bitnpu_fence_import_fd(int fd, struct bitnpu_fence **out, struct bitnpu_error *err)
{
	struct bitnpu_fence *fence;
	int status;

	if (bitnpu_sync_file_status(fd, &status))
		return bitnpu_fail(err, -EINVAL, "fence import: descriptor %d is no sync_file", fd);
	fence = bitnpu_fence_create(NULL, false);
	if (!fence)
		return bitnpu_fail(err, -ENOMEM, "fence import: out of memory");
	fence->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (fence->fd < 0) {
		int ret = bitnpu_fail(err, -errno, "fence import: %s", strerror(errno));

		bitnpu_fence_destroy(fence);
		return ret;
	}
	*out = fence;
	return 0;
}

int bitnpu_fence_export_fd(struct bitnpu_fence *fence, int *fd, struct bitnpu_error *err)
{
	int copy, ret;

	if (fence->fd >= 0) {
		copy = fcntl(fence->fd, F_DUPFD_CLOEXEC, 0);
		if (copy < 0)
			return bitnpu_fail(err, -errno, "fence export: %s", strerror(errno));
		*fd = copy;
		return 0;
	}
	if (!fence->has_device)
		return bitnpu_fail(err, -ENOTSUP,
				   "fence export: the job is run by the host, not by a device");
	ret = bitnpu_fence_wait_known(fence, err);
	/* One that never reached the device has nothing to export but its error. */
	if (!fence->device)
		return ret;
	return fence->ctx->dev->ops->fence_export(fence->device, fd, err);
}
