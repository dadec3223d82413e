/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_RING_H__
#define __BITNPU_RING_H__

#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

#include <drm/gpu_scheduler.h>

struct bitnpu_device;
struct bitnpu_job;
struct bitnpu_record;
struct bitnpu_ring_entry;

/*
 * More would only lengthen the queue that a job of high priority finds before it, and what a
 * reset repeats.
 */
#define BITNPU_RING_LOG2	6

/**
 * struct bitnpu_watch - what was seen of a ring's first job when its progress was last looked at
 * @sequence: of the job
 * @progress: PROGRESS
 * @command: COMMAND
 * @active: it was executing
 * @kicked: TAIL was written again
 * @since: nothing has changed since then
 * @began: when it was first seen executing
 */
struct bitnpu_watch {
	u64 sequence;
	u32 progress, command;
	bool active, kicked;
	ktime_t since, began;
};

/**
 * struct bitnpu_ring - a command ring and the scheduler that feeds it
 * @bdev: the device; NULL before the ring is initialized
 * @index: its number
 * @name: of the scheduler
 * @sched: lives until the DRM device is released; one credit an entry
 * @entries: 2^@log2 entries in coherent memory; freed when the hardware goes
 * @records: likewise
 * @entries_dma: bus address of @entries
 * @records_dma: of @records
 * @log2: size
 * @done_lock: held while jobs are taken off the ring and their fences signalled, so that this
 *	happens in order.  Nothing that allocates may be done inside.
 * @lock: protects what follows; irqsave, inside @done_lock.  Held while TAIL is written, so that
 *	entries and tail go together.
 * @head: entries that have completed since the ring was enabled, as the driver has seen it
 * @tail: entries given to it since
 * @sequence: of the last entry ever written: never repeats, not even after a reset, so that what
 *	a record says is of its entry or of none
 * @inflight: the job of entry i is @inflight[i & (2^@log2 - 1)]; a reference each
 * @stopped: jobs are not written to the ring but wait in @inflight (before it is started, reset)
 * @closed: jobs end with ENODEV
 * @begun: jobs, from the first in flight, that the NPU had begun when the ring was stopped for a
 *	reset
 * @blame: &enum drm_bitnpu_ban for the last of these
 * @command: that it had come to
 * @fence_context: of the hardware fences
 * @fence_seqno: of the last one; only in run_job, so without a lock
 * @last_done: when a job last completed; under @done_lock
 * @idle: woken when the last job in flight has ended
 * @watch: only in work items of bitnpu_device.reset_wq
 */
struct bitnpu_ring {
	struct bitnpu_device *bdev;
	u32 index;
	char name[24];
	struct drm_gpu_scheduler sched;
	struct bitnpu_ring_entry *entries;
	struct bitnpu_record *records;
	dma_addr_t entries_dma, records_dma;
	u32 log2;
	struct mutex done_lock; /* order of completion */
	spinlock_t lock; /* the entries */
	u32 head, tail;
	u64 sequence;
	struct bitnpu_job **inflight;
	bool stopped, closed;
	u32 begun, blame, command;
	u64 fence_context, fence_seqno;
	ktime_t last_done;
	wait_queue_head_t idle;
	struct bitnpu_watch watch;
};

/** bitnpu_rings_init() - memory and schedulers of all rings; registers are not touched */
int bitnpu_rings_init(struct bitnpu_device *bdev);

/** bitnpu_rings_close() - end all jobs with ENODEV, also those that are still to come */
void bitnpu_rings_close(struct bitnpu_device *bdev);

/** bitnpu_rings_shutdown() - the hardware is gone, and who waits for it: close, free DMA memory */
void bitnpu_rings_shutdown(struct bitnpu_device *bdev);

/** bitnpu_rings_release() - the DRM device is going, or its probe failed: no entity is left */
void bitnpu_rings_release(struct bitnpu_device *bdev);

/**
 * bitnpu_ring_start() - program and enable a ring that is disabled, and write its jobs again
 * @ring: no access of an entry that it executed is under way
 *
 * After a reset, jobs whose record is there end by it and those of banned contexts with
 * ECANCELED.  One that had begun runs again only if it may, and ends with EIO or ETIME otherwise.
 */
void bitnpu_ring_start(struct bitnpu_ring *ring);

/**
 * bitnpu_ring_stop() - the ring is about to be reset: from now on keep jobs until
 *	bitnpu_ring_start()
 * @ring: begins no entry any more
 * @blame: what its job that is executing has to do with it: %DRM_BITNPU_BAN_HANG (it hangs),
 *	%DRM_BITNPU_BAN_DEVICE (the NPU failed while it executed) or %DRM_BITNPU_BAN_RESET (nothing)
 */
void bitnpu_ring_stop(struct bitnpu_ring *ring, u32 blame);

/** bitnpu_ring_kick() - write TAIL again */
void bitnpu_ring_kick(struct bitnpu_ring *ring);

/** bitnpu_ring_busy() - Return: whether a job is in flight */
bool bitnpu_ring_busy(struct bitnpu_ring *ring);

/** bitnpu_ring_first() - Return: sequence of the first job in flight, 0 if none has been written */
u64 bitnpu_ring_first(struct bitnpu_ring *ring);

/** bitnpu_rings_idle() - wait until no ring has a job in flight.  Return: 0, or -EBUSY after @ms */
int bitnpu_rings_idle(struct bitnpu_device *bdev, unsigned int ms);

/** bitnpu_rings_suspend() - schedulers stop feeding; bitnpu_rings_resume() lets them go on */
void bitnpu_rings_suspend(struct bitnpu_device *bdev);
void bitnpu_rings_resume(struct bitnpu_device *bdev);

/**
 * bitnpu_ring_emit() - write a job's entry and ring the doorbell
 * @ring: has room: the scheduler's credits see to it
 * @job: its fence is initialized here; a reference is taken until it completes
 *
 * No allocation.  When the ring is closed the job's fence is signalled, with ENODEV.
 */
void bitnpu_ring_emit(struct bitnpu_ring *ring, struct bitnpu_job *job);

/**
 * bitnpu_ring_complete() - end the jobs whose records are there
 * @ring: any ring, in the interrupt thread or in a work item of bitnpu_device.reset_wq
 *
 * A record that is corrupt leaves its job in flight and asks for a full reset.
 *
 * Return: number of jobs that ended.
 */
unsigned int bitnpu_ring_complete(struct bitnpu_ring *ring);

/** bitnpu_rings_irq() - what the interrupt thread does: @pending is IRQ_PENDING, already cleared */
void bitnpu_rings_irq(struct bitnpu_device *bdev, u32 pending);

#endif /* __BITNPU_RING_H__ */
