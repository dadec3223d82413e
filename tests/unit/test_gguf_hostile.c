// SPDX-License-Identifier: MIT
/* GGUF images that were right once: cut, flipped bit by bit, and with overlapping tensors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libbitnpu/gguf.h"
#include "tests/support/gguf_builder.h"

#define UNKNOWN_TYPE 200

/* One of everything: scalars, strings, arrays, an array of arrays, tensors of four types. */
static unsigned char *make_image(size_t *bytes)
{
	static const struct gguf_builder_text texts[] = { { "a", 1 }, { "", 0 }, { "longer", 6 } };
	/* two arrays: of two UINT8, and of no strings */
	static const unsigned char nested[] = { 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 7,
						8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };
	static const unsigned char zero[256];
	struct gguf_builder *builder = gguf_builder_new();
	unsigned char *image;

	gguf_builder_u32(builder, "general.alignment", 32);
	gguf_builder_string(builder, "text", "abc");
	gguf_builder_f32(builder, "float", 1.5f);
	gguf_builder_bool(builder, "bool", 1);
	gguf_builder_strings(builder, "strings", texts, 3);
	gguf_builder_array(builder, "nested", 9, 2, nested, sizeof(nested));
	gguf_builder_array(builder, "ints", 5, 2, "\1\0\0\0\2\0\0", 8);
	gguf_builder_tensor(builder, "t.f32", BITNPU_GGML_F32, 2, (uint64_t[]){ 4, 4 }, zero, 64);
	gguf_builder_tensor(builder, "t.odd", UNKNOWN_TYPE, 1, (uint64_t[]){ 4 }, zero, 32);
	gguf_builder_tensor(builder, "t.i2s", BITNPU_GGML_I2_S, 1, (uint64_t[]){ 128 }, zero, 64);
	gguf_builder_tensor(builder, "t.q8", BITNPU_GGML_Q8_0, 1, (uint64_t[]){ 32 }, zero, 34);
	image = gguf_builder_finish(builder, bytes);
	gguf_builder_free(builder);
	return image;
}

/* Read every byte that an opened image promises; the sanitizers watch. */
static unsigned int touch(const struct bitnpu_gguf *gguf)
{
	unsigned int sum = 0;
	uint64_t i, k;

	for (i = 0; i < gguf->n_kv; i++) {
		const struct bitnpu_gguf_kv *kv = &gguf->kv[i];
		struct bitnpu_gguf_cursor cursor;
		struct bitnpu_gguf_string string;

		for (k = 0; k < kv->bytes; k++)
			sum += kv->data[k];
		bitnpu_gguf_strings(kv, &cursor);
		while (bitnpu_gguf_next_string(&cursor, &string))
			for (k = 0; k < string.length; k++)
				sum += string.data[k];
	}
	for (i = 0; i < gguf->n_tensors; i++)
		for (k = 0; k < gguf->tensors[i].bytes; k++)
			sum += gguf->tensors[i].data[k];
	return sum;
}

/* Open a copy that ends where the memory does.  Return: what opening said. */
static int open_copy(const unsigned char *image, size_t bytes, struct bitnpu_error *err)
{
	unsigned char *copy = malloc(bytes ? bytes : 1);
	struct bitnpu_gguf *gguf = NULL;
	volatile unsigned int sum;
	int ret;

	assert_non_null(copy);
	memcpy(copy, image, bytes);
	*err = (struct bitnpu_error){ 0 };
	ret = bitnpu_gguf_open_memory(copy, bytes, "image", &gguf, err);
	if (ret) {
		assert_null(gguf);
		assert_int_equal(err->code, ret);
		assert_non_null(strstr(err->message, "image"));
		assert_null(strchr(err->message, '\n'));
	} else {
		sum = touch(gguf);
		(void)sum;
		bitnpu_gguf_close(gguf);
	}
	free(copy);
	return ret;
}

static void test_every_length(void **state)
{
	struct bitnpu_error err;
	size_t bytes, cut;
	unsigned char *image = make_image(&bytes);

	assert_int_equal(open_copy(image, bytes, &err), 0);
	/* Up to 31 bytes of padding follow the last tensor. */
	for (cut = 0; cut < bytes - 31; cut++)
		assert_int_equal(open_copy(image, cut, &err), -EINVAL);
	for (; cut < bytes; cut++)
		open_copy(image, cut, &err);
	free(image);
}

static void test_every_bit(void **state)
{
	struct bitnpu_error err;
	size_t bytes, bit;
	unsigned char *image = make_image(&bytes);

	for (bit = 0; bit < 8 * bytes; bit++) {
		int ret;

		image[bit / 8] ^= 1 << bit % 8;
		ret = open_copy(image, bytes, &err);
		assert_true(ret == 0 || ret == -EINVAL || ret == -ENOTSUP);
		image[bit / 8] ^= 1 << bit % 8;
	}
	free(image);
}

/* Write the offset of a tensor with one dimension, or two. */
static void move_tensor(unsigned char *image, size_t bytes, const char *name, unsigned int n_dims,
			uint64_t offset)
{
	unsigned char *at = memmem(image, bytes, name, strlen(name));

	assert_non_null(at);
	memcpy(at + strlen(name) + 4 + 8 * n_dims + 4, &offset, sizeof(offset));
}

static void test_overlap(void **state)
{
	struct bitnpu_error err;
	size_t bytes;
	unsigned char *image = make_image(&bytes);

	/* t.f32 takes 0 to 64, t.odd starts at 64, t.i2s at 96, t.q8 at 160 */
	move_tensor(image, bytes, "t.q8", 1, 128);
	assert_int_equal(open_copy(image, bytes, &err), -EINVAL);
	assert_non_null(strstr(err.message, "overlap"));
	/* A tensor of unknown size that starts between the two hides nothing. */
	move_tensor(image, bytes, "t.odd", 1, 96);
	move_tensor(image, bytes, "t.i2s", 1, 96);
	assert_int_equal(open_copy(image, bytes, &err), -EINVAL);
	move_tensor(image, bytes, "t.odd", 1, 128);
	move_tensor(image, bytes, "t.q8", 1, 128);
	assert_int_equal(open_copy(image, bytes, &err), -EINVAL);
	assert_non_null(strstr(err.message, "t.i2s"));
	assert_non_null(strstr(err.message, "t.q8"));
	move_tensor(image, bytes, "t.q8", 1, 160);
	assert_int_equal(open_copy(image, bytes, &err), 0);
	free(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
