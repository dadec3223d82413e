// SPDX-License-Identifier: MIT
/* Finds the matrices of a packed file, in place, and reads rows of them. */
#include "weights.h"
#include "gguf_internal.h"
#include "half.h"
#include "pack_plan.h"
#include "packed_file.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define CODES_AT_A_TIME 512	/* a multiple of every line_k */

/* Codes of columns @first to @first + @count - 1 of a matrix that commands can name. */
static void decode_slice(const struct bitnpu_weights *w, uint32_t row, uint32_t first,
			 uint32_t count, int8_t *codes)
{
	uint32_t line_k = bitnpu_line_k(w->format);
	uint64_t lines = (w->k + line_k - 1) / line_k;
	const unsigned char *tile = w->tiles;

	tile += (row / BITNPU_TILE_ROWS * lines + first / line_k) * BITNPU_LINE_BYTES;
	bitnpu_tiles_decode_row(w->format, count, tile, row % BITNPU_TILE_ROWS, codes);
}

/* Likewise of any; @first is a multiple of the line, @count at most CODES_AT_A_TIME. */
static void decode_part(const struct bitnpu_weights *w, uint32_t row, uint32_t first,
			uint32_t count, int8_t *codes)
{
	int8_t bits[CODES_AT_A_TIME];

	if (w->format != BITNPU_PACK_INT7) {
		decode_slice(w, row, first, count, codes);
		return;
	}
	memset(codes, 0, count);
	for (uint32_t i = 0; i < BITNPU_MAX_SLICES; i++) {
		struct bitnpu_weights slice;

		bitnpu_weights_slice(w, i, &slice);
		decode_slice(&slice, row, first, count, bits);
		for (uint32_t j = 0; j < count; j++)
			codes[j] = slice.format == BITNPU_W_TERNARY ? codes[j] * 4 + bits[j] + 1 :
				   codes[j] * 2 + (bits[j] > 0) - 64;
	}
}

static float group_scale(const struct bitnpu_weights *w, uint32_t row, uint32_t k)
{
	uint64_t groups = (((uint64_t)w->k - 1) >> w->group_shift) + 1;
	uint64_t at = (row / BITNPU_TILE_ROWS * groups + (k >> w->group_shift)) * BITNPU_TILE_ROWS +
		      row % BITNPU_TILE_ROWS;

	return bitnpu_half_expand(((const uint16_t *)w->scales)[at]);
}

void bitnpu_weights_dequantize_row(const struct bitnpu_weights *w, uint32_t row, float *out)
{
	float row_scale = w->row_scale ? w->row_scale[w->row_scale_count > 1 ? row : 0] : 1.0f;
	int8_t codes[CODES_AT_A_TIME];
	uint32_t first, count, i;

	for (first = 0; first < w->k; first += count) {
		count = w->k - first < CODES_AT_A_TIME ? w->k - first : CODES_AT_A_TIME;
		decode_part(w, row, first, count, codes);
		for (i = 0; i < count; i++) {
			float value = codes[i];

			if (w->group_shift)
				value *= group_scale(w, row, first + i);
			out[first + i] = value * row_scale;
		}
	}
}

int bitnpu_gguf_is_packed(const struct bitnpu_gguf *gguf, struct bitnpu_error *err)
{
	uint32_t version;
	int ret = bitnpu_gguf_get_u32(gguf, BITNPU_PACK_KEY_VERSION, &version, err);

	if (ret == -ENOENT)
		return 0;
	if (ret)
		return ret;
	if (version != BITNPU_PACK_VERSION)
		return bitnpu_fail(err, -ENOTSUP, "%s: key %s: version %u of the packed format is "
				   "not supported (%u is)", gguf->path, BITNPU_PACK_KEY_VERSION,
				   version, BITNPU_PACK_VERSION);
	return 1;
}

int bitnpu_packed_array(const struct bitnpu_gguf *gguf, const char *key, uint32_t type,
			const unsigned char **data, struct bitnpu_error *err)
{
	const struct bitnpu_gguf_kv *kv;
	int ret = bitnpu_gguf_get_array(gguf, key, type, &kv, err);

	if (ret == -ENOENT) {
		bitnpu_fail(err, -EINVAL, "%s: key %s is missing", gguf->path, key);
		return -EINVAL;
	}
	if (ret)
		return ret;
	if (kv->count != gguf->n_tensors) {
		bitnpu_fail(err, -EINVAL, "%s: key %s: %llu elements for %llu tensors", gguf->path,
			    key, (unsigned long long)kv->count,
			    (unsigned long long)gguf->n_tensors);
		return -EINVAL;
	}
	*data = kv->data;
	return 0;
}

/* What the metadata says of tensor @index; formats are checked by the caller. */
static int read_entry(const struct bitnpu_gguf *gguf, uint64_t index, struct bitnpu_weights *w,
		      struct bitnpu_error *err)
{
	const unsigned char *formats, *shifts, *rows, *columns;
	int ret = bitnpu_packed_array(gguf, BITNPU_PACK_KEY_FORMATS, BITNPU_GGUF_UINT8, &formats,
				      err);

	if (!ret)
		ret = bitnpu_packed_array(gguf, BITNPU_PACK_KEY_GROUP_SHIFTS, BITNPU_GGUF_UINT8,
					  &shifts, err);
	if (!ret)
		ret = bitnpu_packed_array(gguf, BITNPU_PACK_KEY_ROWS, BITNPU_GGUF_UINT32, &rows,
					  err);
	if (!ret)
		ret = bitnpu_packed_array(gguf, BITNPU_PACK_KEY_COLUMNS, BITNPU_GGUF_UINT32,
					  &columns, err);
	if (ret)
		return ret;
	w->format = formats[index];
	w->group_shift = shifts[index];
	memcpy(&w->n, rows + 4 * index, sizeof(w->n));
	memcpy(&w->k, columns + 4 * index, sizeof(w->k));
	return 0;
}

static int bad_matrix(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *t,
		      struct bitnpu_error *err, const char *what, uint64_t found)
{
	return bitnpu_fail(err, -EINVAL, "%s: tensor %.*s: %s (%llu)", gguf->path,
			   BITNPU_NAME_ARGS(t->name), what, (unsigned long long)found);
}

static int check_entry(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *t,
		       const struct bitnpu_weights *w, struct bitnpu_error *err)
{
	if (!bitnpu_line_k(w->format) && w->format != BITNPU_PACK_INT7)
		return bad_matrix(gguf, t, err, "undefined weight format", w->format);
	if (!w->n || w->n > BITNPU_MAX_N)
		return bad_matrix(gguf, t, err, "rows out of range", w->n);
	if (!w->k || w->k > BITNPU_MAX_K)
		return bad_matrix(gguf, t, err, "columns out of range", w->k);
	if (w->group_shift && (w->group_shift < BITNPU_GROUP_SHIFT_MIN ||
			       w->group_shift > BITNPU_GROUP_SHIFT_MAX))
		return bad_matrix(gguf, t, err, "group shift out of range", w->group_shift);
	if (w->group_shift && w->format == BITNPU_PACK_INT7)
		return bad_matrix(gguf, t, err, "int7 has no group scales, group shift",
				  w->group_shift);
	return 0;
}

/* A part of a matrix: type, size and place must be what the format says. */
static int check_part(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *t,
		      uint32_t type, uint64_t bytes, struct bitnpu_error *err)
{
	uint64_t offset = t->data - gguf->map;
	char found[16], wanted[16];

	if (t->type != type)
		return bitnpu_fail(err, -EINVAL, "%s: tensor %.*s: type %s, expected %s", gguf->path,
				   BITNPU_NAME_ARGS(t->name), bitnpu_ggml_type_name(t->type, found),
				   bitnpu_ggml_type_name(type, wanted));
	if (t->bytes != bytes)
		return bitnpu_fail(err, -EINVAL, "%s: tensor %.*s: %llu bytes, expected %llu",
				   gguf->path, BITNPU_NAME_ARGS(t->name),
				   (unsigned long long)t->bytes, (unsigned long long)bytes);
	if (offset % BITNPU_PACK_ALIGNMENT)
		return bitnpu_fail(err, -EINVAL, "%s: tensor %.*s: file offset %llu is not a "
				   "multiple of %u", gguf->path, BITNPU_NAME_ARGS(t->name),
				   (unsigned long long)offset, BITNPU_PACK_ALIGNMENT);
	return 0;
}

static int find_group_scales(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *t,
			     struct bitnpu_weights *w, struct bitnpu_error *err)
{
	const struct bitnpu_gguf_tensor *scales =
		bitnpu_scale_tensor(gguf, t, BITNPU_PACK_GROUP_SCALE);
	int ret;

	w->output = w->group_shift ? BITNPU_Y_INT64 : BITNPU_Y_INT32;
	if (!w->group_shift)
		return 0;
	if (!scales)
		return bad_matrix(gguf, t, err, "its group scales are missing, group shift",
				  w->group_shift);
	w->scales_bytes = bitnpu_scales_bytes(w->n, w->k, w->group_shift);
	ret = check_part(gguf, scales, BITNPU_GGML_F16, w->scales_bytes, err);
	if (ret)
		return ret;
	w->scales = scales->data;
	return 0;
}

static int find_row_scales(const struct bitnpu_gguf *gguf, const struct bitnpu_gguf_tensor *t,
			   struct bitnpu_weights *w, struct bitnpu_error *err)
{
	const struct bitnpu_gguf_tensor *scale =
		bitnpu_scale_tensor(gguf, t, BITNPU_PACK_ROW_SCALE);
	uint64_t count;
	uint32_t i;
	int ret;

	if (!scale)
		return 0;
	count = scale->elements == 1 ? 1 : w->n;
	ret = check_part(gguf, scale, BITNPU_GGML_F32, count * sizeof(float), err);
	if (ret)
		return ret;
	w->row_scale = (const float *)scale->data;
	w->row_scale_count = count;
	for (i = 0; i < count; i++)
		if (!isfinite(w->row_scale[i]))
			return bad_matrix(gguf, scale, err, "not finite: element", i);
	return 0;
}

int bitnpu_weights_find(const struct bitnpu_gguf *gguf, const char *name,
			struct bitnpu_weights *w, struct bitnpu_error *err)
{
	const struct bitnpu_gguf_tensor *t = bitnpu_gguf_find_tensor(gguf, name);
	struct bitnpu_weights found = { .n = 0 };
	int ret;

	if (!t)
		return -ENOENT;
	ret = read_entry(gguf, t - gguf->tensors, &found, err);
	if (ret)
		return ret;
	if (found.format == BITNPU_PACK_NOT_TILES)
		return -ENOENT;
	ret = check_entry(gguf, t, &found, err);
	if (ret)
		return ret;
	found.tiles_bytes = bitnpu_tiles_bytes(found.format, found.n, found.k);
	found.tiles = t->data;
	ret = check_part(gguf, t, BITNPU_GGML_I8, found.tiles_bytes, err);
	if (!ret)
		ret = find_group_scales(gguf, t, &found, err);
	if (!ret)
		ret = find_row_scales(gguf, t, &found, err);
	if (ret)
		return ret;
	*w = found;
	return 0;
}
