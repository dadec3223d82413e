// SPDX-License-Identifier: MIT
/*
 * Command lists: every command is checked and its addresses are resolved once, so that a queue runs
 * a list any number of times without looking at it again.
 *
 * Order of the checks of a command: bitnpu_cmd_check() or bitnpu_float_check(), then UNMAPPED for
 * each operand, then READ_ONLY, then OVERLAP of a result with the other operands, then UNSUPPORTED
 * when K is more than the device's memory takes.  The first command that fails names the fault.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core.h"

#define FIELD(name)	offsetof(struct bitnpu_cmd_matmul, name)
/* Of one command: HEADS and ATTENTION name so many buffers. */
#define MAX_OPERANDS	5

static int refuse(struct bitnpu_fault *fault, uint32_t status, uint32_t field, uint64_t addr)
{
	*fault = (struct bitnpu_fault){ .status = status, .field = field, .addr = addr };
	return -EINVAL;
}

/* Resolve @bytes at @addr; the list takes the reference to the buffer. */
static int resolve(struct bitnpu_cmdlist *list, uint32_t field, uint64_t addr, uint64_t bytes,
		   struct bitnpu_operand *operand, struct bitnpu_fault *fault)
{
	struct bitnpu_bo *bo = bitnpu_context_find(list->ctx, addr);
	uint64_t offset;

	if (!bo)
		return refuse(fault, BITNPU_STATUS_UNMAPPED, field, addr);
	list->bos[list->bo_count++] = bo;
	offset = addr - bo->addr;
	if (bytes > bo->engine->size - offset)
		return refuse(fault, BITNPU_STATUS_UNMAPPED, field, bo->addr + bo->engine->size);
	operand->bo = bo->engine;
	operand->offset = offset;
	return 0;
}

static bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
	return a < b ? b - a < a_bytes : a - b < b_bytes;
}

static int resolve_matmul(struct bitnpu_cmdlist *list, struct bitnpu_checked_cmd *cmd,
			  struct bitnpu_fault *fault)
{
	const struct bitnpu_matmul *mm = &cmd->mm;
	int ret;

	ret = resolve(list, FIELD(x_addr), mm->x_addr, mm->x_bytes, &cmd->x, fault);
	if (ret)
		return ret;
	ret = resolve(list, FIELD(w_addr), mm->w_addr, mm->w_bytes, &cmd->w, fault);
	if (ret)
		return ret;
	if (mm->s_bytes) {
		ret = resolve(list, FIELD(s_addr), mm->s_addr, mm->s_bytes, &cmd->s, fault);
		if (ret)
			return ret;
	}
	ret = resolve(list, FIELD(y_addr), mm->y_addr, mm->y_bytes, &cmd->y, fault);
	if (ret)
		return ret;

	if (cmd->y.bo->flags & BITNPU_BO_READ_ONLY)
		return refuse(fault, BITNPU_STATUS_READ_ONLY, FIELD(y_addr), mm->y_addr);
	if (overlap(mm->y_addr, mm->y_bytes, mm->x_addr, mm->x_bytes) ||
	    overlap(mm->y_addr, mm->y_bytes, mm->w_addr, mm->w_bytes) ||
	    (mm->s_bytes && overlap(mm->y_addr, mm->y_bytes, mm->s_addr, mm->s_bytes)))
		return refuse(fault, BITNPU_STATUS_OVERLAP, FIELD(y_addr), mm->y_addr);
	return 0;
}

/* The operand whose address is in byte @field on, or the first after it.  Return: NULL past the
 * last. */
static const struct bitnpu_range *next_range(const struct bitnpu_float_command *op, uint32_t field)
{
	const struct bitnpu_range *next = NULL;

	for (int role = 0; role < BITNPU_ROLES; role++) {
		const struct bitnpu_range *range = &op->ranges[role];

		if (range->bytes && range->field >= field && (!next || range->field < next->field))
			next = range;
	}
	return next;
}

#define FOR_EACH_RANGE(range, op) \
	for ((range) = next_range(op, 0); (range); (range) = next_range(op, (range)->field + 1))

/* Attention may take the place of its queries. */
static bool is_in_place(const struct bitnpu_float_command *op, const struct bitnpu_range *out,
			const struct bitnpu_range *in)
{
	return op->opcode == BITNPU_OP_ATTENTION && in == &op->ranges[BITNPU_ROLE_IN] &&
	       in->addr == out->addr && in->stride == out->stride;
}

static int check_overlap(const struct bitnpu_float_command *op, const struct bitnpu_range *out,
			 struct bitnpu_fault *fault)
{
	const struct bitnpu_range *other;

	FOR_EACH_RANGE(other, op)
		if (other != out && !is_in_place(op, out, other) &&
		    overlap(out->addr, out->bytes, other->addr, other->bytes))
			return refuse(fault, BITNPU_STATUS_OVERLAP, out->field, out->addr);
	return 0;
}

static int resolve_float(struct bitnpu_cmdlist *list, struct bitnpu_checked_cmd *cmd,
			 struct bitnpu_fault *fault)
{
	const struct bitnpu_float_command *op = &cmd->op;
	const struct bitnpu_range *range;
	int ret = 0;

	FOR_EACH_RANGE(range, op) {
		ret = resolve(list, range->field, range->addr, range->bytes,
			      &cmd->operands[range - op->ranges], fault);
		if (ret)
			return ret;
	}
	FOR_EACH_RANGE(range, op)
		if (range->written &&
		    cmd->operands[range - op->ranges].bo->flags & BITNPU_BO_READ_ONLY)
			return refuse(fault, BITNPU_STATUS_READ_ONLY, range->field, range->addr);
	FOR_EACH_RANGE(range, op)
		if (!ret && range->written)
			ret = check_overlap(op, range, fault);
	return ret;
}

/* Rows of x lie in a device's own memory, which may bound K (docs/hardware.md, section 6). */
static uint32_t max_k(const struct bitnpu_device_info *info, uint8_t output_format)
{
	return output_format == BITNPU_Y_INT64 ? info->max_k_int64 : info->max_k_int32;
}

static int check_k(const struct bitnpu_device_info *info, const struct bitnpu_matmul *mm,
		   struct bitnpu_fault *fault)
{
	const uint32_t max = max_k(info, mm->output_format);

	return max && mm->k > max ? refuse(fault, BITNPU_STATUS_UNSUPPORTED, FIELD(k), mm->k) : 0;
}

/* Say why @bytes, in which @fault was found, is no list for this device. */
static int fail_check(const struct bitnpu_device_info *info, const uint8_t *bytes,
		      const struct bitnpu_fault *fault, struct bitnpu_error *err)
{
	const uint8_t *cmd = bytes + (size_t)fault->index * BITNPU_CMD_SIZE;
	const uint8_t output_format = cmd[FIELD(output_format)];
	int ret = bitnpu_fail_command(err, -EINVAL, cmd[0], fault);

	if (fault->status == BITNPU_STATUS_UNSUPPORTED && fault->field == FIELD(k) && err) {
		bitnpu_fail(err, ret, "command %u: k %llu: the memory of %s takes k up to %u with "
			    "results of this format (%s)", fault->index,
			    (unsigned long long)fault->addr, info->name,
			    max_k(info, output_format), bitnpu_status_name(fault->status));
		err->fault = *fault;
	}
	return ret;
}

static int check_command(struct bitnpu_cmdlist *list, const uint8_t *bytes,
			 struct bitnpu_checked_cmd *cmd, struct bitnpu_fault *fault)
{
	const struct bitnpu_device_info *info = &list->ctx->dev->engine->info;

	if (bitnpu_is_float_opcode(bytes[0]) && info->features & bitnpu_float_feature(bytes[0]))
		return bitnpu_float_check(bytes, &cmd->op, fault) ? -EINVAL :
								    resolve_float(list, cmd, fault);
	if (bitnpu_cmd_check(bytes, info->features, &cmd->mm, fault))
		return -EINVAL;
	if (bytes[0] != BITNPU_OP_MATMUL)
		return 0;
	return resolve_matmul(list, cmd, fault) ?: check_k(info, &cmd->mm, fault);
}

/* Check command @index and append it to the list unless it is a NOP. */
static int add_command(struct bitnpu_cmdlist *list, const uint8_t *bytes, uint32_t index,
		       struct bitnpu_fault *fault)
{
	struct bitnpu_checked_cmd *cmd = &list->checked.cmds[list->checked.count];
	int ret = check_command(list, bytes, cmd, fault);

	if (ret) {
		fault->index = index;
		return ret;
	}
	if (bytes[0] == BITNPU_OP_NOP)
		return 0;
	cmd->opcode = bytes[0];
	cmd->index = index;
	list->checked.count++;
	return 0;
}

static void cmdlist_free(struct bitnpu_cmdlist *list)
{
	for (size_t i = 0; i < list->bo_count; i++)
		bitnpu_bo_put(list->bos[i]);
	bitnpu_context_put(list->ctx);
	free(list->bos);
	free(list->checked.cmds);
	free(list->checked.bytes);
	free(list);
}

/* A list of @count unchecked commands. */
static struct bitnpu_cmdlist *cmdlist_alloc(struct bitnpu_context *ctx, const void *cmds,
					    size_t count)
{
	struct bitnpu_cmdlist *list = calloc(1, sizeof(*list));

	if (!list)
		return NULL;
	bitnpu_ref_init(&list->ref);
	bitnpu_ref_get(&ctx->ref);
	list->ctx = ctx;
	list->checked.cmds = calloc(count, sizeof(*list->checked.cmds));
	list->checked.bytes = malloc(count * BITNPU_CMD_SIZE);
	list->bos = calloc(count, MAX_OPERANDS * sizeof(*list->bos));
	if (!list->checked.cmds || !list->checked.bytes || !list->bos) {
		cmdlist_free(list);
		return NULL;
	}
	list->checked.size = count * BITNPU_CMD_SIZE;
	memcpy(list->checked.bytes, cmds, list->checked.size);
	return list;
}

int bitnpu_cmdlist_create(struct bitnpu_context *ctx, const void *cmds, size_t bytes,
			  struct bitnpu_cmdlist **out, struct bitnpu_error *err)
{
	const struct bitnpu_engine_ops *ops = ctx->dev->ops;
	const size_t count = bytes / BITNPU_CMD_SIZE;
	struct bitnpu_fault fault = { 0 };
	struct bitnpu_cmdlist *list;
	int ret = 0;

	if (count == 0 || bytes % BITNPU_CMD_SIZE || count > UINT32_MAX) {
		refuse(&fault, BITNPU_STATUS_LENGTH, 0, bytes);
		return bitnpu_fail_fault(err, -EINVAL, &fault);
	}
	list = cmdlist_alloc(ctx, cmds, count);
	if (!list)
		return bitnpu_fail(err, -ENOMEM, "command list: no memory for %zu commands", count);
	for (size_t i = 0; i < count && ret == 0; i++)
		ret = add_command(list, list->checked.bytes + i * BITNPU_CMD_SIZE, i, &fault);
	if (ret) {
		fail_check(&ctx->dev->engine->info, list->checked.bytes, &fault, err);
		goto free_list;
	}
	if (list->checked.count && ops->prepare) {
		ret = ops->prepare(ctx->engine, &list->checked, &list->prepared, err);
		if (ret)
			goto free_list;
	}
	*out = list;
	return 0;

free_list:
	cmdlist_free(list);
	return ret;
}

void bitnpu_cmdlist_put(struct bitnpu_cmdlist *list)
{
	struct bitnpu_context *ctx = list->ctx;

	if (!bitnpu_ref_put(&list->ref))
		return;
	if (list->checked.count && ctx->dev->ops->unprepare)
		ctx->dev->ops->unprepare(ctx->engine, list->prepared);
	cmdlist_free(list);
}

void bitnpu_cmdlist_destroy(struct bitnpu_cmdlist *list)
{
	if (list)
		bitnpu_cmdlist_put(list);
}
