// SPDX-License-Identifier: MIT
/* Command queues, and running a prepared list on one. */
#include "opencl.h"

#include <errno.h>
#include <stdlib.h>

int bitnpu_cl_stream_get(struct bitnpu_cl_device *dev, struct bitnpu_cl_stream **stream,
			 struct bitnpu_error *err)
{
	struct bitnpu_cl_stream *s;
	cl_int status;

	pthread_mutex_lock(&dev->stream_lock);
	s = dev->idle;
	if (s)
		dev->idle = s->next;
	pthread_mutex_unlock(&dev->stream_lock);
	if (s) {
		*stream = s;
		return 0;
	}

	s = calloc(1, sizeof(*s));
	if (!s)
		return bitnpu_fail(err, -ENOMEM, "opencl: out of memory for a queue");
	s->queue = clCreateCommandQueue(dev->context, dev->caps.id, 0, &status);
	if (!s->queue) {
		free(s);
		return bitnpu_cl_fail(err, status, "clCreateCommandQueue");
	}
	*stream = s;
	return 0;
}

static void free_stream(struct bitnpu_cl_stream *stream)
{
	clReleaseCommandQueue(stream->queue);
	free(stream);
}

void bitnpu_cl_stream_put(struct bitnpu_cl_device *dev, struct bitnpu_cl_stream *stream,
			  bool failed)
{
	if (failed) {
		/* Nothing may still run that uses what the caller is about to free. */
		clFinish(stream->queue);
		free_stream(stream);
		return;
	}
	pthread_mutex_lock(&dev->stream_lock);
	stream->next = dev->idle;
	dev->idle = stream;
	pthread_mutex_unlock(&dev->stream_lock);
}

void bitnpu_cl_streams_release(struct bitnpu_cl_device *dev)
{
	while (dev->idle) {
		struct bitnpu_cl_stream *s = dev->idle;

		dev->idle = s->next;
		free_stream(s);
	}
}

static int device_failed(struct bitnpu_error *err, const struct bitnpu_cl_launch *launch,
			 cl_int status, const char *what)
{
	int ret = bitnpu_fail(err, bitnpu_cl_status_errno(status), "opencl: command %u: %s: %s (%d)",
			      launch->index, what, bitnpu_cl_status_name(status), (int)status);

	if (err) {
		err->fault.status = BITNPU_STATUS_DEVICE;
		err->fault.index = launch->index;
	}
	return ret;
}

/* After clFinish(): an event tells of the failure of its own command. */
static int check_events(const struct bitnpu_cl_plan *plan, const cl_event *events, cl_int status,
			struct bitnpu_error *err)
{
	for (size_t i = 0; i < plan->count; i++) {
		cl_int state = CL_COMPLETE, got;

		got = clGetEventInfo(events[i], CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof(state),
				     &state, NULL);
		if (!got && state >= 0)
			continue;
		return device_failed(err, &plan->launches[i], got ? got : state, "execution");
	}
	return status ? device_failed(err, &plan->launches[0], status, "clFinish") : 0;
}

static int run(struct bitnpu_cl_stream *stream, const struct bitnpu_cl_plan *plan,
	       cl_event *events, struct bitnpu_error *err)
{
	cl_int status;
	size_t i;
	int ret;

	for (i = 0; i < plan->count; i++) {
		const struct bitnpu_cl_launch *launch = &plan->launches[i];

		status = clEnqueueNDRangeKernel(stream->queue, launch->kernel, 2, NULL,
						launch->global, launch->local, 0, NULL, &events[i]);
		if (status) {
			ret = device_failed(err, launch, status, "clEnqueueNDRangeKernel");
			goto release;
		}
	}
	status = clFinish(stream->queue);
	ret = check_events(plan, events, status, err);
release:
	while (i--)
		clReleaseEvent(events[i]);
	return ret;
}

int bitnpu_cl_execute(struct bitnpu_engine_context *ctx, const struct bitnpu_checked_list *list,
		      void *prepared, struct bitnpu_error *err)
{
	struct bitnpu_cl_device *dev = (struct bitnpu_cl_device *)ctx->dev;
	struct bitnpu_cl_plan *plan = prepared;
	struct bitnpu_cl_stream *stream;
	cl_event *events;
	int ret;

	if (!plan->count)
		return 0;
	events = calloc(plan->count, sizeof(*events));
	if (!events)
		return bitnpu_fail(err, -ENOMEM, "opencl: out of memory for %zu events", plan->count);
	ret = bitnpu_cl_stream_get(dev, &stream, err);
	if (ret)
		goto out;
	if (plan->scratch)
		pthread_mutex_lock(&plan->scratch_lock);
	ret = run(stream, plan, events, err);
	if (plan->scratch)
		pthread_mutex_unlock(&plan->scratch_lock);
	bitnpu_cl_stream_put(dev, stream, ret != 0);
out:
	free(events);
	return ret;
}
