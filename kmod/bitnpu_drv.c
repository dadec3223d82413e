// SPDX-License-Identifier: GPL-2.0-only
/* The DRM driver: files, the table of ioctls, queries, the module. */
#include <linux/module.h>
#include <linux/uaccess.h>

#include <drm/bitnpu_accel.h>
#include <drm/bitnpu_isa.h>
#include <drm/drm_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_gem_shmem_helper.h>
#include <drm/drm_ioctl.h>

#include "bitnpu_context.h"
#include "bitnpu_device.h"
#include "bitnpu_drv.h"
#include "bitnpu_gem.h"
#include "bitnpu_job.h"
#include "bitnpu_perf.h"

unsigned int bitnpu_timeout_ms = 2000;
module_param_named(timeout_ms, bitnpu_timeout_ms, uint, 0644);
MODULE_PARM_DESC(timeout_ms,
		 "a job without progress for so many ms is ended (default 2000, at least 20)");

unsigned int bitnpu_job_limit_ms = 600000;
module_param_named(job_limit_ms, bitnpu_job_limit_ms, uint, 0644);
MODULE_PARM_DESC(job_limit_ms,
		 "a job that executes longer is ended, progress or not (default 600000, 0: never)");

static int bitnpu_open(struct drm_device *drm, struct drm_file *file)
{
	struct bitnpu_context *ctx = bitnpu_context_create(to_bitnpu_device(drm));

	if (IS_ERR(ctx))
		return PTR_ERR(ctx);
	file->driver_priv = ctx;
	return 0;
}

static void bitnpu_postclose(struct drm_device *drm, struct drm_file *file)
{
	struct bitnpu_context *ctx = file->driver_priv;

	bitnpu_queues_fini(ctx);
	bitnpu_context_put(ctx);
}

/* The largest K for which bytes(1, 1) of docs/hardware.md, section 6, fits the SRAM. */
static u32 max_k(u32 sram_bytes, u32 fixed)
{
	return sram_bytes < fixed ? 0 : min(rounddown(sram_bytes - fixed, 64), BITNPU_MAX_K);
}

static void query_device(struct bitnpu_device *bdev, struct drm_bitnpu_device_info *info)
{
	const struct bitnpu_caps *caps = &bdev->caps;

	*info = (struct drm_bitnpu_device_info){
		.hw_version = caps->hw_version,
		.isa_version = caps->isa_version,
		.implementation = caps->implementation,
		.cores = caps->cores,
		.rings = caps->rings,
		.ring_entries = BIT(bdev->rings[0].log2),
		.features = caps->features,
		.va_start = BITNPU_VA_START,
		.va_end = BITNPU_VA_END,
		.mac_rows = caps->mac_rows,
		.mac_columns = caps->mac_columns,
		.sram_bytes = caps->sram_bytes,
		.clock_khz = caps->clock_khz,
		.dma_bytes = caps->dma_bytes,
		.dma_latency = caps->dma_latency,
		.max_k_int32 = max_k(caps->sram_bytes, 64 + 16 * 4 + 128),
		.max_k_int64 = max_k(caps->sram_bytes, 64 + 16 * 12 + 128 + 64),
		.max_jobs = DRM_BITNPU_MAX_JOBS,
		.timeout_ms = bitnpu_timeout_ms,
	};
}

static void query_context(struct bitnpu_context *ctx, struct drm_bitnpu_context_info *info)
{
	unsigned long flags;

	spin_lock_irqsave(&ctx->lock, flags);
	*info = ctx->info;
	spin_unlock_irqrestore(&ctx->lock, flags);
	info->resets = atomic_read(&ctx->bdev->resets);
}

static int bitnpu_ioctl_query(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct bitnpu_device *bdev = to_bitnpu_device(drm);
	struct drm_bitnpu_query *args = data;
	union {
		struct drm_bitnpu_device_info device;
		struct drm_bitnpu_context_info context;
		struct drm_bitnpu_counters counters;
	} answer;
	const u32 wanted = args->size;
	int ret = 0;

	switch (args->type) {
	case DRM_BITNPU_QUERY_DEVICE:
		args->size = sizeof(answer.device);
		if (wanted)
			query_device(bdev, &answer.device);
		break;
	case DRM_BITNPU_QUERY_CONTEXT:
		args->size = sizeof(answer.context);
		if (wanted)
			query_context(file->driver_priv, &answer.context);
		break;
	case DRM_BITNPU_QUERY_COUNTERS:
		args->size = sizeof(answer.counters);
		if (wanted)
			ret = bitnpu_perf_counters(bdev, &answer.counters);
		break;
	default:
		return -EINVAL;
	}
	if (ret || !wanted)
		return ret;
	if (copy_to_user(u64_to_user_ptr(args->pointer), &answer, min(wanted, args->size)))
		return -EFAULT;
	return 0;
}

#define BITNPU_IOCTL(name, function)	DRM_IOCTL_DEF_DRV(BITNPU_##name, function, 0)

static const struct drm_ioctl_desc bitnpu_ioctls[] = {
	BITNPU_IOCTL(QUERY, bitnpu_ioctl_query),
	BITNPU_IOCTL(BO_CREATE, bitnpu_ioctl_bo_create),
	BITNPU_IOCTL(BO_INFO, bitnpu_ioctl_bo_info),
	BITNPU_IOCTL(BO_MMAP_OFFSET, bitnpu_ioctl_bo_mmap_offset),
	BITNPU_IOCTL(BO_WAIT, bitnpu_ioctl_bo_wait),
	BITNPU_IOCTL(QUEUE_CREATE, bitnpu_ioctl_queue_create),
	BITNPU_IOCTL(QUEUE_DESTROY, bitnpu_ioctl_queue_destroy),
	BITNPU_IOCTL(SUBMIT, bitnpu_ioctl_submit),
};

/*
 * The two ioctls of drm_ioctl.c and drm_auth.c that look at the file's master and need no
 * privilege: an accel file has none, and kernels such as 6.12 follow the null pointer.
 */
static bool needs_master(unsigned int cmd)
{
	return _IOC_NR(cmd) == _IOC_NR(DRM_IOCTL_GET_UNIQUE) ||
	       _IOC_NR(cmd) == _IOC_NR(DRM_IOCTL_GET_MAGIC);
}

static long bitnpu_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return needs_master(cmd) ? -EOPNOTSUPP : drm_ioctl(file, cmd, arg);
}

#ifdef CONFIG_COMPAT
static long bitnpu_compat_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return needs_master(cmd) ? -EOPNOTSUPP : drm_compat_ioctl(file, cmd, arg);
}
#else
#define bitnpu_compat_ioctl	NULL
#endif

/* DRM_ACCEL_FOPS but for the ioctls. */
static const struct file_operations bitnpu_fops = {
	.owner = THIS_MODULE,
	.open = accel_open,
	.release = drm_release,
	.unlocked_ioctl = bitnpu_ioctl,
	.compat_ioctl = bitnpu_compat_ioctl,
	.poll = drm_poll,
	.read = drm_read,
	.llseek = noop_llseek,
	.mmap = drm_gem_mmap,
	.show_fdinfo = drm_show_fdinfo,
	.fop_flags = FOP_UNSIGNED_OFFSET,
};

const struct drm_driver bitnpu_drm_driver = {
	.driver_features = DRIVER_COMPUTE_ACCEL | DRIVER_GEM | DRIVER_SYNCOBJ |
			   DRIVER_SYNCOBJ_TIMELINE,
	.open = bitnpu_open,
	.postclose = bitnpu_postclose,
	.gem_create_object = bitnpu_gem_create_object,
	.gem_prime_import_sg_table = drm_gem_shmem_prime_import_sg_table,
	.show_fdinfo = bitnpu_context_show_fdinfo,
	.ioctls = bitnpu_ioctls,
	.num_ioctls = ARRAY_SIZE(bitnpu_ioctls),
	.fops = &bitnpu_fops,
	.name = DRM_BITNPU_DRIVER_NAME,
	.desc = "BitNPU ternary NPU",
	.major = DRM_BITNPU_VERSION_MAJOR,
	.minor = DRM_BITNPU_VERSION_MINOR,
};

static int __init bitnpu_init(void)
{
	int ret = bitnpu_jobs_init();

	if (ret)
		return ret;
	ret = bitnpu_platform_register();
	if (ret)
		goto jobs;
	ret = bitnpu_pci_register();
	if (ret)
		goto platform;
	return 0;

platform:
	bitnpu_platform_unregister();
jobs:
	bitnpu_jobs_exit();
	return ret;
}

static void __exit bitnpu_exit(void)
{
	bitnpu_pci_unregister();
	bitnpu_platform_unregister();
	bitnpu_jobs_exit();
}

module_init(bitnpu_init);
module_exit(bitnpu_exit);

MODULE_DESCRIPTION("BitNPU: ternary and binary matmul on NPUs");
MODULE_AUTHOR("The BitNPU developers");
MODULE_LICENSE("GPL");
