/* SPDX-License-Identifier: MIT */
/* A small GPT-2-like vocabulary for tests: the 256 bytes, then what a test adds. */
#ifndef TEST_VOCABULARY_H
#define TEST_VOCABULARY_H

#include "gguf_builder.h"
#include "libbitnpu/tokenizer.h"

/* tokenizer.ggml.token_type */
#define TEST_TOKEN_NORMAL 1
#define TEST_TOKEN_UNKNOWN 2
#define TEST_TOKEN_CONTROL 3
#define TEST_TOKEN_USER 4

struct test_vocabulary {
	struct gguf_builder_text *tokens, *merges;
	int32_t *types;
	uint32_t n_tokens, n_merges;
};

/** test_vocabulary_init() - the 256 bytes in the order of GPT-2's bytes_to_unicode() */
void test_vocabulary_init(struct test_vocabulary *vocabulary);
void test_vocabulary_free(struct test_vocabulary *vocabulary);
/** test_vocabulary_token() - Return: id of a token stored as @text */
uint32_t test_vocabulary_token(struct test_vocabulary *vocabulary, const char *text, int32_t type);
/** test_vocabulary_merge() - add a merge of two tokens in the byte alphabet and its result */
uint32_t test_vocabulary_merge(struct test_vocabulary *vocabulary, const char *left,
			       const char *right);
/** test_vocabulary_rule() - add a merge alone, as it is written in the file */
void test_vocabulary_rule(struct test_vocabulary *vocabulary, const char *rule);
/** test_vocabulary_build() - metadata with @pre (NULL for none) and nothing more */
struct gguf_builder *test_vocabulary_build(const struct test_vocabulary *vocabulary,
					   const char *pre);
/** test_vocabulary_load() - a tokenizer from what @builder holds */
int test_vocabulary_load(const struct gguf_builder *builder, struct bitnpu_tokenizer **tokenizer,
			 struct bitnpu_error *err);

#endif /* TEST_VOCABULARY_H */
