// SPDX-License-Identifier: MIT
/*
 * Kernels for Arm's dot product (SDOT, optional from Armv8.2, in every core since Cortex-A75): four
 * signed bytes times four, added to a 32-bit lane.  A register is four rows of w, each with the four k
 * of a plane; the quad of x is taken from a lane of a register that holds four.
 *
 * Instructions a line and row of x, without loads: one row ternary 16 + 16, binary 32 + 32, int8 4; in
 * blocks of four rows 16, 32 and 4, with 5 loads for 16 of them.
 */
#if defined(__aarch64__) && !defined(__ARM_BIG_ENDIAN)
#include <arm_neon.h>
#include <sys/auxv.h>

#include "blocks.h"
#include "libbitnpu/unroll.h"
#include "scaled_neon.h"

/* From Linux' <asm/hwcap.h>, which older C libraries lack. */
#define HWCAP_DOT_PRODUCT (1UL << 20)

/* Rows of x in a block: 16 registers of sums, 4 of codes, 1 of x. */
#define ROWS 4
#define PARTS 4
#define QUAD 4
/* Quads of x in a register. */
#define QUADS 4
/* Codes are expanded for so many bytes of the first-level cache, a whole number of lines. */
#define CODE_BYTES 16384
#define AHEAD_LINES 24

#define INLINE static inline __attribute__((always_inline))

INLINE void prefetch(const uint8_t *w)
{
	__builtin_prefetch(w + AHEAD_LINES * BITNPU_LINE_BYTES);
}

INLINE int8x16_t bytes(uint8x16_t v)
{
	return vreinterpretq_s8_u8(v);
}

/* acc += codes * quad @lane of @x */
INLINE int32x4_t dot(int32x4_t acc, int8x16_t codes, int8x16_t x, uint32_t lane)
{
	switch (lane) {
	case 0:
		return vdotq_laneq_s32(acc, codes, x, 0);
	case 1:
		return vdotq_laneq_s32(acc, codes, x, 1);
	case 2:
		return vdotq_laneq_s32(acc, codes, x, 2);
	default:
		return vdotq_laneq_s32(acc, codes, x, 3);
	}
}

static void clear(int32_t (*sums)[BITNPU_TILE_ROWS], uint32_t rows)
{
	for (uint32_t row = 0; row < rows; row++)
		for (uint32_t r = 0; r < BITNPU_TILE_ROWS; r += 4)
			vst1q_s32(sums[row] + r, vdupq_n_s32(0));
}

/* ---- one row of x ---------------------------------------------------------------------------- */

/*
 * Planes 1 and 2 are multiplied where they lie, times 4 and 16.  The largest of these sums is
 * 48 * 128 for each of 16,384 columns.
 */
static void sums_ternary_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			     uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	const uint8x16_t mask = vdupq_n_u8(3), mask4 = vdupq_n_u8(12), mask16 = vdupq_n_u8(48);
	const int8_t *values = (const int8_t *)x->data + column;
	int32x4_t once[PARTS], four[PARTS], sixteen[PARTS];

	BITNPU_UNROLL
	for (int i = 0; i < PARTS; i++)
		once[i] = four[i] = sixteen[i] = vdupq_n_s32(0);
	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES, values += 16) {
		const int8x16_t xs = vld1q_s8(values);

		prefetch(w);
		BITNPU_UNROLL
		for (int i = 0; i < PARTS; i++) {
			const uint8x16_t part = vld1q_u8(w + 16 * i);

			once[i] = dot(once[i], bytes(vandq_u8(part, mask)), xs, 0);
			four[i] = dot(four[i], bytes(vandq_u8(part, mask4)), xs, 1);
			sixteen[i] = dot(sixteen[i], bytes(vandq_u8(part, mask16)), xs, 2);
			once[i] = dot(once[i], bytes(vshrq_n_u8(part, 6)), xs, 3);
		}
	}
	BITNPU_UNROLL
	for (int i = 0; i < PARTS; i++)
		vst1q_s32(sums[0] + 4 * i,
			  vsraq_n_s32(vsraq_n_s32(once[i], four[i], 2), sixteen[i], 4));
}

/* Codes of plane @s times -1: a test of bits gives all of them or none. */
INLINE int8x16_t binary_plane(uint8x16_t w, uint32_t s)
{
	return bytes(vtstq_u8(w, vdupq_n_u8(1 << s)));
}

static void sums_binary_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			    uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	const int8_t *values = (const int8_t *)x->data + column;
	int32x4_t acc[2][PARTS];

	BITNPU_UNROLL
	for (int i = 0; i < PARTS; i++)
		acc[0][i] = acc[1][i] = vdupq_n_s32(0);
	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES, values += 32) {
		const int8x16_t xs[2] = { vld1q_s8(values), vld1q_s8(values + 16) };

		prefetch(w);
		BITNPU_UNROLL
		for (int i = 0; i < PARTS; i++) {
			uint8x16_t part = vld1q_u8(w + 16 * i);

			BITNPU_UNROLL
			for (uint32_t s = 0; s < 8; s++) {
				acc[s % 2][i] = dot(acc[s % 2][i], binary_plane(part, s), xs[s / QUADS],
						    s % QUADS);
				/* Keeps compilers from doing all tests first, which spills. */
				__asm__("" : "+w"(acc[s % 2][i]), "+w"(part));
			}
		}
	}
	BITNPU_UNROLL
	for (int i = 0; i < PARTS; i++)
		vst1q_s32(sums[0] + 4 * i, vnegq_s32(vaddq_s32(acc[0][i], acc[1][i])));
}

static void sums_int8_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			  uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	const int8_t *values = (const int8_t *)x->data + column, *codes = (const int8_t *)w;
	int32x4_t acc[2][PARTS];
	uint32_t line = 0;

	BITNPU_UNROLL
	for (int i = 0; i < PARTS; i++)
		acc[0][i] = acc[1][i] = vdupq_n_s32(0);
	for (; line + QUADS <= lines; line += QUADS, values += 16) {
		const int8x16_t xs = vld1q_s8(values);

		BITNPU_UNROLL
		for (uint32_t q = 0; q < QUADS; q++, codes += BITNPU_LINE_BYTES) {
			prefetch((const uint8_t *)codes);
			BITNPU_UNROLL
			for (int i = 0; i < PARTS; i++)
				acc[q % 2][i] = dot(acc[q % 2][i], vld1q_s8(codes + 16 * i), xs, q);
		}
	}
	for (; line < lines; line++, values += QUAD, codes += BITNPU_LINE_BYTES) {
		const int8x16_t xs = vreinterpretq_s8_s32(vld1q_dup_s32((const int32_t *)values));

		BITNPU_UNROLL
		for (int i = 0; i < PARTS; i++)
			acc[0][i] = dot(acc[0][i], vld1q_s8(codes + 16 * i), xs, 0);
	}
	BITNPU_UNROLL
	for (int i = 0; i < PARTS; i++)
		vst1q_s32(sums[0] + 4 * i, vaddq_s32(acc[0][i], acc[1][i]));
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

/* Quads of the rows of a block are neighbours: a register holds four rows, or two quads of two. */
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

/* sums += codes * x of a block; @quads is a multiple of 4.  Binary codes are negative. */
INLINE void add_block(const int8_t *codes, uint32_t quads, const uint32_t planes, const int8_t *x,
		      const uint32_t width, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	int32x4_t acc[ROWS][PARTS];

	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++)
		for (int i = 0; i < PARTS; i++)
			acc[r][i] = vdupq_n_s32(0);
	for (uint32_t at = 0; at < quads * width; at += QUADS) {
		const int8x16_t xs = vld1q_s8(x + at * QUAD);

		BITNPU_UNROLL
		for (uint32_t q = 0; q < QUADS / width; q++, codes += BITNPU_LINE_BYTES) {
			BITNPU_UNROLL
			for (int i = 0; i < PARTS; i++) {
				const int8x16_t part = vld1q_s8(codes + 16 * i);

				BITNPU_UNROLL
				for (uint32_t r = 0; r < width; r++)
					acc[r][i] = dot(acc[r][i], part, xs, q * width + r);
			}
		}
	}
	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++) {
		for (int i = 0; i < PARTS; i++) {
			const int32x4_t old = vld1q_s32(sums[r] + 4 * i);

			vst1q_s32(sums[r] + 4 * i, planes == 8 ? vsubq_s32(old, acc[r][i]) :
								 vaddq_s32(old, acc[r][i]));
		}
	}
}

INLINE int8x16_t plane_of(uint8x16_t w, const uint32_t planes, uint32_t s)
{
	const uint8x16_t mask = vdupq_n_u8(3);

	if (planes == 8)
		return binary_plane(w, s);
	if (planes == 1 || s == 0)
		return bytes(planes == 1 ? w : vandq_u8(w, mask));
	if (s == 3)
		return bytes(vshrq_n_u8(w, 6));
	return bytes(vandq_u8(s == 1 ? vshrq_n_u8(w, 2) : vshrq_n_u8(w, 4), mask));
}

/* Codes of @lines lines, by quads; Return: quads, a multiple of 4, where x is 0 past the lines. */
INLINE uint32_t expand(const uint8_t *w, uint32_t lines, const uint32_t planes, int8_t *codes)
{
	uint32_t quads = lines * planes;

	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES) {
		prefetch(w);
		BITNPU_UNROLL
		for (uint32_t s = 0; s < planes; s++, codes += BITNPU_LINE_BYTES) {
			BITNPU_UNROLL
			for (int i = 0; i < PARTS; i++)
				vst1q_s8(codes + 16 * i, plane_of(vld1q_u8(w + 16 * i), planes, s));
		}
	}
	for (; quads % QUADS; quads++, codes += BITNPU_LINE_BYTES)
		for (int i = 0; i < PARTS; i++)
			vst1q_s8(codes + 16 * i, vdupq_n_s8(0));
	return quads;
}

INLINE void add_blocks(const int8_t *codes, uint32_t quads, const uint32_t planes,
		       const struct bitnpu_cpu_x *x, uint32_t column,
		       int32_t (*sums)[BITNPU_TILE_ROWS])
{
	struct bitnpu_cpu_block block;

	for (uint32_t row = 0; row < x->rows; row += block.width) {
		const int8_t *xs;

		block = bitnpu_cpu_block_of(x->rows, row, ROWS);
		xs = (const int8_t *)x->data + (size_t)block.first * x->columns +
		     (size_t)column * block.width;
		if (block.width == 4)
			add_block(codes, quads, planes, xs, 4, sums + row);
		else if (block.width == 2)
			add_block(codes, quads, planes, xs, 2, sums + row);
		else
			add_block(codes, quads, planes, xs, 1, sums + row);
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
		const uint32_t quads =
			expand(w + (size_t)line * BITNPU_LINE_BYTES, count, planes, codes);

		add_blocks(codes, quads, planes, x, column + line * planes * QUAD, sums);
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

/* One block of rows, the groups in @quads of codes; x_sums and totals begin with its first row. */
INLINE void scaled_block(const int8_t *codes, uint32_t quads, uint32_t group, const uint32_t planes,
			 const int8_t *x, const uint32_t width,
			 const int32_t (*scales)[BITNPU_TILE_ROWS], const int32_t *x_sums,
			 uint32_t rows, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	for (; quads > 0; scales++, x_sums += rows) {
		const uint32_t count = quads < group ? quads : group;
		int32_t sums[ROWS][BITNPU_TILE_ROWS];

		clear(sums, width);
		add_block(codes, count, planes, x, width, sums);
		BITNPU_UNROLL
		for (uint32_t r = 0; r < width; r++)
			bitnpu_neon_add_scaled(totals[r], *scales, sums[r], x_sums[r], planes == 8);
		codes += (size_t)count * BITNPU_LINE_BYTES;
		x += count * width * QUAD;
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
		const uint32_t quads =
			expand(in->w + (size_t)line * BITNPU_LINE_BYTES, count, planes, codes);
		const int32_t (*scales)[BITNPU_TILE_ROWS] = in->scales + line / in->group;

		for (uint32_t row = 0; row < x->rows; row += block.width) {
			const int32_t *x_sums = in->x_sums + (size_t)(line / in->group) * x->rows + row;
			const int8_t *xs;

			block = bitnpu_cpu_block_of(x->rows, row, ROWS);
			xs = (const int8_t *)x->data + (size_t)block.first * x->columns +
			     (size_t)(in->column + line * planes * QUAD) * block.width;
			if (block.width == 4)
				scaled_block(codes, quads, group, planes, xs, 4, scales, x_sums,
					     x->rows, totals + row);
			else if (block.width == 2)
				scaled_block(codes, quads, group, planes, xs, 2, scales, x_sums,
					     x->rows, totals + row);
			else
				scaled_block(codes, quads, group, planes, xs, 1, scales, x_sums,
					     x->rows, totals + row);
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

static void scaled_int8_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			    int64_t (*totals)[BITNPU_TILE_ROWS])
{
	bitnpu_neon_scaled_int8(in, x, sums_int8_row, totals);
}

static void scaled_int8(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			int64_t (*totals)[BITNPU_TILE_ROWS])
{
	bitnpu_neon_scaled_int8(in, x, sums_int8, totals);
}

/* ---- the level ------------------------------------------------------------------------------- */

static const struct bitnpu_cpu_kernel row_kernels[] = {
	[BITNPU_W_TERNARY] = { "sdot", 1, lay_out, sums_ternary_row, scaled_ternary_row },
	[BITNPU_W_BINARY] = { "sdot", 1, lay_out, sums_binary_row, scaled_binary_row },
	[BITNPU_W_INT8] = { "sdot", 1, lay_out, sums_int8_row, scaled_int8_row },
};

static const struct bitnpu_cpu_kernel block_kernels[] = {
	[BITNPU_W_TERNARY] = { "sdot 4 rows", 1, lay_out, sums_ternary, scaled_ternary },
	[BITNPU_W_BINARY] = { "sdot 4 rows", 1, lay_out, sums_binary, scaled_binary },
	[BITNPU_W_INT8] = { "sdot 4 rows", 1, lay_out, sums_int8, scaled_int8 },
};

static const struct bitnpu_cpu_kernel *kernel(uint8_t weight_format, uint32_t rows,
					      uint32_t segment)
{
	return rows == 1 ? &row_kernels[weight_format] : &block_kernels[weight_format];
}

static bool usable(void)
{
	return getauxval(AT_HWCAP) & HWCAP_DOT_PRODUCT;
}

const struct bitnpu_cpu_level bitnpu_cpu_dotprod = {
	.name = "dotprod",
	.usable = usable,
	.kernel = kernel,
	.scales = &bitnpu_cpu_scales_neon,
};

#endif
