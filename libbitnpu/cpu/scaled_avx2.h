/* SPDX-License-Identifier: MIT */
/* Scales times sums with AVX2. */
#ifndef BITNPU_CPU_SCALED_AVX2_H
#define BITNPU_CPU_SCALED_AVX2_H

#include <immintrin.h>

#include "cpu.h"
#include "libbitnpu/unroll.h"

/**
 * bitnpu_avx2_add_scaled() - totals += scales * weights
 * @totals: of a row of x; vpmuldq multiplies every other 32-bit lane, so in each half of the tile the even
 *	rows come first: 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15
 * @scales: the group's
 * @sums: of codes * x
 * @x_sum: the group's sum of x, 0 where codes are weights
 * @binary: whether weights are twice the codes less 1, not codes less 1
 */
static inline __attribute__((always_inline)) void
bitnpu_avx2_add_scaled(int64_t *totals, const int32_t *scales, const __m256i *sums, int32_t x_sum,
		       const bool binary)
{
	const __m256i excess = _mm256_set1_epi32(x_sum);

	BITNPU_UNROLL
	for (int h = 0; h < 2; h++) {
		const __m256i codes = sums[h];
		const __m256i twice = binary ? _mm256_add_epi32(codes, codes) : codes;
		const __m256i even = _mm256_sub_epi32(twice, excess);
		const __m256i odd = _mm256_srli_epi64(even, 32);
		const __m256i even_scale = _mm256_load_si256((const __m256i *)scales + h);
		const __m256i odd_scale = _mm256_srli_epi64(even_scale, 32);
		__m256i *out = (__m256i *)totals + 2 * h;

		_mm256_storeu_si256(out, _mm256_add_epi64(_mm256_loadu_si256(out),
							  _mm256_mul_epi32(even, even_scale)));
		_mm256_storeu_si256(out + 1, _mm256_add_epi64(_mm256_loadu_si256(out + 1),
							      _mm256_mul_epi32(odd, odd_scale)));
	}
}

/**
 * bitnpu_avx2_scaled_int8() - groups of int8 weights, one after the other for all rows of x
 * @in: lines and scales
 * @x: rows
 * @row_sums: of weights * x
 * @totals: added to
 */
static inline void bitnpu_avx2_scaled_int8(const struct bitnpu_cpu_scaled *in,
					   const struct bitnpu_cpu_x *x, bitnpu_cpu_sums_fn *row_sums,
					   int64_t (*totals)[BITNPU_TILE_ROWS])
{
	int32_t sums[BITNPU_CPU_ROWS][BITNPU_TILE_ROWS];

	for (uint32_t line = 0, group = 0; line < in->lines; line += in->group, group++) {
		const uint32_t left = in->lines - line;

		row_sums(in->w + (size_t)line * BITNPU_LINE_BYTES, left < in->group ? left : in->group,
			 x, in->column + line * 4, sums);
		for (uint32_t row = 0; row < x->rows; row++) {
			const __m256i *both = (const __m256i *)sums[row];
			const __m256i weights[] = { _mm256_loadu_si256(both),
						    _mm256_loadu_si256(both + 1) };

			bitnpu_avx2_add_scaled(totals[row], in->scales[group], weights, 0, false);
		}
	}
}

#endif /* BITNPU_CPU_SCALED_AVX2_H */
