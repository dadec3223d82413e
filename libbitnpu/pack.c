// SPDX-License-Identifier: MIT
/*
 * Writes the packed model of a GGUF file (docs/packed-format.md): plans every tensor, which finds
 * most of what can be wrong before anything is written, then streams them, one in memory at a time.
 */
#include "gguf_internal.h"
#include "gguf_write.h"
#include "pack_plan.h"
#include "packed_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#define FLOATS_AT_A_TIME	16384	/* a multiple of every block */
#define MAX_NAME		63	/* ggml's buffer is 64 bytes */
#define MAX_PARTS		3	/* tiles, group scales, row scales */

/**
 * struct item - a tensor of the source
 * @matrix: becomes tiles as @plan says
 * @folded: the scale of a matrix, which carries it on
 */
struct item {
	bool matrix, folded;
	struct bitnpu_pack_plan plan;
};

/* The metadata arrays: one element for each tensor written. */
struct index {
	uint8_t *formats, *group_shifts;
	uint32_t *rows, *columns;
	uint64_t count;
};

struct job {
	struct bitnpu_gguf *source;
	const struct bitnpu_pack_options *options;
	struct bitnpu_error *err;
	struct item *items;
	struct index index;
	struct bitnpu_gguf_writer w;
	uint64_t checksums;		/* offset of the array in the header */
	uint64_t written;		/* tensors whose checksum is known */
	uint64_t done, total;		/* bytes of the source, read twice */
};

static int refuse(struct job *j, const struct bitnpu_gguf_tensor *t, int code, const char *what)
{
	return bitnpu_fail(j->err, code, "%s: tensor %.*s: %s", j->source->path,
			   BITNPU_NAME_ARGS(t->name), what);
}

static int progress(struct job *j, uint64_t bytes)
{
	j->done += bytes;
	if (j->options && j->options->progress &&
	    j->options->progress(j->options->user, j->done, j->total))
		return bitnpu_fail(j->err, -ECANCELED, "%s: cancelled", j->source->path);
	return 0;
}

static int check_source(struct job *j, const char *output)
{
	const struct bitnpu_gguf *g = j->source;
	struct stat in, out;
	uint32_t parts;
	uint64_t i;
	int ret = bitnpu_gguf_is_packed(g, j->err);

	if (ret < 0)
		return ret;
	if (ret)
		return bitnpu_fail(j->err, -EINVAL, "%s: already packed", g->path);
	for (i = 0; i < g->n_kv; i++)
		if (g->kv[i].key.length > strlen(BITNPU_PACK_PREFIX) &&
		    !memcmp(g->kv[i].key.data, BITNPU_PACK_PREFIX, strlen(BITNPU_PACK_PREFIX)))
			return bitnpu_fail(j->err, -EINVAL, "%s: key %.*s: the prefix %s is "
					   "reserved for packed files", g->path,
					   BITNPU_NAME_ARGS(g->kv[i].key), BITNPU_PACK_PREFIX);
	ret = bitnpu_gguf_get_u32(g, "split.count", &parts, j->err);
	if (ret && ret != -ENOENT)
		return ret;
	if (!ret && parts > 1)
		return bitnpu_fail(j->err, -ENOTSUP, "%s: key split.count: one of %u parts; merge "
				   "them first", g->path, parts);
	if (!fstat(g->fd, &in) && !stat(output, &out) && in.st_dev == out.st_dev &&
	    in.st_ino == out.st_ino)
		return bitnpu_fail(j->err, -EINVAL, "%s: input and output are the same file",
				   g->path);
	return 0;
}

/* Names of the parts of a matrix must fit and be free. */
static int check_names(struct job *j, const struct bitnpu_gguf_tensor *t)
{
	size_t longest = t->name.length - strlen(".weight") + strlen(BITNPU_PACK_GROUP_SCALE);

	if (longest > MAX_NAME || memchr(t->name.data, '\0', t->name.length))
		return refuse(j, t, -EINVAL, "its name is too long or holds a NUL");
	if (bitnpu_scale_tensor(j->source, t, BITNPU_PACK_GROUP_SCALE))
		return refuse(j, t, -EINVAL, "the name of its group scales is taken");
	return 0;
}

static int plan_tensor(struct job *j, uint64_t i)
{
	const struct bitnpu_gguf_tensor *t = &j->source->tensors[i], *scale;
	char type[16];
	int ret;

	if (!bitnpu_is_matrix(t)) {
		if (bitnpu_ggml_layout(t->type) && t->type != BITNPU_GGML_I8)
			return 0;
		return bitnpu_fail(j->err, -ENOTSUP, "%s: tensor %.*s: %s is not supported",
				   j->source->path, BITNPU_NAME_ARGS(t->name),
				   bitnpu_ggml_type_name(t->type, type));
	}
	ret = check_names(j, t);
	if (!ret)
		ret = bitnpu_pack_plan(j->source, t, &j->items[i].plan, j->err);
	if (ret)
		return ret;
	j->items[i].matrix = true;
	scale = bitnpu_scale_tensor(j->source, t, BITNPU_PACK_ROW_SCALE);
	if (scale)
		j->items[scale - j->source->tensors].folded = true;
	return 0;
}

static int plan_all(struct job *j)
{
	uint64_t n = j->source->n_tensors, i;
	struct index *x = &j->index;
	int ret;

	j->items = calloc(n + 1, sizeof(*j->items));
	x->formats = calloc(n + 1, MAX_PARTS * sizeof(*x->formats));
	x->group_shifts = calloc(n + 1, MAX_PARTS * sizeof(*x->group_shifts));
	x->rows = calloc(n + 1, MAX_PARTS * sizeof(*x->rows));
	x->columns = calloc(n + 1, MAX_PARTS * sizeof(*x->columns));
	if (!j->items || !x->formats || !x->group_shifts || !x->rows || !x->columns)
		return bitnpu_fail(j->err, -ENOMEM, "%s: out of memory", j->source->path);
	/* planning reads every float to see whether it is ternary: half of the work */
	for (i = 0; i < n; i++)
		j->total += 2 * j->source->tensors[i].bytes;
	ret = progress(j, 0);
	for (i = 0; !ret && i < n; i++) {
		ret = plan_tensor(j, i);
		if (!ret)
			ret = progress(j, j->source->tensors[i].bytes);
	}
	return ret;
}

static void index_tensor(struct index *x, uint8_t format, const struct bitnpu_pack_plan *plan)
{
	x->formats[x->count] = format;
	if (plan) {
		x->group_shifts[x->count] = plan->group_shift;
		x->rows[x->count] = plan->n;
		x->columns[x->count] = plan->k;
	}
	x->count++;
}

/* Must list the parts in the order in which announce_all() does. */
static void index_all(struct job *j)
{
	const struct item *item;
	uint64_t i;

	for (i = 0; i < j->source->n_tensors; i++) {
		item = &j->items[i];
		if (item->folded)
			continue;
		index_tensor(&j->index, item->matrix ? item->plan.format : BITNPU_PACK_NOT_TILES,
			     item->matrix ? &item->plan : NULL);
		if (item->matrix && item->plan.group_shift)
			index_tensor(&j->index, BITNPU_PACK_NOT_TILES, NULL);
		if (item->matrix && item->plan.row_scale_count)
			index_tensor(&j->index, BITNPU_PACK_NOT_TILES, NULL);
	}
}

static void write_metadata(struct job *j)
{
	const struct bitnpu_gguf *g = j->source;
	const struct index *x = &j->index;
	const char *own = "general.alignment";
	uint64_t i;

	for (i = 0; i < g->n_kv; i++)
		if (g->kv[i].key.length != strlen(own) ||
		    memcmp(g->kv[i].key.data, own, strlen(own)))
			bitnpu_gguf_write_copy(&j->w, &g->kv[i]);
	bitnpu_gguf_write_u32(&j->w, BITNPU_PACK_KEY_VERSION, BITNPU_PACK_VERSION);
	bitnpu_gguf_write_array(&j->w, BITNPU_PACK_KEY_FORMATS, BITNPU_GGUF_UINT8, x->count,
				x->formats);
	bitnpu_gguf_write_array(&j->w, BITNPU_PACK_KEY_GROUP_SHIFTS, BITNPU_GGUF_UINT8, x->count,
				x->group_shifts);
	bitnpu_gguf_write_array(&j->w, BITNPU_PACK_KEY_ROWS, BITNPU_GGUF_UINT32, x->count, x->rows);
	bitnpu_gguf_write_array(&j->w, BITNPU_PACK_KEY_COLUMNS, BITNPU_GGUF_UINT32, x->count,
				x->columns);
	j->checksums = bitnpu_gguf_write_array(&j->w, BITNPU_PACK_KEY_CHECKSUMS, BITNPU_GGUF_UINT64,
					       x->count, NULL);
}

static void announce_part(struct job *j, const struct bitnpu_gguf_tensor *t, const char *suffix,
			  uint32_t type, uint32_t n_dims, const uint64_t *dims, uint64_t bytes)
{
	size_t stem = t->name.length - strlen(".weight");
	char text[MAX_NAME + 1];
	struct bitnpu_gguf_string name = { text, stem + strlen(suffix) };

	memcpy(text, t->name.data, stem);
	memcpy(text + stem, suffix, strlen(suffix));
	bitnpu_gguf_write_tensor(&j->w, &name, type, n_dims, dims, bytes);
}

static void announce_matrix(struct job *j, const struct bitnpu_gguf_tensor *t,
			    const struct bitnpu_pack_plan *plan)
{
	uint64_t tiles_bytes = bitnpu_tiles_bytes(plan->format, plan->n, plan->k);
	uint64_t scales_bytes = bitnpu_scales_bytes(plan->n, plan->k, plan->group_shift);
	uint64_t tiles = (plan->n + BITNPU_TILE_ROWS - 1) / BITNPU_TILE_ROWS;
	uint64_t lines[3] = { BITNPU_LINE_BYTES, tiles_bytes / BITNPU_LINE_BYTES / tiles, tiles };
	uint64_t groups[3] = { BITNPU_TILE_ROWS, scales_bytes / 2 / BITNPU_TILE_ROWS / tiles, tiles };
	uint64_t rows[1] = { plan->row_scale_count };

	announce_part(j, t, ".weight", BITNPU_GGML_I8, 3, lines, tiles_bytes);
	if (plan->group_shift)
		announce_part(j, t, BITNPU_PACK_GROUP_SCALE, BITNPU_GGML_F16, 3, groups,
			      scales_bytes);
	if (plan->row_scale_count)
		announce_part(j, t, BITNPU_PACK_ROW_SCALE, BITNPU_GGML_F32, 1, rows,
			      rows[0] * sizeof(float));
}

static void announce_all(struct job *j)
{
	const struct bitnpu_gguf_tensor *t;
	uint64_t i;

	for (i = 0; i < j->source->n_tensors; i++) {
		t = &j->source->tensors[i];
		if (j->items[i].matrix)
			announce_matrix(j, t, &j->items[i].plan);
		else if (!j->items[i].folded)
			bitnpu_gguf_write_tensor(&j->w, &t->name, BITNPU_GGML_F32, t->n_dims,
						 t->dims, t->elements * sizeof(float));
	}
}

static void store_checksum(struct job *j, uint64_t hash)
{
	memcpy(j->w.header + j->checksums + j->written * sizeof(hash), &hash, sizeof(hash));
	j->written++;
}

static int write_part(struct job *j, const void *data, uint64_t bytes)
{
	int ret = bitnpu_gguf_write_data(&j->w, data, bytes, j->err);

	if (!ret)
		ret = bitnpu_gguf_write_pad(&j->w, j->err);
	if (!ret)
		store_checksum(j, XXH64(data, bytes, 0));
	return ret;
}

static int write_matrix(struct job *j, const struct bitnpu_gguf_tensor *t, struct item *item)
{
	struct bitnpu_packed_tensor packed;
	const struct bitnpu_weights *w = &packed.w;
	int ret = bitnpu_pack_planned(j->source, t, &item->plan, &packed, j->err);

	if (ret)
		return ret;
	ret = write_part(j, w->tiles, w->tiles_bytes);
	if (!ret && w->scales)
		ret = write_part(j, w->scales, w->scales_bytes);
	if (!ret && w->row_scale)
		ret = write_part(j, w->row_scale, w->row_scale_count * sizeof(float));
	bitnpu_packed_tensor_free(&packed);
	return ret;
}

static int write_some_floats(struct job *j, const struct bitnpu_gguf_tensor *t, uint64_t first,
			     uint64_t count, float *x)
{
	uint64_t i, at;

	if (bitnpu_tensor_floats(t, first, count, x))
		return refuse(j, t, -EINVAL, "it holds code 3, which is no weight");
	for (i = 0, at = first; i < count; i++, at++)
		if (!isfinite(x[i]))
			return bitnpu_fail(j->err, -EINVAL, "%s: tensor %.*s: element %llu is not "
					   "finite", j->source->path, BITNPU_NAME_ARGS(t->name),
					   (unsigned long long)at);
	return bitnpu_gguf_write_data(&j->w, x, count * sizeof(*x), j->err);
}

static int write_floats(struct job *j, const struct bitnpu_gguf_tensor *t)
{
	float *x = malloc(FLOATS_AT_A_TIME * sizeof(*x));
	XXH64_state_t *state = XXH64_createState();
	uint64_t first, count;
	int ret = 0;

	if (!x || !state)
		ret = refuse(j, t, -ENOMEM, "out of memory");
	else
		XXH64_reset(state, 0);
	for (first = 0; !ret && first < t->elements; first += count) {
		count = t->elements - first;
		count = count < FLOATS_AT_A_TIME ? count : FLOATS_AT_A_TIME;
		ret = write_some_floats(j, t, first, count, x);
		if (!ret)
			XXH64_update(state, x, count * sizeof(*x));
	}
	if (!ret)
		ret = bitnpu_gguf_write_pad(&j->w, j->err);
	if (!ret)
		store_checksum(j, XXH64_digest(state));
	XXH64_freeState(state);
	free(x);
	return ret;
}

static int write_all(struct job *j)
{
	const struct bitnpu_gguf_tensor *t;
	uint64_t i;
	int ret = 0;

	write_metadata(j);
	announce_all(j);
	for (i = 0; !ret && i < j->source->n_tensors; i++) {
		t = &j->source->tensors[i];
		if (j->items[i].matrix)
			ret = write_matrix(j, t, &j->items[i]);
		else if (!j->items[i].folded)
			ret = write_floats(j, t);
		if (!ret)
			ret = progress(j, t->bytes);
	}
	return ret ? ret : bitnpu_gguf_write_finish(&j->w, j->err);
}

static void free_job(struct job *j)
{
	uint64_t i;

	for (i = 0; j->items && i < j->source->n_tensors; i++)
		bitnpu_pack_plan_free(&j->items[i].plan);
	free(j->items);
	free(j->index.formats);
	free(j->index.group_shifts);
	free(j->index.rows);
	free(j->index.columns);
	bitnpu_gguf_close(j->source);
}

int bitnpu_pack(const char *input, const char *output, const struct bitnpu_pack_options *options,
		struct bitnpu_error *err)
{
	struct job j = { .options = options, .err = err };
	int ret = bitnpu_gguf_open(input, &j.source, err);

	if (ret)
		return ret;
	ret = check_source(&j, output);
	if (!ret)
		ret = plan_all(&j);
	if (ret)
		goto out;
	index_all(&j);
	ret = bitnpu_gguf_write_open(output, BITNPU_PACK_ALIGNMENT, &j.w, err);
	if (ret)
		goto out;
	ret = write_all(&j);
	if (ret)
		bitnpu_gguf_write_abort(&j.w);
out:
	free_job(&j);
	return ret;
}
