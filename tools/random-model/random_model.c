// SPDX-License-Identifier: MIT
/*
 * Random models.  Weights have the deviation 1 / sqrt(K), so that a normalized row of activations
 * comes out of a matmul at about unit size, as in a trained model: attention, gate and residual
 * stream stay in range through any number of blocks.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libbitnpu/gguf_internal.h"
#include "libbitnpu/gguf_write.h"
#include "random_blocks.h"
#include "random_model.h"
#include "random_vocabulary.h"

#define ALIGNMENT	32
#define CHUNK_BYTES	(1u << 20)
#define NAME_BYTES	64

bool random_model_preset(const char *name, struct random_model *model)
{
	static const struct random_model tiny = {
		.n_vocab = 512, .n_embd = 256, .n_layer = 2, .n_ff = 512, .n_head = 4,
		.n_head_kv = 2, .n_ctx = 512, .type = BITNPU_GGML_TQ2_0,
		.embedding = BITNPU_GGML_F16,
	};
	/* Nearly all of it ternary: a vocabulary of the usual size would be most of such a model. */
	static const struct random_model small = {
		.n_vocab = 512, .n_embd = 512, .n_layer = 11, .n_ff = 1792, .n_head = 8,
		.n_head_kv = 2, .n_ctx = 2048, .type = BITNPU_GGML_TQ2_0,
		.embedding = BITNPU_GGML_Q8_0,
	};
	/* BitNet b1.58 2B4T, arXiv:2504.12285 */
	static const struct random_model b2t4 = {
		.n_vocab = 128256, .n_embd = 2560, .n_layer = 30, .n_ff = 6912, .n_head = 20,
		.n_head_kv = 5, .n_ctx = 4096, .type = BITNPU_GGML_TQ2_0,
		.embedding = BITNPU_GGML_F16,
	};

	if (!strcmp(name, "tiny"))
		*model = tiny;
	else if (!strcmp(name, "40m"))
		*model = small;
	else if (!strcmp(name, "2b4t"))
		*model = b2t4;
	else
		return false;
	return true;
}

/**
 * struct tensor - one tensor of the model
 * @name: name
 * @type: ggml type
 * @k: columns
 * @n: rows; 0 for a norm, a vector of @k
 * @deviation: of its weights
 */
struct tensor {
	char name[NAME_BYTES];
	uint32_t type, k, n;
	float deviation;
};

/**
 * struct writing - a model being written
 * @model: what
 * @w: where
 * @data: false while tensors are announced, true while their data is written
 * @state: of random_next()
 * @chunk: CHUNK_BYTES
 * @done: bytes of data written
 */
struct writing {
	const struct random_model *model;
	struct bitnpu_gguf_writer w;
	bool data;
	uint64_t state, done;
	unsigned char *chunk;
	bitnpu_progress_fn *progress;
	void *user;
	struct bitnpu_error *err;
};

static uint64_t tensor_blocks(const struct tensor *t)
{
	return (uint64_t)(t->k / bitnpu_ggml_layout(t->type)->block) * (t->n ? t->n : 1);
}

static int announce(struct writing *wr, const struct tensor *t)
{
	const struct bitnpu_ggml_layout *layout = bitnpu_ggml_layout(t->type);
	struct bitnpu_gguf_string name = { t->name, strlen(t->name) };
	uint64_t dims[2] = { t->k, t->n };

	if (t->k % layout->block)
		return bitnpu_fail(wr->err, -EINVAL,
				   "%s: tensor %s: %u columns, %s needs a multiple of %u",
				   wr->w.file.shown, t->name, t->k, layout->name, layout->block);
	bitnpu_gguf_write_tensor(&wr->w, &name, t->type, t->n ? 2 : 1, dims,
				 tensor_blocks(t) * layout->bytes + layout->tail);
	return 0;
}

static int write_blocks(struct writing *wr, const struct tensor *t)
{
	const struct bitnpu_ggml_layout *layout = bitnpu_ggml_layout(t->type);
	uint64_t left = tensor_blocks(t);
	bool ternary = t->type == wr->model->type && strncmp(t->name, "blk.", 4) == 0;

	while (left) {
		uint64_t some = CHUNK_BYTES / layout->bytes;
		int ret;

		some = left < some ? left : some;
		random_blocks(t->type, t->deviation, ternary, wr->model->vary_scales, &wr->state,
			      some, wr->chunk);
		ret = bitnpu_gguf_write_data(&wr->w, wr->chunk, some * layout->bytes, wr->err);
		if (ret)
			return ret;
		wr->done += some * layout->bytes;
		left -= some;
		if (wr->progress && wr->progress(wr->user, wr->done, wr->w.data_bytes))
			return bitnpu_fail(wr->err, -ECANCELED, "%s: canceled", wr->w.file.shown);
	}
	return 0;
}

/* Norm weights lie around 1, from 0.75 to 1.25. */
static int write_norm(struct writing *wr, const struct tensor *t)
{
	float *values = (float *)wr->chunk;

	for (uint32_t i = 0; i < t->k; i++)
		values[i] = 0.75f + 0.5f * random_unit(&wr->state);
	return bitnpu_gguf_write_data(&wr->w, values, t->k * sizeof(*values), wr->err);
}

static int write_tensor(struct writing *wr, const struct tensor *t)
{
	const struct bitnpu_ggml_layout *layout = bitnpu_ggml_layout(t->type);
	float tail[8] = { random_tensor_scale(t->deviation) };
	int ret;

	if (!wr->data)
		return announce(wr, t);
	ret = t->n ? write_blocks(wr, t) : write_norm(wr, t);
	if (!ret && layout->tail)
		ret = bitnpu_gguf_write_data(&wr->w, tail, layout->tail, wr->err);
	return ret ? ret : bitnpu_gguf_write_pad(&wr->w, wr->err);
}

/**
 * struct part - a tensor of a block, or with no block of its own
 * @name: without block and ".weight"
 * @n: rows; 0 for a norm
 * @k: columns
 */
struct part {
	const char *name;
	uint32_t n, k;
};

/* @layer is -1 outside the blocks. */
static int write_part(struct writing *wr, int layer, const struct part *part, uint32_t type,
		      float deviation)
{
	struct tensor t = { .type = part->n ? type : BITNPU_GGML_F32, .k = part->k, .n = part->n,
			    .deviation = deviation };

	if (layer < 0)
		snprintf(t.name, sizeof(t.name), "%s.weight", part->name);
	else
		snprintf(t.name, sizeof(t.name), "blk.%d.%s.weight", layer, part->name);
	return write_tensor(wr, &t);
}

static int block(struct writing *wr, int layer)
{
	const struct random_model *m = wr->model;
	uint32_t kv = m->n_embd / m->n_head * m->n_head_kv;
	const struct part parts[] = {
		{ "attn_norm", 0, m->n_embd },	       { "attn_q", m->n_embd, m->n_embd },
		{ "attn_k", kv, m->n_embd },	       { "attn_v", kv, m->n_embd },
		{ "attn_sub_norm", 0, m->n_embd },     { "attn_output", m->n_embd, m->n_embd },
		{ "ffn_norm", 0, m->n_embd },	       { "ffn_gate", m->n_ff, m->n_embd },
		{ "ffn_up", m->n_ff, m->n_embd },      { "ffn_sub_norm", 0, m->n_ff },
		{ "ffn_down", m->n_embd, m->n_ff },
	};
	int ret = 0;

	for (size_t i = 0; !ret && i < sizeof(parts) / sizeof(*parts); i++)
		ret = write_part(wr, layer, &parts[i], m->type, 1.0f / sqrtf((float)parts[i].k));
	return ret;
}

/* Announces every tensor, or writes every tensor's data, in the same order. */
static int tensors(struct writing *wr)
{
	const struct random_model *m = wr->model;
	/* Logits of a few units: probabilities neither flat nor all on one token. */
	float deviation = 3.0f / sqrtf((float)m->n_embd);
	const struct part embedding = { "token_embd", m->n_vocab, m->n_embd };
	const struct part output_norm = { "output_norm", 0, m->n_embd };
	const struct part head = { "output", m->n_vocab, m->n_embd };
	int ret = write_part(wr, -1, &embedding, m->embedding, deviation);

	for (int layer = 0; !ret && layer < (int)m->n_layer; layer++)
		ret = block(wr, layer);
	if (!ret)
		ret = write_part(wr, -1, &output_norm, BITNPU_GGML_F32, 0.0f);
	if (!ret && m->separate_head)
		ret = write_part(wr, -1, &head, m->embedding, deviation);
	return ret;
}

static int metadata(struct writing *wr)
{
	const struct random_model *m = wr->model;
	struct bitnpu_gguf_writer *w = &wr->w;

	bitnpu_gguf_write_string(w, "general.architecture", "bitnet-b1.58");
	bitnpu_gguf_write_string(w, "general.name", "random weights");
	bitnpu_gguf_write_u32(w, "bitnet-b1.58.vocab_size", m->n_vocab);
	bitnpu_gguf_write_u32(w, "bitnet-b1.58.context_length", m->n_ctx);
	bitnpu_gguf_write_u32(w, "bitnet-b1.58.embedding_length", m->n_embd);
	bitnpu_gguf_write_u32(w, "bitnet-b1.58.block_count", m->n_layer);
	bitnpu_gguf_write_u32(w, "bitnet-b1.58.feed_forward_length", m->n_ff);
	bitnpu_gguf_write_u32(w, "bitnet-b1.58.attention.head_count", m->n_head);
	bitnpu_gguf_write_u32(w, "bitnet-b1.58.attention.head_count_kv", m->n_head_kv);
	bitnpu_gguf_write_f32(w, "bitnet-b1.58.attention.layer_norm_rms_epsilon", 1e-5f);
	bitnpu_gguf_write_u32(w, "bitnet-b1.58.rope.dimension_count", m->n_embd / m->n_head);
	bitnpu_gguf_write_f32(w, "bitnet-b1.58.rope.freq_base", 500000.0f);
	return random_vocabulary_write(w, m->n_vocab, wr->err);
}

static bool is_matrix_type(uint32_t type)
{
	return type == BITNPU_GGML_TQ1_0 || type == BITNPU_GGML_TQ2_0 || type == BITNPU_GGML_I2_S ||
	       type == BITNPU_GGML_Q1_0 || type == BITNPU_GGML_F16;
}

static bool is_embedding_type(uint32_t type)
{
	return type == BITNPU_GGML_F32 || type == BITNPU_GGML_F16 || type == BITNPU_GGML_Q8_0 ||
	       type == BITNPU_GGML_Q6_K;
}

static int check(const struct random_model *m, const char *path, struct bitnpu_error *err)
{
	if (m->n_vocab < RANDOM_VOCABULARY_MIN || m->n_vocab > BITNPU_MAX_N)
		return bitnpu_fail(err, -EINVAL, "%s: vocabulary of %u tokens, %u to %u are possible",
				   path, m->n_vocab, RANDOM_VOCABULARY_MIN, BITNPU_MAX_N);
	if (!m->n_embd || m->n_embd > BITNPU_MAX_K || !m->n_ff || m->n_ff > BITNPU_MAX_K)
		return bitnpu_fail(err, -EINVAL, "%s: embedding of %u, FFN of %u, 1 to %u are possible",
				   path, m->n_embd, m->n_ff, BITNPU_MAX_K);
	if (!m->n_layer || m->n_layer > 1000 || !m->n_ctx)
		return bitnpu_fail(err, -EINVAL, "%s: %u blocks, context of %u, 1 to 1000 and 1 or "
				   "more are possible", path, m->n_layer, m->n_ctx);
	if (!m->n_head || !m->n_head_kv || m->n_head % m->n_head_kv || m->n_embd % (2 * m->n_head))
		return bitnpu_fail(err, -EINVAL,
				   "%s: %u heads over %u key/value heads and an embedding of %u: "
				   "must divide it into an even number, and be a multiple of them",
				   path, m->n_head, m->n_head_kv, m->n_embd);
	if (!is_matrix_type(m->type) || !is_embedding_type(m->embedding))
		return bitnpu_fail(err, -EINVAL, "%s: no such type of weights", path);
	return 0;
}

int random_model_write(const struct random_model *model, const char *path,
		       bitnpu_progress_fn *progress, void *user, struct bitnpu_error *err)
{
	struct writing wr = { .model = model, .state = model->seed, .progress = progress,
			      .user = user, .err = err };
	int ret = check(model, path, err);

	if (ret)
		return ret;
	wr.chunk = malloc(CHUNK_BYTES);
	if (!wr.chunk)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory", path);
	ret = bitnpu_gguf_write_open(path, ALIGNMENT, &wr.w, err);
	if (ret)
		goto free_chunk;
	ret = metadata(&wr);
	if (!ret)
		ret = tensors(&wr);
	wr.data = true;
	if (!ret)
		ret = tensors(&wr);
	if (ret)
		bitnpu_gguf_write_abort(&wr.w);
	else
		ret = bitnpu_gguf_write_finish(&wr.w, err);
free_chunk:
	free(wr.chunk);
	return ret;
}
