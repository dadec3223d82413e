// SPDX-License-Identifier: MIT
/* Turning checked commands into kernels with all their arguments set. */
#include "opencl.h"

#include <errno.h>
#include <stdlib.h>

/* A shift that makes one group of all columns. */
#define NO_GROUPS	31

/* In the order of the kernel's parameters (common.cl). */
struct argument {
	const void *value;
	size_t size;
};

static const cl_mem *operand_mem(const struct bitnpu_operand *operand)
{
	return &((const struct bitnpu_cl_bo *)operand->bo)->mem;
}

static cl_int set_arguments(cl_kernel kernel, const struct bitnpu_checked_cmd *cmd,
			    cl_uint group_tiles)
{
	const struct bitnpu_matmul *mm = &cmd->mm;
	/* An INT32 command has no scales; a buffer must be named all the same. */
	const struct bitnpu_operand *s = cmd->s.bo ? &cmd->s : &cmd->w;
	const cl_ulong x_offset = cmd->x.offset, w_offset = cmd->w.offset, s_offset = s->offset;
	const cl_ulong y_offset = cmd->y.offset, x_stride = mm->x_stride, y_stride = mm->y_stride;
	const cl_uint m = mm->m, n = mm->n, k = mm->k;
	const cl_uint group_shift = mm->groups ? mm->group_shift : NO_GROUPS;
	const struct argument args[] = {
		{ operand_mem(&cmd->x), sizeof(cl_mem) }, { &x_offset, sizeof(x_offset) },
		{ &x_stride, sizeof(x_stride) },
		{ operand_mem(&cmd->w), sizeof(cl_mem) }, { &w_offset, sizeof(w_offset) },
		{ operand_mem(s), sizeof(cl_mem) }, { &s_offset, sizeof(s_offset) },
		{ operand_mem(&cmd->y), sizeof(cl_mem) }, { &y_offset, sizeof(y_offset) },
		{ &y_stride, sizeof(y_stride) },
		{ &m, sizeof(m) }, { &n, sizeof(n) }, { &k, sizeof(k) },
		{ &group_shift, sizeof(group_shift) }, { &group_tiles, sizeof(group_tiles) },
	};

	for (cl_uint i = 0; i < sizeof(args) / sizeof(args[0]); i++) {
		cl_int status = clSetKernelArg(kernel, i, args[i].size, args[i].value);

		if (status)
			return status;
	}
	return CL_SUCCESS;
}

static size_t blocks(size_t count, size_t block)
{
	return (count + block - 1) / block;
}

static int plan_command(struct bitnpu_cl_device *dev, const struct bitnpu_checked_cmd *cmd,
			struct bitnpu_cl_launch *launch, struct bitnpu_error *err)
{
	struct bitnpu_cl_config config = {
		.weight_format = cmd->mm.weight_format,
		.output_format = cmd->mm.output_format,
	};
	struct bitnpu_cl_choice *choice = &config.choice;
	uint32_t group_tiles;
	cl_program program;
	cl_int status;
	int ret;

	if (!bitnpu_cl_choice_usual(&dev->caps, dev->forced, cmd->mm.m, cmd->mm.tiles, choice))
		return bitnpu_fail(err, -ENOTSUP, "opencl: no kernel fits this device");
	group_tiles = choice->tiles;
	/* Elsewhere any number of tiles is the same program. */
	if (!choice->variant->fixed_tiles)
		choice->tiles = choice->variant->max_tiles;
	ret = bitnpu_cl_program_get(dev, &config, &program, err);
	if (ret)
		return ret;
	launch->kernel = clCreateKernel(program, "matmul", &status);
	if (!launch->kernel)
		return bitnpu_cl_fail(err, status, "clCreateKernel");
	status = set_arguments(launch->kernel, cmd, group_tiles);
	if (status)
		return bitnpu_cl_fail(err, status, "clSetKernelArg");
	launch->index = cmd->index;
	launch->local[0] = choice->group;
	launch->local[1] = 1;
	launch->global[0] = choice->group * blocks(cmd->mm.m, choice->m_block);
	launch->global[1] = blocks(cmd->mm.tiles, group_tiles);
	return 0;
}

int bitnpu_cl_prepare(struct bitnpu_engine_context *ctx, const struct bitnpu_checked_list *list,
		      void **prepared, struct bitnpu_error *err)
{
	struct bitnpu_cl_device *dev = (struct bitnpu_cl_device *)ctx->dev;
	struct bitnpu_cl_plan *plan;
	int ret;

	plan = calloc(1, sizeof(*plan) + list->count * sizeof(plan->launches[0]));
	if (!plan)
		return bitnpu_fail(err, -ENOMEM, "opencl: out of memory for %zu commands",
				   list->count);
	for (size_t i = 0; i < list->count; i++) {
		if (list->cmds[i].opcode != BITNPU_OP_MATMUL)
			continue;
		/* Counted first, so that a half-made entry is freed too. */
		ret = plan_command(dev, &list->cmds[i], &plan->launches[plan->count++], err);
		if (ret) {
			bitnpu_cl_unprepare(ctx, plan);
			return ret;
		}
	}
	*prepared = plan;
	return 0;
}

void bitnpu_cl_unprepare(struct bitnpu_engine_context *ctx, void *prepared)
{
	struct bitnpu_cl_plan *plan = prepared;

	for (size_t i = 0; i < plan->count; i++)
		if (plan->launches[i].kernel)
			clReleaseKernel(plan->launches[i].kernel);
	free(plan);
}
