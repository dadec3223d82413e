// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs without progress, and recovery (docs/hardware.md, section 8).
 *
 * While jobs are in flight a work item looks at every ring several times within the timeout.  All
 * recovery is done in work items of one ordered workqueue, so that no two run at once.  Jobs stay
 * with their ring across a reset, and so do their fences: bitnpu_ring_start() decides what
 * becomes of each.
 */
#include <linux/bitfield.h>
#include <linux/interrupt.h>
#include <linux/iopoll.h>
#include <linux/pm_runtime.h>
#include <linux/regmap.h>

#include <drm/bitnpu_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_managed.h>
#include <drm/drm_print.h>

#include "bitnpu_device.h"
#include "bitnpu_drv.h"
#include "bitnpu_dump.h"
#include "bitnpu_reset.h"
#include "bitnpu_trace.h"

/* Looks at a ring within a timeout: a job is ended between one timeout and 1 + 1 / LOOKS of it. */
#define BITNPU_WATCH_LOOKS	4
#define BITNPU_MIN_TIMEOUT_MS	20
#define BITNPU_MAX_GRACE_MS	1000

static unsigned int bitnpu_reset_timeout_ms(void)
{
	return max(READ_ONCE(bitnpu_timeout_ms), BITNPU_MIN_TIMEOUT_MS);
}

void bitnpu_reset_watch(struct bitnpu_device *bdev)
{
	unsigned int ms = bitnpu_reset_timeout_ms() / BITNPU_WATCH_LOOKS;

	queue_delayed_work(bdev->reset_wq, &bdev->watch_work, msecs_to_jiffies(ms));
}

void bitnpu_reset_request(struct bitnpu_device *bdev)
{
	queue_work(bdev->reset_wq, &bdev->reset_work);
}

static u32 bitnpu_reset_read(struct bitnpu_device *bdev, unsigned int reg)
{
	unsigned int value = 0;

	regmap_read(bdev->regmap, reg, &value);
	return value;
}

static u32 bitnpu_ring_status(struct bitnpu_ring *ring)
{
	return bitnpu_reset_read(ring->bdev, BITNPU_RING(ring->index, BITNPU_RING_STATUS));
}

void bitnpu_reset_give_up(struct bitnpu_device *bdev)
{
	if (!bdev->dead) {
		drm_err(&bdev->drm, "no reset helps: device given up\n");
		WRITE_ONCE(bdev->dead, true);
		/* As jobs end, their memory goes to others. */
		bitnpu_device_isolate(bdev);
	}
	bitnpu_rings_close(bdev);
}

static bool bitnpu_reset_active(struct bitnpu_device *bdev, struct bitnpu_ring *but)
{
	u32 i;

	for (i = 0; i < bdev->caps.rings; i++)
		if (&bdev->rings[i] != but &&
		    bitnpu_ring_status(&bdev->rings[i]) & BITNPU_RING_STATUS_ACTIVE)
			return true;
	return false;
}

/* Step 6: entries that execute on other rings can come to their end. */
static void bitnpu_reset_grace(struct bitnpu_device *bdev, struct bitnpu_ring *hung)
{
	u64 us = min(bitnpu_reset_timeout_ms() / BITNPU_WATCH_LOOKS, BITNPU_MAX_GRACE_MS) *
		 USEC_PER_MSEC;
	bool active;

	regmap_write(bdev->regmap, BITNPU_CONTROL, 0);
	read_poll_timeout(bitnpu_reset_active, active, !active, USEC_PER_MSEC, us, false, bdev,
			  hung);
}

static u32 bitnpu_reset_blame(struct bitnpu_ring *ring, struct bitnpu_ring *hung)
{
	u32 head;

	bitnpu_ring_complete(ring);
	if (ring == hung && bitnpu_ring_first(ring) == ring->watch.sequence)
		return DRM_BITNPU_BAN_HANG;
	if (bitnpu_ring_status(ring) & BITNPU_RING_STATUS_ERROR)
		return DRM_BITNPU_BAN_DEVICE;
	/* What has completed and is still in flight has a record that is corrupt. */
	head = bitnpu_reset_read(ring->bdev, BITNPU_RING(ring->index, BITNPU_RING_HEAD));
	return head == READ_ONCE(ring->head) ? DRM_BITNPU_BAN_RESET : DRM_BITNPU_BAN_DEVICE;
}

static void bitnpu_reset_full(struct bitnpu_device *bdev, struct bitnpu_ring *hung)
{
	struct bitnpu_ring *ring;
	int ret;
	u32 i;

	bitnpu_reset_grace(bdev, hung);
	bitnpu_device_quiesce(bdev);
	for (i = 0; i < bdev->caps.rings; i++) {
		ring = &bdev->rings[i];
		bitnpu_ring_stop(ring, bitnpu_reset_blame(ring, hung));
	}
	/* Whatever asked for this so far has it now. */
	cancel_work(&bdev->reset_work);
	/* Before jobs end by it: who asks then finds it counted. */
	atomic_inc(&bdev->resets);
	ret = bitnpu_device_start(bdev);
	trace_bitnpu_reset(bdev, -1, ret);
	if (ret)
		bitnpu_reset_give_up(bdev);
	else
		drm_warn(&bdev->drm, "reset the device\n");
}

/* Steps 3 to 5 */
static int bitnpu_reset_ring(struct bitnpu_ring *ring)
{
	unsigned int reg = BITNPU_RING(ring->index, BITNPU_RING_CONTROL);
	struct bitnpu_device *bdev = ring->bdev;
	u32 control;
	int ret;

	/* No other entry begins between looking at the first and the reset. */
	regmap_write(bdev->regmap, reg, 0);
	bitnpu_ring_stop(ring, bitnpu_reset_blame(ring, ring));
	regmap_write(bdev->regmap, reg, BITNPU_RING_CONTROL_RESET);
	ret = regmap_read_poll_timeout(bdev->regmap, reg, control,
				       !(control & BITNPU_RING_CONTROL_RESET),
				       100, BITNPU_RESET_TIMEOUT_US);
	trace_bitnpu_reset(bdev, ring->index, ret);
	if (ret)
		return ret;
	atomic_inc(&bdev->resets);
	bitnpu_ring_start(ring);
	drm_warn(&bdev->drm, "reset ring %u: job without progress\n", ring->index);
	return 0;
}

enum bitnpu_verdict {
	BITNPU_FINE,
	BITNPU_HUNG,
	BITNPU_LOST,
};

static bool bitnpu_watch_expired(ktime_t since, ktime_t now, unsigned int ms)
{
	return ktime_ms_delta(now, since) >= ms;
}

static enum bitnpu_verdict bitnpu_watch_active(struct bitnpu_ring *ring, u32 progress, u32 command,
					       ktime_t now)
{
	unsigned int limit = READ_ONCE(bitnpu_job_limit_ms);
	struct bitnpu_watch *watch = &ring->watch;

	if (!watch->active) {
		watch->active = true;
		watch->began = now;
		watch->since = now;
	}
	if (progress != watch->progress || command != watch->command)
		watch->since = now;
	watch->progress = progress;
	watch->command = command;
	if (limit && bitnpu_watch_expired(watch->began, now, limit))
		return BITNPU_HUNG;
	return bitnpu_watch_expired(watch->since, now, bitnpu_reset_timeout_ms()) ?
	       BITNPU_HUNG : BITNPU_FINE;
}

/* It has work and does not execute: innocent while others hold all cores. */
static enum bitnpu_verdict bitnpu_watch_waiting(struct bitnpu_ring *ring, bool core, ktime_t now)
{
	struct bitnpu_watch *watch = &ring->watch;

	if (watch->active || !core) {
		watch->active = false;
		watch->since = now;
	}
	if (!bitnpu_watch_expired(watch->since, now, bitnpu_reset_timeout_ms() / 2))
		return BITNPU_FINE;
	if (watch->kicked)
		return BITNPU_LOST;
	trace_bitnpu_lost_doorbell(ring, 0);
	watch->kicked = true;
	watch->since = now;
	bitnpu_ring_kick(ring);
	return BITNPU_FINE;
}

static void bitnpu_watch_lost_irq(struct bitnpu_ring *ring, unsigned int done)
{
	atomic_inc(&ring->bdev->lost_irqs);
	trace_bitnpu_lost_irq(ring, done);
	dev_warn_ratelimited(ring->bdev->drm.dev, "ring %u: lost interrupt of a completed job\n",
			     ring->index);
}

static enum bitnpu_verdict bitnpu_watch_ring(struct bitnpu_ring *ring, bool core)
{
	u64 first = bitnpu_ring_first(ring);
	u32 status, progress, command;
	ktime_t now = ktime_get();
	unsigned int done;

	if (!first)
		return BITNPU_FINE;
	status = bitnpu_ring_status(ring);
	progress = bitnpu_reset_read(ring->bdev, BITNPU_RING(ring->index, BITNPU_RING_PROGRESS));
	command = bitnpu_reset_read(ring->bdev, BITNPU_RING(ring->index, BITNPU_RING_COMMAND));
	if (status & BITNPU_RING_STATUS_ERROR)
		return BITNPU_LOST;
	if (ring->watch.sequence != first) {
		ring->watch = (struct bitnpu_watch){
			.sequence = first, .progress = progress, .command = command,
			.active = status & BITNPU_RING_STATUS_ACTIVE, .since = now, .began = now,
		};
		return BITNPU_FINE;
	}
	/* An interrupt that is just being handled is not lost. */
	synchronize_irq(ring->bdev->irq);
	done = bitnpu_ring_complete(ring);
	if (done) {
		bitnpu_watch_lost_irq(ring, done);
		return BITNPU_FINE;
	}
	if (status & BITNPU_RING_STATUS_ACTIVE)
		return bitnpu_watch_active(ring, progress, command, now);
	return bitnpu_watch_waiting(ring, core, now);
}

static void bitnpu_watch_device(struct bitnpu_device *bdev)
{
	struct bitnpu_ring *ring;
	u32 i, active = 0;
	bool core;

	for (i = 0; i < bdev->caps.rings; i++)
		active += !!(bitnpu_ring_status(&bdev->rings[i]) & BITNPU_RING_STATUS_ACTIVE);
	core = active < bdev->caps.cores;

	for (i = 0; i < bdev->caps.rings; i++) {
		ring = &bdev->rings[i];
		switch (bitnpu_watch_ring(ring, core)) {
		case BITNPU_FINE:
			break;
		case BITNPU_HUNG:
			bitnpu_dump(bdev, ring, "job without progress");
			if (!bitnpu_reset_ring(ring))
				break;
			drm_warn(&bdev->drm, "ring %u cannot be reset\n", ring->index);
			bitnpu_reset_full(bdev, ring);
			return;
		case BITNPU_LOST:
			bitnpu_dump(bdev, ring, "ring does not execute");
			bitnpu_reset_full(bdev, NULL);
			return;
		}
	}
}

/*
 * Registers may be accessed: the device is there, powered, and stays so until
 * bitnpu_reset_leave().
 */
static bool bitnpu_reset_enter(struct bitnpu_device *bdev, int *idx)
{
	if (READ_ONCE(bdev->dead) || !drm_dev_enter(&bdev->drm, idx))
		return false;
	/*
	 * Without power there are no jobs: each holds a reference, and system suspend waits for
	 * them.
	 */
	if (!IS_ENABLED(CONFIG_PM) || pm_runtime_get_if_active(bdev->drm.dev) > 0)
		return true;
	drm_dev_exit(*idx);
	return false;
}

static void bitnpu_reset_leave(struct bitnpu_device *bdev, int idx)
{
	pm_runtime_put_autosuspend(bdev->drm.dev);
	drm_dev_exit(idx);
}

static void bitnpu_reset_watch_work(struct work_struct *work)
{
	struct bitnpu_device *bdev = container_of(to_delayed_work(work), struct bitnpu_device,
						  watch_work);
	bool cookie, busy = false;
	int idx;
	u32 i;

	if (!bitnpu_reset_enter(bdev, &idx))
		return;
	cookie = dma_fence_begin_signalling();
	bitnpu_watch_device(bdev);
	for (i = 0; i < bdev->caps.rings; i++)
		busy |= bitnpu_ring_busy(&bdev->rings[i]);
	dma_fence_end_signalling(cookie);
	if (busy)
		bitnpu_reset_watch(bdev);
	bitnpu_reset_leave(bdev, idx);
}

static void bitnpu_reset_work(struct work_struct *work)
{
	struct bitnpu_device *bdev = container_of(work, struct bitnpu_device, reset_work);
	bool cookie;
	u32 error;
	int idx;

	if (!bitnpu_reset_enter(bdev, &idx))
		return;
	cookie = dma_fence_begin_signalling();
	error = bitnpu_reset_read(bdev, BITNPU_ERROR);
	if (error)
		drm_warn(&bdev->drm, "device error %u, ring %u\n",
			 (u32)FIELD_GET(BITNPU_ERROR_KIND, error),
			 (u32)FIELD_GET(BITNPU_ERROR_RING, error));
	else
		drm_warn(&bdev->drm, "a completion record or HEAD is corrupt\n");
	bitnpu_dump(bdev, NULL, "device error");
	bitnpu_reset_full(bdev, NULL);
	dma_fence_end_signalling(cookie);
	bitnpu_reset_leave(bdev, idx);
}

static void bitnpu_reset_fini(struct drm_device *drm, void *data)
{
	destroy_workqueue(to_bitnpu_device(drm)->reset_wq);
}

int bitnpu_reset_init(struct bitnpu_device *bdev)
{
	INIT_WORK(&bdev->reset_work, bitnpu_reset_work);
	INIT_DELAYED_WORK(&bdev->watch_work, bitnpu_reset_watch_work);
	bdev->reset_wq = alloc_ordered_workqueue("bitnpu-reset", WQ_MEM_RECLAIM);
	if (!bdev->reset_wq)
		return -ENOMEM;
	return drmm_add_action_or_reset(&bdev->drm, bitnpu_reset_fini, NULL) ?:
	       bitnpu_dump_init(bdev);
}

void bitnpu_reset_flush(struct bitnpu_device *bdev)
{
	cancel_delayed_work_sync(&bdev->watch_work);
	flush_work(&bdev->reset_work);
}

void bitnpu_reset_shutdown(struct bitnpu_device *bdev)
{
	disable_delayed_work_sync(&bdev->watch_work);
	disable_work_sync(&bdev->reset_work);
	bitnpu_dump_shutdown(bdev);
}
