/* SPDX-License-Identifier: MIT */
/*
 * The float operations between matmuls, pinned so that every implementation gives the same bits
 * (docs/numerics.md): reductions go to 16 accumulators by index mod 16 and then a binary tree
 * (i with i + 8, then + 4, + 2, + 1); no contraction; IEEE division and square root; exp, sin, cos and
 * log from our own sequences, never from libm.
 *
 * There is a table of them for each vector width (hostops/); bitnpu_hostops() is the processor's.
 */
#ifndef BITNPU_HOSTOPS_H
#define BITNPU_HOSTOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Largest head_dim of attention. */
#define BITNPU_MAX_HEAD_DIM 1024
/* Accumulators of a sum. */
#define BITNPU_SUM_LANES 16

/**
 * struct bitnpu_attention - the query heads of one key/value head and what they see
 * @k: halves, row t at k + t * stride
 * @v: likewise
 * @stride: halves between rows
 * @head_dim: 1 to %BITNPU_MAX_HEAD_DIM
 * @heads: query heads that share these keys and values
 * @n: rows (positions visible), >= 1
 */
struct bitnpu_attention {
	const uint16_t *k, *v;
	size_t stride;
	uint32_t head_dim, heads, n;
};

/**
 * struct bitnpu_hostops - the operations for one vector width
 * @name: of the instruction set
 * @dot: sum of a[i] * b[i], n floats
 * @rms_norm: out[i] = x[i] * (1 / sqrt(mean of squares + eps)) * weight[i]; may be in place
 * @quantize_row: BitNet's absmax rule: q[i] = x[i] * (127 / max(|x|, 1e-5)) to the nearest even integer,
 *	clamped to [-128, 127]; NaN counts as 0 and infinities as the largest finite float.  Returns the
 *	factor that turns q into x: max(|x|, 1e-5) / 127
 * @norm_quantize: quantize_row() of what rms_norm() gives, which is not stored
 * @scale_i32: the one conversion of exact sums to floats: out[i] = (float)y[i] * (x_scale *
 *	row_scale[i]); row_scale NULL for 1, else row_scale_count of them (1 or n)
 * @scale_i64: likewise with (float)y[i] * 2^-24
 * @sum_int7: exact sums of %BITNPU_PACK_INT7 weights from those of their slices y[0] to y[3]; @x_sum: sum
 *	of the activations
 * @add: x[i] += y[i]
 * @relu2_gate: out[i] = max(gate[i], 0)^2 * up[i]
 * @exp: e^x, within 2 ulp; 0 below -104, infinity above 88.73
 * @maximum: the largest of n floats, NaNs passed over; -infinity of none
 * @weigh: x[i] = exp((x[i] - max) / temperature)
 * @softmax: x = exp(x - max) / sum, in place; n >= 1
 * @rope: rotate pairs (i, i + head_dim / 2) of each of @heads heads in place by bitnpu_rope_table()
 * @to_halves: bitnpu_to_half() of n floats; the payload of a NaN may differ
 * @attention_scores: scores[h * a->n + t] = (q[h] . k[t]) * (1 / sqrt(head_dim)) for first <= t < end;
 *	q: a->heads x head_dim floats
 * @attention_sums: of each head and element d, the sum over t with t mod 16 = lane of p[h * a->n + t] *
 *	v[t][d] for accumulators first <= lane < end; sums: a->heads x 16 x head_dim floats in the
 *	implementation's own order
 * @attention_fold: the accumulators' tree for heads first <= h < end: out[h][d] from all of @sums
 */
struct bitnpu_hostops {
	const char *name;
	float (*dot)(const float *a, const float *b, size_t n);
	void (*rms_norm)(const float *x, const float *weight, size_t n, float eps, float *out);
	float (*quantize_row)(const float *x, size_t n, int8_t *q);
	float (*norm_quantize)(const float *x, const float *weight, size_t n, float eps, int8_t *q);
	void (*scale_i32)(const int32_t *y, size_t n, const float *row_scale,
			  size_t row_scale_count, float x_scale, float *out);
	void (*scale_i64)(const int64_t *y, size_t n, const float *row_scale,
			  size_t row_scale_count, float x_scale, float *out);
	void (*sum_int7)(const int32_t *const y[4], size_t n, int32_t x_sum, int32_t *out);
	void (*add)(float *x, const float *y, size_t n);
	void (*relu2_gate)(const float *gate, const float *up, size_t n, float *out);
	float (*exp)(float x);
	float (*maximum)(const float *x, size_t n);
	void (*weigh)(float *x, size_t n, float max, float temperature);
	void (*softmax)(float *x, size_t n);
	void (*rope)(float *x, uint32_t heads, uint32_t head_dim, const float *table);
	void (*to_halves)(const float *x, size_t n, uint16_t *out);
	void (*attention_scores)(const struct bitnpu_attention *a, const float *q, uint32_t first,
				 uint32_t end, float *scores);
	void (*attention_sums)(const struct bitnpu_attention *a, const float *p, uint32_t first,
			       uint32_t end, float *sums);
	void (*attention_fold)(const struct bitnpu_attention *a, const float *sums, uint32_t first,
			       uint32_t end, float *out);
};

/** bitnpu_hostops() - Return: the best for this processor; BITNPU_CPU_LEVEL may name a lesser one */
const struct bitnpu_hostops *bitnpu_hostops(void);
/** bitnpu_hostops_level() - Return: the @index-th that this processor can run, best first, or NULL */
const struct bitnpu_hostops *bitnpu_hostops_level(unsigned int index);

/**
 * bitnpu_rope_table() - cosines and sines of rotary embedding
 * @position: token position
 * @head_dim: even
 * @freq_base: theta, > 1
 * @table: head_dim floats: cos, sin of position * freq_base^(-2i / head_dim), i < head_dim / 2,
 *	computed in double and rounded once
 */
void bitnpu_rope_table(uint32_t position, uint32_t head_dim, double freq_base, float *table);

/** bitnpu_to_half() - Return: IEEE half nearest to @x, ties to even; overflow gives infinity */
uint16_t bitnpu_to_half(float x);
/** bitnpu_from_half() - Return: the half as a float, exactly */
float bitnpu_from_half(uint16_t half);

#endif /* BITNPU_HOSTOPS_H */
