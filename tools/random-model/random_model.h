/* SPDX-License-Identifier: MIT */
/*
 * Writes BitNet b1.58 models of any shape with random weights, for benchmarks and tests.  Memory does
 * not grow with the model: tensors are written a few rows at a time.
 */
#ifndef RANDOM_MODEL_H
#define RANDOM_MODEL_H

#include "libbitnpu/gguf.h"

/**
 * struct random_model - what to write
 * @n_vocab: tokens: 256 bytes, 3 control tokens, the rest pseudo-words
 * @n_embd: width of the residual stream
 * @n_layer: blocks
 * @n_ff: width of the FFN
 * @n_head: query heads
 * @n_head_kv: key/value heads
 * @n_ctx: context length
 * @type: of the matrices: TQ1_0, TQ2_0, I2_S, Q1_0 or F16 (&enum bitnpu_ggml_type)
 * @embedding: type of the embedding: F32, F16, Q8_0 or Q6_K
 * @separate_head: an output head of its own, of the embedding's type
 * @vary_scales: another scale for every block, so that the exact sums are 64-bit
 * @seed: the same seed gives the same file
 */
struct random_model {
	uint32_t n_vocab, n_embd, n_layer, n_ff, n_head, n_head_kv, n_ctx;
	uint32_t type, embedding;
	bool separate_head, vary_scales;
	uint64_t seed;
};

/** random_model_preset() - fill @model with "tiny", "40m" or "2b4t"; Return: false for another */
bool random_model_preset(const char *name, struct random_model *model);

/**
 * random_model_write() - write a model
 * @model: what
 * @path: where; the file appears whole or not at all
 * @progress: optional; in bytes
 * @user: handed to @progress
 * @err: optional
 *
 * Return: 0, -EINVAL for a shape that the types cannot hold, -ECANCELED, or a write error.
 */
int random_model_write(const struct random_model *model, const char *path,
		       bitnpu_progress_fn *progress, void *user, struct bitnpu_error *err);

#endif /* RANDOM_MODEL_H */
