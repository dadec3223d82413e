/* SPDX-License-Identifier: MIT */
/* What kernels on vectors of 64 bytes share: a line is one vector. */
#ifndef BITNPU_CPU_AVX512_H
#define BITNPU_CPU_AVX512_H

#include <immintrin.h>

#include "cpu.h"
#include "libbitnpu/unroll.h"

/* How far ahead lines are asked for: the hardware's prefetcher stops at the end of a page. */
#define BITNPU_AVX512_AHEAD 40

/** bitnpu_avx512_prefetch() - ask for a line that will be needed a little after @w */
static inline __attribute__((always_inline)) void bitnpu_avx512_prefetch(const uint8_t *w)
{
	_mm_prefetch((const char *)w + BITNPU_AVX512_AHEAD * BITNPU_LINE_BYTES, _MM_HINT_T0);
}

/** bitnpu_avx512_clear() - 0 to the sums of @rows rows of x */
static inline void bitnpu_avx512_clear(int32_t (*sums)[BITNPU_TILE_ROWS], uint32_t rows)
{
	for (uint32_t row = 0; row < rows; row++)
		_mm512_storeu_si512(sums[row], _mm512_setzero_si512());
}

/**
 * bitnpu_avx512_expand() - a byte for each code, in vectors of 16 rows by four columns
 * @w: lines
 * @lines: how many
 * @planes: vectors in a line: 4 are ternary, 8 binary, 1 int8, which is copied
 * @codes: @lines * @planes vectors, aligned to 64 bytes
 */
static inline __attribute__((always_inline)) void
bitnpu_avx512_expand(const uint8_t *w, uint32_t lines, const uint32_t planes, uint8_t *codes)
{
	const uint32_t bits = 8 / planes;
	const __m512i mask = _mm512_set1_epi8((char)((1u << bits) - 1));

	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES) {
		const __m512i words = _mm512_load_si512(w);

		bitnpu_avx512_prefetch(w);
		BITNPU_UNROLL
		for (uint32_t s = 0; s < planes; s++, codes += BITNPU_LINE_BYTES) {
			const __m512i plane = _mm512_srli_epi32(words, bits * s);

			_mm512_store_si512(codes, planes == 1 ? words : _mm512_and_si512(plane, mask));
		}
	}
}

/**
 * bitnpu_avx512_add_scaled() - totals += scales * weights
 * @totals: of a row of x; vpmuldq multiplies every other 32-bit lane, so the even rows come first
 * @scales: the group's
 * @sums: of codes * x
 * @x_sum: the group's sum of x
 * @binary: whether weights are twice the codes less 1, not codes less 1
 */
static inline __attribute__((always_inline)) void
bitnpu_avx512_add_scaled(int64_t *totals, const int32_t *scales, __m512i sums, int32_t x_sum,
			 const bool binary)
{
	const __m512i twice = binary ? _mm512_add_epi32(sums, sums) : sums;
	const __m512i even = _mm512_sub_epi32(twice, _mm512_set1_epi32(x_sum));
	const __m512i odd = _mm512_srli_epi64(even, 32);
	const __m512i even_scale = _mm512_load_si512(scales);
	const __m512i odd_scale = _mm512_srli_epi64(even_scale, 32);

	_mm512_storeu_si512(totals, _mm512_add_epi64(_mm512_loadu_si512(totals),
						     _mm512_mul_epi32(even, even_scale)));
	_mm512_storeu_si512(totals + 8, _mm512_add_epi64(_mm512_loadu_si512(totals + 8),
							 _mm512_mul_epi32(odd, odd_scale)));
}

/**
 * bitnpu_avx512_scaled_int8() - groups of int8 weights, one after the other for all rows of x
 * @in: lines and scales
 * @x: rows
 * @row_sums: of weights * x
 * @totals: added to
 */
static inline void bitnpu_avx512_scaled_int8(const struct bitnpu_cpu_scaled *in,
					     const struct bitnpu_cpu_x *x, bitnpu_cpu_sums_fn *row_sums,
					     int64_t (*totals)[BITNPU_TILE_ROWS])
{
	int32_t sums[BITNPU_CPU_ROWS][BITNPU_TILE_ROWS];

	for (uint32_t line = 0, group = 0; line < in->lines; line += in->group, group++) {
		const uint32_t left = in->lines - line;

		row_sums(in->w + (size_t)line * BITNPU_LINE_BYTES, left < in->group ? left : in->group,
			 x, in->column + line * 4, sums);
		for (uint32_t row = 0; row < x->rows; row++)
			bitnpu_avx512_add_scaled(totals[row], in->scales[group],
						 _mm512_loadu_si512(sums[row]), 0, false);
	}
}

#endif /* BITNPU_CPU_AVX512_H */
