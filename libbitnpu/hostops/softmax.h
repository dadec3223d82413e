/* SPDX-License-Identifier: MIT */
/* Exponential and softmax in single precision. */
#ifndef BITNPU_HOSTOPS_SOFTMAX_H
#define BITNPU_HOSTOPS_SOFTMAX_H

#include <math.h>

#include "vector.h"

/*
 * e^x = 2^n * e^r with n = round(x / ln 2), |r| <= ln(2) / 2.  ln 2 is split as in Cody and Waite
 * (Software Manual for the Elementary Functions, 1980): the high part has 9 bits, so n * high is
 * exact.  e^r is its Taylor series to r^7; the first term left out is below 6e-9, a tenth of a
 * last place.  2^n is applied in two exact factors, so that a subnormal result is rounded once.
 */
static inline vf exp_vector(vf x)
{
	const float ln2_high = 0x1.63p-1f, ln2_low = -0x1.bd0106p-13f;
	/* Beyond these bounds the result is 0 or infinity anyway; n stays in range.  NaN passes. */
	vf low = vf_splat(-104.0f), high = vf_splat(89.0f);
	vf c, n, r, p;
	vi k, half;

	c = vf_select(x < low, low, x);
	c = vf_select(c > high, high, c);
	n = c * 0x1.715476p0f + 0x1.8p23f - 0x1.8p23f;
	r = c - n * ln2_high - n * ln2_low;
	p = r * 0x1.a01a02p-13f + 0x1.6c16c2p-10f;	/* 1 / 7!, 1 / 6! */
	p = p * r + 0x1.111112p-7f;			/* 1 / 5! */
	p = p * r + 0x1.555556p-5f;			/* 1 / 4! */
	p = p * r + 0x1.555556p-3f;			/* 1 / 3! */
	p = p * r + 0.5f;
	p = p * r + 1.0f;
	p = p * r + 1.0f;
	/* Only a NaN is not below: it has no integer, takes exponent 0 and survives in p. */
	k = __builtin_convertvector((vf)((vi)n & (n < 1000.0f)), vi);
	half = k >> 1;
	p *= (vf)((half + 127) << 23);
	return p * (vf)((k - half + 127) << 23);
}

static float exp_one(float x)
{
	return exp_vector(vf_splat(x))[0];
}

/* NaNs are passed over. */
static float maximum(const float *x, size_t n)
{
	vf lanes = vf_splat(-INFINITY);
	float max = -INFINITY;
	size_t i = 0;

	for (; i + W <= n; i += W) {
		vf v = vf_load(x + i);

		lanes = vf_select(v > lanes, v, lanes);
	}
	for (; i < n; i++)
		max = x[i] > max ? x[i] : max;
	for (int j = 0; j < W; j++)
		max = lanes[j] > max ? lanes[j] : max;
	return max;
}

static void weigh(float *x, size_t n, float max, float temperature)
{
	vf t = vf_splat(temperature);
	size_t i = 0;

	for (; i + W <= n; i += W)
		vf_store(x + i, exp_vector((vf_load(x + i) - max) / t));
	if (i < n)
		vf_store_part(x + i, exp_vector((vf_load_part(x + i, n - i) - max) / t), n - i);
}

/* x = exp(x - max), added to the accumulators */
static inline struct lanes exp_lanes(struct lanes x, float max, struct lanes *acc)
{
	struct lanes e;

	BITNPU_UNROLL
	for (int i = 0; i < LANES / W; i++) {
		e.v[i] = exp_vector(x.v[i] - max);
		acc->v[i] += e.v[i];
	}
	return e;
}

static void softmax(float *x, size_t n)
{
	float max = maximum(x, n), sum;
	struct lanes acc = { 0 };
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		lanes_store(x + i, exp_lanes(lanes_load(x + i), max, &acc));
	if (i < n) {
		float tail[LANES];

		/* exp(-infinity) is +0: the padding adds nothing. */
		lanes_store(tail,
				   exp_lanes(lanes_load_part(x + i, n - i, -INFINITY), max,
					     &acc));
		memcpy(x + i, tail, (n - i) * sizeof(*x));
	}
	sum = lanes_sum(acc);
	for (i = 0; i + W <= n; i += W)
		vf_store(x + i, vf_load(x + i) / sum);
	for (; i < n; i++)
		x[i] = x[i] / sum;
}

#endif /* BITNPU_HOSTOPS_SOFTMAX_H */
