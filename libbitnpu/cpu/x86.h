/* SPDX-License-Identifier: MIT */
/*
 * What an x86-64 processor and the system it runs have, where compilers of 2022 know no name for it:
 * Intel 64 and IA-32 Architectures Software Developer's Manual, CPUID in volume 2, XCR0 in volume 1,
 * chapter 13.
 */
#ifndef BITNPU_CPU_X86_H
#define BITNPU_CPU_X86_H

#include <cpuid.h>
#include <stdbool.h>

/* Bits of XCR0: the two parts of the state of tiles. */
#define BITNPU_X86_TILES (3u << 17)

/** bitnpu_x86_f16c() - whether there is F16C (leaf 1, ECX bit 29) */
static inline bool bitnpu_x86_f16c(void)
{
	unsigned int a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && c & bit_F16C;
}

/** bitnpu_x86_avxvnni() - whether there is AVX-VNNI (leaf 7, subleaf 1, EAX bit 4) */
static inline bool bitnpu_x86_avxvnni(void)
{
	unsigned int a, b, c, d;

	return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
	       a & 1u << 4;
}

/** bitnpu_x86_amx_int8() - whether there are AMX-TILE and AMX-INT8 (leaf 7, EDX bits 24 and 25) */
static inline bool bitnpu_x86_amx_int8(void)
{
	const unsigned int both = 3u << 24;
	unsigned int a, b, c, d;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & both) == both;
}

/** bitnpu_x86_saves_tiles() - whether the system saves the state of tiles */
static inline bool bitnpu_x86_saves_tiles(void)
{
	unsigned int a, b, c, d;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
		return false;
	__asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	return (a & BITNPU_X86_TILES) == BITNPU_X86_TILES;
}

/*
 * A vector that is to be in a register at this point.  gcc otherwise begins many products before it ends
 * one, runs out of registers and copies: twice the instructions.  Neither needed by clang nor possible
 * where vectors are emulated.
 */
#if defined(__AVX__) && !defined(__clang__)
#define BITNPU_X86_KEEP(vector) __asm__("" : "+v"(vector))
#else
#define BITNPU_X86_KEEP(vector) ((void)(vector))
#endif

#endif /* BITNPU_CPU_X86_H */
