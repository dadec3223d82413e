// SPDX-License-Identifier: MIT
/*
 * Attention of the query heads that share one key/value head, over a KV cache of halves.  The cache
 * is what costs at long contexts, so a row is expanded to floats once for all of the heads.
 */
#include <math.h>

#include "half.h"
#include "hostops.h"
#include "lanes.h"

static void expand(const uint16_t *half, uint32_t n, float *out)
{
	uint32_t i = 0;

	for (; i + 4 <= n; i += 4)
		bitnpu_v4f_store(out + i, bitnpu_half_expand4(half + i));
	for (; i < n; i++)
		out[i] = bitnpu_half_expand(half[i]);
}

/* scores[h][t] = q[h] . k[t] * (1 / sqrt(head_dim)) */
static void score(const float *q, uint32_t heads, const uint16_t *k, size_t stride,
		  uint32_t head_dim, uint32_t n, float *scores)
{
	float scale = 1.0f / sqrtf((float)head_dim);
	float row[BITNPU_MAX_HEAD_DIM];

	for (uint32_t t = 0; t < n; t++) {
		expand(k + t * stride, head_dim, row);
		for (uint32_t h = 0; h < heads; h++)
			scores[(size_t)h * n + t] =
				bitnpu_dot(q + (size_t)h * head_dim, row, head_dim) * scale;
	}
}

/*
 * V is summed in tiles of ROWS positions by COLUMNS elements, one cache line of halves wide, which
 * fit the first-level cache as floats.
 */
#define COLUMNS	32
#define ROWS	128
#define HEADS	8

struct column_sums {
	float lane[BITNPU_LANES][COLUMNS];
};

/* sums->lane[t mod 16][d] += p[t] * tile[t][d] for the tile's rows, t counted from a multiple of 16 */
static void add_tile(const float *p, const float (*tile)[COLUMNS], uint32_t rows,
		     struct column_sums *sums)
{
	for (uint32_t lane = 0; lane < BITNPU_LANES; lane++) {
		float *sum = sums->lane[lane];
		bitnpu_v4f a0 = bitnpu_v4f_load(sum), a1 = bitnpu_v4f_load(sum + 4);
		bitnpu_v4f a2 = bitnpu_v4f_load(sum + 8), a3 = bitnpu_v4f_load(sum + 12);
		bitnpu_v4f a4 = bitnpu_v4f_load(sum + 16), a5 = bitnpu_v4f_load(sum + 20);
		bitnpu_v4f a6 = bitnpu_v4f_load(sum + 24), a7 = bitnpu_v4f_load(sum + 28);

		for (uint32_t t = lane; t < rows; t += BITNPU_LANES) {
			const float *row = tile[t];

			a0 += p[t] * bitnpu_v4f_load(row);
			a1 += p[t] * bitnpu_v4f_load(row + 4);
			a2 += p[t] * bitnpu_v4f_load(row + 8);
			a3 += p[t] * bitnpu_v4f_load(row + 12);
			a4 += p[t] * bitnpu_v4f_load(row + 16);
			a5 += p[t] * bitnpu_v4f_load(row + 20);
			a6 += p[t] * bitnpu_v4f_load(row + 24);
			a7 += p[t] * bitnpu_v4f_load(row + 28);
		}
		bitnpu_v4f_store(sum, a0);
		bitnpu_v4f_store(sum + 4, a1);
		bitnpu_v4f_store(sum + 8, a2);
		bitnpu_v4f_store(sum + 12, a3);
		bitnpu_v4f_store(sum + 16, a4);
		bitnpu_v4f_store(sum + 20, a5);
		bitnpu_v4f_store(sum + 24, a6);
		bitnpu_v4f_store(sum + 28, a7);
	}
}

static void add_tree(struct column_sums *sums)
{
	for (uint32_t width = BITNPU_LANES / 2; width > 0; width /= 2)
		for (uint32_t lane = 0; lane < width; lane++)
			bitnpu_add(sums->lane[lane], sums->lane[lane + width], COLUMNS);
}

/* out[h][d] = sum over t of p[h][t] * v[t][d] for @heads <= HEADS and @columns <= COLUMNS */
static void weighted_sum(const float *p, uint32_t heads, const uint16_t *v, size_t stride,
			 uint32_t columns, uint32_t n, uint32_t out_stride, float *out)
{
	struct column_sums sums[HEADS];
	float tile[ROWS][COLUMNS] = { 0 };

	memset(sums, 0, heads * sizeof(sums[0]));
	for (uint32_t t = 0; t < n; t += ROWS) {
		uint32_t rows = n - t < ROWS ? n - t : ROWS;

		for (uint32_t r = 0; r < rows; r++)
			expand(v + (t + r) * stride, columns, tile[r]);
		for (uint32_t h = 0; h < heads; h++)
			add_tile(p + (size_t)h * n + t, (const float (*)[COLUMNS])tile, rows,
				 &sums[h]);
	}
	for (uint32_t h = 0; h < heads; h++) {
		add_tree(&sums[h]);
		memcpy(out + (size_t)h * out_stride, sums[h].lane[0], columns * sizeof(*out));
	}
}

void bitnpu_attention(const float *q, uint32_t heads, const uint16_t *k, const uint16_t *v,
		      size_t stride, uint32_t head_dim, uint32_t n, float *scores, float *out)
{
	score(q, heads, k, stride, head_dim, n, scores);
	for (uint32_t h = 0; h < heads; h++)
		bitnpu_softmax(scores + (size_t)h * n, n);
	for (uint32_t h = 0; h < heads; h += HEADS) {
		uint32_t some = heads - h < HEADS ? heads - h : HEADS;

		for (uint32_t d = 0; d < head_dim; d += COLUMNS) {
			uint32_t columns = head_dim - d < COLUMNS ? head_dim - d : COLUMNS;

			weighted_sum(scores + (size_t)h * n, some, v + d, stride, columns, n,
				     head_dim, out + (size_t)h * head_dim + d);
		}
	}
}
