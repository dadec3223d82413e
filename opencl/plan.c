// SPDX-License-Identifier: MIT
/* Turning checked commands into kernels with all their arguments set. */
#include "opencl.h"

#include <errno.h>
#include <stdlib.h>

/* A shift that makes one group of all columns. */
#define NO_GROUPS	31

/* Places among the parameters. */
#define W_ARGUMENT	3

cl_int bitnpu_cl_set_arguments(cl_kernel kernel, const struct bitnpu_cl_argument *args,
			       cl_uint count)
{
	cl_int status = CL_SUCCESS;

	for (cl_uint i = 0; i < count && !status; i++)
		status = clSetKernelArg(kernel, i, args[i].size, args[i].value);
	return status;
}

/* In the order of the kernel's parameters (common.cl). */
static cl_int set_arguments(cl_kernel kernel, const struct bitnpu_matmul *mm,
			    const struct bitnpu_cl_arguments *mem, cl_uint group_tiles)
{
	const cl_ulong x_stride = mm->x_stride, y_stride = mm->y_stride;
	const cl_uint m = mm->m, n = mm->n, k = mm->k;
	const cl_uint group_shift = mm->groups ? mm->group_shift : NO_GROUPS;
	const struct bitnpu_cl_argument args[] = {
		{ mem->mem[0], sizeof(cl_mem) }, { &mem->offset[0], sizeof(cl_ulong) },
		{ &x_stride, sizeof(x_stride) },
		{ mem->mem[1], sizeof(cl_mem) }, { &mem->offset[1], sizeof(cl_ulong) },
		{ mem->mem[2], sizeof(cl_mem) }, { &mem->offset[2], sizeof(cl_ulong) },
		{ mem->mem[3], sizeof(cl_mem) }, { &mem->offset[3], sizeof(cl_ulong) },
		{ &y_stride, sizeof(y_stride) },
		{ &m, sizeof(m) }, { &n, sizeof(n) }, { &k, sizeof(k) },
		{ &group_shift, sizeof(group_shift) }, { &group_tiles, sizeof(group_tiles) },
	};

	return bitnpu_cl_set_arguments(kernel, args, sizeof(args) / sizeof(args[0]));
}

cl_int bitnpu_cl_set_weights(cl_kernel kernel, const cl_mem *mem, cl_ulong offset)
{
	cl_int status = clSetKernelArg(kernel, W_ARGUMENT, sizeof(*mem), mem);

	return status ? status : clSetKernelArg(kernel, W_ARGUMENT + 1, sizeof(offset), &offset);
}

static size_t blocks(size_t count, size_t block)
{
	return (count + block - 1) / block;
}

int bitnpu_cl_plan_matmul(struct bitnpu_cl_device *dev, const struct bitnpu_matmul *mm,
			  const struct bitnpu_cl_choice *choice,
			  const struct bitnpu_cl_arguments *args, struct bitnpu_cl_launch *launch,
			  struct bitnpu_error *err)
{
	struct bitnpu_cl_config config = {
		.choice = *choice,
		.weight_format = mm->weight_format,
		.output_format = mm->output_format,
	};
	cl_program program;
	cl_int status;
	int ret;

	/* Elsewhere any number of tiles is the same program. */
	if (!choice->variant->fixed_tiles)
		config.choice.tiles = choice->variant->max_tiles;
	ret = bitnpu_cl_program_get(dev, &config, &program, err);
	if (ret)
		return ret;
	launch->kernel = clCreateKernel(program, "matmul", &status);
	if (!launch->kernel)
		return bitnpu_cl_fail(err, status, "clCreateKernel");
	status = set_arguments(launch->kernel, mm, args, choice->tiles);
	if (status)
		return bitnpu_cl_fail(err, status, "clSetKernelArg");
	launch->local[0] = choice->group;
	launch->local[1] = 1;
	launch->global[0] = choice->group * blocks(mm->m, choice->m_block);
	launch->global[1] = blocks(mm->tiles, choice->tiles);
	return 0;
}

/* What was found for commands like this, found now, or what is usual. */
static bool choose(struct bitnpu_cl_device *dev, const struct bitnpu_matmul *mm,
		   struct bitnpu_cl_choice *choice)
{
	struct bitnpu_cl_tuned entry = { .class = bitnpu_cl_class_of(mm) };
	const struct bitnpu_cl_tuned *known;

	if (!bitnpu_cl_choice_usual(&dev->caps, dev->forced, mm->m, mm->tiles, choice))
		return false;
	if (dev->forced)
		return true;
	pthread_mutex_lock(&dev->tune_lock);
	known = bitnpu_cl_tuned_find(&dev->tuned, &entry.class);
	if (!known && dev->tune_ms && bitnpu_cl_tune(dev, mm, choice, &entry) &&
	    bitnpu_cl_tuned_set(&dev->tuned, &entry)) {
		bitnpu_cl_tuned_store(&dev->caps, dev->cache_dir, &dev->tuned);
		known = &entry;
	}
	if (known)
		*choice = known->choice;
	pthread_mutex_unlock(&dev->tune_lock);
	return true;
}

static const cl_mem *operand_mem(const struct bitnpu_operand *operand)
{
	return &((const struct bitnpu_cl_bo *)operand->bo)->mem;
}

static int plan_command(struct bitnpu_cl_device *dev, const struct bitnpu_checked_cmd *cmd,
			struct bitnpu_cl_launch *launch, struct bitnpu_error *err)
{
	/* An INT32 command has no scales; a buffer must be named all the same. */
	const struct bitnpu_operand *s = cmd->s.bo ? &cmd->s : &cmd->w;
	const struct bitnpu_cl_arguments args = {
		.mem = { operand_mem(&cmd->x), operand_mem(&cmd->w), operand_mem(s),
			 operand_mem(&cmd->y) },
		.offset = { cmd->x.offset, cmd->w.offset, s->offset, cmd->y.offset },
	};
	struct bitnpu_cl_choice choice;

	if (!choose(dev, &cmd->mm, &choice))
		return bitnpu_fail(err, -ENOTSUP, "opencl: no kernel fits this device");
	launch->index = cmd->index;
	return bitnpu_cl_plan_matmul(dev, &cmd->mm, &choice, &args, launch, err);
}

/* Launches of a list, and the scratch memory that they share: they run one after another. */
static size_t count_launches(const struct bitnpu_checked_list *list, uint64_t *scratch)
{
	size_t count = 0;

	*scratch = 0;
	for (size_t i = 0; i < list->count; i++) {
		const struct bitnpu_checked_cmd *cmd = &list->cmds[i];

		if (cmd->opcode == BITNPU_OP_MATMUL)
			count++;
		if (!bitnpu_is_float_opcode(cmd->opcode))
			continue;
		count += bitnpu_cl_float_launches(&cmd->op);
		if (bitnpu_cl_float_scratch(&cmd->op) > *scratch)
			*scratch = bitnpu_cl_float_scratch(&cmd->op);
	}
	return count;
}

static int plan_list(struct bitnpu_cl_device *dev, const struct bitnpu_checked_list *list,
		     struct bitnpu_cl_plan *plan, struct bitnpu_error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct bitnpu_checked_cmd *cmd = &list->cmds[i];
		struct bitnpu_cl_launch *next = &plan->launches[plan->count];
		int ret;

		if (cmd->opcode == BITNPU_OP_BARRIER)
			continue;
		/* Counted first, so that a half-made entry is freed too. */
		if (cmd->opcode == BITNPU_OP_MATMUL) {
			plan->count++;
			ret = plan_command(dev, cmd, next, err);
		} else {
			plan->count += bitnpu_cl_float_launches(&cmd->op);
			ret = bitnpu_cl_plan_float(dev, cmd, &plan->scratch, next, err);
		}
		if (ret)
			return ret;
	}
	return 0;
}

int bitnpu_cl_prepare(struct bitnpu_engine_context *ctx, const struct bitnpu_checked_list *list,
		      void **prepared, struct bitnpu_error *err)
{
	struct bitnpu_cl_device *dev = (struct bitnpu_cl_device *)ctx->dev;
	struct bitnpu_cl_plan *plan;
	uint64_t scratch;
	size_t count = count_launches(list, &scratch);
	cl_int status;
	int ret = 0;

	plan = calloc(1, sizeof(*plan) + count * sizeof(plan->launches[0]));
	if (!plan)
		return bitnpu_fail(err, -ENOMEM, "opencl: out of memory for %zu commands",
				   list->count);
	pthread_mutex_init(&plan->scratch_lock, NULL);
	if (scratch) {
		plan->scratch = clCreateBuffer(dev->context, CL_MEM_READ_WRITE, scratch, NULL, &status);
		if (!plan->scratch)
			ret = bitnpu_cl_fail(err, status, "clCreateBuffer");
	}
	if (!ret)
		ret = plan_list(dev, list, plan, err);
	if (ret) {
		bitnpu_cl_unprepare(ctx, plan);
		return ret;
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
	if (plan->scratch)
		clReleaseMemObject(plan->scratch);
	pthread_mutex_destroy(&plan->scratch_lock);
	free(plan);
}
