// SPDX-License-Identifier: MIT
/*
 * The golden engine: the datapath, and the plainest of the float operations, on the host's memory;
 * one thread, nothing clever.
 */
#include <errno.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "error.h"
#include "float_run.h"
#include "host_memory.h"
#include "hostops/tables.h"

/**
 * struct golden_dma - the memory that one command may touch
 * @dma: the datapath's view
 * @cmd: the command whose operands are reachable
 */
struct golden_dma {
	struct bitnpu_dma dma;
	const struct bitnpu_checked_cmd *cmd;
};

static unsigned int golden_count(void)
{
	return 1;
}

static int golden_describe(unsigned int index, struct bitnpu_device_info *info)
{
	if (index > 0)
		return -ENODEV;
	snprintf(info->description, sizeof(info->description), "reference in scalar C");
	snprintf(info->detail, sizeof(info->detail), "one thread, defines the right answer");
	info->features = BITNPU_FEATURE_W_TERNARY | BITNPU_FEATURE_W_BINARY |
			 BITNPU_FEATURE_W_INT8 | BITNPU_FEATURE_Y_INT32 | BITNPU_FEATURE_Y_INT64 |
			 BITNPU_FEATURES_FLOAT;
	info->memory_bytes = bitnpu_host_memory_bytes();
	info->unified = true;
	info->host = true;
	return 0;
}

static int golden_open(unsigned int index, struct bitnpu_engine_device **out,
		       struct bitnpu_error *err)
{
	struct bitnpu_engine_device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return bitnpu_fail(err, -ENOMEM, "golden: out of memory");
	dev->ops = &bitnpu_golden_ops;
	if (golden_describe(index, &dev->info)) {
		free(dev);
		return bitnpu_fail(err, -ENODEV, "golden: there is no device %u", index);
	}
	*out = dev;
	return 0;
}

static void golden_close(struct bitnpu_engine_device *dev)
{
	free(dev);
}

/* Host address of @len bytes at @addr if they lie in the @bytes of @op at @base, else NULL. */
static uint8_t *translate(const struct bitnpu_operand *op, uint64_t base, uint64_t bytes,
			  uint64_t addr, uint32_t len)
{
	if (addr - base >= bytes || len > bytes - (addr - base))
		return NULL;
	return (uint8_t *)op->bo->host + op->offset + (addr - base);
}

static int golden_load(struct bitnpu_dma *base, void *dst, __u64 addr, __u32 len)
{
	const struct bitnpu_checked_cmd *cmd = ((struct golden_dma *)base)->cmd;
	const uint8_t *src = translate(&cmd->w, cmd->mm.w_addr, cmd->mm.w_bytes, addr, len);

	if (!src)
		src = translate(&cmd->x, cmd->mm.x_addr, cmd->mm.x_bytes, addr, len);
	if (!src)
		src = translate(&cmd->s, cmd->mm.s_addr, cmd->mm.s_bytes, addr, len);
	if (!src)
		return -EFAULT;
	memcpy(dst, src, len);
	return 0;
}

static int golden_store(struct bitnpu_dma *base, __u64 addr, const void *src, __u32 len)
{
	const struct bitnpu_checked_cmd *cmd = ((struct golden_dma *)base)->cmd;
	uint8_t *dst = translate(&cmd->y, cmd->mm.y_addr, cmd->mm.y_bytes, addr, len);

	if (!dst)
		return -EFAULT;
	memcpy(dst, src, len);
	return 0;
}

static int run_matmul(const struct bitnpu_checked_cmd *cmd)
{
	struct golden_dma dma = {
		.dma = { .load = golden_load, .store = golden_store },
		.cmd = cmd,
	};

	return bitnpu_matmul_run(&cmd->mm, &dma.dma);
}

static int run_float(const struct bitnpu_checked_cmd *cmd)
{
	struct bitnpu_float_job job;
	int ret = bitnpu_float_begin(&job, cmd, &bitnpu_hostops_baseline, 1);

	if (ret)
		return ret;
	for (uint32_t i = 0; i < bitnpu_float_passes(&job); i++)
		bitnpu_float_pass(&job, i, 0);
	bitnpu_float_end(&job);
	return 0;
}

/* In order, one at a time: every command is followed by a barrier anyway. */
static int run_list(const struct bitnpu_checked_list *list, struct bitnpu_error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct bitnpu_checked_cmd *cmd = &list->cmds[i];
		const struct bitnpu_fault fault = {
			.status = BITNPU_STATUS_DEVICE,
			.index = cmd->index,
		};
		int ret = 0;

		if (cmd->opcode == BITNPU_OP_MATMUL)
			ret = run_matmul(cmd);
		else if (bitnpu_is_float_opcode(cmd->opcode))
			ret = run_float(cmd);
		if (ret)
			return bitnpu_fail_fault(err, ret, &fault);
	}
	return 0;
}

static int golden_execute(struct bitnpu_engine_context *ctx, const struct bitnpu_checked_list *list,
			  void *prepared, struct bitnpu_error *err)
{
	fenv_t env;
	int ret;

	/* It may be the application's thread that runs this: see bitnpu_session_eval(). */
	fegetenv(&env);
	fesetenv(FE_DFL_ENV);
	ret = run_list(list, err);
	fesetenv(&env);
	return ret;
}

const struct bitnpu_engine_ops bitnpu_golden_ops = {
	.name = "golden",
	.single = true,
	.count = golden_count,
	.describe = golden_describe,
	.open = golden_open,
	.close = golden_close,
	.bo_create = bitnpu_host_bo_create,
	.bo_import = bitnpu_host_bo_import,
	.bo_destroy = bitnpu_host_bo_destroy,
	.bo_map = bitnpu_host_bo_map,
	.bo_unmap = bitnpu_host_bo_unmap,
	.execute = golden_execute,
};
