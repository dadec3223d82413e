// SPDX-License-Identifier: MIT
/*
 * The candidates.  All of them multiply unsigned codes w + 1 with int8 activations by vpmaddubsw (the
 * widest byte multiply that AVX2 has; AVX-512 VNNI's vpdpbusd replaces three of its instructions) and
 * subtract the sum of x once.  A product pair is at most 2 * 2 * 128 = 512, so an int16 lane takes 63
 * of them before it is widened.
 */
#include "layouts.h"

#ifndef __x86_64__
#error "the host candidates are written for x86-64"
#endif

#include <errno.h>
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

bool layouts_supported(void)
{
	return __builtin_cpu_supports("avx2");
}

int layout_input_init(struct layout_input *input, const int8_t *x, unsigned int k)
{
	*input = (struct layout_input){ .x = x, .k = k };
	input->pairs = calloc(k / 2, sizeof(*input->pairs));
	if (!input->pairs)
		return -ENOMEM;
	for (unsigned int i = 0; i < k; i++) {
		const unsigned int half = i % 4 / 2;

		input->pairs[i / 4 * 2 + i % 2] |= (uint32_t)(uint16_t)x[i] << (16 * half);
		input->sum += x[i];
	}
	return 0;
}

void layout_input_free(struct layout_input *input)
{
	free(input->pairs);
}

AVX2 uint64_t layout_read(const unsigned char *data, size_t bytes)
{
	__m256i sum = _mm256_setzero_si256(), other = sum;

	for (size_t i = 0; i + 128 <= bytes; i += 128) {
		const __m256i *p = (const __m256i *)(data + i);

		_mm_prefetch((const char *)(data + i + 1024), _MM_HINT_T0);
		_mm_prefetch((const char *)(data + i + 1088), _MM_HINT_T0);
		sum = _mm256_add_epi64(sum, _mm256_add_epi64(_mm256_load_si256(p),
							     _mm256_load_si256(p + 1)));
		other = _mm256_add_epi64(other, _mm256_add_epi64(_mm256_load_si256(p + 2),
								 _mm256_load_si256(p + 3)));
	}
	sum = _mm256_add_epi64(sum, other);
	return (uint64_t)_mm256_extract_epi64(sum, 0) + (uint64_t)_mm256_extract_epi64(sum, 1) +
	       (uint64_t)_mm256_extract_epi64(sum, 2) + (uint64_t)_mm256_extract_epi64(sum, 3);
}

AVX2 static inline __m256i broadcast_quad(const int8_t *x)
{
	int32_t quad;

	memcpy(&quad, x, sizeof(quad));
	return _mm256_set1_epi32(quad);
}

AVX2 static inline __m256i widen(__m256i pairs)
{
	return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

AVX2 static inline void store_rows(int32_t *y, __m256i sums, int32_t correction)
{
	_mm256_storeu_si256((__m256i *)y,
			    _mm256_sub_epi32(sums, _mm256_set1_epi32(correction)));
}

/* ---- 16 rows x 16 k a line, a u32 a row: bits 2s of byte b hold k = 4s + b ------------------ */

static size_t two_bit_bytes(unsigned int n, unsigned int k)
{
	return (size_t)n * k / 4;
}

static void tile16_encode(const int8_t *codes, unsigned int n, unsigned int k, unsigned char *out)
{
	for (size_t row = 0; row < n; row++)
		for (size_t i = 0; i < k; i++) {
			const size_t line = row / 16 * (k / 16) + i / 16;

			out[line * 64 + row % 16 * 4 + i % 4] |=
				(codes[row * k + i] + 1) << (i % 16 / 4 * 2);
		}
}

AVX2 static void tile16_gemv(const unsigned char *w, const struct layout_input *in, unsigned int k,
			     unsigned int first, unsigned int last, int32_t *y)
{
	const __m256i mask = _mm256_set1_epi8(3);

	for (unsigned int row = first; row < last; row += 16) {
		const unsigned char *line = w + (size_t)row * k / 4;
		__m256i sum[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };

		for (unsigned int i = 0; i < k;) {
			__m256i pairs[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
			const unsigned int stop = i + 128 < k ? i + 128 : k;

			for (; i < stop; i += 16, line += 64) {
				__m256i v0 = _mm256_load_si256((const __m256i *)line);
				__m256i v1 = _mm256_load_si256((const __m256i *)(line + 32));

				_mm_prefetch((const char *)line + 1536, _MM_HINT_T0);
				for (unsigned int s = 0; s < 4; s++) {
					const __m256i x = broadcast_quad(in->x + i + 4 * s);

					pairs[0] = _mm256_add_epi16(pairs[0], _mm256_maddubs_epi16(
						_mm256_and_si256(v0, mask), x));
					pairs[1] = _mm256_add_epi16(pairs[1], _mm256_maddubs_epi16(
						_mm256_and_si256(v1, mask), x));
					v0 = _mm256_srli_epi16(v0, 2);
					v1 = _mm256_srli_epi16(v1, 2);
				}
			}
			sum[0] = _mm256_add_epi32(sum[0], widen(pairs[0]));
			sum[1] = _mm256_add_epi32(sum[1], widen(pairs[1]));
		}
		store_rows(y + row, sum[0], in->sum);
		store_rows(y + row + 8, sum[1], in->sum);
	}
}

/* ---- 32 rows x 8 k a line, a u16 a row: bits 2s of byte b hold k = 2s + b ------------------- */

static void tile32_encode(const int8_t *codes, unsigned int n, unsigned int k, unsigned char *out)
{
	for (size_t row = 0; row < n; row++)
		for (size_t i = 0; i < k; i++) {
			const size_t line = row / 32 * (k / 8) + i / 8;

			out[line * 64 + row % 32 * 2 + i % 2] |=
				(codes[row * k + i] + 1) << (i % 8 / 2 * 2);
		}
}

AVX2 static inline __m256i broadcast_pair(const int8_t *x)
{
	int16_t pair;

	memcpy(&pair, x, sizeof(pair));
	return _mm256_set1_epi16(pair);
}

AVX2 static inline void widen_rows(int32_t *y, __m256i pairs)
{
	__m256i low = _mm256_cvtepi16_epi32(_mm256_castsi256_si128(pairs));
	__m256i high = _mm256_cvtepi16_epi32(_mm256_extracti128_si256(pairs, 1));

	_mm256_storeu_si256((__m256i *)y,
			    _mm256_add_epi32(_mm256_loadu_si256((__m256i *)y), low));
	_mm256_storeu_si256((__m256i *)(y + 8),
			    _mm256_add_epi32(_mm256_loadu_si256((__m256i *)(y + 8)), high));
}

AVX2 static void tile32_gemv(const unsigned char *w, const struct layout_input *in, unsigned int k,
			     unsigned int first, unsigned int last, int32_t *y)
{
	const __m256i mask = _mm256_set1_epi8(3);

	for (unsigned int row = first; row < last; row += 32) {
		const unsigned char *line = w + (size_t)row * k / 4;

		for (unsigned int r = row; r < row + 32; r++)
			y[r] = -in->sum;
		for (unsigned int i = 0; i < k;) {
			__m256i pairs[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
			const unsigned int stop = i + 64 < k ? i + 64 : k;

			for (; i < stop; i += 8, line += 64) {
				__m256i v0 = _mm256_load_si256((const __m256i *)line);
				__m256i v1 = _mm256_load_si256((const __m256i *)(line + 32));

				_mm_prefetch((const char *)line + 1536, _MM_HINT_T0);
				for (unsigned int s = 0; s < 4; s++) {
					const __m256i x = broadcast_pair(in->x + i + 2 * s);

					pairs[0] = _mm256_add_epi16(pairs[0], _mm256_maddubs_epi16(
						_mm256_and_si256(v0, mask), x));
					pairs[1] = _mm256_add_epi16(pairs[1], _mm256_maddubs_epi16(
						_mm256_and_si256(v1, mask), x));
					v0 = _mm256_srli_epi16(v0, 2);
					v1 = _mm256_srli_epi16(v1, 2);
				}
			}
			widen_rows(y + row, pairs[0]);
			widen_rows(y + row + 16, pairs[1]);
		}
	}
}

/* ---- a row at a time, 128 k in 32 bytes: bits 6 - 2s of byte b hold k = 32s + b (as I2_S) --- */

static void rows_encode(const int8_t *codes, unsigned int n, unsigned int k, unsigned char *out)
{
	for (size_t row = 0; row < n; row++)
		for (size_t i = 0; i < k; i++)
			out[row * k / 4 + i / 128 * 32 + i % 32] |=
				(codes[row * k + i] + 1) << (6 - i % 128 / 32 * 2);
}

AVX2 static inline int32_t horizontal_sum(__m256i v)
{
	__m128i sum = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

	sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4e));
	sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
	return _mm_cvtsi128_si32(sum);
}

/* Four rows share each load of x. */
AVX2 static void rows_gemv(const unsigned char *w, const struct layout_input *in, unsigned int k,
			   unsigned int first, unsigned int last, int32_t *y)
{
	const __m256i mask = _mm256_set1_epi8(3);

	for (unsigned int row = first; row < last; row += 4) {
		const unsigned char *p = w + (size_t)row * k / 4;
		__m256i sum[4] = { _mm256_setzero_si256(), _mm256_setzero_si256(),
				   _mm256_setzero_si256(), _mm256_setzero_si256() };

		for (unsigned int i = 0; i < k; i += 128, p += 32) {
			const __m256i *x = (const __m256i *)(in->x + i);

			for (unsigned int r = 0; r < 4; r++) {
				const unsigned char *q = p + (size_t)r * k / 4;
				const __m256i v = _mm256_load_si256((const __m256i *)q);
				__m256i pairs = _mm256_setzero_si256();

				_mm_prefetch((const char *)q + 1536, _MM_HINT_T0);
				for (unsigned int s = 0; s < 4; s++)
					pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(
						_mm256_and_si256(_mm256_srli_epi16(v, 6 - 2 * s),
								 mask),
						_mm256_load_si256(x + s)));
				sum[r] = _mm256_add_epi32(sum[r], widen(pairs));
			}
		}
		for (unsigned int r = 0; r < 4; r++)
			y[row + r] = horizontal_sum(sum[r]) - in->sum;
	}
}

/* ---- 16 rows x 20 k a line, five trits a byte: digit s of byte b holds k = 4s + b ----------- */

static size_t trits_bytes(unsigned int n, unsigned int k)
{
	return (size_t)n * k / 5;
}

/*
 * The byte is the value of the digits, most significant first, as a fraction of 243 scaled to 256
 * and rounded up: multiplying by 3 then carries the next digit out of the byte (the trick of ggml's
 * TQ1_0).
 */
static void trits_encode(const int8_t *codes, unsigned int n, unsigned int k, unsigned char *out)
{
	for (size_t row = 0; row < n; row++)
		for (size_t i = 0; i < k; i += 20)
			for (size_t b = 0; b < 4; b++) {
				unsigned int value = 0;

				for (size_t s = 0; s < 5; s++)
					value = value * 3 + codes[row * k + i + 4 * s + b] + 1;
				out[(row / 16 * (k / 20) + i / 20) * 64 + row % 16 * 4 + b] =
					(value * 256 + 242) / 243;
			}
}

AVX2 static inline __m256i at_least(__m256i v, unsigned char limit)
{
	return _mm256_cmpeq_epi8(_mm256_max_epu8(v, _mm256_set1_epi8((char)limit)), v);
}

/* The digit is the carry of 3 * v: 1 from 86 on, 2 from 171 on. */
AVX2 static inline __m256i next_trit(__m256i *v)
{
	const __m256i digit = _mm256_sub_epi8(_mm256_setzero_si256(),
					      _mm256_add_epi8(at_least(*v, 86), at_least(*v, 171)));

	*v = _mm256_add_epi8(*v, _mm256_add_epi8(*v, *v));
	return digit;
}

AVX2 static void trits_gemv(const unsigned char *w, const struct layout_input *in, unsigned int k,
			    unsigned int first, unsigned int last, int32_t *y)
{
	for (unsigned int row = first; row < last; row += 16) {
		const unsigned char *line = w + (size_t)row * k / 5;
		__m256i sum[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };

		for (unsigned int i = 0; i < k;) {
			__m256i pairs[2] = { _mm256_setzero_si256(), _mm256_setzero_si256() };
			const unsigned int stop = i + 160 < k ? i + 160 : k;

			for (; i < stop; i += 20, line += 64) {
				__m256i v0 = _mm256_load_si256((const __m256i *)line);
				__m256i v1 = _mm256_load_si256((const __m256i *)(line + 32));

				_mm_prefetch((const char *)line + 1536, _MM_HINT_T0);
				for (unsigned int s = 0; s < 5; s++) {
					const __m256i x = broadcast_quad(in->x + i + 4 * s);

					pairs[0] = _mm256_add_epi16(pairs[0],
						_mm256_maddubs_epi16(next_trit(&v0), x));
					pairs[1] = _mm256_add_epi16(pairs[1],
						_mm256_maddubs_epi16(next_trit(&v1), x));
				}
			}
			sum[0] = _mm256_add_epi32(sum[0], widen(pairs[0]));
			sum[1] = _mm256_add_epi32(sum[1], widen(pairs[1]));
		}
		store_rows(y + row, sum[0], in->sum);
		store_rows(y + row + 8, sum[1], in->sum);
	}
}

const struct layout layouts[] = {
	{ "16 rows x 16 k, u32 a row", 2.0, "tile16", 16,
	  two_bit_bytes, tile16_encode, tile16_gemv },
	{ "32 rows x 8 k, u16 a row", 2.0, "tile32", 32,
	  two_bit_bytes, tile32_encode, tile32_gemv },
	{ "row-major, 128 k in 32 bytes", 2.0, "rows", 16,
	  two_bit_bytes, rows_encode, rows_gemv },
	{ "16 rows x 20 k, 5 trits a byte", 1.6, "trits", 16,
	  trits_bytes, trits_encode, trits_gemv },
};

const unsigned int layout_count = sizeof(layouts) / sizeof(layouts[0]);
