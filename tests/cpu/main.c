// SPDX-License-Identifier: MIT
/*
 * Every level's kernels against plain matrices: those that this processor can run, and those that
 * are compiled for an emulation of their instructions (make/cpu.mk).  Speaks TAP.
 *
 * usage: cpu [LEVEL]...      BITNPU_TEST_SEED repeats a run
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define FORMATS 3

/* The same sources again, on emulated instructions; absent where the emulation is not installed. */
extern const struct bitnpu_cpu_level emulated_avxvnni __attribute__((weak));
extern const struct bitnpu_cpu_level emulated_avx512vnni __attribute__((weak));
extern const struct bitnpu_cpu_level emulated_amx __attribute__((weak));

struct run {
	const struct bitnpu_cpu_level *level;
	struct bitnpu_pool *pool;
	struct test_random random;
};

static bool check(struct run *run, const struct shape *shape)
{
	return check_shapes(run->level, run->pool, shape, 1, false, &run->random);
}

/* Every number of rows up to some blocks of any level; 256 is where the driver begins anew. */
static bool check_rows(struct run *run)
{
	static const uint32_t more[] = { 63, 64, 65, 100, 255, 256, 257 };
	bool right = true;

	for (uint8_t format = 0; format < FORMATS; format++) {
		for (uint32_t i = 0; i < 50 + COUNT(more); i++) {
			struct shape shape = {
				.weight_format = format,
				.group_shift = i % 3 ? 0 : 5 + i % 4,
				.m = i < 50 ? i + 1 : more[i - 50],
				.n = 1 + test_random_below(&run->random, 40),
				.k = 1 + test_random_below(&run->random, 200),
			};

			right = check(run, &shape) && right;
		}
	}
	return right;
}

/* Rows at which kernels change, by columns at which lines, blocks and caches of codes end. */
static bool check_columns(struct run *run)
{
	static const uint32_t columns[] = { 1,	 2,   3,   4,	5,   15,  16,  17,   31,   32,	 33,
					    63,	 64,  65,  66,	68,  95,  96,  100,  127,  128,	 129,
					    160, 191, 192, 193, 255, 256, 257, 1023, 1024, 1025, 1100,
					    2047, 2048, 2049, 4095, 4096, 4097, 5000 };
	static const uint32_t rows[] = { 1, 2, 3, 5, 8, 17, 33 };
	bool right = true;

	for (uint8_t format = 0; format < FORMATS; format++) {
		for (uint32_t i = 0; i < COUNT(columns); i++) {
			for (uint32_t j = 0; j < COUNT(rows); j++) {
				struct shape shape = {
					.weight_format = format,
					.m = rows[j],
					.n = columns[i] > 1000 ? 16 : 20,
					.k = columns[i],
				};

				if (columns[i] <= 1000 || j % 3 == i % 3)
					right = check(run, &shape) && right;
			}
		}
	}
	return right;
}

/* Also more groups than scales are made ready for at once. */
static bool check_groups(struct run *run)
{
	static const uint32_t rows[] = { 1, 2, 4, 7, 9, 16, 34 };
	bool right = true;

	for (uint8_t format = 0; format < FORMATS; format++) {
		for (uint8_t shift = BITNPU_GROUP_SHIFT_MIN; shift <= BITNPU_GROUP_SHIFT_MAX; shift++) {
			for (uint32_t j = 0; j < COUNT(rows); j++) {
				uint32_t most = shift < 10 ? 4u << shift : 4000;
				uint32_t least = j < 2 && shift < 7 ? 300u << shift : 1;
				struct shape shape = {
					.weight_format = format,
					.group_shift = shift,
					.m = rows[j],
					.n = 1 + test_random_below(&run->random, 20),
					.k = least + test_random_below(&run->random, most),
					.scales = (shift + j) % SCALES_KINDS,
				};

				right = check(run, &shape) && right;
			}
		}
	}
	return right;
}

/* Sums as large as they get, and all that lies between. */
static bool check_extremes(struct run *run)
{
	static const uint32_t columns[] = { 64, 1000, 9000, BITNPU_MAX_K };
	static const uint32_t rows[] = { 1, 2, 3, 9, 17 };
	static const uint8_t shifts[] = { 0, 6, 0, 16, 0, 5, 0, 8, 0, 10 };
	bool right = true;

	for (uint8_t format = 0; format < FORMATS; format++) {
		for (enum fill fill = FILL_LEAST; fill <= FILL_ZERO_CODES; fill++) {
			for (uint32_t i = 0; i < COUNT(columns) * COUNT(rows); i++) {
				uint32_t k = columns[i / COUNT(rows)];
				struct shape shape = {
					.weight_format = format,
					.group_shift = shifts[i % COUNT(shifts)],
					.m = rows[i % COUNT(rows)],
					.n = k > 5000 ? 1 : 33,
					.k = k,
					.fill = fill,
					.scales = i % 7 ? SCALES_LARGEST : SCALES_ANY,
				};

				right = check(run, &shape) && right;
			}
		}
	}
	return right;
}

/* Commands of all formats that read one x: each layout once, none for another's kernel. */
static bool check_batches(struct run *run)
{
	static const uint32_t rows[] = { 1, 2, 8, 20, 260 };
	bool right = true;

	for (uint32_t i = 0; i < COUNT(rows); i++) {
		struct shape shapes[20];

		for (uint32_t j = 0; j < COUNT(shapes); j++)
			shapes[j] = (struct shape){
				.weight_format = j % FORMATS,
				.group_shift = j % 5 < 2 ? 0 : 4 + j % 5,
				.m = rows[i],
				.n = 1 + test_random_below(&run->random, 100),
				.k = 161,
			};
		right = check_shapes(run->level, run->pool, shapes, COUNT(shapes), true,
				     &run->random) && right;
	}
	return right;
}

static bool check_random(struct run *run)
{
	bool right = true;

	for (uint32_t i = 0; i < 200; i++) {
		struct shape shape = {
			.weight_format = test_random_below(&run->random, FORMATS),
			.m = 1 + test_random_below(&run->random, i % 4 ? 12 : 70),
			.n = 1 + test_random_below(&run->random, 50),
			.k = 1 + test_random_below(&run->random, i % 8 ? 400 : 3000),
		};

		if (test_random_below(&run->random, 2))
			shape.group_shift = 5 + test_random_below(&run->random, 12);
		shape.scales = test_random_below(&run->random, SCALES_KINDS);
		right = check(run, &shape) && right;
	}
	return right;
}

static const struct {
	const char *name;
	bool (*check)(struct run *run);
} checks[] = {
	{ "any number of rows", check_rows },
	{ "columns at every edge", check_columns },
	{ "every size of groups", check_groups },
	{ "the largest sums", check_extremes },
	{ "commands that share x", check_batches },
	{ "random shapes", check_random },
};

static bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	while (*names && strcmp(*names, name))
		names++;
	return *names;
}

/**
 * struct candidate - kernels to test
 * @level: NULL where no emulation is installed
 * @name: for people
 * @missing: why it cannot be tested, or NULL
 */
struct candidate {
	const struct bitnpu_cpu_level *level;
	const char *name, *missing;
};

/* Those that the command line names, or all; Return: how many. */
static size_t list_candidates(char **names, struct candidate *candidates)
{
	static const struct candidate emulated[] = {
		{ &emulated_avxvnni, "emulated avxvnni", "SIMD Everywhere is not installed" },
		{ &emulated_avx512vnni, "emulated avx512vnni", "SIMD Everywhere is not installed" },
		{ &emulated_amx, "emulated amx", "SIMD Everywhere is not installed" },
	};
	size_t count = 0;

	for (size_t i = 0; bitnpu_cpu_levels[i]; i++) {
		const struct bitnpu_cpu_level *level = bitnpu_cpu_levels[i];

		if (wanted(level->name, names))
			candidates[count++] = (struct candidate){
				level, level->name,
				level->usable() ? NULL : "not on this processor",
			};
	}
	for (size_t i = 0; i < COUNT(emulated); i++) {
		if (!wanted(emulated[i].name, names))
			continue;
		candidates[count] = emulated[i];
		if (emulated[i].level)
			candidates[count].missing = NULL;
		count++;
	}
	return count;
}

/* Return: failed tests; *number: of the last one */
static unsigned int run_candidate(const struct candidate *candidate, struct bitnpu_pool *pool,
				  unsigned int *number)
{
	unsigned int failed = 0;

	if (candidate->missing) {
		printf("ok %u - %s # SKIP %s\n", ++*number, candidate->name, candidate->missing);
		return 0;
	}
	for (size_t i = 0; i < COUNT(checks); i++) {
		struct run run = { candidate->level, pool, { 0 } };
		bool right;

		test_random_init(&run.random, i);
		right = checks[i].check(&run);
		failed += !right;
		printf("%sok %u - %s: %s\n", right ? "" : "not ", ++*number, candidate->name,
		       checks[i].name);
		fflush(stdout);
	}
	return failed;
}

int main(int argc, char **argv)
{
	struct candidate candidates[32];
	struct bitnpu_pool *pool = bitnpu_pool_get();
	size_t count = list_candidates(argv + 1, candidates), tests = 0;
	unsigned int failed = 0, number = 0;

	for (size_t i = 0; i < count; i++)
		tests += candidates[i].missing ? 1 : COUNT(checks);
	printf("1..%zu\n", tests);
	for (size_t i = 0; i < count; i++)
		failed += run_candidate(&candidates[i], pool, &number);
	bitnpu_pool_put(pool);
	return failed > 0;
}
