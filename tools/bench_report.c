// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench_compare.h"
#include "output.h"
#include "table.h"

static void add_number(struct bitnpu_table *table, double value)
{
	bitnpu_table_add(table, isnan(value) ? "-" : "%.2f", value);
}

static void add_share(struct bitnpu_table *table, double value)
{
	bitnpu_table_add(table, isnan(value) ? "-" : "%.1f %%", 100 * value);
}

static void start_table(struct bitnpu_table *table, const char *align, const char *const *header)
{
	bitnpu_table_init(table, align);
	for (size_t i = 0; i < table->columns; i++)
		bitnpu_table_add(table, "%s", header[i]);
}

static void add_rates(struct bitnpu_table *table, const struct bitnpu_bench_row *row)
{
	bitnpu_table_add(table, "%.3f", 1e3 * row->seconds);
	bitnpu_table_add(table, "%.1f %%",
			 100 * (row->seconds_max - row->seconds_min) / row->seconds);
	add_number(table, row->gbps);
	add_share(table, row->share_of_roof);
	add_number(table, row->gops);
	add_share(table, row->share_of_peak);
}

static void print_matmuls(const struct bitnpu_bench *bench)
{
	static const char *const header[] = { "DEVICE", "KIND", "FORMAT", "M x N x K", "COPIES",
					      "MS", "SPREAD", "GB/S", "OF ROOF", "GOPS",
					      "OF PEAK" };
	struct bitnpu_table table;

	start_table(&table, "lllrrrrrrrr", header);
	for (size_t i = 0; i < bench->row_count; i++) {
		const struct bitnpu_bench_row *row = &bench->rows[i];

		bitnpu_table_add(&table, "%s", row->device);
		bitnpu_table_add(&table, "%s", row->kind);
		bitnpu_table_add(&table, "%s", row->format);
		bitnpu_table_add(&table, "%u x %u x %u", row->m, row->n, row->k);
		bitnpu_table_add(&table, "%u", row->copies);
		add_rates(&table, row);
	}
	bitnpu_table_print(&table);
}

static void print_model(const struct bitnpu_bench *bench)
{
	static const char *const header[] = { "DEVICE", "STEP", "KIND", "TOKENS", "DEPTH",
					      "PARALLEL", "TOKENS/S", "MS", "SPREAD", "GB/S",
					      "OF ROOF", "GOPS", "OF PEAK" };
	struct bitnpu_table table;

	start_table(&table, "lllrrrrrrrrrr", header);
	for (size_t i = 0; i < bench->row_count; i++) {
		const struct bitnpu_bench_row *row = &bench->rows[i];

		bitnpu_table_add(&table, "%s", row->device);
		bitnpu_table_add(&table, "%s", row->step);
		bitnpu_table_add(&table, "%s", row->kind);
		bitnpu_table_add(&table, "%u", row->tokens);
		bitnpu_table_add(&table, "%u", row->depth);
		bitnpu_table_add(&table, "%u", row->parallel);
		add_number(&table, row->tokens_per_s);
		add_rates(&table, row);
	}
	bitnpu_table_print(&table);
}

/* The lowest and highest of a roof over all rows; NAN when no row has it. */
static void roof_range(const struct bitnpu_bench *bench, size_t member, double *low, double *high)
{
	*low = *high = NAN;
	for (size_t i = 0; i < bench->row_count; i++) {
		double roof = *(const double *)((const char *)&bench->rows[i] + member);

		*low = fmin(*low, roof);
		*high = fmax(*high, roof);
	}
}

static void print_notes(const struct bitnpu_bench_report *report)
{
	const struct bitnpu_bench *bench = report->bench;
	unsigned int threads = bitnpu_pool_threads(bench->pool);
	double low, high;

	printf("\nMedians of %u samples; SPREAD is (longest - shortest) / median.\n", bench->repeat);
	if (report->model)
		printf("GB/S counts weights and scales, and when decoding the KV cache.\n");
	else
		printf("GB/S counts weights and scales.\n");
	roof_range(bench, offsetof(struct bitnpu_bench_row, roof_gbps), &low, &high);
	if (!isnan(low))
		printf("ROOF is what %u thread%s read of a buffer of %llu MiB between the samples:\n"
		       "%.2f to %.2f GB/s.\n", threads, threads == 1 ? "" : "s",
		       (unsigned long long)bitnpu_roof_bytes(bench->roof) >> 20, low, high);
	roof_range(bench, offsetof(struct bitnpu_bench_row, roof_gops), &low, &high);
	if (!isnan(low))
		printf("PEAK is what as many multiplied and added in registers (%s): %.0f to %.0f GOPS.\n",
		       bitnpu_peak_name(&bench->peak), low, high);
}

void bitnpu_bench_print(const struct bitnpu_bench_report *report)
{
	if (report->model)
		print_model(report->bench);
	else
		print_matmuls(report->bench);
	print_notes(report);
	if (report->old)
		bitnpu_bench_compare(report);
}

/* Counts of what a row is not about are zero. */
static json_t *count_json(bool applies, uint32_t value)
{
	return applies ? json_integer(value) : json_null();
}

static void add_shape(json_t *json, const struct bitnpu_bench_row *row)
{
	bool matmul = row->n;

	json_object_set_new(json, "device", bitnpu_json_text(row->device, strlen(row->device)));
	json_object_set_new(json, "kind", json_string(row->kind));
	json_object_set_new(json, "format", matmul ? json_string(row->format) : json_null());
	json_object_set_new(json, "m", count_json(matmul, row->m));
	json_object_set_new(json, "n", count_json(matmul, row->n));
	json_object_set_new(json, "k", count_json(matmul, row->k));
	json_object_set_new(json, "copies", count_json(matmul, row->copies));
	json_object_set_new(json, "tokens", count_json(!matmul, row->tokens));
	json_object_set_new(json, "depth", count_json(!matmul, row->depth));
	json_object_set_new(json, "parallel", count_json(!matmul, row->parallel));
	json_object_set_new(json, "step", matmul ? json_null() : json_string(row->step));
}

static void add_comparison(json_t *json, const struct bitnpu_bench_old *old,
			   const struct bitnpu_bench_row *row)
{
	struct bitnpu_bench_change change;
	bool found = bitnpu_bench_change(old, row, &change);

	json_object_set_new(json, "ratio", found ? bitnpu_json_real(change.ratio) : json_null());
	json_object_set_new(json, "roof_ratio",
			    found ? bitnpu_json_real(change.roof_ratio) : json_null());
	json_object_set_new(json, "outside_spread",
			    found ? json_boolean(change.outside) : json_null());
}

static json_t *row_json(const struct bitnpu_bench_row *row, const struct bitnpu_bench_old *old)
{
	json_t *json = json_object();

	add_shape(json, row);
	json_object_set_new(json, "samples", json_integer(row->samples));
	json_object_set_new(json, "seconds", bitnpu_json_real(row->seconds));
	json_object_set_new(json, "seconds_min", bitnpu_json_real(row->seconds_min));
	json_object_set_new(json, "seconds_max", bitnpu_json_real(row->seconds_max));
	json_object_set_new(json, "gbps", bitnpu_json_real(row->gbps));
	json_object_set_new(json, "roof_gbps", bitnpu_json_real(row->roof_gbps));
	json_object_set_new(json, "share_of_roof", bitnpu_json_real(row->share_of_roof));
	json_object_set_new(json, "gops", bitnpu_json_real(row->gops));
	json_object_set_new(json, "roof_gops", bitnpu_json_real(row->roof_gops));
	json_object_set_new(json, "share_of_peak", bitnpu_json_real(row->share_of_peak));
	json_object_set_new(json, "tokens_per_s", bitnpu_json_real(row->tokens_per_s));
	if (old)
		add_comparison(json, old, row);
	return json;
}

static json_t *model_json(const struct bitnpu_bench_report *report)
{
	const struct bitnpu_model_info *info = report->model_info;
	json_t *json;

	if (!report->model)
		return json_null();
	json = json_object();
	json_object_set_new(json, "path", bitnpu_json_text(report->model, strlen(report->model)));
	json_object_set_new(json, "parameters", json_integer(info->parameters));
	json_object_set_new(json, "file_bytes", json_integer(info->file_bytes));
	return json;
}

json_t *bitnpu_bench_json(const struct bitnpu_bench_report *report)
{
	const struct bitnpu_bench *bench = report->bench;
	const char *peak = bitnpu_peak_name(&bench->peak);
	json_t *json = json_object(), *rows = json_array(), *roof = json_object();

	for (size_t i = 0; i < bench->row_count; i++)
		json_array_append_new(rows, row_json(&bench->rows[i], report->old));
	json_object_set_new(roof, "threads", json_integer(bitnpu_pool_threads(bench->pool)));
	json_object_set_new(roof, "buffer_bytes", json_integer(bitnpu_roof_bytes(bench->roof)));
	json_object_set_new(roof, "instruction", peak ? json_string(peak) : json_null());
	json_object_set_new(json, "version", json_string(bitnpu_version()));
	json_object_set_new(json, "model", model_json(report));
	json_object_set_new(json, "roof", roof);
	json_object_set_new(json, "rows", rows);
	return json;
}
