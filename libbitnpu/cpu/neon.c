// SPDX-License-Identifier: MIT
/*
 * Kernels for every 64-bit Arm: bytes are multiplied to 16 bits (SMLAL), rarely widened to 32 (SADALP).
 *
 * A register is four rows, each with the four k of a plane.  16 bits hold the sums of few products:
 * ternary ones are at most 3 * 128 = 384 in magnitude, 85 fit; binary ones 128, 255 fit.  Products of
 * bytes are widened at once: two of -128 * -128 pass 16 bits.
 *
 * Instructions a line and row of x, without loads: one row ternary 24 + 32, binary 32 + 64, int8 16;
 * in blocks 32, 64 and 16.
 */
#if defined(__aarch64__) && !defined(__ARM_BIG_ENDIAN)
#include <arm_neon.h>

#include "blocks.h"
#include "libbitnpu/unroll.h"
#include "scaled_neon.h"

/* Rows of x in a block: 8 registers of sums each. */
#define ROWS 2
/* Registers in a line, and of sums of a row. */
#define PARTS 4
#define QUAD 4
/* Codes are expanded for so many bytes of the first-level cache, a whole number of lines. */
#define CODE_BYTES 16384
#define AHEAD_LINES 16

#define INLINE static inline __attribute__((always_inline))

/* ---- codes ----------------------------------------------------------------------------------- */

/* Codes of plane @s: 0 to 3. */
INLINE int8x16_t ternary_plane(uint8x16_t w, uint32_t s)
{
	const uint8x16_t mask = vdupq_n_u8(3);

	switch (s) {
	case 0:
		return vreinterpretq_s8_u8(vandq_u8(w, mask));
	case 1:
		return vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(w, 2), mask));
	case 2:
		return vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(w, 4), mask));
	default:
		return vreinterpretq_s8_u8(vshrq_n_u8(w, 6));
	}
}

/* Codes of plane @s times -1: a test of bits gives all of them or none. */
INLINE int8x16_t binary_plane(uint8x16_t w, uint32_t s)
{
	return vreinterpretq_s8_u8(vtstq_u8(w, vdupq_n_u8(1 << s)));
}

INLINE int8x16_t plane_of(uint8x16_t w, const uint32_t planes, uint32_t s)
{
	return planes == 4 ? ternary_plane(w, s) :
	       planes == 8 ? binary_plane(w, s) : vreinterpretq_s8_u8(w);
}

INLINE void prefetch(const uint8_t *w)
{
	__builtin_prefetch(w + AHEAD_LINES * BITNPU_LINE_BYTES);
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* 32-bit sums of a row of x: two k of each row of w are a lane. */
struct totals {
	int32x4_t part[PARTS][2];
};

/* 16-bit sums likewise: each k of each row. */
struct narrow {
	int16x8_t part[PARTS][2];
};

INLINE void narrow_clear(struct narrow *sums)
{
	BITNPU_UNROLL
	for (int i = 0; i < PARTS; i++)
		sums->part[i][0] = sums->part[i][1] = vdupq_n_s16(0);
}

INLINE void totals_clear(struct totals *totals)
{
	BITNPU_UNROLL
	for (int i = 0; i < PARTS; i++)
		totals->part[i][0] = totals->part[i][1] = vdupq_n_s32(0);
}

INLINE void narrow_mac(struct narrow *sums, int part, int8x16_t codes, int8x16_t x)
{
	int16x8_t *out = sums->part[part];

	out[0] = vmlal_s8(out[0], vget_low_s8(codes), vget_low_s8(x));
	out[1] = vmlal_high_s8(out[1], codes, x);
}

INLINE void totals_mac(struct totals *totals, int part, int8x16_t codes, int8x16_t x)
{
	int32x4_t *out = totals->part[part];

	out[0] = vpadalq_s16(out[0], vmull_s8(vget_low_s8(codes), vget_low_s8(x)));
	out[1] = vpadalq_s16(out[1], vmull_high_s8(codes, x));
}

INLINE void totals_widen(struct totals *totals, const struct narrow *sums)
{
	BITNPU_UNROLL
	for (int i = 0; i < PARTS; i++) {
		totals->part[i][0] = vpadalq_s16(totals->part[i][0], sums->part[i][0]);
		totals->part[i][1] = vpadalq_s16(totals->part[i][1], sums->part[i][1]);
	}
}

/* Binary codes are negative. */
INLINE void totals_add_to(const struct totals *totals, const uint32_t planes, int32_t *sums)
{
	BITNPU_UNROLL
	for (int i = 0; i < PARTS; i++) {
		const int32x4_t rows = vpaddq_s32(totals->part[i][0], totals->part[i][1]);
		const int32x4_t old = vld1q_s32(sums + 4 * i);

		vst1q_s32(sums + 4 * i, planes == 8 ? vsubq_s32(old, rows) : vaddq_s32(old, rows));
	}
}

static void clear(int32_t (*sums)[BITNPU_TILE_ROWS], uint32_t rows)
{
	for (uint32_t row = 0; row < rows; row++)
		for (uint32_t r = 0; r < BITNPU_TILE_ROWS; r += 4)
			vst1q_s32(sums[row] + r, vdupq_n_s32(0));
}

/* The quad at @x for every row of w. */
INLINE int8x16_t quad(const int32_t *x)
{
	int8x16_t xs = vreinterpretq_s8_s32(vld1q_dup_s32(x));

	/* Both halves are alike: clang would then move codes to the lower half, and use that. */
	__asm__("" : "+w"(xs));
	return xs;
}

/* ---- one row of x ---------------------------------------------------------------------------- */

/* @most lines fit 16 bits */
INLINE void coded_row(const uint8_t *w, uint32_t lines, const uint32_t planes, const uint32_t most,
		      const int32_t *x, int32_t *sums)
{
	struct totals totals;

	totals_clear(&totals);
	for (uint32_t line = 0; line < lines;) {
		const uint32_t end = lines - line < most ? lines : line + most;
		struct narrow acc;

		narrow_clear(&acc);
		for (; line < end; line++, w += BITNPU_LINE_BYTES, x += planes) {
			const uint8x16_t part[PARTS] = { vld1q_u8(w), vld1q_u8(w + 16),
							 vld1q_u8(w + 32), vld1q_u8(w + 48) };

			prefetch(w);
			BITNPU_UNROLL
			for (uint32_t s = 0; s < planes; s++) {
				const int8x16_t xs = quad(x + s);

				BITNPU_UNROLL
				for (int i = 0; i < PARTS; i++)
					narrow_mac(&acc, i, plane_of(part[i], planes, s), xs);
			}
		}
		totals_widen(&totals, &acc);
	}
	totals_add_to(&totals, planes, sums);
}

static const int32_t *row_of(const struct bitnpu_cpu_x *x, uint32_t column)
{
	return (const int32_t *)((const int8_t *)x->data + column);
}

static void sums_ternary_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			     uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	clear(sums, 1);
	coded_row(w, lines, 4, 85 / 4, row_of(x, column), sums[0]);
}

static void sums_binary_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			    uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	clear(sums, 1);
	coded_row(w, lines, 8, 255 / 8, row_of(x, column), sums[0]);
}

static void scaled_ternary_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			       int64_t (*totals)[BITNPU_TILE_ROWS])
{
	bitnpu_neon_scaled_row(in, x, 16, sums_ternary_row, totals[0]);
}

static void scaled_binary_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			      int64_t (*totals)[BITNPU_TILE_ROWS])
{
	bitnpu_neon_scaled_row(in, x, 32, sums_binary_row, totals[0]);
}

/* ---- blocks of rows -------------------------------------------------------------------------- */

static void lay_out(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t column,
		    const int8_t *values, uint32_t count)
{
	const struct bitnpu_cpu_block block = bitnpu_cpu_block_of(x->rows, row, ROWS);
	int32_t *out = (int32_t *)x->data + (size_t)block.first * x->columns / QUAD +
		       (size_t)column / QUAD * block.width + (row - block.first);
	const int32_t *in = (const int32_t *)values;

	for (uint32_t q = 0; q < count / QUAD; q++)
		out[q * block.width] = in[q];
}

/* sums += codes * x of a block; no more than @most quads fit 16 bits */
INLINE void add_block(const int8_t *codes, uint32_t quads, const uint32_t planes, uint32_t most,
		      const int32_t *x, const uint32_t width, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	for (uint32_t q = 0; q < quads;) {
		const uint32_t end = quads - q < most ? quads : q + most;
		struct narrow acc[ROWS];

		BITNPU_UNROLL
		for (uint32_t r = 0; r < width; r++)
			narrow_clear(&acc[r]);
		for (; q < end; q++, codes += BITNPU_LINE_BYTES, x += width) {
			BITNPU_UNROLL
			for (uint32_t r = 0; r < width; r++) {
				const int8x16_t xs = quad(x + r);

				BITNPU_UNROLL
				for (int i = 0; i < PARTS; i++)
					narrow_mac(&acc[r], i, vld1q_s8(codes + 16 * i), xs);
			}
		}
		BITNPU_UNROLL
		for (uint32_t r = 0; r < width; r++) {
			struct totals totals;

			totals_clear(&totals);
			totals_widen(&totals, &acc[r]);
			totals_add_to(&totals, planes, sums[r]);
		}
	}
}

/* Codes of @lines lines, by quads. */
INLINE void expand(const uint8_t *w, uint32_t lines, const uint32_t planes, int8_t *codes)
{
	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES) {
		prefetch(w);
		BITNPU_UNROLL
		for (uint32_t s = 0; s < planes; s++, codes += BITNPU_LINE_BYTES) {
			BITNPU_UNROLL
			for (int i = 0; i < PARTS; i++)
				vst1q_s8(codes + 16 * i, plane_of(vld1q_u8(w + 16 * i), planes, s));
		}
	}
}

static const int32_t *block_at(const struct bitnpu_cpu_x *x, const struct bitnpu_cpu_block *block,
			       uint32_t column)
{
	return (const int32_t *)x->data + (size_t)block->first * x->columns / QUAD +
	       (size_t)column / QUAD * block->width;
}

INLINE void coded_sums(const uint8_t *w, uint32_t lines, const uint32_t planes, uint32_t most,
		       const struct bitnpu_cpu_x *x, uint32_t column,
		       int32_t (*sums)[BITNPU_TILE_ROWS])
{
	const uint32_t chunk = CODE_BYTES / (planes * BITNPU_LINE_BYTES);
	int8_t codes[CODE_BYTES] __attribute__((aligned(64)));
	struct bitnpu_cpu_block block;

	clear(sums, x->rows);
	for (uint32_t line = 0; line < lines; line += chunk) {
		const uint32_t count = lines - line < chunk ? lines - line : chunk;

		expand(w + (size_t)line * BITNPU_LINE_BYTES, count, planes, codes);
		for (uint32_t row = 0; row < x->rows; row += block.width) {
			const int32_t *xs;

			block = bitnpu_cpu_block_of(x->rows, row, ROWS);
			xs = block_at(x, &block, column + line * planes * QUAD);
			if (block.width == ROWS)
				add_block(codes, count * planes, planes, most, xs, ROWS, sums + row);
			else
				add_block(codes, count * planes, planes, most, xs, 1, sums + row);
		}
	}
}

static void sums_ternary(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			 uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	coded_sums(w, lines, 4, 85, x, column, sums);
}

static void sums_binary(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	coded_sums(w, lines, 8, 255, x, column, sums);
}

/* One block of rows, the groups in @quads of codes; x_sums and totals begin with its first row. */
INLINE void scaled_block(const int8_t *codes, uint32_t quads, uint32_t group, const uint32_t planes,
			 const int32_t *x, const uint32_t width,
			 const int32_t (*scales)[BITNPU_TILE_ROWS], const int32_t *x_sums,
			 uint32_t rows, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	for (; quads > 0; scales++, x_sums += rows) {
		const uint32_t count = quads < group ? quads : group;
		int32_t sums[ROWS][BITNPU_TILE_ROWS];

		clear(sums, width);
		add_block(codes, count, planes, planes == 8 ? 255 : 85, x, width, sums);
		BITNPU_UNROLL
		for (uint32_t r = 0; r < width; r++)
			bitnpu_neon_add_scaled(totals[r], *scales, sums[r], x_sums[r], planes == 8);
		codes += (size_t)count * BITNPU_LINE_BYTES;
		x += count * width;
		quads -= count;
	}
}

INLINE void coded_scaled(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			 const uint32_t planes, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	const uint32_t chunk = CODE_BYTES / (planes * BITNPU_LINE_BYTES), group = in->group * planes;
	int8_t codes[CODE_BYTES] __attribute__((aligned(64)));
	struct bitnpu_cpu_block block;

	for (uint32_t line = 0; line < in->lines; line += chunk) {
		const uint32_t count = in->lines - line < chunk ? in->lines - line : chunk;
		const uint32_t first = line / in->group;

		expand(in->w + (size_t)line * BITNPU_LINE_BYTES, count, planes, codes);
		for (uint32_t row = 0; row < x->rows; row += block.width) {
			const int32_t *x_sums = in->x_sums + (size_t)first * x->rows + row, *xs;

			block = bitnpu_cpu_block_of(x->rows, row, ROWS);
			xs = block_at(x, &block, in->column + line * planes * QUAD);
			if (block.width == ROWS)
				scaled_block(codes, count * planes, group, planes, xs, ROWS,
					     in->scales + first, x_sums, x->rows, totals + row);
			else
				scaled_block(codes, count * planes, group, planes, xs, 1,
					     in->scales + first, x_sums, x->rows, totals + row);
		}
	}
}

static void scaled_ternary(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			   int64_t (*totals)[BITNPU_TILE_ROWS])
{
	coded_scaled(in, x, 4, totals);
}

static void scaled_binary(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			  int64_t (*totals)[BITNPU_TILE_ROWS])
{
	coded_scaled(in, x, 8, totals);
}

INLINE void byte_block(const uint8_t *w, uint32_t lines, const int32_t *x, const uint32_t width,
		       int32_t (*sums)[BITNPU_TILE_ROWS])
{
	struct totals totals[ROWS];

	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++)
		totals_clear(&totals[r]);
	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES, x += width) {
		prefetch(w);
		BITNPU_UNROLL
		for (uint32_t r = 0; r < width; r++) {
			const int8x16_t xs = quad(x + r);

			BITNPU_UNROLL
			for (int i = 0; i < PARTS; i++)
				totals_mac(&totals[r], i, plane_of(vld1q_u8(w + 16 * i), 1, 0), xs);
		}
	}
	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++)
		totals_add_to(&totals[r], 1, sums[r]);
}

static void sums_int8(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
		      uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	struct bitnpu_cpu_block block;

	clear(sums, x->rows);
	for (uint32_t row = 0; row < x->rows; row += block.width) {
		block = bitnpu_cpu_block_of(x->rows, row, ROWS);
		if (block.width == ROWS)
			byte_block(w, lines, block_at(x, &block, column), ROWS, sums + row);
		else
			byte_block(w, lines, block_at(x, &block, column), 1, sums + row);
	}
}

static void scaled_int8(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			int64_t (*totals)[BITNPU_TILE_ROWS])
{
	bitnpu_neon_scaled_int8(in, x, sums_int8, totals);
}

/* ---- the level ------------------------------------------------------------------------------- */

static const struct bitnpu_cpu_kernel row_kernels[] = {
	[BITNPU_W_TERNARY] = { "smlal", 1, lay_out, sums_ternary_row, scaled_ternary_row },
	[BITNPU_W_BINARY] = { "smlal", 1, lay_out, sums_binary_row, scaled_binary_row },
	[BITNPU_W_INT8] = { "smull", 1, lay_out, sums_int8, scaled_int8 },
};

static const struct bitnpu_cpu_kernel block_kernels[] = {
	[BITNPU_W_TERNARY] = { "smlal 2 rows", 1, lay_out, sums_ternary, scaled_ternary },
	[BITNPU_W_BINARY] = { "smlal 2 rows", 1, lay_out, sums_binary, scaled_binary },
	[BITNPU_W_INT8] = { "smull 2 rows", 1, lay_out, sums_int8, scaled_int8 },
};

static const struct bitnpu_cpu_kernel *kernel(uint8_t weight_format, uint32_t rows,
					      uint32_t segment)
{
	return rows == 1 ? &row_kernels[weight_format] : &block_kernels[weight_format];
}

static bool usable(void)
{
	return true;
}

const struct bitnpu_cpu_level bitnpu_cpu_neon = {
	.name = "neon",
	.usable = usable,
	.kernel = kernel,
	.scales = &bitnpu_cpu_scales_neon,
};

#endif
