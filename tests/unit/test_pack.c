// SPDX-License-Identifier: MIT
/* Packed files: the bytes of docs/packed-format.md, round trips, and files that lie. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "libbitnpu/packed_file.h"
#include "libbitnpu/weights.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/scratch.h"

static struct scratch scratch;
static char input[192], output[192];

static int new_scratch(void **state)
{
	scratch_new(&scratch);
	snprintf(input, sizeof(input), "%s", scratch_path(&scratch, "in.gguf"));
	snprintf(output, sizeof(output), "%s", scratch_path(&scratch, "out.gguf"));
	return 0;
}

static int free_scratch(void **state)
{
	scratch_free(&scratch);
	return 0;
}

static void write_input(struct gguf_builder *builder)
{
	size_t bytes;
	void *image = gguf_builder_finish(builder, &bytes);

	assert_true(file_write(input, image, bytes));
	free(image);
	gguf_builder_free(builder);
}

static void pack(const char *from)
{
	struct bitnpu_error err = { 0 };

	if (bitnpu_pack(from, output, NULL, &err))
		fail_msg("%s", err.message);
}

static struct bitnpu_gguf *open_file(const char *path)
{
	struct bitnpu_gguf *gguf = NULL;
	struct bitnpu_error err = { 0 };

	if (bitnpu_gguf_open(path, &gguf, &err))
		fail_msg("%s", err.message);
	return gguf;
}

/* ---- the examples of the documentation ----------------------------------------------------- */

/* One row of a dump: an offset, then 16 bytes or, in the last row, fewer. */
static size_t dump_row(const char *line, unsigned char *row)
{
	unsigned int offset, byte, count = 0;
	int used;

	assert_int_equal(sscanf(line, " %4x %n", &offset, &used), 1);
	for (line += used; count < 16 && sscanf(line, "%2x%n", &byte, &used) == 1; line += used)
		row[count++] = byte;
	return count;
}

/* Return: bytes of the dump that follows the comment "dump: @title" in the page. */
static size_t read_dump(const char *title, unsigned char *out, size_t capacity)
{
	char comment[64], line[128];
	FILE *page = fopen("docs/packed-format.md", "r");
	bool inside = false, repeat = false;
	size_t used = 0;

	assert_non_null(page);
	snprintf(comment, sizeof(comment), "<!-- dump: %s -->\n", title);
	while (fgets(line, sizeof(line), page)) {
		unsigned char row[16];
		unsigned int offset;

		if (!inside) {
			inside = !strcmp(line, comment);
			continue;
		}
		if (!strncmp(line, "    *", 5)) {
			repeat = true;
			continue;
		}
		if (strncmp(line, "    ", 4)) {
			if (used)
				break;
			continue;
		}
		assert_int_equal(sscanf(line, " %4x", &offset), 1);
		assert_true(repeat || offset == used);
		assert_true(offset + 16 <= capacity);
		for (; used < offset; used += 16)
			memcpy(out + used, out + used - 16, 16);
		repeat = false;
		memset(row, 0, sizeof(row));
		used += dump_row(line, row);
		memcpy(out + offset, row, sizeof(row));
	}
	fclose(page);
	return used;
}

static void expect_dump(const void *data, size_t bytes, const char *title)
{
	unsigned char dump[1024] = { 0 };
	const unsigned char *at = data;
	size_t i;

	assert_int_equal(read_dump(title, dump, sizeof(dump)), bytes);
	for (i = 0; i < bytes; i++)
		if (at[i] != dump[i])
			fail_msg("%s: byte %zx is %02x, the page says %02x", title, i, at[i], dump[i]);
}

static void expect_tensor(const struct bitnpu_gguf *gguf, const char *name, const char *title)
{
	const struct bitnpu_gguf_tensor *t = bitnpu_gguf_find_tensor(gguf, name);

	assert_non_null(t);
	expect_dump(t->data, t->bytes, title);
}

static void test_documented_ternary(void **state)
{
	struct gguf_builder *builder = gguf_builder_new();
	const struct bitnpu_gguf_kv *checksums;
	uint64_t dims[2] = { 20, 2 }, wanted = 0xbb01643b13d7b769;
	float x[40] = { 0 };
	struct bitnpu_gguf *gguf;
	int k;

	for (k = 0; k < 20; k++)
		x[k] = 0.5f * (k % 3 - 1);
	x[20] = 2;
	x[39] = -2;
	gguf_builder_tensor(builder, "a.weight", BITNPU_GGML_F32, 2, dims, x, sizeof(x));
	write_input(builder);
	pack(input);
	gguf = open_file(output);
	expect_tensor(gguf, "a.weight", "ternary weight");
	expect_tensor(gguf, "a.scale", "ternary scale");
	checksums = bitnpu_gguf_find(gguf, BITNPU_PACK_KEY_CHECKSUMS);
	assert_non_null(checksums);
	assert_int_equal(checksums->count, 2);
	assert_memory_equal(checksums->data, &wanted, 8);
	bitnpu_gguf_close(gguf);
}

/* No source type has groups of 32 ternary weights, so the page's bytes are made and read directly. */
static void test_documented_groups(void **state)
{
	unsigned char tiles[256], page_tiles[256];
	uint16_t scales[32];
	struct bitnpu_weights w = {
		.format = BITNPU_W_TERNARY, .output = BITNPU_Y_INT64, .group_shift = 5, .n = 1,
		.k = 64, .tiles = page_tiles, .tiles_bytes = sizeof(tiles), .scales = scales,
		.scales_bytes = sizeof(scales),
	};
	int8_t codes[64];
	float row[64];
	int k;

	for (k = 0; k < 64; k++)
		codes[k] = k < 32 ? 1 : -1;
	assert_int_equal(bitnpu_tiles_bytes(w.format, 1, 64), sizeof(tiles));
	assert_int_equal(bitnpu_scales_bytes(1, 64, 5), sizeof(scales));
	bitnpu_tiles_encode(w.format, 1, 64, 0, 1, codes, tiles);
	expect_dump(tiles, sizeof(tiles), "groups weight");
	assert_int_equal(read_dump("groups weight", page_tiles, 256), 256);
	assert_int_equal(read_dump("groups group_scale", (unsigned char *)scales, 64), 64);
	bitnpu_weights_dequantize_row(&w, 0, row);
	for (k = 0; k < 64; k++)
		assert_true(row[k] == (k < 32 ? 0.5f : 0.25f));
}

static void test_documented_binary(void **state)
{
	struct gguf_builder *builder = gguf_builder_new();
	unsigned char block[18] = { 0x00, 0x3e };
	uint64_t dims[2] = { 128, 1 };
	struct bitnpu_gguf *gguf;
	int k;

	for (k = 0; k < 128; k += 5)
		block[2 + k / 8] |= 1 << k % 8;
	gguf_builder_tensor(builder, "a.weight", BITNPU_GGML_Q1_0, 2, dims, block, sizeof(block));
	write_input(builder);
	pack(input);
	gguf = open_file(output);
	expect_tensor(gguf, "a.weight", "binary weight");
	expect_tensor(gguf, "a.group_scale", "binary group_scale");
	assert_null(bitnpu_gguf_find_tensor(gguf, "a.scale"));
	bitnpu_gguf_close(gguf);
}

static void test_documented_int8(void **state)
{
	static const float x[12] = { 127, 63.5f, 0, -64.5f, -127, 0.75f, 0, -254, 50, 0, 0, 254 };
	struct gguf_builder *builder = gguf_builder_new();
	uint64_t dims[2] = { 6, 2 };
	struct bitnpu_gguf *gguf;

	gguf_builder_tensor(builder, "a.weight", BITNPU_GGML_F32, 2, dims, x, sizeof(x));
	write_input(builder);
	pack(input);
	gguf = open_file(output);
	expect_tensor(gguf, "a.weight", "int8 weight");
	expect_tensor(gguf, "a.scale", "int8 scale");
	bitnpu_gguf_close(gguf);
}

/* Only what is read once a token as a whole: the embedding, and a head of its own. */
static void test_documented_int7(void **state)
{
	static const float x[12] = { 63, 31.5f, 0, -32.5f, -63, 0.75f, 0, -126, 50, 0, 0, 126 };
	static const char *const names[] = { "token_embd", "output" };
	uint64_t dims[2] = { 6, 2 };

	for (int i = 0; i < 2; i++) {
		struct gguf_builder *builder = gguf_builder_new();
		struct bitnpu_gguf *gguf;
		char name[32];

		snprintf(name, sizeof(name), "%s.weight", names[i]);
		gguf_builder_tensor(builder, name, BITNPU_GGML_F32, 2, dims, x, sizeof(x));
		write_input(builder);
		pack(input);
		gguf = open_file(output);
		expect_tensor(gguf, name, "int7 weight");
		snprintf(name, sizeof(name), "%s.scale", names[i]);
		expect_tensor(gguf, name, "int7 scale");
		bitnpu_gguf_close(gguf);
	}
}

/* ---- round trips --------------------------------------------------------------------------- */

static const char *const files[] = { "tq1_0", "tq2_0", "i2_s", "q1_0", "q8_0",
				     "q6_k",  "f32",   "f16",  "bf16" };

static const char *data_path(const char *name)
{
	static char path[64];

	snprintf(path, sizeof(path), "tests/data/gguf/%s.gguf", name);
	return path;
}

static const char *tensor_name(const struct bitnpu_gguf_tensor *t)
{
	static char name[80];

	snprintf(name, sizeof(name), "%.*s", (int)t->name.length, t->name.data);
	return name;
}

static void expect_same_weights(const struct bitnpu_weights *a, const struct bitnpu_weights *b)
{
	assert_true(a->format == b->format && a->output == b->output &&
		    a->group_shift == b->group_shift && a->n == b->n && a->k == b->k);
	assert_int_equal(a->tiles_bytes, b->tiles_bytes);
	assert_memory_equal(a->tiles, b->tiles, a->tiles_bytes);
	assert_int_equal(a->scales_bytes, b->scales_bytes);
	if (a->scales_bytes)
		assert_memory_equal(a->scales, b->scales, a->scales_bytes);
	assert_int_equal(a->row_scale_count, b->row_scale_count);
	if (a->row_scale_count)
		assert_memory_equal(a->row_scale, b->row_scale, 4 * a->row_scale_count);
}

static void check_tensor(const struct bitnpu_gguf *source, const struct bitnpu_gguf *packed,
			 const struct bitnpu_gguf_tensor *t)
{
	const char *name = tensor_name(t);
	const struct bitnpu_gguf_tensor *found = bitnpu_gguf_find_tensor(packed, name);
	struct bitnpu_packed_tensor wanted;
	struct bitnpu_weights w;
	struct bitnpu_error err = { 0 };

	assert_non_null(found);
	assert_int_equal((found->data - packed->map) % 4096, 0);
	if (!strstr(name, ".weight")) {
		assert_int_equal(found->type, BITNPU_GGML_F32);
		assert_int_equal(found->bytes, t->bytes);
		assert_memory_equal(found->data, t->data, t->bytes);
		assert_int_equal(bitnpu_weights_find(packed, name, &w, &err), -ENOENT);
		return;
	}
	assert_int_equal(found->type, BITNPU_GGML_I8);
	assert_int_equal(bitnpu_pack_tensor(source, t, &wanted, &err), 0);
	if (bitnpu_weights_find(packed, name, &w, &err))
		fail_msg("%s", err.message);
	expect_same_weights(&w, &wanted.w);
	bitnpu_packed_tensor_free(&wanted);
}

/* @source has the alignment as its first entry, as the packer writes it. */
static void check_metadata(const struct bitnpu_gguf *source, const struct bitnpu_gguf *packed)
{
	const struct bitnpu_gguf_kv *kv, *copy;
	uint64_t i;

	assert_int_equal(packed->alignment, 4096);
	for (i = 0; i < source->n_kv; i++) {
		kv = &source->kv[i];
		if (!strncmp(kv->key.data, "general.alignment", 17))
			continue;
		copy = &packed->kv[i];
		assert_int_equal(copy->key.length, kv->key.length);
		assert_memory_equal(copy->key.data, kv->key.data, kv->key.length);
		assert_int_equal(copy->type, kv->type);
		assert_int_equal(copy->element_type, kv->element_type);
		assert_int_equal(copy->count, kv->count);
		assert_int_equal(copy->bytes, kv->bytes);
		assert_memory_equal(copy->data, kv->data, kv->bytes);
	}
	assert_int_equal(packed->n_kv, source->n_kv + 6);
}

static void test_round_trips(void **state)
{
	struct bitnpu_gguf *source, *packed;
	struct bitnpu_weights w;
	struct bitnpu_error err = { 0 };
	uint64_t i;
	size_t f;

	unlink(input);
	for (f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
		pack(data_path(files[f]));
		source = open_file(data_path(files[f]));
		packed = open_file(output);
		assert_int_equal(bitnpu_gguf_is_packed(source, &err), 0);
		assert_int_equal(bitnpu_gguf_is_packed(packed, &err), 1);
		if (bitnpu_packed_verify(packed, NULL, NULL, &err))
			fail_msg("%s", err.message);
		for (i = 0; i < source->n_tensors; i++)
			check_tensor(source, packed, &source->tensors[i]);
		assert_int_equal(packed->size % 4096, 0);
		assert_int_equal(bitnpu_weights_find(packed, "none.weight", &w, &err), -ENOENT);
		assert_int_equal(bitnpu_packed_verify(source, NULL, NULL, &err), -EINVAL);
		assert_non_null(strstr(err.message, "not a packed file"));
		bitnpu_gguf_close(packed);
		bitnpu_gguf_close(source);
		assert_int_equal(scratch_count(&scratch), 1);
	}
}

/* Metadata of every type, a scale folded into its matrix, one key that is replaced. */
static struct gguf_builder *whole_model(void)
{
	static const struct gguf_builder_text texts[] = { { "one", 3 }, { "", 0 }, { "t\0o", 3 } };
	static const uint64_t matrix[2] = { 3, 2 }, vector[1] = { 3 }, one[1] = { 1 };
	static const float x[6] = { 1, -1, 0, 1, 1, 1 }, norm[3] = { 1, 2, 3 }, scale[1] = { 0.5f };
	struct gguf_builder *builder = gguf_builder_new();

	gguf_builder_u32(builder, "general.alignment", 32);
	gguf_builder_string(builder, "general.architecture", "test");
	gguf_builder_strings(builder, "texts", texts, 3);
	gguf_builder_array(builder, "numbers", BITNPU_GGUF_UINT16, 3, "abcdef", 6);
	gguf_builder_f32(builder, "float", 0.25f);
	gguf_builder_bool(builder, "bool", 1);
	gguf_builder_tensor(builder, "norm.weight", BITNPU_GGML_F32, 1, vector, norm, sizeof(norm));
	gguf_builder_tensor(builder, "a.scale", BITNPU_GGML_F32, 1, one, scale, sizeof(scale));
	gguf_builder_tensor(builder, "a.weight", BITNPU_GGML_F32, 2, matrix, x, sizeof(x));
	gguf_builder_tensor(builder, "half", BITNPU_GGML_F16, 1, vector, "\0\x3c\0\x40\0\xc0", 6);
	return builder;
}

static void test_whole_model(void **state)
{
	struct bitnpu_gguf *source, *packed;
	const struct bitnpu_gguf_tensor *half;
	struct bitnpu_weights w;
	struct bitnpu_error err = { 0 };
	float x[3];

	write_input(whole_model());
	pack(input);
	source = open_file(input);
	packed = open_file(output);
	check_metadata(source, packed);
	assert_int_equal(packed->n_tensors, 4);
	half = bitnpu_gguf_find_tensor(packed, "half");
	assert_true(half && half->type == BITNPU_GGML_F32 && half->bytes == 12);
	memcpy(x, half->data, sizeof(x));
	assert_true(x[0] == 1 && x[1] == 2 && x[2] == -2);
	assert_int_equal(bitnpu_weights_find(packed, "a.weight", &w, &err), 0);
	assert_int_equal(w.row_scale_count, 1);
	assert_true(w.row_scale[0] == 0.5f);
	bitnpu_weights_dequantize_row(&w, 0, x);
	assert_true(x[0] == 0.5f && x[1] == -0.5f && x[2] == 0);
	bitnpu_gguf_close(packed);
	bitnpu_gguf_close(source);
}

static void test_deterministic(void **state)
{
	size_t first_bytes, second_bytes, i;
	void *first, *second;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		pack(data_path(files[i]));
		first = file_read(output, &first_bytes);
		pack(data_path(files[i]));
		second = file_read(output, &second_bytes);
		assert_true(first && second);
		assert_int_equal(first_bytes, second_bytes);
		assert_memory_equal(first, second, first_bytes);
		free(second);
		free(first);
	}
}

/* ---- damage -------------------------------------------------------------------------------- */

struct image {
	unsigned char *data;
	size_t bytes;
	struct bitnpu_gguf *gguf;
};

static void image_open(struct image *image)
{
	struct bitnpu_error err = { 0 };

	image->data = file_read(output, &image->bytes);
	assert_non_null(image->data);
	if (bitnpu_gguf_open_memory(image->data, image->bytes, "packed", &image->gguf, &err))
		fail_msg("%s", err.message);
}

static void image_close(struct image *image)
{
	bitnpu_gguf_close(image->gguf);
	free(image->data);
}

static void test_checksums(void **state)
{
	const struct bitnpu_gguf_tensor *t;
	struct bitnpu_error err = { 0 };
	struct image image;
	uint64_t i, at;

	pack(data_path("tq2_0"));
	image_open(&image);
	for (i = 0; i < image.gguf->n_tensors; i++) {
		t = &image.gguf->tensors[i];
		for (at = 0; at < t->bytes; at += t->bytes - 1 ? t->bytes - 1 : 1) {
			image.data[t->data - image.data + at] ^= 0x10;
			assert_int_equal(bitnpu_packed_verify(image.gguf, NULL, NULL, &err),
					 -EBADMSG);
			assert_non_null(strstr(err.message, tensor_name(t)));
			image.data[t->data - image.data + at] ^= 0x10;
		}
	}
	assert_int_equal(bitnpu_packed_verify(image.gguf, NULL, NULL, &err), 0);
	image_close(&image);
}

/* Overwrites part of a metadata value, expects @code of the look-up, and puts it back. */
static void lie(struct image *image, const char *key, uint64_t at, const void *value, size_t bytes,
		int code, const char *words)
{
	const struct bitnpu_gguf_kv *kv = bitnpu_gguf_find(image->gguf, key);
	struct bitnpu_error err = { 0 };
	unsigned char saved[8], *place;
	struct bitnpu_weights w;
	int ret;

	assert_non_null(kv);
	assert_true(at + bytes <= kv->bytes && bytes <= sizeof(saved));
	place = image->data + (kv->data - image->data) + at;
	memcpy(saved, place, bytes);
	memcpy(place, value, bytes);
	ret = bitnpu_weights_find(image->gguf, "blocks.weight", &w, &err);
	if (ret != code || !strstr(err.message, words))
		fail_msg("%s: returned %d, \"%s\"; expected %d, \"%s\"", key, ret, err.message, code,
			 words);
	memcpy(place, saved, bytes);
}

/* blocks.weight is the first tensor: ternary, 3 x 512, groups of 256. */
static void test_lying_metadata(void **state)
{
	static const uint8_t formats[] = { 4, 254, 1, 2 }, shifts[] = { 4, 17, 255, 7 };
	static const uint32_t rows[] = { 0, (1 << 24) + 1, UINT32_MAX, 17 };
	static const uint32_t columns[] = { 0, 65537, UINT32_MAX, 528 };
	static const char *const words[] = { "out of range", "out of range", "out of range",
					     "bytes, expected" };
	uint8_t not_tiles = 255, int7 = 3;
	struct bitnpu_error err = { 0 };
	struct image image;
	size_t i;

	pack(data_path("tq2_0"));
	image_open(&image);
	for (i = 0; i < 4; i++) {
		lie(&image, BITNPU_PACK_KEY_FORMATS, 0, &formats[i], 1, -EINVAL,
		    i < 2 ? "undefined weight format" : "bytes, expected");
		lie(&image, BITNPU_PACK_KEY_GROUP_SHIFTS, 0, &shifts[i], 1, -EINVAL, words[i]);
		lie(&image, BITNPU_PACK_KEY_ROWS, 0, &rows[i], 4, -EINVAL, words[i]);
		lie(&image, BITNPU_PACK_KEY_COLUMNS, 0, &columns[i], 4, -EINVAL, words[i]);
	}
	lie(&image, BITNPU_PACK_KEY_FORMATS, 0, &int7, 1, -EINVAL, "int7 has no group scales");
	lie(&image, BITNPU_PACK_KEY_FORMATS, 0, &not_tiles, 1, -ENOENT, "");
	lie(&image, BITNPU_PACK_KEY_FORMATS, 0, "\0", 1, 0, "");
	image.data[bitnpu_gguf_find(image.gguf, BITNPU_PACK_KEY_VERSION)->data - image.data] = 2;
	assert_int_equal(bitnpu_gguf_is_packed(image.gguf, &err), -ENOTSUP);
	assert_non_null(strstr(err.message, "version 2 of the packed format"));
	assert_int_equal(bitnpu_packed_verify(image.gguf, NULL, NULL, &err), -ENOTSUP);
	image_close(&image);
}

static void test_damaged_scales(void **state)
{
	static const float bad[] = { INFINITY, NAN };
	struct bitnpu_error err = { 0 };
	struct bitnpu_weights w;
	struct image image;
	size_t i;

	pack(data_path("tq2_0"));
	image_open(&image);
	for (i = 0; i < 2; i++) {
		const struct bitnpu_gguf_tensor *t =
			bitnpu_gguf_find_tensor(image.gguf, "rows.scale");

		assert_true(t && t->bytes == 12);
		memcpy(image.data + (t->data - image.data) + 8, &bad[i], 4);
		assert_int_equal(bitnpu_weights_find(image.gguf, "rows.weight", &w, &err), -EINVAL);
		assert_non_null(strstr(err.message, "tensor rows.scale: not finite: element (2)"));
	}
	image_close(&image);
}

/* Renames a part in place, so that it is missing under its old name. */
static void test_missing_parts(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "blocks.group_scale", "its group scales are missing" },
		{ BITNPU_PACK_KEY_FORMATS, "key bitnpu.pack.formats is missing" },
		{ BITNPU_PACK_KEY_GROUP_SHIFTS, "key bitnpu.pack.group_shifts is missing" },
		{ BITNPU_PACK_KEY_ROWS, "key bitnpu.pack.rows is missing" },
		{ BITNPU_PACK_KEY_COLUMNS, "key bitnpu.pack.columns is missing" },
		{ BITNPU_PACK_KEY_CHECKSUMS, "key bitnpu.pack.checksums is missing" },
	};
	struct bitnpu_error err = { 0 };
	struct bitnpu_weights w;
	struct image image;
	unsigned char *at;
	size_t i;

	pack(data_path("tq2_0"));
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		image_open(&image);
		bitnpu_gguf_close(image.gguf);
		at = memmem(image.data, image.bytes, cases[i].text, strlen(cases[i].text));
		assert_non_null(at);
		*at = 'X';
		assert_int_equal(bitnpu_gguf_open_memory(image.data, image.bytes, "packed",
							 &image.gguf, &err), 0);
		if (i < 5)
			assert_int_equal(bitnpu_weights_find(image.gguf, "blocks.weight", &w, &err),
					 -EINVAL);
		else
			assert_int_equal(bitnpu_packed_verify(image.gguf, NULL, NULL, &err), -EINVAL);
		assert_non_null(strstr(err.message, cases[i].words));
		image_close(&image);
	}
}

/* A packed file by hand: one ternary matrix of 16 x 16, at an offset that is no multiple of 4096. */
static void expect_refused_part(uint32_t type, uint64_t count, const char *words)
{
	static const uint8_t formats[2] = { 0, 255 }, shifts[2], tile[64];
	static const uint32_t sixteen[2] = { 16 };
	const uint64_t dims[2] = { 64 / (type == BITNPU_GGML_F32 ? 4 : 1), 1 };
	struct gguf_builder *builder = gguf_builder_new();
	struct bitnpu_error err = { 0 };
	struct bitnpu_gguf *gguf;
	struct bitnpu_weights w;

	gguf_builder_u32(builder, BITNPU_PACK_KEY_VERSION, 1);
	gguf_builder_array(builder, BITNPU_PACK_KEY_FORMATS, BITNPU_GGUF_UINT8, count, formats,
			   count);
	gguf_builder_array(builder, BITNPU_PACK_KEY_GROUP_SHIFTS, BITNPU_GGUF_UINT8, count, shifts,
			   count);
	gguf_builder_array(builder, BITNPU_PACK_KEY_ROWS, BITNPU_GGUF_UINT32, count, sixteen,
			   4 * count);
	gguf_builder_array(builder, BITNPU_PACK_KEY_COLUMNS, BITNPU_GGUF_UINT32, count, sixteen,
			   4 * count);
	gguf_builder_tensor(builder, "a.weight", type, 2, dims, tile, sizeof(tile));
	write_input(builder);
	gguf = open_file(input);
	assert_int_equal(bitnpu_gguf_is_packed(gguf, &err), 1);
	assert_int_equal(bitnpu_weights_find(gguf, "a.weight", &w, &err), -EINVAL);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" does not say \"%s\"", err.message, words);
	bitnpu_gguf_close(gguf);
}

static void test_bad_parts(void **state)
{
	expect_refused_part(BITNPU_GGML_I8, 1, "tensor a.weight: file offset");
	expect_refused_part(BITNPU_GGML_F32, 1, "tensor a.weight: type F32, expected I8");
	expect_refused_part(BITNPU_GGML_I8, 0, "bitnpu.pack.formats: 0 elements for 1 tensors");
	expect_refused_part(BITNPU_GGML_I8, 2, "bitnpu.pack.formats: 2 elements for 1 tensors");
}

/* Every matrix that a damaged header still has must be readable in full. */
static void use_all(const struct bitnpu_gguf *gguf)
{
	struct bitnpu_weights w;
	struct bitnpu_error err = { 0 };
	uint64_t i;
	float *row;

	if (bitnpu_gguf_is_packed(gguf, &err) != 1)
		return;
	bitnpu_packed_verify(gguf, NULL, NULL, &err);
	for (i = 0; i < gguf->n_tensors; i++) {
		if (memchr(gguf->tensors[i].name.data, 0, gguf->tensors[i].name.length) ||
		    bitnpu_weights_find(gguf, tensor_name(&gguf->tensors[i]), &w, &err))
			continue;
		row = malloc(w.k * sizeof(*row));
		assert_non_null(row);
		bitnpu_weights_dequantize_row(&w, 0, row);
		bitnpu_weights_dequantize_row(&w, w.n - 1, row);
		free(row);
	}
}

static void test_bit_flips(void **state)
{
	static const char *const names[] = { "tq2_0", "q8_0" };
	struct bitnpu_gguf *gguf;
	struct image image;
	size_t header, i, f;

	for (f = 0; f < 2; f++) {
		pack(data_path(names[f]));
		image_open(&image);
		header = image.gguf->data_offset;
		while (header && !image.data[header - 1])
			header--;
		for (i = 0; i < 8 * header; i++) {
			image.data[i / 8] ^= 1 << i % 8;
			if (!bitnpu_gguf_open_memory(image.data, image.bytes, "packed", &gguf, NULL)) {
				use_all(gguf);
				bitnpu_gguf_close(gguf);
			}
			image.data[i / 8] ^= 1 << i % 8;
		}
		image_close(&image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_documented_ternary),
		cmocka_unit_test(test_documented_groups),
		cmocka_unit_test(test_documented_binary),
		cmocka_unit_test(test_documented_int7),
		cmocka_unit_test(test_documented_int8),
		cmocka_unit_test(test_round_trips),
		cmocka_unit_test(test_whole_model),
		cmocka_unit_test(test_deterministic),
		cmocka_unit_test(test_checksums),
		cmocka_unit_test(test_lying_metadata),
		cmocka_unit_test(test_damaged_scales),
		cmocka_unit_test(test_missing_parts),
		cmocka_unit_test(test_bad_parts),
		cmocka_unit_test(test_bit_flips),
	};

	return cmocka_run_group_tests_name("pack", tests, new_scratch, free_scratch);
}
