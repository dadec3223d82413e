// SPDX-License-Identifier: MIT
#include <math.h>

#include "libbitnpu/hostops.h"
#include "plain_ops.h"

static float plain_tree(float *acc)
{
	for (int width = 8; width > 0; width /= 2)
		for (int i = 0; i < width; i++)
			acc[i] = acc[i] + acc[i + width];
	return acc[0];
}

float plain_dot(const float *a, const float *b, size_t n)
{
	float acc[16] = { 0 };

	for (size_t i = 0; i < n; i++)
		acc[i % 16] = fmaf(a[i], b[i], acc[i % 16]);
	return plain_tree(acc);
}

void plain_softmax(float *x, size_t n)
{
	float max = -INFINITY, acc[16] = { 0 }, sum;

	for (size_t i = 0; i < n; i++)
		max = x[i] > max ? x[i] : max;
	for (size_t i = 0; i < n; i++) {
		x[i] = bitnpu_hostops()->exp(x[i] - max);
		acc[i % 16] = acc[i % 16] + x[i];
	}
	sum = plain_tree(acc);
	for (size_t i = 0; i < n; i++)
		x[i] = x[i] / sum;
}

float plain_quantize(const float *x, size_t n, int8_t *q)
{
	float max = 1e-5f, inverse;

	for (size_t i = 0; i < n; i++) {
		float a = isnan(x[i]) ? 0.0f : isinf(x[i]) ? 0x1.fffffep127f : fabsf(x[i]);

		max = a > max ? a : max;
	}
	inverse = 127.0f / max;
	for (size_t i = 0; i < n; i++) {
		float a = isnan(x[i]) ? 0.0f : isinf(x[i]) ? copysignf(0x1.fffffep127f, x[i]) : x[i];
		float r = rintf(a * inverse);

		q[i] = (int8_t)(r < -128.0f ? -128.0f : r > 127.0f ? 127.0f : r);
	}
	return max / 127.0f;
}

void plain_attention(const float *q, const uint16_t *k, const uint16_t *v, size_t stride,
		     uint32_t head_dim, uint32_t n, float *scores, float *out)
{
	float scale = 1.0f / sqrtf((float)head_dim), row[BITNPU_MAX_HEAD_DIM];

	for (uint32_t t = 0; t < n; t++) {
		for (uint32_t d = 0; d < head_dim; d++)
			row[d] = bitnpu_from_half(k[t * stride + d]);
		scores[t] = plain_dot(q, row, head_dim) * scale;
	}
	plain_softmax(scores, n);
	for (uint32_t d = 0; d < head_dim; d++) {
		float acc[16] = { 0 };

		for (uint32_t t = 0; t < n; t++)
			acc[t % 16] = fmaf(scores[t], bitnpu_from_half(v[t * stride + d]),
					   acc[t % 16]);
		out[d] = plain_tree(acc);
	}
}

void plain_rms_norm(const float *x, const float *weight, size_t n, float eps, float *out)
{
	float r = 1.0f / sqrtf(plain_dot(x, x, n) / (float)n + eps);

	for (size_t i = 0; i < n; i++)
		out[i] = x[i] * r * weight[i];
}
