/* SPDX-License-Identifier: MIT */
/* Handing jobs over to the queue of a device, several in flight. */
#ifndef BITNPU_DEVICE_QUEUE_H
#define BITNPU_DEVICE_QUEUE_H

#include "core.h"

struct bitnpu_device_queue;

/** bitnpu_device_queue_create() - a queue of the device of @ctx, which outlives it */
int bitnpu_device_queue_create(struct bitnpu_context *ctx, struct bitnpu_device_queue **queue,
			       struct bitnpu_error *err);

/**
 * bitnpu_device_queue_push() - hand a job over
 * @queue: where; used by one thread at a time
 * @job: on success the queue's, with the reference to its fence
 * @patient: whether to sleep until the device takes one more job
 * @err: why not
 *
 * Sleeps while one of the fences that @job waits for is of a job that no device has got.  Fails
 * when one of them has failed.
 *
 * Return: 0, -EBUSY when the device takes no more at present and the caller is not @patient, or another
 * negative errno, with which the job has failed.
 */
int bitnpu_device_queue_push(struct bitnpu_device_queue *queue, struct bitnpu_job *job, bool patient,
			     struct bitnpu_error *err);

/** bitnpu_device_queue_finish() - wait for all jobs to end (NULL is ignored) */
void bitnpu_device_queue_finish(struct bitnpu_device_queue *queue);

/** bitnpu_device_queue_destroy() - free @queue (NULL is ignored), in which there is no job */
void bitnpu_device_queue_destroy(struct bitnpu_device_queue *queue);

#endif /* BITNPU_DEVICE_QUEUE_H */
