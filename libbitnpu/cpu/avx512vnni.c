// SPDX-License-Identifier: MIT
/*
 * Kernels for AVX-512 VNNI, whose vpdpbusd multiplies four unsigned bytes by four signed ones and adds
 * all to a 32-bit lane: a line is one vector, a lane a row of w with the four k of a plane.
 *
 * Codes are the unsigned operand, x is broadcast from memory by the instruction itself.  int8
 * weights are the signed one, which alone may lie in memory: x + 128, the unsigned, is broadcast to
 * a register, and 128 times the sum of the weights is taken off.
 *
 * Instructions a line and row of x, loads folded: one row ternary 4 vpandd + 4 vpdpbusd, binary
 * 8 + 8, int8 2 vpdpbusd and a broadcast; in blocks of 16 rows 4, 8 and 1 vpdpbusd, int8 with a
 * broadcast, and for all rows together 12 and 24 to expand a line, int8 1.
 */
#if defined(__x86_64__)
#include "avx512.h"
#include "x86.h"

/*
 * Rows of x in a block; narrower ones sum quads in turns, in chains of their own: vpdpbusd takes 5 cycles,
 * and two begin in one.
 */
#define ROWS 16
#define MOST_CHAINS 4

#include "quad_blocks.h"

INLINE __m512i load(const void *p)
{
	return _mm512_load_si512(p);
}

INLINE void store_sums(int32_t *sums, __m512i values)
{
	_mm512_storeu_si512(sums, values);
}

static inline void clear(int32_t (*sums)[BITNPU_TILE_ROWS], uint32_t rows)
{
	bitnpu_avx512_clear(sums, rows);
}

INLINE void expand(const uint8_t *w, uint32_t lines, const uint32_t planes, uint8_t *codes)
{
	bitnpu_avx512_expand(w, lines, planes, codes);
}

/*
 * sums += codes * one quad of x, for all rows of w.  clang lets the instruction broadcast, gcc 12
 * knows no such form of it; written out, it also stays in its place, as with BITNPU_X86_KEEP().
 */
INLINE void add_product(__m512i *sums, __m512i codes, const int32_t *x)
{
#if defined(__AVX512VNNI__) && !defined(__clang__)
	__asm__("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(*sums) : "v"(codes), "m"(*x));
#else
	*sums = _mm512_dpbusd_epi32(*sums, codes, _mm512_set1_epi32(*x));
#endif
}

/* ---- one row of x ---------------------------------------------------------------------------- */

static const int32_t *row_of(const struct bitnpu_cpu_x *x, uint32_t column)
{
	return (const int32_t *)((const int8_t *)x->data + column);
}

/*
 * Codes are multiplied where they lie, the last @own planes after a shift: plane s of those times
 * 1 << bits * s.  Each of these has its own sums.
 */
INLINE void add_planes(__m512i *acc, const uint8_t *line, const uint32_t planes, const uint32_t own,
		       const int32_t *x)
{
	const uint32_t bits = 8 / planes;
	__m512i w = load(line);

	bitnpu_avx512_prefetch(line);
	BITNPU_UNROLL
	for (uint32_t s = 0; s < planes; s++) {
		const __m512i mask = _mm512_set1_epi8((char)(((1u << bits) - 1) << bits * (s % own)));

		if (s == own)
			w = _mm512_srli_epi32(w, bits * own);
		add_product(&acc[s % own], _mm512_and_si512(w, mask), &x[s]);
	}
}

/*
 * The largest of the sums is 192 * 128 for each of 16,384 columns.  Shifts cost an instruction a line,
 * sums of their own two a plane at the end.
 */
INLINE __m512i coded_row(const uint8_t *w, uint32_t lines, const uint32_t planes,
			 const uint32_t own, const int32_t *x)
{
	__m512i acc[2][8], total = _mm512_setzero_si512();
	uint32_t line = 0;

	BITNPU_UNROLL
	for (uint32_t s = 0; s < own; s++)
		acc[0][s] = acc[1][s] = _mm512_setzero_si512();
	for (; line + 2 <= lines; line += 2, w += 2 * BITNPU_LINE_BYTES, x += 2 * planes) {
		add_planes(acc[0], w, planes, own, x);
		add_planes(acc[1], w + BITNPU_LINE_BYTES, planes, own, x + planes);
	}
	if (line < lines)
		add_planes(acc[0], w, planes, own, x);
	BITNPU_UNROLL
	for (uint32_t s = own; s-- > 0;)
		total = _mm512_add_epi32(_mm512_add_epi32(acc[0][s], acc[1][s]),
					 _mm512_srai_epi32(total, 8 / planes));
	return total;
}

static void sums_ternary_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			     uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	store_sums(sums[0], coded_row(w, lines, 4, 4, row_of(x, column)));
}

static void sums_binary_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			    uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	store_sums(sums[0], coded_row(w, lines, 8, 8, row_of(x, column)));
}

/* Groups are short: few sums of their own. */
INLINE void scaled_row(const struct bitnpu_cpu_scaled *in, const uint32_t planes, const int32_t *x,
		       int64_t *totals)
{
	const uint8_t *w = in->w;

	for (uint32_t left = in->lines, group = 0; left > 0; group++) {
		const uint32_t lines = left < in->group ? left : in->group;

		bitnpu_avx512_add_scaled(totals, in->scales[group], coded_row(w, lines, planes, 4, x),
					 in->x_sums[group], planes == 8);
		left -= lines;
		w += (size_t)lines * BITNPU_LINE_BYTES;
		x += lines * planes;
	}
}

static void scaled_ternary_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			       int64_t (*totals)[BITNPU_TILE_ROWS])
{
	scaled_row(in, 4, row_of(x, in->column), totals[0]);
}

static void scaled_binary_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			      int64_t (*totals)[BITNPU_TILE_ROWS])
{
	scaled_row(in, 8, row_of(x, in->column), totals[0]);
}

/* ---- blocks of rows -------------------------------------------------------------------------- */

/* One quad of a block: @sums are its chain's, one a row. */
INLINE void add_quad(__m512i *sums, const uint8_t *codes, const int32_t *x, const uint32_t width,
		     const bool is_signed)
{
	const __m512i c = load(codes);

	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++) {
		if (is_signed) {
			sums[r] = _mm512_dpbusd_epi32(sums[r], _mm512_set1_epi32(x[r]), c);
			BITNPU_X86_KEEP(sums[r]);
		} else {
			add_product(&sums[r], c, &x[r]);
		}
	}
}

/* Sums of codes * x for one block of @width rows; few rows have more than one chain each. */
INLINE void block_sums(const uint8_t *codes, uint32_t quads, const int32_t *x, const uint32_t width,
		       const bool is_signed, __m512i *sums)
{
	const uint32_t chains = width < ROWS / MOST_CHAINS ? MOST_CHAINS : ROWS / width;
	__m512i acc[MOST_CHAINS][ROWS];
	uint32_t q = 0;

	BITNPU_UNROLL
	for (uint32_t i = 0; i < chains; i++) {
		BITNPU_UNROLL
		for (uint32_t r = 0; r < width; r++)
			acc[i][r] = _mm512_setzero_si512();
	}
	for (; q + chains <= quads; q += chains) {
		BITNPU_UNROLL
		for (uint32_t i = 0; i < chains; i++, codes += BITNPU_LINE_BYTES, x += width)
			add_quad(acc[i], codes, x, width, is_signed);
	}
	/* A line of codes is four quads or eight, a line of int8 one. */
	for (; is_signed && q < quads; q++, codes += BITNPU_LINE_BYTES, x += width)
		add_quad(acc[0], codes, x, width, is_signed);
	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++) {
		sums[r] = acc[0][r];
		BITNPU_UNROLL
		for (uint32_t i = 1; i < chains; i++)
			sums[r] = _mm512_add_epi32(sums[r], acc[i][r]);
	}
}

/* sums += codes * x for one block of @width rows */
INLINE void add_block(const uint8_t *codes, uint32_t quads, const int32_t *x, const uint32_t width,
		      const bool is_signed, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	__m512i part[ROWS];

	block_sums(codes, quads, x, width, is_signed, part);
	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++)
		store_sums(sums[r], _mm512_add_epi32(_mm512_loadu_si512(sums[r]), part[r]));
}

/* totals += scales * weights * x for one group of one block of @width rows */
INLINE void add_scaled_block(const uint8_t *codes, uint32_t quads, const int32_t *x,
			     const uint32_t width, const int32_t *scales, const int32_t *x_sums,
			     const bool binary, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	__m512i part[ROWS];

	block_sums(codes, quads, x, width, false, part);
	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++)
		bitnpu_avx512_add_scaled(totals[r], scales, part[r], x_sums[r], binary);
}

/* ---- int8 ------------------------------------------------------------------------------------ */

/* acc += 128 * the weights of a line */
INLINE void add_excess(__m512i *acc, const uint8_t *w)
{
	*acc = _mm512_dpbusd_epi32(*acc, _mm512_set1_epi8((char)0x80), load(w));
	BITNPU_X86_KEEP(*acc);
}

static void sums_int8_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			  uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	const int32_t *xs = row_of(x, column);
	__m512i acc[MOST_CHAINS], excess[MOST_CHAINS], total = _mm512_setzero_si512();

	BITNPU_UNROLL
	for (uint32_t i = 0; i < MOST_CHAINS; i++)
		acc[i] = excess[i] = _mm512_setzero_si512();
	for (; lines >= MOST_CHAINS; lines -= MOST_CHAINS, xs += MOST_CHAINS) {
		BITNPU_UNROLL
		for (uint32_t i = 0; i < MOST_CHAINS; i++, w += BITNPU_LINE_BYTES) {
			bitnpu_avx512_prefetch(w);
			add_quad(&acc[i], w, xs + i, 1, true);
			add_excess(&excess[i], w);
		}
	}
	for (; lines > 0; lines--, xs++, w += BITNPU_LINE_BYTES) {
		add_quad(&acc[0], w, xs, 1, true);
		add_excess(&excess[0], w);
	}
	BITNPU_UNROLL
	for (uint32_t i = 0; i < MOST_CHAINS; i++)
		total = _mm512_add_epi32(total, _mm512_sub_epi32(acc[i], excess[i]));
	store_sums(sums[0], total);
}

/* What x + 128 will add too much, taken off all rows at once; brings the lines into the cache. */
static void take_off_excess(const uint8_t *w, uint32_t lines, uint32_t rows,
			    int32_t (*sums)[BITNPU_TILE_ROWS])
{
	__m512i excess = _mm512_setzero_si512();

	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES) {
		bitnpu_avx512_prefetch(w);
		add_excess(&excess, w);
	}
	for (uint32_t row = 0; row < rows; row++)
		store_sums(sums[row], _mm512_sub_epi32(_mm512_loadu_si512(sums[row]), excess));
}

static void scaled_int8_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			    int64_t (*totals)[BITNPU_TILE_ROWS])
{
	bitnpu_avx512_scaled_int8(in, x, sums_int8_row, totals);
}

static void scaled_int8(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			int64_t (*totals)[BITNPU_TILE_ROWS])
{
	bitnpu_avx512_scaled_int8(in, x, sums_int8, totals);
}

/* ---- the level ------------------------------------------------------------------------------- */

static const struct bitnpu_cpu_kernel row_kernels[] = {
	[BITNPU_W_TERNARY] = { "vpdpbusd zmm", 1, lay_out, sums_ternary_row, scaled_ternary_row },
	[BITNPU_W_BINARY] = { "vpdpbusd zmm", 1, lay_out, sums_binary_row, scaled_binary_row },
	[BITNPU_W_INT8] = { "vpdpbusd zmm", 1, lay_out_unsigned, sums_int8_row, scaled_int8_row },
};

static const struct bitnpu_cpu_kernel block_kernels[] = {
	[BITNPU_W_TERNARY] = { "vpdpbusd zmm 16 rows", 1, lay_out, sums_ternary, scaled_ternary },
	[BITNPU_W_BINARY] = { "vpdpbusd zmm 16 rows", 1, lay_out, sums_binary, scaled_binary },
	[BITNPU_W_INT8] = { "vpdpbusd zmm 16 rows", 1, lay_out_unsigned, sums_int8, scaled_int8 },
};

static const struct bitnpu_cpu_kernel *kernel(uint8_t weight_format, uint32_t rows,
					      uint32_t segment)
{
	return rows == 1 ? &row_kernels[weight_format] : &block_kernels[weight_format];
}

/* Known to the compiler, the state that the system saves included. */
static bool usable(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni") &&
	       bitnpu_x86_f16c();
}

const struct bitnpu_cpu_level bitnpu_cpu_avx512vnni = {
	.name = "avx512vnni",
	.usable = usable,
	.kernel = kernel,
	.scales = &bitnpu_cpu_scales_avx512,
};

#endif
