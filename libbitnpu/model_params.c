// SPDX-License-Identifier: MIT
/* Hyper-parameters of a model from GGUF metadata, each checked against its range. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_internal.h"
#include "hostops.h"
#include "model.h"

/* Keys are "ARCHITECTURE.NAME"; architecture names and ours are short. */
#define KEY_BYTES	96

/*
 * Names of BitNet b1.58 2B4T's graph: the one Microsoft's files carry, and the one that files written
 * before its release do.  (Plain "bitnet" is an older graph, with another gate and other scales.)
 */
static const char *const architectures[] = { "bitnet-b1.58", "bitnet-25" };

static bool string_equals(const struct bitnpu_gguf_string *s, const char *text)
{
	return s->length == strlen(text) && !memcmp(s->data, text, s->length);
}

static int read_architecture(struct bitnpu_model *model, struct bitnpu_error *err)
{
	const char *path = model->gguf->path;
	struct bitnpu_gguf_string name;
	int ret = bitnpu_gguf_get_string(model->gguf, "general.architecture", &name, err);

	if (ret == -ENOENT)
		return bitnpu_fail(err, -EINVAL, "%s: key general.architecture is missing", path);
	if (ret)
		return ret;
	for (size_t i = 0; i < sizeof(architectures) / sizeof(*architectures); i++) {
		if (!string_equals(&name, architectures[i]))
			continue;
		model->info.architecture = strdup(architectures[i]);
		return model->info.architecture ?
			       0 :
			       bitnpu_fail(err, -ENOMEM, "%s: out of memory", path);
	}
	return bitnpu_fail(err, -ENOTSUP,
			   "%s: key general.architecture: %.*s is not supported, %s is", path,
			   BITNPU_NAME_ARGS(name), architectures[0]);
}

static int read_name(struct bitnpu_model *model, struct bitnpu_error *err)
{
	struct bitnpu_gguf_string name = { "", 0 };
	int ret = bitnpu_gguf_get_string(model->gguf, "general.name", &name, err);

	if (ret && ret != -ENOENT)
		return ret;
	model->info.name = strndup(name.data, name.length);
	if (!model->info.name)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory", model->gguf->path);
	return 0;
}

static const char *key_of(const struct bitnpu_model *model, const char *name, char key[KEY_BYTES])
{
	snprintf(key, KEY_BYTES, "%s.%s", model->info.architecture, name);
	return key;
}

/**
 * struct integer - a hyper-parameter
 * @name: key without the architecture
 * @value: result; its value before is the default
 * @max: 1 to @max is allowed
 * @optional: the default holds when there is no such key
 */
struct integer {
	const char *name;
	uint32_t *value;
	uint32_t max;
	bool optional;
};

static int read_integer(const struct bitnpu_model *model, const struct integer *p,
			struct bitnpu_error *err)
{
	char key[KEY_BYTES];
	int ret = bitnpu_gguf_get_u32(model->gguf, key_of(model, p->name, key), p->value, err);

	if (ret == -ENOENT && p->optional)
		return 0;
	if (ret == -ENOENT)
		return bitnpu_fail(err, -EINVAL, "%s: key %s is missing", model->gguf->path, key);
	if (ret)
		return ret;
	if (*p->value < 1 || *p->value > p->max)
		return bitnpu_fail(err, -EINVAL, "%s: key %s: %u is outside 1 to %u",
				   model->gguf->path, key, *p->value, p->max);
	return 0;
}

static int read_integers(const struct bitnpu_model *model, const struct integer *params,
			 size_t count, struct bitnpu_error *err)
{
	for (size_t i = 0; i < count; i++) {
		int ret = read_integer(model, &params[i], err);

		if (ret)
			return ret;
	}
	return 0;
}

/* A number above @min; the reader takes finite ones only.  -ENOENT keeps the default. */
static int read_float(const struct bitnpu_model *model, const char *name, float min, float *value,
		      struct bitnpu_error *err)
{
	char key[KEY_BYTES];
	int ret = bitnpu_gguf_get_f32(model->gguf, key_of(model, name, key), value, err);

	if (ret)
		return ret;
	if (*value <= min)
		return bitnpu_fail(err, -EINVAL, "%s: key %s: %g is not above %g",
				   model->gguf->path, key, (double)*value, (double)min);
	return 0;
}

static int read_shape(struct bitnpu_model *model, struct bitnpu_error *err)
{
	struct bitnpu_model_info *info = &model->info;
	const struct integer params[] = {
		{ "context_length", &info->n_ctx_train, UINT32_MAX, false },
		{ "embedding_length", &info->n_embd, BITNPU_MAX_K, false },
		{ "block_count", &info->n_layer, UINT32_MAX, false },
		{ "feed_forward_length", &info->n_ff, BITNPU_MAX_K, false },
		{ "attention.head_count", &info->n_head, BITNPU_MAX_K, false },
		{ "vocab_size", &info->n_vocab, BITNPU_MAX_N, true },
	};

	return read_integers(model, params, sizeof(params) / sizeof(*params), err);
}

static int check_heads(const struct bitnpu_model *model, uint32_t value_length,
		       uint32_t rotated, struct bitnpu_error *err)
{
	const struct bitnpu_model_info *info = &model->info;
	const char *path = model->gguf->path;
	const char *arch = info->architecture;

	if (info->n_head % info->n_head_kv)
		return bitnpu_fail(err, -EINVAL,
				   "%s: key %s.attention.head_count: %u is not a multiple of "
				   "head_count_kv, %u",
				   path, arch, info->n_head, info->n_head_kv);
	if (value_length != info->head_dim)
		return bitnpu_fail(err, -ENOTSUP,
				   "%s: key %s.attention.value_length: %u differs from the key's "
				   "length, %u",
				   path, arch, value_length, info->head_dim);
	if (info->head_dim % 2)
		return bitnpu_fail(err, -EINVAL, "%s: key %s.attention.head_count: heads of %u "
				   "elements, an odd number", path, arch, info->head_dim);
	if ((uint64_t)info->n_head * info->head_dim > BITNPU_MAX_K)
		return bitnpu_fail(err, -EINVAL,
				   "%s: key %s.attention.head_count: %u heads of %u elements, at "
				   "most %u in all",
				   path, arch, info->n_head, info->head_dim, BITNPU_MAX_K);
	if (rotated != info->head_dim)
		return bitnpu_fail(err, -ENOTSUP,
				   "%s: key %s.rope.dimension_count: %u, only the whole head, %u, is "
				   "supported",
				   path, arch, rotated, info->head_dim);
	return 0;
}

static int read_heads(struct bitnpu_model *model, struct bitnpu_error *err)
{
	struct bitnpu_model_info *info = &model->info;
	uint32_t head_dim = info->n_embd / info->n_head, value_length, rotated;
	const struct integer key_params[] = {
		{ "attention.head_count_kv", &info->n_head_kv, info->n_head, true },
		{ "attention.key_length", &head_dim, BITNPU_MAX_HEAD_DIM, true },
	};
	const struct integer other_params[] = {
		{ "attention.value_length", &value_length, BITNPU_MAX_HEAD_DIM, true },
		{ "rope.dimension_count", &rotated, BITNPU_MAX_HEAD_DIM, true },
	};
	char key[KEY_BYTES];
	int ret;

	info->n_head_kv = info->n_head;
	ret = read_integers(model, key_params, 2, err);
	if (ret)
		return ret;
	if (!bitnpu_gguf_find(model->gguf, key_of(model, "attention.key_length", key)) &&
	    (info->n_embd % info->n_head || head_dim > BITNPU_MAX_HEAD_DIM))
		return bitnpu_fail(err, -EINVAL,
				   "%s: key %s.attention.head_count: %u heads do not divide an "
				   "embedding of %u into heads of at most %u",
				   model->gguf->path, info->architecture, info->n_head, info->n_embd,
				   BITNPU_MAX_HEAD_DIM);
	info->head_dim = head_dim;
	value_length = rotated = head_dim;
	ret = read_integers(model, other_params, 2, err);
	return ret ? ret : check_heads(model, value_length, rotated, err);
}

/* Stretched rotary embeddings would need another table: only factors of 1 are the same graph. */
static int check_rope_scaling(const struct bitnpu_model *model, struct bitnpu_error *err)
{
	struct bitnpu_gguf_string type;
	float factor = 1.0f;
	char key[KEY_BYTES];
	int ret = read_float(model, "rope.scaling.factor", 0.0f, &factor, err);

	if (ret && ret != -ENOENT)
		return ret;
	ret = bitnpu_gguf_get_string(model->gguf, key_of(model, "rope.scaling.type", key), &type,
				     err);
	if (ret && ret != -ENOENT)
		return ret;
	if (!ret && !string_equals(&type, "none") &&
	    !(string_equals(&type, "linear") && factor == 1.0f))
		return bitnpu_fail(err, -ENOTSUP, "%s: key %s: %.*s is not supported",
				   model->gguf->path, key, BITNPU_NAME_ARGS(type));
	if (ret && factor != 1.0f)
		return bitnpu_fail(err, -ENOTSUP,
				   "%s: key %s.rope.scaling.factor: %g is not supported",
				   model->gguf->path, model->info.architecture, (double)factor);
	return 0;
}

static int read_numbers(struct bitnpu_model *model, struct bitnpu_error *err)
{
	float base = 10000.0f;
	int ret = read_float(model, "attention.layer_norm_rms_epsilon", 0.0f, &model->rms_eps, err);

	if (ret == -ENOENT)
		return bitnpu_fail(err, -EINVAL,
				   "%s: key %s.attention.layer_norm_rms_epsilon is missing",
				   model->gguf->path, model->info.architecture);
	if (!ret)
		ret = read_float(model, "rope.freq_base", 1.0f, &base, err);
	if (ret && ret != -ENOENT)
		return ret;
	model->rope_base = base;
	return check_rope_scaling(model, err);
}

int bitnpu_model_read_params(struct bitnpu_model *model, struct bitnpu_error *err)
{
	int ret = read_architecture(model, err);

	if (!ret)
		ret = read_name(model, err);
	if (!ret)
		ret = read_shape(model, err);
	if (!ret)
		ret = read_heads(model, err);
	if (!ret)
		ret = read_numbers(model, err);
	return ret;
}
