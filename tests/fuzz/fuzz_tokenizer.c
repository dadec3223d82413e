// SPDX-License-Identifier: MIT
/*
 * A small vocabulary and a text, both from the input: whatever loads must give the text back.
 *
 * Input: pre-tokenizer, number of tokens, each as type, length and bytes, number of merges, each as
 * two tokens, flags, text.  A number is one byte; what is missing at the end counts as 0.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/test_vocabulary.h"

struct input {
	const uint8_t *data;
	size_t left;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int take(struct input *input)
{
	if (!input->left)
		return 0;
	input->left--;
	return *input->data++;
}

static void add_tokens(struct test_vocabulary *vocabulary, struct input *input)
{
	unsigned int count = take(input) % 64;

	while (count--) {
		int32_t type = take(input) % 8;
		unsigned int length = take(input) % 16, i;
		char text[16] = "";

		for (i = 0; i < length; i++)
			text[i] = take(input);
		test_vocabulary_token(vocabulary, text, type);
	}
}

/* A merge whose result is already a token is a rule only, or loading would always fail. */
static void add_merge(struct test_vocabulary *vocabulary, uint32_t left, uint32_t right)
{
	const char *parts[] = { vocabulary->tokens[left % vocabulary->n_tokens].data,
				vocabulary->tokens[right % vocabulary->n_tokens].data };
	size_t lengths[] = { strlen(parts[0]), strlen(parts[1]) };
	char rule[256];
	uint32_t i;

	if (lengths[0] + lengths[1] > 64)
		return;
	memcpy(rule, parts[0], lengths[0]);
	memcpy(rule + lengths[0], parts[1], lengths[1] + 1);
	for (i = 0; i < vocabulary->n_tokens; i++) {
		if (strcmp(vocabulary->tokens[i].data, rule))
			continue;
		rule[lengths[0]] = ' ';
		memcpy(rule + lengths[0] + 1, parts[1], lengths[1] + 1);
		test_vocabulary_rule(vocabulary, rule);
		return;
	}
	test_vocabulary_merge(vocabulary, parts[0], parts[1]);
}

static void check(int condition)
{
	if (!condition)
		abort();
}

static void round_trip(const struct test_vocabulary *vocabulary,
		       const struct bitnpu_tokenizer *tokenizer, uint32_t flags, const char *text,
		       size_t bytes)
{
	size_t count = 0, again = 0, done = 0, i;
	uint32_t *tokens;
	int ret = bitnpu_tokenizer_encode(tokenizer, text, bytes, flags, NULL, 0, &count, NULL);

	check(ret == (count ? -ENOSPC : 0) && count <= bytes);
	tokens = malloc(4 * count + 1);
	check(tokens != NULL);
	check(!bitnpu_tokenizer_encode(tokenizer, text, bytes, flags, tokens, count, &again, NULL));
	check(again == count);
	for (i = 0; i < count; i++) {
		size_t length = 0;
		const char *part = bitnpu_tokenizer_bytes(tokenizer, tokens[i], &length);

		check(part && !part[length]);
		if (!length) {
			check(flags & BITNPU_TOKENIZE_SPECIAL);
			part = vocabulary->tokens[tokens[i]].data;
			length = vocabulary->tokens[tokens[i]].length;
		}
		check(length && length <= bytes - done && !memcmp(part, text + done, length));
		done += length;
	}
	check(done == bytes);
	free(tokens);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "gpt-2", "llama-bpe", "default", NULL, "other" };
	struct input input = { data, size };
	struct test_vocabulary vocabulary;
	struct bitnpu_tokenizer *tokenizer;
	struct bitnpu_error err = { 0 };
	struct gguf_builder *builder;
	const char *pre = names[take(&input) % 5];
	unsigned int merges;
	uint32_t flags;
	int ret;

	test_vocabulary_init(&vocabulary);
	add_tokens(&vocabulary, &input);
	for (merges = take(&input); merges; merges--) {
		uint32_t left = take(&input), right = take(&input);

		/* The latest tokens are in reach from the top. */
		add_merge(&vocabulary, left < 128 ? left : vocabulary.n_tokens - 256 + left,
			  right < 128 ? right : vocabulary.n_tokens - 256 + right);
	}
	builder = test_vocabulary_build(&vocabulary, pre);
	ret = test_vocabulary_load(builder, &tokenizer, &err);
	if (ret) {
		check((ret == -EINVAL || ret == -ENOTSUP) && err.code == ret && err.message[0]);
	} else {
		flags = take(&input) & BITNPU_TOKENIZE_SPECIAL;
		round_trip(&vocabulary, tokenizer, flags, (const char *)input.data, input.left);
		bitnpu_tokenizer_destroy(tokenizer);
	}
	gguf_builder_free(builder);
	test_vocabulary_free(&vocabulary);
	return 0;
}
