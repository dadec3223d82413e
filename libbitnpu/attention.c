// SPDX-License-Identifier: MIT
/* Attention of one query head over a KV cache of halves. */
#include <math.h>
#include <string.h>

#include "half.h"
#include "hostops.h"
#include "lanes.h"

static float dot_half(const float *a, const uint16_t *b, size_t n)
{
	float acc[BITNPU_LANES] = { 0 };
	size_t i = 0;

	for (; i + BITNPU_LANES <= n; i += BITNPU_LANES)
		for (int j = 0; j < BITNPU_LANES; j++)
			acc[j] += a[i + j] * bitnpu_half_expand(b[i + j]);
	for (int j = 0; i + j < n; j++)
		acc[j] += a[i + j] * bitnpu_half_expand(b[i + j]);
	return bitnpu_lanes_sum(acc);
}

/* Columns of V summed at once: one cache line of halves. */
#define COLUMNS 32

/*
 * out[d] = sum over t of p[t] * v[t][d] for @columns <= COLUMNS columns: per column the one shape of
 * a reduction, with t as its index.
 */
static void weighted_sum(const float *p, const uint16_t *v, size_t stride, uint32_t n,
			 uint32_t columns, float *out)
{
	float acc[BITNPU_LANES][COLUMNS];

	memset(acc, 0, sizeof(acc));
	for (uint32_t t = 0; t < n; t++) {
		float *lane = acc[t % BITNPU_LANES];
		const uint16_t *row = v + t * stride;

		if (columns == COLUMNS)
			for (int d = 0; d < COLUMNS; d++)
				lane[d] += p[t] * bitnpu_half_expand(row[d]);
		else
			for (uint32_t d = 0; d < columns; d++)
				lane[d] += p[t] * bitnpu_half_expand(row[d]);
	}
	for (int width = BITNPU_LANES / 2; width > 0; width /= 2)
		for (int t = 0; t < width; t++)
			for (int d = 0; d < COLUMNS; d++)
				acc[t][d] += acc[t + width][d];
	memcpy(out, acc[0], columns * sizeof(*out));
}

void bitnpu_attention_head(const float *q, const uint16_t *k, const uint16_t *v, size_t stride,
			   uint32_t head_dim, uint32_t n, float *scores, float *out)
{
	float scale = 1.0f / sqrtf((float)head_dim);

	for (uint32_t t = 0; t < n; t++)
		scores[t] = dot_half(q, k + t * stride, head_dim) * scale;
	bitnpu_softmax(scores, n);
	for (uint32_t d = 0; d < head_dim; d += COLUMNS) {
		uint32_t columns = head_dim - d < COLUMNS ? head_dim - d : COLUMNS;

		weighted_sum(scores, v + d, stride, n, columns, out + d);
	}
}
