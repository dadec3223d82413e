/* SPDX-License-Identifier: MIT */
/* Binary weights looked up in tables of x. */
#ifndef BITNPU_CPU_LOOKUP_AVX2_H
#define BITNPU_CPU_LOOKUP_AVX2_H

#include "cpu.h"

/** bitnpu_avx2_lookup - for one row of x by binary weights, in segments of 64 columns or more */
extern const struct bitnpu_cpu_kernel bitnpu_avx2_lookup;

#endif /* BITNPU_CPU_LOOKUP_AVX2_H */
