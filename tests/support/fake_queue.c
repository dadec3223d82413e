// SPDX-License-Identifier: MIT
/* Queues of the fake engine's device, whose jobs end when a test says so. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake_queue.h"
#include "libbitnpu/error.h"

#define MAX_JOBS	65536

/* A fence is the place of its job. */
struct bitnpu_engine_fence {
	size_t index;
};

struct bitnpu_engine_queue {
	struct fake_engine *fake;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct fake_device_job jobs[MAX_JOBS];
	struct bitnpu_engine_fence fences[MAX_JOBS];
	size_t count, looks, room;
	int queues, fail_submit;
} state = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

size_t fake_jobs(void)
{
	size_t count;

	pthread_mutex_lock(&state.lock);
	count = state.count;
	pthread_mutex_unlock(&state.lock);
	return count;
}

struct fake_device_job fake_job(size_t index)
{
	struct fake_device_job job;

	pthread_mutex_lock(&state.lock);
	if (index >= state.count)
		abort();
	job = state.jobs[index];
	pthread_mutex_unlock(&state.lock);
	return job;
}

void fake_wait_jobs(size_t count)
{
	pthread_mutex_lock(&state.lock);
	while (state.count < count)
		pthread_cond_wait(&state.changed, &state.lock);
	pthread_mutex_unlock(&state.lock);
}

void fake_end(size_t index, int error)
{
	pthread_mutex_lock(&state.lock);
	state.jobs[index].ended = true;
	state.jobs[index].error = error;
	pthread_cond_broadcast(&state.changed);
	pthread_mutex_unlock(&state.lock);
}

size_t fake_looks(void)
{
	size_t looks;

	pthread_mutex_lock(&state.lock);
	looks = state.looks;
	pthread_mutex_unlock(&state.lock);
	return looks;
}

void fake_fail_submit(int error)
{
	pthread_mutex_lock(&state.lock);
	state.fail_submit = error;
	pthread_mutex_unlock(&state.lock);
}

void fake_set_room(size_t jobs)
{
	pthread_mutex_lock(&state.lock);
	state.room = jobs;
	pthread_mutex_unlock(&state.lock);
}

/* Caller holds state.lock. */
static bool has_room(void)
{
	size_t running = 0;

	for (size_t i = 0; state.room && i < state.count; i++)
		running += !state.jobs[i].ended;
	return !state.room || running < state.room;
}

int fake_reset(void)
{
	int left;

	pthread_mutex_lock(&state.lock);
	left = state.queues;
	for (size_t i = 0; i < state.count; i++)
		left += state.jobs[i].fences;
	memset(state.jobs, 0, state.count * sizeof(state.jobs[0]));
	state.count = 0;
	state.looks = 0;
	state.room = 0;
	state.queues = 0;
	state.fail_submit = 0;
	pthread_mutex_unlock(&state.lock);
	return left;
}

int fake_queue_create(struct bitnpu_engine_context *ctx, struct bitnpu_engine_queue **out,
		      struct bitnpu_error *err)
{
	struct bitnpu_engine_queue *queue;

	if (fake_of(ctx)->fail_queue)
		return bitnpu_fail(err, fake_of(ctx)->fail_queue, "fake: no queue");
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		abort();
	queue->fake = fake_of(ctx);
	pthread_mutex_lock(&state.lock);
	state.queues++;
	pthread_mutex_unlock(&state.lock);
	*out = queue;
	return 0;
}

void fake_queue_destroy(struct bitnpu_engine_queue *queue)
{
	pthread_mutex_lock(&state.lock);
	state.queues--;
	pthread_mutex_unlock(&state.lock);
	free(queue);
}

int fake_queue_submit(struct bitnpu_engine_queue *queue, void *prepared,
		      const struct bitnpu_engine_wait *waits, size_t wait_count,
		      struct bitnpu_engine_fence **fence, struct bitnpu_error *err)
{
	struct fake_device_job *job;
	int ret;

	pthread_mutex_lock(&state.lock);
	ret = state.fail_submit ?: has_room() ? 0 : -EBUSY;
	if (ret) {
		pthread_mutex_unlock(&state.lock);
		return bitnpu_fail(err, ret, "fake: no submission");
	}
	if (state.count == MAX_JOBS || (prepared && prepared != queue->fake))
		abort();
	job = &state.jobs[state.count];
	job->prepared = prepared;
	job->wait_count = wait_count;
	for (size_t i = wait_count; i-- > 0;) {
		if (waits[i].fence)
			job->first_wait = waits[i].fence->index;
		else if (fcntl(waits[i].fd, F_GETFD) < 0)
			abort();
		else
			job->foreign_waits++;
	}
	job->fences = 1;
	state.fences[state.count].index = state.count;
	*fence = &state.fences[state.count++];
	pthread_cond_broadcast(&state.changed);
	pthread_mutex_unlock(&state.lock);
	return 0;
}

int fake_fence_wait(struct bitnpu_engine_fence *fence, int64_t deadline_ns)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	struct timespec now;
	bool ended;

	pthread_mutex_lock(&state.lock);
	state.looks++;
	while (deadline_ns == INT64_MAX && !state.jobs[fence->index].ended)
		pthread_cond_wait(&state.changed, &state.lock);
	ended = state.jobs[fence->index].ended;
	pthread_mutex_unlock(&state.lock);
	if (ended)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec * 1000000000LL + now.tv_nsec >= deadline_ns)
		return -ETIME;
	nanosleep(&pause, NULL);
	return fake_fence_wait(fence, deadline_ns);
}

int fake_fence_status(struct bitnpu_engine_fence *fence, struct bitnpu_error *err)
{
	const struct fake_device_job job = fake_job(fence->index);

	if (!job.ended)
		abort();
	return job.error ? bitnpu_fail(err, job.error, "fake: job %zu failed", fence->index) : 0;
}

int fake_fence_export(struct bitnpu_engine_fence *fence, int *fd, struct bitnpu_error *err)
{
	*fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return *fd < 0 ? bitnpu_fail(err, -errno, "fake: no descriptor") : 0;
}

void fake_fence_destroy(struct bitnpu_engine_fence *fence)
{
	pthread_mutex_lock(&state.lock);
	state.jobs[fence->index].fences--;
	pthread_mutex_unlock(&state.lock);
}
