/* SPDX-License-Identifier: MIT */
/* Queues of the fake engine's device, whose jobs end when a test says so. */
#ifndef TEST_FAKE_QUEUE_H
#define TEST_FAKE_QUEUE_H

#include "fake_engine.h"

/**
 * struct fake_device_job - a job that the device has got
 * @prepared: the list's, NULL for an empty one
 * @wait_count: what it waits for
 * @foreign_waits: of these, those that came as file descriptors
 * @first_wait: index of the job that the first of the others is of
 * @ended: as said by fake_end()
 * @error: likewise
 * @fences: 1 until fence_destroy
 */
struct fake_device_job {
	void *prepared;
	size_t wait_count, foreign_waits, first_wait;
	bool ended;
	int error, fences;
};

/** fake_jobs() - Return: jobs that all devices have got since fake_reset() */
size_t fake_jobs(void);
/** fake_job() - Return: job @index, counted from 0 in order of submission; of any queue and device */
struct fake_device_job fake_job(size_t index);
/** fake_wait_jobs() - wait until the devices have got @count jobs */
void fake_wait_jobs(size_t count);
/** fake_end() - job @index has ended with @error or well (0) */
void fake_end(size_t index, int error);
/** fake_looks() - Return: how often the core has asked whether a job had ended */
size_t fake_looks(void);
/** fake_fail_submit() - what submit returns from now on */
void fake_fail_submit(int error);
/** fake_set_room() - take no more jobs while so many have not ended; 0, as at first, is no limit */
void fake_set_room(size_t jobs);
/** fake_reset() - forget all; Return: queues and fences that had not been destroyed */
int fake_reset(void);

struct fake_engine *fake_of(struct bitnpu_engine_context *ctx);

int fake_queue_create(struct bitnpu_engine_context *ctx, struct bitnpu_engine_queue **queue,
		      struct bitnpu_error *err);
void fake_queue_destroy(struct bitnpu_engine_queue *queue);
int fake_queue_submit(struct bitnpu_engine_queue *queue, void *prepared,
		      const struct bitnpu_engine_wait *waits, size_t wait_count,
		      struct bitnpu_engine_fence **fence, struct bitnpu_error *err);
int fake_fence_wait(struct bitnpu_engine_fence *fence, int64_t deadline_ns);
int fake_fence_status(struct bitnpu_engine_fence *fence, struct bitnpu_error *err);
int fake_fence_export(struct bitnpu_engine_fence *fence, int *fd, struct bitnpu_error *err);
void fake_fence_destroy(struct bitnpu_engine_fence *fence);

#endif /* TEST_FAKE_QUEUE_H */
