// SPDX-License-Identifier: MIT
/* The accel engine: describing and opening its devices, and the table of its operations. */
#include "accel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Whoever makes a device has a number; the simulator, and what is on the way to silicon, has none.
 * */
static bool is_prototype(const struct drm_bitnpu_device_info *info)
{
	return info->implementation >> 16 == 0;
}

/*
 * The device's features, less what no row fits the SRAM for, and less the float commands, whose
 * buffers this engine does not name.
 */
static uint64_t features(const struct drm_bitnpu_device_info *info)
{
	uint64_t mask = info->features & ~BITNPU_FEATURES_FLOAT;

	if (!info->max_k_int32)
		mask &= ~BITNPU_FEATURE_Y_INT32;
	if (!info->max_k_int64)
		mask &= ~BITNPU_FEATURE_Y_INT64;
	return mask;
}

static void fill_info(const char *path, const struct drm_bitnpu_device_info *from,
		      struct bitnpu_device_info *info)
{
	const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
	const uint32_t implementer = from->implementation >> 16;

	snprintf(info->description, sizeof(info->description), "%s at %s",
		 is_prototype(from) ? "NPU, simulated or a prototype," : "NPU", path);
	snprintf(info->detail, sizeof(info->detail),
		 "%u cores of %ux%u MACs at %.4g MHz, %u KiB of SRAM, %u rings of %u jobs, DMA %u bytes a"
		 " cycle, hardware %u.%u, implementer %u revision %u", from->cores, from->mac_rows,
		 from->mac_columns, from->clock_khz / 1e3, from->sram_bytes / 1024, from->rings,
		 from->ring_entries, from->dma_bytes, from->hw_version >> 16,
		 from->hw_version & 0xffff, implementer, from->implementation & 0xffff);
	info->features = features(from);
	info->memory_bytes = pages > 0 && page > 0 ? (uint64_t)pages * page : 0;
	info->max_buffer_bytes = from->va_end - from->va_start;
	info->max_k_int32 = from->max_k_int32;
	info->max_k_int64 = from->max_k_int64;
	info->prototype = is_prototype(from);
}

static unsigned int find_nodes(struct bitnpu_accel_node **nodes)
{
	return bitnpu_accel_scan("/dev/accel", "/sys/class/accel", nodes);
}

static unsigned int accel_count(void)
{
	struct bitnpu_accel_node *nodes;
	const unsigned int count = find_nodes(&nodes);

	free(nodes);
	return count;
}

/* The device file of device @index. */
static int find_path(unsigned int index, char *path, size_t size)
{
	struct bitnpu_accel_node *nodes;
	const unsigned int count = find_nodes(&nodes);

	if (index < count)
		snprintf(path, size, "%s", nodes[index].path);
	free(nodes);
	return index < count ? 0 : -ENODEV;
}

static int accel_describe(unsigned int index, struct bitnpu_device_info *info)
{
	struct drm_bitnpu_device_info from;
	struct bitnpu_error err;
	char path[64];
	int fd = find_path(index, path, sizeof(path));

	if (fd)
		return fd;
	fd = bitnpu_accel_open_node(path, &from, &err);
	if (fd < 0) {
		snprintf(info->description, sizeof(info->description), "NPU at %s", path);
		snprintf(info->detail, sizeof(info->detail), "unusable: %.240s", err.message);
		return 0;
	}
	close(fd);
	fill_info(path, &from, info);
	return 0;
}

static int accel_open(unsigned int index, struct bitnpu_engine_device **out,
		      struct bitnpu_error *err)
{
	struct bitnpu_accel_device *dev = calloc(1, sizeof(*dev));
	int fd;

	if (!dev)
		return bitnpu_fail(err, -ENOMEM, "accel:%u: out of memory", index);
	fd = find_path(index, dev->path, sizeof(dev->path));
	if (fd)
		bitnpu_fail(err, fd, "accel:%u: there is no such device", index);
	else
		fd = bitnpu_accel_open_node(dev->path, &dev->info, err);
	if (fd < 0) {
		free(dev);
		return fd;
	}
	close(fd);
	dev->base.ops = &bitnpu_accel_ops;
	fill_info(dev->path, &dev->info, &dev->base.info);
	*out = &dev->base;
	return 0;
}

static void accel_close(struct bitnpu_engine_device *dev)
{
	free(dev);
}

const struct bitnpu_engine_ops bitnpu_accel_ops = {
	.name = "accel",
	.count = accel_count,
	.describe = accel_describe,
	.open = accel_open,
	.close = accel_close,
	.context_create = bitnpu_accel_context_create,
	.context_destroy = bitnpu_accel_context_destroy,
	.bo_create = bitnpu_accel_bo_create,
	.bo_import = bitnpu_accel_bo_import,
	.bo_destroy = bitnpu_accel_bo_destroy,
	.bo_map = bitnpu_accel_bo_map,
	.bo_unmap = bitnpu_accel_bo_unmap,
	.prepare = bitnpu_accel_prepare,
	.unprepare = bitnpu_accel_unprepare,
	.queue_create = bitnpu_accel_queue_create,
	.queue_destroy = bitnpu_accel_queue_destroy,
	.submit = bitnpu_accel_submit,
	.fence_wait = bitnpu_accel_fence_wait,
	.fence_status = bitnpu_accel_fence_status,
	.fence_export = bitnpu_accel_fence_export,
	.fence_destroy = bitnpu_accel_fence_destroy,
};
