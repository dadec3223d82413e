/* SPDX-License-Identifier: MIT */
/*
 * Attention of the query heads that share one key/value head, over a KV cache of halves.  The cache
 * is what costs at long contexts, so a row is expanded to floats once for all of the heads.
 */
#ifndef BITNPU_HOSTOPS_ATTENTION_H
#define BITNPU_HOSTOPS_ATTENTION_H

#include <math.h>

#include "vector.h"

static inline void expand(const uint16_t *half, uint32_t n, float *out)
{
	uint32_t i = 0;

	for (; i + W <= n; i += W)
		vf_store(out + i, vf_expand(half + i));
	for (; i < n; i++)
		out[i] = bitnpu_half_expand(half[i]);
}

/* Positions whose scores are computed together: their accumulators fill half of the registers. */
#define KEYS 4

/*
 * Scores of KEYS positions, @rows in floats, one after the other: 4096 bytes apart they would share
 * cache sets.  head_dim is a multiple of 16.  The trees' last two levels of four sums at once: i + 2,
 * then + 1.
 */
static inline v4f score_keys(const float *q, const float *rows, uint32_t head_dim)
{
	struct lanes acc[KEYS] = { 0 };
	v4f s[KEYS], a, b;

	for (uint32_t d = 0; d < head_dim; d += LANES) {
		struct lanes qs = lanes_load(q + d);

		BITNPU_UNROLL
		for (int k = 0; k < KEYS; k++)
			lanes_mul_add(&acc[k], qs, lanes_load(rows + k * head_dim + d));
	}
	BITNPU_UNROLL
	for (int k = 0; k < KEYS; k++)
		s[k] = lanes_fold(acc[k]);
	a = __builtin_shufflevector(s[0], s[1], 0, 1, 4, 5) +
	    __builtin_shufflevector(s[0], s[1], 2, 3, 6, 7);
	b = __builtin_shufflevector(s[2], s[3], 0, 1, 4, 5) +
	    __builtin_shufflevector(s[2], s[3], 2, 3, 6, 7);
	return __builtin_shufflevector(a, b, 0, 2, 4, 6) +
	       __builtin_shufflevector(a, b, 1, 3, 5, 7);
}

static void attention_scores(const struct bitnpu_attention *a, const float *q, uint32_t first,
			     uint32_t end, float *scores)
{
	float scale = 1.0f / sqrtf((float)a->head_dim);
	float rows[KEYS * BITNPU_MAX_HEAD_DIM];
	uint32_t t = first;

	for (; a->head_dim % LANES == 0 && t + KEYS <= end; t += KEYS) {
		for (uint32_t k = 0; k < KEYS; k++)
			expand(a->k + (t + k) * a->stride, a->head_dim, rows + k * a->head_dim);
		for (uint32_t h = 0; h < a->heads; h++) {
			v4f s = score_keys(q + (size_t)h * a->head_dim, rows, a->head_dim) * scale;

			memcpy(scores + (size_t)h * a->n + t, &s, sizeof(s));
		}
	}
	for (; t < end; t++) {
		expand(a->k + t * a->stride, a->head_dim, rows);
		for (uint32_t h = 0; h < a->heads; h++)
			scores[(size_t)h * a->n + t] =
				dot(q + (size_t)h * a->head_dim, rows, a->head_dim) * scale;
	}
}

/*
 * Values: a block of positions is read from the nearest cache for every accumulator and every few
 * elements, whose sums for some heads are in registers meanwhile.
 */
#define BLOCK	128
#define HEADS	4

/*
 * sums[h][d] += p[h][t] * v[t][d] for t = @first, @first + 16, ... below @end and @vectors vectors of
 * elements from @d on
 */
static inline __attribute__((always_inline)) void
add_values(const struct bitnpu_attention *a, const float *p, uint32_t first, uint32_t end,
	   uint32_t d, const int heads, const int vectors, float *sums)
{
	const size_t sum_stride = (size_t)LANES * a->head_dim;
	vf acc[HEADS][2];

	BITNPU_UNROLL
	for (int h = 0; h < heads; h++) {
		BITNPU_UNROLL
		for (int i = 0; i < vectors; i++)
			acc[h][i] = vf_load(sums + h * sum_stride + d + i * W);
	}
	for (uint32_t t = first; t < end; t += LANES) {
		vf v[2];

		BITNPU_UNROLL
		for (int i = 0; i < vectors; i++)
			v[i] = vf_expand(a->v + t * a->stride + d + i * W);
		BITNPU_UNROLL
		for (int h = 0; h < heads; h++) {
			BITNPU_UNROLL
			for (int i = 0; i < vectors; i++)
				acc[h][i] += p[(size_t)h * a->n + t] * v[i];
		}
	}
	BITNPU_UNROLL
	for (int h = 0; h < heads; h++) {
		BITNPU_UNROLL
		for (int i = 0; i < vectors; i++)
			vf_store(sums + h * sum_stride + d + i * W, acc[h][i]);
	}
}

/* Likewise for all elements. */
static inline __attribute__((always_inline)) void
add_row_values(const struct bitnpu_attention *a, const float *p, uint32_t first, uint32_t end,
	       const int heads, float *sums)
{
	uint32_t d = 0;

	for (; d + 2 * W <= a->head_dim; d += 2 * W)
		add_values(a, p, first, end, d, heads, 2, sums);
	for (; d + W <= a->head_dim; d += W)
		add_values(a, p, first, end, d, heads, 1, sums);
	for (; d < a->head_dim; d++)
		for (int h = 0; h < heads; h++)
			for (uint32_t t = first; t < end; t += LANES)
				sums[(size_t)h * LANES * a->head_dim + d] +=
					p[(size_t)h * a->n + t] *
					bitnpu_half_expand(a->v[t * a->stride + d]);
}

/* Accumulator @lane of all heads for the positions of a block. */
static void add_block(const struct bitnpu_attention *a, const float *p, uint32_t first, uint32_t end,
		      float *sums)
{
	uint32_t h = 0;

	for (; h + HEADS <= a->heads; h += HEADS)
		add_row_values(a, p + (size_t)h * a->n, first, end, HEADS,
			       sums + (size_t)h * LANES * a->head_dim);
	for (; h < a->heads; h++)
		add_row_values(a, p + (size_t)h * a->n, first, end, 1,
			       sums + (size_t)h * LANES * a->head_dim);
}

static void attention_sums(const struct bitnpu_attention *a, const float *p, uint32_t first,
			   uint32_t end, float *sums)
{
	for (uint32_t h = 0; h < a->heads; h++)
		for (uint32_t lane = first; lane < end; lane++)
			memset(sums + ((size_t)h * LANES + lane) * a->head_dim, 0,
			       a->head_dim * sizeof(*sums));
	for (uint32_t t = 0; t < a->n; t += BLOCK)
		for (uint32_t lane = first; lane < end; lane++)
			add_block(a, p, t + lane, a->n - t < BLOCK ? a->n : t + BLOCK,
				  sums + (size_t)lane * a->head_dim);
}

/* The accumulators' tree, element by element. */
static void attention_fold(float *sums, uint32_t head_dim, float *out)
{
	for (uint32_t width = LANES / 2; width > 0; width /= 2)
		add(sums, sums + (size_t)width * head_dim, (size_t)width * head_dim);
	memcpy(out, sums, head_dim * sizeof(*out));
}

#endif /* BITNPU_HOSTOPS_ATTENTION_H */
