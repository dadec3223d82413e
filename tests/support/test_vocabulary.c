// SPDX-License-Identifier: MIT
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test_vocabulary.h"

#define MAX_ENTRIES 4096

static void *checked(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static struct gguf_builder_text copy(const char *text)
{
	return (struct gguf_builder_text){ checked(strdup(text)), strlen(text) };
}

uint32_t test_vocabulary_token(struct test_vocabulary *vocabulary, const char *text, int32_t type)
{
	if (vocabulary->n_tokens == MAX_ENTRIES)
		abort();
	vocabulary->tokens[vocabulary->n_tokens] = copy(text);
	vocabulary->types[vocabulary->n_tokens] = type;
	return vocabulary->n_tokens++;
}

void test_vocabulary_rule(struct test_vocabulary *vocabulary, const char *rule)
{
	if (vocabulary->n_merges == MAX_ENTRIES)
		abort();
	vocabulary->merges[vocabulary->n_merges++] = copy(rule);
}

uint32_t test_vocabulary_merge(struct test_vocabulary *vocabulary, const char *left,
			       const char *right)
{
	size_t bytes = strlen(left) + strlen(right) + 2;
	char *text = checked(malloc(bytes));
	uint32_t token;

	snprintf(text, bytes, "%s %s", left, right);
	test_vocabulary_rule(vocabulary, text);
	snprintf(text, bytes, "%s%s", left, right);
	token = test_vocabulary_token(vocabulary, text, TEST_TOKEN_NORMAL);
	free(text);
	return token;
}

static bool is_printable(unsigned int byte)
{
	return (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

static void add_code(struct test_vocabulary *vocabulary, unsigned int code)
{
	char text[3] = { code };

	if (code >= 0x80) {
		text[0] = 0xc0 | code >> 6;
		text[1] = 0x80 | (code & 0x3f);
	}
	test_vocabulary_token(vocabulary, text, TEST_TOKEN_NORMAL);
}

void test_vocabulary_init(struct test_vocabulary *vocabulary)
{
	unsigned int byte, next = 0x100;

	*vocabulary = (struct test_vocabulary){
		.tokens = checked(calloc(MAX_ENTRIES, sizeof(*vocabulary->tokens))),
		.merges = checked(calloc(MAX_ENTRIES, sizeof(*vocabulary->merges))),
		.types = checked(calloc(MAX_ENTRIES, sizeof(*vocabulary->types))),
	};
	for (byte = 0; byte < 256; byte++) {
		if (is_printable(byte))
			add_code(vocabulary, byte);
	}
	for (byte = 0; byte < 256; byte++) {
		if (!is_printable(byte))
			add_code(vocabulary, next++);
	}
}

void test_vocabulary_free(struct test_vocabulary *vocabulary)
{
	uint32_t i;

	for (i = 0; i < vocabulary->n_tokens; i++)
		free((char *)vocabulary->tokens[i].data);
	for (i = 0; i < vocabulary->n_merges; i++)
		free((char *)vocabulary->merges[i].data);
	free(vocabulary->tokens);
	free(vocabulary->merges);
	free(vocabulary->types);
}

struct gguf_builder *test_vocabulary_build(const struct test_vocabulary *vocabulary,
					   const char *pre)
{
	struct gguf_builder *builder = gguf_builder_new();

	gguf_builder_string(builder, "tokenizer.ggml.model", "gpt2");
	if (pre)
		gguf_builder_string(builder, "tokenizer.ggml.pre", pre);
	gguf_builder_strings(builder, "tokenizer.ggml.tokens", vocabulary->tokens,
			     vocabulary->n_tokens);
	gguf_builder_array(builder, "tokenizer.ggml.token_type", 5, vocabulary->n_tokens,
			   vocabulary->types, 4 * (size_t)vocabulary->n_tokens);
	gguf_builder_strings(builder, "tokenizer.ggml.merges", vocabulary->merges,
			     vocabulary->n_merges);
	return builder;
}

int test_vocabulary_load(const struct gguf_builder *builder, struct bitnpu_tokenizer **tokenizer,
			 struct bitnpu_error *err)
{
	struct bitnpu_gguf *gguf;
	size_t bytes;
	void *image = gguf_builder_finish(builder, &bytes);
	int ret = bitnpu_gguf_open_memory(image, bytes, "test.gguf", &gguf, err);

	if (!ret) {
		ret = bitnpu_tokenizer_create(gguf, tokenizer, err);
		bitnpu_gguf_close(gguf);
	}
	free(image);
	return ret;
}
