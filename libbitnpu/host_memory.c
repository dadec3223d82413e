// SPDX-License-Identifier: MIT
/* Buffers in the host's memory: fresh pages, or the caller's. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "error.h"
#include "host_memory.h"

/**
 * struct host_bo - a buffer
 * @bo: the core's view
 * @owned: the memory was mapped by bo_create
 */
struct host_bo {
	struct bitnpu_engine_bo bo;
	bool owned;
};

uint64_t bitnpu_host_memory_bytes(void)
{
	const long pages = sysconf(_SC_PHYS_PAGES);
	const long page = sysconf(_SC_PAGESIZE);

	return pages > 0 && page > 0 ? (uint64_t)pages * page : 0;
}

int bitnpu_host_bo_create(struct bitnpu_engine_context *ctx, uint64_t size, uint32_t flags,
			    struct bitnpu_engine_bo **out, struct bitnpu_error *err)
{
	struct host_bo *bo = calloc(1, sizeof(*bo));
	void *host = MAP_FAILED;

	if (bo && size <= SIZE_MAX)
		host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (host == MAP_FAILED) {
		free(bo);
		return bitnpu_fail(err, -ENOMEM, "buffer: no memory for %llu bytes",
				   (unsigned long long)size);
	}
	bo->bo = (struct bitnpu_engine_bo){ .host = host, .size = size, .flags = flags };
	bo->owned = true;
	*out = &bo->bo;
	return 0;
}

int bitnpu_host_bo_import(struct bitnpu_engine_context *ctx, const void *ptr, uint64_t size,
			    uint32_t flags, struct bitnpu_engine_bo **out, struct bitnpu_error *err)
{
	struct host_bo *bo = calloc(1, sizeof(*bo));

	if (!bo)
		return bitnpu_fail(err, -ENOMEM, "import: out of memory");
	bo->bo = (struct bitnpu_engine_bo){ .host = (void *)ptr, .size = size, .flags = flags };
	*out = &bo->bo;
	return 0;
}

void bitnpu_host_bo_destroy(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *engine_bo)
{
	struct host_bo *bo = (struct host_bo *)engine_bo;

	if (bo->owned)
		munmap(bo->bo.host, bo->bo.size);
	free(bo);
}

/* The host's memory is the device's: there is nothing to do to share it. */
int bitnpu_host_bo_map(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo,
			 uint32_t access, struct bitnpu_error *err)
{
	return 0;
}

int bitnpu_host_bo_unmap(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo,
			   struct bitnpu_error *err)
{
	return 0;
}
