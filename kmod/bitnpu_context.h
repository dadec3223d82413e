/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_CONTEXT_H__
#define __BITNPU_CONTEXT_H__

#include <linux/kref.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include <drm/bitnpu_accel.h>
#include <drm/drm_print.h>

#include "bitnpu_mmu.h"

struct drm_file;

/**
 * struct bitnpu_context - an open file, and what outlives it while jobs run
 * @ref: held by the file, each queue and each job
 * @bdev: holds a reference to its DRM device
 * @vm: address space
 * @queues: number -> &struct bitnpu_queue, from 1 to %DRM_BITNPU_MAX_QUEUES
 * @lock: protects @info and @usage; taken in the interrupt thread and inside ring locks
 * @info: ban and its reason, job counts
 * @usage: what its jobs used, for fdinfo
 * @pending: jobs that were created and have not ended
 * @banned: info.ban is set; read without @lock
 */
struct bitnpu_context {
	struct kref ref;
	struct bitnpu_device *bdev;
	struct bitnpu_vm vm;
	struct xarray queues;
	spinlock_t lock; /* leaf */
	struct drm_bitnpu_context_info info;
	struct bitnpu_usage {
		u64 busy_ns;
		u64 cycles, mac_cycles, stall_cycles;
		u64 bytes_read, bytes_written, macs;
	} usage;
	atomic_t pending;
	bool banned;
};

struct bitnpu_context *bitnpu_context_create(struct bitnpu_device *bdev);
struct bitnpu_context *bitnpu_context_get(struct bitnpu_context *ctx);

/** bitnpu_context_put() - may sleep */
void bitnpu_context_put(struct bitnpu_context *ctx);

/**
 * bitnpu_context_ban() - no more jobs of this context
 * @ctx: the first ban stays
 * @reason: &enum drm_bitnpu_ban, and where it happened
 *
 * Any context.  Jobs that have not begun are cancelled by who calls this, or when their turn comes.
 */
void bitnpu_context_ban(struct bitnpu_context *ctx, const struct drm_bitnpu_context_info *reason);

/** bitnpu_context_show_fdinfo() - drm-usage-stats of one file */
void bitnpu_context_show_fdinfo(struct drm_printer *p, struct drm_file *file);

#endif /* __BITNPU_CONTEXT_H__ */
