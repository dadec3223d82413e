/* SPDX-License-Identifier: MIT */
/*
 * Measurements.  Speeds of one machine swing by a third from minute to minute, so each sample of
 * what is measured follows a sample of the roofs, memory bandwidth and multiply-adds, and a row
 * compares their medians.
 */
#ifndef BITNPU_BENCH_H
#define BITNPU_BENCH_H

#include <jansson.h>

#include "command.h"
#include "libbitnpu/pool.h"

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
 * bitnpu_roof_create() - a buffer for threads to read as fast as they can
 * @bytes: size of the buffer; 0 for twice the largest cache, 256 MiB at least
 * @pool: the threads; outlives the roof
 * @roof: bitnpu_roof_destroy()
 * @err: why not
 */
int bitnpu_roof_create(uint64_t bytes, struct bitnpu_pool *pool, struct bitnpu_roof **roof,
		       struct bitnpu_error *err);
void bitnpu_roof_destroy(struct bitnpu_roof *roof);
/** bitnpu_roof_measure() - read the buffer once; Return: bytes a second */
double bitnpu_roof_measure(struct bitnpu_roof *roof);
uint64_t bitnpu_roof_bytes(const struct bitnpu_roof *roof);

/** bitnpu_cache_bytes() - Return: size of the largest cache, 32 MiB when unknown */
uint64_t bitnpu_cache_bytes(void);

struct bitnpu_peak_kernel;

/**
 * struct bitnpu_peak - a meter of int8 multiply-adds
 * @kernel: the fastest instruction here, NULL when none is known for the architecture
 * @pool: the threads that run it
 * @rounds: of a pass of the pool's loop
 */
struct bitnpu_peak {
	const struct bitnpu_peak_kernel *kernel;
	struct bitnpu_pool *pool;
	uint64_t rounds;
};

/** bitnpu_peak_init() - try the instructions this processor has, for a millisecond or two each */
void bitnpu_peak_init(struct bitnpu_peak *peak, struct bitnpu_pool *pool);
/** bitnpu_peak_measure() - Return: multiplications and additions a second, NAN without a kernel */
double bitnpu_peak_measure(struct bitnpu_peak *peak);
/** bitnpu_peak_name() - Return: the instruction, NULL without a kernel */
const char *bitnpu_peak_name(const struct bitnpu_peak *peak);

/**
 * struct bitnpu_bench_row - one measurement; rates are NAN where they do not apply
 * @kind: "gemv", "gemm", "prefill" or "decode"
 * @device: device name
 * @format: weight format of a matmul, "" for a model
 * @m: rows of activations of a matmul, 0 for a model, as the next three
 * @n: rows of weights
 * @k: columns of weights
 * @copies: matmuls in a submission, each with weights of its own
 * @tokens: of a sample of a model, each session's; 0 for a matmul, as the next two
 * @depth: tokens in the KV cache before
 * @parallel: sessions
 * @step: where a model's float operations ran, "host" or "device"; NULL for a matmul
 * @samples: how many
 * @seconds: median of one sample
 * @seconds_min: shortest
 * @seconds_max: longest
 * @gbps: weights and scales, when decoding also keys and values, 10^9 bytes a second
 * @roof_gbps: what plain reading reached between the samples; of memory that the device shares
 * @share_of_roof: @gbps over @roof_gbps
 * @gops: multiplications and additions of matmuls, 10^9 a second
 * @roof_gops: what multiply-adds in registers reached between the samples; of the host's processors
 * @share_of_peak: @gops over @roof_gops
 * @tokens_per_s: tokens a second, of all sessions
 */
struct bitnpu_bench_row {
	const char *kind;
	char device[32], format[24];
	uint32_t m, n, k, copies;
	uint32_t tokens, depth, parallel;
	const char *step;
	unsigned int samples;
	double seconds, seconds_min, seconds_max;
	double gbps, roof_gbps, share_of_roof;
	double gops, roof_gops, share_of_peak;
	double tokens_per_s;
};

/**
 * struct bitnpu_bench - what all measurements share, and what came of them
 * @roof: the bandwidth meter
 * @peak: the meter of multiply-adds
 * @pool: the threads of both
 * @repeat: samples of each row
 * @progress: the line
 * @done: samples taken
 * @total: samples to take
 * @rows: measured so far
 * @row_count: how many
 * @row_capacity: room in @rows
 */
struct bitnpu_bench {
	struct bitnpu_roof *roof;
	struct bitnpu_peak peak;
	struct bitnpu_pool *pool;
	uint32_t repeat;
	struct bitnpu_progress *progress;
	uint64_t done, total;
	struct bitnpu_bench_row *rows;
	size_t row_count, row_capacity;
};

/** bitnpu_bench_add_row() - keep a row */
void bitnpu_bench_add_row(struct bitnpu_bench *bench, const struct bitnpu_bench_row *row);

/**
 * bitnpu_bench_sample() - take the samples of a row
 * @bench: shared
 * @info: the device
 * @row: zeroed; its device, times and roofs are filled in, its rates are NAN
 * @run: what to time; returns 0 or an error
 * @user: handed to @run
 * @err: handed to @run
 *
 * Return: 0, what @run returned, -ECANCELED after a signal.
 */
int bitnpu_bench_sample(struct bitnpu_bench *bench, const struct bitnpu_device_info *info,
			struct bitnpu_bench_row *row,
			int (*run)(void *user, struct bitnpu_error *err), void *user,
			struct bitnpu_error *err);

/**
 * bitnpu_bench_rates() - what a row's samples come to, given its times and roofs
 * @row: its rates and shares are filled in
 * @bytes: that a sample must read
 * @operations: multiplications and additions of a sample
 */
void bitnpu_bench_rates(struct bitnpu_bench_row *row, double bytes, double operations);

/**
 * struct bitnpu_bench_matmul - a matmul to measure
 * @m: rows of activations
 * @n: rows of weights
 * @k: columns of weights
 * @weight_format: &enum bitnpu_weight_format
 * @group_shift: log2 of the group of a scale, 0 without group scales
 * @copies: matmuls in a submission, 0 to choose: enough that no cache holds their weights
 */
struct bitnpu_bench_matmul {
	uint32_t m, n, k;
	uint8_t weight_format, group_shift;
	uint32_t copies;
};

/** bitnpu_bench_parse_shape() - "MxNxK"; Return: whether @text is one and in range */
bool bitnpu_bench_parse_shape(const char *text, struct bitnpu_bench_matmul *matmul);
/** bitnpu_bench_parse_format() - "ternary", "int8", "binary-g128", ... */
bool bitnpu_bench_parse_format(const char *text, struct bitnpu_bench_matmul *matmul);

/** bitnpu_bench_matmul() - measure and add the row; -ENOTSUP when the device lacks the format */
int bitnpu_bench_matmul(struct bitnpu_bench *bench, struct bitnpu_device *device,
			const struct bitnpu_bench_matmul *matmul, struct bitnpu_error *err);

/**
 * struct bitnpu_bench_model - a whole model to measure
 * @model: the model
 * @prefill: lengths of prompts, a row each
 * @depth: tokens in the KV cache before decoding, a row each; ascending
 * @decode: tokens that each session decodes in a sample
 * @parallel: sessions that decode
 * @batch: tokens of a prefill step
 * @step: &enum bitnpu_step
 */
struct bitnpu_bench_model {
	struct bitnpu_model *model;
	struct bitnpu_numbers prefill, depth;
	uint32_t decode, parallel, batch, step;
};

/** bitnpu_bench_model() - measure and add the rows */
int bitnpu_bench_model(struct bitnpu_bench *bench, struct bitnpu_device *device,
		       const struct bitnpu_bench_model *what, struct bitnpu_error *err);

struct bitnpu_bench_old;

/**
 * struct bitnpu_bench_report - what there is to report
 * @bench: what was measured
 * @model: path of the model, NULL for matmuls
 * @model_info: of the model
 * @old: results to compare with, NULL for none
 */
struct bitnpu_bench_report {
	const struct bitnpu_bench *bench;
	const char *model;
	const struct bitnpu_model_info *model_info;
	const struct bitnpu_bench_old *old;
};

/** bitnpu_bench_print() - the tables, on stdout */
void bitnpu_bench_print(const struct bitnpu_bench_report *report);
/** bitnpu_bench_json() - Return: the results as a JSON object (bitnpu-bench(1)) */
json_t *bitnpu_bench_json(const struct bitnpu_bench_report *report);

#endif /* BITNPU_BENCH_H */
