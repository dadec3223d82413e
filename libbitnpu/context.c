// SPDX-License-Identifier: MIT
/*
 * Contexts: address spaces and the buffers in them.
 *
 * The core hands out device addresses itself where the engine has no MMU that does: ascending, never
 * the same one twice (2^63 bytes outlast any process), with unmapped gaps between buffers, so that a
 * stale or overrun address is an error and never somebody else's buffer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core.h"

/* Above 32 bits, so that an address cut to 32 bits anywhere faults. */
#define FIRST_ADDR	(1ULL << 32)
#define LAST_ADDR	(1ULL << 63)
/* The largest page of any host, and as much between buffers. */
#define ADDR_GRANULE	(64ULL << 10)

#define BO_FLAGS	BITNPU_BO_READ_ONLY

static int engine_create(struct bitnpu_device *dev, struct bitnpu_engine_context **out,
			 struct bitnpu_error *err)
{
	struct bitnpu_engine_context *engine;
	int ret;

	if (dev->ops->context_create) {
		ret = dev->ops->context_create(dev->engine, out, err);
		if (ret == 0)
			(*out)->dev = dev->engine;
		return ret;
	}
	engine = calloc(1, sizeof(*engine));
	if (!engine)
		return bitnpu_fail(err, -ENOMEM, "context: out of memory");
	engine->dev = dev->engine;
	*out = engine;
	return 0;
}

static void engine_destroy(struct bitnpu_device *dev, struct bitnpu_engine_context *engine)
{
	if (dev->ops->context_destroy)
		dev->ops->context_destroy(engine);
	else
		free(engine);
}

int bitnpu_context_create(struct bitnpu_device *dev, struct bitnpu_context **out,
			  struct bitnpu_error *err)
{
	struct bitnpu_context *ctx = calloc(1, sizeof(*ctx));
	int ret;

	if (!ctx)
		return bitnpu_fail(err, -ENOMEM, "context: out of memory");
	if (pthread_mutex_init(&ctx->lock, NULL)) {
		ret = bitnpu_fail(err, -ENOMEM, "context: no resources for a lock");
		goto free_ctx;
	}
	ret = engine_create(dev, &ctx->engine, err);
	if (ret)
		goto destroy_lock;
	bitnpu_ref_init(&ctx->ref);
	ctx->next_addr = FIRST_ADDR;
	bitnpu_ref_get(&dev->ref);
	ctx->dev = dev;
	*out = ctx;
	return 0;

destroy_lock:
	pthread_mutex_destroy(&ctx->lock);
free_ctx:
	free(ctx);
	return ret;
}

void bitnpu_context_put(struct bitnpu_context *ctx)
{
	if (!bitnpu_ref_put(&ctx->ref))
		return;
	engine_destroy(ctx->dev, ctx->engine);
	bitnpu_device_put(ctx->dev);
	pthread_mutex_destroy(&ctx->lock);
	free(ctx->bos);
	free(ctx);
}

void bitnpu_context_destroy(struct bitnpu_context *ctx)
{
	if (ctx)
		bitnpu_context_put(ctx);
}

/* Index of the last buffer that begins at or before @addr, or -1.  Caller holds ctx->lock. */
static ptrdiff_t search(const struct bitnpu_context *ctx, uint64_t addr)
{
	size_t low = 0, high = ctx->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (ctx->bos[middle]->addr <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return (ptrdiff_t)low - 1;
}

struct bitnpu_bo *bitnpu_context_find(struct bitnpu_context *ctx, uint64_t addr)
{
	struct bitnpu_bo *bo = NULL;
	ptrdiff_t i;

	pthread_mutex_lock(&ctx->lock);
	i = search(ctx, addr);
	if (i >= 0 && addr - ctx->bos[i]->addr < ctx->bos[i]->engine->size) {
		bo = ctx->bos[i];
		bitnpu_ref_get(&bo->ref);
	}
	pthread_mutex_unlock(&ctx->lock);
	return bo;
}

/* The engine's address of @bo, or the core's next.  Caller holds ctx->lock. */
static int choose_addr(struct bitnpu_context *ctx, struct bitnpu_bo *bo)
{
	/* bo->engine->size <= 2^63, see round_up() */
	const uint64_t span = (bo->engine->size / ADDR_GRANULE + 2) * ADDR_GRANULE;

	bo->addr = bo->engine->addr;
	if (bo->addr)
		return 0;
	if (span > LAST_ADDR - ctx->next_addr)
		return -ENOMEM;
	bo->addr = ctx->next_addr;
	ctx->next_addr += span;
	return 0;
}

/* Caller holds ctx->lock. */
static int grow_table(struct bitnpu_context *ctx)
{
	const size_t capacity = ctx->capacity ? 2 * ctx->capacity : 16;
	struct bitnpu_bo **grown = realloc(ctx->bos, capacity * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	ctx->bos = grown;
	ctx->capacity = capacity;
	return 0;
}

/* Give @bo an address and enter it in the table. */
static int map_bo(struct bitnpu_context *ctx, struct bitnpu_bo *bo)
{
	int ret = 0;
	size_t i;

	pthread_mutex_lock(&ctx->lock);
	if (ctx->count == ctx->capacity)
		ret = grow_table(ctx);
	if (ret == 0)
		ret = choose_addr(ctx, bo);
	if (ret == 0) {
		i = search(ctx, bo->addr) + 1;
		memmove(ctx->bos + i + 1, ctx->bos + i, (ctx->count - i) * sizeof(*ctx->bos));
		ctx->bos[i] = bo;
		ctx->count++;
	}
	pthread_mutex_unlock(&ctx->lock);
	return ret;
}

static void unmap_bo(struct bitnpu_context *ctx, struct bitnpu_bo *bo)
{
	size_t i;

	pthread_mutex_lock(&ctx->lock);
	i = search(ctx, bo->addr);
	ctx->count--;
	memmove(ctx->bos + i, ctx->bos + i + 1, (ctx->count - i) * sizeof(*ctx->bos));
	pthread_mutex_unlock(&ctx->lock);
}

/* @size as a whole number of host pages, or 0 when it is none or absurd. */
static uint64_t round_up(uint64_t size)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);

	if (size == 0 || size > LAST_ADDR / 2)
		return 0;
	return (size + page - 1) / page * page;
}

static int check_size(const struct bitnpu_context *ctx, const char *what, uint64_t size,
		      uint32_t flags, struct bitnpu_error *err)
{
	const uint64_t max = ctx->dev->engine->info.max_buffer_bytes;

	if (size == 0)
		return bitnpu_fail(err, -EINVAL, "%s: size is 0", what);
	if (flags & ~BO_FLAGS)
		return bitnpu_fail(err, -EINVAL, "%s: unknown flags 0x%x", what, flags & ~BO_FLAGS);
	if (round_up(size) == 0 || (max && round_up(size) > max))
		return bitnpu_fail(err, -E2BIG, "%s: %llu bytes, %s takes at most %llu", what,
				   (unsigned long long)size, ctx->dev->engine->info.name,
				   (unsigned long long)(max ? max : LAST_ADDR / 2));
	return 0;
}

/* Create a buffer of new memory, or of the host's when @ptr is not NULL. */
static int new_bo(struct bitnpu_context *ctx, const char *what, const void *ptr, uint64_t size,
		  uint32_t flags, struct bitnpu_bo **out, struct bitnpu_error *err)
{
	struct bitnpu_device *dev = ctx->dev;
	struct bitnpu_bo *bo;
	int ret = check_size(ctx, what, size, flags, err);

	if (ret)
		return ret;
	bo = calloc(1, sizeof(*bo));
	if (!bo)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory", what);
	if (pthread_mutex_init(&bo->lock, NULL)) {
		ret = bitnpu_fail(err, -ENOMEM, "%s: no resources for a lock", what);
		goto free_bo;
	}
	bitnpu_ref_init(&bo->ref);
	bo->size = size;
	bo->imported = ptr;
	if (ptr)
		ret = dev->ops->bo_import(ctx->engine, ptr, round_up(size), flags, &bo->engine,
					  err);
	else
		ret = dev->ops->bo_create(ctx->engine, round_up(size), flags, &bo->engine, err);
	if (ret)
		goto destroy_lock;
	ret = map_bo(ctx, bo);
	if (ret) {
		bitnpu_fail(err, ret, "%s: %llu bytes: no address or memory for the mapping", what,
			    (unsigned long long)size);
		goto destroy_engine;
	}
	bitnpu_ref_get(&ctx->ref);
	bo->ctx = ctx;
	*out = bo;
	return 0;

destroy_engine:
	dev->ops->bo_destroy(ctx->engine, bo->engine);
destroy_lock:
	pthread_mutex_destroy(&bo->lock);
free_bo:
	free(bo);
	return ret;
}

int bitnpu_bo_create(struct bitnpu_context *ctx, uint64_t size, uint32_t flags,
		     struct bitnpu_bo **bo, struct bitnpu_error *err)
{
	return new_bo(ctx, "buffer", NULL, size, flags, bo, err);
}

int bitnpu_bo_import(struct bitnpu_context *ctx, const void *ptr, uint64_t size, uint32_t flags,
		     struct bitnpu_bo **bo, struct bitnpu_error *err)
{
	const uintptr_t page = sysconf(_SC_PAGESIZE);

	if (!ptr || (uintptr_t)ptr % page)
		return bitnpu_fail(err, -EINVAL, "import: %p is not aligned to a page (%zu bytes)",
				   ptr, (size_t)page);
	return new_bo(ctx, "import", ptr, size, flags, bo, err);
}

void bitnpu_bo_put(struct bitnpu_bo *bo)
{
	struct bitnpu_context *ctx = bo->ctx;

	if (!bitnpu_ref_put(&bo->ref))
		return;
	ctx->dev->ops->bo_destroy(ctx->engine, bo->engine);
	pthread_mutex_destroy(&bo->lock);
	free(bo);
	bitnpu_context_put(ctx);
}

void bitnpu_bo_destroy(struct bitnpu_bo *bo)
{
	if (!bo)
		return;
	/* New lists no longer find it; those that hold it go on using it. */
	unmap_bo(bo->ctx, bo);
	bitnpu_bo_unmap(bo, NULL);
	bitnpu_bo_put(bo);
}

uint64_t bitnpu_bo_address(const struct bitnpu_bo *bo)
{
	return bo->addr;
}

uint64_t bitnpu_bo_size(const struct bitnpu_bo *bo)
{
	return bo->size;
}

int bitnpu_bo_map(struct bitnpu_bo *bo, uint32_t access, void **ptr, struct bitnpu_error *err)
{
	struct bitnpu_context *ctx = bo->ctx;
	int ret;

	if (!access || access & ~(BITNPU_MAP_READ | BITNPU_MAP_WRITE))
		return bitnpu_fail(err, -EINVAL, "map: access 0x%x is not READ, WRITE or both",
				   access);
	if (access & BITNPU_MAP_WRITE && bo->imported && bo->engine->flags & BITNPU_BO_READ_ONLY)
		return bitnpu_fail(err, -EACCES, "map: imported read-only memory for writing");
	pthread_mutex_lock(&bo->lock);
	if (bo->mapped)
		ret = bitnpu_fail(err, -EBUSY, "map: buffer 0x%llx is mapped already",
				  (unsigned long long)bo->addr);
	else
		ret = ctx->dev->ops->bo_map(ctx->engine, bo->engine, access, err);
	if (ret == 0) {
		bo->mapped = true;
		*ptr = bo->engine->host;
	}
	pthread_mutex_unlock(&bo->lock);
	return ret;
}

int bitnpu_bo_unmap(struct bitnpu_bo *bo, struct bitnpu_error *err)
{
	struct bitnpu_context *ctx = bo->ctx;
	int ret;

	pthread_mutex_lock(&bo->lock);
	if (bo->mapped)
		ret = ctx->dev->ops->bo_unmap(ctx->engine, bo->engine, err);
	else
		ret = bitnpu_fail(err, -EINVAL, "unmap: buffer 0x%llx is not mapped",
				  (unsigned long long)bo->addr);
	/* After a failed unmap the contents are lost either way; do not refuse the next map. */
	bo->mapped = false;
	pthread_mutex_unlock(&bo->lock);
	return ret;
}
