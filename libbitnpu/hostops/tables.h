/* SPDX-License-Identifier: MIT */
/* The tables of float operations that level.c chooses from. */
#ifndef BITNPU_HOSTOPS_TABLES_H
#define BITNPU_HOSTOPS_TABLES_H

#include "libbitnpu/hostops.h"

extern const struct bitnpu_hostops bitnpu_hostops_baseline;
extern const struct bitnpu_hostops bitnpu_hostops_avx2;
extern const struct bitnpu_hostops bitnpu_hostops_avx512;

#endif /* BITNPU_HOSTOPS_TABLES_H */
