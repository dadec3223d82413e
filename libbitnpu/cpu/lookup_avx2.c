// SPDX-License-Identifier: MIT
/*
 * One row of x by binary weights on AVX2, with tables instead of products: for four columns there are 16
 * sums of codes * x, and vpshufb looks up 32 of them.  The idea is T-MAC's (Wei et al., "T-MAC: CPU
 * Renaissance via Table Lookup for Low-Bit LLM Deployment on Edge", 2024).
 *
 * A lane of 16 bytes has one table, so it must be the 16 rows of one nibble: a line's four lanes, of four
 * rows and four bytes each, are transposed.  The two halves of a register are two lines.
 *
 * A sum of four is at most 512 in magnitude; 512 more are no less than 0 and have ten bits, in two tables
 * of five.  Eight lookups of each fit a byte: those of two lines.
 *
 * Instructions for two lines of 512 weights, loads left out: 4 vpblendd, 4 vpshufb and 8 vpunpck to
 * transpose, 12 for nibbles, 16 vpshufb, 14 vpaddb, 6 to widen: 64, where products take 100.
 */
#if defined(__x86_64__)
#include <immintrin.h>

#include "lookup_avx2.h"
#include "libbitnpu/unroll.h"
#include "scaled_avx2.h"
#include "x86.h"

#define INLINE static inline __attribute__((always_inline))

#define LINE_K 32
/* Nibbles of a word, columns b, b + 4, b + 8, b + 12 and those 16 further for each byte b. */
#define NIBBLES 8
/* Added to the sum of a nibble, and what that makes for two lines. */
#define BIAS 512
#define PAIR_BIAS (2 * NIBBLES * BIAS)
/* Bits of the sum in the first of its two tables. */
#define LOW_BITS 5
/* Bytes of tables for two lines: for each nibble the two tables, each of both lines. */
#define TABLES (NIBBLES * 2 * 2 * 16)
/* 16 bits hold the sums of so many pairs of lines, 2 * NIBBLES * 1020 each. */
#define MOST_PAIRS 4
#define AHEAD_LINES 40

/* ---- tables ---------------------------------------------------------------------------------- */

/* The 16 sums of a quad of values, biased: entry i has value s where bit s of i is set. */
INLINE __m256i nibble_sums(int32_t quad)
{
	/* A byte for each of four values, of entries 0 to 3 and 8 to 11, and of those 4 further. */
	const __m256i first = _mm256_setr_epi32(0, 0x1, 0x100, 0x101, 0x1000000, 0x1000001, 0x1000100,
						0x1000101);
	const __m256i second = _mm256_or_si256(first, _mm256_set1_epi32(0x10000));
	const __m256i values = _mm256_set1_epi32(quad), ones = _mm256_set1_epi16(1);
	const __m256i a = _mm256_madd_epi16(_mm256_maddubs_epi16(first, values), ones);
	const __m256i b = _mm256_madd_epi16(_mm256_maddubs_epi16(second, values), ones);

	return _mm256_add_epi16(_mm256_packs_epi32(a, b), _mm256_set1_epi16(BIAS));
}

/* The tables of a nibble in two lines, the lower parts of both first. */
INLINE void write_tables(int32_t line_quad, int32_t next_quad, uint8_t *out)
{
	const __m256i line = nibble_sums(line_quad), next = nibble_sums(next_quad);
	const __m256i mask = _mm256_set1_epi16((1 << LOW_BITS) - 1);
	const __m256i lower = _mm256_packus_epi16(_mm256_and_si256(line, mask),
						  _mm256_and_si256(next, mask));
	const __m256i upper = _mm256_packus_epi16(_mm256_srli_epi16(line, LOW_BITS),
						  _mm256_srli_epi16(next, LOW_BITS));

	_mm256_store_si256((__m256i *)out, _mm256_permute4x64_epi64(lower, 0xd8));
	_mm256_store_si256((__m256i *)out + 1, _mm256_permute4x64_epi64(upper, 0xd8));
}

static void lay_out(const struct bitnpu_cpu_x *x, uint32_t row, uint32_t column,
		    const int8_t *values, uint32_t count)
{
	/* Columns b, b + 4, b + 8 and b + 12 become a quad. */
	const __m256i quads = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
	uint8_t *out = (uint8_t *)x->data + (size_t)column / (2 * LINE_K) * TABLES;

	for (; count > 0; count -= 2 * LINE_K, values += 2 * LINE_K) {
		int32_t quad[2][NIBBLES] __attribute__((aligned(32)));

		for (int i = 0; i < 2; i++) {
			const __m256i line = _mm256_load_si256((const __m256i *)values + i);

			_mm256_store_si256((__m256i *)quad[i], _mm256_shuffle_epi8(line, quads));
		}
		for (uint32_t b = 0; b < 4; b++) {
			for (uint32_t half = 0; half < NIBBLES; half += NIBBLES / 2, out += 64)
				write_tables(quad[0][b + half], quad[1][b + half], out);
		}
	}
}

/* ---- sums ------------------------------------------------------------------------------------ */

/* rows[b]: byte b of the words of both lines' 16 rows; the lines are the halves of a register. */
INLINE void transpose(const uint8_t *line, const uint8_t *next, __m256i *rows)
{
	const __m256i bytes_together = _mm256_broadcastsi128_si256(
		_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
	__m256i part[4], low[2], high[2];

	BITNPU_UNROLL
	for (int i = 0; i < 4; i++) {
		const __m128i *a = (const __m128i *)line + i, *b = (const __m128i *)next + i;
		/* A load, where inserting a lane is a shuffle. */
		__m256i upper = _mm256_broadcastsi128_si256(_mm_load_si128(b));

		BITNPU_X86_KEEP(upper);
		part[i] = _mm256_shuffle_epi8(
			_mm256_blend_epi32(_mm256_castsi128_si256(_mm_load_si128(a)), upper, 0xf0),
			bytes_together);
	}
	BITNPU_UNROLL
	for (int i = 0; i < 2; i++) {
		low[i] = _mm256_unpacklo_epi32(part[2 * i], part[2 * i + 1]);
		high[i] = _mm256_unpackhi_epi32(part[2 * i], part[2 * i + 1]);
	}
	rows[0] = _mm256_unpacklo_epi64(low[0], low[1]);
	rows[1] = _mm256_unpackhi_epi64(low[0], low[1]);
	rows[2] = _mm256_unpacklo_epi64(high[0], high[1]);
	rows[3] = _mm256_unpackhi_epi64(high[0], high[1]);
}

/* acc += the biased sums of two lines: rows 0 to 7 of both, then rows 8 to 15 */
INLINE void add_pair(__m256i *acc, const uint8_t *line, const uint8_t *next, const uint8_t *tables)
{
	const __m256i mask = _mm256_set1_epi8(15);
	const __m256i *table = (const __m256i *)tables;
	/* Pairs of bytes: the lower once, the upper 1 << LOW_BITS times. */
	const __m256i units = _mm256_set1_epi16(1 | 1 << (8 + LOW_BITS));
	__m256i rows[4], lower = _mm256_setzero_si256(), upper = lower;

	transpose(line, next, rows);
	BITNPU_UNROLL
	for (int b = 0; b < 4; b++, table += 4) {
		const __m256i first = _mm256_and_si256(rows[b], mask);
		const __m256i second = _mm256_and_si256(_mm256_srli_epi16(rows[b], 4), mask);

		lower = _mm256_add_epi8(lower, _mm256_shuffle_epi8(table[0], first));
		upper = _mm256_add_epi8(upper, _mm256_shuffle_epi8(table[1], first));
		lower = _mm256_add_epi8(lower, _mm256_shuffle_epi8(table[2], second));
		upper = _mm256_add_epi8(upper, _mm256_shuffle_epi8(table[3], second));
		BITNPU_X86_KEEP(lower);
		BITNPU_X86_KEEP(upper);
	}
	acc[0] = _mm256_add_epi16(acc[0],
				  _mm256_maddubs_epi16(_mm256_unpacklo_epi8(lower, upper), units));
	acc[1] = _mm256_add_epi16(acc[1],
				  _mm256_maddubs_epi16(_mm256_unpackhi_epi8(lower, upper), units));
}

/* totals[i] += rows 8i to 8i + 7, of both lines */
INLINE void widen(__m256i *totals, const __m256i *acc)
{
	BITNPU_UNROLL
	for (int i = 0; i < 2; i++) {
		const __m128i both = _mm_add_epi16(_mm256_castsi256_si128(acc[i]),
						   _mm256_extracti128_si256(acc[i], 1));

		totals[i] = _mm256_add_epi32(totals[i], _mm256_cvtepu16_epi32(both));
	}
}

/* Where there is no second line x is 0: the first is as good. */
INLINE void row_sums(const uint8_t *w, uint32_t lines, const uint8_t *tables, __m256i *sums)
{
	const uint32_t pairs = (lines + 1) / 2;

	sums[0] = sums[1] = _mm256_set1_epi32(-(int32_t)(pairs * PAIR_BIAS));
	for (uint32_t left = pairs; left > 0;) {
		uint32_t count = left < MOST_PAIRS ? left : MOST_PAIRS;
		__m256i acc[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };

		for (left -= count; count > 0; count--, lines -= 2, tables += TABLES) {
			const uint8_t *ahead = w + AHEAD_LINES * BITNPU_LINE_BYTES;

			_mm_prefetch((const char *)ahead, _MM_HINT_T0);
			_mm_prefetch((const char *)ahead + BITNPU_LINE_BYTES, _MM_HINT_T0);
			add_pair(acc, w, lines > 1 ? w + BITNPU_LINE_BYTES : w, tables);
			w += 2 * BITNPU_LINE_BYTES;
		}
		widen(sums, acc);
	}
}

static const uint8_t *tables_of(const struct bitnpu_cpu_x *x, uint32_t column)
{
	return (const uint8_t *)x->data + (size_t)column / (2 * LINE_K) * TABLES;
}

static void sums_row(const uint8_t *w, uint32_t lines, const struct bitnpu_cpu_x *x,
		     uint32_t column, int32_t (*sums)[BITNPU_TILE_ROWS])
{
	__m256i total[2];

	row_sums(w, lines, tables_of(x, column), total);
	_mm256_storeu_si256((__m256i *)sums[0], total[0]);
	_mm256_storeu_si256((__m256i *)sums[0] + 1, total[1]);
}

static void scaled_row(const struct bitnpu_cpu_scaled *in, const struct bitnpu_cpu_x *x,
		       int64_t (*totals)[BITNPU_TILE_ROWS])
{
	const uint8_t *tables = tables_of(x, in->column), *w = in->w;

	for (uint32_t left = in->lines, group = 0; left > 0; group++) {
		const uint32_t lines = left < in->group ? left : in->group;
		__m256i sums[2];

		row_sums(w, lines, tables, sums);
		bitnpu_avx2_add_scaled(totals[0], in->scales[group], sums, in->x_sums[group], true);
		left -= lines;
		w += (size_t)lines * BITNPU_LINE_BYTES;
		tables += (size_t)lines / 2 * TABLES;
	}
}

const struct bitnpu_cpu_kernel bitnpu_avx2_lookup = {
	"vpshufb", TABLES / (2 * LINE_K), lay_out, sums_row, scaled_row,
};

#endif
