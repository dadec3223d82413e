// SPDX-License-Identifier: MIT
/* The float operations in vectors that every processor has. */
#define BITNPU_VECTOR	4
#define HOSTOPS_NAME	"baseline"
#define HOSTOPS_TABLE	bitnpu_hostops_baseline

#include "ops.h"
