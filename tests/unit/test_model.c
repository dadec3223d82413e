// SPDX-License-Identifier: MIT
/* Opening models: what a good file gives, and one line for each way in which a file can be wrong. */
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

#include "libbitnpu/model.h"
#include "libbitnpu/packed_file.h"
#include "tests/support/random.h"
#include "tests/support/test_vocabulary.h"

#define N_EMBD	32
#define N_FF	48
#define N_HEAD	4
#define N_KV	2
#define HEAD	8
#define N_LAYER	2
#define N_VOCAB	258
#define TENSORS	(3 + 11 * N_LAYER)

#define F16	BITNPU_GGML_F16
#define F32	BITNPU_GGML_F32

#define HALF_ONE 0x3c00
#define HALF_TWO 0x4000

/** struct shape - a tensor to write: @rows 0 for a vector, @name empty for none */
struct shape {
	char name[64];
	uint64_t rows, columns;
	uint32_t type;
};

/** struct model_file - a file to write; a case changes it before it is written */
struct model_file {
	struct test_vocabulary vocabulary;
	struct gguf_builder *builder;
	struct shape tensors[TENSORS + 1];
	size_t count;
	float first_value;
	uint16_t odd_half;
};

static void add(struct model_file *file, const char *name, uint64_t rows, uint64_t columns)
{
	struct shape *shape = &file->tensors[file->count++];

	snprintf(shape->name, sizeof(shape->name), "%s.weight", name);
	shape->rows = rows;
	shape->columns = columns;
	shape->type = rows ? F16 : F32;
}

static struct shape *find_tensor(struct model_file *file, const char *stem)
{
	for (size_t i = 0; i < file->count; i++)
		if (!strncmp(file->tensors[i].name, stem, strlen(stem)) &&
		    !strcmp(file->tensors[i].name + strlen(stem), ".weight"))
			return &file->tensors[i];
	fail_msg("no tensor %s", stem);
	return NULL;
}

static void add_layer(struct model_file *file, int layer)
{
	static const struct {
		const char *name;
		uint64_t rows, columns;
	} parts[] = {
		{ "attn_norm", 0, N_EMBD },	 { "attn_q", N_HEAD * HEAD, N_EMBD },
		{ "attn_k", N_KV * HEAD, N_EMBD }, { "attn_v", N_KV * HEAD, N_EMBD },
		{ "attn_sub_norm", 0, N_HEAD * HEAD }, { "attn_output", N_EMBD, N_HEAD * HEAD },
		{ "ffn_norm", 0, N_EMBD },	 { "ffn_gate", N_FF, N_EMBD },
		{ "ffn_up", N_FF, N_EMBD },	 { "ffn_sub_norm", 0, N_FF },
		{ "ffn_down", N_EMBD, N_FF },
	};
	char name[32];

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		snprintf(name, sizeof(name), "blk.%d.%s", layer, parts[i].name);
		add(file, name, parts[i].rows, parts[i].columns);
	}
}

static void model_file_init(struct model_file *file)
{
	memset(file, 0, sizeof(*file));
	test_vocabulary_init(&file->vocabulary);
	test_vocabulary_token(&file->vocabulary, "<s>", TEST_TOKEN_CONTROL);
	test_vocabulary_token(&file->vocabulary, "</s>", TEST_TOKEN_CONTROL);
	file->builder = test_vocabulary_build(&file->vocabulary, "gpt-2");
	gguf_builder_u32(file->builder, "tokenizer.ggml.eos_token_id", 257);
	gguf_builder_string(file->builder, "general.architecture", "bitnet-b1.58");
	gguf_builder_string(file->builder, "general.name", "a model");
	gguf_builder_u32(file->builder, "bitnet-b1.58.context_length", 64);
	gguf_builder_u32(file->builder, "bitnet-b1.58.embedding_length", N_EMBD);
	gguf_builder_u32(file->builder, "bitnet-b1.58.block_count", N_LAYER);
	gguf_builder_u32(file->builder, "bitnet-b1.58.feed_forward_length", N_FF);
	gguf_builder_u32(file->builder, "bitnet-b1.58.attention.head_count", N_HEAD);
	gguf_builder_u32(file->builder, "bitnet-b1.58.attention.head_count_kv", N_KV);
	gguf_builder_u32(file->builder, "bitnet-b1.58.rope.dimension_count", HEAD);
	gguf_builder_f32(file->builder, "bitnet-b1.58.rope.freq_base", 500000.0f);
	gguf_builder_f32(file->builder, "bitnet-b1.58.attention.layer_norm_rms_epsilon", 1e-5f);
	add(file, "token_embd", N_VOCAB, N_EMBD);
	add(file, "output_norm", 0, N_EMBD);
	for (int layer = 0; layer < N_LAYER; layer++)
		add_layer(file, layer);
	file->first_value = 1.0f;
	file->odd_half = HALF_ONE;
}

static void model_file_free(struct model_file *file)
{
	gguf_builder_free(file->builder);
	test_vocabulary_free(&file->vocabulary);
}

/* Every value is 1 but the first of a vector, and every second one of a matrix of halves. */
static void add_data(struct model_file *file, const struct shape *shape)
{
	uint64_t dims[2] = { shape->columns, shape->rows };
	uint64_t n = shape->columns * (shape->rows ? shape->rows : 1);
	size_t bytes = n * (shape->type == F16 ? 2 : 4);
	unsigned char *data = calloc(1, bytes + 1);

	assert_non_null(data);
	for (uint64_t i = 0; i < n; i++) {
		float value = i || shape->rows ? 1.0f : file->first_value;

		if (shape->type == F16)
			memcpy(data + 2 * i, i % 2 ? &file->odd_half : &(uint16_t){ HALF_ONE }, 2);
		else
			memcpy(data + 4 * i, &value, 4);
	}
	gguf_builder_tensor(file->builder, shape->name, shape->type, shape->rows ? 2 : 1, dims,
			    data, bytes);
	free(data);
}

static void model_file_write(struct model_file *file, const char *path)
{
	void *image;
	size_t bytes;
	FILE *out;

	for (size_t i = 0; i < file->count; i++)
		if (file->tensors[i].name[0])
			add_data(file, &file->tensors[i]);
	image = gguf_builder_finish(file->builder, &bytes);
	out = fopen(path, "wb");
	assert_non_null(out);
	assert_int_equal(fwrite(image, 1, bytes, out), bytes);
	assert_int_equal(fclose(out), 0);
	free(image);
}

static char folder[] = "/tmp/test_model.XXXXXX";
static char path[sizeof(folder) + 16], packed_path[sizeof(folder) + 16];

static int make_folder(void **state)
{
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/m.gguf", folder);
	snprintf(packed_path, sizeof(packed_path), "%s/p.gguf", folder);
	return 0;
}

static int remove_folder(void **state)
{
	unlink(path);
	unlink(packed_path);
	return rmdir(folder);
}

/* ---- good files ------------------------------------------------------------------------------ */

static struct bitnpu_model *open_good(const char *name, uint32_t flags)
{
	struct bitnpu_model *model = NULL;
	struct bitnpu_error err;

	if (bitnpu_model_open(name, flags, &model, &err))
		fail_msg("%s", err.message);
	return model;
}

static void write_good(void)
{
	struct model_file file;

	model_file_init(&file);
	model_file_write(&file, path);
	model_file_free(&file);
}

static void check_info(const struct bitnpu_model_info *info)
{
	assert_string_equal(info->architecture, "bitnet-b1.58");
	assert_string_equal(info->name, "a model");
	assert_int_equal(info->n_ctx_train, 64);
	assert_int_equal(info->n_vocab, N_VOCAB);
	assert_int_equal(info->n_embd, N_EMBD);
	assert_int_equal(info->n_layer, N_LAYER);
	assert_int_equal(info->n_head, N_HEAD);
	assert_int_equal(info->n_head_kv, N_KV);
	assert_int_equal(info->head_dim, HEAD);
	assert_int_equal(info->n_ff, N_FF);
	assert_int_equal(info->parameters,
			 N_VOCAB * N_EMBD + N_EMBD +
				 N_LAYER * (2 * N_EMBD * N_EMBD + 2 * N_KV * HEAD * N_EMBD +
					    3 * N_FF * N_EMBD + 3 * N_EMBD + N_FF));
	assert_true(info->file_bytes > 0);
}

static void test_info(void **state)
{
	struct bitnpu_model *model;
	uint32_t tokens[8];
	size_t count, bytes;

	write_good();
	model = open_good(path, 0);
	check_info(bitnpu_model_get_info(model));
	assert_false(bitnpu_model_get_info(model)->packed);
	assert_true(model->rms_eps == 1e-5f);
	assert_true(model->rope_base == 500000.0);
	assert_ptr_equal(model->head.tiles, model->embedding.tiles);
	assert_int_equal(bitnpu_tokenize(model, "ab</s>", 6, BITNPU_TOKENIZE_SPECIAL, tokens, 8,
					 &count, NULL), 0);
	assert_int_equal(count, 3);
	assert_string_equal(bitnpu_token_bytes(model, tokens[1], &bytes), "b");
	assert_int_equal(bytes, 1);
	assert_int_equal(tokens[2], 257);
	assert_true(bitnpu_token_is_end(model, 257));
	assert_false(bitnpu_token_is_end(model, tokens[0]));
	assert_int_equal(bitnpu_chat_format(model, "user", "x", NULL, 0, &count, NULL), -ENOTSUP);
	bitnpu_model_close(model);
	bitnpu_model_close(NULL);
}

static void test_packed(void **state)
{
	struct bitnpu_model *model, *packed;
	struct bitnpu_error err;

	write_good();
	if (bitnpu_pack(path, packed_path, NULL, &err))
		fail_msg("%s", err.message);
	model = open_good(path, BITNPU_MODEL_VERIFY);
	packed = open_good(packed_path, BITNPU_MODEL_VERIFY);
	check_info(bitnpu_model_get_info(packed));
	assert_true(bitnpu_model_get_info(packed)->packed);
	assert_int_equal(packed->owned_count, 0);
	for (int layer = 0; layer < N_LAYER; layer++) {
		for (int matrix = 0; matrix < BITNPU_MATRICES; matrix++) {
			const struct bitnpu_weights *a = &model->layers[layer].matrices[matrix];
			const struct bitnpu_weights *b = &packed->layers[layer].matrices[matrix];

			assert_int_equal(a->tiles_bytes, b->tiles_bytes);
			assert_memory_equal(a->tiles, b->tiles, a->tiles_bytes);
		}
	}
	assert_memory_equal(model->output_norm, packed->output_norm, N_EMBD * sizeof(float));
	bitnpu_model_close(packed);
	bitnpu_model_close(model);
}

static void set_packed_byte(uint64_t place, unsigned char byte)
{
	FILE *file = fopen(packed_path, "r+b");

	assert_non_null(file);
	assert_int_equal(fseek(file, (long)place, SEEK_SET), 0);
	assert_int_equal(fputc(byte, file), byte);
	assert_int_equal(fclose(file), 0);
}

/* A bit flipped in the tiles is seen when verification is asked for, and only then. */
static void test_verify(void **state)
{
	struct bitnpu_model *model;
	struct bitnpu_error err;
	const unsigned char *tiles;
	unsigned char byte;
	uint64_t place;

	write_good();
	assert_int_equal(bitnpu_pack(path, packed_path, NULL, NULL), 0);
	model = open_good(packed_path, 0);
	tiles = model->layers[1].matrices[BITNPU_FFN_UP].tiles;
	place = tiles - model->gguf->map;
	byte = *tiles ^ 1;
	bitnpu_model_close(model);
	set_packed_byte(place, byte);
	bitnpu_model_close(open_good(packed_path, 0));
	assert_int_equal(bitnpu_model_open(packed_path, BITNPU_MODEL_VERIFY, &model, &err),
			 -EBADMSG);
	assert_non_null(strstr(err.message, "blk.1.ffn_up.weight"));
}

/* Of 16 columns, where int8 and int7 are of one size: weights that are no trits become int8. */
static void write_int8_ffn_down(void)
{
	static const char *const parts[] = { "ffn_gate", "ffn_up", "ffn_sub_norm", "ffn_down" };
	struct model_file file;

	model_file_init(&file);
	file.odd_half = HALF_TWO;
	gguf_builder_remove(file.builder, "bitnet-b1.58.feed_forward_length");
	gguf_builder_u32(file.builder, "bitnet-b1.58.feed_forward_length", 16);
	for (int i = 0; i < 4 * N_LAYER; i++) {
		struct shape *shape;
		char stem[32];

		snprintf(stem, sizeof(stem), "blk.%d.%s", i / 4, parts[i % 4]);
		shape = find_tensor(&file, stem);
		*(i % 4 < 2 ? &shape->rows : &shape->columns) = 16;
	}
	model_file_write(&file, path);
	model_file_free(&file);
}

/* Only the embedding and the head may be int7, whose four slices no layer's matmul joins. */
static void test_int7_in_a_layer(void **state)
{
	struct bitnpu_model *model;
	struct bitnpu_gguf *gguf;
	struct bitnpu_error err;
	uint64_t place;

	write_int8_ffn_down();
	assert_int_equal(bitnpu_pack(path, packed_path, NULL, NULL), 0);
	model = open_good(packed_path, 0);
	assert_int_equal(model->layers[1].matrices[BITNPU_FFN_DOWN].format, BITNPU_W_INT8);
	bitnpu_model_close(model);
	assert_int_equal(bitnpu_gguf_open(packed_path, &gguf, NULL), 0);
	place = bitnpu_gguf_find(gguf, BITNPU_PACK_KEY_FORMATS)->data - gguf->map +
		(bitnpu_gguf_find_tensor(gguf, "blk.1.ffn_down.weight") - gguf->tensors);
	bitnpu_gguf_close(gguf);
	set_packed_byte(place, BITNPU_PACK_INT7);
	assert_int_equal(bitnpu_model_open(packed_path, 0, &model, &err), -ENOTSUP);
	assert_non_null(strstr(err.message, "tensor blk.1.ffn_down.weight: int7 is for the "));
}

static void test_separate_head(void **state)
{
	struct model_file file;
	struct bitnpu_model *model;

	model_file_init(&file);
	add(&file, "output", N_VOCAB, N_EMBD);
	model_file_write(&file, path);
	model_file_free(&file);
	model = open_good(path, 0);
	assert_ptr_not_equal(model->head.tiles, model->embedding.tiles);
	assert_int_equal(model->head.n, N_VOCAB);
	bitnpu_model_close(model);
}

/* Absent keys: as many key/value heads as heads, theta 10000; and the older name of the graph. */
static void test_defaults(void **state)
{
	static const char *const keys[] = { "context_length", "embedding_length", "block_count",
					    "feed_forward_length", "attention.head_count" };
	static const uint32_t values[] = { 64, N_EMBD, N_LAYER, N_FF, N_HEAD };
	struct model_file file;
	struct bitnpu_model *model;
	char key[64];

	model_file_init(&file);
	gguf_builder_remove(file.builder, "general.architecture");
	gguf_builder_remove(file.builder, "general.name");
	gguf_builder_string(file.builder, "general.architecture", "bitnet-25");
	for (int i = 0; i < 5; i++) {
		snprintf(key, sizeof(key), "bitnet-25.%s", keys[i]);
		gguf_builder_u32(file.builder, key, values[i]);
	}
	gguf_builder_f32(file.builder, "bitnet-25.attention.layer_norm_rms_epsilon", 1e-6f);
	for (size_t i = 0; i < file.count; i++)
		if (strstr(file.tensors[i].name, "attn_k") || strstr(file.tensors[i].name, "attn_v"))
			file.tensors[i].rows = N_HEAD * HEAD;
	model_file_write(&file, path);
	model_file_free(&file);
	model = open_good(path, 0);
	assert_string_equal(model->info.architecture, "bitnet-25");
	assert_string_equal(model->info.name, "");
	assert_int_equal(model->info.n_head_kv, N_HEAD);
	assert_int_equal(model->info.head_dim, HEAD);
	assert_true(model->rope_base == 10000.0);
	bitnpu_model_close(model);
}

/* ---- bad files ------------------------------------------------------------------------------- */

enum change {
	NOTHING,
	REMOVE,
	SET_U32,
	SET_F32,
	SET_STRING,
	DROP,	 /* a tensor */
	SHAPE,	 /* of a tensor: @rows x @columns, or a vector of @columns */
	TYPE,	 /* of a tensor: @number */
	EXTRA,	 /* one tensor more */
	NORM_NAN,
};

/**
 * struct bad_case - what to change and what has to be said then
 * @change: how
 * @target: key without "bitnet-b1.58." (with it for SET_STRING), or tensor without ".weight"
 * @number: integer value or type
 * @real: float value
 * @text: string value
 * @rows: of SHAPE
 * @columns: likewise
 * @code: expected
 * @says: what the message must contain
 */
struct bad_case {
	enum change change;
	const char *target;
	uint32_t number;
	float real;
	const char *text;
	uint64_t rows, columns;
	int code;
	const char *says;
};

static const struct bad_case bad_cases[] = {
	{ REMOVE, "context_length", .code = -EINVAL, .says = "context_length is missing" },
	{ REMOVE, "embedding_length", .code = -EINVAL, .says = "embedding_length is missing" },
	{ REMOVE, "block_count", .code = -EINVAL, .says = "block_count is missing" },
	{ REMOVE, "feed_forward_length", .code = -EINVAL, .says = "feed_forward_length is missing" },
	{ REMOVE, "attention.head_count", .code = -EINVAL, .says = "head_count is missing" },
	{ REMOVE, "attention.layer_norm_rms_epsilon", .code = -EINVAL,
	  .says = "layer_norm_rms_epsilon is missing" },
	{ SET_U32, "context_length", 0, .code = -EINVAL, .says = "context_length: 0 is outside 1" },
	{ SET_U32, "embedding_length", 0, .code = -EINVAL, .says = "0 is outside 1 to 65536" },
	{ SET_U32, "embedding_length", 65537, .code = -EINVAL, .says = "65537 is outside" },
	{ SET_U32, "embedding_length", 64, .code = -ENOTSUP,
	  .says = "dimension_count: 8, only the whole head, 16" },
	{ SET_U32, "block_count", 0, .code = -EINVAL, .says = "block_count: 0 is outside" },
	{ SET_U32, "block_count", 3, .code = -EINVAL, .says = "3 blocks have 33 tensors" },
	{ SET_U32, "block_count", UINT32_MAX, .code = -EINVAL, .says = "4294967295 blocks have" },
	{ SET_U32, "block_count", 1, .code = -ENOTSUP, .says = "tensor blk.1.attn_norm.weight" },
	{ SET_U32, "feed_forward_length", 0, .code = -EINVAL, .says = "0 is outside 1 to 65536" },
	{ SET_U32, "feed_forward_length", 64, .code = -EINVAL,
	  .says = "tensor blk.0.ffn_sub_norm.weight: is 1 x 48 (rows x columns), expected 1 x 64" },
	{ SET_U32, "attention.head_count", 0, .code = -EINVAL, .says = "head_count: 0 is outside" },
	{ SET_U32, "attention.head_count", 5, .code = -EINVAL, .says = "5 heads do not divide" },
	{ SET_U32, "attention.head_count", 64, .code = -EINVAL, .says = "64 heads do not divide" },
	{ SET_U32, "attention.head_count", 32, .code = -EINVAL, .says = "an odd number" },
	{ SET_U32, "attention.head_count_kv", 0, .code = -EINVAL, .says = "head_count_kv: 0 is" },
	{ SET_U32, "attention.head_count_kv", 3, .code = -EINVAL,
	  .says = "head_count: 4 is not a multiple of head_count_kv, 3" },
	{ SET_U32, "attention.head_count_kv", 8, .code = -EINVAL, .says = "8 is outside 1 to 4" },
	{ SET_U32, "attention.key_length", 2000, .code = -EINVAL, .says = "2000 is outside 1 to" },
	{ SET_U32, "attention.key_length", 0, .code = -EINVAL, .says = "key_length: 0 is outside" },
	{ SET_U32, "attention.value_length", 4, .code = -ENOTSUP, .says = "value_length: 4 differs" },
	{ SET_U32, "rope.dimension_count", 4, .code = -ENOTSUP, .says = "dimension_count: 4" },
	{ SET_U32, "vocab_size", 300, .code = -EINVAL,
	  .says = "tensor token_embd.weight: is 258 x 32 (rows x columns), expected 300 x 32" },
	{ SET_F32, "attention.layer_norm_rms_epsilon", .real = 0.0f, .code = -EINVAL,
	  .says = "epsilon: 0 is not above 0" },
	{ SET_F32, "attention.layer_norm_rms_epsilon", .real = -1.0f, .code = -EINVAL,
	  .says = "epsilon: -1 is not" },
	{ SET_F32, "attention.layer_norm_rms_epsilon", .real = NAN, .code = -EINVAL,
	  .says = "layer_norm_rms_epsilon: the value is not finite" },
	{ SET_F32, "attention.layer_norm_rms_epsilon", .real = INFINITY, .code = -EINVAL,
	  .says = "layer_norm_rms_epsilon: the value is not finite" },
	{ SET_F32, "rope.freq_base", .real = 1.0f, .code = -EINVAL, .says = "freq_base: 1 is not" },
	{ SET_F32, "rope.freq_base", .real = INFINITY, .code = -EINVAL,
	  .says = "rope.freq_base: the value is not finite" },
	{ SET_F32, "rope.scaling.factor", .real = 4.0f, .code = -ENOTSUP,
	  .says = "scaling.factor: 4 is not supported" },
	{ SET_F32, "block_count", .real = 2.0f, .code = -EINVAL, .says = "block_count" },
	{ SET_STRING, "general.architecture", .text = "llama", .code = -ENOTSUP,
	  .says = "general.architecture: llama is not supported, bitnet-b1.58 is" },
	{ SET_STRING, "general.architecture", .text = "bitnet", .code = -ENOTSUP,
	  .says = "bitnet is not supported" },
	{ SET_STRING, "general.architecture", .text = "", .code = -ENOTSUP, .says = "not supported" },
	{ SET_STRING, "bitnet-b1.58.rope.scaling.type", .text = "yarn", .code = -ENOTSUP,
	  .says = "rope.scaling.type: yarn is not supported" },
	{ SET_STRING, "tokenizer.ggml.model", .text = "llama", .code = -ENOTSUP,
	  .says = "tokenizer.ggml.model" },
	{ DROP, "token_embd", .code = -EINVAL, .says = "tensor token_embd.weight is missing" },
	{ DROP, "output_norm", .code = -EINVAL, .says = "tensor output_norm.weight is missing" },
	{ DROP, "blk.1.attn_sub_norm", .code = -EINVAL, .says = "blk.1.attn_sub_norm.weight is missing" },
	{ DROP, "blk.0.ffn_down", .code = -EINVAL, .says = "tensor blk.0.ffn_down.weight is missing" },
	{ SHAPE, "blk.1.attn_q", .rows = 16, .columns = N_EMBD, .code = -EINVAL,
	  .says = "tensor blk.1.attn_q.weight: is 16 x 32 (rows x columns), expected 32 x 32" },
	{ SHAPE, "blk.0.attn_k", .rows = 16, .columns = 64, .code = -EINVAL,
	  .says = "is 16 x 64 (rows x columns), expected 16 x 32" },
	{ SHAPE, "blk.0.ffn_down", .rows = N_FF, .columns = N_EMBD, .code = -EINVAL,
	  .says = "tensor blk.0.ffn_down.weight: is 48 x 32" },
	{ SHAPE, "blk.0.ffn_up", .columns = N_EMBD, .code = -EINVAL,
	  .says = "tensor blk.0.ffn_up.weight: is 1 x 32" },
	{ SHAPE, "token_embd", .rows = N_VOCAB, .columns = 16, .code = -EINVAL,
	  .says = "tensor token_embd.weight: is 258 x 16 (rows x columns), expected 258 x 32" },
	{ SHAPE, "token_embd", .rows = 200, .columns = N_EMBD, .code = -EINVAL,
	  .says = "tokenizer.ggml.tokens: 258 tokens, but token_embd.weight has 200 rows" },
	{ SHAPE, "blk.0.attn_norm", .columns = 31, .code = -EINVAL,
	  .says = "tensor blk.0.attn_norm.weight: is 1 x 31 (rows x columns), expected 1 x 32" },
	{ SHAPE, "output_norm", .rows = 2, .columns = 16, .code = -EINVAL, .says = "is 2 x 16" },
	{ TYPE, "blk.0.attn_norm", 26, .code = -ENOTSUP, .says = "type 26 cannot be read as floats" },
	{ TYPE, "blk.0.attn_q", 26, .code = -ENOTSUP, .says = "tensor blk.0.attn_q.weight" },
	{ NORM_NAN, .code = -EINVAL, .says = "element 0 is not finite" },
	{ EXTRA, "blk.0.attn_q.bias", .code = -ENOTSUP, .says = "tensor blk.0.attn_q.bias: is not" },
	{ EXTRA, "blk.0.attn_out.weight", .code = -ENOTSUP, .says = "blk.0.attn_out.weight" },
	{ EXTRA, "blk.2.attn_q.weight", .code = -ENOTSUP, .says = "blk.2.attn_q.weight" },
	{ EXTRA, "blk.0.", .code = -ENOTSUP, .says = "tensor blk.0.: is not part" },
	{ EXTRA, "blk.0attn_q.weight", .code = -ENOTSUP, .says = "tensor blk.0attn_q.weight" },
	{ EXTRA, "rope_freqs.weight", .code = -ENOTSUP, .says = "tensor rope_freqs.weight" },
	{ EXTRA, "blk.0.weight", .code = -ENOTSUP, .says = "tensor blk.0.weight" },
	{ EXTRA, "attn_q.weight", .code = -ENOTSUP, .says = "tensor attn_q.weight" },
};

static void apply(struct model_file *file, const struct bad_case *c)
{
	char key[96];

	snprintf(key, sizeof(key), c->change == SET_STRING ? "%s" : "bitnet-b1.58.%s",
		 c->target ? c->target : "");
	if (c->change >= REMOVE && c->change <= SET_STRING)
		gguf_builder_remove(file->builder, key);
	if (c->change == SET_U32)
		gguf_builder_u32(file->builder, key, c->number);
	else if (c->change == SET_F32)
		gguf_builder_f32(file->builder, key, c->real);
	else if (c->change == SET_STRING)
		gguf_builder_string(file->builder, key, c->text);
	else if (c->change == DROP)
		find_tensor(file, c->target)->name[0] = '\0';
	else if (c->change == TYPE)
		find_tensor(file, c->target)->type = c->number;
	else if (c->change == NORM_NAN)
		file->first_value = NAN;
	if (c->change == SHAPE) {
		find_tensor(file, c->target)->rows = c->rows;
		find_tensor(file, c->target)->columns = c->columns;
	}
	if (c->change == EXTRA) {
		add(file, "", 0, 1);
		snprintf(file->tensors[file->count - 1].name, 64, "%s", c->target);
	}
}

static void check_message(const struct bitnpu_error *err, const char *says)
{
	if (!strstr(err->message, says) || strncmp(err->message, path, strlen(path)) ||
	    strchr(err->message, '\n'))
		fail_msg("\"%s\" should contain \"%s\"", err->message, says);
}

static void test_bad_files(void **state)
{
	for (size_t i = 0; i < sizeof(bad_cases) / sizeof(*bad_cases); i++) {
		struct bitnpu_model *model = (struct bitnpu_model *)&model;
		struct bitnpu_error err = { 0 };
		struct model_file file;
		int ret;

		model_file_init(&file);
		apply(&file, &bad_cases[i]);
		model_file_write(&file, path);
		model_file_free(&file);
		ret = bitnpu_model_open(path, 0, &model, &err);
		if (ret != bad_cases[i].code || err.code != ret)
			fail_msg("case %zu, \"%s\": %d, \"%s\"", i, bad_cases[i].says, ret,
				 err.message);
		check_message(&err, bad_cases[i].says);
		assert_ptr_equal(model, &model);
	}
}

static void test_bad_arguments(void **state)
{
	struct bitnpu_model *model;
	struct bitnpu_error err;

	write_good();
	assert_int_equal(bitnpu_model_open(path, 2, &model, &err), -EINVAL);
	check_message(&err, "unknown flags 0x2");
	assert_int_equal(bitnpu_model_open("/nonexistent/m.gguf", 0, &model, &err), -ENOENT);
	assert_int_equal(bitnpu_model_open("/nonexistent/m.gguf", 0, &model, NULL), -ENOENT);
}

/* Any prefix of a file is refused, whatever it cuts off. */
static void test_truncated(void **state)
{
	struct test_random random;
	struct bitnpu_model *model;
	struct bitnpu_error err;
	FILE *file;
	long bytes;

	test_random_init(&random, 1);
	write_good();
	file = fopen(path, "rb");
	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	bytes = ftell(file);
	fclose(file);
	for (int i = 0; i < 50; i++) {
		write_good();
		assert_int_equal(truncate(path, test_random_below(&random, (uint32_t)bytes - 64)), 0);
		assert_true(bitnpu_model_open(path, 0, &model, &err) < 0);
		check_message(&err, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_info),	      cmocka_unit_test(test_packed),
		cmocka_unit_test(test_verify),	      cmocka_unit_test(test_separate_head),
		cmocka_unit_test(test_int7_in_a_layer),
		cmocka_unit_test(test_defaults),      cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_bad_arguments), cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
