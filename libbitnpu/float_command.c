// SPDX-License-Identifier: MIT
/*
 * The check of float commands, in the order that docs/command-set.md, section 4, gives: reserved
 * bits, formats, sizes, fields that go together, alignment, strides, extents.
 */
#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "float_command.h"

#define ALIGN_UP(n)	(((n) + BITNPU_ADDR_ALIGN - 1) & ~(uint64_t)(BITNPU_ADDR_ALIGN - 1))

#define NORM(name)	offsetof(struct bitnpu_cmd_norm_quantize, name)
#define SCALE(name)	offsetof(struct bitnpu_cmd_scale, name)
#define HEADS(name)	offsetof(struct bitnpu_cmd_heads, name)
#define ATTENTION(name)	offsetof(struct bitnpu_cmd_attention, name)
#define GATE(name)	offsetof(struct bitnpu_cmd_gate, name)

/* What no command has more of. */
#define MAX_OPERANDS	5
#define MAX_ENUMS	4

/**
 * struct operand - an operand's place in a command
 * @role: what it is
 * @field: offset of its address
 * @stride: of its stride, 0 without rows
 * @written: a result
 */
struct operand {
	uint8_t role, field, stride;
	bool written;
};

/**
 * struct choice - a byte that holds one of a few values
 * @field: its offset, 0 ends the list
 * @most: the largest value
 */
struct choice {
	uint8_t field, most;
};

/**
 * struct layout - what does not depend on a command's contents
 * @flags: defined bits
 * @reserved: bytes that are zero: from and up to, twice
 * @choices: by offset
 * @operands: by offset, as many as have a field
 */
struct layout {
	uint8_t flags;
	uint8_t reserved[2][2];
	struct choice choices[MAX_ENUMS];
	struct operand operands[MAX_OPERANDS];
};

static const struct layout layouts[] = {
	[BITNPU_OP_NORM_QUANTIZE] = {
		.reserved = { { NORM(reserved0), NORM(m) }, { NORM(reserved1), BITNPU_CMD_SIZE } },
		.operands = {
			{ BITNPU_ROLE_IN, NORM(in_addr), NORM(in_stride), false },
			{ BITNPU_ROLE_WEIGHT, NORM(w_addr), 0, false },
			{ BITNPU_ROLE_OUT, NORM(out_addr), NORM(out_stride), true },
			{ BITNPU_ROLE_FACTORS, NORM(f_addr), 0, true },
		},
	},
	[BITNPU_OP_SCALE] = {
		.flags = BITNPU_SCALE_ADD,
		.reserved = { { SCALE(reserved), BITNPU_CMD_SIZE } },
		.choices = {
			{ SCALE(input_format), BITNPU_IN_INT7 },
			{ SCALE(scales), BITNPU_SCALES_EACH },
		},
		.operands = {
			{ BITNPU_ROLE_IN, SCALE(in_addr), SCALE(in_stride), false },
			{ BITNPU_ROLE_FACTORS, SCALE(f_addr), 0, false },
			{ BITNPU_ROLE_SCALES, SCALE(r_addr), 0, false },
			{ BITNPU_ROLE_OUT, SCALE(out_addr), SCALE(out_stride), true },
		},
	},
	[BITNPU_OP_HEADS] = {
		.flags = BITNPU_HEADS_ROTATE | BITNPU_HEADS_CACHE,
		.choices = {
			{ HEADS(input_format), BITNPU_IN_INT64 },
			{ HEADS(scales), BITNPU_SCALES_EACH },
		},
		.operands = {
			{ BITNPU_ROLE_IN, HEADS(in_addr), HEADS(in_stride), false },
			{ BITNPU_ROLE_FACTORS, HEADS(f_addr), 0, false },
			{ BITNPU_ROLE_SCALES, HEADS(r_addr), 0, false },
			{ BITNPU_ROLE_TOKENS, HEADS(t_addr), 0, false },
			{ BITNPU_ROLE_OUT, HEADS(out_addr), HEADS(out_stride), true },
		},
	},
	[BITNPU_OP_ATTENTION] = {
		.operands = {
			{ BITNPU_ROLE_IN, ATTENTION(in_addr), ATTENTION(in_stride), false },
			{ BITNPU_ROLE_KEYS, ATTENTION(k_addr), 0, false },
			{ BITNPU_ROLE_VALUES, ATTENTION(v_addr), 0, false },
			{ BITNPU_ROLE_TOKENS, ATTENTION(t_addr), 0, false },
			{ BITNPU_ROLE_OUT, ATTENTION(out_addr), ATTENTION(out_stride), true },
		},
	},
	[BITNPU_OP_GATE] = {
		.reserved = { { GATE(reserved), BITNPU_CMD_SIZE } },
		.choices = {
			{ GATE(gate_format), BITNPU_IN_INT64 },
			{ GATE(up_format), BITNPU_IN_INT64 },
			{ GATE(activation), BITNPU_ACT_RELU2 },
			{ GATE(scales), BITNPU_SCALES_EACH },
		},
		.operands = {
			{ BITNPU_ROLE_IN, GATE(in_addr), GATE(in_stride), false },
			{ BITNPU_ROLE_UP, GATE(up_addr), GATE(in_stride), false },
			{ BITNPU_ROLE_FACTORS, GATE(f_addr), 0, false },
			{ BITNPU_ROLE_SCALES, GATE(r_addr), 0, false },
			{ BITNPU_ROLE_OUT, GATE(out_addr), GATE(out_stride), true },
		},
	},
};

static uint16_t get_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get_le32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return le32toh(v);
}

static uint64_t get_le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static uint32_t refuse(struct bitnpu_fault *fault, uint32_t status, uint32_t field, uint64_t value)
{
	*fault = (struct bitnpu_fault){ .status = status, .field = field, .addr = value };
	return status;
}

/* Byte 1 is the flags of every opcode. */
static uint32_t check_reserved(const uint8_t *cmd, const struct layout *layout,
			       struct bitnpu_fault *fault)
{
	if (cmd[1] & ~layout->flags)
		return refuse(fault, BITNPU_STATUS_RESERVED, 1, cmd[1]);
	for (int i = 0; i < 2; i++)
		for (uint32_t at = layout->reserved[i][0]; at < layout->reserved[i][1]; at++)
			if (cmd[at])
				return refuse(fault, BITNPU_STATUS_RESERVED, at, cmd[at]);
	return BITNPU_STATUS_OK;
}

static uint32_t check_choices(const uint8_t *cmd, const struct layout *layout,
			      struct bitnpu_fault *fault)
{
	for (int i = 0; i < MAX_ENUMS && layout->choices[i].field; i++) {
		const struct choice *choice = &layout->choices[i];

		if (cmd[choice->field] > choice->most)
			return refuse(fault, BITNPU_STATUS_FORMAT, choice->field,
				      cmd[choice->field]);
	}
	return BITNPU_STATUS_OK;
}

static bool has_heads(const struct bitnpu_float_command *c)
{
	return c->opcode == BITNPU_OP_HEADS || c->opcode == BITNPU_OP_ATTENTION;
}

static bool has_cache(const struct bitnpu_float_command *c)
{
	return c->opcode == BITNPU_OP_HEADS && c->flags & BITNPU_HEADS_CACHE;
}

/* The fields that are not operands. */
static void decode(const uint8_t *cmd, struct bitnpu_float_command *c)
{
	*c = (struct bitnpu_float_command){
		.opcode = cmd[0],
		.flags = cmd[1],
		.m = get_le32(cmd + NORM(m)),
		.n = get_le32(cmd + NORM(n)),
		.group = 1,
	};
	switch (c->opcode) {
	case BITNPU_OP_NORM_QUANTIZE:
		c->eps = get_le32(cmd + NORM(eps));
		break;
	case BITNPU_OP_SCALE:
		c->input_format = cmd[SCALE(input_format)];
		c->scales = cmd[SCALE(scales)];
		c->slice_stride = get_le64(cmd + SCALE(slice_stride));
		break;
	case BITNPU_OP_HEADS:
		c->input_format = cmd[HEADS(input_format)];
		c->scales = cmd[HEADS(scales)];
		c->capacity = get_le32(cmd + HEADS(capacity));
		break;
	case BITNPU_OP_ATTENTION:
		c->group = get_le16(cmd + ATTENTION(group));
		c->capacity = get_le32(cmd + ATTENTION(capacity));
		break;
	default:
		c->input_format = cmd[GATE(gate_format)];
		c->up_format = cmd[GATE(up_format)];
		c->activation = cmd[GATE(activation)];
		c->scales = cmd[GATE(scales)];
		break;
	}
	if (has_heads(c)) {
		c->heads = get_le16(cmd + HEADS(heads));
		c->head_dim = get_le16(cmd + HEADS(head_dim));
	}
}

/* HEADS and ATTENTION have a product of sizes in place of n. */
static uint32_t check_heads(struct bitnpu_float_command *c, struct bitnpu_fault *fault)
{
	const bool cached = c->opcode == BITNPU_OP_ATTENTION || has_cache(c);
	const uint32_t capacity_at = c->opcode == BITNPU_OP_ATTENTION ? ATTENTION(capacity) :
								       HEADS(capacity);
	uint64_t n;

	if (c->group == 0)
		return refuse(fault, BITNPU_STATUS_DIMENSION, ATTENTION(group), 0);
	if (c->m == 0 || c->m > BITNPU_MAX_M)
		return refuse(fault, BITNPU_STATUS_DIMENSION, HEADS(m), c->m);
	if (c->head_dim == 0 || c->head_dim % 2 || c->head_dim > BITNPU_MAX_HEAD)
		return refuse(fault, BITNPU_STATUS_DIMENSION, HEADS(head_dim), c->head_dim);
	n = (uint64_t)c->heads * c->group * c->head_dim;
	if (n == 0 || n > BITNPU_MAX_K)
		return refuse(fault, BITNPU_STATUS_DIMENSION, HEADS(heads), c->heads);
	if (cached && (c->capacity == 0 || c->capacity > BITNPU_MAX_CAPACITY))
		return refuse(fault, BITNPU_STATUS_DIMENSION, capacity_at, c->capacity);
	c->n = (uint32_t)n;
	return BITNPU_STATUS_OK;
}

static uint32_t check_sizes(struct bitnpu_float_command *c, struct bitnpu_fault *fault)
{
	const uint32_t most = c->opcode == BITNPU_OP_SCALE ? BITNPU_MAX_N : BITNPU_MAX_K;

	if (has_heads(c))
		return check_heads(c, fault);
	if (c->m == 0 || c->m > BITNPU_MAX_M)
		return refuse(fault, BITNPU_STATUS_DIMENSION, NORM(m), c->m);
	if (c->n == 0 || c->n > most)
		return refuse(fault, BITNPU_STATUS_DIMENSION, NORM(n), c->n);
	if (c->slice_stride > BITNPU_MAX_SLICE_STRIDE)
		return refuse(fault, BITNPU_STATUS_DIMENSION, SCALE(slice_stride), c->slice_stride);
	return BITNPU_STATUS_OK;
}

/* Fields that are zero because another says so, by offset: r_addr, t_addr, slice_stride, the rest.
 * */
static uint32_t check_absent(const uint8_t *cmd, const struct bitnpu_float_command *c,
			     struct bitnpu_fault *fault)
{
	const bool is_scaled = c->opcode == BITNPU_OP_SCALE || c->opcode == BITNPU_OP_HEADS ||
			       c->opcode == BITNPU_OP_GATE;
	const uint32_t r_at = c->opcode == BITNPU_OP_GATE ? GATE(r_addr) : SCALE(r_addr);

	if (is_scaled && c->scales == BITNPU_SCALES_NONE && get_le64(cmd + r_at))
		return refuse(fault, BITNPU_STATUS_FORMAT, r_at, get_le64(cmd + r_at));
	if (c->opcode == BITNPU_OP_SCALE && c->input_format != BITNPU_IN_INT7 && c->slice_stride)
		return refuse(fault, BITNPU_STATUS_FORMAT, SCALE(slice_stride), c->slice_stride);
	if (c->opcode != BITNPU_OP_HEADS)
		return BITNPU_STATUS_OK;
	if (!c->flags && get_le64(cmd + HEADS(t_addr)))
		return refuse(fault, BITNPU_STATUS_FORMAT, HEADS(t_addr),
			      get_le64(cmd + HEADS(t_addr)));
	if (has_cache(c) && get_le32(cmd + HEADS(out_stride)))
		return refuse(fault, BITNPU_STATUS_FORMAT, HEADS(out_stride),
			      get_le32(cmd + HEADS(out_stride)));
	if (!has_cache(c) && c->capacity)
		return refuse(fault, BITNPU_STATUS_FORMAT, HEADS(capacity), c->capacity);
	return BITNPU_STATUS_OK;
}

static uint32_t sum_bytes(uint8_t input_format)
{
	return input_format == BITNPU_IN_INT64 ? 8 : 4;
}

/* Bytes of a row of an operand, or of the whole of one without rows. */
static uint64_t row_bytes(const struct bitnpu_float_command *c, enum bitnpu_role role)
{
	const uint64_t floats = 4 * (uint64_t)c->n;
	const uint64_t cache = 2 * (uint64_t)c->heads * c->capacity * c->head_dim;
	const bool reads_floats = c->opcode == BITNPU_OP_NORM_QUANTIZE ||
				  c->opcode == BITNPU_OP_ATTENTION;

	switch (role) {
	case BITNPU_ROLE_IN:
		return reads_floats ? floats : (uint64_t)c->n * sum_bytes(c->input_format);
	case BITNPU_ROLE_UP:
		return (uint64_t)c->n * sum_bytes(c->up_format);
	case BITNPU_ROLE_WEIGHT:
		return floats;
	case BITNPU_ROLE_KEYS:
	case BITNPU_ROLE_VALUES:
		return cache;
	case BITNPU_ROLE_FACTORS:
		return (uint64_t)c->m * sizeof(struct bitnpu_factor);
	case BITNPU_ROLE_SCALES:
		if (c->scales == BITNPU_SCALES_NONE)
			return 0;
		return c->up_scales + (c->scales == BITNPU_SCALES_EACH ? floats : 4);
	case BITNPU_ROLE_TOKENS:
		if (c->opcode == BITNPU_OP_HEADS && !c->flags)
			return 0;
		/* The last entry ends with its table, whether that is read or not. */
		return (uint64_t)(c->m - 1) * bitnpu_token_stride(c->head_dim) +
		       BITNPU_TOKEN_TABLE + 4 * c->head_dim;
	default:
		if (c->opcode == BITNPU_OP_NORM_QUANTIZE)
			return c->n;
		return has_cache(c) ? cache : floats;
	}
}

static bool has_rows(const struct bitnpu_float_command *c, const struct operand *operand)
{
	return operand->stride && !(operand->role == BITNPU_ROLE_OUT && has_cache(c));
}

static uint32_t check_alignment(const uint8_t *cmd, const struct layout *layout,
				const struct bitnpu_float_command *c, struct bitnpu_fault *fault)
{
	const uint64_t mask = BITNPU_ADDR_ALIGN - 1;

	for (int i = 0; i < MAX_OPERANDS && layout->operands[i].field; i++) {
		const uint32_t at = layout->operands[i].field;

		if (get_le64(cmd + at) & mask)
			return refuse(fault, BITNPU_STATUS_ALIGNMENT, at, get_le64(cmd + at));
	}
	for (int i = 0; i < MAX_OPERANDS && layout->operands[i].field; i++) {
		const uint32_t at = layout->operands[i].stride;

		if (at && get_le32(cmd + at) & mask)
			return refuse(fault, BITNPU_STATUS_ALIGNMENT, at, get_le32(cmd + at));
	}
	if (c->slice_stride & mask)
		return refuse(fault, BITNPU_STATUS_ALIGNMENT, SCALE(slice_stride), c->slice_stride);
	return BITNPU_STATUS_OK;
}

static uint32_t check_strides(const uint8_t *cmd, const struct layout *layout,
			      const struct bitnpu_float_command *c, struct bitnpu_fault *fault)
{
	for (int i = 0; i < MAX_OPERANDS && layout->operands[i].field; i++) {
		const struct operand *operand = &layout->operands[i];
		const uint32_t stride = get_le32(cmd + operand->stride);

		if (has_rows(c, operand) && stride < row_bytes(c, operand->role))
			return refuse(fault, BITNPU_STATUS_STRIDE, operand->stride, stride);
	}
	return BITNPU_STATUS_OK;
}

static void set_range(const uint8_t *cmd, const struct operand *operand,
		      struct bitnpu_float_command *c)
{
	struct bitnpu_range *range = &c->ranges[operand->role];

	range->addr = get_le64(cmd + operand->field);
	range->bytes = row_bytes(c, operand->role);
	range->field = operand->field;
	range->written = operand->written;
	if (has_rows(c, operand)) {
		range->stride = get_le32(cmd + operand->stride);
		range->bytes += (uint64_t)(c->m - 1) * range->stride;
	}
	if (operand->role == BITNPU_ROLE_TOKENS)
		range->stride = bitnpu_token_stride(c->head_dim);
	if (operand->role == BITNPU_ROLE_IN)
		range->bytes += 3 * c->slice_stride;
}

/* A range may end at 2^64 exactly. */
static uint32_t check_ranges(const uint8_t *cmd, const struct layout *layout,
			     struct bitnpu_float_command *c, struct bitnpu_fault *fault)
{
	for (int i = 0; i < MAX_OPERANDS && layout->operands[i].field; i++) {
		const struct operand *operand = &layout->operands[i];
		const struct bitnpu_range *range = &c->ranges[operand->role];

		set_range(cmd, operand, c);
		if (range->bytes && range->bytes - 1 > ~range->addr)
			return refuse(fault, BITNPU_STATUS_OVERFLOW, operand->field, range->addr);
	}
	return BITNPU_STATUS_OK;
}

uint32_t bitnpu_float_check(const void *cmd, struct bitnpu_float_command *c,
			    struct bitnpu_fault *fault)
{
	const uint8_t *bytes = cmd;
	const struct layout *layout = &layouts[bytes[0]];
	uint32_t status;

	status = check_reserved(bytes, layout, fault);
	if (status)
		return status;
	status = check_choices(bytes, layout, fault);
	if (status)
		return status;
	decode(bytes, c);
	status = check_sizes(c, fault);
	if (status)
		return status;
	status = check_absent(bytes, c, fault);
	if (status)
		return status;
	if (c->opcode == BITNPU_OP_GATE && c->scales)
		c->up_scales = c->scales == BITNPU_SCALES_EACH ? ALIGN_UP(4 * c->n) :
								 BITNPU_ADDR_ALIGN;
	status = check_alignment(bytes, layout, c, fault);
	if (status)
		return status;
	status = check_strides(bytes, layout, c, fault);
	if (status)
		return status;
	return check_ranges(bytes, layout, c, fault);
}
