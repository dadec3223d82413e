// SPDX-License-Identifier: MIT
/*
 * Kernels for Arm's int8 matrix multiply (SMMLA, optional from Armv8.2, in Neoverse N2 and V1 and
 * Cortex-A510 and later): two rows of eight signed bytes times two rows of eight, added to four 32-bit
 * sums.  One row of x is left to the dot product, which reads no more than it needs.
 *
 * Lines hold quads of k.  Two planes of a line (int8: two lines) zipped are rows of eight; so a
 * register is two rows of w, and one of x two rows of x.
 *
 * Instructions for eight rows of x and a line, without loads: ternary 64, int8 16, half as many as of
 * dot products, with one load for two; expanding a line takes 16 + 16 more, an eighth for 32 rows.
 */
#if defined(__aarch64__) && !defined(__ARM_BIG_ENDIAN)
#include <arm_neon.h>
#include <sys/auxv.h>

#include "blocks.h"
#include "libbitnpu/unroll.h"
#include "scaled_neon.h"

/* From Linux' <asm/hwcap.h>, which older C libraries lack. */
#define HWCAP2_INT8_MATRIX (1UL << 13)

/*
 * Rows of x in a block.  Half a tile of w at a time: 16 registers of sums, 4 of x, 4 of codes.
 */
#define ROWS 8
#define OCTET 8
/* Registers in a line, and of an octet's codes. */
#define PARTS 4
#define PAIRS 8
#define OCTET_BYTES (16 * PAIRS)
/* Codes are expanded for so many bytes of the first-level cache, a whole number of lines. */
#define CODE_BYTES 16384
#define AHEAD_LINES 24

#define INLINE static inline __attribute__((always_inline))

static void clear(int32_t (*sums)[BITNPU_TILE_ROWS], uint32_t rows)
{
	for (uint32_t row = 0; row < rows; row++)
		for (uint32_t r = 0; r < BITNPU_TILE_ROWS; r += 4)
			vst1q_s32(sums[row] + r, vdupq_n_s32(0));
}

/* Octets of the rows of a block are neighbours. */
static void lay_out(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t column,
		    const int8_t *values, uint32_t count)
{
	const struct bitnpu_cpu_block block = bitnpu_cpu_block_of(x->rows, row, ROWS);
	int64_t *out = (int64_t *)x->data + (size_t)block.first * x->columns / OCTET +
		       (size_t)column / OCTET * block.width + (row - block.first);
	const int64_t *in = (const int64_t *)values;

	for (uint32_t o = 0; o < count / OCTET; o++)
		out[o * block.width] = in[o];
}

/* ---- codes ----------------------------------------------------------------------------------- */

INLINE uint8x16_t ternary_plane(uint8x16_t w, uint32_t s)
{
	const uint8x16_t mask = vdupq_n_u8(3);

	switch (s) {
	case 0:
		return vandq_u8(w, mask);
	case 1:
		return vandq_u8(vshrq_n_u8(w, 2), mask);
	case 2:
		return vandq_u8(vshrq_n_u8(w, 4), mask);
	default:
		return vshrq_n_u8(w, 6);
	}
}

/* Binary codes times -1: a test of bits gives all of them or none. */
INLINE uint8x16_t plane_of(uint8x16_t w, const uint32_t planes, uint32_t s)
{
	return planes == 4 ? ternary_plane(w, s) :
	       planes == 8 ? vtstq_u8(w, vdupq_n_u8(1 << s)) : w;
}

/* Four rows of two quads of k, as two times two rows of eight k. */
INLINE void store_zipped(int8_t *codes, uint8x16_t a, uint8x16_t b)
{
	const uint32x4_t low = vreinterpretq_u32_u8(a), high = vreinterpretq_u32_u8(b);

	vst1q_s8(codes, vreinterpretq_s8_u32(vzip1q_u32(low, high)));
	vst1q_s8(codes + 16, vreinterpretq_s8_u32(vzip2q_u32(low, high)));
}

/* Codes of @lines lines, by octets; Return: octets. */
INLINE uint32_t expand_planes(const uint8_t *w, uint32_t lines, const uint32_t planes, int8_t *codes)
{
	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES) {
		__builtin_prefetch(w + AHEAD_LINES * BITNPU_LINE_BYTES);
		BITNPU_UNROLL
		for (uint32_t s = 0; s < planes; s += 2, codes += OCTET_BYTES) {
			BITNPU_UNROLL
			for (int i = 0; i < PARTS; i++) {
				const uint8x16_t part = vld1q_u8(w + 16 * i);

				store_zipped(codes + 32 * i, plane_of(part, planes, s),
					     plane_of(part, planes, s + 1));
			}
		}
	}
	return lines * planes / 2;
}

/* Likewise of int8; x is 0 past an odd last line. */
static uint32_t expand_bytes(const uint8_t *w, uint32_t lines, int8_t *codes)
{
	for (uint32_t line = 0; line < lines; line += 2, w += 2 * BITNPU_LINE_BYTES) {
		const uint8_t *next = line + 1 < lines ? w + BITNPU_LINE_BYTES : w;

		__builtin_prefetch(w + AHEAD_LINES * BITNPU_LINE_BYTES);
		__builtin_prefetch(w + (AHEAD_LINES + 1) * BITNPU_LINE_BYTES);
		BITNPU_UNROLL
		for (int i = 0; i < PARTS; i++, codes += 32)
			store_zipped(codes, vld1q_u8(w + 16 * i), vld1q_u8(next + 16 * i));
	}
	return (lines + 1) / 2;
}

/* ---- sums ------------------------------------------------------------------------------------ */

INLINE void add_two(int32_t *sums, int32x2_t rows, bool negative)
{
	const int32x2_t old = vld1_s32(sums);

	vst1_s32(sums, negative ? vsub_s32(old, rows) : vadd_s32(old, rows));
}

/* sums += codes * x for @width rows of x and @count pairs of rows of w, the first being @pair */
INLINE void add_block(const int8_t *codes, uint32_t octets, const int8_t *x, const uint32_t width,
		      const uint32_t pair, const uint32_t count, const bool negative,
		      int32_t (*sums)[BITNPU_TILE_ROWS])
{
	int32x4_t acc[ROWS / 2][PAIRS];

	BITNPU_UNROLL
	for (uint32_t r = 0; r < width / 2; r++) {
		BITNPU_UNROLL
		for (uint32_t i = 0; i < count; i++)
			acc[r][i] = vdupq_n_s32(0);
	}
	codes += 16 * pair;
	for (uint32_t o = 0; o < octets; o++, codes += OCTET_BYTES, x += width * OCTET) {
		int8x16_t xs[ROWS / 2];

		BITNPU_UNROLL
		for (uint32_t r = 0; r < width / 2; r++)
			xs[r] = vld1q_s8(x + 16 * r);
		BITNPU_UNROLL
		for (uint32_t i = 0; i < count; i++) {
			const int8x16_t part = vld1q_s8(codes + 16 * i);

			BITNPU_UNROLL
			for (uint32_t r = 0; r < width / 2; r++)
				acc[r][i] = vmmlaq_s32(acc[r][i], xs[r], part);
		}
	}
	BITNPU_UNROLL
	for (uint32_t r = 0; r < width / 2; r++) {
		BITNPU_UNROLL
		for (uint32_t i = 0; i < count; i++) {
			add_two(sums[2 * r] + 2 * (pair + i), vget_low_s32(acc[r][i]), negative);
			add_two(sums[2 * r + 1] + 2 * (pair + i), vget_high_s32(acc[r][i]), negative);
		}
	}
}

/* The last of an odd number of rows: dot products of both halves of an octet. */
INLINE void add_row(const int8_t *codes, uint32_t octets, const int8_t *x, const bool negative,
		    int32_t *sums)
{
	int32x4_t acc[PAIRS];

	BITNPU_UNROLL
	for (int i = 0; i < PAIRS; i++)
		acc[i] = vdupq_n_s32(0);
	for (uint32_t o = 0; o < octets; o++, codes += OCTET_BYTES, x += OCTET) {
		const int8x16_t xs = vreinterpretq_s8_s64(vld1q_dup_s64((const int64_t *)x));

		BITNPU_UNROLL
		for (int i = 0; i < PAIRS; i++)
			acc[i] = vdotq_s32(acc[i], vld1q_s8(codes + 16 * i), xs);
	}
	BITNPU_UNROLL
	for (int i = 0; i < PAIRS; i++) {
		const int32x4_t rows = vpaddq_s32(acc[i], acc[i]);

		add_two(sums + 2 * i, vget_low_s32(rows), negative);
	}
}

/* sums += codes * x for one block of @width rows */
INLINE void add_rows(const int8_t *codes, uint32_t octets, const int8_t *x, const uint32_t width,
		     const bool negative, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	switch (width) {
	case 8:
		add_block(codes, octets, x, 8, 0, PAIRS / 2, negative, sums);
		add_block(codes, octets, x, 8, PAIRS / 2, PAIRS / 2, negative, sums);
		break;
	case 4:
		add_block(codes, octets, x, 4, 0, PAIRS, negative, sums);
		break;
	case 2:
		add_block(codes, octets, x, 2, 0, PAIRS, negative, sums);
		break;
	default:
		add_row(codes, octets, x, negative, sums[0]);
		break;
	}
}

INLINE const int8_t *block_at(const struct bitnpu_cpu_x *x, const struct bitnpu_cpu_block *block,
			      uint32_t column)
{
	return (const int8_t *)x->data + (size_t)block->first * x->columns +
	       (size_t)column * block->width;
}

INLINE void add_blocks(const int8_t *codes, uint32_t octets, const bool negative,
		       const struct bitnpu_cpu_x *x, uint32_t column,
		       int32_t (*sums)[BITNPU_TILE_ROWS])
{
	struct bitnpu_cpu_block block;

	for (uint32_t row = 0; row < x->rows; row += block.width) {
		block = bitnpu_cpu_block_of(x->rows, row, ROWS);
		add_rows(codes, octets, block_at(x, &block, column), block.width, negative,
			 sums + row);
	}
}

INLINE void block_sums(const uint8_t *w, uint32_t lines, const uint32_t planes,
		       const struct bitnpu_cpu_x *x, uint32_t column,
		       int32_t (*sums)[BITNPU_TILE_ROWS])
{
	const uint32_t chunk = CODE_BYTES / (planes * BITNPU_LINE_BYTES);
	int8_t codes[CODE_BYTES] __attribute__((aligned(64)));

	clear(sums, x->rows);
	for (uint32_t line = 0; line < lines; line += chunk) {
		const uint32_t count = lines - line < chunk ? lines - line : chunk;
		const uint8_t *first = w + (size_t)line * BITNPU_LINE_BYTES;
		const uint32_t octets = planes == 1 ? expand_bytes(first, count, codes) :
						      expand_planes(first, count, planes, codes);

		add_blocks(codes, octets, planes == 8, x, column + line * planes * OCTET / 2, sums);
	}
}

static void sums_ternary(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			 uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	block_sums(w, lines, 4, x, column, sums);
}

static void sums_binary(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	block_sums(w, lines, 8, x, column, sums);
}

/* One block of rows, the groups in @octets of codes; x_sums and totals begin with its first row. */
INLINE void scaled_block(const int8_t *codes, uint32_t octets, uint32_t group, const uint32_t planes,
			 const int8_t *x, uint32_t width, const int32_t (*scales)[BITNPU_TILE_ROWS],
			 const int32_t *x_sums, uint32_t rows, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	for (; octets > 0; scales++, x_sums += rows) {
		const uint32_t count = octets < group ? octets : group;
		int32_t sums[ROWS][BITNPU_TILE_ROWS];

		clear(sums, width);
		add_rows(codes, count, x, width, planes == 8, sums);
		for (uint32_t r = 0; r < width; r++)
			bitnpu_neon_add_scaled(totals[r], *scales, sums[r], x_sums[r], planes == 8);
		codes += (size_t)count * OCTET_BYTES;
		x += (size_t)count * width * OCTET;
		octets -= count;
	}
}

INLINE void coded_scaled(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			 const uint32_t planes, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	const uint32_t chunk = CODE_BYTES / (planes * BITNPU_LINE_BYTES);
	int8_t codes[CODE_BYTES] __attribute__((aligned(64)));
	struct bitnpu_cpu_block block;

	for (uint32_t line = 0; line < in->lines; line += chunk) {
		const uint32_t count = in->lines - line < chunk ? in->lines - line : chunk;
		const uint32_t octets =
			expand_planes(in->w + (size_t)line * BITNPU_LINE_BYTES, count, planes, codes);
		const uint32_t first = line / in->group;

		for (uint32_t row = 0; row < x->rows; row += block.width) {
			block = bitnpu_cpu_block_of(x->rows, row, ROWS);
			scaled_block(codes, octets, in->group * planes / 2, planes,
				     block_at(x, &block, in->column + line * planes * OCTET / 2),
				     block.width, in->scales + first,
				     in->x_sums + (size_t)first * x->rows + row, x->rows,
				     totals + row);
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

static void sums_int8(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
		      uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	block_sums(w, lines, 1, x, column, sums);
}

static void scaled_int8(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			int64_t (*totals)[BITNPU_TILE_ROWS])
{
	bitnpu_neon_scaled_int8(in, x, sums_int8, totals);
}

/* ---- the level ------------------------------------------------------------------------------- */

static const struct bitnpu_cpu_kernel kernels[] = {
	[BITNPU_W_TERNARY] = { "smmla 8 rows", 1, lay_out, sums_ternary, scaled_ternary },
	[BITNPU_W_BINARY] = { "smmla 8 rows", 1, lay_out, sums_binary, scaled_binary },
	[BITNPU_W_INT8] = { "smmla 8 rows", 1, lay_out, sums_int8, scaled_int8 },
};

static const struct bitnpu_cpu_kernel *kernel(uint8_t weight_format, uint32_t rows,
					      uint32_t segment)
{
	if (rows == 1)
		return bitnpu_cpu_dotprod.kernel(weight_format, rows, segment);
	return &kernels[weight_format];
}

static bool usable(void)
{
	return bitnpu_cpu_dotprod.usable() && getauxval(AT_HWCAP2) & HWCAP2_INT8_MATRIX;
}

const struct bitnpu_cpu_level bitnpu_cpu_i8mm = {
	.name = "i8mm",
	.usable = usable,
	.kernel = kernel,
	.scales = &bitnpu_cpu_scales_neon,
};

#endif
