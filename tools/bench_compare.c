// SPDX-License-Identifier: MIT
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench_compare.h"
#include "table.h"

/* What a sample has done: matmuls or tokens; how many of the former is chosen by their time. */
static double work_of(const struct bitnpu_bench_row *row)
{
	return row->n ? row->copies : (double)row->tokens * row->parallel;
}

/* The length of a prompt is a shape; how many tokens a sample decodes is not. */
static bool is_same(const struct bitnpu_bench_row *a, const struct bitnpu_bench_row *b)
{
	bool prompt = !strcmp(a->kind, "prefill");

	return !strcmp(a->device, b->device) && !strcmp(a->kind, b->kind) &&
	       !strcmp(a->format, b->format) && a->m == b->m && a->n == b->n && a->k == b->k &&
	       a->depth == b->depth && a->parallel == b->parallel &&
	       (!prompt || a->tokens == b->tokens);
}

bool bitnpu_bench_change(const struct bitnpu_bench_old *old, const struct bitnpu_bench_row *row,
			 struct bitnpu_bench_change *change)
{
	for (size_t i = 0; i < old->count; i++) {
		const struct bitnpu_bench_row *then = &old->rows[i];
		double work = work_of(row) / work_of(then);

		if (!is_same(then, row))
			continue;
		*change = (struct bitnpu_bench_change){
			.old = then,
			.ratio = work * then->seconds / row->seconds,
			.roof_ratio = row->roof_gbps / then->roof_gbps,
			.outside = row->seconds_max < work * then->seconds_min ||
				   row->seconds_min > work * then->seconds_max,
		};
		return true;
	}
	return false;
}

static void add_shape(struct bitnpu_table *table, const struct bitnpu_bench_row *row)
{
	bitnpu_table_add(table, "%s", row->device);
	bitnpu_table_add(table, "%s", row->kind);
	if (row->n)
		bitnpu_table_add(table, "%s, %u x %u x %u", row->format, row->m, row->n, row->k);
	else if (!strcmp(row->kind, "prefill"))
		bitnpu_table_add(table, "%u tokens", row->tokens);
	else if (row->parallel == 1)
		bitnpu_table_add(table, "depth %u", row->depth);
	else
		bitnpu_table_add(table, "depth %u, parallel %u", row->depth, row->parallel);
}

static void add_change(struct bitnpu_table *table, const struct bitnpu_bench_row *row,
		       const struct bitnpu_bench_change *change)
{
	bitnpu_table_add(table, "%.2f", work_of(change->old) / change->old->seconds);
	bitnpu_table_add(table, "%.2f", work_of(row) / row->seconds);
	bitnpu_table_add(table, "%.3f", change->ratio);
	bitnpu_table_add(table, isnan(change->roof_ratio) ? "-" : "%.3f", change->roof_ratio);
	bitnpu_table_add(table, "%s", !change->outside ? "within the spread" :
				      change->ratio > 1 ? "FASTER" : "SLOWER");
}

static void add_new(struct bitnpu_table *table, const struct bitnpu_bench_row *row)
{
	bitnpu_table_add(table, "-");
	bitnpu_table_add(table, "%.2f", work_of(row) / row->seconds);
	bitnpu_table_add(table, "-");
	bitnpu_table_add(table, "-");
	bitnpu_table_add(table, "not measured then");
}

void bitnpu_bench_compare(const struct bitnpu_bench_report *report)
{
	static const char *const header[] = { "DEVICE", "KIND", "SHAPE", "OLD", "NEW", "RATIO",
					      "ROOF", "" };
	const struct bitnpu_bench *bench = report->bench;
	const struct bitnpu_bench_old *old = report->old;
	struct bitnpu_bench_change change;
	struct bitnpu_table table;

	bitnpu_table_init(&table, "lllrrrrl");
	for (size_t i = 0; i < table.columns; i++)
		bitnpu_table_add(&table, "%s", header[i]);
	for (size_t i = 0; i < bench->row_count; i++) {
		add_shape(&table, &bench->rows[i]);
		if (bitnpu_bench_change(old, &bench->rows[i], &change))
			add_change(&table, &bench->rows[i], &change);
		else
			add_new(&table, &bench->rows[i]);
	}
	printf("\n");
	bitnpu_table_print(&table);
	printf("\nOLD is %s.  OLD and NEW are %s a second, RATIO is NEW / OLD,\n"
	       "ROOF that of the read bandwidths.  FASTER and SLOWER: no sample of one run is as fast\n"
	       "as one of the other.\n", old->path, report->model ? "tokens" : "matmuls");
	if (report->model && old->parameters != report->model_info->parameters)
		printf("OLD measured another model: %llu parameters, not %llu.\n",
		       (unsigned long long)old->parameters,
		       (unsigned long long)report->model_info->parameters);
}
