/* SPDX-License-Identifier: MIT */
/*
 * Measurements.  Speeds of one machine swing by a third from minute to minute, so each sample of
 * what is measured follows a sample of the memory bandwidth, and a row compares their medians.
 */
#ifndef BITNPU_BENCH_H
#define BITNPU_BENCH_H

#include "command.h"

#define BITNPU_BENCH_SAMPLES 1000

/** struct bitnpu_samples - values gathered; the median needs at least one */
struct bitnpu_samples {
	double value[BITNPU_BENCH_SAMPLES];
	unsigned int count;
};

void bitnpu_samples_add(struct bitnpu_samples *samples, double value);
/** bitnpu_samples_sort() - call before the three functions below */
void bitnpu_samples_sort(struct bitnpu_samples *samples);
double bitnpu_samples_median(const struct bitnpu_samples *samples);
double bitnpu_samples_min(const struct bitnpu_samples *samples);
double bitnpu_samples_max(const struct bitnpu_samples *samples);

/** bitnpu_bench_seconds() - Return: a monotonic clock */
double bitnpu_bench_seconds(void);

struct bitnpu_roof;

/**
 * bitnpu_roof_create() - threads, one a CPU online, that read a buffer as fast as they can
 * @bytes: size of the buffer; 0 for twice the largest cache, 256 MiB at least
 * @roof: bitnpu_roof_destroy()
 * @err: why not
 */
int bitnpu_roof_create(uint64_t bytes, struct bitnpu_roof **roof, struct bitnpu_error *err);
void bitnpu_roof_destroy(struct bitnpu_roof *roof);
/** bitnpu_roof_measure() - read the buffer once; Return: bytes a second */
double bitnpu_roof_measure(struct bitnpu_roof *roof);
uint64_t bitnpu_roof_bytes(const struct bitnpu_roof *roof);
unsigned int bitnpu_roof_threads(const struct bitnpu_roof *roof);

/** bitnpu_cache_bytes() - Return: size of the largest cache, 32 MiB when unknown */
uint64_t bitnpu_cache_bytes(void);

/**
 * struct bitnpu_bench_row - one measurement; speeds are NAN where they do not apply
 * @kind: "gemv", "gemm", "prefill" or "decode"
 * @device: device name
 * @format: weight format, "" for a model
 * @m: rows of activations; tokens of a model's step
 * @n: rows of weights, 0 for a model
 * @k: columns of weights, 0 for a model
 * @depth: matmuls in a submission, each with weights of its own; steps of a model
 * @samples: how many
 * @seconds: median of one sample
 * @seconds_min: shortest
 * @seconds_max: longest
 * @gbps: weights read, 10^9 bytes a second
 * @roof_gbps: what plain reading reached between the samples
 * @share_of_roof: @gbps over @roof_gbps
 * @gops: multiplications and additions, 10^9 a second
 * @tokens_per_s: tokens a second
 */
struct bitnpu_bench_row {
	const char *kind;
	char device[32], format[24];
	uint32_t m, n, k, depth;
	unsigned int samples;
	double seconds, seconds_min, seconds_max;
	double gbps, roof_gbps, share_of_roof, gops, tokens_per_s;
};

/**
 * struct bitnpu_bench - what all measurements share
 * @roof: the bandwidth meter
 * @repeat: samples of each row
 * @progress: the line
 * @done: samples taken
 * @total: samples to take
 */
struct bitnpu_bench {
	struct bitnpu_roof *roof;
	uint32_t repeat;
	struct bitnpu_progress *progress;
	uint64_t done, total;
};

/**
 * bitnpu_bench_sample() - take the samples of a row
 * @bench: shared
 * @row: its times and its roof are filled in
 * @run: what to time; returns 0 or an error
 * @user: handed to @run
 * @err: handed to @run
 *
 * Return: 0, what @run returned, -ECANCELED after a signal.
 */
int bitnpu_bench_sample(struct bitnpu_bench *bench, struct bitnpu_bench_row *row,
			int (*run)(void *user, struct bitnpu_error *err), void *user,
			struct bitnpu_error *err);

/**
 * struct bitnpu_bench_matmul - a matmul to measure
 * @m: rows of activations
 * @n: rows of weights
 * @k: columns of weights
 * @weight_format: &enum bitnpu_weight_format
 * @group_shift: log2 of the group of a scale, 0 without group scales
 * @depth: matmuls in a submission, 0 to choose: enough that no cache holds their weights
 */
struct bitnpu_bench_matmul {
	uint32_t m, n, k;
	uint8_t weight_format, group_shift;
	uint32_t depth;
};

/** bitnpu_bench_parse_shape() - "MxNxK"; Return: whether @text is one and in range */
bool bitnpu_bench_parse_shape(const char *text, struct bitnpu_bench_matmul *matmul);
/** bitnpu_bench_parse_format() - "ternary", "int8", "binary-g128", ... */
bool bitnpu_bench_parse_format(const char *text, struct bitnpu_bench_matmul *matmul);

/** bitnpu_bench_matmul() - measure; -ENOTSUP when the device lacks the format */
int bitnpu_bench_matmul(struct bitnpu_bench *bench, struct bitnpu_device *device,
			const struct bitnpu_bench_matmul *matmul, struct bitnpu_bench_row *row,
			struct bitnpu_error *err);

/**
 * bitnpu_bench_model() - measure a whole model
 * @bench: shared
 * @model: the model
 * @device: the device
 * @prefill: tokens of the prefill step, cut to the model's context
 * @decode: tokens of the decode steps
 * @rows: two: prefill, decode
 * @err: why not
 */
int bitnpu_bench_model(struct bitnpu_bench *bench, struct bitnpu_model *model,
		       struct bitnpu_device *device, uint32_t prefill, uint32_t decode,
		       struct bitnpu_bench_row *rows, struct bitnpu_error *err);

#endif /* BITNPU_BENCH_H */
