// SPDX-License-Identifier: MIT
/*
 * Row-wise float operations between matmuls: norms, activation quantization (BitNet b1.58,
 * arXiv:2402.17764 section 2), conversion of exact sums, squared-ReLU gate.
 */
#include <math.h>
#include <stdbool.h>

#include "half.h"
#include "hostops.h"
#include "lanes.h"

/* An accumulator starts at +0, so the products of the padding, +0, change no bit. */
float bitnpu_dot(const float *a, const float *b, size_t n)
{
	struct bitnpu_lanes acc = { 0 };
	size_t i = 0;

	for (; i + BITNPU_LANES <= n; i += BITNPU_LANES)
		bitnpu_lanes_mul_add(&acc, bitnpu_lanes_load(a + i), bitnpu_lanes_load(b + i));
	if (i < n)
		bitnpu_lanes_mul_add(&acc, bitnpu_lanes_load_part(a + i, n - i, 0.0f),
				     bitnpu_lanes_load_part(b + i, n - i, 0.0f));
	return bitnpu_lanes_sum(acc);
}

void bitnpu_rms_norm(const float *x, const float *weight, size_t n, float eps, float *out)
{
	float r = 1.0f / sqrtf(bitnpu_dot(x, x, n) / (float)n + eps);
	bitnpu_v4f r4 = bitnpu_v4f_splat(r);
	size_t i = 0;

	for (; i + 4 <= n; i += 4)
		bitnpu_v4f_store(out + i,
				 bitnpu_v4f_load(x + i) * r4 * bitnpu_v4f_load(weight + i));
	for (; i < n; i++)
		out[i] = x[i] * r * weight[i];
}

#define BITS_FLT_MAX	0x7f7fffff
#define BITS_INFINITY	0x7f800000

/* Bits of |x|, which order like the floats they stand for; NaN counts as 0, infinity as FLT_MAX. */
static inline bitnpu_v4i magnitude_bits(bitnpu_v4f x)
{
	bitnpu_v4i u = (bitnpu_v4i)x & 0x7fffffff;

	u &= ~(u > BITS_INFINITY);
	return u - ((u == BITS_INFINITY) & 1);
}

static float absmax(const float *x, size_t n)
{
	bitnpu_v4i max = { 0 }, u;
	int32_t all = 0;

	for (size_t i = 0; i < n; i += 4) {
		u = magnitude_bits(i + 4 <= n ? bitnpu_v4f_load(x + i) :
						bitnpu_v4f_load_part(x + i, n - i));
		max = bitnpu_v4i_select(u > max, u, max);
	}
	for (int j = 0; j < 4; j++)
		all = max[j] > all ? max[j] : all;
	return bitnpu_float_of_bits((uint32_t)all);
}

static inline bitnpu_v4i quantize4(bitnpu_v4f x, bitnpu_v4f inverse)
{
	bitnpu_v4f clean = (bitnpu_v4f)(magnitude_bits(x) | ((bitnpu_v4i)x & INT32_MIN));
	/* |product| < 2^22: adding 1.5 * 2^23 rounds it to an integer, ties to even. */
	bitnpu_v4f r = clean * inverse + 0x1.8p23f - 0x1.8p23f;
	bitnpu_v4i v = __builtin_convertvector(r, bitnpu_v4i);
	bitnpu_v4i low = { -128, -128, -128, -128 }, high = { 127, 127, 127, 127 };

	v = bitnpu_v4i_select(v < low, low, v);
	return bitnpu_v4i_select(v > high, high, v);
}

float bitnpu_quantize_row(const float *x, size_t n, int8_t *q)
{
	float max = absmax(x, n);
	bitnpu_v4f inverse;

	max = max > 1e-5f ? max : 1e-5f;
	inverse = bitnpu_v4f_splat(127.0f / max);
	for (size_t i = 0; i < n; i += 4) {
		size_t count = n - i < 4 ? n - i : 4;
		bitnpu_v4i v = quantize4(count == 4 ? bitnpu_v4f_load(x + i) :
						      bitnpu_v4f_load_part(x + i, count),
					 inverse);

		for (size_t j = 0; j < count; j++)
			q[i + j] = (int8_t)v[j];
	}
	return max / 127.0f;
}

static inline bitnpu_v4f floats_of_i32(const int32_t *y)
{
	bitnpu_v4i v;

	memcpy(&v, y, sizeof(v));
	return __builtin_convertvector(v, bitnpu_v4f);
}

void bitnpu_scale_i32(const int32_t *y, size_t n, const float *row_scale, size_t row_scale_count,
		      float x_scale, float *out)
{
	bool per_row = row_scale && row_scale_count > 1;
	float scale = row_scale && !per_row ? x_scale * row_scale[0] : x_scale;
	bitnpu_v4f scale4 = bitnpu_v4f_splat(scale);
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		bitnpu_v4f s = per_row ? scale4 * bitnpu_v4f_load(row_scale + i) : scale4;

		bitnpu_v4f_store(out + i, floats_of_i32(y + i) * s);
	}
	for (; i < n; i++)
		out[i] = (float)y[i] * (per_row ? scale * row_scale[i] : scale);
}

void bitnpu_scale_i64(const int64_t *y, size_t n, const float *row_scale, size_t row_scale_count,
		      float x_scale, float *out)
{
	bool per_row = row_scale && row_scale_count > 1;
	float scale = row_scale && !per_row ? x_scale * row_scale[0] : x_scale;

	for (size_t i = 0; i < n; i++)
		out[i] = (float)y[i] * 0x1p-24f * (per_row ? scale * row_scale[i] : scale);
}

void bitnpu_add(float *x, const float *y, size_t n)
{
	size_t i = 0;

	for (; i + 4 <= n; i += 4)
		bitnpu_v4f_store(x + i, bitnpu_v4f_load(x + i) + bitnpu_v4f_load(y + i));
	for (; i < n; i++)
		x[i] += y[i];
}

static inline bitnpu_v4f relu2_gate4(bitnpu_v4f gate, bitnpu_v4f up)
{
	bitnpu_v4f zero = { 0 };
	bitnpu_v4f g = bitnpu_v4f_select(gate > zero, gate, zero);

	return g * g * up;
}

void bitnpu_relu2_gate(const float *gate, const float *up, size_t n, float *out)
{
	size_t i = 0;

	for (; i + 4 <= n; i += 4)
		bitnpu_v4f_store(out + i, relu2_gate4(bitnpu_v4f_load(gate + i),
						      bitnpu_v4f_load(up + i)));
	if (i < n)
		bitnpu_v4f_store_part(out + i,
				      relu2_gate4(bitnpu_v4f_load_part(gate + i, n - i),
						  bitnpu_v4f_load_part(up + i, n - i)),
				      n - i);
}
