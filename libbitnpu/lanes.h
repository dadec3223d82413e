/* SPDX-License-Identifier: MIT */
/*
 * The one shape of a float reduction (docs/numerics.md): element i goes to accumulator i mod 16, the
 * accumulators are then added as a binary tree.  Loops over lanes have constant bounds and no
 * dependence between lanes, so compilers vectorize them without changing a bit.
 */
#ifndef BITNPU_LANES_H
#define BITNPU_LANES_H

#include <float.h>

#define BITNPU_LANES 16

#if defined(__FAST_MATH__) || FLT_EVAL_METHOD != 0
#error "the float operations are pinned: no -ffast-math, no excess precision"
#endif

/** bitnpu_lanes_sum() - Return: the accumulators' sum: i with i + 8, then + 4, + 2, + 1 */
static inline float bitnpu_lanes_sum(float *acc)
{
	for (int width = BITNPU_LANES / 2; width > 0; width /= 2)
		for (int i = 0; i < width; i++)
			acc[i] += acc[i + width];
	return acc[0];
}

#endif /* BITNPU_LANES_H */
