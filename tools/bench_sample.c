// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "interrupt.h"
#include "progress.h"

void bitnpu_samples_add(struct bitnpu_samples *samples, double value)
{
	if (samples->count < BITNPU_BENCH_SAMPLES)
		samples->value[samples->count++] = value;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void bitnpu_samples_sort(struct bitnpu_samples *samples)
{
	qsort(samples->value, samples->count, sizeof(*samples->value), ascending);
}

double bitnpu_samples_median(const struct bitnpu_samples *samples)
{
	unsigned int half = samples->count / 2;

	if (samples->count % 2)
		return samples->value[half];
	return (samples->value[half - 1] + samples->value[half]) / 2;
}

double bitnpu_samples_min(const struct bitnpu_samples *samples)
{
	return samples->value[0];
}

double bitnpu_samples_max(const struct bitnpu_samples *samples)
{
	return samples->value[samples->count - 1];
}

double bitnpu_bench_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

int bitnpu_bench_sample(struct bitnpu_bench *bench, struct bitnpu_bench_row *row,
			int (*run)(void *user, struct bitnpu_error *err), void *user,
			struct bitnpu_error *err)
{
	struct bitnpu_samples times = { .count = 0 }, roofs = { .count = 0 };
	double begin;
	int failed;

	for (uint32_t i = 0; i < bench->repeat; i++) {
		if (bitnpu_interrupted())
			return -ECANCELED;
		bitnpu_samples_add(&roofs, bitnpu_roof_measure(bench->roof));
		begin = bitnpu_bench_seconds();
		failed = run(user, err);
		if (failed)
			return failed;
		bitnpu_samples_add(&times, bitnpu_bench_seconds() - begin);
		bitnpu_progress_update(bench->progress, ++bench->done, bench->total);
	}
	bitnpu_samples_sort(&times);
	bitnpu_samples_sort(&roofs);
	row->samples = times.count;
	row->seconds = bitnpu_samples_median(&times);
	row->seconds_min = bitnpu_samples_min(&times);
	row->seconds_max = bitnpu_samples_max(&times);
	row->roof_gbps = bitnpu_samples_median(&roofs) * 1e-9;
	row->gbps = row->share_of_roof = row->gops = row->tokens_per_s = NAN;
	return 0;
}
