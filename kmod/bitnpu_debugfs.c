// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs, under accel/N: "state" has registers and rings, "contexts" open files and their
 * address spaces.
 */
#include <linux/pm_runtime.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <drm/drm_debugfs.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>

#include "bitnpu_context.h"
#include "bitnpu_device.h"
#include "bitnpu_perf.h"
#include "bitnpu_state.h"

static struct drm_device *bitnpu_debugfs_device(struct seq_file *m)
{
	struct drm_debugfs_entry *entry = m->private;

	return entry->dev;
}

static int bitnpu_debugfs_state(struct seq_file *m, void *unused)
{
	struct drm_device *drm = bitnpu_debugfs_device(m);
	struct bitnpu_device *bdev = to_bitnpu_device(drm);
	struct drm_printer p = drm_seq_file_printer(m);
	struct bitnpu_state *state;
	bool powered;
	int idx;

	state = kvzalloc(sizeof(*state), GFP_KERNEL);
	if (!state)
		return -ENOMEM;
	if (!drm_dev_enter(drm, &idx)) {
		kvfree(state);
		return -ENODEV;
	}
	/* Looking does not wake the device. */
	powered = !IS_ENABLED(CONFIG_PM) || pm_runtime_get_if_active(drm->dev) > 0;
	bitnpu_state_take(bdev, state, powered);
	if (powered)
		pm_runtime_put_autosuspend(drm->dev);
	drm_dev_exit(idx);

	bitnpu_state_print(state, &p);
	kvfree(state);
	return 0;
}

static void bitnpu_debugfs_context(struct drm_file *file, struct drm_printer *p)
{
	struct bitnpu_context *ctx = file->driver_priv;
	struct drm_bitnpu_context_info info;
	struct bitnpu_queue *queue;
	unsigned long number;

	spin_lock_irq(&ctx->lock);
	info = ctx->info;
	spin_unlock_irq(&ctx->lock);
	drm_printf(p, "client %llu: asid %u ban %u completed %llu failed %llu\n", file->client_id,
		   ctx->vm.asid, info.ban, info.jobs_completed, info.jobs_failed);
	xa_for_each(&ctx->queues, number, queue)
		drm_printf(p, "  queue %lu\n", number);
	mutex_lock(&ctx->vm.lock);
	drm_mm_print(&ctx->vm.mm, p);
	mutex_unlock(&ctx->vm.lock);
}

static int bitnpu_debugfs_contexts(struct seq_file *m, void *unused)
{
	struct drm_device *drm = bitnpu_debugfs_device(m);
	struct drm_printer p = drm_seq_file_printer(m);
	struct drm_file *file;
	int ret;

	/* A file leaves the list before its context goes. */
	ret = mutex_lock_interruptible(&drm->filelist_mutex);
	if (ret)
		return ret;
	list_for_each_entry(file, &drm->filelist, lhead)
		bitnpu_debugfs_context(file, &p);
	mutex_unlock(&drm->filelist_mutex);
	return 0;
}

static const struct drm_debugfs_info bitnpu_debugfs_files[] = {
	{ "state", bitnpu_debugfs_state },
	{ "contexts", bitnpu_debugfs_contexts },
};

void bitnpu_debugfs_init(struct bitnpu_device *bdev)
{
	drm_debugfs_add_files(&bdev->drm, bitnpu_debugfs_files, ARRAY_SIZE(bitnpu_debugfs_files));
}
