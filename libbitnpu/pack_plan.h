/* SPDX-License-Identifier: MIT */
/* How a matrix is going to be packed, decided before a byte of it is. */
#ifndef BITNPU_PACK_PLAN_H
#define BITNPU_PACK_PLAN_H

#include "weights.h"

/**
 * enum bitnpu_pack_method - where the codes come from
 * @BITNPU_PACK_CODES: the tensor's own codes
 * @BITNPU_PACK_TERNARY_FLOATS: signs of floats that are {-s,0,+s} in each row
 * @BITNPU_PACK_ROUNDED_FLOATS: floats rounded to 8 bits, or 7, with a scale a row
 */
enum bitnpu_pack_method {
	BITNPU_PACK_CODES,
	BITNPU_PACK_TERNARY_FLOATS,
	BITNPU_PACK_ROUNDED_FLOATS,
};

/**
 * struct bitnpu_pack_plan - the decisions; bitnpu_pack_plan_free()
 * @method: &enum bitnpu_pack_method
 * @format: &enum bitnpu_weight_format, or %BITNPU_PACK_INT7
 * @group_shift: log2 of the codes under one scale, 0 without group scales
 * @n: rows
 * @k: columns
 * @row_scale: scale of the tensor or of each row, NULL when it is 1; that of
 *	%BITNPU_PACK_ROUNDED_FLOATS is filled in by packing
 * @row_scale_count: 0, 1 or @n
 * @factor: what the file's own scale tensor multiplies the weights with, NULL without one
 * @factor_count: 0, 1 or @n
 */
struct bitnpu_pack_plan {
	enum bitnpu_pack_method method;
	uint8_t format, group_shift;
	uint32_t n, k;
	float *row_scale, *factor;
	uint32_t row_scale_count, factor_count;
};

/** bitnpu_is_matrix() - Return: whether packing makes tiles of @tensor: rank 2, "*.weight" */
bool bitnpu_is_matrix(const struct bitnpu_gguf_tensor *tensor);

/**
 * bitnpu_scale_tensor() - the scale that belongs to a matrix
 * @gguf: a source file or a packed one
 * @matrix: "X.weight"
 * @suffix: such as ".scale"
 *
 * Return: the tensor "X" + @suffix, or NULL.
 */
const struct bitnpu_gguf_tensor *bitnpu_scale_tensor(const struct bitnpu_gguf *gguf,
						     const struct bitnpu_gguf_tensor *matrix,
						     const char *suffix);

/** bitnpu_pack_plan() - decide how to pack @tensor; every error that its scales can cause is here */
int bitnpu_pack_plan(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *tensor,
		     struct bitnpu_pack_plan *plan, struct bitnpu_error *err);
void bitnpu_pack_plan_free(struct bitnpu_pack_plan *plan);

/** bitnpu_apply_factor() - multiply the row scales with the factor, once they are known */
int bitnpu_apply_factor(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *tensor,
			struct bitnpu_pack_plan *plan, struct bitnpu_error *err);

/** bitnpu_pack_planned() - bitnpu_pack_tensor() with the decisions made */
int bitnpu_pack_planned(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *tensor,
			struct bitnpu_pack_plan *plan, struct bitnpu_packed_tensor *packed,
			struct bitnpu_error *err);

#endif /* BITNPU_PACK_PLAN_H */
