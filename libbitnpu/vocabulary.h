/* SPDX-License-Identifier: MIT */
/* The tokens of a byte-level vocabulary and the bytes they stand for.  Immutable once loaded. */
#ifndef BITNPU_VOCABULARY_H
#define BITNPU_VOCABULARY_H

#include "gguf.h"

#define BITNPU_NO_TOKEN UINT32_MAX
/* More is refused: a control token longer than this would make matching them slow. */
#define BITNPU_SPECIAL_MAX 256
#define BITNPU_VOCABULARY_MAX (UINT32_C(1) << 24)

enum bitnpu_token_kind {
	BITNPU_TOKEN_PLAIN,	/* stored in the byte alphabet; what merges make */
	BITNPU_TOKEN_CONTROL,	/* stored as it is spelled; stands for no bytes of a text */
	BITNPU_TOKEN_USER,	/* stored as it is spelled; matched in text before anything else */
};

/**
 * struct bitnpu_vocabulary - all zero is empty
 * @size: number of tokens
 * @arena: bytes of all tokens, each followed by a NUL
 * @start: offset of each token in @arena, and the end of the last
 * @kind: &enum bitnpu_token_kind of each token
 * @is_end: whether a token ends a text or a turn
 * @byte_token: the plain token of each byte
 * @slots: hash table from bytes to plain tokens, open addressing, at most half in use
 * @mask: number of slots less one
 * @seed: keys the hash, so that a file cannot choose collisions
 * @special: control and user-defined tokens, in the order of their bytes
 * @special_start: range in @special of those that start with a byte
 */
struct bitnpu_vocabulary {
	uint32_t size;
	char *arena;
	size_t *start;
	unsigned char *kind;
	bool *is_end;
	uint32_t byte_token[256];
	uint32_t *slots;
	uint32_t mask;
	uint64_t seed;
	uint32_t *special;
	uint32_t special_start[257];
};

/** bitnpu_vocabulary_load() - read tokenizer.ggml.tokens and token_type; @seed keys the hash */
int bitnpu_vocabulary_load(struct bitnpu_vocabulary *vocabulary, const struct bitnpu_gguf *gguf,
			   uint64_t seed, struct bitnpu_error *err);
void bitnpu_vocabulary_free(struct bitnpu_vocabulary *vocabulary);

/** bitnpu_vocabulary_spelling() - Return: a token's bytes, of a control token how it is spelled */
static inline const char *bitnpu_vocabulary_spelling(const struct bitnpu_vocabulary *vocabulary,
						     uint32_t token, size_t *bytes)
{
	*bytes = vocabulary->start[token + 1] - vocabulary->start[token] - 1;
	return vocabulary->arena + vocabulary->start[token];
}

/** bitnpu_vocabulary_find() - Return: the plain token of these bytes, or BITNPU_NO_TOKEN */
uint32_t bitnpu_vocabulary_find(const struct bitnpu_vocabulary *vocabulary, const char *bytes,
				size_t length);

/**
 * bitnpu_vocabulary_match() - the longest user-defined or control token that @text starts with
 * @vocabulary: the tokens
 * @text: at least one byte
 * @bytes: its length
 * @control: match control tokens too
 *
 * Return: the token, or BITNPU_NO_TOKEN.
 */
uint32_t bitnpu_vocabulary_match(const struct bitnpu_vocabulary *vocabulary, const char *text,
				 size_t bytes, bool control);

/**
 * bitnpu_alphabet_decode() - from the byte alphabet to bytes
 * @text: in the alphabet
 * @length: of @text
 * @out: room for @length bytes, may be @text
 *
 * Return: bytes written, or -1 when @text is not in the alphabet.
 */
ptrdiff_t bitnpu_alphabet_decode(const char *text, size_t length, char *out);

#endif /* BITNPU_VOCABULARY_H */
