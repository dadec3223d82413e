// SPDX-License-Identifier: MIT
/* IEEE half conversions: half.h as functions. */
#include "half.h"
#include "hostops.h"

uint16_t bitnpu_to_half(float x)
{
	return bitnpu_half_round(x);
}

float bitnpu_from_half(uint16_t half)
{
	return bitnpu_half_expand(half);
}
