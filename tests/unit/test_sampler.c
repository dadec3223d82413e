// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "libbitnpu/bitnpu.h"
#include "tests/support/random.h"

static struct bitnpu_sampler *make(struct bitnpu_sampler_params params, uint32_t n_vocab)
{
	struct bitnpu_sampler *sampler = NULL;
	struct bitnpu_error err = { 0 };

	if (bitnpu_sampler_create(&params, n_vocab, &sampler, &err))
		fail_msg("%s", err.message);
	return sampler;
}

#define MAKE(n_vocab, ...) make((struct bitnpu_sampler_params){ __VA_ARGS__ }, n_vocab)

static uint32_t greedy(const float *logits, uint32_t n_vocab)
{
	struct bitnpu_sampler *sampler = MAKE(n_vocab, 0);
	uint32_t token = bitnpu_sampler_next(sampler, logits);

	assert_int_equal(bitnpu_sampler_next(sampler, logits), token);
	bitnpu_sampler_destroy(sampler);
	return token;
}

static void test_greedy(void **state)
{
	assert_int_equal(greedy((float[]){ 1, 3, 3, 2 }, 4), 1);
	assert_int_equal(greedy((float[]){ -1 }, 1), 0);
	assert_int_equal(greedy((float[]){ 0, -0.0f }, 2), 0);
	assert_int_equal(greedy((float[]){ -0.0f, 0 }, 2), 0);
	assert_int_equal(greedy((float[]){ NAN, -5, NAN }, 3), 1);
	assert_int_equal(greedy((float[]){ NAN, NAN }, 2), 0);
	assert_int_equal(greedy((float[]){ -INFINITY, -FLT_MAX }, 2), 1);
	assert_int_equal(greedy((float[]){ -INFINITY, -INFINITY }, 2), 0);
	assert_int_equal(greedy((float[]){ 1, INFINITY, NAN, INFINITY }, 4), 1);
}

static void expect_refusal(struct bitnpu_sampler_params params, uint32_t n_vocab, const char *words)
{
	struct bitnpu_sampler *sampler = NULL;
	struct bitnpu_error err = { 0 };

	assert_int_equal(bitnpu_sampler_create(&params, n_vocab, &sampler, &err), -EINVAL);
	assert_null(sampler);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

#define REFUSE(words, ...)                                                                         \
	expect_refusal((struct bitnpu_sampler_params){ __VA_ARGS__ }, 10, words)
#define ACCEPT(...) bitnpu_sampler_destroy(MAKE(10, __VA_ARGS__))

static void test_parameters(void **state)
{
	expect_refusal((struct bitnpu_sampler_params){ 0 }, 0, "n_vocab");
	REFUSE("temperature", .temperature = -0.5f);
	REFUSE("temperature", .temperature = NAN);
	REFUSE("temperature", .temperature = INFINITY);
	REFUSE("top_p is 1.5", .top_p = 1.5f);
	REFUSE("top_p", .top_p = -FLT_MIN);
	REFUSE("top_p", .top_p = NAN);
	REFUSE("min_p", .min_p = -1);
	REFUSE("min_p", .min_p = 1.0001f);
	REFUSE("min_p", .min_p = NAN);
	REFUSE("repeat_penalty", .repeat_penalty = -1);
	REFUSE("repeat_penalty", .repeat_penalty = INFINITY);
	REFUSE("repeat_penalty", .repeat_penalty = NAN);
	REFUSE("repeat_last is 4294967295", .repeat_last = UINT32_MAX, .repeat_penalty = 2);
	REFUSE("repeat_last", .repeat_last = (1 << 20) + 1);
	ACCEPT(.temperature = FLT_MAX);
	ACCEPT(.temperature = FLT_TRUE_MIN);
	ACCEPT(.top_p = 1, .min_p = 1, .top_k = UINT32_MAX, .repeat_penalty = FLT_MAX);
	ACCEPT(.repeat_last = 1 << 20, .repeat_penalty = FLT_TRUE_MIN);
	bitnpu_sampler_destroy(NULL);
}

/*
 * With equal logits the token is the top bits of the random number; the expected ones come from the
 * published xoshiro256** and splitmix64, run elsewhere.
 */
static void test_random_numbers(void **state)
{
	static const uint32_t expected[2][8] = {
		{ 615, 765, 105, 426, 750, 1023, 432, 548 },
		{ 85, 388, 696, 946, 1015, 788, 736, 870 },
	};
	static const uint64_t seeds[] = { 0, 42 };
	float logits[1024] = { 0 };
	int i, k;

	for (i = 0; i < 2; i++) {
		struct bitnpu_sampler *all = MAKE(1024, .temperature = 1, .seed = seeds[i]);
		struct bitnpu_sampler *sorted = MAKE(1024, .temperature = 1, .seed = seeds[i],
						     .min_p = 0.5f);

		for (k = 0; k < 8; k++) {
			assert_int_equal(bitnpu_sampler_next(all, logits), expected[i][k]);
			assert_int_equal(bitnpu_sampler_next(sorted, logits), expected[i][k]);
		}
		bitnpu_sampler_destroy(all);
		bitnpu_sampler_destroy(sorted);
	}
}

struct pair {
	double logit;
	uint32_t token;
};

static int falling(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->logit != y->logit)
		return x->logit > y->logit ? -1 : 1;
	return (x->token > y->token) - (x->token < y->token);
}

/* Probability of every token, by sorting everything and in double precision. */
static void reference(const struct bitnpu_sampler_params *params, const float *logits, uint32_t n,
		      double *probability)
{
	struct pair *pairs = calloc(n, sizeof(*pairs));
	uint32_t count = n, i;
	double sum = 0, part = 0;

	assert_non_null(pairs);
	for (i = 0; i < n; i++) {
		pairs[i] = (struct pair){ logits[i], i };
		probability[i] = 0;
	}
	qsort(pairs, n, sizeof(*pairs), falling);
	if (params->top_k && params->top_k < n)
		count = params->top_k;
	for (i = 0; i < count; i++)
		sum += exp(pairs[i].logit - pairs[0].logit);
	if (params->top_p > 0 && params->top_p < 1) {
		for (i = 0; i < count && part < params->top_p * sum; i++)
			part += exp(pairs[i].logit - pairs[0].logit);
		count = i;
	}
	while (count > 1 && exp(pairs[count - 1].logit - pairs[0].logit) < params->min_p)
		count--;
	sum = 0;
	for (i = 0; i < count; i++)
		sum += exp((pairs[i].logit - pairs[0].logit) / params->temperature);
	for (i = 0; i < count; i++)
		probability[pairs[i].token] =
			exp((pairs[i].logit - pairs[0].logit) / params->temperature) / sum;
	free(pairs);
}

enum { SMALL = 12, DRAWS = 40000 };

/* Chi-square of many draws; the seed is fixed, so the outcome is too. */
static void expect_distribution(struct bitnpu_sampler_params params)
{
	static const float logits[SMALL] = { 1.0f, -2.0f, 2.5f, 0.3f, 2.2f, -9.0f,
					     1.7f, 0.0f, -0.5f, 2.0f, -1.1f, 0.9f };
	struct bitnpu_sampler *sampler = make(params, SMALL);
	double expected[SMALL], chi = 0;
	uint32_t seen[SMALL] = { 0 };
	int i;

	reference(&params, logits, SMALL, expected);
	for (i = 0; i < DRAWS; i++) {
		uint32_t token = bitnpu_sampler_next(sampler, logits);

		assert_true(token < SMALL);
		seen[token]++;
	}
	bitnpu_sampler_destroy(sampler);
	for (i = 0; i < SMALL; i++) {
		if (expected[i] == 0)
			assert_int_equal(seen[i], 0);
		else
			chi += pow(seen[i] - DRAWS * expected[i], 2) / (DRAWS * expected[i]);
	}
	/* 11 degrees of freedom exceed 31 once in a thousand times. */
	if (chi > 31)
		fail_msg("chi-square %g at temperature %g, top_k %u, top_p %g, min_p %g", chi,
			 params.temperature, params.top_k, params.top_p, params.min_p);
}

#define DISTRIBUTION(...) expect_distribution((struct bitnpu_sampler_params){ __VA_ARGS__ })

static void test_distribution(void **state)
{
	DISTRIBUTION(.temperature = 1);
	DISTRIBUTION(.temperature = 1, .seed = 1);
	DISTRIBUTION(.temperature = 0.5f);
	DISTRIBUTION(.temperature = 3);
	DISTRIBUTION(.temperature = 1, .top_k = 1);
	DISTRIBUTION(.temperature = 1, .top_k = 4);
	DISTRIBUTION(.temperature = 2, .top_k = SMALL);
	DISTRIBUTION(.temperature = 1, .top_k = 1000);
	DISTRIBUTION(.temperature = 1, .top_p = 0.7f);
	DISTRIBUTION(.temperature = 2, .top_p = 0.7f);
	DISTRIBUTION(.temperature = 1, .top_p = 1e-6f);
	DISTRIBUTION(.temperature = 1, .top_p = 1);
	DISTRIBUTION(.temperature = 1, .min_p = 0.3f);
	DISTRIBUTION(.temperature = 2, .min_p = 0.3f);
	DISTRIBUTION(.temperature = 1, .min_p = 1);
	DISTRIBUTION(.temperature = 1.3f, .top_k = 6, .top_p = 0.9f, .min_p = 0.1f);
	DISTRIBUTION(.temperature = 0.7f, .top_k = 5, .top_p = 0.6f);
}

/* Large vocabularies with many ties: what the reference never chooses is never chosen. */
static void test_against_sort(void **state)
{
	enum { LARGE = 3000 };
	static float logits[LARGE], copy[LARGE];
	static double probability[LARGE];
	struct test_random random;
	int round, i;

	test_random_init(&random, 1);
	for (round = 0; round < 60; round++) {
		/* Quarters keep probabilities far enough apart for double and float to agree. */
		struct bitnpu_sampler_params params = {
			.temperature = 0.25f * (1 + test_random_below(&random, 8)),
			.top_k = test_random_below(&random, 3) * test_random_below(&random, 100),
			.min_p = test_random_below(&random, 2) ? 0.05f : 0,
			.seed = test_random_u64(&random),
		};
		uint32_t n = 1 + test_random_below(&random, LARGE);
		struct bitnpu_sampler *sampler = make(params, n), *twin = make(params, n);

		for (i = 0; i < LARGE; i++)
			logits[i] = 0.25f * (test_random_below(&random, 40) - 20.0f);
		memcpy(copy, logits, sizeof(copy));
		reference(&params, logits, n, probability);
		for (i = 0; i < 50; i++) {
			uint32_t token = bitnpu_sampler_next(sampler, logits);

			assert_true(token < n);
			assert_true(probability[token] > 0);
			assert_int_equal(bitnpu_sampler_next(twin, logits), token);
		}
		assert_memory_equal(copy, logits, sizeof(copy));
		bitnpu_sampler_destroy(sampler);
		bitnpu_sampler_destroy(twin);
	}
}

static void test_hostile_logits(void **state)
{
	static const uint32_t bits[] = { 0x7fc00000, 0xffc00000, 0x7f800001, 0x7f800000, 0xff800000,
					 0x7f7fffff, 0xff7fffff, 0x00000001, 0x80000000, 0 };
	struct test_random random;
	int round, i;

	test_random_init(&random, 2);
	for (round = 0; round < 5000; round++) {
		struct bitnpu_sampler_params params = {
			.temperature = round % 3 ? 1e-30f : FLT_MAX,
			.top_k = test_random_below(&random, 5),
			.top_p = 0.5f * test_random_below(&random, 3),
			.min_p = 0.5f * test_random_below(&random, 3),
			.repeat_penalty = round % 2 ? FLT_TRUE_MIN : FLT_MAX,
			.repeat_last = 3,
		};
		uint32_t n = 1 + test_random_below(&random, 7);
		struct bitnpu_sampler *sampler = make(params, n);
		float logits[8];
		bool some = false;

		for (i = 0; i < n; i++) {
			memcpy(&logits[i], &bits[test_random_below(&random, 10)], 4);
			some |= logits[i] > -INFINITY;
		}
		for (i = 0; i < 4; i++) {
			uint32_t token = bitnpu_sampler_next(sampler, logits);

			assert_true(token < n);
			/* Later the penalty may have turned anything into infinity. */
			if (i == 0 && some)
				assert_true(logits[token] > -INFINITY);
			bitnpu_sampler_accept(sampler, token);
		}
		bitnpu_sampler_destroy(sampler);
	}
}

static void test_repeat_penalty(void **state)
{
	const float logits[] = { 4, 3, -1, -2 };
	const float negative[] = { -1, -1.5f, -3, -4 };
	struct bitnpu_sampler *sampler = MAKE(4, .repeat_penalty = 2, .repeat_last = 2);

	assert_int_equal(bitnpu_sampler_next(sampler, logits), 0);
	bitnpu_sampler_accept(sampler, 0);
	assert_int_equal(bitnpu_sampler_next(sampler, logits), 1);	/* 2 3 -1 -2 */
	assert_int_equal(bitnpu_sampler_next(sampler, negative), 1);	/* -2 -1.5 -3 -4 */
	bitnpu_sampler_accept(sampler, 1);
	assert_int_equal(bitnpu_sampler_next(sampler, logits), 0);	/* 2 1.5 -1 -2 */
	/* Token 0 leaves the ring, outside ones never enter it. */
	bitnpu_sampler_accept(sampler, 4);
	bitnpu_sampler_accept(sampler, UINT32_MAX);
	bitnpu_sampler_accept(sampler, 1);
	assert_int_equal(bitnpu_sampler_next(sampler, (float[]){ 2, 3.5f, 0, 0 }), 0);
	/* Once a token is entered twice, the penalty still counts once. */
	assert_int_equal(bitnpu_sampler_next(sampler, (float[]){ 2, 4.5f, 0, 0 }), 1);
	bitnpu_sampler_accept(sampler, 2);
	bitnpu_sampler_accept(sampler, 2);
	assert_int_equal(bitnpu_sampler_next(sampler, (float[]){ 2, 2.1f, 0, 0 }), 1);
	bitnpu_sampler_destroy(sampler);

	/* 0 and 1 mean none, and so does an empty ring. */
	sampler = MAKE(4, .repeat_penalty = 1, .repeat_last = 2);
	bitnpu_sampler_accept(sampler, 0);
	assert_int_equal(bitnpu_sampler_next(sampler, logits), 0);
	bitnpu_sampler_destroy(sampler);
	sampler = MAKE(4, .repeat_penalty = 9);
	bitnpu_sampler_accept(sampler, 0);
	assert_int_equal(bitnpu_sampler_next(sampler, logits), 0);
	bitnpu_sampler_destroy(sampler);
	sampler = MAKE(4, .repeat_last = 9);
	bitnpu_sampler_accept(sampler, 0);
	assert_int_equal(bitnpu_sampler_next(sampler, logits), 0);
	bitnpu_sampler_destroy(sampler);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greedy),
		cmocka_unit_test(test_parameters),
		cmocka_unit_test(test_random_numbers),
		cmocka_unit_test(test_distribution),
		cmocka_unit_test(test_against_sort),
		cmocka_unit_test(test_hostile_logits),
		cmocka_unit_test(test_repeat_penalty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
