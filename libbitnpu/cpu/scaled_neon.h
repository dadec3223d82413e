/* SPDX-License-Identifier: MIT */
/* Scales times sums on 64-bit Arm. */
#ifndef BITNPU_CPU_SCALED_NEON_H
#define BITNPU_CPU_SCALED_NEON_H

#include <arm_neon.h>

#include "cpu.h"
#include "libbitnpu/unroll.h"

/**
 * bitnpu_neon_add_scaled() - totals += scales * weights
 * @totals: of a row of x
 * @scales: the group's
 * @sums: of codes * x
 * @x_sum: the group's sum of x
 * @binary: whether weights are twice the codes less 1, not codes less 1
 */
static inline __attribute__((always_inline)) void
bitnpu_neon_add_scaled(int64_t *totals, const int32_t *scales, const int32_t *sums, int32_t x_sum,
		       const bool binary)
{
	const int32x4_t excess = vdupq_n_s32(x_sum);

	BITNPU_UNROLL
	for (int i = 0; i < BITNPU_TILE_ROWS; i += 4) {
		const int32x4_t codes = vld1q_s32(sums + i), scale = vld1q_s32(scales + i);
		const int32x4_t weights = vsubq_s32(binary ? vaddq_s32(codes, codes) : codes, excess);

		vst1q_s64(totals + i, vmlal_s32(vld1q_s64(totals + i), vget_low_s32(weights),
						vget_low_s32(scale)));
		vst1q_s64(totals + i + 2, vmlal_high_s32(vld1q_s64(totals + i + 2), weights, scale));
	}
}

/**
 * bitnpu_neon_scaled_row() - groups of one row of x
 * @in: lines and scales
 * @x: one row
 * @line_k: columns in a line: 16 are ternary, 32 binary
 * @row_sums: of codes * x
 * @totals: added to
 */
static inline __attribute__((always_inline)) void
bitnpu_neon_scaled_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
		       const uint32_t line_k, bitnpu_cpu_sums_fn *row_sums, int64_t *totals)
{
	for (uint32_t line = 0, group = 0; line < in->lines; line += in->group, group++) {
		const uint32_t left = in->lines - line;
		int32_t sums[1][BITNPU_TILE_ROWS];

		row_sums(in->w + (size_t)line * BITNPU_LINE_BYTES, left < in->group ? left : in->group,
			 x, in->column + line * line_k, sums);
		bitnpu_neon_add_scaled(totals, in->scales[group], sums[0], in->x_sums[group],
				       line_k == 32);
	}
}

/**
 * bitnpu_neon_scaled_int8() - groups of int8 weights, one after the other for all rows of x
 * @in: lines and scales
 * @x: rows
 * @row_sums: of weights * x
 * @totals: added to
 */
static inline void bitnpu_neon_scaled_int8(const struct bitnpu_cpu_scaled *in,
					   const struct bitnpu_cpu_x *x, bitnpu_cpu_sums_fn *row_sums,
					   int64_t (*totals)[BITNPU_TILE_ROWS])
{
	int32_t sums[BITNPU_CPU_ROWS][BITNPU_TILE_ROWS];

	for (uint32_t line = 0, group = 0; line < in->lines; line += in->group, group++) {
		const uint32_t left = in->lines - line;

		row_sums(in->w + (size_t)line * BITNPU_LINE_BYTES, left < in->group ? left : in->group,
			 x, in->column + line * 4, sums);
		for (uint32_t row = 0; row < x->rows; row++)
			bitnpu_neon_add_scaled(totals[row], in->scales[group], sums[row], 0, false);
	}
}

#endif /* BITNPU_CPU_SCALED_NEON_H */
