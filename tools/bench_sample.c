// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "interrupt.h"
#include "output.h"
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

void bitnpu_bench_add_row(struct bitnpu_bench *bench, const struct bitnpu_bench_row *row)
{
	if (bench->row_count == bench->row_capacity) {
		bench->row_capacity = bench->row_capacity ? 2 * bench->row_capacity : 32;
		bench->rows = bitnpu_tool_realloc(bench->rows, bench->row_capacity,
						  sizeof(*bench->rows));
	}
	bench->rows[bench->row_count++] = *row;
}

static double median(struct bitnpu_samples *samples)
{
	bitnpu_samples_sort(samples);
	return bitnpu_samples_median(samples);
}

/* A roof is looked at for this share of what the sample before took, and so often at most. */
#define ROOF_SHARE 0.1
#define MOST_ROOFS 16

/**
 * struct roof_samples - of a row
 * @bandwidth: of memory, bytes a second
 * @peak: multiplications and additions a second
 */
struct roof_samples {
	struct bitnpu_samples bandwidth, peak;
};

/*
 * The roofs are the host's: its memory, if the device shares it; its processors, if it is they.  What a
 * busy machine gives in an instant says little of what it gives during a sample of a second.
 */
static void sample_roofs(struct bitnpu_bench *bench, const struct bitnpu_device_info *info,
			 double seconds, struct roof_samples *roofs)
{
	double begin = bitnpu_bench_seconds();
	bool shared = info->unified || info->host;

	for (unsigned int i = 0; i < MOST_ROOFS; i++) {
		bitnpu_samples_add(&roofs->bandwidth,
				   shared ? bitnpu_roof_measure(bench->roof) : NAN);
		bitnpu_samples_add(&roofs->peak,
				   info->host ? bitnpu_peak_measure(&bench->peak) : NAN);
		if (bitnpu_bench_seconds() - begin > ROOF_SHARE * seconds)
			break;
	}
}

int bitnpu_bench_sample(struct bitnpu_bench *bench, const struct bitnpu_device_info *info,
			struct bitnpu_bench_row *row,
			int (*run)(void *user, struct bitnpu_error *err), void *user,
			struct bitnpu_error *err)
{
	struct bitnpu_samples times = { .count = 0 };
	struct roof_samples roofs = { { .count = 0 }, { .count = 0 } };
	double begin, seconds = 0;
	int failed;

	for (uint32_t i = 0; i < bench->repeat; i++) {
		if (bitnpu_interrupted())
			return -ECANCELED;
		sample_roofs(bench, info, seconds, &roofs);
		begin = bitnpu_bench_seconds();
		failed = run(user, err);
		if (failed)
			return failed;
		seconds = bitnpu_bench_seconds() - begin;
		bitnpu_samples_add(&times, seconds);
		bitnpu_progress_update(bench->progress, ++bench->done, bench->total);
	}
	snprintf(row->device, sizeof(row->device), "%s", info->name);
	row->samples = times.count;
	row->seconds = median(&times);
	row->seconds_min = bitnpu_samples_min(&times);
	row->seconds_max = bitnpu_samples_max(&times);
	row->roof_gbps = median(&roofs.bandwidth) * 1e-9;
	row->roof_gops = median(&roofs.peak) * 1e-9;
	row->gbps = row->share_of_roof = row->gops = row->share_of_peak = row->tokens_per_s = NAN;
	return 0;
}

void bitnpu_bench_rates(struct bitnpu_bench_row *row, double bytes, double operations)
{
	row->gbps = bytes / row->seconds * 1e-9;
	row->share_of_roof = row->gbps / row->roof_gbps;
	row->gops = operations / row->seconds * 1e-9;
	row->share_of_peak = row->gops / row->roof_gops;
}
