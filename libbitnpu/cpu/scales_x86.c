// SPDX-License-Identifier: MIT
/* Scales with AVX and F16C: a float holds a half times 2^24, which has 11 significant bits, exactly. */
#if defined(__x86_64__)
#include <immintrin.h>

#include "cpu.h"

static void convert(const uint8_t *halves, uint32_t groups, int32_t (*scales)[BITNPU_TILE_ROWS])
{
	const __m256 unit = _mm256_set1_ps(0x1p24f);

	for (uint32_t group = 0; group < groups; group++, halves += 2 * BITNPU_TILE_ROWS) {
		for (int h = 0; h < 2; h++) {
			const __m128i half = _mm_load_si128((const __m128i *)halves + h);

			_mm256_store_si256((__m256i *)scales[group] + h,
					   _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_cvtph_ps(half), unit)));
		}
	}
}

const struct bitnpu_cpu_scales bitnpu_cpu_scales_avx2 = {
	.convert = convert,
	.order = { 0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15 },
};

const struct bitnpu_cpu_scales bitnpu_cpu_scales_avx512 = {
	.convert = convert,
	.order = { 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15 },
};

#endif
