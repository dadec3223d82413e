// SPDX-License-Identifier: MIT
/*
 * Buffers: the host's own memory where the device shares it, else device memory and a shadow on the
 * host that maps copy from and unmaps copy to.
 */
#include "opencl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *map_pages(uint64_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

static struct bitnpu_cl_bo *new_bo(struct bitnpu_cl_device *dev, uint64_t size, uint32_t flags,
				   struct bitnpu_error *err)
{
	struct bitnpu_cl_bo *bo;

	if (size > dev->caps.max_alloc) {
		bitnpu_fail(err, -E2BIG, "opencl: buffer of %" PRIu64
			    " bytes, the device's largest is %" PRIu64, size, dev->caps.max_alloc);
		return NULL;
	}
	bo = calloc(1, sizeof(*bo));
	if (!bo) {
		bitnpu_fail(err, -ENOMEM, "opencl: out of memory for a buffer");
		return NULL;
	}
	bo->base.size = size;
	bo->base.flags = flags;
	return bo;
}

static cl_int make_mem(struct bitnpu_cl_device *dev, struct bitnpu_cl_bo *bo, void *host)
{
	cl_mem_flags flags = bo->base.flags & BITNPU_BO_READ_ONLY ? CL_MEM_READ_ONLY :
								     CL_MEM_READ_WRITE;
	cl_int status;

	if (host)
		flags |= CL_MEM_USE_HOST_PTR;
	bo->mem = clCreateBuffer(dev->context, flags, bo->base.size, host, &status);
	return bo->mem ? CL_SUCCESS : status;
}

/* Fill a buffer of device memory with zeros, or with @data. */
static int upload(struct bitnpu_cl_device *dev, struct bitnpu_cl_bo *bo, const void *data,
		  struct bitnpu_error *err)
{
	const char *what = data ? "clEnqueueWriteBuffer" : "clEnqueueFillBuffer";
	const cl_uint zero = 0;
	struct bitnpu_cl_stream *stream;
	cl_int status;
	int ret;

	ret = bitnpu_cl_stream_get(dev, &stream, err);
	if (ret)
		return ret;
	if (data)
		status = clEnqueueWriteBuffer(stream->queue, bo->mem, CL_TRUE, 0, bo->base.size,
					      data, 0, NULL, NULL);
	else
		status = clEnqueueFillBuffer(stream->queue, bo->mem, &zero, sizeof(zero), 0,
					     bo->base.size, 0, NULL, NULL);
	if (!status)
		status = clFinish(stream->queue);
	bitnpu_cl_stream_put(dev, stream, status != CL_SUCCESS);
	return status ? bitnpu_cl_fail(err, status, what) : 0;
}

int bitnpu_cl_bo_create(struct bitnpu_engine_context *ctx, uint64_t size, uint32_t flags,
			struct bitnpu_engine_bo **out, struct bitnpu_error *err)
{
	struct bitnpu_cl_device *dev = (struct bitnpu_cl_device *)ctx->dev;
	struct bitnpu_cl_bo *bo = new_bo(dev, size, flags, err);
	cl_int status;
	int ret;

	if (!bo)
		return size > dev->caps.max_alloc ? -E2BIG : -ENOMEM;
	if (dev->caps.unified) {
		bo->base.host = map_pages(size);
		if (!bo->base.host) {
			ret = bitnpu_fail(err, -ENOMEM, "opencl: out of memory for a buffer of %"
					  PRIu64 " bytes", size);
			goto fail;
		}
		bo->owned = size;
		bo->in_place = true;
	}
	status = make_mem(dev, bo, bo->base.host);
	if (status) {
		ret = bitnpu_cl_fail(err, status, "clCreateBuffer");
		goto fail;
	}
	ret = bo->in_place ? 0 : upload(dev, bo, NULL, err);
	if (ret)
		goto fail;
	*out = &bo->base;
	return 0;
fail:
	bitnpu_cl_bo_destroy(ctx, &bo->base);
	return ret;
}

int bitnpu_cl_bo_import(struct bitnpu_engine_context *ctx, const void *ptr, uint64_t size,
			uint32_t flags, struct bitnpu_engine_bo **out, struct bitnpu_error *err)
{
	struct bitnpu_cl_device *dev = (struct bitnpu_cl_device *)ctx->dev;
	struct bitnpu_cl_bo *bo = new_bo(dev, size, flags, err);
	cl_int status;
	int ret;

	if (!bo)
		return size > dev->caps.max_alloc ? -E2BIG : -ENOMEM;
	/* Host memory that the driver is only told to read; that of a file may be mapped so. */
	bo->base.host = (void *)ptr;
	bo->in_place = dev->caps.unified && !make_mem(dev, bo, bo->base.host);
	if (!bo->in_place) {
		/* Not shared, or memory that this driver cannot share (file-backed, say). */
		status = make_mem(dev, bo, NULL);
		ret = status ? bitnpu_cl_fail(err, status, "clCreateBuffer") :
			       upload(dev, bo, ptr, err);
		if (ret) {
			bitnpu_cl_bo_destroy(ctx, &bo->base);
			return ret;
		}
	}
	*out = &bo->base;
	return 0;
}

void bitnpu_cl_bo_destroy(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *engine_bo)
{
	struct bitnpu_cl_bo *bo = (struct bitnpu_cl_bo *)engine_bo;

	if (bo->mem)
		clReleaseMemObject(bo->mem);
	if (bo->owned)
		munmap(bo->base.host, bo->owned);
	free(bo);
}

/* The driver's own map: on unified memory it moves nothing, but orders the caches. */
static int map_in_place(struct bitnpu_cl_stream *stream, struct bitnpu_cl_bo *bo, uint32_t access,
			struct bitnpu_error *err)
{
	cl_map_flags flags = (access & BITNPU_MAP_READ ? CL_MAP_READ : 0) |
			     (access & BITNPU_MAP_WRITE ? CL_MAP_WRITE : 0);
	cl_int status;
	void *ptr;

	ptr = clEnqueueMapBuffer(stream->queue, bo->mem, CL_TRUE, flags, 0, bo->base.size, 0, NULL,
				 NULL, &status);
	if (!ptr)
		return bitnpu_cl_fail(err, status, "clEnqueueMapBuffer");
	if (ptr != bo->base.host) {
		clEnqueueUnmapMemObject(stream->queue, bo->mem, ptr, 0, NULL, NULL);
		clFinish(stream->queue);
		return bitnpu_fail(err, -EIO, "opencl: clEnqueueMapBuffer: not the host memory of"
				   " the buffer, as CL_MEM_USE_HOST_PTR promises");
	}
	return 0;
}

static int unmap_in_place(struct bitnpu_cl_stream *stream, struct bitnpu_cl_bo *bo,
			  struct bitnpu_error *err)
{
	cl_int status = clEnqueueUnmapMemObject(stream->queue, bo->mem, bo->base.host, 0, NULL,
						NULL);

	if (!status)
		status = clFinish(stream->queue);
	return status ? bitnpu_cl_fail(err, status, "clEnqueueUnmapMemObject") : 0;
}

static int map_shadow(struct bitnpu_cl_stream *stream, struct bitnpu_cl_bo *bo, uint32_t access,
		      struct bitnpu_error *err)
{
	cl_int status;

	if (!bo->base.host) {
		bo->base.host = map_pages(bo->base.size);
		if (!bo->base.host)
			return bitnpu_fail(err, -ENOMEM, "opencl: out of memory to map a buffer of %"
					   PRIu64 " bytes", bo->base.size);
		bo->owned = bo->base.size;
	}
	/* What no command can write still is as it was uploaded. */
	if (!(access & BITNPU_MAP_READ) || bo->base.flags & BITNPU_BO_READ_ONLY)
		return 0;
	status = clEnqueueReadBuffer(stream->queue, bo->mem, CL_TRUE, 0, bo->base.size,
				     bo->base.host, 0, NULL, NULL);
	return status ? bitnpu_cl_fail(err, status, "clEnqueueReadBuffer") : 0;
}

static int unmap_shadow(struct bitnpu_cl_stream *stream, struct bitnpu_cl_bo *bo,
			struct bitnpu_error *err)
{
	cl_int status = clEnqueueWriteBuffer(stream->queue, bo->mem, CL_TRUE, 0, bo->base.size,
					     bo->base.host, 0, NULL, NULL);

	return status ? bitnpu_cl_fail(err, status, "clEnqueueWriteBuffer") : 0;
}

/* The core has at most one map of a buffer at a time, and calls for a buffer one after another. */
int bitnpu_cl_bo_map(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *engine_bo,
		     uint32_t access, struct bitnpu_error *err)
{
	struct bitnpu_cl_device *dev = (struct bitnpu_cl_device *)ctx->dev;
	struct bitnpu_cl_bo *bo = (struct bitnpu_cl_bo *)engine_bo;
	struct bitnpu_cl_stream *stream;
	int ret;

	ret = bitnpu_cl_stream_get(dev, &stream, err);
	if (ret)
		return ret;
	ret = bo->in_place ? map_in_place(stream, bo, access, err) :
			     map_shadow(stream, bo, access, err);
	bitnpu_cl_stream_put(dev, stream, ret != 0);
	bo->access = access;
	return ret;
}

int bitnpu_cl_bo_unmap(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *engine_bo,
		       struct bitnpu_error *err)
{
	struct bitnpu_cl_device *dev = (struct bitnpu_cl_device *)ctx->dev;
	struct bitnpu_cl_bo *bo = (struct bitnpu_cl_bo *)engine_bo;
	struct bitnpu_cl_stream *stream;
	int ret;

	if (!bo->in_place && !(bo->access & BITNPU_MAP_WRITE))
		return 0;
	ret = bitnpu_cl_stream_get(dev, &stream, err);
	if (ret)
		return ret;
	ret = bo->in_place ? unmap_in_place(stream, bo, err) : unmap_shadow(stream, bo, err);
	bitnpu_cl_stream_put(dev, stream, ret != 0);
	return ret;
}
