/* SPDX-License-Identifier: MIT */
/* Rows of a tensor in a GGUF file as codes and block scales, or as floats. */
#ifndef BITNPU_TENSOR_ROWS_H
#define BITNPU_TENSOR_ROWS_H

#include "gguf.h"

/**
 * struct bitnpu_code_type - a tensor type whose elements are code * scale
 * @format: &enum bitnpu_weight_format that holds the codes
 * @group_shift: log2 of the codes that share a scale; 0: one float scale for the whole tensor
 */
struct bitnpu_code_type {
	uint8_t format, group_shift;
};

/** bitnpu_code_type() - Return: how @type is coded, NULL for floats, Q6_K and unknown types */
const struct bitnpu_code_type *bitnpu_code_type(uint32_t type);

/** bitnpu_row_at() - Return: first byte of row @row (of dims[0] elements) of a tensor */
const unsigned char *bitnpu_row_at(const struct bitnpu_gguf_tensor *tensor, uint64_t row);

/**
 * bitnpu_row_codes() - codes of consecutive blocks
 * @type: one that has a code type
 * @blocks: first block
 * @count: elements, a multiple of the block
 * @codes: @count codes; those of a block whose ternary scale is zero are 0
 *
 * Return: true, or false when a two-bit code is 3, which stands for no ternary weight.
 */
bool bitnpu_row_codes(uint32_t type, const unsigned char *blocks, uint64_t count, int8_t *codes);

/** bitnpu_block_scale() - Return: scale (half) of block @block of a type with group scales */
uint16_t bitnpu_block_scale(uint32_t type, const unsigned char *blocks, uint64_t block);

/** bitnpu_tensor_scale() - Return: the float scale of a type without group scales (I2_S) */
float bitnpu_tensor_scale(const struct bitnpu_gguf_tensor *tensor);

#endif /* BITNPU_TENSOR_ROWS_H */
