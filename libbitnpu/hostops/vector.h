/* SPDX-License-Identifier: MIT */
/*
 * Vectors of BITNPU_VECTOR floats (4, 8 or 16), and the one shape of a float reduction
 * (docs/numerics.md): element i goes to accumulator i mod 16, the accumulators are then added as a
 * binary tree.
 *
 * Written with the vector types of gcc and clang: arithmetic on them is element by element, so the
 * bits are those of scalar code whatever the width, the compiler, its flags and the processor, and the
 * code does not depend on what an optimizer recognizes.
 */
#ifndef BITNPU_HOSTOPS_VECTOR_H
#define BITNPU_HOSTOPS_VECTOR_H

#include <float.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "libbitnpu/half.h"
#include "libbitnpu/hostops.h"
#include "libbitnpu/unroll.h"

#if BITNPU_VECTOR > 4
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(__FAST_MATH__) || FLT_EVAL_METHOD != 0
#error "the float operations are pinned: no -ffast-math, no excess precision"
#endif

#define W BITNPU_VECTOR
#define LANES BITNPU_SUM_LANES

typedef float vf __attribute__((vector_size(4 * W)));
typedef int32_t vi __attribute__((vector_size(4 * W)));
typedef uint32_t vu __attribute__((vector_size(4 * W)));
typedef uint16_t vh __attribute__((vector_size(2 * W)));
typedef float v4f __attribute__((vector_size(16)));

static inline vf vf_load(const float *x)
{
	vf v;

	memcpy(&v, x, sizeof(v));
	return v;
}

static inline void vf_store(float *x, vf v)
{
	memcpy(x, &v, sizeof(v));
}

/* The first @n < W elements, then zeros. */
static inline vf vf_load_part(const float *x, size_t n)
{
	vf v = { 0 };

	memcpy(&v, x, n * sizeof(*x));
	return v;
}

static inline void vf_store_part(float *x, vf v, size_t n)
{
	memcpy(x, &v, n * sizeof(*x));
}

static inline vf vf_splat(float x)
{
	return x - (vf){ 0 };
}

static inline vi vi_splat(int32_t x)
{
	return x - (vi){ 0 };
}

/* @a where @mask is -1, @b where it is 0 */
static inline vi vi_select(vi mask, vi a, vi b)
{
	return (mask & a) | (~mask & b);
}

static inline vf vf_select(vi mask, vf a, vf b)
{
	return (vf)vi_select(mask, (vi)a, (vi)b);
}

/* Keep a vector that is used more than once in a register: gcc rather loads it again for each use. */
static inline void vf_keep(vf *v)
{
#if defined(__x86_64__)
	__asm__("" : "+x"(*v));
#elif defined(__aarch64__)
	__asm__("" : "+w"(*v));
#endif
}

/* a * b + c, rounded once.  Without the instruction, libm's is exact and slow. */
static inline vf vf_fma(vf a, vf b, vf c)
{
#if W == 16
	return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif W == 8
	return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__aarch64__)
	return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
	for (int i = 0; i < W; i++)
		c[i] = __builtin_fmaf(a[i], b[i], c[i]);
	return c;
#endif
}

/* bitnpu_from_half() of W halves; conversion instructions give the same, they ignore flushing modes. */
static inline vf vf_expand(const uint16_t *half)
{
#if W == 16
	return (vf)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)half));
#elif W == 8
	return (vf)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)half));
#else
	vh h;
	vi wide, sign, u, normal, subnormal;

	memcpy(&h, half, sizeof(h));
	wide = __builtin_convertvector(h, vi);
	sign = (vi)(((vu)wide & 0x8000) << 16);
	u = wide & 0x7fff;
	normal = (u << 13) + ((112 << 23) + ((u >= 0x7c00) & (112 << 23)));
	subnormal = (vi)(__builtin_convertvector(u, vf) * 0x1p-24f);
	return (vf)(sign | vi_select(u < 0x0400, subnormal, normal));
#endif
}

/* bitnpu_to_half() of W floats; the payload of a NaN may differ. */
static inline void vf_round(uint16_t *half, vf x)
{
#if W == 16
	_mm256_storeu_si256((__m256i *)half,
			    _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT));
#elif W == 8
	_mm_storeu_si128((__m128i *)half, _mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT));
#else
	for (int i = 0; i < W; i++)
		half[i] = bitnpu_half_round(x[i]);
#endif
}

/* The 16 accumulators, or 16 elements for them. */
struct lanes {
	vf v[LANES / W];
};

/* Vector by vector: copied as a whole, gcc takes them through the stack. */
static inline struct lanes lanes_load(const float *x)
{
	struct lanes l;

	BITNPU_UNROLL
	for (int i = 0; i < LANES / W; i++)
		l.v[i] = vf_load(x + i * W);
	return l;
}

static inline void lanes_store(float *x, struct lanes l)
{
	BITNPU_UNROLL
	for (int i = 0; i < LANES / W; i++)
		vf_store(x + i * W, l.v[i]);
}

/* The first @n < 16 elements, then @fill. */
static inline struct lanes lanes_load_part(const float *x, size_t n, float fill)
{
	float padded[LANES];

	for (size_t i = 0; i < LANES; i++)
		padded[i] = i < n ? x[i] : fill;
	return lanes_load(padded);
}

static inline void lanes_add(struct lanes *acc, struct lanes a)
{
	BITNPU_UNROLL
	for (int i = 0; i < LANES / W; i++)
		acc->v[i] += a.v[i];
}

/* accumulator += a * b, rounded once */
static inline void lanes_mul_add(struct lanes *acc, struct lanes a, struct lanes b)
{
	BITNPU_UNROLL
	for (int i = 0; i < LANES / W; i++)
		acc->v[i] = vf_fma(a.v[i], b.v[i], acc->v[i]);
}

/* Accumulators i, i + 4, i + 8 and i + 12 in element i: the first two levels of the tree. */
static inline v4f lanes_fold(struct lanes acc)
{
#if W == 16
	typedef float v8f __attribute__((vector_size(32)));
	v8f v = __builtin_shufflevector(acc.v[0], acc.v[0], 0, 1, 2, 3, 4, 5, 6, 7) +
		__builtin_shufflevector(acc.v[0], acc.v[0], 8, 9, 10, 11, 12, 13, 14, 15);
#elif W == 8
	vf v = acc.v[0] + acc.v[1];
#endif
#if W == 4
	return (acc.v[0] + acc.v[2]) + (acc.v[1] + acc.v[3]);
#else
	return __builtin_shufflevector(v, v, 0, 1, 2, 3) +
	       __builtin_shufflevector(v, v, 4, 5, 6, 7);
#endif
}

/* The accumulators' sum: i with i + 8, then + 4, + 2, + 1. */
static inline float lanes_sum(struct lanes acc)
{
	v4f v = lanes_fold(acc);

	return (v[0] + v[2]) + (v[1] + v[3]);
}

#endif /* BITNPU_HOSTOPS_VECTOR_H */
