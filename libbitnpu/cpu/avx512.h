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

#endif /* BITNPU_CPU_AVX512_H */
