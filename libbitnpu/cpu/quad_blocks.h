/* SPDX-License-Identifier: MIT */
/*
 * Kernels for blocks of rows of x, of a level whose instruction multiplies quads: four k of a row
 * of w by four of a row of x.  A level is one source file: it defines ROWS, the most rows of x in
 * a block, includes this, and defines the functions that are declared here first.
 *
 * Codes are the unsigned operand, x the signed, as lay_out() has it.  int8 weights are the signed
 * one, x + 128 the unsigned, as lay_out_unsigned() has it; take_off_excess() makes up for that.
 */
#ifndef BITNPU_CPU_QUAD_BLOCKS_H
#define BITNPU_CPU_QUAD_BLOCKS_H

#include "blocks.h"

#define QUAD 4
/* Codes are expanded for so many bytes of the first-level cache, a whole number of lines. */
#define CODE_BYTES 16384

#define INLINE static inline __attribute__((always_inline))

/* ---- what the level defines ------------------------------------------------------------------ */

/* 0 to the sums of @rows rows of x */
static inline void clear(int32_t (*sums)[BITNPU_TILE_ROWS], uint32_t rows);

/* A byte for each code: a line becomes @planes quads of all its rows, BITNPU_LINE_BYTES each. */
INLINE void expand(const uint8_t *w, uint32_t lines, const uint32_t planes, uint8_t *codes);

/* sums += codes * x for one block of @width rows; @is_signed: codes are, x is not */
INLINE void add_block(const uint8_t *codes, uint32_t quads, const int32_t *x, const uint32_t width,
		      const bool is_signed, int32_t (*sums)[BITNPU_TILE_ROWS]);

/* totals += scales * weights * x for one group of one block; @x_sums: the group's, one a row */
INLINE void add_scaled_block(const uint8_t *codes, uint32_t quads, const int32_t *x,
			     const uint32_t width, const int32_t *scales, const int32_t *x_sums,
			     const bool binary, int64_t (*totals)[BITNPU_TILE_ROWS]);

/* sums -= 128 * the weights of @lines lines, for all rows of x; brings the lines into the cache */
static void take_off_excess(const uint8_t *w, uint32_t lines, uint32_t rows,
			    int32_t (*sums)[BITNPU_TILE_ROWS]);

/* ---- x --------------------------------------------------------------------------------------- */

/* Quads of a block, a column's of all its rows as neighbours, from column @column on. */
INLINE int32_t *quads_of(const struct bitnpu_cpu_x *x, struct bitnpu_cpu_block block,
			 uint32_t column)
{
	return (int32_t *)x->data + (size_t)block.first * x->columns / QUAD +
	       (size_t)column / QUAD * block.width;
}

INLINE void lay_out_quads(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t column,
			  const int8_t *values, uint32_t count, int32_t flip)
{
	const struct bitnpu_cpu_block block = bitnpu_cpu_block_of(x->rows, row, ROWS);
	int32_t *out = quads_of(x, block, column) + (row - block.first);
	const int32_t *in = (const int32_t *)values;

	for (uint32_t q = 0; q < count / QUAD; q++)
		out[q * block.width] = in[q] ^ flip;
}

static void lay_out(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t column,
		    const int8_t *values, uint32_t count)
{
	lay_out_quads(x, row, column, values, count, 0);
}

/* x + 128 */
static void lay_out_unsigned(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t column,
			     const int8_t *values, uint32_t count)
{
	lay_out_quads(x, row, column, values, count, (int32_t)0x80808080);
}

/* ---- sums ------------------------------------------------------------------------------------ */

INLINE void add_blocks(const uint8_t *codes, uint32_t quads, const bool is_signed,
		       const struct bitnpu_cpu_x *x, uint32_t column,
		       int32_t (*sums)[BITNPU_TILE_ROWS])
{
	struct bitnpu_cpu_block block;

	for (uint32_t row = 0; row < x->rows; row += block.width) {
		const int32_t *xs;

		block = bitnpu_cpu_block_of(x->rows, row, ROWS);
		xs = quads_of(x, block, column);
		switch (block.width) {
		case 1:
			add_block(codes, quads, xs, 1, is_signed, sums + row);
			break;
		case 2:
			add_block(codes, quads, xs, 2, is_signed, sums + row);
			break;
		case 4:
			add_block(codes, quads, xs, 4, is_signed, sums + row);
			break;
#if ROWS > 8
		case 8:
			add_block(codes, quads, xs, 8, is_signed, sums + row);
			break;
#endif
		default:
			add_block(codes, quads, xs, ROWS, is_signed, sums + row);
			break;
		}
	}
}

INLINE void coded_sums(const uint8_t *w, uint32_t lines, const uint32_t planes,
		       const struct bitnpu_cpu_x *x, uint32_t column,
		       int32_t (*sums)[BITNPU_TILE_ROWS])
{
	const uint32_t most = CODE_BYTES / (planes * BITNPU_LINE_BYTES);
	uint8_t codes[CODE_BYTES] __attribute__((aligned(64)));

	clear(sums, x->rows);
	for (uint32_t line = 0; line < lines; line += most) {
		const uint32_t count = lines - line < most ? lines - line : most;

		expand(w + (size_t)line * BITNPU_LINE_BYTES, count, planes, codes);
		add_blocks(codes, count * planes, false, x, column + line * planes * QUAD, sums);
	}
}

static void sums_ternary(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			 uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	coded_sums(w, lines, 4, x, column, sums);
}

static void sums_binary(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	coded_sums(w, lines, 8, x, column, sums);
}

/* Weights are read in place, as many at a time as stay in the first-level cache. */
static void sums_int8(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
		      uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	const uint32_t most = CODE_BYTES / BITNPU_LINE_BYTES;

	clear(sums, x->rows);
	for (uint32_t line = 0; line < lines; line += most) {
		const uint32_t count = lines - line < most ? lines - line : most;
		const uint8_t *first = w + (size_t)line * BITNPU_LINE_BYTES;

		take_off_excess(first, count, x->rows, sums);
		add_blocks(first, count, true, x, column + line * QUAD, sums);
	}
}

/* ---- sums of groups, times scales ------------------------------------------------------------ */

/* One block of rows, the groups in @quads of codes; x_sums and totals begin with its first row. */
INLINE void scaled_block(const uint8_t *codes, uint32_t quads, uint32_t group, const bool binary,
			 const int32_t *x, const uint32_t width,
			 const int32_t (*scales)[BITNPU_TILE_ROWS], const int32_t *x_sums,
			 uint32_t rows, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	for (; quads > 0; scales++, x_sums += rows) {
		const uint32_t count = quads < group ? quads : group;

		add_scaled_block(codes, count, x, width, *scales, x_sums, binary, totals);
		codes += (size_t)count * BITNPU_LINE_BYTES;
		x += count * width;
		quads -= count;
	}
}

/* @count lines, the first being @line, as @codes. */
INLINE void scaled_blocks(const struct bitnpu_cpu_scaled *in, const uint8_t *codes, uint32_t line,
			  uint32_t count, const uint32_t planes, const struct bitnpu_cpu_x *x,
			  int64_t (*totals)[BITNPU_TILE_ROWS])
{
	const uint32_t quads = count * planes, group = in->group * planes, first = line / in->group;
	const bool binary = planes == 8;
	const int32_t (*scales)[BITNPU_TILE_ROWS] = in->scales + first;
	struct bitnpu_cpu_block block;

	for (uint32_t row = 0; row < x->rows; row += block.width) {
		const int32_t *x_sums = in->x_sums + (size_t)first * x->rows + row, *xs;

		block = bitnpu_cpu_block_of(x->rows, row, ROWS);
		xs = quads_of(x, block, in->column + line * planes * QUAD);
		switch (block.width) {
		case 1:
			scaled_block(codes, quads, group, binary, xs, 1, scales, x_sums, x->rows,
				     totals + row);
			break;
		case 2:
			scaled_block(codes, quads, group, binary, xs, 2, scales, x_sums, x->rows,
				     totals + row);
			break;
		case 4:
			scaled_block(codes, quads, group, binary, xs, 4, scales, x_sums, x->rows,
				     totals + row);
			break;
#if ROWS > 8
		case 8:
			scaled_block(codes, quads, group, binary, xs, 8, scales, x_sums, x->rows,
				     totals + row);
			break;
#endif
		default:
			scaled_block(codes, quads, group, binary, xs, ROWS, scales, x_sums, x->rows,
				     totals + row);
			break;
		}
	}
}

INLINE void coded_scaled(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			 const uint32_t planes, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	const uint32_t most = CODE_BYTES / (planes * BITNPU_LINE_BYTES);
	uint8_t codes[CODE_BYTES] __attribute__((aligned(64)));

	for (uint32_t line = 0; line < in->lines; line += most) {
		const uint32_t count = in->lines - line < most ? in->lines - line : most;

		expand(in->w + (size_t)line * BITNPU_LINE_BYTES, count, planes, codes);
		scaled_blocks(in, codes, line, count, planes, x, totals);
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

#endif /* BITNPU_CPU_QUAD_BLOCKS_H */
