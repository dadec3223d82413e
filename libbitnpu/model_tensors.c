// SPDX-License-Identifier: MIT
/*
 * The tensors of a model: finds or packs every matrix, reads the norms, checks every shape against
 * the hyper-parameters, and refuses tensors that this graph does not use: leaving out a bias, say,
 * would change the text without a word.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gguf_internal.h"
#include "model.h"

#define NAME_BYTES	64

static const char *const matrix_names[BITNPU_MATRICES] = {
	[BITNPU_ATTN_Q] = "attn_q",	  [BITNPU_ATTN_K] = "attn_k",
	[BITNPU_ATTN_V] = "attn_v",	  [BITNPU_ATTN_OUT] = "attn_out",
	[BITNPU_FFN_GATE] = "ffn_gate",	  [BITNPU_FFN_UP] = "ffn_up",
	[BITNPU_FFN_DOWN] = "ffn_down",
};

static const char *const norm_names[BITNPU_NORMS] = {
	[BITNPU_ATTN_NORM] = "attn_norm",
	[BITNPU_ATTN_SUB_NORM] = "attn_sub_norm",
	[BITNPU_FFN_NORM] = "ffn_norm",
	[BITNPU_FFN_SUB_NORM] = "ffn_sub_norm",
};

const char *bitnpu_matrix_name(enum bitnpu_matrix matrix)
{
	return matrix_names[matrix];
}

/* The name in files, which differs from the name in traces for one matrix. */
static const char *stem_of(enum bitnpu_matrix matrix)
{
	return matrix == BITNPU_ATTN_OUT ? "attn_output" : matrix_names[matrix];
}

static int missing(const struct bitnpu_model *model, const char *name, struct bitnpu_error *err)
{
	return bitnpu_fail(err, -EINVAL, "%s: tensor %s is missing", model->gguf->path, name);
}

static int no_memory(const struct bitnpu_model *model, struct bitnpu_error *err)
{
	return bitnpu_fail(err, -ENOMEM, "%s: out of memory", model->gguf->path);
}

static int check_shape(const struct bitnpu_model *model, const char *name, uint64_t rows,
		       uint64_t columns, uint64_t want_rows, uint64_t want_columns,
		       struct bitnpu_error *err)
{
	if (rows == want_rows && columns == want_columns)
		return 0;
	return bitnpu_fail(err, -EINVAL,
			   "%s: tensor %s: is %" PRIu64 " x %" PRIu64 " (rows x columns), expected "
			   "%" PRIu64 " x %" PRIu64,
			   model->gguf->path, name, rows, columns, want_rows, want_columns);
}

/* Pack @tensor in memory; the model owns the result. */
static int pack(struct bitnpu_model *model, const struct bitnpu_gguf_tensor *tensor,
		struct bitnpu_weights *w, struct bitnpu_error *err)
{
	struct bitnpu_packed_tensor *packed = &model->owned[model->owned_count];
	int ret = bitnpu_pack_tensor(model->gguf, tensor, packed, err);

	if (ret)
		return ret;
	model->owned_count++;
	*w = packed->w;
	return 0;
}

/* @rows 0 takes any number.  -ENOENT when there is no such tensor. */
static int read_matrix(struct bitnpu_model *model, const char *name, uint32_t rows,
		       uint32_t columns, struct bitnpu_weights *w, struct bitnpu_error *err)
{
	const struct bitnpu_gguf_tensor *tensor = bitnpu_gguf_find_tensor(model->gguf, name);
	int ret;

	if (!tensor)
		return -ENOENT;
	if (!model->info.packed) {
		/* Before the work of packing, and before K and N are cut to 32 bits. */
		ret = check_shape(model, name, tensor->elements / tensor->dims[0], tensor->dims[0],
				  rows ? rows : tensor->dims[1], columns, err);
		return ret ? ret : pack(model, tensor, w, err);
	}
	ret = bitnpu_weights_find(model->gguf, name, w, err);
	if (ret == -ENOENT)
		return bitnpu_fail(err, -EINVAL, "%s: tensor %s: is not packed",
				   model->gguf->path, name);
	if (ret)
		return ret;
	return check_shape(model, name, w->n, w->k, rows ? rows : w->n, columns, err);
}

static int read_norm(struct bitnpu_model *model, const char *name, uint32_t n, float *out,
		     struct bitnpu_error *err)
{
	const struct bitnpu_gguf_tensor *tensor = bitnpu_gguf_find_tensor(model->gguf, name);
	char type[16];

	if (!tensor)
		return missing(model, name, err);
	if (tensor->elements != n || tensor->dims[0] != n)
		return check_shape(model, name, tensor->elements / tensor->dims[0], tensor->dims[0],
				   1, n, err);
	if (bitnpu_tensor_floats(tensor, 0, n, out))
		return bitnpu_fail(err, -ENOTSUP, "%s: tensor %s: type %s cannot be read as floats",
				   model->gguf->path, name,
				   bitnpu_ggml_type_name(tensor->type, type));
	for (uint32_t i = 0; i < n; i++)
		if (!isfinite(out[i]))
			return bitnpu_fail(err, -EINVAL, "%s: tensor %s: element %u is not finite",
					   model->gguf->path, name, i);
	return 0;
}

static void norm_sizes(const struct bitnpu_model_info *info, uint32_t sizes[BITNPU_NORMS])
{
	sizes[BITNPU_ATTN_NORM] = info->n_embd;
	sizes[BITNPU_ATTN_SUB_NORM] = info->n_head * info->head_dim;
	sizes[BITNPU_FFN_NORM] = info->n_embd;
	sizes[BITNPU_FFN_SUB_NORM] = info->n_ff;
}

/* Reads all norms; the file holds them, so what is allocated is no larger than the file. */
static int read_norms(struct bitnpu_model *model, struct bitnpu_error *err)
{
	const struct bitnpu_model_info *info = &model->info;
	uint32_t sizes[BITNPU_NORMS];
	char name[NAME_BYTES];
	size_t total = info->n_embd;
	float *next;
	int ret;

	norm_sizes(info, sizes);
	for (int norm = 0; norm < BITNPU_NORMS; norm++)
		total += (size_t)info->n_layer * sizes[norm];
	if (total > model->gguf->size)
		return bitnpu_fail(err, -EINVAL,
				   "%s: key %s.block_count: %u blocks have %zu norm weights, more "
				   "than the file has bytes",
				   model->gguf->path, info->architecture, info->n_layer, total);
	model->norm_values = malloc(total * sizeof(float));
	if (!model->norm_values)
		return no_memory(model, err);
	next = model->norm_values;
	for (uint32_t layer = 0; layer < info->n_layer; layer++) {
		for (int norm = 0; norm < BITNPU_NORMS; norm++) {
			snprintf(name, sizeof(name), "blk.%u.%s.weight", layer, norm_names[norm]);
			ret = read_norm(model, name, sizes[norm], next, err);
			if (ret)
				return ret;
			model->layers[layer].norms[norm] = next;
			next += sizes[norm];
		}
	}
	model->output_norm = next;
	return read_norm(model, "output_norm.weight", info->n_embd, next, err);
}

static int read_layer(struct bitnpu_model *model, uint32_t layer, struct bitnpu_error *err)
{
	const struct bitnpu_model_info *info = &model->info;
	uint32_t q = info->n_head * info->head_dim, kv = info->n_head_kv * info->head_dim;
	const uint32_t shapes[BITNPU_MATRICES][2] = {
		[BITNPU_ATTN_Q] = { q, info->n_embd },	     [BITNPU_ATTN_K] = { kv, info->n_embd },
		[BITNPU_ATTN_V] = { kv, info->n_embd },	     [BITNPU_ATTN_OUT] = { info->n_embd, q },
		[BITNPU_FFN_GATE] = { info->n_ff, info->n_embd },
		[BITNPU_FFN_UP] = { info->n_ff, info->n_embd },
		[BITNPU_FFN_DOWN] = { info->n_embd, info->n_ff },
	};
	char name[NAME_BYTES];

	for (int matrix = 0; matrix < BITNPU_MATRICES; matrix++) {
		int ret;

		snprintf(name, sizeof(name), "blk.%u.%s.weight", layer, stem_of(matrix));
		ret = read_matrix(model, name, shapes[matrix][0], shapes[matrix][1],
				  &model->layers[layer].matrices[matrix], err);
		if (ret == -ENOENT)
			return missing(model, name, err);
		if (ret)
			return ret;
		if (bitnpu_weights_slices(&model->layers[layer].matrices[matrix]) > 1)
			return bitnpu_fail(err, -ENOTSUP, "%s: tensor %s: int7 is for the embedding "
					   "and the head", model->gguf->path, name);
	}
	return 0;
}

/*
 * The embedding, and the head unless it is tied to it.  Without the key vocab_size the embedding says
 * how many tokens there are.
 */
static int read_vocabulary(struct bitnpu_model *model, struct bitnpu_error *err)
{
	struct bitnpu_model_info *info = &model->info;
	int ret = read_matrix(model, "token_embd.weight", info->n_vocab, info->n_embd,
			      &model->embedding, err);

	if (ret == -ENOENT)
		return missing(model, "token_embd.weight", err);
	if (ret)
		return ret;
	info->n_vocab = model->embedding.n;
	ret = read_matrix(model, "output.weight", info->n_vocab, info->n_embd, &model->head, err);
	if (ret == -ENOENT) {
		model->head = model->embedding;
		ret = 0;
	}
	return ret;
}

static bool is_one_of(const char *leaf, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(leaf, names[i]))
			return true;
	return false;
}

/* Whether the graph uses a tensor of that name: "[blk.N.]STEM.weight", or scales of such a matrix. */
static bool is_used(const struct bitnpu_model *model, const struct bitnpu_gguf_string *name)
{
	static const char *const outside[] = { "token_embd", "output", "output_norm" };
	static const char *const kinds[] = { "weight", "scale", "group_scale" };
	char text[NAME_BYTES], *stem = text, *dot;
	bool in_block;

	if (name->length >= sizeof(text))
		return false;
	memcpy(text, name->data, name->length);
	text[name->length] = '\0';
	if (strlen(text) != name->length)
		return false;
	in_block = !strncmp(text, "blk.", 4);
	if (in_block) {
		if (strtoul(text + 4, &stem, 10) >= model->info.n_layer || *stem++ != '.')
			return false;
	}
	dot = strchr(stem, '.');
	if (!dot || !is_one_of(dot + 1, kinds, sizeof(kinds) / sizeof(*kinds)))
		return false;
	*dot = '\0';
	if (!in_block)
		return is_one_of(stem, outside, sizeof(outside) / sizeof(*outside));
	return is_one_of(stem, norm_names, BITNPU_NORMS) || !strcmp(stem, "attn_output") ||
	       (strcmp(stem, "attn_out") && is_one_of(stem, matrix_names, BITNPU_MATRICES));
}

static int check_unused(const struct bitnpu_model *model, struct bitnpu_error *err)
{
	for (uint64_t i = 0; i < model->gguf->n_tensors; i++) {
		const struct bitnpu_gguf_string *name = &model->gguf->tensors[i].name;

		if (!is_used(model, name))
			return bitnpu_fail(err, -ENOTSUP,
					   "%s: tensor %.*s: is not part of the %s graph",
					   model->gguf->path, BITNPU_NAME_ARGS(*name),
					   model->info.architecture);
	}
	return 0;
}

static uint64_t count_parameters(const struct bitnpu_model *model)
{
	const struct bitnpu_model_info *info = &model->info;
	uint64_t total = (uint64_t)model->embedding.n * model->embedding.k + info->n_embd;
	uint32_t sizes[BITNPU_NORMS];

	if (model->head.tiles != model->embedding.tiles)
		total += (uint64_t)model->head.n * model->head.k;
	norm_sizes(info, sizes);
	for (int norm = 0; norm < BITNPU_NORMS; norm++)
		total += (uint64_t)info->n_layer * sizes[norm];
	for (uint32_t layer = 0; layer < info->n_layer; layer++) {
		for (int matrix = 0; matrix < BITNPU_MATRICES; matrix++) {
			const struct bitnpu_weights *w = &model->layers[layer].matrices[matrix];

			total += (uint64_t)w->n * w->k;
		}
	}
	return total;
}

int bitnpu_model_read_tensors(struct bitnpu_model *model, struct bitnpu_error *err)
{
	struct bitnpu_model_info *info = &model->info;
	const uint64_t per_layer = BITNPU_MATRICES + BITNPU_NORMS;
	int ret;

	if (info->n_layer * per_layer > model->gguf->n_tensors)
		return bitnpu_fail(err, -EINVAL,
				   "%s: key %s.block_count: %u blocks have %" PRIu64 " tensors, the "
				   "file has %" PRIu64,
				   model->gguf->path, info->architecture, info->n_layer,
				   info->n_layer * per_layer, model->gguf->n_tensors);
	ret = check_unused(model, err);
	if (ret)
		return ret;
	model->layers = calloc(info->n_layer, sizeof(*model->layers));
	model->owned = calloc(model->gguf->n_tensors, sizeof(*model->owned));
	if (!model->layers || !model->owned)
		return no_memory(model, err);
	ret = read_norms(model, err);
	if (!ret)
		ret = read_vocabulary(model, err);
	for (uint32_t layer = 0; !ret && layer < info->n_layer; layer++)
		ret = read_layer(model, layer, err);
	if (ret)
		return ret;
	info->parameters = count_parameters(model);
	info->file_bytes = model->gguf->size;
	return 0;
}

void bitnpu_model_free_tensors(struct bitnpu_model *model)
{
	for (size_t i = 0; i < model->owned_count; i++)
		bitnpu_packed_tensor_free(&model->owned[i]);
	free(model->owned);
	free(model->norm_values);
	free(model->layers);
}
