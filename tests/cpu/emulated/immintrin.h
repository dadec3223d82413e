/* SPDX-License-Identifier: MIT */
/*
 * Stands in for the compiler's header: the same names in portable C, so that kernels run where the
 * processor lacks what they are for.  Vectors are SIMD Everywhere's (libsimde-dev).
 */
#ifndef TEST_EMULATED_IMMINTRIN_H
#define TEST_EMULATED_IMMINTRIN_H

#define SIMDE_NO_NATIVE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <simde/x86/avx2.h>
#include <simde/x86/avx512.h>
#include <simde/x86/avx512/dpbusd.h>
#include <simde/x86/f16c.h>

/* Missing in version 0.7. */
#ifndef _mm512_srai_epi32
static inline __m512i emulated_mm512_srai_epi32(__m512i v, unsigned int count)
{
	int32_t lanes[16];

	memcpy(lanes, &v, sizeof(v));
	for (int i = 0; i < 16; i++)
		lanes[i] >>= count;
	memcpy(&v, lanes, sizeof(v));
	return v;
}

#define _mm512_srai_epi32(v, count) emulated_mm512_srai_epi32(v, count)
#endif

/* Those that raise an exception where memory is not aligned. */
static inline const void *emulated_aligned(const void *p, size_t alignment)
{
	if ((uintptr_t)p % alignment) {
		printf("Bail out! memory that is not aligned to %zu bytes\n", alignment);
		fflush(stdout);
		abort();
	}
	return p;
}

#undef _mm256_load_si256
#undef _mm256_store_si256
#undef _mm512_load_si512
#undef _mm512_store_si512
#define _mm256_load_si256(p) simde_mm256_load_si256(emulated_aligned(p, 32))
#define _mm256_store_si256(p, v) simde_mm256_store_si256((void *)emulated_aligned(p, 32), v)
#define _mm512_load_si512(p) simde_mm512_load_si512(emulated_aligned(p, 64))
#define _mm512_store_si512(p, v) simde_mm512_store_si512((void *)emulated_aligned(p, 64), v)

/* The same with another encoding. */
#define _mm256_dpbusd_avx_epi32(sums, a, b) simde_mm256_dpbusd_epi32(sums, a, b)

#include "amx.h"

#endif /* TEST_EMULATED_IMMINTRIN_H */
