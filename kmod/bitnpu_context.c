// SPDX-License-Identifier: GPL-2.0-only
/* Contexts: what belongs to an open file. */
#include <linux/slab.h>

#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>

#include "bitnpu_context.h"
#include "bitnpu_device.h"

struct bitnpu_context *bitnpu_context_create(struct bitnpu_device *bdev)
{
	struct bitnpu_context *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);
	int ret;

	if (!ctx)
		return ERR_PTR(-ENOMEM);
	ret = bitnpu_vm_init(&ctx->vm, bdev);
	if (ret) {
		kfree(ctx);
		return ERR_PTR(ret);
	}
	kref_init(&ctx->ref);
	ctx->bdev = bdev;
	drm_dev_get(&bdev->drm);
	spin_lock_init(&ctx->lock);
	xa_init_flags(&ctx->queues, XA_FLAGS_ALLOC1);
	return ctx;
}

struct bitnpu_context *bitnpu_context_get(struct bitnpu_context *ctx)
{
	kref_get(&ctx->ref);
	return ctx;
}

static void context_release(struct kref *ref)
{
	struct bitnpu_context *ctx = container_of(ref, struct bitnpu_context, ref);
	struct drm_device *drm = &ctx->bdev->drm;

	drm_WARN_ON(drm, !xa_empty(&ctx->queues));
	xa_destroy(&ctx->queues);
	bitnpu_vm_fini(&ctx->vm);
	kfree(ctx);
	drm_dev_put(drm);
}

void bitnpu_context_put(struct bitnpu_context *ctx)
{
	kref_put(&ctx->ref, context_release);
}

void bitnpu_context_ban(struct bitnpu_context *ctx, const struct drm_bitnpu_context_info *reason)
{
	struct drm_bitnpu_context_info *info = &ctx->info;
	unsigned long flags;

	spin_lock_irqsave(&ctx->lock, flags);
	if (!ctx->banned) {
		info->ban = reason->ban;
		info->queue = reason->queue;
		info->job = reason->job;
		info->status = reason->status;
		info->index = reason->index;
		info->field = reason->field;
		info->addr = reason->addr;
		WRITE_ONCE(ctx->banned, true);
	}
	spin_unlock_irqrestore(&ctx->lock, flags);
}

/* Keys as in the kernel's Documentation/gpu/drm-usage-stats.rst. */
void bitnpu_context_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	struct bitnpu_context *ctx = file->driver_priv;
	const struct bitnpu_caps *caps = &ctx->bdev->caps;
	struct bitnpu_usage usage;
	unsigned long flags;

	spin_lock_irqsave(&ctx->lock, flags);
	usage = ctx->usage;
	spin_unlock_irqrestore(&ctx->lock, flags);

	drm_printf(p, "drm-engine-npu:\t%llu ns\n", usage.busy_ns);
	drm_printf(p, "drm-engine-capacity-npu:\t%u\n", caps->cores);
	drm_printf(p, "drm-cycles-npu:\t%llu\n", usage.cycles);
	drm_printf(p, "drm-maxfreq-npu:\t%llu Hz\n", 1000ULL * caps->clock_khz);
	drm_printf(p, "bitnpu-cycles-mac:\t%llu\n", usage.mac_cycles);
	drm_printf(p, "bitnpu-cycles-stall:\t%llu\n", usage.stall_cycles);
	drm_printf(p, "bitnpu-bytes-read:\t%llu\n", usage.bytes_read);
	drm_printf(p, "bitnpu-bytes-written:\t%llu\n", usage.bytes_written);
	drm_printf(p, "bitnpu-macs:\t%llu\n", usage.macs);
	drm_show_memory_stats(p, file);
}
