// SPDX-License-Identifier: MIT
/* Which instruction sets there are kernels for, and which of them to use. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cpu.h"
#include "libbitnpu/error.h"

const struct bitnpu_cpu_level *const bitnpu_cpu_levels[] = {
#if defined(__x86_64__)
	&bitnpu_cpu_amx,
	&bitnpu_cpu_avx512vnni,
	&bitnpu_cpu_avxvnni,
	&bitnpu_cpu_avx2,
#endif
#if defined(__aarch64__) && !defined(__ARM_BIG_ENDIAN)
	&bitnpu_cpu_i8mm,
	&bitnpu_cpu_dotprod,
	&bitnpu_cpu_neon,
#endif
	&bitnpu_cpu_scalar,
	NULL,
};

int bitnpu_cpu_level_choose(const struct bitnpu_cpu_level **level, struct bitnpu_error *err)
{
	const char *wanted = getenv("BITNPU_CPU_LEVEL");

	for (size_t i = 0; bitnpu_cpu_levels[i]; i++) {
		if (wanted && strcmp(wanted, bitnpu_cpu_levels[i]->name))
			continue;
		*level = bitnpu_cpu_levels[i];
		if ((*level)->usable())
			return 0;
		if (wanted)
			return bitnpu_fail(err, -ENOTSUP,
					   "BITNPU_CPU_LEVEL=%s: not on this processor", wanted);
	}
	return bitnpu_fail(err, -ENOTSUP, "BITNPU_CPU_LEVEL=%s: no such level", wanted);
}
