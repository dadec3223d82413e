// SPDX-License-Identifier: MIT
/*
 * Kernels for AVX2, whose byte multiply (vpmaddubsw) takes unsigned by signed bytes and adds two
 * neighbours in 16 bits.  A line is two vectors of eight rows, a lane the four k of a plane.
 *
 * 16 bits hold the sums of few lines: a pair of ternary products is at most 2 * 3 * 128 = 768 in
 * magnitude, of binary ones 256; then they are widened.
 *
 * Rows of x are laid out in blocks of up to ROWS, in a block by quads of four columns: a register
 * for each row's sums, one for the codes, one for x.
 */
#if defined(__x86_64__)
#include <immintrin.h>

#include "cpu.h"
#include "libbitnpu/unroll.h"
#include "lookup_avx2.h"
#include "scaled_avx2.h"
#include "x86.h"

/*
 * Rows of x in a block.  Six would fit the 16 registers; compilers then spill.  Measured with gcc 12 and
 * clang 14 on Zen 3: 4 is the fastest.
 */
#define ROWS 4
#define HALVES 2
#define QUAD 4
/* Codes are expanded for so many bytes of the first-level cache, a whole number of lines. */
#define CODE_BYTES 16384
/* How far ahead lines are asked for: the hardware's prefetcher stops at the end of a page. */
#define AHEAD_LINES 40

static inline __m256i load(const void *p)
{
	return _mm256_load_si256(p);
}

static inline void store(int32_t *sums, const __m256i *values)
{
	_mm256_storeu_si256((__m256i *)sums, values[0]);
	_mm256_storeu_si256((__m256i *)sums + 1, values[1]);
}

/* sums[0..15] += halves */
static inline void add_to(int32_t *sums, __m256i low, __m256i high)
{
	__m256i *out = (__m256i *)sums;

	_mm256_storeu_si256(out, _mm256_add_epi32(_mm256_loadu_si256(out), low));
	_mm256_storeu_si256(out + 1, _mm256_add_epi32(_mm256_loadu_si256(out + 1), high));
}

static inline void clear(int32_t (*sums)[BITNPU_TILE_ROWS], uint32_t rows)
{
	for (uint32_t row = 0; row < rows; row++)
		for (uint32_t r = 0; r < BITNPU_TILE_ROWS; r++)
			sums[row][r] = 0;
}

/* First row of the block of @row, and its width. */
static inline uint32_t block_of(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t *width)
{
	uint32_t first = row / ROWS * ROWS;

	*width = x->rows - first < ROWS ? x->rows - first : ROWS;
	return first;
}

/* ---- ternary and binary ---------------------------------------------------------------------- */

static void lay_out_bytes(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t column,
			  const int8_t *values, uint32_t count)
{
	uint32_t width, first = block_of(x, row, &width);
	int32_t *out = (int32_t *)x->data + (size_t)first * x->columns / QUAD +
		       (size_t)column / QUAD * width + (row - first);
	const int32_t *in = (const int32_t *)values;

	for (uint32_t q = 0; q < count / QUAD; q++)
		out[q * width] = in[q];
}

/*
 * sums += values, as written: gcc otherwise forms all products first, which spills, or copies each sum,
 * an instruction in three.
 */
static inline void add_words_to(__m256i *sums, __m256i values)
{
	__asm__("vpaddw %1, %0, %0" : "+x"(*sums) : "x"(values));
}

/* @times the sums of codes * x for one block of @width rows; @quads of them fit 16 bits. */
static inline __attribute__((always_inline)) void
block_sums(const __m256i *codes, uint32_t quads, const int32_t *x, const uint32_t width,
	   const int16_t times, __m256i (*sums)[HALVES])
{
	const __m256i factor = _mm256_set1_epi16(times);
	__m256i acc[ROWS][HALVES];

	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++)
		acc[r][0] = acc[r][1] = _mm256_setzero_si256();
	for (; quads > 0; quads--, codes += HALVES, x += width) {
		const __m256i c0 = load(codes), c1 = load(codes + 1);

		BITNPU_UNROLL
		for (uint32_t r = 0; r < width; r++) {
			const __m256i xs = _mm256_set1_epi32(x[r]);

			add_words_to(&acc[r][0], _mm256_maddubs_epi16(c0, xs));
			add_words_to(&acc[r][1], _mm256_maddubs_epi16(c1, xs));
		}
	}
	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++) {
		sums[r][0] = _mm256_madd_epi16(acc[r][0], factor);
		sums[r][1] = _mm256_madd_epi16(acc[r][1], factor);
	}
}

/* sums += codes * x for one block of @width rows; no more than @narrow quads fit 16 bits */
static inline __attribute__((always_inline)) void
add_block(const __m256i *codes, uint32_t quads, uint32_t narrow, const int32_t *x,
	  const uint32_t width, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	for (uint32_t q = 0; q < quads; q += narrow) {
		__m256i part[ROWS][HALVES];

		block_sums(codes + HALVES * q, quads - q < narrow ? quads - q : narrow,
			   x + (size_t)q * width, width, 1, part);
		BITNPU_UNROLL
		for (uint32_t r = 0; r < width; r++)
			add_to(sums[r], part[r][0], part[r][1]);
	}
}

/* Codes of @lines lines, by quads. */
static inline __attribute__((always_inline)) void
expand(const uint8_t *w, uint32_t lines, const uint32_t planes, __m256i *codes)
{
	const uint32_t bits = 8 / planes;
	const __m256i mask = _mm256_set1_epi8((1 << bits) - 1);

	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES) {
		const __m256i w0 = load(w), w1 = load(w + 32);

		_mm_prefetch((const char *)w + AHEAD_LINES * BITNPU_LINE_BYTES, _MM_HINT_T0);
		BITNPU_UNROLL
		for (uint32_t s = 0; s < planes; s++) {
			*codes++ = _mm256_and_si256(_mm256_srli_epi32(w0, bits * s), mask);
			*codes++ = _mm256_and_si256(_mm256_srli_epi32(w1, bits * s), mask);
		}
	}
}

static inline __attribute__((always_inline)) void
add_blocks(const __m256i *codes, uint32_t quads, uint32_t narrow, const struct bitnpu_cpu_x *x,
	   uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	for (uint32_t row = 0; row < x->rows; row += ROWS) {
		uint32_t width, first = block_of(x, row, &width);
		const int32_t *block = (const int32_t *)x->data + (size_t)first * x->columns / QUAD +
				       (size_t)column / QUAD * width;

		switch (width) {
		case 1:
			add_block(codes, quads, narrow, block, 1, sums + row);
			break;
		case 2:
			add_block(codes, quads, narrow, block, 2, sums + row);
			break;
		case 3:
			add_block(codes, quads, narrow, block, 3, sums + row);
			break;
		default:
			add_block(codes, quads, narrow, block, ROWS, sums + row);
			break;
		}
	}
}

static inline __attribute__((always_inline)) void
coded_sums(const uint8_t *w, uint32_t lines, const uint32_t planes, uint32_t narrow,
	   const struct bitnpu_cpu_x *x, uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	const uint32_t most = CODE_BYTES / (planes * BITNPU_LINE_BYTES);
	__m256i codes[CODE_BYTES / sizeof(__m256i)];

	clear(sums, x->rows);
	for (uint32_t line = 0; line < lines; line += most) {
		const uint32_t count = lines - line < most ? lines - line : most;

		expand(w + (size_t)line * BITNPU_LINE_BYTES, count, planes, codes);
		add_blocks(codes, count * planes, narrow, x, column + line * planes * QUAD, sums);
	}
}

static void sums_ternary(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			 uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	coded_sums(w, lines, 4, 42, x, column, sums);
}

static void sums_binary(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	coded_sums(w, lines, 8, 126, x, column, sums);
}

/* One block of rows, the groups in @quads of codes; x_sums and totals begin with the block's first row. */
static inline __attribute__((always_inline)) void
scaled_block(const __m256i *codes, uint32_t quads, uint32_t group, const uint32_t planes,
	     const int32_t *x, const uint32_t width, const int32_t (*scales)[BITNPU_TILE_ROWS],
	     const int32_t *x_sums, uint32_t rows, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	const uint32_t narrow = planes == 4 ? 42 : 126;
	/* Binary weights are twice the codes less 1. */
	const int16_t times = planes == 4 ? 1 : 2;

	for (; quads > 0; scales++, x_sums += rows) {
		const uint32_t count = quads < group ? quads : group;
		uint32_t q = count < narrow ? count : narrow;
		__m256i sums[ROWS][HALVES], more[ROWS][HALVES];

		block_sums(codes, q, x, width, times, sums);
		for (; q < count; q += narrow) {
			block_sums(codes + HALVES * q, count - q < narrow ? count - q : narrow,
				   x + (size_t)q * width, width, times, more);
			BITNPU_UNROLL
			for (uint32_t r = 0; r < width; r++)
				for (int h = 0; h < HALVES; h++)
					sums[r][h] = _mm256_add_epi32(sums[r][h], more[r][h]);
		}
		BITNPU_UNROLL
		for (uint32_t r = 0; r < width; r++)
			bitnpu_avx2_add_scaled(totals[r], *scales, sums[r], x_sums[r], false);
		codes += HALVES * count;
		x += width * count;
		quads -= count;
	}
}

static inline __attribute__((always_inline)) void
coded_scaled(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x, const uint32_t planes,
	     int64_t (*totals)[BITNPU_TILE_ROWS])
{
	const uint32_t most = CODE_BYTES / (planes * BITNPU_LINE_BYTES);
	__m256i codes[CODE_BYTES / sizeof(__m256i)];

	for (uint32_t line = 0; line < in->lines; line += most) {
		const uint32_t count = in->lines - line < most ? in->lines - line : most;
		const uint32_t group = line / in->group;

		expand(in->w + (size_t)line * BITNPU_LINE_BYTES, count, planes, codes);
		for (uint32_t row = 0; row < x->rows; row += ROWS) {
			uint32_t width, first = block_of(x, row, &width);
			const int32_t *xs = (const int32_t *)x->data +
					    (size_t)first * x->columns / QUAD +
					    (size_t)(in->column / QUAD + line * planes) * width;
			const int32_t *x_sums = in->x_sums + (size_t)group * x->rows + row;

			switch (width) {
			case 1:
				scaled_block(codes, count * planes, in->group * planes, planes, xs, 1,
					     in->scales + group, x_sums, x->rows, totals + row);
				break;
			case 2:
				scaled_block(codes, count * planes, in->group * planes, planes, xs, 2,
					     in->scales + group, x_sums, x->rows, totals + row);
				break;
			case 3:
				scaled_block(codes, count * planes, in->group * planes, planes, xs, 3,
					     in->scales + group, x_sums, x->rows, totals + row);
				break;
			default:
				scaled_block(codes, count * planes, in->group * planes, planes, xs,
					     ROWS, in->scales + group, x_sums, x->rows, totals + row);
				break;
			}
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

/*
 * One row of x.  The codes of planes 1 and 3 are multiplied where they lie, times 4, which saves
 * half of the shifts: a pair is at most 3072 then, and ten of them, those of five lines, fit.  Five
 * lines are written out, since gcc copies sums that it keeps from one pass of a loop to the next.
 */
#define TERNARY_LINES 5

/* @sums: of planes 0 and 2, and four times those of planes 1 and 3 */
static inline __attribute__((always_inline)) void
add_ternary_line(const uint8_t *w, const int32_t *xs, __m256i (*sums)[2])
{
	const __m256i low = _mm256_set1_epi8(3), high = _mm256_set1_epi8(12);
	const __m256i x0 = _mm256_set1_epi32(xs[0]), x1 = _mm256_set1_epi32(xs[1]);
	const __m256i x2 = _mm256_set1_epi32(xs[2]), x3 = _mm256_set1_epi32(xs[3]);

	_mm_prefetch((const char *)w + AHEAD_LINES * BITNPU_LINE_BYTES, _MM_HINT_T0);
	BITNPU_UNROLL
	for (int h = 0; h < HALVES; h++) {
		const __m256i a = load(w + 32 * h), b = _mm256_srli_epi16(a, 4);

		add_words_to(&sums[h][0], _mm256_maddubs_epi16(_mm256_and_si256(a, low), x0));
		add_words_to(&sums[h][1], _mm256_maddubs_epi16(_mm256_and_si256(a, high), x1));
		add_words_to(&sums[h][0], _mm256_maddubs_epi16(_mm256_and_si256(b, low), x2));
		add_words_to(&sums[h][1], _mm256_maddubs_epi16(_mm256_and_si256(b, high), x3));
	}
}

/* totals += four times the sums of TERNARY_LINES lines at most */
static inline __attribute__((always_inline)) void
widen_ternary(__m256i *totals, __m256i (*sums)[2])
{
	const __m256i ones = _mm256_set1_epi16(1), fours = _mm256_set1_epi16(4);

	BITNPU_UNROLL
	for (int h = 0; h < HALVES; h++)
		totals[h] = _mm256_add_epi32(totals[h],
					     _mm256_add_epi32(_mm256_madd_epi16(sums[h][0], fours),
							      _mm256_madd_epi16(sums[h][1], ones)));
}

static inline __attribute__((always_inline)) void
ternary_row(const uint8_t *w, uint32_t lines, const int32_t *xs, __m256i *sums)
{
	__m256i totals[HALVES] = { _mm256_setzero_si256(), _mm256_setzero_si256() };

	for (; lines >= TERNARY_LINES; lines -= TERNARY_LINES) {
		__m256i part[HALVES][2] = { 0 };

		BITNPU_UNROLL
		for (int i = 0; i < TERNARY_LINES; i++, w += BITNPU_LINE_BYTES, xs += 4)
			add_ternary_line(w, xs, part);
		widen_ternary(totals, part);
	}
	if (lines > 0) {
		__m256i part[HALVES][2] = { 0 };

		for (; lines > 0; lines--, w += BITNPU_LINE_BYTES, xs += 4)
			add_ternary_line(w, xs, part);
		widen_ternary(totals, part);
	}
	for (int h = 0; h < HALVES; h++)
		sums[h] = _mm256_srai_epi32(totals[h], 2);
}

/*
 * Likewise.  The codes of planes s and s + 4 are multiplied as 1 << s: at most 2 * 8 * 128 = 2048 a pair,
 * two of them a line, so seven lines fit.  Widening brings all planes to eight times their sums.
 */
static inline __attribute__((always_inline)) void
binary_row(const uint8_t *w, uint32_t lines, const int32_t *xs, __m256i *sums)
{
	__m256i total[HALVES] = { _mm256_setzero_si256(), _mm256_setzero_si256() };

	for (uint32_t line = 0; line < lines;) {
		const uint32_t end = lines - line < 7 ? lines : line + 7;
		__m256i acc[4][HALVES];

		BITNPU_UNROLL
		for (int s = 0; s < 4; s++)
			acc[s][0] = acc[s][1] = _mm256_setzero_si256();
		for (; line < end; line++, w += BITNPU_LINE_BYTES, xs += 8) {
			const __m256i low[HALVES] = { load(w), load(w + 32) };
			const __m256i high[HALVES] = { _mm256_srli_epi16(low[0], 4),
						       _mm256_srli_epi16(low[1], 4) };

			_mm_prefetch((const char *)w + AHEAD_LINES * BITNPU_LINE_BYTES, _MM_HINT_T0);
			BITNPU_UNROLL
			for (int s = 0; s < 4; s++) {
				const __m256i mask = _mm256_set1_epi8(1 << s);
				const __m256i x0 = _mm256_set1_epi32(xs[s]);
				const __m256i x1 = _mm256_set1_epi32(xs[s + 4]);

				BITNPU_UNROLL
				for (int h = 0; h < HALVES; h++) {
					const __m256i a = _mm256_and_si256(low[h], mask);
					const __m256i b = _mm256_and_si256(high[h], mask);
					const __m256i both =
						_mm256_add_epi16(_mm256_maddubs_epi16(a, x0),
								 _mm256_maddubs_epi16(b, x1));

					acc[s][h] = _mm256_add_epi16(acc[s][h], both);
				}
			}
		}
		BITNPU_UNROLL
		for (int s = 0; s < 4; s++) {
			const __m256i factor = _mm256_set1_epi16(8 >> s);

			BITNPU_UNROLL
			for (int h = 0; h < HALVES; h++)
				total[h] = _mm256_add_epi32(total[h],
							    _mm256_madd_epi16(acc[s][h], factor));
		}
	}
	for (int h = 0; h < HALVES; h++)
		sums[h] = _mm256_srai_epi32(total[h], 3);
}

static const int32_t *row_of(const struct bitnpu_cpu_x *x, uint32_t column)
{
	return (const int32_t *)((const int8_t *)x->data + column);
}

static void sums_ternary_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			     uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	__m256i total[HALVES];

	ternary_row(w, lines, row_of(x, column), total);
	store(sums[0], total);
}

static void sums_binary_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			    uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	__m256i total[HALVES];

	binary_row(w, lines, row_of(x, column), total);
	store(sums[0], total);
}

static inline __attribute__((always_inline)) void
scaled_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x, const uint32_t planes,
	   int64_t *totals)
{
	const int32_t *xs = row_of(x, in->column);
	const uint8_t *w = in->w;

	for (uint32_t left = in->lines, group = 0; left > 0; group++) {
		const uint32_t lines = left < in->group ? left : in->group;
		__m256i sums[HALVES];

		if (planes == 4)
			ternary_row(w, lines, xs, sums);
		else
			binary_row(w, lines, xs, sums);
		bitnpu_avx2_add_scaled(totals, in->scales[group], sums, in->x_sums[group], planes == 8);
		left -= lines;
		w += (size_t)lines * BITNPU_LINE_BYTES;
		xs += lines * planes;
	}
}

static void scaled_ternary_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			       int64_t (*totals)[BITNPU_TILE_ROWS])
{
	scaled_row(in, x, 4, totals[0]);
}

static void scaled_binary_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			      int64_t (*totals)[BITNPU_TILE_ROWS])
{
	scaled_row(in, x, 8, totals[0]);
}

/* ---- int8 ------------------------------------------------------------------------------------ */

/*
 * Bytes times bytes, both signed, pass 16 bits when two are added: even and odd bytes are widened
 * and multiplied in pairs (vpmaddwd).  x is laid out so: for a quad the two even columns, then the
 * two odd ones, as 16 bits.
 */
static void lay_out_words(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t column,
			  const int8_t *values, uint32_t count)
{
	uint32_t width, first = block_of(x, row, &width);
	int16_t *out = (int16_t *)x->data + (size_t)first * x->columns +
		       ((size_t)column / QUAD * width + (row - first)) * QUAD;

	for (uint32_t q = 0; q < count / QUAD; q++, out += width * QUAD, values += QUAD) {
		out[0] = values[0];
		out[1] = values[2];
		out[2] = values[1];
		out[3] = values[3];
	}
}

static inline __attribute__((always_inline)) void
add_words(const uint8_t *w, uint32_t lines, const int32_t *x, const uint32_t width,
	  int32_t (*sums)[BITNPU_TILE_ROWS])
{
	__m256i acc[ROWS][HALVES];

	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++)
		acc[r][0] = acc[r][1] = _mm256_setzero_si256();
	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES, x += 2 * width) {
		_mm_prefetch((const char *)w + AHEAD_LINES * BITNPU_LINE_BYTES, _MM_HINT_T0);
		BITNPU_UNROLL
		for (int h = 0; h < HALVES; h++) {
			const __m256i word = load(w + 32 * h), odd = _mm256_srai_epi16(word, 8);
			const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(word, 8), 8);

			BITNPU_UNROLL
			for (uint32_t r = 0; r < width; r++) {
				const __m256i xe = _mm256_set1_epi32(x[2 * r]);
				const __m256i xo = _mm256_set1_epi32(x[2 * r + 1]);

				acc[r][h] = _mm256_add_epi32(
					acc[r][h], _mm256_add_epi32(_mm256_madd_epi16(even, xe),
								    _mm256_madd_epi16(odd, xo)));
			}
		}
	}
	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++)
		for (int h = 0; h < HALVES; h++)
			_mm256_storeu_si256((__m256i *)sums[r] + h, acc[r][h]);
}

static void sums_int8(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
		      uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	for (uint32_t row = 0; row < x->rows; row += ROWS) {
		uint32_t width, first = block_of(x, row, &width);
		const int32_t *block = (const int32_t *)((const int16_t *)x->data +
							 (size_t)first * x->columns +
							 (size_t)column * width);

		switch (width) {
		case 1:
			add_words(w, lines, block, 1, sums + row);
			break;
		case 2:
			add_words(w, lines, block, 2, sums + row);
			break;
		case 3:
			add_words(w, lines, block, 3, sums + row);
			break;
		default:
			add_words(w, lines, block, ROWS, sums + row);
			break;
		}
	}
}

static void scaled_int8(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			int64_t (*totals)[BITNPU_TILE_ROWS])
{
	bitnpu_avx2_scaled_int8(in, x, sums_int8, totals);
}

/* ---- the level ------------------------------------------------------------------------------- */

static const struct bitnpu_cpu_kernel row_kernels[] = {
	[BITNPU_W_TERNARY] = { "vpmaddubsw", 1, lay_out_bytes, sums_ternary_row,
				 scaled_ternary_row },
	[BITNPU_W_BINARY] = { "vpmaddubsw", 1, lay_out_bytes, sums_binary_row,
				 scaled_binary_row },
	[BITNPU_W_INT8] = { "vpmaddwd", 2, lay_out_words, sums_int8, scaled_int8 },
};

static const struct bitnpu_cpu_kernel block_kernels[] = {
	[BITNPU_W_TERNARY] = { "vpmaddubsw 4 rows", 1, lay_out_bytes, sums_ternary,
				 scaled_ternary },
	[BITNPU_W_BINARY] = { "vpmaddubsw 4 rows", 1, lay_out_bytes, sums_binary,
				 scaled_binary },
	[BITNPU_W_INT8] = { "vpmaddwd 4 rows", 2, lay_out_words, sums_int8, scaled_int8 },
};

static const struct bitnpu_cpu_kernel *kernel(uint8_t weight_format, uint32_t rows,
					      uint32_t segment)
{
	if (rows > 1)
		return &block_kernels[weight_format];
	/* Tables are of two lines. */
	if (weight_format == BITNPU_W_BINARY && (!segment || segment >= BITNPU_CPU_BLOCK))
		return &bitnpu_avx2_lookup;
	return &row_kernels[weight_format];
}

static bool usable(void)
{
	return __builtin_cpu_supports("avx2") && bitnpu_x86_f16c();
}

const struct bitnpu_cpu_level bitnpu_cpu_avx2 = {
	.name = "avx2",
	.usable = usable,
	.kernel = kernel,
	.scales = &bitnpu_cpu_scales_avx2,
};

#endif
