/* SPDX-License-Identifier: MIT */
/*
 * A model: hyper-parameters, norms and packed matrices of a GGUF file with BitNet b1.58's graph.
 * Immutable once open but for its placements, which have a lock: sessions on any thread share it.
 */
#ifndef BITNPU_MODEL_H
#define BITNPU_MODEL_H

#include <pthread.h>

#include "tokenizer.h"
#include "weights.h"

/** enum bitnpu_norm - the norms of a block, each followed by the matmuls that read it */
enum bitnpu_norm {
	BITNPU_ATTN_NORM,
	BITNPU_ATTN_SUB_NORM,
	BITNPU_FFN_NORM,
	BITNPU_FFN_SUB_NORM,
	BITNPU_NORMS,
};

/** enum bitnpu_matrix - the matrices of a block, in the order they are used */
enum bitnpu_matrix {
	BITNPU_ATTN_Q,
	BITNPU_ATTN_K,
	BITNPU_ATTN_V,
	BITNPU_ATTN_OUT,
	BITNPU_FFN_GATE,
	BITNPU_FFN_UP,
	BITNPU_FFN_DOWN,
	BITNPU_MATRICES,
};

/**
 * struct bitnpu_layer - one block
 * @norms: weights by &enum bitnpu_norm: n_embd, n_head * head_dim, n_embd and n_ff floats
 * @matrices: by &enum bitnpu_matrix
 */
struct bitnpu_layer {
	const float *norms[BITNPU_NORMS];
	struct bitnpu_weights matrices[BITNPU_MATRICES];
};

/**
 * struct bitnpu_model - an open model
 * @gguf: the file; packed matrices lie in its mapping
 * @tokenizer: of the same vocabulary
 * @info: what bitnpu_model_get_info() returns; its strings are owned
 * @rms_eps: of every norm, > 0
 * @rope_base: theta of the rotary embedding, > 1
 * @layers: @info.n_layer of them
 * @output_norm: n_embd floats
 * @embedding: n_vocab x n_embd
 * @head: likewise; the same tiles as @embedding when they are tied
 * @norm_values: what the norms point into
 * @owned: matrices that were packed in memory
 * @owned_count: how many
 * @lock: protects @placements
 * @placements: where sessions have its matrices (placement.h)
 */
struct bitnpu_model {
	struct bitnpu_gguf *gguf;
	struct bitnpu_tokenizer *tokenizer;
	struct bitnpu_model_info info;
	float rms_eps;
	double rope_base;
	struct bitnpu_layer *layers;
	const float *output_norm;
	struct bitnpu_weights embedding, head;
	float *norm_values;
	struct bitnpu_packed_tensor *owned;
	size_t owned_count;
	pthread_mutex_t lock;
	struct bitnpu_placement *placements;
};

/** bitnpu_matrix_name() - Return: the matrix's name in traces: "attn_q", ..., "ffn_down" */
const char *bitnpu_matrix_name(enum bitnpu_matrix matrix);

/** bitnpu_model_read_params() - fill info (n_vocab is 0 if no key says), rms_eps and rope_base */
int bitnpu_model_read_params(struct bitnpu_model *model, struct bitnpu_error *err);
/** bitnpu_model_read_tensors() - fill layers, norms and matrices; every shape is checked */
int bitnpu_model_read_tensors(struct bitnpu_model *model, struct bitnpu_error *err);
/** bitnpu_model_free_tensors() - the reverse, also after an error */
void bitnpu_model_free_tensors(struct bitnpu_model *model);

#endif /* BITNPU_MODEL_H */
