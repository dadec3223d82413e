// SPDX-License-Identifier: MIT
/* An engine that does what a test tells it to. */
#include <errno.h>
#include <stdlib.h>

#include "fake_queue.h"
#include "libbitnpu/core.h"

struct fake_device {
	struct bitnpu_engine_device engine;
	struct fake_engine *fake;
};

struct fake_bo {
	struct bitnpu_engine_bo engine;
	void *memory;
};

struct fake_engine *fake_of(struct bitnpu_engine_context *ctx)
{
	return ((struct fake_device *)ctx->dev)->fake;
}

static void add(int *count, int by)
{
	__atomic_add_fetch(count, by, __ATOMIC_SEQ_CST);
}

int fake_count(const int *count)
{
	return __atomic_load_n(count, __ATOMIC_SEQ_CST);
}

static void fake_close(struct bitnpu_engine_device *dev)
{
	add(&((struct fake_device *)dev)->fake->devices, -1);
	free(dev);
}

static int fake_context_create(struct bitnpu_engine_device *dev,
			       struct bitnpu_engine_context **out, struct bitnpu_error *err)
{
	struct fake_engine *fake = ((struct fake_device *)dev)->fake;
	struct bitnpu_engine_context *ctx;

	if (fake->fail_context)
		return bitnpu_fail(err, fake->fail_context, "fake: no context");
	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		abort();
	add(&fake->contexts, 1);
	*out = ctx;
	return 0;
}

static void fake_context_destroy(struct bitnpu_engine_context *ctx)
{
	add(&fake_of(ctx)->contexts, -1);
	free(ctx);
}

static int new_bo(struct bitnpu_engine_context *ctx, const void *ptr, uint64_t size, uint32_t flags,
		  struct bitnpu_engine_bo **out, struct bitnpu_error *err)
{
	struct fake_engine *fake = fake_of(ctx);
	struct fake_bo *bo;

	if (fake->fail_bo)
		return bitnpu_fail(err, fake->fail_bo, "fake: no buffer");
	if (fake->room && __atomic_load_n(&fake->bytes, __ATOMIC_SEQ_CST) + size > fake->room)
		return bitnpu_fail(err, -ENOMEM, "fake: no room");
	bo = calloc(1, sizeof(*bo));
	if (!bo)
		abort();
	bo->memory = ptr ? NULL : calloc(1, size);
	bo->engine.host = ptr ? (void *)ptr : bo->memory;
	bo->engine.size = size;
	bo->engine.flags = flags;
	bo->engine.addr = fake->addr;
	add(&fake->bos, 1);
	__atomic_add_fetch(&fake->bytes, size, __ATOMIC_SEQ_CST);
	*out = &bo->engine;
	return 0;
}

static int fake_bo_create(struct bitnpu_engine_context *ctx, uint64_t size, uint32_t flags,
			  struct bitnpu_engine_bo **bo, struct bitnpu_error *err)
{
	return new_bo(ctx, NULL, size, flags, bo, err);
}

static void fake_bo_destroy(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *engine_bo)
{
	struct fake_bo *bo = (struct fake_bo *)engine_bo;

	add(&fake_of(ctx)->bos, -1);
	__atomic_sub_fetch(&fake_of(ctx)->bytes, engine_bo->size, __ATOMIC_SEQ_CST);
	free(bo->memory);
	free(bo);
}

static int fake_bo_map(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo,
		       uint32_t access, struct bitnpu_error *err)
{
	struct fake_engine *fake = fake_of(ctx);

	if (fake->fail_map)
		return bitnpu_fail(err, fake->fail_map, "fake: no map");
	add(&fake->maps, 1);
	fake->access = access;
	return 0;
}

static int fake_bo_unmap(struct bitnpu_engine_context *ctx, struct bitnpu_engine_bo *bo,
			 struct bitnpu_error *err)
{
	struct fake_engine *fake = fake_of(ctx);

	add(&fake->maps, -1);
	if (fake->fail_unmap)
		return bitnpu_fail(err, fake->fail_unmap, "fake: no unmap");
	return 0;
}

static int fake_prepare(struct bitnpu_engine_context *ctx, const struct bitnpu_checked_list *list,
			void **prepared, struct bitnpu_error *err)
{
	struct fake_engine *fake = fake_of(ctx);

	if (fake->fail_prepare)
		return bitnpu_fail(err, fake->fail_prepare, "fake: no preparation");
	add(&fake->prepared, 1);
	*prepared = fake;
	return 0;
}

static void fake_unprepare(struct bitnpu_engine_context *ctx, void *prepared)
{
	if (prepared != fake_of(ctx))
		abort();
	add(&fake_of(ctx)->prepared, -1);
}

static int fake_execute(struct bitnpu_engine_context *ctx, const struct bitnpu_checked_list *list,
			void *prepared, struct bitnpu_error *err)
{
	struct fake_engine *fake = fake_of(ctx);
	uint32_t id = 0;

	if (prepared != fake || list->count == 0)
		abort();
	for (size_t i = 0; i < list->count && id == 0; i++)
		if (list->cmds[i].opcode == BITNPU_OP_MATMUL)
			id = list->cmds[i].mm.m;
	add(&fake->executed, 1);
	return fake->execute ? fake->execute(fake, id, err) : 0;
}

#define COMMON_OPS \
	.name = "fake", \
	.close = fake_close, \
	.context_create = fake_context_create, \
	.context_destroy = fake_context_destroy, \
	.bo_create = fake_bo_create, \
	.bo_import = new_bo, \
	.bo_destroy = fake_bo_destroy, \
	.bo_map = fake_bo_map, \
	.bo_unmap = fake_bo_unmap, \
	.prepare = fake_prepare, \
	.unprepare = fake_unprepare

static const struct bitnpu_engine_ops fake_ops = {
	COMMON_OPS,
	.execute = fake_execute,
};

static const struct bitnpu_engine_ops fake_queue_ops = {
	COMMON_OPS,
	.queue_create = fake_queue_create,
	.queue_destroy = fake_queue_destroy,
	.submit = fake_queue_submit,
	.fence_wait = fake_fence_wait,
	.fence_status = fake_fence_status,
	.fence_export = fake_fence_export,
	.fence_destroy = fake_fence_destroy,
};

void fake_engine_init(struct fake_engine *fake)
{
	*fake = (struct fake_engine){
		.features = BITNPU_FEATURE_W_TERNARY | BITNPU_FEATURE_W_BINARY |
			    BITNPU_FEATURE_W_INT8 | BITNPU_FEATURE_Y_INT32 |
			    BITNPU_FEATURE_Y_INT64,
	};
}

struct bitnpu_device *fake_device_open(struct fake_engine *fake)
{
	struct bitnpu_device *dev = calloc(1, sizeof(*dev));
	struct fake_device *engine = calloc(1, sizeof(*engine));

	if (!dev || !engine)
		abort();
	engine->fake = fake;
	engine->engine.ops = fake->has_queues ? &fake_queue_ops : &fake_ops;
	engine->engine.info.features = fake->features;
	engine->engine.info.whole_steps = true;
	engine->engine.info.max_buffer_bytes = fake->max_buffer_bytes;
	bitnpu_ref_init(&dev->ref);
	dev->ops = engine->engine.ops;
	dev->engine = &engine->engine;
	add(&fake->devices, 1);
	return dev;
}
