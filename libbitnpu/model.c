// SPDX-License-Identifier: MIT
/* Opening and closing models, and the text functions of the public API, which need only a model. */
#include <errno.h>
#include <stdlib.h>

#include "model.h"

#define MODEL_FLAGS	BITNPU_MODEL_VERIFY

/* Whether the file is packed, and as it was written if @flags ask for that. */
static int check_packed(struct bitnpu_model *model, uint32_t flags, struct bitnpu_error *err)
{
	int packed = bitnpu_gguf_is_packed(model->gguf, err);

	if (packed < 0)
		return packed;
	model->info.packed = packed;
	if (!packed || !(flags & BITNPU_MODEL_VERIFY))
		return 0;
	return bitnpu_packed_verify(model->gguf, NULL, NULL, err);
}

static int read_tokenizer(struct bitnpu_model *model, struct bitnpu_error *err)
{
	uint32_t tokens;
	int ret = bitnpu_tokenizer_create(model->gguf, &model->tokenizer, err);

	if (ret)
		return ret;
	tokens = bitnpu_tokenizer_size(model->tokenizer);
	if (tokens == model->info.n_vocab)
		return 0;
	return bitnpu_fail(err, -EINVAL,
			   "%s: key tokenizer.ggml.tokens: %u tokens, but token_embd.weight has %u "
			   "rows",
			   model->gguf->path, tokens, model->info.n_vocab);
}

int bitnpu_model_open(const char *path, uint32_t flags, struct bitnpu_model **out,
		      struct bitnpu_error *err)
{
	struct bitnpu_model *model;
	int ret;

	if (flags & ~MODEL_FLAGS)
		return bitnpu_fail(err, -EINVAL, "%s: unknown flags 0x%x", path,
				   flags & ~MODEL_FLAGS);
	model = calloc(1, sizeof(*model));
	if (!model)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory", path);
	if (pthread_mutex_init(&model->lock, NULL)) {
		free(model);
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory", path);
	}
	ret = bitnpu_gguf_open(path, &model->gguf, err);
	if (!ret)
		ret = check_packed(model, flags, err);
	if (!ret)
		ret = bitnpu_model_read_params(model, err);
	if (!ret)
		ret = bitnpu_model_read_tensors(model, err);
	if (!ret)
		ret = read_tokenizer(model, err);
	if (ret) {
		bitnpu_model_close(model);
		return ret;
	}
	*out = model;
	return 0;
}

void bitnpu_model_close(struct bitnpu_model *model)
{
	if (!model)
		return;
	bitnpu_tokenizer_destroy(model->tokenizer);
	bitnpu_model_free_tensors(model);
	free((char *)model->info.architecture);
	free((char *)model->info.name);
	bitnpu_gguf_close(model->gguf);
	pthread_mutex_destroy(&model->lock);
	free(model);
}

const struct bitnpu_model_info *bitnpu_model_get_info(const struct bitnpu_model *model)
{
	return &model->info;
}

int bitnpu_tokenize(const struct bitnpu_model *model, const char *text, size_t bytes,
		    uint32_t flags, uint32_t *tokens, size_t capacity, size_t *count,
		    struct bitnpu_error *err)
{
	return bitnpu_tokenizer_encode(model->tokenizer, text, bytes, flags, tokens, capacity,
				       count, err);
}

const char *bitnpu_token_bytes(const struct bitnpu_model *model, uint32_t token, size_t *bytes)
{
	return bitnpu_tokenizer_bytes(model->tokenizer, token, bytes);
}

bool bitnpu_token_is_end(const struct bitnpu_model *model, uint32_t token)
{
	return bitnpu_tokenizer_is_end(model->tokenizer, token);
}

int bitnpu_chat_format(const struct bitnpu_model *model, const char *role, const char *text,
		       char *out, size_t capacity, size_t *bytes, struct bitnpu_error *err)
{
	return bitnpu_tokenizer_chat(model->tokenizer, role, text, out, capacity, bytes, err);
}
