/* SPDX-License-Identifier: MIT */
/*
 * Float commands of the command set, decoded (docs/command-set.md, section 3).  Whoever has none of
 * them, such as the simulated NPU, needs only bitnpu_cmd_check(), which refuses them by their
 * opcodes.
 */
#ifndef BITNPU_FLOAT_COMMAND_H
#define BITNPU_FLOAT_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include <drm/bitnpu_isa.h>

/**
 * enum bitnpu_role - what an operand is to a float command
 * @BITNPU_ROLE_IN: rows: floats (NORM_QUANTIZE, ATTENTION's queries) or sums (SCALE, HEADS, GATE)
 * @BITNPU_ROLE_UP: GATE: sums of what the gate lets through
 * @BITNPU_ROLE_WEIGHT: NORM_QUANTIZE: the norm's weights
 * @BITNPU_ROLE_KEYS: ATTENTION: halves
 * @BITNPU_ROLE_VALUES: ATTENTION: halves
 * @BITNPU_ROLE_FACTORS: &struct bitnpu_factor, written by NORM_QUANTIZE, read by SCALE, HEADS, GATE
 * @BITNPU_ROLE_SCALES: row scales, absent with BITNPU_SCALES_NONE
 * @BITNPU_ROLE_TOKENS: token entries, absent in a HEADS without flags
 * @BITNPU_ROLE_OUT: result: int8 rows (NORM_QUANTIZE), a cache (HEADS with CACHE), or rows of
 *	floats
 */
enum bitnpu_role {
	BITNPU_ROLE_IN,
	BITNPU_ROLE_UP,
	BITNPU_ROLE_WEIGHT,
	BITNPU_ROLE_KEYS,
	BITNPU_ROLE_VALUES,
	BITNPU_ROLE_FACTORS,
	BITNPU_ROLE_SCALES,
	BITNPU_ROLE_TOKENS,
	BITNPU_ROLE_OUT,
	BITNPU_ROLES,
};

/**
 * struct bitnpu_range - memory of an operand
 * @addr: device address
 * @bytes: extent from there; 0 when the command has no such operand
 * @stride: bytes between rows, or between token entries; 0 for what has no rows
 * @field: byte offset of the address in the command
 * @written: a result
 */
struct bitnpu_range {
	uint64_t addr, bytes;
	uint32_t stride;
	uint8_t field;
	bool written;
};

/**
 * struct bitnpu_float_command - a float command, decoded and in range
 * @opcode: BITNPU_OP_NORM_QUANTIZE to BITNPU_OP_GATE
 * @flags: of the opcode
 * @input_format: &enum bitnpu_input_format: SCALE, HEADS, GATE (its gate's)
 * @up_format: GATE: likewise
 * @scales: &enum bitnpu_row_scales: SCALE, HEADS, GATE
 * @activation: GATE
 * @m: rows
 * @n: elements of a row of the result; HEADS: heads * head_dim, ATTENTION: heads * group * head_dim
 * @heads: HEADS: heads; ATTENTION: key/value heads
 * @group: ATTENTION: query heads of each of these
 * @head_dim: elements of a head
 * @capacity: positions of the cache, 0 without
 * @eps: NORM_QUANTIZE: bits of the float
 * @slice_stride: BITNPU_IN_INT7: bytes between slices, otherwise 0
 * @up_scales: GATE: bytes from the gate's row scales to the other's
 * @ranges: by &enum bitnpu_role
 *
 * What an opcode does not have is 0.
 */
struct bitnpu_float_command {
	uint8_t opcode, flags, input_format, up_format, scales, activation;
	uint32_t m, n, heads, group, head_dim, capacity, eps;
	uint64_t slice_stride;
	uint32_t up_scales;
	struct bitnpu_range ranges[BITNPU_ROLES];
};

/** bitnpu_is_float_opcode() - Return: whether @opcode is a float command's */
static inline bool bitnpu_is_float_opcode(uint8_t opcode)
{
	return opcode >= BITNPU_OP_NORM_QUANTIZE && opcode <= BITNPU_OP_GATE;
}

/** bitnpu_float_feature() - Return: the bit in a feature mask of a float command's @opcode */
static inline uint64_t bitnpu_float_feature(uint8_t opcode)
{
	return BITNPU_FEATURE_NORM_QUANTIZE << (opcode - BITNPU_OP_NORM_QUANTIZE);
}

/** bitnpu_token_stride() - Return: bytes between the entries of two tokens */
static inline uint32_t bitnpu_token_stride(uint32_t head_dim)
{
	return (BITNPU_TOKEN_TABLE + 4 * head_dim + BITNPU_ADDR_ALIGN - 1) / BITNPU_ADDR_ALIGN *
	       BITNPU_ADDR_ALIGN;
}

/**
 * bitnpu_float_check() - check a float command against the command set
 * @cmd: 64 bytes, any alignment, whose opcode the engine has
 * @command: the decoded command
 * @fault: status, field and addr on error; the caller fills in the index
 *
 * Checks all that can be known without the context's mappings.
 *
 * Return: a status of &enum bitnpu_status, also in @fault when it is not OK.
 */
uint32_t bitnpu_float_check(const void *cmd, struct bitnpu_float_command *command,
			    struct bitnpu_fault *fault);

#endif /* BITNPU_FLOAT_COMMAND_H */
