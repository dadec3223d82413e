// SPDX-License-Identifier: MIT
/* Which of the operations' tables this processor takes. */
#include <stdlib.h>
#include <string.h>

#include "tables.h"

#if defined(__x86_64__)
#include "libbitnpu/cpu/x86.h"

static bool has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && bitnpu_x86_f16c();
}

static bool has_avx512(void)
{
	return has_avx2() && __builtin_cpu_supports("avx512f");
}
#endif

static bool has_baseline(void)
{
	return true;
}

/* Best first. */
static const struct {
	const struct bitnpu_hostops *ops;
	bool (*usable)(void);
} levels[] = {
#if defined(__x86_64__)
	{ &bitnpu_hostops_avx512, has_avx512 },
	{ &bitnpu_hostops_avx2, has_avx2 },
#endif
	{ &bitnpu_hostops_baseline, has_baseline },
};

#define LEVELS (sizeof(levels) / sizeof(levels[0]))

const struct bitnpu_hostops *bitnpu_hostops_level(unsigned int index)
{
	for (unsigned int i = 0; i < LEVELS; i++)
		if (levels[i].usable() && index-- == 0)
			return levels[i].ops;
	return NULL;
}

/* BITNPU_CPU_LEVEL means these too: a level "avx2..." is the table "avx2", "scalar" the baseline. */
static const struct bitnpu_hostops *choose(void)
{
	const char *wanted = getenv("BITNPU_CPU_LEVEL");

	for (unsigned int i = 0; wanted && i < LEVELS; i++)
		if (levels[i].usable() &&
		    !strncmp(wanted, levels[i].ops->name, strlen(levels[i].ops->name)))
			return levels[i].ops;
	if (wanted && !strcmp(wanted, "scalar"))
		return &bitnpu_hostops_baseline;
	return bitnpu_hostops_level(0);
}

const struct bitnpu_hostops *bitnpu_hostops(void)
{
	static const struct bitnpu_hostops *chosen;
	const struct bitnpu_hostops *ops = __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);

	/* Threads that come here at once choose the same. */
	if (!ops) {
		ops = choose();
		__atomic_store_n(&chosen, ops, __ATOMIC_RELEASE);
	}
	return ops;
}
