// SPDX-License-Identifier: MIT
/*
 * Buffers: the kernel's memory, mapped into the NPU's address space by the driver and into the host's on
 * first use, for good.  What the host writes there the NPU reads: nothing is copied.
 */
#include "accel.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <xf86drm.h>

static int allocate(struct bitnpu_accel_context *ctx, uint64_t size, uint32_t flags,
		    struct bitnpu_accel_bo **out, struct bitnpu_error *err)
{
	struct drm_bitnpu_bo_create create = {
		.size = size,
		.flags = flags & BITNPU_BO_READ_ONLY ? DRM_BITNPU_BO_READ_ONLY : 0,
	};
	struct bitnpu_accel_bo *bo = calloc(1, sizeof(*bo));

	if (!bo)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory for a buffer",
				   bitnpu_accel_name(ctx));
	if (drmIoctl(ctx->fd, DRM_IOCTL_BITNPU_BO_CREATE, &create)) {
		int ret = bitnpu_accel_errno();

		free(bo);
		return bitnpu_fail(err, ret, "%s: no buffer of %llu bytes: %s",
				   bitnpu_accel_name(ctx), (unsigned long long)size,
				   strerror(-ret));
	}
	bo->base = (struct bitnpu_engine_bo){
		.size = size,
		.flags = flags,
		.addr = create.address,
	};
	bo->handle = create.handle;
	*out = bo;
	return 0;
}

/* A new host mapping of @bo. */
static int map_pages(struct bitnpu_accel_context *ctx, const struct bitnpu_accel_bo *bo, void **ptr,
		     struct bitnpu_error *err)
{
	struct drm_bitnpu_bo_mmap_offset args = { .handle = bo->handle };
	void *pages = MAP_FAILED;

	if (drmIoctl(ctx->fd, DRM_IOCTL_BITNPU_BO_MMAP_OFFSET, &args) == 0)
		pages = mmap(NULL, bo->base.size, PROT_READ | PROT_WRITE, MAP_SHARED, ctx->fd,
			     (off_t)args.offset);
	if (pages == MAP_FAILED)
		return bitnpu_fail(err, bitnpu_accel_errno(), "%s: cannot map a buffer of %llu bytes: %s",
				   bitnpu_accel_name(ctx), (unsigned long long)bo->base.size,
				   strerror(errno));
	*ptr = pages;
	return 0;
}

int bitnpu_accel_bo_create(struct bitnpu_engine_context *base, uint64_t size, uint32_t flags,
			   struct bitnpu_engine_bo **out, struct bitnpu_error *err)
{
	struct bitnpu_accel_bo *bo;
	int ret = allocate((struct bitnpu_accel_context *)base, size, flags, &bo, err);

	if (ret == 0)
		*out = &bo->base;
	return ret;
}

int bitnpu_accel_bo_new(struct bitnpu_accel_context *ctx, const void *data, uint64_t data_size,
			uint64_t size, uint32_t flags, struct bitnpu_accel_bo **out,
			struct bitnpu_error *err)
{
	struct bitnpu_accel_bo *bo;
	void *pages;
	int ret;

	ret = allocate(ctx, size, flags, &bo, err);
	if (ret)
		return ret;
	ret = map_pages(ctx, bo, &pages, err);
	if (ret) {
		bitnpu_accel_bo_destroy(&ctx->base, &bo->base);
		return ret;
	}
	memcpy(pages, data, data_size);
	munmap(pages, size);
	*out = bo;
	return 0;
}

/* Uploaded once: the driver takes no memory of the caller's. */
int bitnpu_accel_bo_import(struct bitnpu_engine_context *base, const void *ptr, uint64_t size,
			   uint32_t flags, struct bitnpu_engine_bo **out, struct bitnpu_error *err)
{
	struct bitnpu_accel_bo *bo;
	int ret = bitnpu_accel_bo_new((struct bitnpu_accel_context *)base, ptr, size, size, flags, &bo,
				      err);

	if (ret == 0)
		*out = &bo->base;
	return ret;
}

/* The driver keeps the memory until jobs that name it have ended. */
void bitnpu_accel_bo_destroy(struct bitnpu_engine_context *base, struct bitnpu_engine_bo *engine_bo)
{
	struct bitnpu_accel_context *ctx = (struct bitnpu_accel_context *)base;
	struct bitnpu_accel_bo *bo = (struct bitnpu_accel_bo *)engine_bo;

	if (bo->base.host)
		munmap(bo->base.host, bo->base.size);
	drmCloseBufferHandle(ctx->fd, bo->handle);
	free(bo);
}

int bitnpu_accel_bo_map(struct bitnpu_engine_context *base, struct bitnpu_engine_bo *bo, uint32_t access,
			struct bitnpu_error *err)
{
	if (bo->host)
		return 0;
	return map_pages((struct bitnpu_accel_context *)base, (struct bitnpu_accel_bo *)bo, &bo->host,
			 err);
}

int bitnpu_accel_bo_unmap(struct bitnpu_engine_context *base, struct bitnpu_engine_bo *bo,
			  struct bitnpu_error *err)
{
	return 0;
}
