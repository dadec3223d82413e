// SPDX-License-Identifier: GPL-2.0-only
/*
 * Counters: the device's, and what of them a context used.
 */
#include <linux/pm_runtime.h>
#include <linux/regmap.h>

#include <drm/bitnpu_accel.h>
#include <drm/drm_drv.h>

#include "bitnpu_context.h"
#include "bitnpu_device.h"
#include "bitnpu_job.h"
#include "bitnpu_perf.h"

static u64 bitnpu_perf_read(struct bitnpu_device *bdev, unsigned int reg)
{
	unsigned int low = 0, high = 0;

	lockdep_assert_held(&bdev->perf_lock);
	regmap_read(bdev->regmap, reg, &low);
	regmap_read(bdev->regmap, reg + 4, &high);
	return (u64)high << 32 | low;
}

static void bitnpu_perf_read_all(struct bitnpu_device *bdev, struct drm_bitnpu_counters *counters)
{
	unsigned int bytes = 0;

	mutex_lock(&bdev->perf_lock);
	counters->cycles_busy = bitnpu_perf_read(bdev, BITNPU_COUNTER_CYCLES_BUSY);
	counters->cycles_mac = bitnpu_perf_read(bdev, BITNPU_COUNTER_CYCLES_MAC);
	counters->cycles_dma = bitnpu_perf_read(bdev, BITNPU_COUNTER_CYCLES_DMA);
	counters->cycles_stall = bitnpu_perf_read(bdev, BITNPU_COUNTER_CYCLES_STALL);
	counters->bytes_read = bitnpu_perf_read(bdev, BITNPU_COUNTER_BYTES_READ);
	counters->bytes_written = bitnpu_perf_read(bdev, BITNPU_COUNTER_BYTES_WRITTEN);
	counters->macs = bitnpu_perf_read(bdev, BITNPU_COUNTER_MACS);
	counters->commands = bitnpu_perf_read(bdev, BITNPU_COUNTER_COMMANDS);
	counters->entries = bitnpu_perf_read(bdev, BITNPU_COUNTER_ENTRIES);
	counters->tlb_misses = bitnpu_perf_read(bdev, BITNPU_COUNTER_TLB_MISSES);
	regmap_read(bdev->regmap, BITNPU_SRAM_HIGH_WATER, &bytes);
	counters->sram_high_water = bytes;
	mutex_unlock(&bdev->perf_lock);
}

int bitnpu_perf_counters(struct bitnpu_device *bdev, struct drm_bitnpu_counters *counters)
{
	struct device *dev = bdev->drm.dev;
	int idx, ret = -ENODEV;

	if (READ_ONCE(bdev->dead) || !drm_dev_enter(&bdev->drm, &idx))
		return -ENODEV;
	if (pm_runtime_resume_and_get(dev) >= 0) {
		bitnpu_perf_read_all(bdev, counters);
		pm_runtime_mark_last_busy(dev);
		pm_runtime_put_autosuspend(dev);
		ret = 0;
	}
	drm_dev_exit(idx);
	return ret;
}

void bitnpu_perf_account(struct bitnpu_job *job, const struct bitnpu_record *record, u64 busy_ns)
{
	struct bitnpu_context *ctx = job->ctx;
	struct bitnpu_usage *usage = &ctx->usage;
	unsigned long flags;

	spin_lock_irqsave(&ctx->lock, flags);
	usage->busy_ns += busy_ns;
	usage->cycles += le64_to_cpu(record->cycles);
	usage->mac_cycles += le64_to_cpu(record->mac_cycles);
	usage->stall_cycles += le64_to_cpu(record->stall_cycles);
	usage->bytes_read += le64_to_cpu(record->bytes_read);
	usage->bytes_written += le64_to_cpu(record->bytes_written);
	usage->macs += le64_to_cpu(record->macs);
	spin_unlock_irqrestore(&ctx->lock, flags);
}
