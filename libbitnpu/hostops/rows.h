/* SPDX-License-Identifier: MIT */
/*
 * Row-wise float operations between matmuls: norms, activation quantization (BitNet b1.58,
 * arXiv:2402.17764 section 2), conversion of exact sums, squared-ReLU gate, rotation, halves.
 */
#ifndef BITNPU_HOSTOPS_ROWS_H
#define BITNPU_HOSTOPS_ROWS_H

#include <math.h>
#include <stdbool.h>

#include "vector.h"

/* An accumulator starts at +0, so the products of the padding, +0, change no bit. */
static float dot(const float *a, const float *b, size_t n)
{
	struct lanes acc = { 0 };
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		lanes_mul_add(&acc, lanes_load(a + i), lanes_load(b + i));
	if (i < n)
		lanes_mul_add(&acc, lanes_load_part(a + i, n - i, 0.0f),
			      lanes_load_part(b + i, n - i, 0.0f));
	return lanes_sum(acc);
}

static float norm_factor(const float *x, size_t n, float eps)
{
	return 1.0f / sqrtf(dot(x, x, n) / (float)n + eps);
}

static void rms_norm(const float *x, const float *weight, size_t n, float eps, float *out)
{
	float r = norm_factor(x, n, eps);
	vf rs = vf_splat(r);
	size_t i = 0;

	for (; i + W <= n; i += W)
		vf_store(out + i, vf_load(x + i) * rs * vf_load(weight + i));
	for (; i < n; i++)
		out[i] = x[i] * r * weight[i];
}

#define BITS_FLT_MAX	0x7f7fffff
#define BITS_INFINITY	0x7f800000

/* Bits of |x|, which order like the floats they stand for; NaN counts as 0, infinity as FLT_MAX. */
static inline vi magnitude_bits(vf x)
{
	vi u = (vi)x & 0x7fffffff;

	u &= ~(u > BITS_INFINITY);
	return u - ((u == BITS_INFINITY) & 1);
}

static inline float largest(vi magnitudes)
{
	int32_t all = 0;

	for (int j = 0; j < W; j++)
		all = magnitudes[j] > all ? magnitudes[j] : all;
	return bitnpu_float_of_bits((uint32_t)all);
}

static inline vi quantize_vector(vf x, vf inverse)
{
	vf clean = (vf)(magnitude_bits(x) | ((vi)x & INT32_MIN));
	/* |product| < 2^22: adding 1.5 * 2^23 rounds it to an integer, ties to even. */
	vf r = clean * inverse + 0x1.8p23f - 0x1.8p23f;
	vi v = __builtin_convertvector(r, vi);
	vi low = vi_splat(-128), high = vi_splat(127);

	v = vi_select(v < low, low, v);
	return vi_select(v > high, high, v);
}

/* @n <= W values in [-128, 127] */
static inline void store_bytes(int8_t *q, vi v, size_t n)
{
	/* Bytes 0, 4, 8, ... are the low ones of two's complement. */
	for (size_t j = 0; j < n; j++)
		q[j] = (int8_t)v[j];
}

#if W == 8
/* The packing instructions saturate, which these values never need, and work in halves of 128 bits. */
static inline void store_vector_bytes(int8_t *q, vi v)
{
	__m256i words = _mm256_packs_epi32((__m256i)v, (__m256i)v);
	__m256i bytes = _mm256_packs_epi16(words, words);
	int32_t low = _mm256_extract_epi32(bytes, 0), high = _mm256_extract_epi32(bytes, 4);

	memcpy(q, &low, sizeof(low));
	memcpy(q + 4, &high, sizeof(high));
}
#elif W == 16
static inline void store_vector_bytes(int8_t *q, vi v)
{
	_mm_storeu_si128((__m128i *)q, _mm512_cvtepi32_epi8((__m512i)v));
}
#else
static inline void store_vector_bytes(int8_t *q, vi v)
{
	store_bytes(q, v, W);
}
#endif

/* What a row is quantized with: its largest magnitude, and what that is not below. */
static inline float range_of(float max)
{
	return max > 1e-5f ? max : 1e-5f;
}

static float quantize_row(const float *x, size_t n, int8_t *q)
{
	vi max = { 0 }, u;
	float range;
	vf inverse;
	size_t i;

	for (i = 0; i < n; i += W) {
		u = magnitude_bits(i + W <= n ? vf_load(x + i) : vf_load_part(x + i, n - i));
		max = vi_select(u > max, u, max);
	}
	range = range_of(largest(max));
	inverse = vf_splat(127.0f / range);
	for (i = 0; i + W <= n; i += W)
		store_vector_bytes(q + i, quantize_vector(vf_load(x + i), inverse));
	if (i < n)
		store_bytes(q + i, quantize_vector(vf_load_part(x + i, n - i), inverse), n - i);
	return range / 127.0f;
}

/* The normed values are computed twice: that is less than storing and loading them. */
static float norm_quantize(const float *x, const float *weight, size_t n, float eps, int8_t *q)
{
	vf r = vf_splat(norm_factor(x, n, eps)), inverse;
	vi max = { 0 }, u;
	float range;
	size_t i;

	for (i = 0; i < n; i += W) {
		vf normed = i + W <= n ? vf_load(x + i) * r * vf_load(weight + i) :
					 vf_load_part(x + i, n - i) * r *
						 vf_load_part(weight + i, n - i);

		u = magnitude_bits(normed);
		max = vi_select(u > max, u, max);
	}
	range = range_of(largest(max));
	inverse = vf_splat(127.0f / range);
	for (i = 0; i + W <= n; i += W)
		store_vector_bytes(q + i, quantize_vector(vf_load(x + i) * r * vf_load(weight + i),
							  inverse));
	if (i < n)
		store_bytes(q + i, quantize_vector(vf_load_part(x + i, n - i) * r *
						   vf_load_part(weight + i, n - i), inverse), n - i);
	return range / 127.0f;
}

static inline vf floats_of_i32(const int32_t *y)
{
	vi v;

	memcpy(&v, y, sizeof(v));
	return __builtin_convertvector(v, vf);
}

static void scale_i32(const int32_t *y, size_t n, const float *row_scale, size_t row_scale_count,
		      float x_scale, float *out)
{
	bool per_row = row_scale && row_scale_count > 1;
	float scale = row_scale && !per_row ? x_scale * row_scale[0] : x_scale;
	vf scales = vf_splat(scale);
	size_t i = 0;

	for (; i + W <= n; i += W) {
		vf s = per_row ? scales * vf_load(row_scale + i) : scales;

		vf_store(out + i, floats_of_i32(y + i) * s);
	}
	for (; i < n; i++)
		out[i] = (float)y[i] * (per_row ? scale * row_scale[i] : scale);
}

static void scale_i64(const int64_t *y, size_t n, const float *row_scale, size_t row_scale_count,
		      float x_scale, float *out)
{
	bool per_row = row_scale && row_scale_count > 1;
	float scale = row_scale && !per_row ? x_scale * row_scale[0] : x_scale;

	for (size_t i = 0; i < n; i++)
		out[i] = (float)y[i] * 0x1p-24f * (per_row ? scale * row_scale[i] : scale);
}

static inline vu sums_at(const int32_t *y, size_t i)
{
	vu v;

	memcpy(&v, y + i, sizeof(v));
	return v;
}

/*
 * v = 32 (a + 1) + 8 (b + 1) + 2 (c + 1) + (d + 1) / 2 - 64 with the slices' weights, so
 * 2 v = 64 a + 16 b + 4 c + d - 43.  Modulo 2^32, into which twice the sum fits.
 */
static void sum_int7(const int32_t *const y[4], size_t n, int32_t x_sum, int32_t *out)
{
	const uint32_t bias = 43 * (uint32_t)x_sum;
	size_t i = 0;

	for (; i + W <= n; i += W) {
		vu twice = (sums_at(y[0], i) << 6) + (sums_at(y[1], i) << 4) +
			   (sums_at(y[2], i) << 2) + sums_at(y[3], i) - bias;
		vi sum = (vi)twice >> 1;

		memcpy(out + i, &sum, sizeof(sum));
	}
	for (; i < n; i++)
		out[i] = (int32_t)(64 * (uint32_t)y[0][i] + 16 * (uint32_t)y[1][i] +
				   4 * (uint32_t)y[2][i] + (uint32_t)y[3][i] - bias) >> 1;
}

static void add(float *x, const float *y, size_t n)
{
	size_t i = 0;

	for (; i + W <= n; i += W)
		vf_store(x + i, vf_load(x + i) + vf_load(y + i));
	for (; i < n; i++)
		x[i] += y[i];
}

static inline vf relu2_gate_vector(vf gate, vf up)
{
	vf zero = { 0 };
	vf g = vf_select(gate > zero, gate, zero);

	return g * g * up;
}

static void relu2_gate(const float *gate, const float *up, size_t n, float *out)
{
	size_t i = 0;

	for (; i + W <= n; i += W)
		vf_store(out + i, relu2_gate_vector(vf_load(gate + i), vf_load(up + i)));
	if (i < n)
		vf_store_part(out + i, relu2_gate_vector(vf_load_part(gate + i, n - i),
							 vf_load_part(up + i, n - i)), n - i);
}

/* a and b are rotated: (a * cos - b * sin, a * sin + b * cos) */
static inline void rotate(float *a, float *b, uint32_t n, const float *cosine, const float *sine)
{
	uint32_t i = 0;

	for (; i + W <= n; i += W) {
		vf as = vf_load(a + i), bs = vf_load(b + i);
		vf c = vf_load(cosine + i), s = vf_load(sine + i);

		vf_store(a + i, as * c - bs * s);
		vf_store(b + i, as * s + bs * c);
	}
	for (; i < n; i++) {
		float a_i = a[i], b_i = b[i];

		a[i] = a_i * cosine[i] - b_i * sine[i];
		b[i] = a_i * sine[i] + b_i * cosine[i];
	}
}

static void rope(float *x, uint32_t heads, uint32_t head_dim, const float *table)
{
	uint32_t half = head_dim / 2;

	for (uint32_t h = 0; h < heads; h++, x += head_dim)
		rotate(x, x + half, half, table, table + half);
}

static void to_halves(const float *x, size_t n, uint16_t *out)
{
	size_t i = 0;

	for (; i + W <= n; i += W)
		vf_round(out + i, vf_load(x + i));
	for (; i < n; i++)
		out[i] = bitnpu_half_round(x[i]);
}

#endif /* BITNPU_HOSTOPS_ROWS_H */
