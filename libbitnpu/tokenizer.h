/* SPDX-License-Identifier: MIT */
/*
 * Byte-level byte-pair tokenizer from GGUF metadata (tokenizer.ggml.*), with the gpt2 and llama-3
 * pre-tokenizers.  Immutable after creation.
 *
 * Sources: Sennrich et al., arXiv:1508.07909; GPT-2's byte-to-unicode table (Radford et al. 2019).
 */
#ifndef BITNPU_TOKENIZER_H
#define BITNPU_TOKENIZER_H

#include "gguf.h"

struct bitnpu_tokenizer;

/** bitnpu_tokenizer_create() - from metadata; @gguf may be closed afterwards */
int bitnpu_tokenizer_create(const struct bitnpu_gguf *gguf, struct bitnpu_tokenizer **tokenizer,
			    struct bitnpu_error *err);
void bitnpu_tokenizer_destroy(struct bitnpu_tokenizer *tokenizer);
uint32_t bitnpu_tokenizer_size(const struct bitnpu_tokenizer *tokenizer);

/* The functions of bitnpu.h, on the tokenizer itself. */
int bitnpu_tokenizer_encode(const struct bitnpu_tokenizer *tokenizer, const char *text,
			    size_t bytes, uint32_t flags, uint32_t *tokens, size_t capacity,
			    size_t *count, struct bitnpu_error *err);
const char *bitnpu_tokenizer_bytes(const struct bitnpu_tokenizer *tokenizer, uint32_t token,
				   size_t *bytes);
bool bitnpu_tokenizer_is_end(const struct bitnpu_tokenizer *tokenizer, uint32_t token);
int bitnpu_tokenizer_chat(const struct bitnpu_tokenizer *tokenizer, const char *role,
			  const char *text, char *out, size_t capacity, size_t *bytes,
			  struct bitnpu_error *err);

#endif /* BITNPU_TOKENIZER_H */
