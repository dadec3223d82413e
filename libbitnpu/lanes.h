/* SPDX-License-Identifier: MIT */
/*
 * The one shape of a float reduction (docs/numerics.md): element i goes to accumulator i mod 16, the
 * accumulators are then added as a binary tree.
 *
 * Written with the vector types of gcc and clang: arithmetic on them is element by element, so the
 * bits are those of scalar code whatever the compiler, its flags and the processor, and the code
 * does not depend on what an optimizer recognizes.
 */
#ifndef BITNPU_LANES_H
#define BITNPU_LANES_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BITNPU_LANES 16

#if defined(__FAST_MATH__) || FLT_EVAL_METHOD != 0
#error "the float operations are pinned: no -ffast-math, no excess precision"
#endif

typedef float bitnpu_v4f __attribute__((vector_size(16)));
typedef int32_t bitnpu_v4i __attribute__((vector_size(16)));
typedef uint32_t bitnpu_v4u __attribute__((vector_size(16)));
typedef uint16_t bitnpu_v4h __attribute__((vector_size(8)));

static inline bitnpu_v4f bitnpu_v4f_load(const float *x)
{
	bitnpu_v4f v;

	memcpy(&v, x, sizeof(v));
	return v;
}

static inline void bitnpu_v4f_store(float *x, bitnpu_v4f v)
{
	memcpy(x, &v, sizeof(v));
}

/** bitnpu_v4f_load_part() - the first @n < 4 elements, then zeros */
static inline bitnpu_v4f bitnpu_v4f_load_part(const float *x, size_t n)
{
	bitnpu_v4f v = { 0 };

	memcpy(&v, x, n * sizeof(*x));
	return v;
}

static inline void bitnpu_v4f_store_part(float *x, bitnpu_v4f v, size_t n)
{
	memcpy(x, &v, n * sizeof(*x));
}

static inline bitnpu_v4f bitnpu_v4f_splat(float x)
{
	return (bitnpu_v4f){ x, x, x, x };
}

/** bitnpu_v4f_select() - Return: @a where @mask is -1, @b where it is 0 */
static inline bitnpu_v4f bitnpu_v4f_select(bitnpu_v4i mask, bitnpu_v4f a, bitnpu_v4f b)
{
	return (bitnpu_v4f)((mask & (bitnpu_v4i)a) | (~mask & (bitnpu_v4i)b));
}

static inline bitnpu_v4i bitnpu_v4i_select(bitnpu_v4i mask, bitnpu_v4i a, bitnpu_v4i b)
{
	return (mask & a) | (~mask & b);
}

/** struct bitnpu_lanes - the 16 accumulators: @v0 holds 0 to 3, and so on */
struct bitnpu_lanes {
	bitnpu_v4f v0, v1, v2, v3;
};

static inline struct bitnpu_lanes bitnpu_lanes_load(const float *x)
{
	return (struct bitnpu_lanes){ bitnpu_v4f_load(x), bitnpu_v4f_load(x + 4),
				      bitnpu_v4f_load(x + 8), bitnpu_v4f_load(x + 12) };
}

static inline void bitnpu_lanes_store(float *x, struct bitnpu_lanes l)
{
	bitnpu_v4f_store(x, l.v0);
	bitnpu_v4f_store(x + 4, l.v1);
	bitnpu_v4f_store(x + 8, l.v2);
	bitnpu_v4f_store(x + 12, l.v3);
}

/** bitnpu_lanes_load_part() - the first @n < 16 elements, then @fill */
static inline struct bitnpu_lanes bitnpu_lanes_load_part(const float *x, size_t n, float fill)
{
	float padded[BITNPU_LANES];

	for (size_t i = 0; i < BITNPU_LANES; i++)
		padded[i] = i < n ? x[i] : fill;
	return bitnpu_lanes_load(padded);
}

/** bitnpu_lanes_mul_add() - accumulator += a * b, rounded twice */
static inline void bitnpu_lanes_mul_add(struct bitnpu_lanes *acc, struct bitnpu_lanes a,
					struct bitnpu_lanes b)
{
	acc->v0 += a.v0 * b.v0;
	acc->v1 += a.v1 * b.v1;
	acc->v2 += a.v2 * b.v2;
	acc->v3 += a.v3 * b.v3;
}

/** bitnpu_lanes_sum() - Return: the accumulators' sum: i with i + 8, then + 4, + 2, + 1 */
static inline float bitnpu_lanes_sum(struct bitnpu_lanes acc)
{
	bitnpu_v4f v = (acc.v0 + acc.v2) + (acc.v1 + acc.v3);

	return (v[0] + v[2]) + (v[1] + v[3]);
}

#endif /* BITNPU_LANES_H */
