// SPDX-License-Identifier: MIT
/* Names of the commands' fields, for messages. */
#include <stddef.h>

#include <drm/bitnpu_isa.h>

#include "command_field.h"

struct field {
	uint8_t offset;
	const char *name;
};

#define FIELD(command, name)	{ offsetof(struct bitnpu_cmd_##command, name), #name }

static const struct field matmul_fields[] = {
	FIELD(matmul, opcode),
	FIELD(matmul, weight_format),
	FIELD(matmul, output_format),
	FIELD(matmul, m),
	FIELD(matmul, n),
	FIELD(matmul, k),
	FIELD(matmul, x_addr),
	FIELD(matmul, w_addr),
	FIELD(matmul, s_addr),
	FIELD(matmul, y_addr),
	FIELD(matmul, x_stride),
	FIELD(matmul, y_stride),
	FIELD(matmul, group_shift),
	{ 0 },
};

static const struct field norm_quantize_fields[] = {
	FIELD(norm_quantize, opcode),
	FIELD(norm_quantize, m),
	FIELD(norm_quantize, n),
	FIELD(norm_quantize, eps),
	FIELD(norm_quantize, in_addr),
	FIELD(norm_quantize, w_addr),
	FIELD(norm_quantize, out_addr),
	FIELD(norm_quantize, f_addr),
	FIELD(norm_quantize, in_stride),
	FIELD(norm_quantize, out_stride),
	{ 0 },
};

static const struct field scale_fields[] = {
	FIELD(scale, opcode),
	FIELD(scale, input_format),
	FIELD(scale, scales),
	FIELD(scale, m),
	FIELD(scale, n),
	FIELD(scale, in_stride),
	FIELD(scale, in_addr),
	FIELD(scale, f_addr),
	FIELD(scale, r_addr),
	FIELD(scale, out_addr),
	FIELD(scale, slice_stride),
	FIELD(scale, out_stride),
	{ 0 },
};

static const struct field heads_fields[] = {
	FIELD(heads, opcode),
	FIELD(heads, input_format),
	FIELD(heads, scales),
	FIELD(heads, m),
	FIELD(heads, heads),
	FIELD(heads, head_dim),
	FIELD(heads, in_stride),
	FIELD(heads, in_addr),
	FIELD(heads, f_addr),
	FIELD(heads, r_addr),
	FIELD(heads, t_addr),
	FIELD(heads, out_addr),
	FIELD(heads, out_stride),
	FIELD(heads, capacity),
	{ 0 },
};

static const struct field attention_fields[] = {
	FIELD(attention, opcode),
	FIELD(attention, group),
	FIELD(attention, m),
	FIELD(attention, heads),
	FIELD(attention, head_dim),
	FIELD(attention, capacity),
	FIELD(attention, in_addr),
	FIELD(attention, k_addr),
	FIELD(attention, v_addr),
	FIELD(attention, t_addr),
	FIELD(attention, out_addr),
	FIELD(attention, in_stride),
	FIELD(attention, out_stride),
	{ 0 },
};

static const struct field gate_fields[] = {
	FIELD(gate, opcode),
	FIELD(gate, gate_format),
	FIELD(gate, up_format),
	FIELD(gate, m),
	FIELD(gate, n),
	FIELD(gate, in_stride),
	FIELD(gate, in_addr),
	FIELD(gate, up_addr),
	FIELD(gate, f_addr),
	FIELD(gate, r_addr),
	FIELD(gate, out_addr),
	FIELD(gate, out_stride),
	FIELD(gate, activation),
	FIELD(gate, scales),
	{ 0 },
};

static const struct field *const fields[] = {
	[BITNPU_OP_MATMUL] = matmul_fields,
	[BITNPU_OP_NORM_QUANTIZE] = norm_quantize_fields,
	[BITNPU_OP_SCALE] = scale_fields,
	[BITNPU_OP_HEADS] = heads_fields,
	[BITNPU_OP_ATTENTION] = attention_fields,
	[BITNPU_OP_GATE] = gate_fields,
};

/* The others have none but the opcode, which all have in the same place. */
const char *bitnpu_command_field(uint8_t opcode, uint32_t offset)
{
	const struct field *field = matmul_fields;

	if (opcode < sizeof(fields) / sizeof(fields[0]) && fields[opcode])
		field = fields[opcode];
	else if (offset)
		return NULL;
	for (; field->name; field++)
		if (field->offset == offset)
			return field->name;
	return NULL;
}
