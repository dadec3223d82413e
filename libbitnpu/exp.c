// SPDX-License-Identifier: MIT
/* Exponential and softmax in single precision. */
#include <math.h>

#include "half.h"
#include "hostops.h"
#include "lanes.h"

/*
 * e^x = 2^n * e^r with n = round(x / ln 2), |r| <= ln(2) / 2.  ln 2 is split as in Cody and Waite
 * (Software Manual for the Elementary Functions, 1980): the high part has 9 bits, so n * high is
 * exact.  e^r is its Taylor series to r^7; the first term left out is below 6e-9, a tenth of a
 * last place.  2^n is applied in two exact factors, so that a subnormal result is rounded once.
 */
static inline float exp_inline(float x)
{
	const float ln2_high = 0x1.63p-1f, ln2_low = -0x1.bd0106p-13f;
	/* Out of range: any exponent there gives 0 or infinity; keeps n in range.  NaN passes. */
	float c = x < -104.0f ? -104.0f : x;
	float n, r, p, y;
	int32_t k, half;

	c = c > 89.0f ? 89.0f : c;
	n = c * 0x1.715476p0f + 0x1.8p23f - 0x1.8p23f;
	r = c - n * ln2_high - n * ln2_low;
	p = 0x1.a01a02p-13f;			/* 1 / 7! */
	p = p * r + 0x1.6c16c2p-10f;		/* 1 / 6! */
	p = p * r + 0x1.111112p-7f;		/* 1 / 5! */
	p = p * r + 0x1.555556p-5f;		/* 1 / 4! */
	p = p * r + 0x1.555556p-3f;		/* 1 / 3! */
	p = p * r + 0.5f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	/* A NaN has no integer: it takes exponent 0 and survives in p. */
	k = (int32_t)(n == n ? n : 0.0f);
	half = k >> 1;
	y = p * bitnpu_float_of_bits((uint32_t)(half + 127) << 23);
	return y * bitnpu_float_of_bits((uint32_t)(k - half + 127) << 23);
}

float bitnpu_exp(float x)
{
	return exp_inline(x);
}

/* NaNs are passed over. */
static float maximum(const float *x, size_t n)
{
	float lanes[BITNPU_LANES];
	float max = -INFINITY;
	size_t i = 0;

	for (int j = 0; j < BITNPU_LANES; j++)
		lanes[j] = -INFINITY;
	for (; i + BITNPU_LANES <= n; i += BITNPU_LANES)
		for (int j = 0; j < BITNPU_LANES; j++)
			lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
	for (; i < n; i++)
		max = x[i] > max ? x[i] : max;
	for (int j = 0; j < BITNPU_LANES; j++)
		max = lanes[j] > max ? lanes[j] : max;
	return max;
}

void bitnpu_softmax(float *x, size_t n)
{
	float max = maximum(x, n);
	float acc[BITNPU_LANES] = { 0 };
	float sum;
	size_t i = 0;

	for (; i + BITNPU_LANES <= n; i += BITNPU_LANES) {
		for (int j = 0; j < BITNPU_LANES; j++) {
			float e = exp_inline(x[i + j] - max);

			x[i + j] = e;
			acc[j] += e;
		}
	}
	for (int j = 0; i + j < n; j++) {
		float e = exp_inline(x[i + j] - max);

		x[i + j] = e;
		acc[j] += e;
	}
	sum = bitnpu_lanes_sum(acc);
	for (i = 0; i < n; i++)
		x[i] = x[i] / sum;
}
