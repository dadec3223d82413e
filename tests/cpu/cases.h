/* SPDX-License-Identifier: MIT */
/* MATMULs on the kernels of one level, compared with plain matrices bit for bit. */
#ifndef TEST_CPU_CASES_H
#define TEST_CPU_CASES_H

#include <stdbool.h>
#include <stdint.h>

#include "libbitnpu/cpu/cpu.h"
#include "tests/support/random.h"

/**
 * enum fill - what the operands hold
 * @FILL_RANDOM: any value
 * @FILL_LEAST: x all -128 and the largest code, for int8 -128: the sum of largest magnitude
 * @FILL_MOST: x all 127, likewise
 * @FILL_ZERO_CODES: x all -128, codes 0
 */
enum fill {
	FILL_RANDOM,
	FILL_LEAST,
	FILL_MOST,
	FILL_ZERO_CODES,
};

/**
 * enum scales - what the scales are
 * @SCALES_NARROW: less than 128, which kernels multiply themselves
 * @SCALES_LARGEST: the largest of these, of either sign
 * @SCALES_ONE_WIDE: less than 128, but one that is 128 or -128
 * @SCALES_ANY: any half, also those that are no numbers elsewhere
 */
enum scales {
	SCALES_NARROW,
	SCALES_LARGEST,
	SCALES_ONE_WIDE,
	SCALES_ANY,
};

#define SCALES_KINDS 4

/**
 * struct shape - a MATMUL
 * @weight_format: BITNPU_W_*
 * @group_shift: 0 for INT32, else INT64's
 * @m: rows of x
 * @n: rows of w
 * @k: columns
 * @fill: of x and w
 * @scales: of the groups
 */
struct shape {
	uint8_t weight_format, group_shift;
	uint32_t m, n, k;
	enum fill fill;
	enum scales scales;
};

/**
 * check_shapes() - run MATMULs that no barrier separates
 * @level: kernels, which must be able to run here
 * @pool: threads
 * @shapes: of the commands, 32 at most
 * @count: how many
 * @same_x: all read the first one's x, whose m and k they then have
 * @random: operands are drawn from
 *
 * Every operand ends where its last byte may be read, before a page that may not; bits that no weight
 * owns and bytes past column K are random.  What differs is printed as a comment.
 *
 * Return: whether y is right, and all around it as it was.
 */
bool check_shapes(const struct bitnpu_cpu_level *level, struct bitnpu_pool *pool,
		  const struct shape *shapes, unsigned int count, bool same_x,
		  struct test_random *random);

#endif /* TEST_CPU_CASES_H */
