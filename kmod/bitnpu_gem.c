// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers: shmem GEM objects, own or imported, and their mappings in contexts.
 *
 * A buffer is mapped in a context when the context gets its first handle, and unmapped when the
 * last handle and the last job that named it are gone.  Its pages stay as long as it lives: an NPU
 * cannot wait for a page.
 */
#include <linux/dma-map-ops.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include <drm/bitnpu_accel.h>
#include <drm/drm_drv.h>
#include <drm/drm_utils.h>

#include "bitnpu_context.h"
#include "bitnpu_device.h"
#include "bitnpu_gem.h"

static void bo_free(struct drm_gem_object *obj)
{
	struct bitnpu_bo *bo = to_bitnpu_bo(obj);

	drm_WARN_ON(obj->dev, !list_empty(&bo->mappings));
	mutex_destroy(&bo->lock);
	drm_gem_shmem_free(&bo->base);
}

static struct bitnpu_mapping *mapping_create(struct bitnpu_bo *bo, struct bitnpu_context *ctx)
{
	struct bitnpu_mapping *mapping;
	struct sg_table *sgt;
	int ret;

	sgt = drm_gem_shmem_get_pages_sgt(&bo->base);
	if (IS_ERR(sgt))
		return ERR_CAST(sgt);
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	ret = bitnpu_vm_map(&ctx->vm, &mapping->node, sgt, bo->base.base.size,
			    !(bo->flags & DRM_BITNPU_BO_READ_ONLY));
	if (ret) {
		kfree(mapping);
		return ERR_PTR(ret);
	}
	kref_init(&mapping->ref);
	mapping->bo = bo;
	mapping->ctx = bitnpu_context_get(ctx);
	drm_gem_object_get(&bo->base.base);
	list_add(&mapping->link, &bo->mappings);
	return mapping;
}

/* Called with bitnpu_bo.lock held, which it releases. */
static void mapping_release(struct kref *ref)
{
	struct bitnpu_mapping *mapping = container_of(ref, struct bitnpu_mapping, ref);
	struct bitnpu_bo *bo = mapping->bo;

	list_del(&mapping->link);
	mutex_unlock(&bo->lock);
	bitnpu_vm_unmap(&mapping->ctx->vm, &mapping->node);
	bitnpu_context_put(mapping->ctx);
	drm_gem_object_put(&bo->base.base);
	kfree(mapping);
}

void bitnpu_mapping_put(struct bitnpu_mapping *mapping)
{
	kref_put_mutex(&mapping->ref, mapping_release, &mapping->bo->lock);
}

static struct bitnpu_mapping *mapping_find(struct bitnpu_bo *bo, struct bitnpu_context *ctx)
{
	struct bitnpu_mapping *mapping;

	lockdep_assert_held(&bo->lock);
	list_for_each_entry(mapping, &bo->mappings, link)
		if (mapping->ctx == ctx)
			return mapping;
	return NULL;
}

struct bitnpu_mapping *bitnpu_mapping_get(struct bitnpu_bo *bo, struct bitnpu_context *ctx)
{
	struct bitnpu_mapping *mapping;

	mutex_lock(&bo->lock);
	mapping = mapping_find(bo, ctx);
	if (mapping)
		kref_get(&mapping->ref);
	mutex_unlock(&bo->lock);
	return mapping;
}

static int bo_open(struct drm_gem_object *obj, struct drm_file *file)
{
	struct bitnpu_bo *bo = to_bitnpu_bo(obj);
	struct bitnpu_context *ctx = file->driver_priv;
	struct bitnpu_mapping *mapping;

	mutex_lock(&bo->lock);
	mapping = mapping_find(bo, ctx);
	if (!mapping)
		mapping = mapping_create(bo, ctx);
	else if (!mapping->handles)
		kref_get(&mapping->ref);
	if (!IS_ERR(mapping))
		mapping->handles++;
	mutex_unlock(&bo->lock);
	return PTR_ERR_OR_ZERO(mapping);
}

static void bo_close(struct drm_gem_object *obj, struct drm_file *file)
{
	struct bitnpu_bo *bo = to_bitnpu_bo(obj);
	struct bitnpu_mapping *mapping;
	bool last;

	mutex_lock(&bo->lock);
	mapping = mapping_find(bo, file->driver_priv);
	last = mapping && --mapping->handles == 0;
	mutex_unlock(&bo->lock);
	if (last)
		bitnpu_mapping_put(mapping);
}

static enum drm_gem_object_status bo_status(struct drm_gem_object *obj)
{
	return DRM_GEM_OBJECT_RESIDENT;
}

static const struct drm_gem_object_funcs bo_funcs = {
	.free = bo_free,
	.open = bo_open,
	.close = bo_close,
	.print_info = drm_gem_shmem_object_print_info,
	.pin = drm_gem_shmem_object_pin,
	.unpin = drm_gem_shmem_object_unpin,
	.get_sg_table = drm_gem_shmem_object_get_sg_table,
	.vmap = drm_gem_shmem_object_vmap,
	.vunmap = drm_gem_shmem_object_vunmap,
	.mmap = drm_gem_shmem_object_mmap,
	.vm_ops = &drm_gem_shmem_vm_ops,
	.status = bo_status,
};

struct drm_gem_object *bitnpu_gem_create_object(struct drm_device *drm, size_t size)
{
	struct bitnpu_bo *bo = kzalloc(sizeof(*bo), GFP_KERNEL);

	if (!bo)
		return ERR_PTR(-ENOMEM);
	mutex_init(&bo->lock);
	INIT_LIST_HEAD(&bo->mappings);
	bo->base.base.funcs = &bo_funcs;
	bo->base.map_wc = !to_bitnpu_device(drm)->coherent;
	return &bo->base.base;
}

int bitnpu_ioctl_bo_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_bitnpu_bo_create *args = data;
	struct drm_gem_shmem_object *shmem;
	struct bitnpu_mapping *mapping;
	struct bitnpu_bo *bo;
	u32 handle;
	int ret;

	if (args->flags & ~DRM_BITNPU_BO_READ_ONLY || args->handle || args->address)
		return -EINVAL;
	if (!args->size)
		return -EINVAL;
	if (args->size > BITNPU_VA_END - BITNPU_VA_START)
		return -ENOSPC;
	/* All of a buffer stays in memory: what cannot fit would push everything else out first. */
	if (args->size >> PAGE_SHIFT >= totalram_pages())
		return -ENOMEM;
	if (drm_dev_is_unplugged(drm))
		return -ENODEV;

	shmem = drm_gem_shmem_create(drm, PAGE_ALIGN(args->size));
	if (IS_ERR(shmem))
		return PTR_ERR(shmem);
	bo = to_bitnpu_bo(&shmem->base);
	bo->flags = args->flags;
	ret = drm_gem_handle_create(file, &shmem->base, &handle);
	if (ret)
		goto put;
	mapping = bitnpu_mapping_get(bo, file->driver_priv);
	if (mapping) {
		args->size = shmem->base.size;
		args->handle = handle;
		args->address = mapping->node.start;
		bitnpu_mapping_put(mapping);
	} else {
		/* Another thread guessed the handle and closed it. */
		ret = -ENOENT;
	}
put:
	drm_gem_object_put(&shmem->base);
	return ret;
}

int bitnpu_ioctl_bo_info(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_bitnpu_bo_info *args = data;
	struct bitnpu_mapping *mapping;
	struct drm_gem_object *obj;

	if (args->flags || args->size || args->address)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	mapping = bitnpu_mapping_get(to_bitnpu_bo(obj), file->driver_priv);
	if (mapping) {
		args->flags = mapping->bo->flags;
		args->size = obj->size;
		args->address = mapping->node.start;
		bitnpu_mapping_put(mapping);
	}
	drm_gem_object_put(obj);
	return mapping ? 0 : -ENOENT;
}

int bitnpu_ioctl_bo_mmap_offset(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_bitnpu_bo_mmap_offset *args = data;
	struct drm_gem_object *obj;
	int ret;

	if (args->flags || args->offset)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	ret = drm_gem_create_mmap_offset(obj);
	if (!ret)
		args->offset = drm_vma_node_offset_addr(&obj->vma_node);
	drm_gem_object_put(obj);
	return ret;
}

int bitnpu_ioctl_bo_wait(struct drm_device *drm, void *data, struct drm_file *file)
{
	const struct drm_bitnpu_bo_wait *args = data;
	const bool write = args->flags & DRM_BITNPU_WAIT_WRITE;
	struct drm_gem_object *obj;
	long left;

	if (args->flags & ~DRM_BITNPU_WAIT_WRITE)
		return -EINVAL;
	obj = drm_gem_object_lookup(file, args->handle);
	if (!obj)
		return -ENOENT;
	left = dma_resv_wait_timeout(obj->resv, dma_resv_usage_rw(write), true,
				     drm_timeout_abs_to_jiffies(args->timeout_ns));
	drm_gem_object_put(obj);
	if (left < 0)
		return left;
	return left ? 0 : -ETIME;
}
