// SPDX-License-Identifier: MIT
/* Contexts: an open file each, and the syncobjs in it. */
#include "accel.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xf86drm.h>

int bitnpu_accel_context_create(struct bitnpu_engine_device *base, struct bitnpu_engine_context **out,
				struct bitnpu_error *err)
{
	struct bitnpu_accel_device *dev = (struct bitnpu_accel_device *)base;
	struct drm_bitnpu_device_info info;
	struct bitnpu_accel_context *ctx;
	int ret;

	ctx = calloc(1, sizeof(*ctx));
	if (!ctx)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory for a context", base->info.name);
	if (pthread_mutex_init(&ctx->lock, NULL)) {
		ret = bitnpu_fail(err, -ENOMEM, "%s: no resources for a lock", base->info.name);
		goto free_ctx;
	}
	ctx->fd = bitnpu_accel_open_node(dev->path, &info, err);
	if (ctx->fd < 0) {
		ret = ctx->fd;
		if (ret == -ENOENT || ret == -ENXIO)
			ret = bitnpu_fail(err, -ENODEV, "%s: %s: the device is gone",
					  base->info.name, dev->path);
		goto destroy_lock;
	}
	/* A file of the same name may have taken the place of one that went away. */
	if (memcmp(&info, &dev->info, sizeof(info))) {
		ret = bitnpu_fail(err, -ENODEV, "%s: %s is another device now", base->info.name,
				  dev->path);
		goto close_fd;
	}
	*out = &ctx->base;
	return 0;

close_fd:
	close(ctx->fd);
destroy_lock:
	pthread_mutex_destroy(&ctx->lock);
free_ctx:
	free(ctx);
	return ret;
}

/* Closing the file frees what is left in it, syncobjs too. */
void bitnpu_accel_context_destroy(struct bitnpu_engine_context *base)
{
	struct bitnpu_accel_context *ctx = (struct bitnpu_accel_context *)base;

	close(ctx->fd);
	pthread_mutex_destroy(&ctx->lock);
	free(ctx->idle);
	free(ctx);
}

const char *bitnpu_accel_name(const struct bitnpu_accel_context *ctx)
{
	return ctx->base.dev->info.name;
}

int bitnpu_accel_syncobj_get(struct bitnpu_accel_context *ctx, uint32_t *handle,
			     struct bitnpu_error *err)
{
	bool found;

	pthread_mutex_lock(&ctx->lock);
	found = ctx->idle_count > 0;
	if (found)
		*handle = ctx->idle[--ctx->idle_count];
	pthread_mutex_unlock(&ctx->lock);
	if (!found && drmSyncobjCreate(ctx->fd, 0, handle))
		return bitnpu_fail(err, bitnpu_accel_errno(), "%s: no syncobj: %s", bitnpu_accel_name(ctx),
				   strerror(errno));
	return 0;
}

void bitnpu_accel_syncobj_put(struct bitnpu_accel_context *ctx, uint32_t handle)
{
	pthread_mutex_lock(&ctx->lock);
	if (ctx->idle_count == ctx->idle_capacity) {
		const size_t capacity = ctx->idle_capacity ? 2 * ctx->idle_capacity : 16;
		uint32_t *grown = realloc(ctx->idle, capacity * sizeof(*grown));

		if (grown) {
			ctx->idle = grown;
			ctx->idle_capacity = capacity;
		}
	}
	if (ctx->idle_count < ctx->idle_capacity)
		ctx->idle[ctx->idle_count++] = handle;
	else
		drmSyncobjDestroy(ctx->fd, handle);
	pthread_mutex_unlock(&ctx->lock);
}
