/* SPDX-License-Identifier: MIT */
/* Results of an earlier run, and what became of them. */
#ifndef BITNPU_BENCH_COMPARE_H
#define BITNPU_BENCH_COMPARE_H

#include "bench.h"

/**
 * struct bitnpu_bench_old - an earlier run's results
 * @path: the file they were in
 * @rows: as they were measured; rates are not read
 * @count: how many
 * @parameters: of its model, 0 without one
 */
struct bitnpu_bench_old {
	const char *path;
	struct bitnpu_bench_row *rows;
	size_t count;
	uint64_t parameters;
};

/**
 * bitnpu_bench_old_read() - read what --json wrote
 * @path: the file, which anybody may have written; the string outlives @old
 * @old: bitnpu_bench_old_free(), also after an error
 * @err: names the line, or the row and its member
 */
int bitnpu_bench_old_read(const char *path, struct bitnpu_bench_old *old,
			  struct bitnpu_error *err);
void bitnpu_bench_old_free(struct bitnpu_bench_old *old);

/**
 * struct bitnpu_bench_change - a row against the same of an earlier run
 * @old: what was measured then
 * @ratio: of speeds, over 1 when it is faster now
 * @roof_ratio: of the read bandwidths, NAN when one was not measured
 * @outside: no sample of one run is as fast as one of the other
 */
struct bitnpu_bench_change {
	const struct bitnpu_bench_row *old;
	double ratio, roof_ratio;
	bool outside;
};

/** bitnpu_bench_change() - Return: whether @old has a row of @row's device, kind and shape */
bool bitnpu_bench_change(const struct bitnpu_bench_old *old, const struct bitnpu_bench_row *row,
			 struct bitnpu_bench_change *change);

/** bitnpu_bench_compare() - a table of every row's change, on stdout */
void bitnpu_bench_compare(const struct bitnpu_bench_report *report);

#endif /* BITNPU_BENCH_COMPARE_H */
