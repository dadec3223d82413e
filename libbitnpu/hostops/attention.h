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

/*
 * Scores of some heads and positions at once.  The accumulators of a whole sum would fill the
 * registers, so those of one vector are computed for all elements, then those of the next.
 */
#define HEADS	4
#define KEYS	2
/* How far ahead rows are asked for: the hardware's prefetcher stops at the end of a page. */
#define AHEAD_BYTES	4096

/* The trees' last two levels of four sums at once: i + 2, then + 1. */
static inline v4f fold_four(const struct lanes *acc)
{
	v4f s[4], a, b;

	BITNPU_UNROLL
	for (int i = 0; i < 4; i++)
		s[i] = lanes_fold(acc[i]);
	a = __builtin_shufflevector(s[0], s[1], 0, 1, 4, 5) +
	    __builtin_shufflevector(s[0], s[1], 2, 3, 6, 7);
	b = __builtin_shufflevector(s[2], s[3], 0, 1, 4, 5) +
	    __builtin_shufflevector(s[2], s[3], 2, 3, 6, 7);
	return __builtin_shufflevector(a, b, 0, 2, 4, 6) +
	       __builtin_shufflevector(a, b, 1, 3, 5, 7);
}

/* Queries of HEADS heads as score_keys() reads them. */
static inline void interleave(const float *q, uint32_t head_dim, float *out)
{
	for (uint32_t v = 0; v < LANES; v += W)
		for (uint32_t d = v; d < head_dim; d += LANES)
			for (uint32_t h = 0; h < HEADS; h++, out += W)
				vf_store(out, vf_load(q + h * head_dim + d));
}

/* Vector @v of the accumulators of @keys positions and HEADS heads. */
static inline __attribute__((always_inline)) void
sweep(const float *q, const uint16_t *k, size_t stride, uint32_t head_dim, const int v,
      const int keys, struct lanes (*sums)[HEADS])
{
	vf acc[KEYS][HEADS] = { 0 };

	for (uint32_t d = 0; d < head_dim; d += LANES, k += LANES, q += HEADS * W) {
		vf key[KEYS];

		BITNPU_UNROLL
		for (int i = 0; i < keys; i++) {
			if (v == 0)
				__builtin_prefetch((const char *)(k + i * stride) + AHEAD_BYTES);
			key[i] = vf_expand(k + i * stride + v * W);
		}
		BITNPU_UNROLL
		for (int h = 0; h < HEADS; h++) {
			vf qs = vf_load(q + h * W);

			vf_keep(&qs);
			BITNPU_UNROLL
			for (int i = 0; i < keys; i++)
				acc[i][h] = vf_fma(qs, key[i], acc[i][h]);
		}
	}
	BITNPU_UNROLL
	for (int i = 0; i < keys; i++) {
		BITNPU_UNROLL
		for (int h = 0; h < HEADS; h++)
			sums[i][h].v[v] = acc[i][h];
	}
}

/* @out: the first head's score of the first position; others lie @n apart */
static inline __attribute__((always_inline)) void
score_keys(const float *q, const uint16_t *k, const struct bitnpu_attention *a, const int keys,
	   float scale, float *out)
{
	struct lanes sums[KEYS][HEADS];

	BITNPU_UNROLL
	for (int v = 0; v < LANES / W; v++)
		sweep(q + (size_t)v * (HEADS * W) * (a->head_dim / LANES), k, a->stride,
		      a->head_dim, v, keys, sums);
	BITNPU_UNROLL
	for (int i = 0; i < keys; i++) {
		const v4f s = fold_four(sums[i]) * scale;

		BITNPU_UNROLL
		for (int h = 0; h < HEADS; h++)
			out[(size_t)h * a->n + i] = s[h];
	}
}

/* HEADS heads whose first is at @q and @scores */
static void score_heads(const struct bitnpu_attention *a, const float *q, uint32_t first,
			uint32_t end, float scale, float *scores)
{
	float together[HEADS * BITNPU_MAX_HEAD_DIM] __attribute__((aligned(64)));
	uint32_t t = first;

	interleave(q, a->head_dim, together);
	for (; t + KEYS <= end; t += KEYS)
		score_keys(together, a->k + t * a->stride, a, KEYS, scale, scores + t);
	for (; t < end; t++)
		score_keys(together, a->k + t * a->stride, a, 1, scale, scores + t);
}

static void attention_scores(const struct bitnpu_attention *a, const float *q, uint32_t first,
			     uint32_t end, float *scores)
{
	float scale = 1.0f / sqrtf((float)a->head_dim);
	uint32_t h = 0;

	for (; a->head_dim % LANES == 0 && h + HEADS <= a->heads; h += HEADS)
		score_heads(a, q + (size_t)h * a->head_dim, first, end, scale,
			    scores + (size_t)h * a->n);
	for (; h < a->heads; h++) {
		for (uint32_t t = first; t < end; t++) {
			float row[BITNPU_MAX_HEAD_DIM];

			expand(a->k + t * a->stride, a->head_dim, row);
			scores[(size_t)h * a->n + t] =
				dot(q + (size_t)h * a->head_dim, row, a->head_dim) * scale;
		}
	}
}

/*
 * Values: a block of positions is read from the nearest cache for every accumulator and every 16
 * elements, whose sums for HEADS heads are in registers meanwhile and lie side by side in memory:
 * sums[head / HEADS][accumulator][d / 16][head % HEADS][d % 16].  Heads that are left over, and all of
 * them when head_dim is no multiple of 16, have sums[head][accumulator][d].
 */
#define BLOCK	96

/* Heads that have their sums together with @head's. */
static inline uint32_t heads_together(const struct bitnpu_attention *a, uint32_t head)
{
	return a->head_dim % LANES == 0 && head / HEADS < a->heads / HEADS ? HEADS : 1;
}

/*
 * sums[h][...] += p[h][t] * v[t][...] for t = @first, @first + 16, ... below @end, once at least, and 16
 * elements from @d on
 */
static inline __attribute__((always_inline)) void
add_values(const struct bitnpu_attention *a, const float *p, uint32_t d, uint32_t first,
	   uint32_t end, const int heads, float *sums)
{
	const uint16_t *v = a->v + first * a->stride + d;
	const float *weights[HEADS];
	struct lanes acc[HEADS];
	size_t t = first;

	BITNPU_UNROLL
	for (int h = 0; h < heads; h++) {
		weights[h] = p + (size_t)h * a->n;
		acc[h] = lanes_load(sums + h * LANES);
	}
	do {
		struct lanes value;

		BITNPU_UNROLL
		for (int i = 0; i < LANES / W; i++)
			value.v[i] = vf_expand(v + i * W);
		BITNPU_UNROLL
		for (int h = 0; h < heads; h++) {
			BITNPU_UNROLL
			for (int i = 0; i < LANES / W; i++)
				acc[h].v[i] = vf_fma(vf_splat(weights[h][t]), value.v[i],
						     acc[h].v[i]);
		}
		t += LANES;
		v += LANES * a->stride;
	} while (t < end);
	BITNPU_UNROLL
	for (int h = 0; h < heads; h++)
		lanes_store(sums + h * LANES, acc[h]);
}

static void add_one_by_one(const struct bitnpu_attention *a, const float *p, uint32_t first,
			   uint32_t end, uint32_t d, float *sums)
{
	for (; d < a->head_dim; d++)
		for (uint32_t t = first; t < end; t += LANES)
			sums[d] = fmaf(p[t], bitnpu_half_expand(a->v[t * a->stride + d]), sums[d]);
}

/* An accumulator of @heads heads for the positions of a block. */
static inline __attribute__((always_inline)) void
add_rows(const struct bitnpu_attention *a, const float *p, uint32_t first, uint32_t end,
	 const int heads, float *sums)
{
	uint32_t whole = a->head_dim / LANES * LANES;

	for (uint32_t d = 0; d < whole; d += LANES)
		add_values(a, p, d, first, end, heads, sums + (size_t)d * heads);
	if (heads == 1)
		add_one_by_one(a, p, first, end, whole, sums);
}

static void add_block(const struct bitnpu_attention *a, const float *p, uint32_t lane,
		      uint32_t first, uint32_t end, float *sums)
{
	for (uint32_t h = 0, together; h < a->heads; h += together) {
		float *group = sums + (size_t)h * LANES * a->head_dim;

		together = heads_together(a, h);
		group += (size_t)lane * together * a->head_dim;
		if (together == HEADS)
			add_rows(a, p + (size_t)h * a->n, first, end, HEADS, group);
		else
			add_rows(a, p + (size_t)h * a->n, first, end, 1, group);
	}
}

static void clear_sums(const struct bitnpu_attention *a, uint32_t first, uint32_t end, float *sums)
{
	for (uint32_t h = 0, together; h < a->heads; h += together) {
		size_t floats = (size_t)(together = heads_together(a, h)) * a->head_dim;

		memset(sums + (size_t)h * LANES * a->head_dim + first * floats, 0,
		       (end - first) * floats * sizeof(*sums));
	}
}

static void attention_sums(const struct bitnpu_attention *a, const float *p, uint32_t first,
			   uint32_t end, float *sums)
{
	clear_sums(a, first, end, sums);
	for (uint32_t t = 0; t < a->n; t += BLOCK)
		for (uint32_t lane = first; lane < end && lane < a->n - t; lane++)
			add_block(a, p, lane, t + lane, a->n - t < BLOCK ? a->n : t + BLOCK, sums);
}

/* The accumulators' tree for @n <= 16 elements; accumulators lie @stride apart. */
static inline void fold_elements(const float *sums, size_t stride, uint32_t n, float *out)
{
	struct lanes tree[LANES];

	for (int i = 0; i < LANES; i++)
		tree[i] = n == LANES ? lanes_load(sums + i * stride) :
				       lanes_load_part(sums + i * stride, n, 0.0f);
	for (int width = LANES / 2; width > 0; width /= 2)
		for (int i = 0; i < width; i++)
			lanes_add(&tree[i], tree[i + width]);
	if (n == LANES)
		lanes_store(out, tree[0]);
	else
		memcpy(out, tree, n * sizeof(*out));
}

static void attention_fold(const struct bitnpu_attention *a, const float *sums, uint32_t first,
			   uint32_t end, float *out)
{
	for (uint32_t h = first; h < end; h++) {
		uint32_t together = heads_together(a, h), dim = a->head_dim;
		const float *group = sums + (size_t)(h / together * together) * LANES * dim +
				     h % together * LANES;

		for (uint32_t d = 0; d < dim; d += LANES)
			fold_elements(group + (size_t)d * together, (size_t)together * dim,
				      dim - d < LANES ? dim - d : LANES, out + (size_t)h * dim + d);
	}
}

#endif /* BITNPU_HOSTOPS_ATTENTION_H */
