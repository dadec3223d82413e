/* SPDX-License-Identifier: MIT */
/*
 * Attention of the query heads that share one key/value head, over a KV cache of halves.  The cache
 * is what costs at long contexts, so a row is expanded to floats once for all of the heads.
 */
#ifndef BITNPU_HOSTOPS_ATTENTION_H
#define BITNPU_HOSTOPS_ATTENTION_H

#include <math.h>

#include "libbitnpu/hostops.h"
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
 * Scores of KEYS positions, @rows in floats; head_dim is a multiple of 16.  The trees' last two levels
 * of four sums at once: i + 2, then + 1.
 */
static inline v4f score_keys(const float *q, const float (*rows)[BITNPU_MAX_HEAD_DIM],
			     uint32_t head_dim)
{
	struct lanes acc[KEYS] = { 0 };
	v4f s[KEYS], a, b;

	for (uint32_t d = 0; d < head_dim; d += LANES) {
		struct lanes qs = lanes_load(q + d);

		BITNPU_UNROLL
		for (int k = 0; k < KEYS; k++)
			lanes_mul_add(&acc[k], qs, lanes_load(rows[k] + d));
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
	float rows[KEYS][BITNPU_MAX_HEAD_DIM];
	uint32_t t = first;

	for (; a->head_dim % LANES == 0 && t + KEYS <= end; t += KEYS) {
		for (uint32_t k = 0; k < KEYS; k++)
			expand(a->k + (t + k) * a->stride, a->head_dim, rows[k]);
		for (uint32_t h = 0; h < a->heads; h++) {
			v4f s = score_keys(q + (size_t)h * a->head_dim, rows, a->head_dim) * scale;

			memcpy(scores + (size_t)h * a->n + t, &s, sizeof(s));
		}
	}
	for (; t < end; t++) {
		expand(a->k + t * a->stride, a->head_dim, rows[0]);
		for (uint32_t h = 0; h < a->heads; h++)
			scores[(size_t)h * a->n + t] =
				dot(q + (size_t)h * a->head_dim, rows[0], a->head_dim) * scale;
	}
}

/*
 * V is summed in tiles of ROWS positions by COLUMNS elements, one cache line of halves wide, which
 * fit the first-level cache as floats.
 */
#define COLUMNS	BITNPU_ATTENTION_COLUMNS
#define ROWS	128
#define HEADS	8
/* Accumulators whose sums are in registers at a time: eight of these. */
#define AT_ONCE	(W / 4)

struct column_sums {
	float lane[LANES][COLUMNS];
};

/* sums->lane[t mod 16][d] += p[t] * tile[t][d] for the tile's rows, t counted from a multiple of 16 */
static inline void add_tile(const float *p, const float (*tile)[COLUMNS], uint32_t rows,
			    struct column_sums *sums)
{
	for (uint32_t lane = 0; lane < LANES; lane += AT_ONCE) {
		vf acc[AT_ONCE][COLUMNS / W];
		uint32_t t = lane;

		memcpy(acc, sums->lane[lane], sizeof(acc));
		for (; t + AT_ONCE <= rows; t += LANES) {
			BITNPU_UNROLL
			for (int i = 0; i < AT_ONCE; i++) {
				BITNPU_UNROLL
				for (int c = 0; c < COLUMNS / W; c++)
					acc[i][c] += p[t + i] * vf_load(tile[t + i] + c * W);
			}
		}
		/* The last few of all rows. */
		BITNPU_UNROLL
		for (int i = 0; i < AT_ONCE; i++) {
			if (t + i >= rows)
				break;
			for (int c = 0; c < COLUMNS / W; c++)
				acc[i][c] += p[t + i] * vf_load(tile[t + i] + c * W);
		}
		memcpy(sums->lane[lane], acc, sizeof(acc));
	}
}

static inline void add_tree(struct column_sums *sums)
{
	for (uint32_t width = LANES / 2; width > 0; width /= 2) {
		for (uint32_t lane = 0; lane < width; lane++) {
			float *a = sums->lane[lane];
			const float *b = sums->lane[lane + width];

			for (uint32_t c = 0; c < COLUMNS; c += W)
				vf_store(a + c, vf_load(a + c) + vf_load(b + c));
		}
	}
}

/* out[h][d] = sum over t of p[h][t] * v[t][d] for @heads <= HEADS and @columns <= COLUMNS */
static void weighted_sum(const struct bitnpu_attention *a, const float *p, uint32_t heads,
			 uint32_t first, uint32_t columns, float *out)
{
	struct column_sums sums[HEADS];
	float tile[ROWS][COLUMNS] = { 0 };

	memset(sums, 0, heads * sizeof(sums[0]));
	for (uint32_t t = 0; t < a->n; t += ROWS) {
		uint32_t rows = a->n - t < ROWS ? a->n - t : ROWS;

		for (uint32_t r = 0; r < rows; r++)
			expand(a->v + (t + r) * a->stride + first, columns, tile[r]);
		for (uint32_t h = 0; h < heads; h++)
			add_tile(p + (size_t)h * a->n + t, (const float (*)[COLUMNS])tile, rows,
				 &sums[h]);
	}
	for (uint32_t h = 0; h < heads; h++) {
		add_tree(&sums[h]);
		memcpy(out + (size_t)h * a->head_dim + first, sums[h].lane[0],
		       columns * sizeof(*out));
	}
}

static void attention_values(const struct bitnpu_attention *a, const float *p, uint32_t first,
			     uint32_t end, float *out)
{
	for (uint32_t h = 0; h < a->heads; h += HEADS) {
		uint32_t some = a->heads - h < HEADS ? a->heads - h : HEADS;

		for (uint32_t d = first; d < end; d += COLUMNS)
			weighted_sum(a, p + (size_t)h * a->n, some, d,
				     end - d < COLUMNS ? end - d : COLUMNS,
				     out + (size_t)h * a->head_dim);
	}
}

#endif /* BITNPU_HOSTOPS_ATTENTION_H */
