// SPDX-License-Identifier: MIT
/*
 * Instructions: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2; what must be
 * asked before their use: volume 1, chapters 13 to 15 and 18.
 */
#if defined(__x86_64__)

#include <cpuid.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench_peak.h"

/* Accumulators, each a chain of its own: more than the latency of any of them needs. */
#define TWELVE(one) \
	one(0) one(1) one(2) one(3) one(4) one(5) one(6) one(7) one(8) one(9) one(10) one(11)
#define VECTORS \
	"xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", \
	"xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* State that the system saves and restores: register XCR0. */
#define STATE_YMM 0x6u
#define STATE_ZMM 0xe6u
#define STATE_TILES 0x60000u

static bool has_state(uint32_t wanted)
{
	uint32_t a, b, c, d;

	__cpuid(1, a, b, c, d);
	if (!(c & bit_OSXSAVE))
		return false;
	__asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (a & wanted) == wanted;
}

/* Bits of EBX, ECX and EDX of leaf 7, all of which must be set. */
static bool has_leaf7(uint32_t b_wanted, uint32_t c_wanted, uint32_t d_wanted)
{
	uint32_t a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & b_wanted) == b_wanted &&
	       (c & c_wanted) == c_wanted && (d & d_wanted) == d_wanted;
}

static bool always(void)
{
	return true;
}

/* 16-bit: the oldest has none for bytes. */
static void run_sse2(uint64_t rounds)
{
#define ONE(i) "movdqa %%xmm14, %%xmm13\n\tpmaddwd %%xmm15, %%xmm13\n\t" \
	       "paddd %%xmm13, %%xmm" #i "\n\t"
	while (rounds--)
		__asm__ volatile(TWELVE(ONE) : : : VECTORS);
#undef ONE
}

static bool has_avx2(void)
{
	return has_leaf7(1u << 5, 0, 0) && has_state(STATE_YMM);
}

static void run_avx2(uint64_t rounds)
{
#define ONE(i) "vpmaddubsw %%ymm14, %%ymm15, %%ymm13\n\tvpaddw %%ymm13, %%ymm" #i ", %%ymm" #i "\n\t"
	while (rounds--)
		__asm__ volatile(TWELVE(ONE) : : : VECTORS);
	__asm__ volatile("vzeroupper" : : : VECTORS);
#undef ONE
}

static bool has_avx512_bw(void)
{
	return has_leaf7(1u << 16 | 1u << 30, 0, 0) && has_state(STATE_ZMM);
}

static void run_avx512_bw(uint64_t rounds)
{
#define ONE(i) "vpmaddubsw %%zmm14, %%zmm15, %%zmm13\n\tvpaddw %%zmm13, %%zmm" #i ", %%zmm" #i "\n\t"
	while (rounds--)
		__asm__ volatile(TWELVE(ONE) : : : VECTORS);
	__asm__ volatile("vzeroupper" : : : VECTORS);
#undef ONE
}

static bool has_avx_vnni(void)
{
	uint32_t a, b, c, d;

	return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & 1u << 4;
}

static void run_avx_vnni(uint64_t rounds)
{
#define ONE(i) "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm" #i "\n\t"
	while (rounds--)
		__asm__ volatile(TWELVE(ONE) : : : VECTORS);
	__asm__ volatile("vzeroupper" : : : VECTORS);
#undef ONE
}

static bool has_avx512_vnni(void)
{
	return has_leaf7(1u << 16, 1u << 11, 0) && has_state(STATE_ZMM);
}

static void run_avx512_vnni(uint64_t rounds)
{
#define ONE(i) "vpdpbusd %%zmm14, %%zmm15, %%zmm" #i "\n\t"
	while (rounds--)
		__asm__ volatile(TWELVE(ONE) : : : VECTORS);
	__asm__ volatile("vzeroupper" : : : VECTORS);
#undef ONE
}

/* Linux lets a process use tiles once it has asked (Documentation/arch/x86/xstate.rst). */
#define ARCH_REQ_XCOMP_PERM 0x1023
#define XFEATURE_XTILEDATA 18

static bool has_amx_int8(void)
{
	return has_leaf7(0, 0, 1u << 24 | 1u << 25) && has_state(STATE_TILES) &&
	       !syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA);
}

/* Tiles of 16 rows of 64 bytes, the largest there are: 16 x 16 sums of 64 products. */
static void run_amx_int8(uint64_t rounds)
{
	struct {
		uint8_t palette, start_row, reserved[14];
		uint16_t row_bytes[16];
		uint8_t rows[16];
	} config = { .palette = 1 };

	for (int i = 0; i < 8; i++) {
		config.row_bytes[i] = 64;
		config.rows[i] = 16;
	}
	__asm__ volatile("ldtilecfg %0" : : "m"(config));
	while (rounds--)
		__asm__ volatile("tdpbssd %tmm6, %tmm7, %tmm0\n\ttdpbssd %tmm6, %tmm7, %tmm1\n\t"
				 "tdpbssd %tmm6, %tmm7, %tmm2\n\ttdpbssd %tmm6, %tmm7, %tmm3\n\t"
				 "tdpbssd %tmm6, %tmm7, %tmm4\n\ttdpbssd %tmm6, %tmm7, %tmm5");
	__asm__ volatile("tilerelease");
}

const struct bitnpu_peak_kernel bitnpu_peak_kernels[] = {
	{ "pmaddwd", 12 * 2 * 8, always, run_sse2 },
	{ "vpmaddubsw ymm", 12 * 2 * 32, has_avx2, run_avx2 },
	{ "vpmaddubsw zmm", 12 * 2 * 64, has_avx512_bw, run_avx512_bw },
	{ "vpdpbusd ymm", 12 * 2 * 32, has_avx_vnni, run_avx_vnni },
	{ "vpdpbusd zmm", 12 * 2 * 64, has_avx512_vnni, run_avx512_vnni },
	{ "tdpbssd", 6 * 2 * 16 * 16 * 64, has_amx_int8, run_amx_int8 },
	{ 0 },
};

#endif
