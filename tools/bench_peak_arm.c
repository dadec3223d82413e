// SPDX-License-Identifier: MIT
/* Instructions: Arm Architecture Reference Manual for A-profile, Advanced SIMD. */
#if defined(__aarch64__)

#include <asm/hwcap.h>
#include <stddef.h>
#include <sys/auxv.h>

#include "bench_peak.h"

/* Accumulators, each a chain of its own: more than the latency of any of them needs. */
#define TWELVE(one) \
	one(0) one(1) one(2) one(3) one(4) one(5) one(6) one(7) one(8) one(9) one(10) one(11)
#define VECTORS \
	"v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v14", "v15"

static bool always(void)
{
	return true;
}

static void run_smlal(uint64_t rounds)
{
#define ONE(i) "smlal v" #i ".8h, v14.8b, v15.8b\n\t"
	while (rounds--)
		__asm__ volatile(TWELVE(ONE) : : : VECTORS);
#undef ONE
}

/* The two below by their encodings: assemblers take the names only where all code may use them. */

static bool has_dotprod(void)
{
	return getauxval(AT_HWCAP) & HWCAP_ASIMDDP;
}

static void run_sdot(uint64_t rounds)
{
/* sdot v<i>.4s, v14.16b, v15.16b */
#define ONE(i) ".inst 0x4e8f95c0 + " #i "\n\t"
	while (rounds--)
		__asm__ volatile(TWELVE(ONE) : : : VECTORS);
#undef ONE
}

static bool has_i8mm(void)
{
	return getauxval(AT_HWCAP2) & HWCAP2_I8MM;
}

/* 2 x 2 sums of 8 products */
static void run_smmla(uint64_t rounds)
{
/* smmla v<i>.4s, v14.16b, v15.16b */
#define ONE(i) ".inst 0x4e8fa5c0 + " #i "\n\t"
	while (rounds--)
		__asm__ volatile(TWELVE(ONE) : : : VECTORS);
#undef ONE
}

const struct bitnpu_peak_kernel bitnpu_peak_kernels[] = {
	{ "smlal", 12 * 2 * 8, always, run_smlal },
	{ "sdot", 12 * 2 * 16, has_dotprod, run_sdot },
	{ "smmla", 12 * 2 * 32, has_i8mm, run_smmla },
	{ 0 },
};

#endif
