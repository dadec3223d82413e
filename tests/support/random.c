// SPDX-License-Identifier: MIT
/* splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "random.h"

uint64_t test_seed(void)
{
	static uint64_t seed;
	static int known;

	if (!known) {
		const char *given = getenv("BITNPU_TEST_SEED");
		struct timespec now;

		clock_gettime(CLOCK_REALTIME, &now);
		seed = given ? strtoull(given, NULL, 0)
			     : (uint64_t)now.tv_nsec << 20 ^ (uint64_t)now.tv_sec ^ getpid();
		known = 1;
		fprintf(stderr, "# BITNPU_TEST_SEED=%" PRIu64 "\n", seed);
	}
	return seed;
}

void test_random_init(struct test_random *random, uint64_t stream)
{
	random->state = test_seed() + stream * UINT64_C(0x632be59bd9b4e019);
}

uint64_t test_random_u64(struct test_random *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint32_t test_random_below(struct test_random *random, uint32_t bound)
{
	return (test_random_u64(random) >> 32) * bound >> 32;
}

void test_random_bytes(struct test_random *random, void *out, size_t count)
{
	unsigned char *bytes = out;
	size_t i;

	for (i = 0; i < count; i++)
		bytes[i] = test_random_u64(random) >> 56;
}
