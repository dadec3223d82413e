// SPDX-License-Identifier: MIT
/* One matmul at a time: shapes, group sizes, long rows, extreme values. */
#include <string.h>

#include "groups.h"

#define COUNT(array)	(sizeof(array) / sizeof((array)[0]))

static const char *const format_names[] = { "ternary", "binary", "int8" };

/* Around tiles, lines, groups and the blocks that engines cut rows into; and primes. */
static const uint32_t edge_m[] = { 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65, 131 };
static const uint32_t edge_n[] = { 1,  2,  15, 16, 17,	31,  32,  33,  48,  63,
				   64, 65, 97, 127, 128, 129, 255, 257, 521, 1021 };
static const uint32_t edge_k[] = { 1,  2,  3,  4,  5,  15,  16,  17,  31,  32,	33,  47,
				   48, 63, 64, 65, 95, 127, 128, 129, 255, 256, 257, 511,
				   512, 513, 1021, 1024, 2047, 4093 };
/* Multiply-accumulates of one case; slow devices and the reference must finish. */
#define MAX_MACS	400000

const char *bench_image(struct bench *b, struct image *image)
{
	const char *wrong;

	b->images++;
	if (b->sink) {
		wrong = b->sink(b->sink_user, image);
	} else {
		wrong = image_run(b->device, image);
		if (!wrong && b->golden)
			wrong = image_run(b->golden, image);
	}
	image_free(image);
	return wrong;
}

void random_formats(struct test_random *random, uint8_t *weight_format, uint8_t *output_format,
		    uint8_t *group_shift)
{
	*weight_format = test_random_below(random, 3);
	*output_format = test_random_below(random, 2);
	*group_shift = BITNPU_GROUP_SHIFT_MIN + test_random_below(random, 12);
}

static const char *check(struct bench *b, struct plain_matmul *plain, const char *what)
{
	struct image image;

	image_init(&image, "%s %s to int%u, m %u, n %u, k %u, group_shift %u", what,
		   format_names[plain->weight_format], plain->groups ? 64 : 32, plain->m,
		   plain->n, plain->k, plain->group_shift);
	image_simple(&image, plain, &b->random);
	plain_matmul_free(plain);
	/* cppcheck-suppress returnDanglingLifetime ; a message is returned, not the image */
	return bench_image(b, &image);
}

static const char *check_shape(struct bench *b, uint32_t formats, uint32_t m, uint32_t n,
			       uint32_t k)
{
	struct plain_matmul plain;

	while ((uint64_t)m * n * k > MAX_MACS) {
		if (m > 1)
			m = m / 2;
		else
			n = n / 2;
	}
	image_shape(&plain, formats % 3, formats / 3, 5 + test_random_below(&b->random, 12), m, n,
		    k, &b->random);
	return check(b, &plain, "shape");
}

static uint32_t pick(struct bench *b, const uint32_t *values, size_t count)
{
	return values[test_random_below(&b->random, count)];
}

/* Every edge of every dimension, the other two at random edges. */
const char *group_edges(struct bench *b, uint32_t formats)
{
	const size_t step = b->quick ? 3 : 1;
	const size_t first = b->quick ? formats % 3 : 0;
	const char *wrong = NULL;

	for (size_t i = first; i < COUNT(edge_m) && !wrong; i += step)
		wrong = check_shape(b, formats, edge_m[i], pick(b, edge_n, 12),
				    pick(b, edge_k, 20));
	for (size_t i = first; i < COUNT(edge_n) && !wrong; i += step)
		wrong = check_shape(b, formats, pick(b, edge_m, 12), edge_n[i],
				    pick(b, edge_k, 20));
	for (size_t i = first; i < COUNT(edge_k) && !wrong; i += step)
		wrong = check_shape(b, formats, pick(b, edge_m, 8), pick(b, edge_n, 10), edge_k[i]);
	return wrong;
}

const char *group_random(struct bench *b, uint32_t formats)
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i < b->cases && !wrong; i++)
		wrong = check_shape(b, formats, 1 + test_random_below(&b->random, 40),
				    1 + test_random_below(&b->random, 300),
				    1 + test_random_below(&b->random, 700));
	return wrong;
}

/* Every size of a group, with one group, a group's beginning, and a few. */
const char *group_shifts(struct bench *b, uint32_t weight_format)
{
	const char *wrong = NULL;

	for (uint8_t shift = BITNPU_GROUP_SHIFT_MIN; shift <= BITNPU_GROUP_SHIFT_MAX; shift++) {
		const uint32_t size = 1u << shift;
		const uint32_t ks[] = { size - 1, size, size + 1, 2 * size + 17, 3 * size };

		for (size_t i = 0; i < COUNT(ks) && !wrong; i++) {
			struct plain_matmul plain;

			if (ks[i] > BITNPU_MAX_K || (b->quick && shift > 11 && i != shift % 5))
				continue;
			image_shape(&plain, weight_format, BITNPU_Y_INT64, shift,
				    1 + test_random_below(&b->random, 2),
				    1 + test_random_below(&b->random, 20), ks[i], &b->random);
			wrong = check(b, &plain, "groups");
		}
	}
	return wrong;
}

const char *group_long(struct bench *b, uint32_t weight_format)
{
	static const uint32_t ks[] = { 65536, 65535, 65521, 65505, 49157, 32769, 16411 };
	const char *wrong = NULL;

	for (size_t i = 0; i < COUNT(ks) && !wrong; i += b->quick ? 3 : 1) {
		for (uint8_t output = 0; output < 2 && !wrong; output++) {
			struct plain_matmul plain;

			image_shape(&plain, weight_format, output,
				    5 + test_random_below(&b->random, 12),
				    1 + test_random_below(&b->random, 5), b->quick ? 3 : 19, ks[i],
				    &b->random);
			wrong = check(b, &plain, "long");
		}
	}
	return wrong;
}

/* The largest values of each sort against each other: sums that just fit, or wrap as they must. */
static const int8_t extreme_x[] = { -128, 127, 0 };
static const int8_t extreme_w[3][4] = {
	[BITNPU_W_TERNARY] = { -1, 1, 2, 0 },
	[BITNPU_W_BINARY] = { -1, 1, -1, 1 },
	[BITNPU_W_INT8] = { -128, 127, -1, 0 },
};
/* Largest finite, subnormals, zeros, smallest normal, exponent 31 (computed like any other). */
static const uint16_t extreme_s[] = { 0x7bff, 0xfbff, 0x0001, 0x8001, 0x03ff, 0x0000,
				      0x8000, 0x0400, 0x7c00, 0xfc00, 0x7fff, 0xffff };

static void fill(struct plain_matmul *plain, int8_t x, int8_t w, uint16_t s)
{
	memset(plain->x, x, (size_t)plain->m * plain->k);
	memset(plain->w, w, (size_t)plain->n * plain->k);
	for (size_t i = 0; i < (size_t)plain->n * plain->groups; i++)
		plain->s[i] = s;
}

static const char *check_extreme(struct bench *b, uint32_t format, uint8_t output, int8_t x,
				 int8_t w, uint16_t s)
{
	struct plain_matmul plain;
	const uint32_t k = b->quick ? 2048 : 65536;

	image_shape(&plain, format, output, 5 + test_random_below(&b->random, 12), 1, 5, k,
		    &b->random);
	fill(&plain, x, w, s);
	return check(b, &plain, "extreme");
}

const char *group_extremes(struct bench *b, uint32_t weight_format)
{
	const size_t weights = weight_format == BITNPU_W_BINARY ? 2 : 4;
	const char *wrong = NULL;

	for (size_t x = 0; x < COUNT(extreme_x) && !wrong; x++) {
		for (size_t w = 0; w < weights && !wrong; w++) {
			const int8_t weight = extreme_w[weight_format][w];

			wrong = check_extreme(b, weight_format, BITNPU_Y_INT32, extreme_x[x],
					      weight, 0);
			for (size_t s = 0; s < COUNT(extreme_s) && !wrong; s++)
				wrong = check_extreme(b, weight_format, BITNPU_Y_INT64,
						      extreme_x[x], weight, extreme_s[s]);
		}
	}
	return wrong;
}

/* Uniform rows between random ones, and scales of every sort within a row. */
const char *group_special_rows(struct bench *b, uint32_t weight_format)
{
	const char *wrong = NULL;

	for (uint32_t i = 0; i < (b->quick ? 4 : 16) && !wrong; i++) {
		struct plain_matmul plain;

		image_shape(&plain, weight_format, i % 2, 5 + test_random_below(&b->random, 4), 6,
			    40, 1 + test_random_below(&b->random, 900), &b->random);
		for (uint32_t n = 0; n < plain.n; n += 1 + test_random_below(&b->random, 2))
			memset(plain.w + (size_t)n * plain.k,
			       extreme_w[weight_format][test_random_below(&b->random, 4)], plain.k);
		for (uint32_t m = 0; m < plain.m; m += 2)
			memset(plain.x + (size_t)m * plain.k,
			       extreme_x[test_random_below(&b->random, 3)], plain.k);
		for (size_t s = 0; s < (size_t)plain.n * plain.groups; s++)
			plain.s[s] = extreme_s[test_random_below(&b->random, COUNT(extreme_s))];
		wrong = check(b, &plain, "special rows,");
	}
	return wrong;
}
