// SPDX-License-Identifier: MIT
/*
 * Kernels for AVX-VNNI: vpdpbusd on vectors of 32 bytes, in processors without AVX-512 (Intel's since
 * Alder Lake, AMD's since Zen 5).  A line is two vectors of eight rows.
 *
 * Codes are the unsigned operand, x the signed.  int8 weights are the signed one, x + 128 the unsigned,
 * and 128 times the sum of the weights is taken off.
 *
 * Instructions a line and row of x, loads folded: one row ternary 2 vpsrld + 8 vpand + 8 vpdpbusd and
 * 4 broadcasts, binary 2 + 16 + 16 and 8, int8 4 vpdpbusd and 1; in blocks of six rows 8, 16 and 2 vpdpbusd
 * with 4, 8 and 1 broadcasts, and for all rows together 24 and 48 to expand a line, int8 2.
 */
#if defined(__x86_64__)
#include <immintrin.h>

#include "libbitnpu/unroll.h"
#include "scaled_avx2.h"
#include "x86.h"

/*
 * Rows of x in a block: 12 registers of sums, 2 of codes, 1 of x.  vpdpbusd takes 5 cycles and two begin
 * in one, so ten chains are enough.
 */
#define ROWS 6
/* Chains of one row. */
#define CHAINS 4
#define HALVES 2
#define HALF 32
/* How far ahead lines are asked for: the hardware's prefetcher stops at the end of a page. */
#define AHEAD_LINES 40

#include "quad_blocks.h"

INLINE __m256i load(const void *p)
{
	return _mm256_load_si256(p);
}

INLINE void prefetch(const uint8_t *w)
{
	_mm_prefetch((const char *)w + AHEAD_LINES * BITNPU_LINE_BYTES, _MM_HINT_T0);
}

/* sums[0..7] += values */
INLINE void add_to(int32_t *sums, __m256i values)
{
	__m256i *out = (__m256i *)sums;

	_mm256_storeu_si256(out, _mm256_add_epi32(_mm256_loadu_si256(out), values));
}

static inline void clear(int32_t (*sums)[BITNPU_TILE_ROWS], uint32_t rows)
{
	for (uint32_t row = 0; row < rows; row++)
		for (uint32_t r = 0; r < BITNPU_TILE_ROWS; r++)
			sums[row][r] = 0;
}

/* ---- one row of x ---------------------------------------------------------------------------- */

static const int32_t *row_of(const struct bitnpu_cpu_x *x, uint32_t column)
{
	return (const int32_t *)((const int8_t *)x->data + column);
}

/*
 * Codes are multiplied where they lie in half a byte: the sums of plane s are 1 << bits * (s % half)
 * times as large, at most 12 * 128 for each of 16,384 columns.
 */
INLINE void coded_row(const uint8_t *w, uint32_t lines, const uint32_t planes, const int32_t *x,
		      __m256i *sums)
{
	const uint32_t bits = 8 / planes, half = planes / 2;
	__m256i acc[CHAINS][HALVES];

	BITNPU_UNROLL
	for (uint32_t i = 0; i < CHAINS; i++)
		acc[i][0] = acc[i][1] = _mm256_setzero_si256();
	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES, x += planes) {
		__m256i words[HALVES] = { load(w), load(w + HALF) };

		prefetch(w);
		BITNPU_UNROLL
		for (uint32_t s = 0; s < planes; s++) {
			const __m256i mask = _mm256_set1_epi8(((1 << bits) - 1) << bits * (s % half));
			const __m256i xs = _mm256_set1_epi32(x[s]);

			BITNPU_UNROLL
			for (uint32_t h = 0; h < HALVES; h++) {
				__m256i *sum = &acc[s % CHAINS][h];

				if (s == half)
					words[h] = _mm256_srli_epi32(words[h], 4);
				*sum = _mm256_dpbusd_avx_epi32(*sum, _mm256_and_si256(words[h], mask),
							       xs);
				BITNPU_X86_KEEP(*sum);
			}
		}
	}
	BITNPU_UNROLL
	for (uint32_t h = 0; h < HALVES; h++) {
		sums[h] = acc[0][h];
		BITNPU_UNROLL
		for (uint32_t i = 1; i < CHAINS; i++)
			sums[h] = _mm256_add_epi32(sums[h],
						   _mm256_srai_epi32(acc[i][h], bits * (i % half)));
	}
}

INLINE void sums_row(const uint8_t *w, uint32_t lines, const uint32_t planes, const int32_t *x,
		     int32_t *sums)
{
	__m256i total[HALVES];

	coded_row(w, lines, planes, x, total);
	_mm256_storeu_si256((__m256i *)sums, total[0]);
	_mm256_storeu_si256((__m256i *)sums + 1, total[1]);
}

INLINE void scaled_row(const struct bitnpu_cpu_scaled *in, const uint32_t planes, const int32_t *x,
		       int64_t *totals)
{
	const uint8_t *w = in->w;

	for (uint32_t left = in->lines, group = 0; left > 0; group++) {
		const uint32_t lines = left < in->group ? left : in->group;
		__m256i sums[HALVES];

		coded_row(w, lines, planes, x, sums);
		bitnpu_avx2_add_scaled(totals, in->scales[group], sums, in->x_sums[group], planes == 8);
		left -= lines;
		w += (size_t)lines * BITNPU_LINE_BYTES;
		x += lines * planes;
	}
}

static void sums_ternary_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			     uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	sums_row(w, lines, 4, row_of(x, column), sums[0]);
}

static void scaled_ternary_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			  int64_t (*totals)[BITNPU_TILE_ROWS])
{
	scaled_row(in, 4, row_of(x, in->column), totals[0]);
}

static void sums_binary_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			    uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	sums_row(w, lines, 8, row_of(x, column), sums[0]);
}

static void scaled_binary_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			  int64_t (*totals)[BITNPU_TILE_ROWS])
{
	scaled_row(in, 8, row_of(x, in->column), totals[0]);
}

/* ---- blocks of rows -------------------------------------------------------------------------- */

/* One quad of a block. */
INLINE void add_quad(__m256i (*sums)[HALVES], const uint8_t *codes, const int32_t *x,
		     const uint32_t width, const bool is_signed)
{
	const __m256i c[HALVES] = { load(codes), load(codes + HALF) };

	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++) {
		const __m256i xs = _mm256_set1_epi32(x[r]);

		BITNPU_UNROLL
		for (uint32_t h = 0; h < HALVES; h++) {
			sums[r][h] = is_signed ? _mm256_dpbusd_avx_epi32(sums[r][h], xs, c[h]) :
						 _mm256_dpbusd_avx_epi32(sums[r][h], c[h], xs);
			BITNPU_X86_KEEP(sums[r][h]);
		}
	}
}

/* Sums of codes * x for one block of @width rows. */
INLINE void block_sums(const uint8_t *codes, uint32_t quads, const int32_t *x, const uint32_t width,
		       const bool is_signed, __m256i (*sums)[HALVES])
{
	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++)
		sums[r][0] = sums[r][1] = _mm256_setzero_si256();
	for (uint32_t q = 0; q < quads; q++, codes += BITNPU_LINE_BYTES, x += width)
		add_quad(sums, codes, x, width, is_signed);
}

/* sums += codes * x for one block of @width rows */
INLINE void add_block(const uint8_t *codes, uint32_t quads, const int32_t *x, const uint32_t width,
		      const bool is_signed, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	__m256i acc[ROWS][HALVES];

	block_sums(codes, quads, x, width, is_signed, acc);
	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++) {
		add_to(sums[r], acc[r][0]);
		add_to(sums[r] + 8, acc[r][1]);
	}
}

/* totals += scales * weights * x for one group of one block of @width rows */
INLINE void add_scaled_block(const uint8_t *codes, uint32_t quads, const int32_t *x,
			     const uint32_t width, const int32_t *scales, const int32_t *x_sums,
			     const bool binary, int64_t (*totals)[BITNPU_TILE_ROWS])
{
	__m256i acc[ROWS][HALVES];

	block_sums(codes, quads, x, width, false, acc);
	BITNPU_UNROLL
	for (uint32_t r = 0; r < width; r++)
		bitnpu_avx2_add_scaled(totals[r], scales, acc[r], x_sums[r], binary);
}

/* Codes of @lines lines, by quads. */
INLINE void expand(const uint8_t *w, uint32_t lines, const uint32_t planes, uint8_t *codes)
{
	const uint32_t bits = 8 / planes;
	const __m256i mask = _mm256_set1_epi8((1 << bits) - 1);

	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES) {
		const __m256i words[HALVES] = { load(w), load(w + HALF) };

		prefetch(w);
		BITNPU_UNROLL
		for (uint32_t s = 0; s < planes; s++) {
			BITNPU_UNROLL
			for (uint32_t h = 0; h < HALVES; h++, codes += HALF)
				_mm256_store_si256((__m256i *)codes,
						   _mm256_and_si256(_mm256_srli_epi32(words[h], bits * s),
								    mask));
		}
	}
}

/* ---- int8 ------------------------------------------------------------------------------------ */

/* acc += 128 * the weights of a line */
INLINE void add_excess(__m256i *acc, const uint8_t *w)
{
	const __m256i most = _mm256_set1_epi8((char)0x80);

	acc[0] = _mm256_dpbusd_avx_epi32(acc[0], most, load(w));
	acc[1] = _mm256_dpbusd_avx_epi32(acc[1], most, load(w + HALF));
	BITNPU_X86_KEEP(acc[0]);
	BITNPU_X86_KEEP(acc[1]);
}

/* Even and odd lines are chains of their own. */
static void sums_int8_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
			  uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	const int32_t *xs = row_of(x, column);
	__m256i acc[2][1][HALVES], excess[2][HALVES];

	clear(sums, 1);
	BITNPU_UNROLL
	for (uint32_t h = 0; h < HALVES; h++)
		acc[0][0][h] = acc[1][0][h] = excess[0][h] = excess[1][h] = _mm256_setzero_si256();
	for (; lines >= 2; lines -= 2, xs += 2) {
		BITNPU_UNROLL
		for (uint32_t i = 0; i < 2; i++, w += BITNPU_LINE_BYTES) {
			prefetch(w);
			add_quad(acc[i], w, xs + i, 1, true);
			add_excess(excess[i], w);
		}
	}
	if (lines) {
		add_quad(acc[0], w, xs, 1, true);
		add_excess(excess[0], w);
	}
	BITNPU_UNROLL
	for (uint32_t h = 0; h < HALVES; h++) {
		add_to(sums[0] + 8 * h, _mm256_sub_epi32(acc[0][0][h], excess[0][h]));
		add_to(sums[0] + 8 * h, _mm256_sub_epi32(acc[1][0][h], excess[1][h]));
	}
}

/* What x + 128 will add too much, taken off all rows at once; brings the lines into the cache. */
static void take_off_excess(const uint8_t *w, uint32_t lines, uint32_t rows,
			    int32_t (*sums)[BITNPU_TILE_ROWS])
{
	__m256i excess[HALVES] = { _mm256_setzero_si256(), _mm256_setzero_si256() };

	for (uint32_t line = 0; line < lines; line++, w += BITNPU_LINE_BYTES) {
		prefetch(w);
		add_excess(excess, w);
	}
	for (uint32_t h = 0; h < HALVES; h++)
		excess[h] = _mm256_sub_epi32(_mm256_setzero_si256(), excess[h]);
	for (uint32_t row = 0; row < rows; row++) {
		add_to(sums[row], excess[0]);
		add_to(sums[row] + 8, excess[1]);
	}
}

static void scaled_int8_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			    int64_t (*totals)[BITNPU_TILE_ROWS])
{
	bitnpu_avx2_scaled_int8(in, x, sums_int8_row, totals);
}

static void scaled_int8(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
			int64_t (*totals)[BITNPU_TILE_ROWS])
{
	bitnpu_avx2_scaled_int8(in, x, sums_int8, totals);
}

/* ---- the level ------------------------------------------------------------------------------- */

static const struct bitnpu_cpu_kernel row_kernels[] = {
	[BITNPU_W_TERNARY] = { "vpdpbusd ymm", 1, lay_out, sums_ternary_row, scaled_ternary_row },
	[BITNPU_W_BINARY] = { "vpdpbusd ymm", 1, lay_out, sums_binary_row, scaled_binary_row },
	[BITNPU_W_INT8] = { "vpdpbusd ymm", 1, lay_out_unsigned, sums_int8_row, scaled_int8_row },
};

static const struct bitnpu_cpu_kernel block_kernels[] = {
	[BITNPU_W_TERNARY] = { "vpdpbusd ymm 6 rows", 1, lay_out, sums_ternary, scaled_ternary },
	[BITNPU_W_BINARY] = { "vpdpbusd ymm 6 rows", 1, lay_out, sums_binary, scaled_binary },
	[BITNPU_W_INT8] = { "vpdpbusd ymm 6 rows", 1, lay_out_unsigned, sums_int8, scaled_int8 },
};

static const struct bitnpu_cpu_kernel *kernel(uint8_t weight_format, uint32_t rows,
					      uint32_t segment)
{
	return rows == 1 ? &row_kernels[weight_format] : &block_kernels[weight_format];
}

static bool usable(void)
{
	return bitnpu_x86_avxvnni() && bitnpu_x86_f16c();
}

const struct bitnpu_cpu_level bitnpu_cpu_avxvnni = {
	.name = "avxvnni",
	.usable = usable,
	.kernel = kernel,
	.scales = &bitnpu_cpu_scales_avx2,
};

#endif
