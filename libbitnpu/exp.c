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
static inline bitnpu_v4f exp4(bitnpu_v4f x)
{
	const float ln2_high = 0x1.63p-1f, ln2_low = -0x1.bd0106p-13f;
	/* Beyond these bounds the result is 0 or infinity anyway; n stays in range.  NaN passes. */
	bitnpu_v4f low = bitnpu_v4f_splat(-104.0f), high = bitnpu_v4f_splat(89.0f);
	bitnpu_v4f c, n, r, p;
	bitnpu_v4i k, half;

	c = bitnpu_v4f_select(x < low, low, x);
	c = bitnpu_v4f_select(c > high, high, c);
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
	k = __builtin_convertvector((bitnpu_v4f)((bitnpu_v4i)n & (n < 1000.0f)), bitnpu_v4i);
	half = k >> 1;
	p *= (bitnpu_v4f)((half + 127) << 23);
	return p * (bitnpu_v4f)((k - half + 127) << 23);
}

float bitnpu_exp(float x)
{
	return exp4(bitnpu_v4f_splat(x))[0];
}

/* NaNs are passed over. */
static float maximum(const float *x, size_t n)
{
	bitnpu_v4f lanes = bitnpu_v4f_splat(-INFINITY);
	float max = -INFINITY;
	size_t i = 0;

	for (; i + 4 <= n; i += 4) {
		bitnpu_v4f v = bitnpu_v4f_load(x + i);

		lanes = bitnpu_v4f_select(v > lanes, v, lanes);
	}
	for (; i < n; i++)
		max = x[i] > max ? x[i] : max;
	for (int j = 0; j < 4; j++)
		max = lanes[j] > max ? lanes[j] : max;
	return max;
}

/* x = exp(x - max), added to the accumulators */
static inline struct bitnpu_lanes exp_lanes(struct bitnpu_lanes x, float max,
					    struct bitnpu_lanes *acc)
{
	struct bitnpu_lanes e = { exp4(x.v0 - max), exp4(x.v1 - max), exp4(x.v2 - max),
				  exp4(x.v3 - max) };

	acc->v0 += e.v0;
	acc->v1 += e.v1;
	acc->v2 += e.v2;
	acc->v3 += e.v3;
	return e;
}

void bitnpu_softmax(float *x, size_t n)
{
	float max = maximum(x, n), sum;
	struct bitnpu_lanes acc = { 0 };
	size_t i = 0;

	for (; i + BITNPU_LANES <= n; i += BITNPU_LANES)
		bitnpu_lanes_store(x + i, exp_lanes(bitnpu_lanes_load(x + i), max, &acc));
	if (i < n) {
		float tail[BITNPU_LANES];

		/* exp(-infinity) is +0: the padding adds nothing. */
		bitnpu_lanes_store(tail,
				   exp_lanes(bitnpu_lanes_load_part(x + i, n - i, -INFINITY), max,
					     &acc));
		memcpy(x + i, tail, (n - i) * sizeof(*x));
	}
	sum = bitnpu_lanes_sum(acc);
	for (i = 0; i + 4 <= n; i += 4)
		bitnpu_v4f_store(x + i, bitnpu_v4f_load(x + i) / sum);
	for (; i < n; i++)
		x[i] = x[i] / sum;
}
