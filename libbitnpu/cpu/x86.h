/* SPDX-License-Identifier: MIT */
/*
 * What an x86-64 processor and the system it runs have, where compilers of 2022 know no name for it:
 * Intel 64 and IA-32 Architectures Software Developer's Manual, CPUID in volume 2.
 */
#ifndef BITNPU_CPU_X86_H
#define BITNPU_CPU_X86_H

#include <cpuid.h>
#include <stdbool.h>

/** bitnpu_x86_avxvnni() - whether there is AVX-VNNI (leaf 7, subleaf 1, EAX bit 4) */
static inline bool bitnpu_x86_avxvnni(void)
{
	unsigned int a, b, c, d;

	return __builtin_cpu_supports("avx2") && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
	       a & 1u << 4;
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
