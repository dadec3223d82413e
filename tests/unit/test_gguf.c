// SPDX-License-Identifier: MIT
/* The GGUF reader: files of two independent writers, and everything that can be wrong in one. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "libbitnpu/gguf.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/random.h"

/* A file put together field by field, so that any field can lie. */
struct image {
	unsigned char data[4096];
	size_t bytes;
};

static void put(struct image *image, uint64_t value, size_t bytes)
{
	assert_true(image->bytes + bytes <= sizeof(image->data));
	memcpy(image->data + image->bytes, &value, bytes);
	image->bytes += bytes;
}

static void put_text(struct image *image, const char *text)
{
	put(image, strlen(text), 8);
	memcpy(image->data + image->bytes, text, strlen(text));
	image->bytes += strlen(text);
}

static void begin(struct image *image, uint64_t tensors, uint64_t entries)
{
	memset(image, 0, sizeof(*image));
	put(image, 0x46554747, 4);
	put(image, 3, 4);
	put(image, tensors, 8);
	put(image, entries, 8);
}

static void put_tensor(struct image *image, const char *name, uint64_t columns, uint64_t rows,
		       uint32_t type, uint64_t offset)
{
	put_text(image, name);
	put(image, 2, 4);
	put(image, columns, 8);
	put(image, rows, 8);
	put(image, type, 4);
	put(image, offset, 8);
}

/* Zeros to the alignment and @bytes of data. */
static void put_data(struct image *image, size_t bytes)
{
	image->bytes = (image->bytes + 31) / 32 * 32 + bytes;
	assert_true(image->bytes <= sizeof(image->data));
}

/* From memory of exactly that size, so that reading past it is seen. */
static int open_exact(const void *data, size_t bytes, struct bitnpu_gguf **gguf, void **copy,
		      struct bitnpu_error *err)
{
	/* Aligned as a mapping is; the end is what matters. */
	*copy = malloc(bytes ? bytes : 1);
	assert_non_null(*copy);
	memcpy(*copy, data, bytes);
	return bitnpu_gguf_open_memory(*copy, bytes, "test.gguf", gguf, err);
}

static void expect_refused(const struct image *image, int code, const char *words)
{
	struct bitnpu_gguf *gguf = NULL;
	struct bitnpu_error err = { 0 };
	void *copy;
	int ret = open_exact(image->data, image->bytes, &gguf, &copy, &err);

	if (ret != code || !strstr(err.message, words))
		fail_msg("returned %d, \"%s\"; expected %d, \"%s\"", ret, err.message, code, words);
	assert_int_equal(err.code, code);
	assert_null(gguf);
	assert_non_null(strstr(err.message, "test.gguf"));
	assert_int_equal(bitnpu_gguf_open_memory(copy, image->bytes, "test.gguf", &gguf, NULL), code);
	free(copy);
}

static void expect_opened(const struct image *image)
{
	struct bitnpu_gguf *gguf = NULL;
	struct bitnpu_error err = { 0 };
	void *copy;
	int ret = open_exact(image->data, image->bytes, &gguf, &copy, &err);

	if (ret)
		fail_msg("returned %d, \"%s\"", ret, err.message);
	bitnpu_gguf_close(gguf);
	free(copy);
}

/* Reads all that the reader vouches for. */
static uint64_t touch(const struct bitnpu_gguf *gguf)
{
	struct bitnpu_gguf_cursor cursor;
	struct bitnpu_gguf_string string;
	uint64_t sum = 0, i, j;

	for (i = 0; i < gguf->n_kv; i++) {
		for (j = 0; j < gguf->kv[i].bytes; j++)
			sum += gguf->kv[i].data[j];
		bitnpu_gguf_strings(&gguf->kv[i], &cursor);
		while (bitnpu_gguf_next_string(&cursor, &string))
			for (j = 0; j < string.length; j++)
				sum += (unsigned char)string.data[j];
	}
	for (i = 0; i < gguf->n_tensors; i++)
		for (j = 0; j < gguf->tensors[i].bytes; j++)
			sum += gguf->tensors[i].data[j];
	return sum;
}

static struct bitnpu_gguf *open_data(const char *path)
{
	struct bitnpu_gguf *gguf;
	struct bitnpu_error err = { 0 };

	if (bitnpu_gguf_open(path, &gguf, &err))
		fail_msg("%s", err.message);
	return gguf;
}

static void assert_text(const struct bitnpu_gguf_string *string, const char *text)
{
	assert_int_equal(string->length, strlen(text));
	assert_memory_equal(string->data, text, string->length);
}

static void check_numbers(const struct bitnpu_gguf *gguf)
{
	static const char *const negative[] = { "t.int8", "t.int16", "t.int32", "t.int64" };
	struct bitnpu_error err = { 0 };
	uint32_t u;
	float f;
	size_t i;

	assert_int_equal(bitnpu_gguf_get_u32(gguf, "t.uint8", &u, &err), 0);
	assert_int_equal(u, 200);
	assert_int_equal(bitnpu_gguf_get_u32(gguf, "t.uint16", &u, &err), 0);
	assert_int_equal(u, 60000);
	assert_int_equal(bitnpu_gguf_get_u32(gguf, "t.uint32", &u, &err), 0);
	assert_int_equal(u, 4000000000u);
	u = 7;
	for (i = 0; i < 4; i++) {
		assert_int_equal(bitnpu_gguf_get_u32(gguf, negative[i], &u, &err), -EINVAL);
		assert_non_null(strstr(err.message, negative[i]));
		assert_non_null(strstr(err.message, "negative"));
	}
	assert_int_equal(bitnpu_gguf_get_u32(gguf, "t.uint64", &u, &err), -EINVAL);
	assert_non_null(strstr(err.message, "9223372036854775808 does not fit"));
	assert_int_equal(bitnpu_gguf_get_u32(gguf, "t.string", &u, &err), -EINVAL);
	assert_int_equal(bitnpu_gguf_get_u32(gguf, "t.bool", &u, &err), -EINVAL);
	assert_int_equal(u, 7);
	assert_int_equal(bitnpu_gguf_get_f32(gguf, "t.float32", &f, &err), 0);
	assert_true(f == 0.1f);
	assert_int_equal(bitnpu_gguf_get_f32(gguf, "t.float64", &f, &err), 0);
	assert_true(f == 0.1f);
	assert_int_equal(bitnpu_gguf_get_f32(gguf, "t.uint8", &f, &err), -EINVAL);
}

static void check_arrays(const struct bitnpu_gguf *gguf)
{
	static const char *const texts[] = { "a", "", "\u4e2d" };
	static const int32_t ints[] = { 1, -2, 3 };
	struct bitnpu_error err = { 0 };
	struct bitnpu_gguf_cursor cursor;
	struct bitnpu_gguf_string string;
	const struct bitnpu_gguf_kv *kv = NULL;
	size_t i;

	assert_int_equal(bitnpu_gguf_get_array(gguf, "t.ints", BITNPU_GGUF_INT32, &kv, &err), 0);
	assert_int_equal(kv->count, 3);
	assert_int_equal(kv->bytes, sizeof(ints));
	assert_memory_equal(kv->data, ints, sizeof(ints));
	bitnpu_gguf_strings(kv, &cursor);
	assert_false(bitnpu_gguf_next_string(&cursor, &string));
	assert_int_equal(bitnpu_gguf_get_array(gguf, "t.ints", BITNPU_GGUF_UINT32, &kv, &err),
			 -EINVAL);
	assert_int_equal(bitnpu_gguf_get_array(gguf, "t.bool", BITNPU_GGUF_BOOL, &kv, &err),
			 -EINVAL);
	assert_int_equal(bitnpu_gguf_get_array(gguf, "none", BITNPU_GGUF_BOOL, &kv, &err), -ENOENT);
	assert_int_equal(bitnpu_gguf_get_array(gguf, "t.strings", BITNPU_GGUF_STRING, &kv, &err),
			 0);
	assert_int_equal(kv->count, 4);
	bitnpu_gguf_strings(kv, &cursor);
	for (i = 0; i < 3; i++) {
		assert_true(bitnpu_gguf_next_string(&cursor, &string));
		assert_text(&string, texts[i]);
	}
	assert_true(bitnpu_gguf_next_string(&cursor, &string));
	assert_int_equal(string.length, 100);
	assert_false(bitnpu_gguf_next_string(&cursor, &string));
	kv = bitnpu_gguf_find(gguf, "t.nested");
	assert_non_null(kv);
	assert_int_equal(kv->element_type, BITNPU_GGUF_ARRAY);
	assert_int_equal(kv->bytes, 36);
}

static void test_metadata(void **state)
{
	struct bitnpu_gguf *gguf = open_data("tests/data/gguf/metadata.gguf");
	struct bitnpu_error err = { .code = 99 };
	struct bitnpu_gguf_string string;
	bool b = false;
	uint32_t u;

	assert_int_equal(gguf->version, 3);
	assert_int_equal(gguf->alignment, 32);
	assert_int_equal(bitnpu_gguf_get_u32(gguf, "t.uint", &u, &err), -ENOENT);
	assert_int_equal(bitnpu_gguf_get_u32(gguf, "", &u, &err), -ENOENT);
	assert_int_equal(err.code, 99);
	check_numbers(gguf);
	check_arrays(gguf);
	assert_int_equal(bitnpu_gguf_get_bool(gguf, "t.bool", &b, &err), 0);
	assert_true(b);
	assert_int_equal(bitnpu_gguf_get_bool(gguf, "t.uint8", &b, &err), -EINVAL);
	assert_int_equal(bitnpu_gguf_get_string(gguf, "t.string", &string, &err), 0);
	assert_text(&string, "\u00fc\u4e2d\U0001f600");
	assert_int_equal(bitnpu_gguf_get_string(gguf, "t.bool", &string, &err), -EINVAL);
	assert_int_equal(bitnpu_gguf_get_string(gguf, "general.architecture", &string, &err), 0);
	assert_text(&string, "test");
	bitnpu_gguf_close(gguf);
}

static void test_tensors(void **state)
{
	struct bitnpu_gguf *gguf = open_data("tests/data/gguf/metadata.gguf");
	const struct bitnpu_gguf_tensor *t = bitnpu_gguf_find_tensor(gguf, "vector");
	char buffer[16];
	float x[5];

	assert_int_equal(gguf->n_tensors, 3);
	assert_non_null(t);
	assert_int_equal(t->n_dims, 1);
	assert_int_equal(t->elements, 5);
	assert_int_equal(t->bytes, 20);
	memcpy(x, t->data, sizeof(x));
	assert_true(x[0] == 0 && x[4] == 4);
	t = bitnpu_gguf_find_tensor(gguf, "cube");
	assert_non_null(t);
	assert_int_equal(t->n_dims, 3);
	assert_true(t->dims[0] == 4 && t->dims[1] == 3 && t->dims[2] == 2 && t->dims[3] == 1);
	assert_string_equal(bitnpu_ggml_type_name(t->type, buffer), "F16");
	t = bitnpu_gguf_find_tensor(gguf, "integers");
	assert_non_null(t);
	assert_int_equal(t->bytes, 0);
	assert_string_equal(bitnpu_ggml_type_name(t->type, buffer), "type 26");
	assert_null(bitnpu_gguf_find_tensor(gguf, "vecto"));
	assert_string_equal(bitnpu_ggml_type_name(UINT32_MAX, buffer), "type 4294967295");
	touch(gguf);
	bitnpu_gguf_close(gguf);
}

static void test_type_sizes(void **state)
{
	static const struct {
		uint32_t type;
		uint64_t columns, rows, bytes;
	} cases[] = {
		{ BITNPU_GGML_F32, 3, 5, 60 },		{ BITNPU_GGML_F16, 3, 5, 30 },
		{ BITNPU_GGML_BF16, 3, 5, 30 },		{ BITNPU_GGML_I8, 3, 5, 15 },
		{ BITNPU_GGML_Q8_0, 64, 3, 204 },	{ BITNPU_GGML_Q6_K, 512, 3, 1260 },
		{ BITNPU_GGML_TQ1_0, 512, 3, 324 },	{ BITNPU_GGML_TQ2_0, 512, 3, 396 },
		{ BITNPU_GGML_I2_S, 256, 3, 224 },	{ BITNPU_GGML_Q1_0, 256, 3, 108 },
	};
	struct bitnpu_gguf *gguf;
	struct image image;
	void *copy;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&image, 1, 0);
		put_tensor(&image, "t", cases[i].columns, cases[i].rows, cases[i].type, 0);
		put_data(&image, cases[i].bytes);
		assert_int_equal(open_exact(image.data, image.bytes, &gguf, &copy, NULL), 0);
		assert_int_equal(gguf->tensors[0].bytes, cases[i].bytes);
		assert_ptr_equal(gguf->tensors[0].data + cases[i].bytes,
				 (unsigned char *)copy + image.bytes);
		bitnpu_gguf_close(gguf);
		free(copy);
		image.bytes--;
		expect_refused(&image, -EINVAL, "tensor t: ");
		/* A row that is not a whole number of blocks. */
		if (cases[i].columns < 32)
			continue;
		begin(&image, 1, 0);
		put_tensor(&image, "t", 48, 1, cases[i].type, 0);
		put_data(&image, 2000);
		expect_refused(&image, -EINVAL, "is not a multiple of");
	}
}

static void test_versions(void **state)
{
	static const struct {
		uint32_t version;
		int code;
		const char *words;
	} cases[] = {
		{ 0, -ENOTSUP, "version 0" },
		{ 1, -ENOTSUP, "version 1" },
		{ 4, -ENOTSUP, "version 4" },
		{ 0x03000000, -ENOTSUP, "big-endian" },
	};
	struct image image;
	size_t i;

	for (i = 0; i < 4; i++) {
		begin(&image, 0, 0);
		memcpy(image.data + 4, &cases[i].version, 4);
		expect_refused(&image, cases[i].code, cases[i].words);
	}
	begin(&image, 0, 0);
	expect_opened(&image);
	image.data[4] = 2;
	expect_opened(&image);
	image.data[0] = 'g';
	expect_refused(&image, -EINVAL, "not a GGUF file");
	image.bytes = 0;
	expect_refused(&image, -EINVAL, "not a GGUF file");
}

static void *small_file(size_t *bytes)
{
	static const struct gguf_builder_text texts[] = { { "one", 3 }, { "", 0 }, { "two", 3 } };
	static const uint64_t dims[] = { 4, 3 };
	static const float x[12] = { 1, 2, 3 };
	struct gguf_builder *builder = gguf_builder_new();
	void *image;

	gguf_builder_string(builder, "general.architecture", "test");
	gguf_builder_u32(builder, "general.alignment", 32);
	gguf_builder_bool(builder, "b", 1);
	gguf_builder_strings(builder, "texts", texts, 3);
	gguf_builder_array(builder, "ints", BITNPU_GGUF_UINT16, 3, "abcdef", 6);
	gguf_builder_tensor(builder, "matrix", BITNPU_GGML_F32, 2, dims, x, sizeof(x));
	gguf_builder_tensor(builder, "vector", BITNPU_GGML_F16, 1, dims, x, 8);
	image = gguf_builder_finish(builder, bytes);
	gguf_builder_free(builder);
	return image;
}

static void test_truncation(void **state)
{
	struct bitnpu_gguf *gguf = NULL;
	struct bitnpu_error err = { 0 };
	size_t bytes, length, end;
	void *image = small_file(&bytes), *copy;

	assert_int_equal(open_exact(image, bytes, &gguf, &copy, &err), 0);
	touch(gguf);
	end = gguf->tensors[1].data + 8 - (unsigned char *)copy;
	bitnpu_gguf_close(gguf);
	free(copy);
	for (length = 0; length < end; length++) {
		gguf = NULL;
		memset(&err, 0, sizeof(err));
		assert_int_equal(open_exact(image, length, &gguf, &copy, &err), -EINVAL);
		assert_null(gguf);
		assert_int_equal(err.code, -EINVAL);
		assert_true(strlen(err.message) > 20);
		free(copy);
	}
	free(image);
}

/* Any bit of the header may flip: what comes out is refused or can be read in full. */
static void test_bit_flips(void **state)
{
	struct bitnpu_gguf *gguf;
	struct bitnpu_error err = { 0 };
	size_t bytes, header, i;
	unsigned char *image = small_file(&bytes);
	unsigned int opened = 0;
	void *copy;

	assert_int_equal(open_exact(image, bytes, &gguf, &copy, &err), 0);
	header = gguf->data_offset;
	bitnpu_gguf_close(gguf);
	free(copy);
	for (i = 0; i < 8 * header; i++) {
		image[i / 8] ^= 1 << i % 8;
		if (!open_exact(image, bytes, &gguf, &copy, &err)) {
			opened++;
			touch(gguf);
			bitnpu_gguf_close(gguf);
		}
		free(copy);
		image[i / 8] ^= 1 << i % 8;
	}
	/* Flips in texts and numbers leave a valid file. */
	assert_in_range(opened, 100, 8 * header - 100);
	free(image);
}

static void test_random_damage(void **state)
{
	struct test_random random;
	struct bitnpu_gguf *gguf;
	size_t bytes;
	unsigned char *image = small_file(&bytes), *damaged = malloc(bytes);
	unsigned int round, i;
	void *copy;

	assert_non_null(damaged);
	test_random_init(&random, 1);
	for (round = 0; round < 20000; round++) {
		memcpy(damaged, image, bytes);
		for (i = 0; i <= round % 4; i++)
			damaged[test_random_below(&random, bytes)] =
				test_random_below(&random, 3) ? test_random_below(&random, 256)
							      : 255 * test_random_below(&random, 2);
		if (!open_exact(damaged, bytes, &gguf, &copy, NULL)) {
			touch(gguf);
			bitnpu_gguf_close(gguf);
		}
		free(copy);
	}
	free(damaged);
	free(image);
}

static void test_lying_counts(void **state)
{
	static const uint64_t counts[] = { 1ull << 63, UINT64_MAX, 1ull << 32, 1ull << 61, 200 };
	struct image image;
	size_t i;

	for (i = 0; i < 5; i++) {
		begin(&image, counts[i], 0);
		expect_refused(&image, -EINVAL, "tensors cannot fit");
		begin(&image, 0, counts[i]);
		put_data(&image, 256);
		expect_refused(&image, -EINVAL, "metadata entries cannot fit");
		begin(&image, 0, 1);
		put_text(&image, "k");
		put(&image, BITNPU_GGUF_STRING, 4);
		put(&image, counts[i], 8);
		expect_refused(&image, -EINVAL, "runs past the end of the file");
		begin(&image, 0, 1);
		put(&image, counts[i], 8);
		put_data(&image, 64);
		expect_refused(&image, -EINVAL, "key at offset");
	}
	for (i = 0; i < 3 * 5; i++) {
		static const uint32_t types[] = { BITNPU_GGUF_FLOAT64, BITNPU_GGUF_STRING,
						  BITNPU_GGUF_ARRAY };

		begin(&image, 0, 1);
		put_text(&image, "k");
		put(&image, BITNPU_GGUF_ARRAY, 4);
		put(&image, types[i / 5], 4);
		put(&image, counts[i % 5], 8);
		put_data(&image, 256);
		expect_refused(&image, -EINVAL, "key k: does not fit into the file");
	}
}

/* An array of arrays of ... of one byte each. */
static void nest(struct image *image, unsigned int levels)
{
	unsigned int i;

	begin(image, 0, 1);
	put_text(image, "deep");
	put(image, BITNPU_GGUF_ARRAY, 4);
	for (i = 1; i < levels; i++) {
		put(image, BITNPU_GGUF_ARRAY, 4);
		put(image, 1, 8);
	}
	put(image, BITNPU_GGUF_UINT8, 4);
	put(image, 1, 8);
	put(image, 1, 1);
}

static void test_bad_metadata(void **state)
{
	static const uint32_t alignments[] = { 0, 1, 4, 3, 48, 0x80000001 };
	struct image image;
	size_t i;

	nest(&image, 4);
	expect_opened(&image);
	nest(&image, 5);
	expect_refused(&image, -EINVAL, "key deep: arrays nested deeper than 4");
	begin(&image, 0, 1);
	put_text(&image, "k");
	put(&image, 13, 4);
	put_data(&image, 64);
	expect_refused(&image, -EINVAL, "key k: unknown value type 13");
	begin(&image, 0, 1);
	put_text(&image, "");
	put_data(&image, 64);
	expect_refused(&image, -EINVAL, "empty key");
	begin(&image, 0, 2);
	for (i = 0; i < 2; i++) {
		put_text(&image, "same");
		put(&image, BITNPU_GGUF_BOOL, 4);
		put(&image, i, 1);
	}
	expect_refused(&image, -EINVAL, "key same appears twice");
	for (i = 0; i < sizeof(alignments) / sizeof(alignments[0]); i++) {
		begin(&image, 0, 1);
		put_text(&image, "general.alignment");
		put(&image, BITNPU_GGUF_UINT32, 4);
		put(&image, alignments[i], 4);
		expect_refused(&image, -EINVAL, "general.alignment");
	}
	begin(&image, 0, 1);
	put_text(&image, "general.alignment");
	put(&image, BITNPU_GGUF_FLOAT32, 4);
	put(&image, 0, 4);
	expect_refused(&image, -EINVAL, "key general.alignment: value type 6");
}

static void test_bad_values(void **state)
{
	struct bitnpu_error err = { 0 };
	struct bitnpu_gguf *gguf;
	struct image image;
	float f = 5;
	bool b = true;
	void *copy;

	begin(&image, 0, 3);
	put_text(&image, "bool");
	put(&image, BITNPU_GGUF_BOOL, 4);
	put(&image, 2, 1);
	put_text(&image, "nan");
	put(&image, BITNPU_GGUF_FLOAT32, 4);
	put(&image, 0x7fc00000, 4);
	put_text(&image, "huge");
	put(&image, BITNPU_GGUF_FLOAT64, 4);
	put(&image, 0x7fe0000000000000, 8);
	assert_int_equal(open_exact(image.data, image.bytes, &gguf, &copy, &err), 0);
	assert_int_equal(bitnpu_gguf_get_bool(gguf, "bool", &b, &err), -EINVAL);
	assert_non_null(strstr(err.message, "boolean is 2"));
	assert_int_equal(bitnpu_gguf_get_f32(gguf, "nan", &f, &err), -EINVAL);
	assert_non_null(strstr(err.message, "key nan: the value is not finite"));
	assert_int_equal(bitnpu_gguf_get_f32(gguf, "huge", &f, &err), -EINVAL);
	assert_true(f == 5 && b);
	bitnpu_gguf_close(gguf);
	free(copy);
}

static void test_bad_tensors(void **state)
{
	static const struct {
		uint64_t columns, rows, offset;
		const char *words;
	} cases[] = {
		{ 0, 4, 0, "dimension 0 is zero" },
		{ 4, 0, 0, "dimension 1 is zero" },
		{ 1ull << 63, 1, 0, "too many elements" },
		{ 1ull << 32, 1ull << 32, 0, "too many elements" },
		{ UINT64_MAX, UINT64_MAX, 0, "too many elements" },
		{ 1ull << 62, 1, 0, "run past the end of the file" },
		{ 1ull << 31, 1ull << 31, 0, "run past the end of the file" },
		{ 4, 5, 0, "run past the end of the file" },
		{ 4, 4, 32, "run past the end of the file" },
		{ 4, 4, 1, "offset is not a multiple of the alignment (1, limit 32)" },
		{ 4, 4, 96, "starts past the end of the file (96, limit 64)" },
		{ 4, 4, 1ull << 63, "starts past the end of the file" },
		{ 4, 4, UINT64_MAX - 31, "starts past the end of the file" },
	};
	struct image image;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&image, 1, 0);
		put_tensor(&image, "some.weight", cases[i].columns, cases[i].rows, BITNPU_GGML_F32,
			   cases[i].offset);
		put_data(&image, 64);
		expect_refused(&image, -EINVAL, cases[i].words);
		expect_refused(&image, -EINVAL, "tensor some.weight: ");
	}
	begin(&image, 1, 0);
	put_text(&image, "five");
	put(&image, 5, 4);
	put_data(&image, 256);
	expect_refused(&image, -EINVAL, "tensor five: too many dimensions (5, limit 4)");
	begin(&image, 1, 0);
	put_tensor(&image, "", 4, 4, BITNPU_GGML_F32, 0);
	put_data(&image, 64);
	expect_refused(&image, -EINVAL, "empty tensor name");
	begin(&image, 1, 0);
	put_tensor(&image, "12345678901234567890123456789012345678901234567890123456789012345", 4, 4,
		   BITNPU_GGML_F32, 0);
	put_data(&image, 64);
	expect_refused(&image, -EINVAL, "65 bytes, at most 64");
}

static void test_overlap(void **state)
{
	struct image image;

	begin(&image, 2, 0);
	put_tensor(&image, "a", 4, 4, BITNPU_GGML_F32, 0);
	put_tensor(&image, "b", 4, 4, BITNPU_GGML_F32, 64);
	put_data(&image, 128);
	expect_opened(&image);
	begin(&image, 2, 0);
	put_tensor(&image, "a", 4, 4, BITNPU_GGML_F32, 32);
	put_tensor(&image, "b", 4, 4, BITNPU_GGML_F32, 0);
	put_data(&image, 128);
	expect_refused(&image, -EINVAL, "tensors b and a overlap");
	/* By a single byte. */
	begin(&image, 2, 0);
	put_tensor(&image, "a", 33, 1, BITNPU_GGML_I8, 0);
	put_tensor(&image, "b", 4, 4, BITNPU_GGML_F32, 32);
	put_data(&image, 128);
	expect_refused(&image, -EINVAL, "tensors a and b overlap");
	begin(&image, 2, 0);
	put_tensor(&image, "a", 4, 4, BITNPU_GGML_F32, 0);
	put_tensor(&image, "b", 4, 4, BITNPU_GGML_F32, 0);
	put_data(&image, 128);
	expect_refused(&image, -EINVAL, "overlap");
	begin(&image, 2, 0);
	put_tensor(&image, "a", 4, 4, BITNPU_GGML_F32, 0);
	put_tensor(&image, "a", 4, 4, BITNPU_GGML_F32, 64);
	put_data(&image, 128);
	expect_refused(&image, -EINVAL, "tensor a appears twice");
}

/* A tensor without dimensions is a scalar; one of an unknown type is kept without a size. */
static void test_odd_tensors(void **state)
{
	struct bitnpu_gguf *gguf;
	struct image image;
	void *copy;

	begin(&image, 2, 0);
	put_text(&image, "scalar");
	put(&image, 0, 4);
	put(&image, BITNPU_GGML_F32, 4);
	put(&image, 0, 8);
	put_tensor(&image, "unknown", 1000, 1000, 77, 32);
	put_data(&image, 32);
	assert_int_equal(open_exact(image.data, image.bytes, &gguf, &copy, NULL), 0);
	assert_int_equal(gguf->tensors[0].n_dims, 1);
	assert_int_equal(gguf->tensors[0].elements, 1);
	assert_int_equal(gguf->tensors[0].bytes, 4);
	assert_int_equal(gguf->tensors[1].bytes, 0);
	assert_int_equal(gguf->tensors[1].type, 77);
	assert_int_equal(gguf->tensors[1].elements, 1000000);
	touch(gguf);
	bitnpu_gguf_close(gguf);
	free(copy);
}

static void *many_keys(unsigned int count, bool repeat, size_t *bytes)
{
	struct gguf_builder *builder = gguf_builder_new();
	unsigned char *entry, *image, *grown;
	unsigned int i;
	size_t used;
	char key[32];

	image = gguf_builder_finish(builder, &used);
	gguf_builder_free(builder);
	grown = realloc(image, 24 + count * 28ull);
	assert_non_null(grown);
	for (i = 0, used = 24; i < count; i++, used += 28) {
		uint64_t length = 12;
		uint32_t type = BITNPU_GGUF_UINT32;

		snprintf(key, sizeof(key), "key.%08u", repeat && i == count - 1 ? 0 : i);
		entry = grown + used;
		memcpy(entry, &length, 8);
		memcpy(entry + 8, key, 12);
		memcpy(entry + 20, &type, 4);
		memcpy(entry + 24, &i, 4);
	}
	memcpy(grown + 16, &(uint64_t){ count }, 8);
	*bytes = used;
	return grown;
}

/* Quadratic work on 200,000 keys would take minutes. */
static void test_many_keys(void **state)
{
	struct bitnpu_error err = { 0 };
	struct bitnpu_gguf *gguf;
	uint32_t value;
	size_t bytes;
	void *image = many_keys(200000, false, &bytes);

	assert_int_equal(bitnpu_gguf_open_memory(image, bytes, "many", &gguf, &err), 0);
	assert_int_equal(bitnpu_gguf_get_u32(gguf, "key.00123456", &value, &err), 0);
	assert_int_equal(value, 123456);
	assert_int_equal(bitnpu_gguf_get_u32(gguf, "key.00200000", &value, &err), -ENOENT);
	bitnpu_gguf_close(gguf);
	free(image);
	image = many_keys(200000, true, &bytes);
	assert_int_equal(bitnpu_gguf_open_memory(image, bytes, "many", &gguf, &err), -EINVAL);
	assert_non_null(strstr(err.message, "key key.00000000 appears twice"));
	free(image);
}

static void test_paths(void **state)
{
	char directory[] = "/tmp/bitnpu-gguf-XXXXXX", path[64], long_path[400];
	struct bitnpu_error err = { 0 };
	struct bitnpu_gguf *gguf = NULL;
	int fd;

	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/a\nb", directory);
	assert_int_equal(bitnpu_gguf_open(path, &gguf, &err), -ENOENT);
	assert_non_null(strstr(err.message, "/a?b: No such file"));
	assert_int_equal(bitnpu_gguf_open(directory, &gguf, &err), -EINVAL);
	assert_non_null(strstr(err.message, "not a regular file"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(bitnpu_gguf_open(path, &gguf, &err), -EINVAL);
	assert_non_null(strstr(err.message, "not a regular file"));
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(bitnpu_gguf_open(path, &gguf, &err), -EINVAL);
	assert_non_null(strstr(err.message, "the file is empty"));
	unlink(path);
	rmdir(directory);
	memset(long_path, 'x', sizeof(long_path));
	memcpy(long_path + 380, "/the-end.gguf", sizeof("/the-end.gguf"));
	assert_true(bitnpu_gguf_open(long_path, &gguf, &err) < 0);
	assert_non_null(strstr(err.message, "/the-end.gguf: "));
	assert_null(gguf);
	bitnpu_gguf_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metadata),
		cmocka_unit_test(test_tensors),
		cmocka_unit_test(test_type_sizes),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_bit_flips),
		cmocka_unit_test(test_random_damage),
		cmocka_unit_test(test_lying_counts),
		cmocka_unit_test(test_bad_metadata),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_bad_tensors),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_odd_tensors),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_paths),
	};

	return cmocka_run_group_tests_name("gguf", tests, NULL, NULL);
}
