/* SPDX-License-Identifier: MIT */
/* Cuts text into the words that byte-pair merges do not cross.  Immutable after creation. */
#ifndef BITNPU_PRETOKENIZER_H
#define BITNPU_PRETOKENIZER_H

#include "error.h"

struct bitnpu_pretokenizer;

enum bitnpu_pretokenizer_kind {
	BITNPU_PRETOKENIZER_DEFAULT,	/* what llama.cpp does when a file names none */
	BITNPU_PRETOKENIZER_GPT2,
	BITNPU_PRETOKENIZER_LLAMA3,
};

/**
 * typedef bitnpu_word_fn - takes one word
 * @user: the caller's pointer
 * @word: never empty
 * @bytes: its length
 *
 * Return: 0 to go on; anything else ends the split, which then returns it.
 */
typedef int bitnpu_word_fn(void *user, const char *word, size_t bytes);

int bitnpu_pretokenizer_create(enum bitnpu_pretokenizer_kind kind,
			       struct bitnpu_pretokenizer **pretokenizer, struct bitnpu_error *err);
void bitnpu_pretokenizer_destroy(struct bitnpu_pretokenizer *pretokenizer);

/**
 * bitnpu_pretokenizer_split() - cut @text into words, which together are all of it, in order
 * @pretokenizer: how
 * @text: well-formed UTF-8; this is not checked again
 * @bytes: its length
 * @word: called for each word
 * @user: handed to @word
 * @err: optional
 */
int bitnpu_pretokenizer_split(const struct bitnpu_pretokenizer *pretokenizer, const char *text,
			      size_t bytes, bitnpu_word_fn *word, void *user,
			      struct bitnpu_error *err);

#endif /* BITNPU_PRETOKENIZER_H */
