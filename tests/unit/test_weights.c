// SPDX-License-Identifier: MIT
/* Tiles, dequantization and packing of single matrices, against gguf-py's values and plain formulas. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "libbitnpu/half.h"
#include "libbitnpu/weights.h"
#include "tests/support/gguf_builder.h"
#include "tests/support/random.h"

/* A GGUF image that is built, opened and closed in one go. */
struct file {
	struct gguf_builder *builder;
	struct bitnpu_gguf *gguf;
	void *image;
};

static void file_new(struct file *file)
{
	memset(file, 0, sizeof(*file));
	file->builder = gguf_builder_new();
}

static void file_add(struct file *file, const char *name, uint32_t type, uint64_t columns,
		     uint64_t rows, const void *data, size_t bytes)
{
	const uint64_t dims[2] = { columns, rows };

	gguf_builder_tensor(file->builder, name, type, rows ? 2 : 1, dims, data, bytes);
}

static void file_open(struct file *file)
{
	struct bitnpu_error err = { 0 };
	size_t bytes;

	file->image = gguf_builder_finish(file->builder, &bytes);
	if (bitnpu_gguf_open_memory(file->image, bytes, "test.gguf", &file->gguf, &err))
		fail_msg("%s", err.message);
}

static void file_free(struct file *file)
{
	bitnpu_gguf_close(file->gguf);
	gguf_builder_free(file->builder);
	free(file->image);
}

static int file_pack(struct file *file, const char *name, struct bitnpu_packed_tensor *packed,
		     struct bitnpu_error *err)
{
	const struct bitnpu_gguf_tensor *t = bitnpu_gguf_find_tensor(file->gguf, name);

	assert_non_null(t);
	memset(err, 0, sizeof(*err));
	return bitnpu_pack_tensor(file->gguf, t, packed, err);
}

/* Packs the only matrix of a new file and expects it to be refused. */
static void expect_refused(uint32_t type, uint64_t columns, uint64_t rows, const void *data,
			   size_t bytes, int code, const char *words)
{
	struct bitnpu_packed_tensor packed = { .memory = &packed };
	struct bitnpu_error err = { 0 };
	struct file file;
	int ret;

	file_new(&file);
	file_add(&file, "a.weight", type, columns, rows, data, bytes);
	file_open(&file);
	ret = file_pack(&file, "a.weight", &packed, &err);
	if (ret != code || !strstr(err.message, words) || !strstr(err.message, "tensor a.weight: "))
		fail_msg("returned %d, \"%s\"; expected %d, \"%s\"", ret, err.message, code, words);
	assert_ptr_equal(packed.memory, &packed);
	file_free(&file);
}

/* ---- tiles --------------------------------------------------------------------------------- */

/* The command set's text as a formula: sets the bits of one weight in zeroed tiles. */
static void plain_encode(uint8_t format, uint32_t k_total, uint32_t n, uint32_t k, int w,
			 uint8_t *tiles)
{
	static const uint32_t line_k[] = { 16, 32, 4 };
	uint32_t lines = (k_total + line_k[format] - 1) / line_k[format];
	uint32_t in_line = k % line_k[format], b = in_line % 4, s = in_line / 4;
	uint8_t *byte = tiles + 64 * ((uint64_t)n / 16 * lines + k / line_k[format]) + n % 16 * 4 +
			b;

	if (format == BITNPU_W_TERNARY)
		*byte |= (w + 1) << 2 * s;
	else if (format == BITNPU_W_BINARY)
		*byte |= (w + 1) / 2 << s;
	else
		*byte = (uint8_t)w;
}

static int random_code(struct test_random *random, uint8_t format)
{
	if (format == BITNPU_W_TERNARY)
		return (int)test_random_below(random, 3) - 1;
	if (format == BITNPU_W_BINARY)
		return (int)test_random_below(random, 2) * 2 - 1;
	return (int)test_random_below(random, 256) - 128;
}

static void check_tiles(struct test_random *random, uint8_t format, uint32_t n, uint32_t k)
{
	static const uint32_t line_k[] = { 16, 32, 4 };
	uint32_t padded_n = (n + 15) / 16 * 16;
	uint32_t padded_k = (k + line_k[format] - 1) / line_k[format] * line_k[format];
	uint64_t bytes = (uint64_t)padded_n / 16 * padded_k / line_k[format] * 64;
	uint8_t *wanted = calloc(1, bytes), *tiles = malloc(bytes);
	int8_t *codes = malloc((size_t)n * k), *row = malloc(k);
	uint32_t i, j, split = (n / 16 + 1) / 2 * 16;
	int pad = format == BITNPU_W_BINARY ? -1 : 0;

	assert_true(wanted && tiles && codes && row);
	assert_int_equal(bitnpu_tiles_bytes(format, n, k), bytes);
	for (i = 0; i < padded_n; i++)
		for (j = 0; j < padded_k; j++) {
			int w = i < n && j < k ? random_code(random, format) : pad;

			if (i < n && j < k)
				codes[(size_t)i * k + j] = w;
			plain_encode(format, padded_k, i, j, w, wanted);
		}
	memset(tiles, 0xa5, bytes);
	bitnpu_tiles_encode(format, n, k, 0, n, codes, tiles);
	assert_memory_equal(tiles, wanted, bytes);
	if (split && split < n) {
		memset(tiles, 0xa5, bytes);
		bitnpu_tiles_encode(format, n, k, split, n - split, codes + (size_t)split * k, tiles);
		bitnpu_tiles_encode(format, n, k, 0, split, codes, tiles);
		assert_memory_equal(tiles, wanted, bytes);
	}
	for (i = 0; i < n; i++) {
		bitnpu_tiles_decode_row(format, k, tiles, i, row);
		assert_memory_equal(row, codes + (size_t)i * k, k);
	}
	free(row);
	free(codes);
	free(tiles);
	free(wanted);
}

static void test_tiles(void **state)
{
	struct test_random random;
	uint32_t round, n, k;
	uint8_t format;

	test_random_init(&random, 1);
	for (format = 0; format < 3; format++) {
		for (round = 0; round < 200; round++)
			check_tiles(&random, format, 1 + test_random_below(&random, 70),
				    1 + test_random_below(&random, 140));
		for (n = 15; n <= 17; n++)
			for (k = 1; k <= 33; k++)
				check_tiles(&random, format, n, k);
	}
}

/* Seven bits, encoded a tile at a time as packing does: each slice by itself, and the whole. */
static void check_int7(struct test_random *random, uint32_t n, uint32_t k)
{
	static const int shifts[] = { 5, 3, 1, 0 };
	struct bitnpu_weights w = { .format = BITNPU_PACK_INT7, .n = n, .k = k }, slice;
	int8_t *codes = malloc((size_t)n * k), *bits = malloc(k);
	float *row = malloc(k * sizeof(*row));
	void *tiles;

	w.tiles_bytes = bitnpu_tiles_bytes(w.format, n, k);
	tiles = malloc(w.tiles_bytes);
	w.tiles = tiles;
	assert_true(codes && bits && row && tiles);
	memset(tiles, 0xa5, w.tiles_bytes);
	for (size_t i = 0; i < (size_t)n * k; i++)
		codes[i] = (int)test_random_below(random, 128) - 64;
	for (uint32_t first = 0; first < n; first += 16)
		bitnpu_tiles_encode(w.format, n, k, first, n - first < 16 ? n - first : 16,
				    codes + (size_t)first * k, tiles);
	assert_int_equal(bitnpu_weights_slices(&w), 4);
	for (uint32_t r = 0; r < n; r++) {
		const int8_t *v = codes + (size_t)r * k;

		bitnpu_weights_dequantize_row(&w, r, row);
		for (uint32_t c = 0; c < k; c++)
			assert_true(row[c] == v[c]);
		for (uint32_t i = 0; i < 4; i++) {
			bitnpu_weights_slice(&w, i, &slice);
			bitnpu_tiles_decode_row(slice.format, k, slice.tiles, r, bits);
			for (uint32_t c = 0; c < k; c++)
				assert_int_equal(i < 3 ? bits[c] + 1 : bits[c] > 0,
						 (v[c] + 64) >> shifts[i] & (i < 3 ? 3 : 1));
		}
	}
	/* The slices are the whole, one after the other; rows that pad have w = 0, or a clear bit. */
	assert_ptr_equal((const char *)slice.tiles + slice.tiles_bytes,
			 (const char *)tiles + w.tiles_bytes);
	if (n % 16)
		assert_int_equal(((unsigned char *)tiles)[w.tiles_bytes - 1], 0);
	free(tiles);
	free(row);
	free(bits);
	free(codes);
}

static void test_int7(void **state)
{
	static const uint32_t columns[] = { 1, 15, 16, 17, 31, 32, 33, 511, 512, 513, 1030 };
	struct test_random random;

	test_random_init(&random, 0);
	for (uint32_t n = 1; n <= 33; n += 8)
		for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
			check_int7(&random, n, columns[i]);
}

static void test_sizes(void **state)
{
	assert_int_equal(bitnpu_line_k(BITNPU_W_TERNARY), 16);
	assert_int_equal(bitnpu_line_k(BITNPU_W_BINARY), 32);
	assert_int_equal(bitnpu_line_k(BITNPU_W_INT8), 4);
	assert_int_equal(bitnpu_line_k(3), 0);
	assert_int_equal(bitnpu_tiles_bytes(BITNPU_PACK_INT7 + 1, 16, 16), 0);
	/* Two tiles of three lines of 16 columns, three times, and of two of 32. */
	assert_int_equal(bitnpu_tiles_bytes(BITNPU_PACK_INT7, 17, 33), 2 * (3 * 3 + 2) * 64);
	assert_int_equal(bitnpu_tiles_bytes(BITNPU_W_INT8, 1 << 24, 65536), 1ull << 40);
	assert_int_equal(bitnpu_scales_bytes(17, 257, 8), 2 * 2 * 32);
	assert_int_equal(bitnpu_scales_bytes(1 << 24, 65536, 5), (1ull << 24) * 2048 * 2);
	assert_int_equal(bitnpu_scales_bytes(17, 257, 0), 0);
}

/* ---- the values of an independent writer --------------------------------------------------- */

struct wanted {
	const char *file, *tensor;
	uint8_t format, group_shift;
	uint32_t row_scales;
	bool exact;
};

static const struct wanted wanted[] = {
	{ "tq1_0", "blocks", BITNPU_W_TERNARY, 8, 0, true },
	{ "tq1_0", "uniform", BITNPU_W_TERNARY, 0, 1, true },
	{ "tq1_0", "rows", BITNPU_W_TERNARY, 0, 3, true },
	{ "tq1_0", "zero", BITNPU_W_TERNARY, 0, 1, true },
	{ "tq2_0", "blocks", BITNPU_W_TERNARY, 8, 0, true },
	{ "tq2_0", "uniform", BITNPU_W_TERNARY, 0, 1, true },
	{ "tq2_0", "rows", BITNPU_W_TERNARY, 0, 3, true },
	{ "tq2_0", "zero", BITNPU_W_TERNARY, 0, 1, true },
	{ "i2_s", "random", BITNPU_W_TERNARY, 0, 1, true },
	{ "i2_s", "minus", BITNPU_W_TERNARY, 0, 1, true },
	{ "q1_0", "random", BITNPU_W_BINARY, 7, 0, true },
	{ "q8_0", "random", BITNPU_W_INT8, 5, 0, true },
	{ "q6_k", "random", BITNPU_W_INT8, 0, 3, false },
	{ "f32", "random", BITNPU_W_INT8, 0, 3, false },
	{ "f32", "uniform", BITNPU_W_TERNARY, 0, 1, true },
	{ "f32", "rows", BITNPU_W_TERNARY, 0, 3, true },
	{ "f16", "random", BITNPU_W_INT8, 0, 3, false },
	{ "f16", "uniform", BITNPU_W_TERNARY, 0, 1, true },
	{ "f16", "rows", BITNPU_W_TERNARY, 0, 3, true },
	{ "bf16", "random", BITNPU_W_INT8, 0, 3, false },
	{ "bf16", "uniform", BITNPU_W_TERNARY, 0, 1, true },
	{ "bf16", "rows", BITNPU_W_TERNARY, 0, 3, true },
};

static void check_rows(const struct bitnpu_weights *w, const float *values, bool exact)
{
	float *row = malloc(w->k * sizeof(*row)), largest, limit;
	uint32_t i, j;

	assert_non_null(row);
	for (i = 0; i < w->n; i++, values += w->k) {
		bitnpu_weights_dequantize_row(w, i, row);
		for (largest = 0, j = 0; j < w->k; j++)
			largest = fabsf(values[j]) > largest ? fabsf(values[j]) : largest;
		/* Half a step of the 8-bit grid, and what rounding the product adds. */
		limit = exact ? 0 : largest / 127 * 0.5001f;
		for (j = 0; j < w->k; j++)
			if (!(fabsf(row[j] - values[j]) <= limit))
				fail_msg("row %u, column %u: %g, expected %g", i, j, row[j],
					 values[j]);
	}
	free(row);
}

static void check_one(const struct bitnpu_gguf *gguf, const struct wanted *c)
{
	const struct bitnpu_gguf_tensor *t, *expected;
	struct bitnpu_packed_tensor packed;
	struct bitnpu_error err = { 0 };
	float *values, *floats;
	char name[64];
	uint64_t i;

	snprintf(name, sizeof(name), "%s.weight", c->tensor);
	t = bitnpu_gguf_find_tensor(gguf, name);
	snprintf(name, sizeof(name), "%s.expected", c->tensor);
	expected = bitnpu_gguf_find_tensor(gguf, name);
	assert_true(t && expected && expected->type == BITNPU_GGML_F32);
	values = malloc(expected->bytes);
	floats = malloc(expected->bytes);
	assert_true(values && floats);
	memcpy(values, expected->data, expected->bytes);
	assert_int_equal(bitnpu_tensor_floats(t, 0, t->elements, floats), 0);
	for (i = 0; i < t->elements; i++)
		if (floats[i] != values[i])
			fail_msg("%s %s: element %llu is %g, expected %g", c->file, c->tensor,
				 (unsigned long long)i, floats[i], values[i]);
	/* From the second row on; every type's row is a number of blocks. */
	assert_int_equal(bitnpu_tensor_floats(t, t->dims[0], t->dims[0], floats), 0);
	for (i = 0; i < t->dims[0]; i++)
		assert_true(floats[i] == values[t->dims[0] + i]);

	if (bitnpu_pack_tensor(gguf, t, &packed, &err))
		fail_msg("%s", err.message);
	assert_int_equal(packed.w.format, c->format);
	assert_int_equal(packed.w.group_shift, c->group_shift);
	assert_int_equal(packed.w.output, c->group_shift ? BITNPU_Y_INT64 : BITNPU_Y_INT32);
	assert_int_equal(packed.w.row_scale_count, c->row_scales);
	assert_true(packed.w.n == t->dims[1] && packed.w.k == t->dims[0]);
	assert_int_equal((uintptr_t)packed.w.tiles % 4096, 0);
	assert_int_equal((uintptr_t)packed.w.scales % 4096, 0);
	check_rows(&packed.w, values, c->exact);
	bitnpu_packed_tensor_free(&packed);
	free(floats);
	free(values);
}

static void test_independent_files(void **state)
{
	struct bitnpu_error err = { 0 };
	struct bitnpu_gguf *gguf;
	char path[64];
	size_t i;

	for (i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		snprintf(path, sizeof(path), "tests/data/gguf/%s.gguf", wanted[i].file);
		if (bitnpu_gguf_open(path, &gguf, &err))
			fail_msg("%s", err.message);
		check_one(gguf, &wanted[i]);
		bitnpu_gguf_close(gguf);
	}
}

/* ---- scales -------------------------------------------------------------------------------- */

struct tq2_0 {
	uint8_t qs[64];
	uint16_t d;
} __attribute__((packed));

#define HALF_1	0x3c00
#define HALF_2	0x4000
#define INF	0x7c00
#define ZEROS	0x55	/* four codes of 0 */
#define PLUS	0xaa	/* four codes of +1 */

/* Two rows of two blocks. */
static void tq2_0_blocks(struct tq2_0 *blocks, const uint8_t *codes, const uint16_t *scales)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		memset(blocks[i].qs, codes[i], 64);
		blocks[i].d = scales[i];
	}
}

static void test_scale_detection(void **state)
{
	static const struct {
		uint8_t codes[4];
		uint16_t scales[4];
		uint8_t group_shift;
		uint32_t count;
		float scale[2];
	} cases[] = {
		{ { PLUS, PLUS, PLUS, PLUS }, { HALF_1, HALF_1, HALF_1, HALF_1 }, 0, 1, { 1 } },
		{ { PLUS, PLUS, PLUS, PLUS }, { HALF_1, HALF_1, HALF_2, HALF_2 }, 0, 2, { 1, 2 } },
		{ { PLUS, PLUS, PLUS, PLUS }, { HALF_1, HALF_2, HALF_2, HALF_2 }, 8, 0, { 0 } },
		{ { PLUS, PLUS, PLUS, PLUS }, { HALF_2, HALF_2, HALF_1, HALF_2 }, 8, 0, { 0 } },
		/* Blocks of zeros have no say. */
		{ { PLUS, ZEROS, ZEROS, PLUS }, { HALF_2, HALF_1, 0, HALF_2 }, 0, 1, { 2 } },
		{ { ZEROS, ZEROS, PLUS, PLUS }, { HALF_1, 0, HALF_2, HALF_2 }, 0, 1, { 2 } },
		{ { PLUS, PLUS, ZEROS, ZEROS }, { HALF_2, HALF_2, 0, 0 }, 0, 1, { 2 } },
		{ { ZEROS, ZEROS, ZEROS, ZEROS }, { HALF_1, 0, HALF_2, 0 }, 0, 1, { 0 } },
		/* Nor have codes whose scale is 0 or -0: they are zeros. */
		{ { PLUS, PLUS, PLUS, PLUS }, { HALF_2, 0, 0x8000, HALF_2 }, 0, 1, { 2 } },
		{ { PLUS, PLUS, PLUS, PLUS }, { 0, 0x8000, 0x8000, 0 }, 0, 1, { 0 } },
		/* A sign is a scale of its own. */
		{ { PLUS, PLUS, PLUS, PLUS }, { 0xbc00, 0xbc00, HALF_1, HALF_1 }, 0, 2, { -1, 1 } },
		{ { PLUS, PLUS, PLUS, PLUS }, { 0xbc00, HALF_1, HALF_1, HALF_1 }, 8, 0, { 0 } },
	};
	struct bitnpu_packed_tensor packed;
	struct bitnpu_error err = { 0 };
	struct tq2_0 blocks[4];
	float values[1024];
	struct file file;
	size_t i, j;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tq2_0_blocks(blocks, cases[i].codes, cases[i].scales);
		file_new(&file);
		file_add(&file, "a.weight", BITNPU_GGML_TQ2_0, 512, 2, blocks, sizeof(blocks));
		file_open(&file);
		assert_int_equal(file_pack(&file, "a.weight", &packed, &err), 0);
		assert_int_equal(packed.w.group_shift, cases[i].group_shift);
		assert_int_equal(packed.w.row_scale_count, cases[i].count);
		for (j = 0; j < cases[i].count; j++)
			assert_true(packed.w.row_scale[j] == cases[i].scale[j]);
		bitnpu_tensor_floats(bitnpu_gguf_find_tensor(file.gguf, "a.weight"), 0, 1024, values);
		check_rows(&packed.w, values, true);
		bitnpu_packed_tensor_free(&packed);
		file_free(&file);
	}
}

static void test_refused_scales(void **state)
{
	static const uint16_t not_finite[] = { INF, INF | 0x8000, 0x7e00 };
	struct tq2_0 tq2_0[4] = { 0 };
	uint8_t block[256] = { 0 };
	float inf = INFINITY;
	size_t i;

	for (i = 0; i < 3; i++) {
		memset(tq2_0, ZEROS, sizeof(tq2_0));
		tq2_0[3].d = not_finite[i];
		expect_refused(BITNPU_GGML_TQ2_0, 512, 2, tq2_0, sizeof(tq2_0), -EINVAL,
			       "row 1, column 256: the block's scale is not finite");
		memcpy(block + 52, &not_finite[i], 2);
		expect_refused(BITNPU_GGML_TQ1_0, 256, 1, block, 54, -EINVAL,
			       "row 0, column 0: the block's scale is not finite");
		memset(block, 0, sizeof(block));
		memcpy(block + 34, &not_finite[i], 2);
		expect_refused(BITNPU_GGML_Q8_0, 64, 1, block, 68, -EINVAL,
			       "row 0, column 32: the block's scale is not finite");
		memset(block, 0, sizeof(block));
		memcpy(block + 18, &not_finite[i], 2);
		expect_refused(BITNPU_GGML_Q1_0, 128, 2, block, 36, -EINVAL,
			       "row 1, column 0: the block's scale is not finite");
		memset(block, 0, sizeof(block));
		memcpy(block + 208, &not_finite[i], 2);
		memset(block + 192, 1, 16);
		expect_refused(BITNPU_GGML_Q6_K, 256, 1, block, 210, -EINVAL,
			       "row 0: a weight is not finite");
		memset(block, 0, sizeof(block));
	}
	memset(block, ZEROS, 32);
	memcpy(block + 32, &inf, 4);
	expect_refused(BITNPU_GGML_I2_S, 128, 1, block, 64, -EINVAL,
		       "the tensor's scale is not finite");
}

static void test_refused_codes(void **state)
{
	static const uint8_t code_3[] = { 0x03, 0x0c, 0x30, 0xc0, 0xff };
	struct tq2_0 blocks[2];
	uint8_t i2_s[96];
	float scale = 1;
	size_t i, at;

	for (i = 0; i < 5; i++) {
		for (at = 0; at < 64; at += 21) {
			memset(blocks, ZEROS, sizeof(blocks));
			blocks[0].d = blocks[1].d = HALF_1;
			blocks[1].qs[at] |= code_3[i];
			expect_refused(BITNPU_GGML_TQ2_0, 256, 2, blocks, sizeof(blocks), -EINVAL,
				       "row 1");
			expect_refused(BITNPU_GGML_TQ2_0, 256, 2, blocks, sizeof(blocks), -EINVAL,
				       "code 3, which is no weight");
			memset(i2_s, ZEROS, 64);
			memset(i2_s + 64, 0, 32);
			memcpy(i2_s + 64, &scale, 4);
			i2_s[at] |= code_3[i];
			expect_refused(BITNPU_GGML_I2_S, 128, 2, i2_s, 96, -EINVAL,
				       at < 32 ? "row 0: it holds code 3" : "row 1: it holds code 3");
		}
	}
}

static void test_refused_floats(void **state)
{
	static const float bad[] = { INFINITY, -INFINITY, NAN };
	float x[6];
	size_t i, j;

	for (i = 0; i < 3; i++)
		for (j = 0; j < 6; j++) {
			float plain[6] = { 1, 2, 3, 4, 5, 6 };
			float ternary[6] = { 0, 1, -1, 0, 1, 0 };

			plain[j] = ternary[j] = bad[i];
			expect_refused(BITNPU_GGML_F32, 3, 2, plain, sizeof(plain), -EINVAL,
				       j < 3 ? "row 0: a weight is not finite"
					     : "row 1: a weight is not finite");
			expect_refused(BITNPU_GGML_F32, 3, 2, ternary, sizeof(ternary), -EINVAL,
				       "a weight is not finite");
		}
	for (j = 0; j < 6; j++)
		x[j] = INFINITY;
	expect_refused(BITNPU_GGML_F32, 3, 2, x, sizeof(x), -EINVAL, "row 0: a weight is not finite");
}

static void test_refused_shapes(void **state)
{
	struct bitnpu_packed_tensor packed;
	struct bitnpu_error err = { 0 };
	uint64_t dims[3] = { 2, 2, 2 };
	struct file file;
	void *zeros = calloc(1, 4 * 65537);

	assert_non_null(zeros);
	expect_refused(BITNPU_GGML_F32, 65537, 1, zeros, 4 * 65537, -EINVAL,
		       "65537 columns and 1 rows, at most 65536 and 16777216 are supported");
	expect_refused(BITNPU_GGML_F32, 4, 0, zeros, 16, -EINVAL, "1 dimensions, a matrix has 2");
	expect_refused(BITNPU_GGML_I8, 4, 4, zeros, 16, -ENOTSUP, "I8 is not supported");
	expect_refused(12, 256, 1, zeros, 144, -ENOTSUP, "type 12 is not supported");
	file_new(&file);
	gguf_builder_tensor(file.builder, "a.weight", BITNPU_GGML_F32, 3, dims, zeros, 32);
	file_open(&file);
	assert_int_equal(file_pack(&file, "a.weight", &packed, &err), -EINVAL);
	file_free(&file);
	free(zeros);
}

/* Sums of 64 bits: 2^24 * scale * |codes| * 128 must stay below 2^63. */
static void test_wrapping_sums(void **state)
{
	const unsigned int blocks = 65536 / 32;
	uint8_t *data = malloc(34 * blocks);
	struct bitnpu_packed_tensor packed;
	struct bitnpu_error err = { 0 };
	unsigned int i, code;
	uint16_t largest = 0x7bff;
	struct file file;

	assert_non_null(data);
	for (code = 1; code <= 2; code++) {
		for (i = 0; i < blocks; i++) {
			memcpy(data + 34 * i, &largest, 2);
			memset(data + 34 * i + 2, i % 2 ? (int)code : -(int)code, 32);
		}
		if (code == 2) {
			expect_refused(BITNPU_GGML_Q8_0, 65536, 1, data, 34 * blocks, -EINVAL,
				       "sums leave 64 bits");
			break;
		}
		file_new(&file);
		file_add(&file, "a.weight", BITNPU_GGML_Q8_0, 65536, 1, data, 34 * blocks);
		file_open(&file);
		assert_int_equal(file_pack(&file, "a.weight", &packed, &err), 0);
		bitnpu_packed_tensor_free(&packed);
		file_free(&file);
	}
	free(data);
}

/* ---- a scale tensor beside the matrix ------------------------------------------------------ */

static void pack_with_factor(uint32_t type, const void *data, size_t bytes, uint64_t columns,
			     const float *factor, uint64_t count,
			     struct bitnpu_packed_tensor *packed, int code, const char *words)
{
	struct bitnpu_error err = { 0 };
	struct file file;
	int ret;

	file_new(&file);
	file_add(&file, "a.weight", type, columns, 2, data, bytes);
	file_add(&file, "a.scale", BITNPU_GGML_F32, count, 0, factor, count * sizeof(*factor));
	file_open(&file);
	ret = file_pack(&file, "a.weight", packed, &err);
	if (ret != code || (words && !strstr(err.message, words)))
		fail_msg("returned %d, \"%s\"; expected %d", ret, err.message, code);
	file_free(&file);
}

static void test_factors(void **state)
{
	static const uint8_t codes[4] = { PLUS, PLUS, PLUS, PLUS };
	static const uint16_t same[4] = { HALF_2, HALF_2, HALF_2, HALF_2 };
	static const uint16_t rows[4] = { HALF_1, HALF_1, HALF_2, HALF_2 };
	static const uint16_t groups[4] = { HALF_1, HALF_2, HALF_2, HALF_1 };
	static const uint16_t *const scales[] = { same, rows, groups };
	static const float factor[3] = { 3, 5, 7 }, nan[1] = { NAN }, huge[1] = { 3e38f };
	float floats[6] = { 127, 2, 3, -254, 5, 6 }, out[512];
	struct bitnpu_packed_tensor packed;
	struct tq2_0 blocks[4];
	uint32_t i, row, count;

	for (i = 0; i < 3; i++) {
		tq2_0_blocks(blocks, codes, scales[i]);
		for (count = 1; count <= 2; count++) {
			pack_with_factor(BITNPU_GGML_TQ2_0, blocks, sizeof(blocks), 512, factor,
					 count, &packed, 0, NULL);
			assert_int_equal(packed.w.group_shift, i == 2 ? 8 : 0);
			assert_int_equal(packed.w.row_scale_count, i == 1 ? 2 : count);
			for (row = 0; row < 2; row++) {
				bitnpu_weights_dequantize_row(&packed.w, row, out);
				assert_true(out[0] == bitnpu_half_expand(scales[i][2 * row]) *
						      factor[count > 1 ? row : 0]);
				assert_true(out[511] == bitnpu_half_expand(scales[i][2 * row + 1]) *
							factor[count > 1 ? row : 0]);
			}
			bitnpu_packed_tensor_free(&packed);
		}
	}
	pack_with_factor(BITNPU_GGML_F32, floats, sizeof(floats), 3, factor, 2, &packed, 0, NULL);
	assert_int_equal(packed.w.row_scale_count, 2);
	assert_true(packed.w.row_scale[0] == 3 && packed.w.row_scale[1] == 10);
	bitnpu_packed_tensor_free(&packed);
	pack_with_factor(BITNPU_GGML_TQ2_0, blocks, sizeof(blocks), 512, factor, 3, &packed, -EINVAL,
			 "tensor a.scale: 3 elements, expected 1 or 2");
	pack_with_factor(BITNPU_GGML_TQ2_0, blocks, sizeof(blocks), 512, nan, 1, &packed, -EINVAL,
			 "tensor a.scale: element 0 is not finite");
	tq2_0_blocks(blocks, codes, same);
	pack_with_factor(BITNPU_GGML_TQ2_0, blocks, sizeof(blocks), 512, huge, 1, &packed, -EINVAL,
			 "tensor a.weight: row 0, column 0: the product of its scales is not finite");
	pack_with_factor(BITNPU_GGML_F32, floats, sizeof(floats), 3, huge, 1, &packed, -EINVAL,
			 "the product of its scales is not finite");
}

/* ---- rounding ------------------------------------------------------------------------------ */

static void test_rounding(void **state)
{
	static const float x[5][10] = {
		{ 127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 0.49999997f, 126.5f, -126.5f },
		{ 0, -0.0f, 0, 0, 0, 0, 0, 0, 0, 0 },
		{ 0x1p-149f, -0x1p-149f, 0, 0x1p-148f, 0, 0, 0, 0, 0, 0 },
		{ 3.4028235e38f, -3.4028235e38f, 1.7e38f, 1e30f, 1, 0, 0, 0, 0, 0 },
		/* A scale this small is off by half: 190 steps, cut to 127. */
		{ 190 * 0x1p-149f, -190 * 0x1p-149f, 100 * 0x1p-149f, 0, 0, 0, 0, 0, 0, 0 },
	};
	static const int8_t codes[5][10] = {
		{ 127, 0, 2, 2, 0, -2, -2, 0, 126, -126 },
		{ 0 },
		{ 0 },
		{ 127, -127, 63, 0, 0, 0, 0, 0, 0, 0 },
		{ 127, -127, 100, 0, 0, 0, 0, 0, 0, 0 },
	};
	struct bitnpu_packed_tensor packed;
	struct bitnpu_error err = { 0 };
	struct file file;
	int8_t row[10];
	uint32_t i;

	file_new(&file);
	file_add(&file, "a.weight", BITNPU_GGML_F32, 10, 5, x, sizeof(x));
	file_open(&file);
	assert_int_equal(file_pack(&file, "a.weight", &packed, &err), 0);
	assert_int_equal(packed.w.format, BITNPU_W_INT8);
	for (i = 0; i < 5; i++) {
		bitnpu_tiles_decode_row(BITNPU_W_INT8, 10, packed.w.tiles, i, row);
		assert_memory_equal(row, codes[i], 10);
	}
	assert_true(packed.w.row_scale[0] == 1 && packed.w.row_scale[1] == 0);
	assert_true(packed.w.row_scale[3] == 3.4028235e38f / 127);
	bitnpu_packed_tensor_free(&packed);
	file_free(&file);
}

/* Against rintf() in double, far from ties made by double rounding: any shape, any magnitude. */
static void test_random_rounding(void **state)
{
	struct bitnpu_packed_tensor packed;
	struct test_random random;
	struct bitnpu_error err = { 0 };
	struct file file;
	float x[5 * 77];
	int8_t row[77];
	uint32_t round, i, j;

	test_random_init(&random, 2);
	for (round = 0; round < 200; round++) {
		for (i = 0; i < 5 * 77; i++)
			x[i] = ldexpf((float)(int32_t)test_random_u64(&random),
				      (int)test_random_below(&random, 8) + (int)round - 130);
		file_new(&file);
		file_add(&file, "a.weight", BITNPU_GGML_F32, 77, 5, x, sizeof(x));
		file_open(&file);
		assert_int_equal(file_pack(&file, "a.weight", &packed, &err), 0);
		for (i = 0; i < 5; i++) {
			bitnpu_tiles_decode_row(BITNPU_W_INT8, 77, packed.w.tiles, i, row);
			for (j = 0; j < 77; j++) {
				float q = x[77 * i + j] / packed.w.row_scale[i];

				assert_true(fabsf(q) < 127.1f);
				assert_int_equal(row[j], (int)rintf(q));
			}
		}
		bitnpu_packed_tensor_free(&packed);
		file_free(&file);
	}
}

static void test_tensor_floats_refuses(void **state)
{
	struct bitnpu_gguf_tensor t = { .type = BITNPU_GGML_I8, .dims = { 4, 1, 1, 1 } };
	struct tq2_0 block;
	float out[256];

	assert_int_equal(bitnpu_tensor_floats(&t, 0, 4, out), -ENOTSUP);
	t.type = 2;
	assert_int_equal(bitnpu_tensor_floats(&t, 0, 4, out), -ENOTSUP);
	memset(&block, 0xff, sizeof(block));
	block.d = HALF_1;
	t.type = BITNPU_GGML_TQ2_0;
	t.data = (const unsigned char *)&block;
	assert_int_equal(bitnpu_tensor_floats(&t, 0, 256, out), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tiles),
		cmocka_unit_test(test_int7), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_independent_files),
		cmocka_unit_test(test_scale_detection),
		cmocka_unit_test(test_refused_scales),
		cmocka_unit_test(test_refused_codes),
		cmocka_unit_test(test_refused_floats),
		cmocka_unit_test(test_refused_shapes),
		cmocka_unit_test(test_wrapping_sums),
		cmocka_unit_test(test_factors),
		cmocka_unit_test(test_rounding),
		cmocka_unit_test(test_random_rounding),
		cmocka_unit_test(test_tensor_floats_refuses),
	};

	return cmocka_run_group_tests_name("weights", tests, NULL, NULL);
}
