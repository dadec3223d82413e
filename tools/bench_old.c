// SPDX-License-Identifier: MIT
/* Reads results that an earlier run wrote, or anybody else: nothing in the file is taken on trust. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_compare.h"
#include "libbitnpu/error.h"
#include "output.h"

/* Thousands of rows. */
#define MOST_BYTES ((size_t)16 << 20)

/**
 * struct reader - where in the file reading is
 * @path: of the file
 * @row: being read, NULL outside
 * @index: its number
 * @err: why not
 */
struct reader {
	const char *path;
	const json_t *row;
	size_t index;
	struct bitnpu_error *err;
};

static int refuse(const struct reader *r, const char *member, const char *what)
{
	return bitnpu_fail(r->err, -EINVAL, "%s: rows[%zu]: %s: not %s", r->path, r->index, member,
			   what);
}

static int read_name(const struct reader *r, const char *member, char *out, size_t size)
{
	const char *text = json_string_value(json_object_get(r->row, member));

	if (!text || strlen(text) >= size)
		return refuse(r, member, "a name");
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static int read_count(const struct reader *r, const char *member, uint32_t least, uint32_t *out)
{
	const json_t *json = json_object_get(r->row, member);
	json_int_t value = json_integer_value(json);

	if (!json_is_integer(json) || value < least || value > UINT32_MAX)
		return refuse(r, member, least ? "a whole number from 1 on" : "a whole number");
	*out = value;
	return 0;
}

/* Times and rates; @optional ones may be null, which is NAN. */
static int read_real(const struct reader *r, const char *member, bool optional, double *out)
{
	const json_t *json = json_object_get(r->row, member);

	*out = json_is_number(json) ? json_number_value(json) : NAN;
	if ((optional && json_is_null(json)) || (isfinite(*out) && *out > 0))
		return 0;
	return refuse(r, member, "a positive number");
}

static int read_kind(const struct reader *r, const char **out)
{
	static const char *const kinds[] = { "gemv", "gemm", "prefill", "decode" };
	const char *text = json_string_value(json_object_get(r->row, "kind"));

	for (size_t i = 0; text && i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (!strcmp(text, kinds[i])) {
			*out = kinds[i];
			return 0;
		}
	}
	return refuse(r, "kind", "gemv, gemm, prefill or decode");
}

static int read_matmul(const struct reader *r, struct bitnpu_bench_row *row)
{
	int failed = read_name(r, "format", row->format, sizeof(row->format));

	if (!failed)
		failed = read_count(r, "m", 1, &row->m);
	if (!failed)
		failed = read_count(r, "n", 1, &row->n);
	if (!failed)
		failed = read_count(r, "k", 1, &row->k);
	if (!failed)
		failed = read_count(r, "copies", 1, &row->copies);
	return failed;
}

static int read_model_row(const struct reader *r, struct bitnpu_bench_row *row)
{
	int failed = read_count(r, "tokens", 1, &row->tokens);

	if (!failed)
		failed = read_count(r, "depth", 0, &row->depth);
	if (!failed)
		failed = read_count(r, "parallel", 1, &row->parallel);
	return failed;
}

static int read_times(const struct reader *r, struct bitnpu_bench_row *row)
{
	int failed = read_real(r, "seconds", false, &row->seconds);

	if (!failed)
		failed = read_real(r, "seconds_min", false, &row->seconds_min);
	if (!failed)
		failed = read_real(r, "seconds_max", false, &row->seconds_max);
	if (!failed && (row->seconds_min > row->seconds || row->seconds > row->seconds_max))
		failed = refuse(r, "seconds", "between seconds_min and seconds_max");
	if (!failed)
		failed = read_real(r, "roof_gbps", true, &row->roof_gbps);
	return failed;
}

static int read_row(struct reader *r, struct bitnpu_bench_row *row)
{
	int failed;

	*row = (struct bitnpu_bench_row){ 0 };
	if (!json_is_object(r->row))
		return bitnpu_fail(r->err, -EINVAL, "%s: rows[%zu]: not an object", r->path,
				   r->index);
	failed = read_kind(r, &row->kind);
	if (!failed)
		failed = read_name(r, "device", row->device, sizeof(row->device));
	if (!failed && *row->kind == 'g')
		failed = read_matmul(r, row);
	else if (!failed)
		failed = read_model_row(r, row);
	return failed ? failed : read_times(r, row);
}

static int read_rows(const json_t *json, struct bitnpu_bench_old *old, struct bitnpu_error *err)
{
	struct reader r = { .path = old->path, .err = err };
	const json_t *rows = json_object_get(json, "rows");
	json_int_t parameters;
	int failed = 0;

	if (!json_is_array(rows))
		return bitnpu_fail(err, -EINVAL, "%s: no object with an array \"rows\": not written "
				   "by bitnpu bench --json", old->path);
	parameters = json_integer_value(json_object_get(json_object_get(json, "model"),
							"parameters"));
	old->parameters = parameters > 0 ? parameters : 0;
	old->rows = bitnpu_tool_realloc(NULL, json_array_size(rows), sizeof(*old->rows));
	for (; old->count < json_array_size(rows) && !failed; old->count++) {
		r.index = old->count;
		r.row = json_array_get(rows, r.index);
		failed = read_row(&r, &old->rows[r.index]);
	}
	return failed;
}

/* The whole file, which ends somewhere within reason, to be freed; NULL after an error. */
static char *read_text(const char *path, size_t *bytes, struct bitnpu_error *err)
{
	FILE *file = fopen(path, "re");
	char *text;
	int error;

	if (!file) {
		bitnpu_fail(err, -errno, "%s: %s", path, strerror(errno));
		return NULL;
	}
	text = bitnpu_tool_realloc(NULL, MOST_BYTES + 1, 1);
	*bytes = fread(text, 1, MOST_BYTES + 1, file);
	error = ferror(file) ? errno : *bytes > MOST_BYTES ? EFBIG : 0;
	fclose(file);
	if (!error)
		return text;
	free(text);
	bitnpu_fail(err, -error, "%s: %s", path, strerror(error));
	return NULL;
}

int bitnpu_bench_old_read(const char *path, struct bitnpu_bench_old *old,
			  struct bitnpu_error *err)
{
	json_error_t where;
	size_t bytes = 0;
	json_t *json;
	char *text;
	int failed;

	*old = (struct bitnpu_bench_old){ .path = path };
	text = read_text(path, &bytes, err);
	if (!text)
		return -EIO;
	json = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &where);
	free(text);
	if (!json)
		return bitnpu_fail(err, -EINVAL, "%s:%d:%d: %s", path, where.line, where.column,
				   where.text);
	failed = read_rows(json, old, err);
	json_decref(json);
	return failed;
}

void bitnpu_bench_old_free(struct bitnpu_bench_old *old)
{
	free(old->rows);
	*old = (struct bitnpu_bench_old){ 0 };
}
