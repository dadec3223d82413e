// SPDX-License-Identifier: MIT
/* Float commands (docs/command-set.md, section 3) as kernels of floats.cl. */
#include "opencl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Work-items of a group where elements stand alone; every device has groups of so many. */
#define ELEMENT_ITEMS	16
/* Elements of each of these where vectors are kept. */
#define VECTOR		16u
/* Work-items that share a row elsewhere. */
#define ROW_ITEMS	64
/* Most query heads of a work-item, as in floats.cl, and how many of these keep a processor busy. */
#define MOST_SHARE	4
#define ITEMS_PER_UNIT	4
/* Scores of so many bytes are taken at once, but of a row at least. */
#define SCRATCH_BYTES	(8u << 20)

static uint32_t row_items(const struct bitnpu_cl_device *dev)
{
	struct bitnpu_cl_choice choice;
	uint32_t items = ROW_ITEMS;

	/* What is best for matmuls of one row is for rows of floats. */
	if (bitnpu_cl_choice_usual(&dev->caps, dev->forced, 1, 1, &choice) && choice.variant->vectors)
		return 1;
	while (items > dev->caps.max_group)
		items /= 2;
	return items;
}

static int get_program(struct bitnpu_cl_device *dev, struct bitnpu_error *err)
{
	const struct bitnpu_cl_source sources[] = {
		{ bitnpu_cl_common, bitnpu_cl_common_end },
		{ bitnpu_cl_floats, bitnpu_cl_floats_end },
	};
	const uint32_t items = row_items(dev);
	char options[160];
	int ret = 0;

	snprintf(options, sizeof(options),
		 BITNPU_CL_STANDARD " -w -cl-fp32-correctly-rounded-divide-sqrt -DWEIGHT_FORMAT=0"
		 " -DOUTPUT_FORMAT=0 -DGROUP=%u -DEACH=%u", items, items == 1 ? VECTOR : 1u);
	pthread_mutex_lock(&dev->program_lock);
	if (!dev->floats)
		ret = bitnpu_cl_build(dev, sources, sizeof(sources) / sizeof(*sources), options,
				      &dev->floats, err);
	pthread_mutex_unlock(&dev->program_lock);
	return ret;
}

static uint64_t row_scratch(const struct bitnpu_float_command *op)
{
	return 4ull * op->heads * op->group * op->capacity;
}

/* Rows of an ATTENTION that are taken at once. */
static uint32_t rows_at_once(const struct bitnpu_float_command *op)
{
	const uint64_t rows = SCRATCH_BYTES / row_scratch(op);

	return rows < 1 ? 1 : rows < op->m ? rows : op->m;
}

uint32_t bitnpu_cl_float_launches(const struct bitnpu_float_command *op)
{
	return op->opcode == BITNPU_OP_ATTENTION ? (op->m - 1) / rows_at_once(op) + 1 : 1;
}

uint64_t bitnpu_cl_float_scratch(const struct bitnpu_float_command *op)
{
	return op->opcode == BITNPU_OP_ATTENTION ? rows_at_once(op) * row_scratch(op) : 0;
}

/* An operand as kernels take it; what a command lacks is any other of its operands. */
struct operand {
	const cl_mem *mem;
	cl_ulong offset;
	cl_uint stride;
};

static struct operand get(const struct bitnpu_checked_cmd *cmd, enum bitnpu_role role)
{
	const struct bitnpu_operand *operand = &cmd->operands[role];

	if (!operand->bo)
		operand = &cmd->operands[BITNPU_ROLE_OUT];
	return (struct operand){
		.mem = &((const struct bitnpu_cl_bo *)operand->bo)->mem,
		.offset = operand->offset,
		.stride = cmd->op.ranges[role].stride,
	};
}

#define VALUE(v)	{ &(v), sizeof(v) }
#define PLACE(o)	{ (o).mem, sizeof(cl_mem) }, VALUE((o).offset)
#define ROWS(o)		PLACE(o), VALUE((o).stride)
#define SET(kernel, args) bitnpu_cl_set_arguments(kernel, args, sizeof(args) / sizeof(*(args)))

static cl_int set_norm_quantize(const struct bitnpu_checked_cmd *cmd, cl_kernel kernel)
{
	const struct bitnpu_float_command *op = &cmd->op;
	const struct operand in = get(cmd, BITNPU_ROLE_IN), weight = get(cmd, BITNPU_ROLE_WEIGHT);
	const struct operand out = get(cmd, BITNPU_ROLE_OUT);
	const struct operand factors = get(cmd, BITNPU_ROLE_FACTORS);
	const cl_uint n = op->n, eps = op->eps;
	const struct bitnpu_cl_argument args[] = {
		ROWS(in), PLACE(weight), ROWS(out), PLACE(factors), VALUE(n), VALUE(eps),
	};

	return SET(kernel, args);
}

/* Arguments of all commands on sums, then @count of the command's own. */
static cl_int set_sums(const struct bitnpu_checked_cmd *cmd, cl_kernel kernel,
		       const struct bitnpu_cl_argument *own, size_t count)
{
	const struct operand in = get(cmd, BITNPU_ROLE_IN), out = get(cmd, BITNPU_ROLE_OUT);
	const struct operand factors = get(cmd, BITNPU_ROLE_FACTORS);
	const struct operand scales = get(cmd, BITNPU_ROLE_SCALES);
	const cl_uint format = cmd->op.input_format, kind = cmd->op.scales, n = cmd->op.n;
	struct bitnpu_cl_argument args[24] = {
		ROWS(in), PLACE(factors), PLACE(scales), ROWS(out), VALUE(format), VALUE(kind),
		VALUE(n),
	};
	const size_t common = 13;

	memcpy(&args[common], own, count * sizeof(*own));
	return bitnpu_cl_set_arguments(kernel, args, common + count);
}

static cl_int set_scale(const struct bitnpu_checked_cmd *cmd, cl_kernel kernel)
{
	const cl_ulong slice = cmd->op.slice_stride;
	const cl_uint add = cmd->op.flags & BITNPU_SCALE_ADD ? 1 : 0;
	const struct bitnpu_cl_argument own[] = { VALUE(slice), VALUE(add) };

	return set_sums(cmd, kernel, own, sizeof(own) / sizeof(*own));
}

static cl_int set_heads(const struct bitnpu_checked_cmd *cmd, cl_kernel kernel)
{
	const struct bitnpu_float_command *op = &cmd->op;
	const struct operand tokens = get(cmd, BITNPU_ROLE_TOKENS);
	const cl_uint head_dim = op->head_dim, capacity = op->capacity;
	const cl_uint rotate = op->flags & BITNPU_HEADS_ROTATE ? 1 : 0;
	const cl_uint cached = op->flags & BITNPU_HEADS_CACHE ? 1 : 0;
	const struct bitnpu_cl_argument own[] = {
		ROWS(tokens), VALUE(head_dim), VALUE(capacity), VALUE(rotate), VALUE(cached),
	};

	return set_sums(cmd, kernel, own, sizeof(own) / sizeof(*own));
}

static cl_int set_gate(const struct bitnpu_checked_cmd *cmd, cl_kernel kernel)
{
	const struct operand up = get(cmd, BITNPU_ROLE_UP);
	const cl_uint format = cmd->op.up_format, scales = cmd->op.up_scales;
	const struct bitnpu_cl_argument own[] = { PLACE(up), VALUE(format), VALUE(scales) };

	return set_sums(cmd, kernel, own, sizeof(own) / sizeof(*own));
}

/*
 * Query heads of a work-item, which read keys and values once: on CPUs as many as there are, but enough
 * work-items for all processors.
 */
static cl_uint share_of(const struct bitnpu_cl_device *dev, const struct bitnpu_float_command *op)
{
	cl_uint share = 1;

	if (row_items(dev) > 1)
		return 1;
	while (2 * share <= MOST_SHARE && op->group % (2 * share) == 0 &&
	       (uint64_t)op->m * op->heads * (op->group / (2 * share)) >=
		       ITEMS_PER_UNIT * dev->caps.compute_units)
		share *= 2;
	return share;
}

static cl_int set_attention(const struct bitnpu_checked_cmd *cmd, cl_kernel kernel,
			    const cl_mem *scratch, cl_uint first, cl_uint share)
{
	const struct bitnpu_float_command *op = &cmd->op;
	const struct operand in = get(cmd, BITNPU_ROLE_IN), keys = get(cmd, BITNPU_ROLE_KEYS);
	const struct operand values = get(cmd, BITNPU_ROLE_VALUES);
	const struct operand tokens = get(cmd, BITNPU_ROLE_TOKENS);
	const struct operand out = get(cmd, BITNPU_ROLE_OUT);
	const cl_uint group = op->group, head_dim = op->head_dim, capacity = op->capacity;
	const struct bitnpu_cl_argument args[] = {
		ROWS(in), PLACE(keys), PLACE(values), ROWS(tokens), ROWS(out),
		{ scratch, sizeof(*scratch) }, VALUE(group), VALUE(head_dim), VALUE(capacity),
		VALUE(first), VALUE(share),
	};

	return SET(kernel, args);
}

static const char *kernel_name(uint8_t opcode)
{
	switch (opcode) {
	case BITNPU_OP_NORM_QUANTIZE:
		return "norm_quantize";
	case BITNPU_OP_SCALE:
		return "scale";
	case BITNPU_OP_HEADS:
		return "heads";
	case BITNPU_OP_ATTENTION:
		return "attention";
	default:
		return "gate";
	}
}

static cl_int set_command(const struct bitnpu_cl_device *dev, const struct bitnpu_checked_cmd *cmd,
			  cl_kernel kernel, const cl_mem *scratch, uint32_t first_row)
{
	switch (cmd->opcode) {
	case BITNPU_OP_NORM_QUANTIZE:
		return set_norm_quantize(cmd, kernel);
	case BITNPU_OP_SCALE:
		return set_scale(cmd, kernel);
	case BITNPU_OP_HEADS:
		return set_heads(cmd, kernel);
	case BITNPU_OP_ATTENTION:
		return set_attention(cmd, kernel, scratch, first_row, share_of(dev, &cmd->op));
	default:
		return set_gate(cmd, kernel);
	}
}

static uint64_t blocks(uint64_t count, uint32_t block)
{
	return (count + block - 1) / block;
}

/* Work-items of a row where elements stand alone; of heads, pairs do. */
static uint64_t element_items(const struct bitnpu_float_command *op, uint32_t each)
{
	if (op->opcode == BITNPU_OP_HEADS)
		return op->heads * blocks(op->head_dim / 2, each);
	return blocks(op->n, each);
}

/* @rows rows of work-items. */
static void set_size(const struct bitnpu_cl_device *dev, const struct bitnpu_float_command *op,
		     uint32_t rows, struct bitnpu_cl_launch *launch)
{
	const uint32_t shared = row_items(dev);
	uint32_t items = shared;
	uint64_t groups = 1;

	if (op->opcode == BITNPU_OP_ATTENTION) {
		groups = (uint64_t)op->heads * op->group / share_of(dev, op);
	} else if (op->opcode != BITNPU_OP_NORM_QUANTIZE) {
		items = shared == 1 ? ELEMENT_ITEMS : shared;
		groups = blocks(element_items(op, shared == 1 ? VECTOR : 1), items);
	}
	launch->local[0] = items;
	launch->local[1] = 1;
	launch->global[0] = groups * items;
	launch->global[1] = rows;
}

int bitnpu_cl_plan_float(struct bitnpu_cl_device *dev, const struct bitnpu_checked_cmd *cmd,
			 const cl_mem *scratch, struct bitnpu_cl_launch *launches,
			 struct bitnpu_error *err)
{
	const struct bitnpu_float_command *op = &cmd->op;
	const uint32_t count = bitnpu_cl_float_launches(op);
	const uint32_t step = count > 1 ? rows_at_once(op) : op->m;
	int ret = get_program(dev, err);

	for (uint32_t i = 0; i < count && !ret; i++) {
		struct bitnpu_cl_launch *launch = &launches[i];
		const uint32_t first = i * step, left = op->m - first;
		cl_int status;

		launch->kernel = clCreateKernel(dev->floats, kernel_name(op->opcode), &status);
		if (!launch->kernel)
			return bitnpu_cl_fail(err, status, "clCreateKernel");
		status = set_command(dev, cmd, launch->kernel, scratch, first);
		if (status)
			return bitnpu_cl_fail(err, status, "clSetKernelArg");
		launch->index = cmd->index;
		set_size(dev, op, left < step ? left : step, launch);
	}
	return ret;
}
