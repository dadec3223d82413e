/* SPDX-License-Identifier: MIT */
/*
 * The float operations between matmuls, pinned so that every implementation gives the same bits
 * (docs/numerics.md): reductions go to 16 accumulators by index mod 16 and then a binary tree
 * (i with i + 8, then + 4, + 2, + 1); no contraction; IEEE division and square root; exp, sin, cos and
 * log from the sequences in hostops.c, never from libm.
 */
#ifndef BITNPU_HOSTOPS_H
#define BITNPU_HOSTOPS_H

#include <stddef.h>
#include <stdint.h>

/** bitnpu_dot() - Return: sum of a[i] * b[i], n floats */
float bitnpu_dot(const float *a, const float *b, size_t n);
/** bitnpu_rms_norm() - out[i] = x[i] * (1 / sqrt(mean of squares + eps)) * weight[i]; may be in place */
void bitnpu_rms_norm(const float *x, const float *weight, size_t n, float eps, float *out);
/**
 * bitnpu_quantize_row() - BitNet's absmax rule
 * @x: n floats
 * @q: n int8: round to nearest even of x * (127 / max(|x|, 1e-5)), clamped to [-128, 127]
 *
 * NaN counts as 0 and infinities as the largest finite float.
 * Return: the factor that turns q into x: max(|x|, 1e-5) / 127.
 */
float bitnpu_quantize_row(const float *x, size_t n, int8_t *q);
/**
 * bitnpu_scale_i32() - the one conversion of exact sums to floats
 * @y: n exact sums
 * @row_scale: of the weights: NULL for 1, else @row_scale_count of them (1 or n)
 * @x_scale: what bitnpu_quantize_row() returned
 *
 * out[i] = (float)y[i] * (x_scale * row_scale[i]); INT64 sums use (float)y[i] * 2^-24 instead.
 */
void bitnpu_scale_i32(const int32_t *y, size_t n, const float *row_scale, size_t row_scale_count,
		      float x_scale, float *out);
void bitnpu_scale_i64(const int64_t *y, size_t n, const float *row_scale, size_t row_scale_count,
		      float x_scale, float *out);
/** bitnpu_add() - x[i] += y[i] */
void bitnpu_add(float *x, const float *y, size_t n);
/** bitnpu_relu2_gate() - out[i] = max(gate[i], 0)^2 * up[i] */
void bitnpu_relu2_gate(const float *gate, const float *up, size_t n, float *out);
/** bitnpu_exp() - Return: e^x, within 2 ulp; 0 below -104, infinity above 88.73 */
float bitnpu_exp(float x);
/** bitnpu_softmax() - x = exp(x - max) / sum, in place; n >= 1 */
void bitnpu_softmax(float *x, size_t n);

/**
 * bitnpu_rope_table() - cosines and sines of rotary embedding
 * @position: token position
 * @head_dim: even
 * @freq_base: theta, > 1
 * @table: head_dim floats: cos, sin of position * freq_base^(-2i / head_dim), i < head_dim / 2,
 *	computed in double and rounded once
 */
void bitnpu_rope_table(uint32_t position, uint32_t head_dim, double freq_base, float *table);
/** bitnpu_rope() - rotate pairs (i, i + head_dim / 2) of each of @heads heads in place */
void bitnpu_rope(float *x, uint32_t heads, uint32_t head_dim, const float *table);

/** bitnpu_to_half() - Return: IEEE half nearest to @x, ties to even; overflow gives infinity */
uint16_t bitnpu_to_half(float x);
/** bitnpu_from_half() - Return: the half as a float, exactly */
float bitnpu_from_half(uint16_t half);

/** BITNPU_MAX_HEAD_DIM - largest head_dim of bitnpu_attention() */
#define BITNPU_MAX_HEAD_DIM 1024

/**
 * bitnpu_attention() - the query heads of one key/value head over the KV cache
 * @q: @heads x @head_dim floats
 * @heads: query heads that share these keys and values
 * @k: halves, row t at k + t * stride
 * @v: likewise
 * @stride: halves between rows
 * @head_dim: 1 to %BITNPU_MAX_HEAD_DIM
 * @n: rows (positions visible), >= 1
 * @scores: room for @heads x @n floats
 * @out: @heads x @head_dim floats: sum over t of softmax((q . k[t]) * (1 / sqrt(head_dim))) * v[t],
 *	the sum over t in 16 accumulators by t mod 16; may be @q
 */
void bitnpu_attention(const float *q, uint32_t heads, const uint16_t *k, const uint16_t *v,
		      size_t stride, uint32_t head_dim, uint32_t n, float *scores, float *out);

#endif /* BITNPU_HOSTOPS_H */
