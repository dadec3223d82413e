/* SPDX-License-Identifier: MIT */
/*
 * Peak rate of int8 multiply-adds: loops of one instruction on registers, which nothing but the
 * multipliers can bound.  Written in assembly, because a compiler sees that the same product is
 * computed again and again, and so that one binary has them all.
 */
#ifndef BITNPU_BENCH_PEAK_H
#define BITNPU_BENCH_PEAK_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct bitnpu_peak_kernel - one instruction's loop; an array ends with a NULL @name
 * @name: the instruction
 * @operations: multiplications and additions of a round
 * @usable: whether this processor and the system it runs have it
 * @run: so many rounds
 */
struct bitnpu_peak_kernel {
	const char *name;
	double operations;
	bool (*usable)(void);
	void (*run)(uint64_t rounds);
};

/** bitnpu_peak_kernels - of the architecture (bench_peak_x86.c, bench_peak_arm.c); may be none */
extern const struct bitnpu_peak_kernel bitnpu_peak_kernels[];

#endif /* BITNPU_BENCH_PEAK_H */
