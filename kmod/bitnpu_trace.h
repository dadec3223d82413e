/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bitnpu

#if !defined(__BITNPU_TRACE_H__) || defined(TRACE_HEADER_MULTI_READ)
#define __BITNPU_TRACE_H__

#include <linux/tracepoint.h>

#include "bitnpu_context.h"
#include "bitnpu_device.h"
#include "bitnpu_job.h"
#include "bitnpu_ring.h"

/*
 * A context is told by its ASID, a job by that, its queue and its number, an entry by its
 * sequence.
 */
DECLARE_EVENT_CLASS(bitnpu_entry,
		    TP_PROTO(const struct bitnpu_ring *ring, const struct bitnpu_job *job),
		    TP_ARGS(ring, job),
		    TP_STRUCT__entry(__string(dev, dev_name(ring->bdev->drm.dev))
				     __field(u32, ring)
				     __field(u64, sequence)
				     __field(u32, asid)
				     __field(u32, queue)
				     __field(u64, number)
				     __field(u64, list_addr)
				     __field(u32, list_size)
				     __field(int, error)
				    ),
		    TP_fast_assign(__assign_str(dev);
				   __entry->ring = ring->index;
				   __entry->sequence = job->sequence;
				   __entry->asid = job->ctx->vm.asid;
				   __entry->queue = job->queue->number;
				   __entry->number = job->number;
				   __entry->list_addr = job->list_addr;
				   __entry->list_size = job->list_size;
				   __entry->error = job->error;
				  ),
		    TP_printk("dev=%s ring=%u sequence=%llu asid=%u queue=%u job=%llu list=%#llx+%u error=%d",
			      __get_str(dev), __entry->ring, __entry->sequence, __entry->asid,
			      __entry->queue, __entry->number, __entry->list_addr,
			      __entry->list_size, __entry->error)
);

/* Written to the ring, with the error that it will end with if that is known */
DEFINE_EVENT(bitnpu_entry, bitnpu_job_emit,
	     TP_PROTO(const struct bitnpu_ring *ring, const struct bitnpu_job *job),
	     TP_ARGS(ring, job)
);

/* Was executing when the NPU was reset, and will again */
DEFINE_EVENT(bitnpu_entry, bitnpu_job_repeat,
	     TP_PROTO(const struct bitnpu_ring *ring, const struct bitnpu_job *job),
	     TP_ARGS(ring, job)
);

TRACE_EVENT(bitnpu_job_submit,
	    TP_PROTO(const struct bitnpu_job *job),
	    TP_ARGS(job),
	    TP_STRUCT__entry(__string(dev, dev_name(job->ctx->bdev->drm.dev))
			     __field(u32, asid)
			     __field(u32, queue)
			     __field(u64, number)
			     __field(u32, buffers)
			    ),
	    TP_fast_assign(__assign_str(dev);
			   __entry->asid = job->ctx->vm.asid;
			   __entry->queue = job->queue->number;
			   __entry->number = job->number;
			   __entry->buffers = job->mapping_count;
			  ),
	    TP_printk("dev=%s asid=%u queue=%u job=%llu buffers=%u",
		      __get_str(dev), __entry->asid, __entry->queue, __entry->number,
		      __entry->buffers)
);

TRACE_EVENT(bitnpu_job_done,
	    TP_PROTO(const struct bitnpu_job *job, int error),
	    TP_ARGS(job, error),
	    TP_STRUCT__entry(__string(dev, dev_name(job->ctx->bdev->drm.dev))
			     __field(u64, sequence)
			     __field(u32, asid)
			     __field(u32, queue)
			     __field(u64, number)
			     __field(int, error)
			    ),
	    TP_fast_assign(__assign_str(dev);
			   __entry->sequence = job->sequence;
			   __entry->asid = job->ctx->vm.asid;
			   __entry->queue = job->queue->number;
			   __entry->number = job->number;
			   __entry->error = error;
			  ),
	    TP_printk("dev=%s sequence=%llu asid=%u queue=%u job=%llu error=%d",
		      __get_str(dev), __entry->sequence, __entry->asid, __entry->queue,
		      __entry->number, __entry->error)
);

TRACE_EVENT(bitnpu_job_ban,
	    TP_PROTO(const struct bitnpu_job *job, const struct drm_bitnpu_context_info *info),
	    TP_ARGS(job, info),
	    TP_STRUCT__entry(__string(dev, dev_name(job->ctx->bdev->drm.dev))
			     __field(u32, asid)
			     __field(u32, queue)
			     __field(u64, number)
			     __field(u32, ban)
			     __field(u32, status)
			     __field(u32, index)
			     __field(u64, addr)
			    ),
	    TP_fast_assign(__assign_str(dev);
			   __entry->asid = job->ctx->vm.asid;
			   __entry->queue = info->queue;
			   __entry->number = info->job;
			   __entry->ban = info->ban;
			   __entry->status = info->status;
			   __entry->index = info->index;
			   __entry->addr = info->addr;
			  ),
	    TP_printk("dev=%s asid=%u queue=%u job=%llu ban=%u status=%u index=%u addr=%#llx",
		      __get_str(dev), __entry->asid, __entry->queue, __entry->number, __entry->ban,
		      __entry->status, __entry->index, __entry->addr)
);

DECLARE_EVENT_CLASS(bitnpu_ring_event,
		    TP_PROTO(const struct bitnpu_ring *ring, u32 value),
		    TP_ARGS(ring, value),
		    TP_STRUCT__entry(__string(dev, dev_name(ring->bdev->drm.dev))
				     __field(u32, ring)
				     __field(u32, head)
				     __field(u32, tail)
				     __field(u32, value)
				    ),
		    TP_fast_assign(__assign_str(dev);
				   __entry->ring = ring->index;
				   __entry->head = ring->head;
				   __entry->tail = ring->tail;
				   __entry->value = value;
				  ),
		    TP_printk("dev=%s ring=%u head=%u tail=%u value=%u",
			      __get_str(dev), __entry->ring, __entry->head, __entry->tail,
			      __entry->value)
);

/* HEAD, which is the value, or the record of the first job makes no sense */
DEFINE_EVENT(bitnpu_ring_event, bitnpu_corrupt,
	     TP_PROTO(const struct bitnpu_ring *ring, u32 value),
	     TP_ARGS(ring, value)
);

/* So many jobs had completed without an interrupt */
DEFINE_EVENT(bitnpu_ring_event, bitnpu_lost_irq,
	     TP_PROTO(const struct bitnpu_ring *ring, u32 value),
	     TP_ARGS(ring, value)
);

/* The ring did not see its doorbell */
DEFINE_EVENT(bitnpu_ring_event, bitnpu_lost_doorbell,
	     TP_PROTO(const struct bitnpu_ring *ring, u32 value),
	     TP_ARGS(ring, value)
);

TRACE_EVENT(bitnpu_reset,
	    TP_PROTO(const struct bitnpu_device *bdev, int ring, int error),
	    TP_ARGS(bdev, ring, error),
	    TP_STRUCT__entry(__string(dev, dev_name(bdev->drm.dev))
			     __field(int, ring)
			     __field(int, error)
			    ),
	    TP_fast_assign(__assign_str(dev);
			   __entry->ring = ring;
			   __entry->error = error;
			  ),
	    /* Ring -1: the whole NPU */
	    TP_printk("dev=%s ring=%d error=%d",
		      __get_str(dev), __entry->ring, __entry->error)
);

#endif /* __BITNPU_TRACE_H__ */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE bitnpu_trace
#include <trace/define_trace.h>
