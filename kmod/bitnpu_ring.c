// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings: entries out, records in (docs/hardware.md, sections 3, 4 and 8).
 */
#include <linux/dma-mapping.h>
#include <linux/regmap.h>
#include <linux/slab.h>

#include <drm/bitnpu_accel.h>
#include <drm/bitnpu_isa.h>
#include <drm/drm_drv.h>

#include "bitnpu_compat.h"
#include "bitnpu_context.h"
#include "bitnpu_device.h"
#include "bitnpu_job.h"
#include "bitnpu_perf.h"
#include "bitnpu_reset.h"
#include "bitnpu_ring.h"
#include "bitnpu_trace.h"

/* A job that was executing this often when the NPU failed may be the reason. */
#define BITNPU_MAX_ATTEMPTS	3

static u32 bitnpu_ring_read(struct bitnpu_ring *ring, unsigned int reg)
{
	unsigned int value = 0;

	regmap_read(ring->bdev->regmap, BITNPU_RING(ring->index, reg), &value);
	return value;
}

static void bitnpu_ring_set(struct bitnpu_ring *ring, unsigned int reg, u32 value)
{
	regmap_write(ring->bdev->regmap, BITNPU_RING(ring->index, reg), value);
}

static u32 bitnpu_ring_slot(const struct bitnpu_ring *ring, u32 index)
{
	return index & (BIT(ring->log2) - 1);
}

/*
 * A job that ends in error anyway still has an entry, or it would end before those of its queue
 * ahead of it.
 */
static void bitnpu_ring_write(struct bitnpu_ring *ring, u32 index, struct bitnpu_job *job)
{
	struct bitnpu_ring_entry *entry = &ring->entries[bitnpu_ring_slot(ring, index)];
	bool run = job->list_size && !job->error;
	u32 type = run ? BITNPU_ENTRY_RUN : BITNPU_ENTRY_NOP;

	job->sequence = ++ring->sequence;
	memset(entry, 0, sizeof(*entry));
	entry->control = cpu_to_le32(type | BITNPU_ENTRY_IRQ);
	entry->sequence = cpu_to_le64(job->sequence);
	if (run) {
		entry->asid = cpu_to_le32(job->ctx->vm.asid);
		entry->root = cpu_to_le64(bitnpu_vm_root(&job->ctx->vm));
		entry->list_addr = cpu_to_le64(job->list_addr);
		entry->list_size = cpu_to_le32(job->list_size);
	}
	trace_bitnpu_job_emit(ring, job);
}

static void bitnpu_ring_doorbell(struct bitnpu_ring *ring)
{
	int idx;

	if (!drm_dev_enter(&ring->bdev->drm, &idx))
		return;
	/* Entries before the tail, also where the register is no MMIO. */
	dma_wmb();
	bitnpu_ring_set(ring, BITNPU_RING_TAIL, ring->tail);
	drm_dev_exit(idx);
}

void bitnpu_ring_emit(struct bitnpu_ring *ring, struct bitnpu_job *job)
{
	unsigned long flags;

	bitnpu_job_get(job);
	spin_lock_irqsave(&ring->lock, flags);
	if (ring->closed) {
		spin_unlock_irqrestore(&ring->lock, flags);
		/* Behind those that bitnpu_rings_close() is ending. */
		mutex_lock(&ring->done_lock);
		bitnpu_job_done(job, -ENODEV);
		mutex_unlock(&ring->done_lock);
		return;
	}
	/* Under the lock: who bans cancels what it finds in flight afterwards. */
	if (READ_ONCE(job->ctx->banned) && !job->error)
		job->error = -ECANCELED;
	job->emitted = ktime_get();
	ring->inflight[bitnpu_ring_slot(ring, ring->tail)] = job;
	if (!ring->stopped)
		bitnpu_ring_write(ring, ring->tail, job);
	ring->tail++;
	if (!ring->stopped)
		bitnpu_ring_doorbell(ring);
	spin_unlock_irqrestore(&ring->lock, flags);
	bitnpu_reset_watch(ring->bdev);
}

void bitnpu_ring_kick(struct bitnpu_ring *ring)
{
	unsigned long flags;

	spin_lock_irqsave(&ring->lock, flags);
	if (!ring->stopped && !ring->closed)
		bitnpu_ring_doorbell(ring);
	spin_unlock_irqrestore(&ring->lock, flags);
}

static struct bitnpu_job *bitnpu_ring_head(struct bitnpu_ring *ring)
{
	return ring->head == ring->tail ? NULL : ring->inflight[bitnpu_ring_slot(ring, ring->head)];
}

bool bitnpu_ring_busy(struct bitnpu_ring *ring)
{
	unsigned long flags;
	bool busy;

	spin_lock_irqsave(&ring->lock, flags);
	busy = ring->head != ring->tail;
	spin_unlock_irqrestore(&ring->lock, flags);
	return busy;
}

u64 bitnpu_ring_first(struct bitnpu_ring *ring)
{
	struct bitnpu_job *job;
	unsigned long flags;
	u64 sequence;

	spin_lock_irqsave(&ring->lock, flags);
	job = bitnpu_ring_head(ring);
	sequence = job ? job->sequence : 0;
	spin_unlock_irqrestore(&ring->lock, flags);
	return sequence;
}

static struct bitnpu_job *bitnpu_ring_job(struct bitnpu_ring *ring, u32 behind)
{
	return ring->inflight[bitnpu_ring_slot(ring, ring->head + behind)];
}

/*
 * Takes a job out, which so many are ahead of; these stay, in order.  The ring's reference goes
 * to the caller.
 */
static struct bitnpu_job *bitnpu_ring_pull(struct bitnpu_ring *ring, u32 ahead)
{
	struct bitnpu_job *job;
	unsigned long flags;
	bool idle;
	u32 i;

	lockdep_assert_held(&ring->done_lock);
	spin_lock_irqsave(&ring->lock, flags);
	job = bitnpu_ring_job(ring, ahead);
	for (i = ahead; i; i--)
		ring->inflight[bitnpu_ring_slot(ring, ring->head + i)] =
			bitnpu_ring_job(ring, i - 1);
	ring->inflight[bitnpu_ring_slot(ring, ring->head++)] = NULL;
	idle = ring->head == ring->tail;
	spin_unlock_irqrestore(&ring->lock, flags);
	if (idle)
		wake_up(&ring->idle);
	return job;
}

/*
 * What is in the ring behind a job that failed runs, but its results are not to be believed.  Its
 * entries stay as they are: the NPU may have read them, and to stop the ring for it would cost
 * others more than the few jobs do.  Nor does it do harm: it reaches what its context owns, and its
 * fences wait for it.
 */
static void bitnpu_ring_cancel(struct bitnpu_ring *ring, struct bitnpu_context *ctx)
{
	struct bitnpu_job *job;
	unsigned long flags;
	u32 i;

	spin_lock_irqsave(&ring->lock, flags);
	for (i = ring->head; i != ring->tail; i++) {
		job = ring->inflight[bitnpu_ring_slot(ring, i)];
		if (job->ctx == ctx && !job->error)
			job->error = -ECANCELED;
	}
	spin_unlock_irqrestore(&ring->lock, flags);
}

static int bitnpu_ring_judge(struct bitnpu_job *job, const struct bitnpu_record *record)
{
	switch (le32_to_cpu(record->status)) {
	case BITNPU_STATUS_OK:
		return 0;
	case BITNPU_STATUS_UNMAPPED:
	case BITNPU_STATUS_READ_ONLY:
		bitnpu_job_ban(job, DRM_BITNPU_BAN_FAULT, record);
		return -EFAULT;
	case BITNPU_STATUS_LENGTH ... BITNPU_STATUS_OVERFLOW:
	case BITNPU_STATUS_OVERLAP:
		bitnpu_job_ban(job, DRM_BITNPU_BAN_LIST, record);
		return -EINVAL;
	default:
		bitnpu_job_ban(job, DRM_BITNPU_BAN_DEVICE, record);
		return -EIO;
	}
}

/* Ends a job, just pulled, by its record. */
static void bitnpu_ring_retire(struct bitnpu_ring *ring, struct bitnpu_job *job,
			       const struct bitnpu_record *record)
{
	ktime_t now = ktime_get();
	ktime_t from = ktime_after(job->emitted, ring->last_done) ? job->emitted : ring->last_done;
	int error = job->error;

	ring->last_done = now;
	if (!error) {
		error = bitnpu_ring_judge(job, record);
		if (error)
			bitnpu_ring_cancel(ring, job->ctx);
	}
	bitnpu_perf_account(job, record, ktime_to_ns(ktime_sub(now, from)));
	bitnpu_job_done(job, error);
}

/*
 * Takes the record in the slot of a job, if it is the job's: a copy, because the NPU could write
 * once more, and because coherent memory may be slow.
 */
static bool bitnpu_ring_record(struct bitnpu_ring *ring, u32 behind, struct bitnpu_record *record)
{
	struct bitnpu_job *job = bitnpu_ring_job(ring, behind);

	memcpy(record, &ring->records[bitnpu_ring_slot(ring, ring->head + behind)],
	       sizeof(*record));
	return le64_to_cpu(record->sequence) == job->sequence &&
	       record->check == bitnpu_record_check(record);
}

static unsigned int bitnpu_ring_retire_until(struct bitnpu_ring *ring, u32 head)
{
	struct bitnpu_record record;
	unsigned int done = 0;

	if (head - ring->head > READ_ONCE(ring->tail) - ring->head) {
		trace_bitnpu_corrupt(ring, head);
		bitnpu_reset_request(ring->bdev);
		return 0;
	}
	/* Records after HEAD (section 9). */
	dma_rmb();
	for (; ring->head != head; done++) {
		if (!bitnpu_ring_record(ring, 0, &record)) {
			trace_bitnpu_corrupt(ring, head);
			bitnpu_reset_request(ring->bdev);
			break;
		}
		bitnpu_ring_retire(ring, bitnpu_ring_pull(ring, 0), &record);
	}
	return done;
}

unsigned int bitnpu_ring_complete(struct bitnpu_ring *ring)
{
	unsigned int done = 0;
	int idx;

	if (!drm_dev_enter(&ring->bdev->drm, &idx))
		return 0;
	mutex_lock(&ring->done_lock);
	if (!READ_ONCE(ring->stopped) && !READ_ONCE(ring->closed))
		done = bitnpu_ring_retire_until(ring, bitnpu_ring_read(ring, BITNPU_RING_HEAD));
	mutex_unlock(&ring->done_lock);
	drm_dev_exit(idx);
	return done;
}

void bitnpu_rings_irq(struct bitnpu_device *bdev, u32 pending)
{
	bool cookie = dma_fence_begin_signalling();
	u32 i;

	for (i = 0; i < bdev->caps.rings; i++)
		if (pending & BITNPU_IRQ_RING(i))
			bitnpu_ring_complete(&bdev->rings[i]);
	if (pending & BITNPU_IRQ_ERROR)
		bitnpu_reset_request(bdev);
	dma_fence_end_signalling(cookie);
}

void bitnpu_ring_stop(struct bitnpu_ring *ring, u32 blame)
{
	u32 head, status, begun;
	unsigned long flags;

	/* A second look: its reset failed, and its registers mean nothing any more. */
	if (READ_ONCE(ring->stopped)) {
		ring->blame = blame;
		return;
	}
	mutex_lock(&ring->done_lock);
	head = bitnpu_ring_read(ring, BITNPU_RING_HEAD);
	status = bitnpu_ring_read(ring, BITNPU_RING_STATUS);
	ring->command = bitnpu_ring_read(ring, BITNPU_RING_COMMAND);
	spin_lock_irqsave(&ring->lock, flags);
	/* Completed, but with a record that is corrupt or not looked at yet. */
	begun = head - ring->head;
	if (status & (BITNPU_RING_STATUS_ACTIVE | BITNPU_RING_STATUS_ERROR))
		begun++;
	ring->begun = min(begun, ring->tail - ring->head);
	ring->blame = blame;
	ring->stopped = true;
	spin_unlock_irqrestore(&ring->lock, flags);
	mutex_unlock(&ring->done_lock);
}

/*
 * What began behind a job may have changed what the job reads: when it belongs to the same
 * context, or may have buffers in common with it.
 */
static bool bitnpu_ring_overtaken(struct bitnpu_ring *ring, u32 ahead)
{
	struct bitnpu_job *job = bitnpu_ring_job(ring, ahead);
	u32 i;

	for (i = 1; i < ring->begun; i++)
		if (bitnpu_ring_job(ring, ahead + i)->ctx == job->ctx)
			return true;
	return ring->begun > 1 && bitnpu_job_shares(job);
}

static bool bitnpu_ring_may_repeat(struct bitnpu_ring *ring, u32 ahead)
{
	struct bitnpu_job *job = bitnpu_ring_job(ring, ahead);
	bool run = job->list_size && !job->error;

	if (ring->begun == 1 && ring->blame == DRM_BITNPU_BAN_HANG)
		return false;
	if (run && !(job->flags & DRM_BITNPU_JOB_RESTARTABLE))
		return false;
	if (run && bitnpu_ring_overtaken(ring, ahead))
		return false;
	return ++job->attempts < BITNPU_MAX_ATTEMPTS;
}

/* Ends a job, just pulled, that has no record and cannot run again. */
static void bitnpu_ring_fail(struct bitnpu_ring *ring, struct bitnpu_job *job)
{
	bool last = ring->begun == 1;
	const struct bitnpu_record record = {
		.status = cpu_to_le32(BITNPU_STATUS_DEVICE),
		.index = cpu_to_le32(last ? ring->command : 0),
	};
	u32 blame = last ? ring->blame : DRM_BITNPU_BAN_DEVICE;
	int error = job->error;

	if (!error) {
		error = blame == DRM_BITNPU_BAN_HANG ? -ETIME : -EIO;
		bitnpu_job_ban(job, blame, &record);
	}
	bitnpu_job_done(job, error);
}

/* After a reset: ends the jobs that had begun, but those that run again. */
static void bitnpu_ring_settle(struct bitnpu_ring *ring)
{
	struct bitnpu_record record;
	u32 kept = 0;

	for (; ring->begun; ring->begun--) {
		if (bitnpu_ring_record(ring, kept, &record))
			bitnpu_ring_retire(ring, bitnpu_ring_pull(ring, kept), &record);
		else if (bitnpu_ring_may_repeat(ring, kept))
			trace_bitnpu_job_repeat(ring, bitnpu_ring_job(ring, kept++));
		else
			bitnpu_ring_fail(ring, bitnpu_ring_pull(ring, kept));
	}
}

/* Takes the first job of a banned context out of the jobs in flight, which stay in order. */
static struct bitnpu_job *bitnpu_ring_take_banned(struct bitnpu_ring *ring)
{
	struct bitnpu_job *job, *banned = NULL;
	unsigned long flags;
	u32 i, to;

	spin_lock_irqsave(&ring->lock, flags);
	for (i = to = ring->head; i != ring->tail; i++) {
		job = ring->inflight[bitnpu_ring_slot(ring, i)];
		if (!banned && READ_ONCE(job->ctx->banned))
			banned = job;
		else
			ring->inflight[bitnpu_ring_slot(ring, to++)] = job;
	}
	ring->tail = to;
	spin_unlock_irqrestore(&ring->lock, flags);
	return banned;
}

/* Moves what is in flight to the ring's beginning and writes it there; under both locks. */
static void bitnpu_ring_rewrite(struct bitnpu_ring *ring)
{
	struct bitnpu_job *jobs[BIT(BITNPU_RING_LOG2)];
	u32 count = ring->tail - ring->head, i;

	for (i = 0; i < count; i++)
		jobs[i] = ring->inflight[bitnpu_ring_slot(ring, ring->head + i)];
	memcpy(ring->inflight, jobs, count * sizeof(*jobs));
	ring->head = 0;
	ring->tail = count;
	for (i = 0; i < count; i++)
		bitnpu_ring_write(ring, i, ring->inflight[i]);
}

void bitnpu_ring_start(struct bitnpu_ring *ring)
{
	struct bitnpu_job *banned;
	unsigned long flags;

	mutex_lock(&ring->done_lock);
	bitnpu_ring_settle(ring);
	while ((banned = bitnpu_ring_take_banned(ring)))
		bitnpu_job_done(banned, banned->error ?: -ECANCELED);
	ring->last_done = ktime_get();

	spin_lock_irqsave(&ring->lock, flags);
	bitnpu_ring_rewrite(ring);
	bitnpu_ring_set(ring, BITNPU_RING_BASE_LO, lower_32_bits(ring->entries_dma));
	bitnpu_ring_set(ring, BITNPU_RING_BASE_HI, upper_32_bits(ring->entries_dma));
	bitnpu_ring_set(ring, BITNPU_RING_RECORDS_LO, lower_32_bits(ring->records_dma));
	bitnpu_ring_set(ring, BITNPU_RING_RECORDS_HI, upper_32_bits(ring->records_dma));
	bitnpu_ring_set(ring, BITNPU_RING_SIZE, ring->log2);
	bitnpu_ring_set(ring, BITNPU_RING_CONTROL, BITNPU_RING_CONTROL_ENABLE);
	ring->stopped = false;
	if (ring->tail)
		bitnpu_ring_doorbell(ring);
	spin_unlock_irqrestore(&ring->lock, flags);
	mutex_unlock(&ring->done_lock);
	wake_up(&ring->idle);
}

int bitnpu_rings_idle(struct bitnpu_device *bdev, unsigned int ms)
{
	unsigned long end = jiffies + msecs_to_jiffies(ms);
	struct bitnpu_ring *ring;
	long left;
	u32 i;

	for (i = 0; i < bdev->caps.rings; i++) {
		ring = &bdev->rings[i];
		left = max_t(long, end - jiffies, 0);
		if (!wait_event_timeout(ring->idle, !bitnpu_ring_busy(ring), left))
			return -EBUSY;
	}
	return 0;
}

void bitnpu_rings_suspend(struct bitnpu_device *bdev)
{
	u32 i;

	for (i = 0; i < bdev->caps.rings; i++)
		drm_sched_wqueue_stop(&bdev->rings[i].sched);
}

void bitnpu_rings_resume(struct bitnpu_device *bdev)
{
	u32 i;

	for (i = 0; i < bdev->caps.rings; i++)
		drm_sched_wqueue_start(&bdev->rings[i].sched);
}

static void bitnpu_ring_close(struct bitnpu_ring *ring)
{
	struct bitnpu_job *job;
	unsigned long flags;

	mutex_lock(&ring->done_lock);
	spin_lock_irqsave(&ring->lock, flags);
	ring->closed = true;
	spin_unlock_irqrestore(&ring->lock, flags);
	while (ring->head != ring->tail) {
		job = bitnpu_ring_pull(ring, 0);
		bitnpu_job_done(job, job->error ?: -ENODEV);
	}
	mutex_unlock(&ring->done_lock);
}

void bitnpu_rings_close(struct bitnpu_device *bdev)
{
	bool cookie = dma_fence_begin_signalling();
	u32 i;

	for (i = 0; i < bdev->caps.rings; i++)
		if (bdev->rings[i].bdev)
			bitnpu_ring_close(&bdev->rings[i]);
	dma_fence_end_signalling(cookie);
}

static void bitnpu_ring_free(struct bitnpu_ring *ring)
{
	struct device *dev = ring->bdev->drm.dev;
	size_t count = BIT(ring->log2);

	if (ring->records)
		dma_free_coherent(dev, count * sizeof(*ring->records), ring->records,
				  ring->records_dma);
	if (ring->entries)
		dma_free_coherent(dev, count * sizeof(*ring->entries), ring->entries,
				  ring->entries_dma);
	ring->records = NULL;
	ring->entries = NULL;
}

void bitnpu_rings_shutdown(struct bitnpu_device *bdev)
{
	u32 i;

	bitnpu_rings_close(bdev);
	for (i = 0; i < bdev->caps.rings; i++)
		if (bdev->rings[i].bdev)
			bitnpu_ring_free(&bdev->rings[i]);
}

void bitnpu_rings_release(struct bitnpu_device *bdev)
{
	struct bitnpu_ring *ring;
	u32 i;

	for (i = 0; i < bdev->caps.rings; i++) {
		ring = &bdev->rings[i];
		if (!ring->bdev)
			continue;
		drm_sched_fini(&ring->sched);
		kfree(ring->inflight);
		ring->bdev = NULL;
	}
}

static int bitnpu_ring_init(struct bitnpu_device *bdev, u32 index)
{
	struct bitnpu_ring *ring = &bdev->rings[index];
	struct device *dev = bdev->drm.dev;
	int ret = -ENOMEM;
	size_t count;

	ring->bdev = bdev;
	ring->index = index;
	ring->log2 = min_t(u32, bdev->caps.ring_log2, BITNPU_RING_LOG2);
	ring->stopped = true;
	ring->fence_context = dma_fence_context_alloc(1);
	mutex_init(&ring->done_lock);
	spin_lock_init(&ring->lock);
	init_waitqueue_head(&ring->idle);
	snprintf(ring->name, sizeof(ring->name), "bitnpu-ring%u", index);

	count = BIT(ring->log2);
	ring->inflight = kcalloc(count, sizeof(*ring->inflight), GFP_KERNEL);
	ring->entries = dma_alloc_coherent(dev, count * sizeof(*ring->entries),
					   &ring->entries_dma, GFP_KERNEL);
	ring->records = dma_alloc_coherent(dev, count * sizeof(*ring->records),
					   &ring->records_dma, GFP_KERNEL);
	if (!ring->inflight || !ring->entries || !ring->records)
		goto err;
	ret = bitnpu_sched_init(&ring->sched, &bitnpu_sched_ops, count, ring->name, dev);
	if (ret)
		goto err;
	bdev->scheds[index] = &ring->sched;
	return 0;

err:
	bitnpu_ring_free(ring);
	kfree(ring->inflight);
	ring->bdev = NULL;
	return ret;
}

int bitnpu_rings_init(struct bitnpu_device *bdev)
{
	int ret;
	u32 i;

	for (i = 0; i < bdev->caps.rings; i++) {
		ret = bitnpu_ring_init(bdev, i);
		if (ret)
			goto err;
	}
	return 0;

err:
	while (i--)
		bitnpu_ring_free(&bdev->rings[i]);
	bitnpu_rings_release(bdev);
	return ret;
}
