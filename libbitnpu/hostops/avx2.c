// SPDX-License-Identifier: MIT
#if defined(__x86_64__)
#define BITNPU_VECTOR	8
#define HOSTOPS_NAME	"avx2"
#define HOSTOPS_TABLE	bitnpu_hostops_avx2

#include "ops.h"

#endif
