/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_RING_H__
#define __BITNPU_RING_H__

#include <linux/spinlock.h>
#include <linux/types.h>

#include <drm/gpu_scheduler.h>

struct bitnpu_device;
struct bitnpu_job;
struct bitnpu_record;
struct bitnpu_ring_entry;

/**
 * struct bitnpu_ring - a command ring and the scheduler that feeds it
 * @bdev: the device
 * @index: its number
 * @sched: lives until the DRM device is released; one credit an entry
 * @entries: 2^@log2 entries in coherent memory, @records likewise; freed when the hardware goes
 * @entries_dma: bus address of @entries, likewise @records_dma
 * @log2: size
 * @lock: protects all below; irqsave, also taken by fences' callbacks.  Held while TAIL is written, so
 *	that entries and tail go together.
 * @head: entries that have completed since the ring was enabled, as the driver has seen it
 * @tail: entries written since
 * @sequence: of the last entry ever written: never repeats, not even after a reset
 * @inflight: the job of entry i is @inflight[i & (2^@log2 - 1)]; a reference each
 * @stopped: jobs are not written to the ring but wait in @inflight's order (reset, suspend)
 * @fence_context: of the hardware fences
 * @fence_seqno: of the last one
 */
struct bitnpu_ring {
	struct bitnpu_device *bdev;
	u32 index;
	struct drm_gpu_scheduler sched;
	struct bitnpu_ring_entry *entries;
	struct bitnpu_record *records;
	dma_addr_t entries_dma, records_dma;
	u32 log2;
	spinlock_t lock;
	u32 head, tail;
	u64 sequence;
	struct bitnpu_job **inflight;
	bool stopped;
	u64 fence_context;
	u64 fence_seqno;
};

/** bitnpu_rings_init() - memory and schedulers of all rings; registers are not touched */
int bitnpu_rings_init(struct bitnpu_device *bdev);

/** bitnpu_rings_shutdown() - the hardware is going: end all jobs with ENODEV, free DMA memory */
void bitnpu_rings_shutdown(struct bitnpu_device *bdev);

/** bitnpu_rings_release() - the DRM device is going: no entity is left */
void bitnpu_rings_release(struct bitnpu_device *bdev);

/** bitnpu_ring_start() - program and enable one ring, which is disabled, and re-emit its jobs */
void bitnpu_ring_start(struct bitnpu_ring *ring);

/** bitnpu_rings_idle() - wait until no ring has a job in flight.  Return: 0, or -EBUSY after @ms */
int bitnpu_rings_idle(struct bitnpu_device *bdev, unsigned int ms);

/** bitnpu_rings_suspend() - schedulers stop feeding; bitnpu_rings_resume() lets them go on */
void bitnpu_rings_suspend(struct bitnpu_device *bdev);
void bitnpu_rings_resume(struct bitnpu_device *bdev);

/**
 * bitnpu_ring_emit() - write a job's entry and ring the doorbell
 * @ring: has room: the scheduler's credits see to it
 * @job: gets its hardware fence's number; a reference is taken until it completes
 *
 * No allocation, no sleep.
 */
void bitnpu_ring_emit(struct bitnpu_ring *ring, struct bitnpu_job *job);

/**
 * bitnpu_ring_complete() - end the jobs whose records are there
 * @ring: any ring, in the interrupt thread or a timeout handler
 *
 * A record that is corrupt leaves its job in flight and asks for a full reset.
 *
 * Return: number of jobs that ended.
 */
unsigned int bitnpu_ring_complete(struct bitnpu_ring *ring);

/** bitnpu_rings_irq() - what the interrupt thread does: @pending is IRQ_PENDING, already cleared */
void bitnpu_rings_irq(struct bitnpu_device *bdev, u32 pending);

#endif /* __BITNPU_RING_H__ */
