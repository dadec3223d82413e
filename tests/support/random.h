/* SPDX-License-Identifier: MIT */
/* Random inputs that can be had again: the seed is printed, BITNPU_TEST_SEED sets it. */
#ifndef TEST_RANDOM_H
#define TEST_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/** test_seed() - Return: BITNPU_TEST_SEED or a fresh seed; printed to stderr on the first call */
uint64_t test_seed(void);

/** struct test_random - a stream of random numbers */
struct test_random {
	uint64_t state;
};

/** test_random_init() - a stream of its own for each @stream of the one seed */
void test_random_init(struct test_random *random, uint64_t stream);
uint64_t test_random_u64(struct test_random *random);
/** test_random_below() - Return: uniform in [0, @bound), @bound not 0 */
uint32_t test_random_below(struct test_random *random, uint32_t bound);
/** test_random_bytes() - fill @out with @count uniform bytes */
void test_random_bytes(struct test_random *random, void *out, size_t count);

#endif /* TEST_RANDOM_H */
