// SPDX-License-Identifier: MIT
/* A command list as a job of the driver: written to a buffer once, submitted as often as need be. */
#include "accel.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* x, w, s and y of a command. */
#define OPERANDS	4

static uint32_t handle_of(const struct bitnpu_operand *operand)
{
	return ((const struct bitnpu_accel_bo *)operand->bo)->handle;
}

static int by_handle(const void *a, const void *b)
{
	const struct drm_bitnpu_job_bo *first = a, *second = b;

	return first->handle < second->handle ? -1 : first->handle > second->handle;
}

/* One entry a handle in place of several, with the flags of all.  Return: how many. */
static size_t merge(struct drm_bitnpu_job_bo *bos, size_t count)
{
	size_t kept = 0;

	qsort(bos, count, sizeof(*bos), by_handle);
	for (size_t i = 0; i < count; i++) {
		if (kept && bos[kept - 1].handle == bos[i].handle)
			bos[kept - 1].flags |= bos[i].flags;
		else
			bos[kept++] = bos[i];
	}
	return kept;
}

/*
 * The buffers of a list.  The fences that a job is given say what it waits for, so nothing is to be found out
 * from its buffers; being named, they stay mapped until it has ended.
 */
static size_t name_bos(const struct bitnpu_checked_list *list, struct drm_bitnpu_job_bo *bos)
{
	const uint32_t reads = DRM_BITNPU_JOB_BO_READ | DRM_BITNPU_JOB_BO_NO_SYNC;
	const uint32_t writes = DRM_BITNPU_JOB_BO_WRITE | DRM_BITNPU_JOB_BO_NO_SYNC;
	size_t count = 0;

	for (size_t i = 0; i < list->count; i++) {
		const struct bitnpu_checked_cmd *cmd = &list->cmds[i];

		if (cmd->opcode != BITNPU_OP_MATMUL)
			continue;
		bos[count++] = (struct drm_bitnpu_job_bo){ handle_of(&cmd->x), reads };
		bos[count++] = (struct drm_bitnpu_job_bo){ handle_of(&cmd->w), reads };
		if (cmd->s.bo)
			bos[count++] = (struct drm_bitnpu_job_bo){ handle_of(&cmd->s), reads };
		bos[count++] = (struct drm_bitnpu_job_bo){ handle_of(&cmd->y), writes };
	}
	count = merge(bos, count);
	/* More cannot be named.  They stay mapped all the same: the list holds the buffers. */
	return count < DRM_BITNPU_MAX_JOB_BOS ? count : DRM_BITNPU_MAX_JOB_BOS - 1;
}

static int upload(struct bitnpu_accel_context *ctx, const struct bitnpu_checked_list *list,
		  struct bitnpu_accel_bo **bo, struct bitnpu_error *err)
{
	const uint64_t page = sysconf(_SC_PAGESIZE);
	const uint64_t size = (list->size + page - 1) / page * page;

	if (list->size > UINT32_MAX)
		return bitnpu_fail(err, -E2BIG, "%s: a list of %zu bytes, a job takes less than 4 GiB",
				   bitnpu_accel_name(ctx), list->size);
	return bitnpu_accel_bo_new(ctx, list->bytes, list->size, size, BITNPU_BO_READ_ONLY, bo, err);
}

int bitnpu_accel_prepare(struct bitnpu_engine_context *base, const struct bitnpu_checked_list *list,
			 void **prepared, struct bitnpu_error *err)
{
	struct bitnpu_accel_context *ctx = (struct bitnpu_accel_context *)base;
	const int restartable = bitnpu_accel_is_restartable(list->cmds, list->count);
	struct bitnpu_accel_list *out, *shrunk;
	size_t count;
	int ret;

	out = calloc(1, sizeof(*out) + (list->count * OPERANDS + 1) * sizeof(out->bos[0]));
	if (!out || restartable < 0) {
		ret = bitnpu_fail(err, -ENOMEM, "%s: out of memory for a list of %zu commands",
				  bitnpu_accel_name(ctx), list->count);
		goto free_out;
	}
	ret = upload(ctx, list, &out->bo, err);
	if (ret)
		goto free_out;
	count = name_bos(list, out->bos);
	out->bos[count++] = (struct drm_bitnpu_job_bo){
		.handle = out->bo->handle,
		.flags = DRM_BITNPU_JOB_BO_READ | DRM_BITNPU_JOB_BO_NO_SYNC,
	};
	shrunk = realloc(out, sizeof(*out) + count * sizeof(out->bos[0]));
	out = shrunk ? shrunk : out;
	out->job = (struct drm_bitnpu_job){
		.list_addr = out->bo->base.addr,
		.list_size = (uint32_t)list->size,
		.flags = restartable ? DRM_BITNPU_JOB_RESTARTABLE : 0,
		.bos = {
			.pointer = (uintptr_t)out->bos,
			.count = (uint32_t)count,
			.stride = sizeof(out->bos[0]),
		},
	};
	*prepared = out;
	return 0;

free_out:
	free(out);
	return ret;
}

void bitnpu_accel_unprepare(struct bitnpu_engine_context *ctx, void *prepared)
{
	struct bitnpu_accel_list *list = prepared;

	bitnpu_accel_bo_destroy(ctx, &list->bo->base);
	free(list);
}
