// SPDX-License-Identifier: MIT
/*
 * The float operations against plain scalar code written from docs/numerics.md, bit for bit; against
 * the mathematical functions in higher precision; and against committed hashes, which any compiler,
 * flag or processor that rounds differently fails.
 */
#include <fenv.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "libbitnpu/half.h"
#include "libbitnpu/hostops.h"
#include "tests/support/plain_ops.h"
#include "tests/support/random.h"

static struct test_random rng;
/* The operations under test: every table that this processor can run, in turn. */
static const struct bitnpu_hostops *ops;

/* Uniform in [-scale, scale), exact in float arithmetic when scale is a power of two. */
static float random_float(float scale)
{
	return ((float)(int32_t)(test_random_u64(&rng) >> 40) * 0x1p-23f - 1.0f) * scale;
}

/* Of any magnitude; two statements, because the order of operands' evaluation is not defined. */
static int32_t random_i32(void)
{
	int32_t value = (int32_t)test_random_u64(&rng);

	return value >> test_random_below(&rng, 32);
}

static int64_t random_i64(void)
{
	int64_t value = (int64_t)test_random_u64(&rng);

	return value >> test_random_below(&rng, 64);
}

static void random_floats(float *x, size_t n, float scale)
{
	for (size_t i = 0; i < n; i++)
		x[i] = random_float(scale);
}

static float float_of(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static uint32_t bits_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

/* ---- against the definitions ----------------------------------------------------------------- */

#define MAX_N 1031

static void assert_same_floats(const float *a, const float *b, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++)
		if (bits_of(a[i]) != bits_of(b[i]) && !(isnan(a[i]) && isnan(b[i])))
			fail_msg("%s: element %zu of %zu is %a, expected %a", what, i, n, (double)a[i],
				 (double)b[i]);
}

static void test_reductions(void **state)
{
	float a[MAX_N], b[MAX_N], got[MAX_N], want[MAX_N];

	for (size_t n = 1; n <= MAX_N; n = n < 40 ? n + 1 : n + 1 + test_random_below(&rng, 60)) {
		float got_dot, want_dot;

		random_floats(a, n, 4.0f);
		random_floats(b, n, 2.0f);
		got_dot = ops->dot(a, b, n);
		want_dot = plain_dot(a, b, n);
		assert_same_floats(&got_dot, &want_dot, 1, "dot");
		plain_rms_norm(a, b, n, 1e-5f, want);
		ops->rms_norm(a, b, n, 1e-5f, got);
		assert_same_floats(got, want, n, "rms_norm");
		memcpy(got, a, n * sizeof(*a));
		ops->rms_norm(got, b, n, 1e-5f, got);
		assert_same_floats(got, want, n, "rms_norm in place");
		memcpy(got, a, n * sizeof(*a));
		memcpy(want, a, n * sizeof(*a));
		ops->softmax(got, n);
		plain_softmax(want, n);
		assert_same_floats(got, want, n, "softmax");
	}
	assert_true(ops->dot(a, b, 0) == 0.0f);
}

static void test_elementwise(void **state)
{
	float a[MAX_N], b[MAX_N], got[MAX_N], want[MAX_N];
	int32_t y[MAX_N] = { 0 };
	int64_t wide[MAX_N] = { 0 };

	for (size_t n = 1; n <= MAX_N; n = n < 40 ? n + 1 : n + 1 + test_random_below(&rng, 60)) {
		float x_scale = fabsf(random_float(1.0f));

		random_floats(a, n, 4.0f);
		random_floats(b, n, 2.0f);
		for (size_t i = 0; i < n; i++) {
			y[i] = random_i32();
			wide[i] = random_i64();
			want[i] = a[i] + b[i];
		}
		memcpy(got, a, n * sizeof(*a));
		ops->add(got, b, n);
		assert_same_floats(got, want, n, "add");
		for (size_t i = 0; i < n; i++)
			want[i] = (a[i] > 0 ? a[i] : 0.0f) * (a[i] > 0 ? a[i] : 0.0f) * b[i];
		ops->relu2_gate(a, b, n, got);
		assert_same_floats(got, want, n, "relu2_gate");
		for (size_t i = 0; i < n; i++)
			want[i] = (float)y[i] * (x_scale * b[i]);
		ops->scale_i32(y, n, b, n, x_scale, got);
		assert_same_floats(got, want, n, "scale_i32, a scale a row");
		for (size_t i = 0; i < n; i++)
			want[i] = (float)y[i] * (x_scale * b[0]);
		ops->scale_i32(y, n, b, 1, x_scale, got);
		assert_same_floats(got, want, n, "scale_i32, one scale");
		for (size_t i = 0; i < n; i++)
			want[i] = (float)wide[i] * 0x1p-24f * (x_scale * b[i]);
		ops->scale_i64(wide, n, b, n, x_scale, got);
		assert_same_floats(got, want, n, "scale_i64, a scale a row");
		for (size_t i = 0; i < n; i++)
			want[i] = (float)wide[i] * 0x1p-24f * x_scale;
		ops->scale_i64(wide, n, NULL, 0, x_scale, got);
		assert_same_floats(got, want, n, "scale_i64, no scale");
	}
}

/* Seven-bit weights and their slices, by matmul. */
static void test_sum_int7(void **state)
{
	enum { N = 61, K = 37 };
	int32_t y[4][N] = { { 0 } }, want[N] = { 0 }, got[N], x_sum = 0;
	const int32_t *const slices[4] = { y[0], y[1], y[2], y[3] };

	for (int k = 0; k < K; k++) {
		int32_t x = (int32_t)test_random_below(&rng, 256) - 128;

		x_sum += x;
		for (int i = 0; i < N; i++) {
			uint32_t u = i ? test_random_below(&rng, 128) : k ? 0 : 127;

			y[0][i] += x * ((int32_t)(u >> 5 & 3) - 1);
			y[1][i] += x * ((int32_t)(u >> 3 & 3) - 1);
			y[2][i] += x * ((int32_t)(u >> 1 & 3) - 1);
			y[3][i] += x * (2 * (int32_t)(u & 1) - 1);
			want[i] += x * ((int32_t)u - 64);
		}
	}
	for (size_t n = 0; n <= N; n++) {
		memset(got, 0, sizeof(got));
		ops->sum_int7(slices, n, x_sum, got);
		assert_memory_equal(got, want, n * sizeof(*got));
	}
	/* The largest there are: K = 65536, every x -128, every weight -64 or 63. */
	for (int v = -64; v <= 63; v += 127) {
		const int32_t u = v + 64, all = -128 * 65536;

		for (int i = 0; i < 4; i++)
			y[i][0] = all * (i < 3 ? (u >> (5 - 2 * i) & 3) - 1 : 2 * (u & 1) - 1);
		ops->sum_int7(slices, 1, all, got);
		assert_int_equal(got[0], all * v);
	}
}

static void check_quantize(const float *x, size_t n)
{
	int8_t got[MAX_N], want[MAX_N];
	float got_scale = ops->quantize_row(x, n, got);
	float want_scale = plain_quantize(x, n, want);

	assert_same_floats(&got_scale, &want_scale, 1, "quantize scale");
	assert_memory_equal(got, want, n);
}

/* In one go as in two. */
static void check_norm_quantize(const float *x, const float *weight, size_t n)
{
	float normed[MAX_N], got_scale, want_scale;
	int8_t got[MAX_N], want[MAX_N];

	plain_rms_norm(x, weight, n, 1e-5f, normed);
	want_scale = plain_quantize(normed, n, want);
	got_scale = ops->norm_quantize(x, weight, n, 1e-5f, got);
	assert_same_floats(&got_scale, &want_scale, 1, "norm and quantize scale");
	assert_memory_equal(got, want, n);
}

static void test_quantize(void **state)
{
	static const float special[] = { 0.0f, -0.0f, 1e-5f, -1e-6f, NAN, -NAN, INFINITY, -INFINITY,
					 0x1.fffffep127f, -0x1.fffffep127f, 0x1p-149f, 0x1p-126f, 0.5f,
					 1.5f, 2.5f, 63.5f, 126.5f, 127.0f, -127.0f, -0.5f, -2.5f };
	float x[MAX_N] = { 0 }, weight[MAX_N];
	int8_t q[4];

	check_quantize(x, 7);
	for (size_t n = 1; n <= MAX_N; n = n < 40 ? n + 1 : n + 1 + test_random_below(&rng, 60)) {
		random_floats(x, n, float_of(test_random_below(&rng, 255) << 23));
		check_quantize(x, n);
		random_floats(weight, n, 2.0f);
		check_norm_quantize(x, weight, n);
		for (size_t i = 0; i < n; i += 1 + test_random_below(&rng, 9))
			x[i] = special[test_random_below(&rng, sizeof(special) / sizeof(*special))];
		check_quantize(x, n);
		check_norm_quantize(x, weight, n);
		for (size_t i = 0; i < n; i++)
			x[i] = float_of((uint32_t)test_random_u64(&rng));
		check_quantize(x, n);
	}
	/* Ties go to even; the largest magnitude is 127 of either sign. */
	assert_true(ops->quantize_row((float[]){ 127.0f, 0.5f, 1.5f, -2.5f }, 4, q) == 1.0f);
	assert_memory_equal(q, ((int8_t[]){ 127, 0, 2, -2 }), 4);
	ops->quantize_row((float[]){ -3.0f, 3.0f, NAN, INFINITY }, 3, q);
	assert_memory_equal(q, ((int8_t[]){ -127, 127, 0 }), 3);
}

/* Positions and accumulators in parts, as threads share them out. */
static void attend(const struct bitnpu_attention *a, const float *q, float *scores, float *out)
{
	size_t sum_floats = (size_t)BITNPU_SUM_LANES * a->head_dim;
	float *sums = malloc(a->heads * sum_floats * sizeof(*sums));

	for (uint32_t first = 0, end; first < a->n; first = end) {
		end = first + 1 + test_random_below(&rng, a->n - first);
		ops->attention_scores(a, q, first, end, scores);
	}
	for (uint32_t h = 0; h < a->heads; h++)
		ops->softmax(scores + (size_t)h * a->n, a->n);
	for (uint32_t first = 0, end; first < BITNPU_SUM_LANES; first = end) {
		end = first + 1 + test_random_below(&rng, BITNPU_SUM_LANES - first);
		ops->attention_sums(a, scores, first, end, sums);
	}
	for (uint32_t first = 0, end; first < a->heads; first = end) {
		end = first + 1 + test_random_below(&rng, a->heads - first);
		ops->attention_fold(a, sums, first, end, out);
	}
	free(sums);
}

static void test_attention(void **state)
{
	static const uint32_t dims[] = { 2, 4, 18, 30, 32, 34, 64, 100, 128, 256 };
	enum { MAX_HEADS = 11, MAX_DIM = 256, MAX_ROWS = 300 };
	size_t stride = MAX_DIM + 8;
	float *q = malloc(MAX_HEADS * MAX_DIM * sizeof(*q));
	float *got = malloc(MAX_HEADS * MAX_DIM * sizeof(*got));
	float *want = malloc(MAX_HEADS * MAX_DIM * sizeof(*want));
	float *scores = malloc(MAX_HEADS * MAX_ROWS * sizeof(*scores));
	uint16_t *k = malloc(MAX_ROWS * stride * sizeof(*k));
	uint16_t *v = malloc(MAX_ROWS * stride * sizeof(*v));

	for (size_t i = 0; i < MAX_ROWS * stride; i++) {
		k[i] = bitnpu_to_half(random_float(2.0f));
		v[i] = bitnpu_to_half(random_float(2.0f));
	}
	random_floats(q, MAX_HEADS * MAX_DIM, 4.0f);
	for (int round = 0; round < 60; round++) {
		uint32_t dim = dims[test_random_below(&rng, sizeof(dims) / sizeof(*dims))];
		uint32_t heads = 1 + test_random_below(&rng, MAX_HEADS);
		uint32_t n = 1 + test_random_below(&rng, round < 30 ? 40 : MAX_ROWS);

		attend(&(struct bitnpu_attention){ .k = k, .v = v, .stride = stride, .head_dim = dim,
						   .heads = heads, .n = n }, q, scores, got);
		for (uint32_t h = 0; h < heads; h++)
			plain_attention(q + h * dim, k, v, stride, dim, n, scores, want + h * dim);
		assert_same_floats(got, want, (size_t)heads * dim, "attention");
	}
	free(q);
	free(got);
	free(want);
	free(scores);
	free(k);
	free(v);
}

/* ---- against mathematics --------------------------------------------------------------------- */

static double ulps(float got, double want)
{
	int exponent;

	frexp(want, &exponent);
	exponent = exponent < -125 ? -125 : exponent;
	return fabs((double)got - want) / ldexp(1.0, exponent - 24);
}

static void test_exp(void **state)
{
	/* BITNPU_TEST_EXHAUSTIVE=1 takes every float: minutes */
	uint32_t step = getenv("BITNPU_TEST_EXHAUSTIVE") ? 1 : 4093;
	double worst = 0;
	float worst_x = 0;

	for (uint64_t u = 0; u < UINT64_C(1) << 32; u += step) {
		float x = float_of((uint32_t)u), e;
		double u_x;

		if (!(x >= -104.0f && x <= 88.72283f))
			continue;
		e = ops->exp(x);
		u_x = ulps(e, exp((double)x));
		if (u_x > worst) {
			worst = u_x;
			worst_x = x;
		}
	}
	print_message("exp: largest error %.3f ulp at %a\n", worst, (double)worst_x);
	assert_true(worst < 1.22);
	assert_true(ops->exp(0.0f) == 1.0f && ops->exp(-0.0f) == 1.0f);
	assert_true(ops->exp(88.73f) == INFINITY && ops->exp(INFINITY) == INFINITY);
	assert_true(ops->exp(-104.0f) == 0.0f && ops->exp(-INFINITY) == 0.0f);
	assert_true(ops->exp(-103.0f) == 0x1p-149f);
	assert_true(isnan(ops->exp(NAN)));
}

/* Distance to the exact value in units of 2^-24, half the last place of a float in [0.5, 1). */
static double rope_error(uint32_t position, uint32_t head_dim, double base)
{
	float table[BITNPU_MAX_HEAD_DIM];
	double worst = 0;

	bitnpu_rope_table(position, head_dim, base, table);
	for (uint32_t i = 0; i < head_dim / 2; i++) {
		long double angle = position * powl(base, -2.0L * i / head_dim);
		double c = fabs((double)(table[i] - cosl(angle))) * 0x1p24;
		double s = fabs((double)(table[head_dim / 2 + i] - sinl(angle))) * 0x1p24;

		worst = fmax(worst, fmax(c, s));
	}
	return worst;
}

static void test_rope_table(void **state)
{
	static const double bases[] = { 10000.0, 500000.0, 1000000.0, 1.5, 2.0 };
	float table[4];
	double worst = 0;

	for (int i = 0; i < 2000; i++) {
		uint32_t position = i < 300 ? i : test_random_below(&rng, 1u << 20) + 1;
		uint32_t head_dim = 2 + 2 * test_random_below(&rng, 100);

		worst = fmax(worst, rope_error(position, head_dim, bases[test_random_below(&rng, 5)]));
	}
	worst = fmax(worst, rope_error(1u << 20, 128, 500000.0));
	print_message("rope: largest error %.4f * 2^-24\n", worst);
	assert_true(worst < 1.01);
	bitnpu_rope_table(0, 4, 10000.0, table);
	assert_memory_equal(table, ((float[]){ 1.0f, 1.0f, 0.0f, 0.0f }), sizeof(table));
}

static void test_rope(void **state)
{
	float table[14], x[3 * 14], y[3 * 14];

	bitnpu_rope_table(5, 14, 10000.0, table);
	random_floats(x, 3 * 14, 4.0f);
	memcpy(y, x, sizeof(x));
	ops->rope(y, 3, 14, table);
	for (int h = 0; h < 3; h++) {
		for (int i = 0; i < 7; i++) {
			float a = x[h * 14 + i], b = x[h * 14 + 7 + i];
			float rotated[2] = { a * table[i] - b * table[7 + i],
					     a * table[7 + i] + b * table[i] };

			assert_same_floats(&y[h * 14 + i], &rotated[0], 1, "rope");
			assert_same_floats(&y[h * 14 + 7 + i], &rotated[1], 1, "rope");
		}
	}
}

static void test_from_half(void **state)
{
	for (uint32_t h = 0; h < 0x10000; h++) {
		uint32_t exponent = h >> 10 & 31, mantissa = h & 1023;
		double want = exponent ? ldexp(1024 + mantissa, (int)exponent - 25) :
					 ldexp(mantissa, -24);
		float got = bitnpu_from_half((uint16_t)h);

		assert_int_equal(bits_of(got) >> 31, h >> 15);
		if (exponent == 31)
			assert_true(mantissa ? isnan(got) : isinf(got));
		else
			assert_true(fabs((double)got) == want);
		if (exponent != 31 || !mantissa)
			assert_int_equal(bitnpu_to_half(got), h);
	}
}

/* Every half, as values are expanded: the sum of one of them times 1, which turns -0 into 0. */
static void test_expand(void **state)
{
	uint16_t halves[256];
	float want[256], got[256], sums[BITNPU_SUM_LANES * 256];
	const struct bitnpu_attention a = { .v = halves, .head_dim = 256, .heads = 1, .n = 1 };

	for (uint32_t h = 0; h < 0x10000; h += 256) {
		for (uint32_t i = 0; i < 256; i++) {
			halves[i] = (uint16_t)(h + i);
			want[i] = bitnpu_from_half(halves[i]) + 0.0f;
		}
		ops->attention_sums(&a, (float[]){ 1.0f }, 0, BITNPU_SUM_LANES, sums);
		ops->attention_fold(&a, sums, 0, 1, got);
		assert_same_floats(got, want, 256, "expanded halves");
	}
}

/* Halves exactly, and what lies between and around them. */
static void test_to_halves(void **state)
{
	float x[259];
	uint16_t got[259];

	for (uint32_t h = 0; h < 0x10000; h += 259) {
		for (uint32_t i = 0; i < 259; i++)
			x[i] = float_of(bits_of(bitnpu_from_half((uint16_t)(h + i))) +
					(test_random_below(&rng, 4) ? test_random_below(&rng, 0x2001) :
								      0));
		ops->to_halves(x, 259, got);
		for (uint32_t i = 0; i < 259; i++)
			if (!isnan(x[i]))
				assert_int_equal(got[i], bitnpu_to_half(x[i]));
			else
				assert_true((got[i] & 0x7fff) > 0x7c00);
	}
}

/* Nearest of the two halves around x by exact comparison, ties to even. */
static uint16_t plain_to_half(float x)
{
	double a = fabs((double)x), below, above;
	uint32_t low = 0, high = 0x7c00;
	uint16_t sign = signbit(x) ? 0x8000 : 0;

	if (isnan(x))
		return sign | 0x7e00;
	while (high - low > 1) {
		uint32_t middle = (low + high) / 2;

		if ((double)bitnpu_from_half((uint16_t)middle) <= a)
			low = middle;
		else
			high = middle;
	}
	below = bitnpu_from_half((uint16_t)low);
	above = high == 0x7c00 ? 65536.0 : bitnpu_from_half((uint16_t)high);
	if (a >= 65536.0 || a - below > above - a || (a - below == above - a && low & 1))
		low = high;
	return sign | (uint16_t)low;
}

static void test_to_half(void **state)
{
	for (uint32_t h = 0; h < 0x7c00; h++) {
		uint32_t here = bits_of(bitnpu_from_half((uint16_t)h));
		uint32_t next = h == 0x7bff ? bits_of(65536.0f) :
					      bits_of(bitnpu_from_half((uint16_t)(h + 1)));
		double middle = ((double)float_of(here) + (double)float_of(next)) / 2;
		uint32_t around[] = { here, here + 1, bits_of((float)middle) - 1,
				      bits_of((float)middle), bits_of((float)middle) + 1 };

		for (int i = 0; i < 5; i++) {
			float x = float_of(around[i]);

			assert_int_equal(bitnpu_to_half(x), plain_to_half(x));
			assert_int_equal(bitnpu_to_half(-x), plain_to_half(-x));
		}
	}
	for (int i = 0; i < 100000; i++) {
		float x = float_of((uint32_t)test_random_u64(&rng));

		assert_int_equal(bitnpu_to_half(x), plain_to_half(x));
	}
	assert_int_equal(bitnpu_to_half(INFINITY), 0x7c00);
	assert_int_equal(bitnpu_to_half(-INFINITY), 0xfc00);
	assert_int_equal(bitnpu_to_half(65519.99f), 0x7bff);
	assert_int_equal(bitnpu_to_half(65520.0f), 0x7c00);
	assert_int_equal(bitnpu_to_half(NAN) & 0x7fff, 0x7e00);
}

/* ---- committed hashes ------------------------------------------------------------------------ */

/*
 * XXH64 of results for fixed inputs, which do not depend on BITNPU_TEST_SEED.  A change here changes
 * the text that models write.
 */
#define HASH_DOT            0x41169da810372542
#define HASH_RMS_NORM       0x22d123faccf9d949
#define HASH_QUANTIZE_SCALE 0xf103b51c79e32be4
#define HASH_QUANTIZE       0xae0fa6cb2708d6b7
#define HASH_SCALE_I32      0x187ed5521d1e9100
#define HASH_SCALE_I64      0xa1f48228d8a32e95
#define HASH_RELU2_GATE     0xffa6e3644a8901c5
#define HASH_EXP            0xf5463477347942fd
#define HASH_ROPE_TABLE     0x7c03007d99cde885
#define HASH_ROPE           0xfeb523b49382e425
#define HASH_SOFTMAX        0xcbdb643da598f6f7
#define HASH_SCORES         0x88807ab43d68be92
#define HASH_ATTENTION      0x3dab3c8231c9f5e2
#define HASH_HALVES         0x9da6f16242a971b1

#define HASH_N 3001

struct hashed {
	float a[HASH_N], b[HASH_N], out[HASH_N];
	int8_t q[HASH_N];
	uint16_t half[HASH_N];
};

static void hash_inputs(struct hashed *h)
{
	rng.state = 42;
	random_floats(h->a, HASH_N, 8.0f);
	random_floats(h->b, HASH_N, 2.0f);
	for (size_t i = 0; i < HASH_N; i++)
		h->half[i] = bitnpu_to_half(h->b[i]);
}

#define assert_hash(what, data, bytes, expected)						\
	do {											\
		uint64_t hash_ = XXH64(data, bytes, 0);						\
		if (hash_ != (expected))							\
			fail_msg("%s hashes to 0x%016" PRIx64 ", expected 0x%016" PRIx64, what,	\
				 hash_, (uint64_t)(expected));					\
	} while (0)

static void test_hash_rows(void **state)
{
	struct hashed *h = calloc(1, sizeof(*h));
	int32_t y[HASH_N];
	int64_t wide[HASH_N];

	hash_inputs(h);
	for (size_t i = 0; i < HASH_N; i++) {
		y[i] = random_i32();
		wide[i] = random_i64();
	}
	for (size_t n = 1; n <= HASH_N; n++)
		h->out[n - 1] = ops->dot(h->a, h->b, n);
	assert_hash("dot", h->out, sizeof(h->out), HASH_DOT);
	ops->rms_norm(h->a, h->b, HASH_N, 1e-5f, h->out);
	assert_hash("rms_norm", h->out, sizeof(h->out), HASH_RMS_NORM);
	h->out[0] = ops->quantize_row(h->a, HASH_N, h->q);
	assert_hash("quantize scale", h->out, sizeof(float), HASH_QUANTIZE_SCALE);
	assert_hash("quantize", h->q, sizeof(h->q), HASH_QUANTIZE);
	ops->scale_i32(y, HASH_N, h->b, HASH_N, 0.3f, h->out);
	assert_hash("scale_i32", h->out, sizeof(h->out), HASH_SCALE_I32);
	ops->scale_i64(wide, HASH_N, h->b, HASH_N, 0.3f, h->out);
	assert_hash("scale_i64", h->out, sizeof(h->out), HASH_SCALE_I64);
	ops->relu2_gate(h->a, h->b, HASH_N, h->out);
	assert_hash("relu2_gate", h->out, sizeof(h->out), HASH_RELU2_GATE);
	free(h);
}

static void test_hash_functions(void **state)
{
	struct hashed *h = calloc(1, sizeof(*h));
	XXH64_state_t *hash = XXH64_createState();
	float table[128];

	hash_inputs(h);
	XXH64_reset(hash, 0);
	for (uint32_t i = 0; i < 1000000; i++) {
		/* -106 to 90, both ends beyond the range */
		float e = ops->exp((float)i * 196e-6f - 106.0f);

		XXH64_update(hash, &e, sizeof(e));
	}
	assert_int_equal(XXH64_digest(hash), HASH_EXP);
	XXH64_reset(hash, 0);
	for (uint32_t i = 0; i < 500; i++) {
		bitnpu_rope_table(i < 250 ? i : i * 2097, 128, 500000.0, table);
		XXH64_update(hash, table, sizeof(table));
	}
	assert_int_equal(XXH64_digest(hash), HASH_ROPE_TABLE);
	memcpy(h->out, h->a, sizeof(h->out));
	ops->rope(h->out, 23, 128, table);
	assert_hash("rope", h->out, sizeof(h->out), HASH_ROPE);
	memcpy(h->out, h->a, sizeof(h->out));
	ops->softmax(h->out, HASH_N);
	assert_hash("softmax", h->out, sizeof(h->out), HASH_SOFTMAX);
	XXH64_freeState(hash);
	free(h);
}

static void test_hash_attention(void **state)
{
	struct hashed *h = calloc(1, sizeof(*h));
	float scores[5 * 93];
	const struct bitnpu_attention a = { .k = h->half, .v = h->half + 8, .stride = 32,
					    .head_dim = 24, .heads = 5, .n = 93 };

	hash_inputs(h);
	/* 93 rows of 32 halves */
	attend(&a, h->a, scores, h->out);
	assert_hash("attention scores", scores, sizeof(scores), HASH_SCORES);
	assert_hash("attention", h->out, 5 * 24 * sizeof(float), HASH_ATTENTION);
	assert_hash("halves", h->half, sizeof(h->half), HASH_HALVES);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reductions), cmocka_unit_test(test_elementwise),
		cmocka_unit_test(test_quantize),
		cmocka_unit_test(test_sum_int7),   cmocka_unit_test(test_attention),
		cmocka_unit_test(test_exp),	   cmocka_unit_test(test_rope_table),
		cmocka_unit_test(test_rope),	   cmocka_unit_test(test_from_half),
		cmocka_unit_test(test_expand),	   cmocka_unit_test(test_to_halves),
		cmocka_unit_test(test_to_half),	   cmocka_unit_test(test_hash_rows),
		cmocka_unit_test(test_hash_functions), cmocka_unit_test(test_hash_attention),
	};

	int failed = 0;

	for (unsigned int i = 0; (ops = bitnpu_hostops_level(i)); i++) {
		print_message("# %s\n", ops->name);
		test_random_init(&rng, 0);
		failed += cmocka_run_group_tests_name(ops->name, tests, NULL, NULL);
	}
	return failed;
}
