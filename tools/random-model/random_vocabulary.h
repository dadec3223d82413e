/* SPDX-License-Identifier: MIT */
/* A synthetic byte-pair vocabulary: any text can be encoded, any token printed. */
#ifndef RANDOM_VOCABULARY_H
#define RANDOM_VOCABULARY_H

#include "libbitnpu/gguf_write.h"

/* Bytes and control tokens; the smallest vocabulary. */
#define RANDOM_VOCABULARY_MIN	(256 + 3)

/** random_vocabulary_write() - the tokenizer's metadata for @n_vocab tokens; -ENOMEM */
int random_vocabulary_write(struct bitnpu_gguf_writer *w, uint32_t n_vocab,
			    struct bitnpu_error *err);

#endif /* RANDOM_VOCABULARY_H */
