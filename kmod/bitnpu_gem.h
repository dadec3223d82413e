/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __BITNPU_GEM_H__
#define __BITNPU_GEM_H__

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>

#include <drm/drm_gem_shmem_helper.h>
#include <drm/drm_mm.h>

struct bitnpu_context;

/**
 * struct bitnpu_bo - a buffer, own or imported
 * @base: shmem object
 * @flags: DRM_BITNPU_BO_*, constant once there is a handle
 * @lock: protects @mappings
 * @mappings: &struct bitnpu_mapping.link, at most one a context
 */
struct bitnpu_bo {
	struct drm_gem_shmem_object base;
	u32 flags;
	struct mutex lock; /* outside bitnpu_vm.lock */
	struct list_head mappings;
};

static inline struct bitnpu_bo *to_bitnpu_bo(struct drm_gem_object *obj)
{
	return container_of(to_drm_gem_shmem_obj(obj), struct bitnpu_bo, base);
}

/**
 * struct bitnpu_mapping - a buffer in one context's address space
 * @ref: held by the context's handles and by each job that names the buffer
 * @link: in bitnpu_bo.mappings
 * @handles: GEM handles of this context; under bitnpu_bo.lock
 * @bo: holds a reference
 * @ctx: holds a reference
 * @node: device addresses
 */
struct bitnpu_mapping {
	struct kref ref;
	struct list_head link;
	unsigned int handles;
	struct bitnpu_bo *bo;
	struct bitnpu_context *ctx;
	struct drm_mm_node node;
};

/** bitnpu_gem_create_object() - &drm_driver.gem_create_object */
struct drm_gem_object *bitnpu_gem_create_object(struct drm_device *drm, size_t size);

/** bitnpu_mapping_get() - Return: a reference to the mapping of @bo in @ctx, or NULL */
struct bitnpu_mapping *bitnpu_mapping_get(struct bitnpu_bo *bo, struct bitnpu_context *ctx);

/** bitnpu_mapping_put() - may sleep; the last one unmaps */
void bitnpu_mapping_put(struct bitnpu_mapping *mapping);

int bitnpu_ioctl_bo_create(struct drm_device *drm, void *data, struct drm_file *file);
int bitnpu_ioctl_bo_info(struct drm_device *drm, void *data, struct drm_file *file);
int bitnpu_ioctl_bo_mmap_offset(struct drm_device *drm, void *data, struct drm_file *file);
int bitnpu_ioctl_bo_wait(struct drm_device *drm, void *data, struct drm_file *file);

#endif /* __BITNPU_GEM_H__ */
