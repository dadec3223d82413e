/* SPDX-License-Identifier: MIT */
/* A roofline picture of what was measured. */
#ifndef BITNPU_BENCH_PLOT_H
#define BITNPU_BENCH_PLOT_H

#include "bench.h"

/** bitnpu_bench_plot_check() - Return: whether @path ends as a picture this command can draw does */
bool bitnpu_bench_plot_check(const char *path, struct bitnpu_error *err);

/**
 * bitnpu_bench_plot() - operations a byte against operations a second, on logarithmic axes
 * @report: what was measured
 * @path: whose ending says which kind
 * @bytes: of the picture
 *
 * Return: the picture, to be freed, or NULL without memory.
 */
void *bitnpu_bench_plot(const struct bitnpu_bench_report *report, const char *path, size_t *bytes);

#endif /* BITNPU_BENCH_PLOT_H */
