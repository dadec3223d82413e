// SPDX-License-Identifier: MIT
/*
 * Rotary position embedding (Su et al., arXiv:2104.09864), pairs (i, i + head_dim / 2) as in GPT-NeoX.
 *
 * The table is computed in double from our own sequences, because libm's last bits differ between
 * systems, and rounded once to float.  Series are Taylor's: their coefficients are 1 / n! and 1 / n.
 */
#include <math.h>

#include "hostops.h"

/* 1.5 * 2^52: adding and subtracting it rounds |x| < 2^51 to an integer, ties to even. */
#define ROUND_MAGIC	0x1.8p52

/* ln x = e * ln 2 + 2 * (s + s^3/3 + s^5/5 + ...), s = (m - 1) / (m + 1), x = 2^e * m; x >= 1 */
static double log_pinned(double x)
{
	const double ln2 = 0x1.62e42fefa39efp-1;
	int e = 0;
	double s, s2, sum = 0.0;

	while (x > 0x1.6a09e667f3bcdp0) {
		x *= 0.5;
		e++;
	}
	s = (x - 1.0) / (x + 1.0);
	s2 = s * s;
	/* |s| < 0.172: the first term left out is below 1e-18 of the sum. */
	for (int n = 23; n >= 1; n -= 2)
		sum = sum * s2 + 1.0 / n;
	return e * ln2 + 2.0 * s * sum;
}

/* e^x for -709 < x <= 0: 2^n * e^r, |r| <= ln(2) / 2, ln 2 split so that n * high is exact */
static double exp_pinned(double x)
{
	const double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
	double n = x * 0x1.71547652b82fep0 + ROUND_MAGIC - ROUND_MAGIC;
	double r = x - n * ln2_high - n * ln2_low;
	double sum = 1.0;

	for (int i = 14; i >= 1; i--)
		sum = sum * r / i + 1.0;
	for (int i = (int)n; i < 0; i++)
		sum *= 0.5;
	return sum;
}

/*
 * cos and sin of 0 <= x.  x - k * pi/2 with pi/2 in three parts (Cody and Waite): the first two have
 * 30 bits, so k * part is exact for k < 2^23, which covers positions beyond 2^20.
 */
static void cos_sin_pinned(double x, double *cos_x, double *sin_x)
{
	double k = x * 0x1.45f306dc9c883p-1 + ROUND_MAGIC - ROUND_MAGIC;
	double r = x - k * 0x1.921fb54p0 - k * 0x1.10b46118p-30 - k * 0x1.313198a2e037p-61;
	double r2 = r * r, c = 1.0, s = 1.0;

	/* |r| <= pi/4: the first terms left out are below 1e-17. */
	for (int i = 16; i >= 2; i -= 2)
		c = 1.0 - c * r2 / (double)(i * (i - 1));
	for (int i = 17; i >= 3; i -= 2)
		s = 1.0 - s * r2 / (double)(i * (i - 1));
	s *= r;
	switch ((uint64_t)k & 3) {
	case 0:
		*cos_x = c;
		*sin_x = s;
		break;
	case 1:
		*cos_x = -s;
		*sin_x = c;
		break;
	case 2:
		*cos_x = -c;
		*sin_x = -s;
		break;
	default:
		*cos_x = s;
		*sin_x = -c;
		break;
	}
}

void bitnpu_rope_table(uint32_t position, uint32_t head_dim, double freq_base, float *table)
{
	uint32_t half = head_dim / 2;
	double log_base = log_pinned(freq_base);

	for (uint32_t i = 0; i < half; i++) {
		double exponent = -2.0 * (double)i / (double)head_dim;
		double angle = (double)position * exp_pinned(exponent * log_base);
		double c, s;

		cos_sin_pinned(angle, &c, &s);
		table[i] = (float)c;
		table[half + i] = (float)s;
	}
}
