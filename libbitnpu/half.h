/* SPDX-License-Identifier: MIT */
/*
 * IEEE half conversions as inline functions without branches, so that loops over them vectorize.
 * No intermediate value is a subnormal float: the results do not depend on flush-to-zero modes.
 */
#ifndef BITNPU_HALF_H
#define BITNPU_HALF_H

#include <stdint.h>
#include <string.h>

static inline float bitnpu_float_of_bits(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static inline uint32_t bitnpu_bits_of_float(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

/** bitnpu_half_expand() - bitnpu_from_half() inline */
static inline float bitnpu_half_expand(uint16_t half)
{
	uint32_t sign = (uint32_t)(half & 0x8000) << 16;
	uint32_t u = half & 0x7fff;
	/* Exponents are rebiased from 15 to 127; infinities and NaNs from 31 to 255. */
	uint32_t normal = (u << 13) + (u < 0x7c00 ? 112u << 23 : 224u << 23);
	uint32_t subnormal = bitnpu_bits_of_float((float)(int32_t)u * 0x1p-24f);

	return bitnpu_float_of_bits(sign | (u < 0x0400 ? subnormal : normal));
}

/** bitnpu_half_round() - bitnpu_to_half() inline */
static inline uint16_t bitnpu_half_round(float x)
{
	uint32_t bits = bitnpu_bits_of_float(x);
	uint32_t sign = bits >> 16 & 0x8000;
	uint32_t u = bits & 0x7fffffff;
	uint32_t normal = (u - (112u << 23) + 0x0fff + (u >> 13 & 1)) >> 13;
	/* The last place of a float in [0.5, 1) is 2^-24, a half's smallest: the sum rounds once. */
	uint32_t subnormal = bitnpu_bits_of_float(bitnpu_float_of_bits(u) + 0.5f) - 0x3f000000;
	uint32_t special = u > 0x7f800000 ? 0x7e00 : 0x7c00;
	uint32_t finite = u < 0x38800000 ? subnormal : normal;

	return (uint16_t)(sign | (u < 0x47800000 ? finite : special));
}

#endif /* BITNPU_HALF_H */
