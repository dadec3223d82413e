// SPDX-License-Identifier: MIT
/*
 * Row-wise float operations between matmuls: norms, activation quantization (BitNet b1.58,
 * arXiv:2402.17764 section 2), conversion of exact sums, squared-ReLU gate.
 */
#include <math.h>

#include "half.h"
#include "hostops.h"
#include "lanes.h"

float bitnpu_dot(const float *a, const float *b, size_t n)
{
	float acc[BITNPU_LANES] = { 0 };
	size_t i = 0;

	for (; i + BITNPU_LANES <= n; i += BITNPU_LANES)
		for (int j = 0; j < BITNPU_LANES; j++)
			acc[j] += a[i + j] * b[i + j];
	for (int j = 0; i + j < n; j++)
		acc[j] += a[i + j] * b[i + j];
	return bitnpu_lanes_sum(acc);
}

void bitnpu_rms_norm(const float *x, const float *weight, size_t n, float eps, float *out)
{
	float r = 1.0f / sqrtf(bitnpu_dot(x, x, n) / (float)n + eps);

	for (size_t i = 0; i < n; i++)
		out[i] = x[i] * r * weight[i];
}

#define BITS_FLT_MAX	0x7f7fffff
#define BITS_INFINITY	0x7f800000

/* Bits of |x|, which order like the floats they stand for; NaN counts as 0, infinity as FLT_MAX. */
static inline int32_t magnitude_bits(float x)
{
	int32_t u = (int32_t)(bitnpu_bits_of_float(x) & 0x7fffffff);

	u = u > BITS_INFINITY ? 0 : u;
	return u > BITS_FLT_MAX ? BITS_FLT_MAX : u;
}

static float absmax(const float *x, size_t n)
{
	int32_t lanes[BITNPU_LANES] = { 0 };
	int32_t max = 0;
	size_t i = 0;

	for (; i + BITNPU_LANES <= n; i += BITNPU_LANES) {
		for (int j = 0; j < BITNPU_LANES; j++) {
			int32_t u = magnitude_bits(x[i + j]);

			lanes[j] = u > lanes[j] ? u : lanes[j];
		}
	}
	for (; i < n; i++) {
		int32_t u = magnitude_bits(x[i]);

		max = u > max ? u : max;
	}
	for (int j = 0; j < BITNPU_LANES; j++)
		max = lanes[j] > max ? lanes[j] : max;
	return bitnpu_float_of_bits((uint32_t)max);
}

float bitnpu_quantize_row(const float *x, size_t n, int8_t *q)
{
	float max = absmax(x, n);
	float inverse;

	max = max > 1e-5f ? max : 1e-5f;
	inverse = 127.0f / max;
	for (size_t i = 0; i < n; i++) {
		uint32_t sign = bitnpu_bits_of_float(x[i]) & 0x80000000;
		float clean = bitnpu_float_of_bits((uint32_t)magnitude_bits(x[i]) | sign);
		/* |product| < 2^22: adding 1.5 * 2^23 rounds it to an integer, ties to even. */
		float r = clean * inverse + 0x1.8p23f - 0x1.8p23f;
		int32_t v = (int32_t)r;

		v = v < -128 ? -128 : v;
		q[i] = (int8_t)(v > 127 ? 127 : v);
	}
	return max / 127.0f;
}

void bitnpu_scale_i32(const int32_t *y, size_t n, const float *row_scale, size_t row_scale_count,
		      float x_scale, float *out)
{
	if (row_scale && row_scale_count > 1) {
		for (size_t i = 0; i < n; i++)
			out[i] = (float)y[i] * (x_scale * row_scale[i]);
	} else {
		float scale = row_scale ? x_scale * row_scale[0] : x_scale;

		for (size_t i = 0; i < n; i++)
			out[i] = (float)y[i] * scale;
	}
}

void bitnpu_scale_i64(const int64_t *y, size_t n, const float *row_scale, size_t row_scale_count,
		      float x_scale, float *out)
{
	for (size_t i = 0; i < n; i++) {
		float scale = row_scale ? x_scale * row_scale[row_scale_count > 1 ? i : 0] : x_scale;

		out[i] = (float)y[i] * 0x1p-24f * scale;
	}
}

void bitnpu_add(float *x, const float *y, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] += y[i];
}

void bitnpu_relu2_gate(const float *gate, const float *up, size_t n, float *out)
{
	for (size_t i = 0; i < n; i++) {
		float g = gate[i] > 0.0f ? gate[i] : 0.0f;

		out[i] = g * g * up[i];
	}
}
