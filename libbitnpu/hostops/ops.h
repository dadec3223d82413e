/* SPDX-License-Identifier: MIT */
/*
 * All operations for one vector width, as the table HOSTOPS_TABLE: a file that includes this says
 * BITNPU_VECTOR and both names, and is compiled for processors that have such vectors.
 */
#include "rows.h"
#include "softmax.h"
#include "attention.h"
#include "tables.h"

const struct bitnpu_hostops HOSTOPS_TABLE = {
	.name = HOSTOPS_NAME,
	.dot = dot,
	.rms_norm = rms_norm,
	.quantize_row = quantize_row,
	.norm_quantize = norm_quantize,
	.scale_i32 = scale_i32,
	.scale_i64 = scale_i64,
	.sum_int7 = sum_int7,
	.add = add,
	.relu2_gate = relu2_gate,
	.exp = exp_one,
	.maximum = maximum,
	.weigh = weigh,
	.softmax = softmax,
	.rope = rope,
	.to_halves = to_halves,
	.attention_scores = attention_scores,
	.attention_sums = attention_sums,
	.attention_fold = attention_fold,
};
