/* SPDX-License-Identifier: MIT */
/* Loops that must be gone before registers are given out: they index arrays that are to lie there. */
#ifndef BITNPU_UNROLL_H
#define BITNPU_UNROLL_H

#ifdef __clang__
#define BITNPU_UNROLL _Pragma("clang loop unroll(full)")
#else
#define BITNPU_UNROLL _Pragma("GCC unroll 32")
#endif

#endif /* BITNPU_UNROLL_H */
