// SPDX-License-Identifier: MIT
#if defined(__x86_64__)
#define BITNPU_VECTOR	16
#define HOSTOPS_NAME	"avx512"
#define HOSTOPS_TABLE	bitnpu_hostops_avx512

#include "ops.h"

#endif
