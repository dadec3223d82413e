// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libbitnpu/pretokenizer.h"
#include "libbitnpu/tokenizer.h"
#include "libbitnpu/vocabulary.h"
#include "tests/support/random.h"
#include "tests/support/test_vocabulary.h"

#define SPACE "\xc4\xa0"	/* U+0120, the alphabet's space */

static const char *const pre_names[] = { "gpt-2", "llama-bpe", "default" };

static struct bitnpu_tokenizer *load(const struct gguf_builder *builder)
{
	struct bitnpu_tokenizer *tokenizer = NULL;
	struct bitnpu_error err = { 0 };

	if (test_vocabulary_load(builder, &tokenizer, &err))
		fail_msg("%s", err.message);
	return tokenizer;
}

static struct bitnpu_tokenizer *make(const struct test_vocabulary *vocabulary, const char *pre)
{
	struct gguf_builder *builder = test_vocabulary_build(vocabulary, pre);
	struct bitnpu_tokenizer *tokenizer = load(builder);

	gguf_builder_free(builder);
	return tokenizer;
}

static size_t encode(const struct bitnpu_tokenizer *tokenizer, const char *text, size_t bytes,
		     uint32_t flags, uint32_t **tokens)
{
	struct bitnpu_error err = { 0 };
	size_t count;

	*tokens = calloc(bytes + 1, sizeof(**tokens));
	assert_non_null(*tokens);
	if (bitnpu_tokenizer_encode(tokenizer, text, bytes, flags, *tokens, bytes + 1, &count,
				    &err))
		fail_msg("%s", err.message);
	return count;
}

/* Compare the tokens of @text with a list that ends with -1. */
static void expect_tokens(const struct bitnpu_tokenizer *tokenizer, const char *text,
			  uint32_t flags, const int *expected)
{
	uint32_t *tokens;
	size_t count = encode(tokenizer, text, strlen(text), flags, &tokens);
	size_t i;

	for (i = 0; i < count; i++)
		assert_int_equal((int)tokens[i], expected[i]);
	assert_int_equal(expected[count], -1);
	free(tokens);
}

#define EXPECT(tokenizer, text, flags, ...)                                                        \
	expect_tokens(tokenizer, text, flags, (const int[]){ __VA_ARGS__, -1 })

static void expect_round_trip(const struct bitnpu_tokenizer *tokenizer, const char *text,
			      size_t bytes)
{
	uint32_t *tokens;
	size_t count = encode(tokenizer, text, bytes, 0, &tokens);
	size_t done = 0, i;

	assert_true(count <= bytes);
	for (i = 0; i < count; i++) {
		size_t length;
		const char *part = bitnpu_tokenizer_bytes(tokenizer, tokens[i], &length);

		assert_non_null(part);
		assert_int_equal(part[length], '\0');
		assert_true(length <= bytes - done);
		assert_memory_equal(part, text + done, length);
		done += length;
	}
	assert_int_equal(done, bytes);
	free(tokens);
}

static void test_byte_alphabet(void **state)
{
	struct test_vocabulary vocabulary;
	struct bitnpu_tokenizer *tokenizer;
	int seen[256] = { 0 };
	uint32_t token;

	test_vocabulary_init(&vocabulary);
	tokenizer = make(&vocabulary, "gpt-2");
	assert_int_equal(bitnpu_tokenizer_size(tokenizer), 256);
	for (token = 0; token < 256; token++) {
		size_t length = 0;
		const char *bytes = bitnpu_tokenizer_bytes(tokenizer, token, &length);

		assert_int_equal(length, 1);
		seen[(unsigned char)bytes[0]]++;
	}
	for (token = 0; token < 256; token++)
		assert_int_equal(seen[token], 1);
	/* Ids that GPT-2's published vocabulary gives to single bytes. */
	EXPECT(tokenizer, "!", 0, 0);
	EXPECT(tokenizer, "A", 0, 32);
	EXPECT(tokenizer, "~", 0, 93);
	EXPECT(tokenizer, "\n", 0, 198);
	EXPECT(tokenizer, " ", 0, 220);
	EXPECT(tokenizer, "\x7f", 0, 221);
	EXPECT(tokenizer, "\xad", 0, 255);
	EXPECT(tokenizer, "\xff", 0, 187);
	assert_null(bitnpu_tokenizer_bytes(tokenizer, 256, &(size_t){ 0 }));
	assert_null(bitnpu_tokenizer_bytes(tokenizer, UINT32_MAX, &(size_t){ 0 }));
	assert_false(bitnpu_tokenizer_is_end(tokenizer, UINT32_MAX));
	bitnpu_tokenizer_destroy(tokenizer);
	test_vocabulary_free(&vocabulary);
}

static void test_known_merges(void **state)
{
	struct test_vocabulary vocabulary;
	struct bitnpu_tokenizer *tokenizer;
	int he, ll, hell, hello, w, or, wor, aa, aaaa;

	test_vocabulary_init(&vocabulary);
	he = test_vocabulary_merge(&vocabulary, "h", "e");
	ll = test_vocabulary_merge(&vocabulary, "l", "l");
	w = test_vocabulary_merge(&vocabulary, SPACE, "w");
	hell = test_vocabulary_merge(&vocabulary, "he", "ll");
	hello = test_vocabulary_merge(&vocabulary, "hell", "o");
	or = test_vocabulary_merge(&vocabulary, "o", "r");
	wor = test_vocabulary_merge(&vocabulary, SPACE "w", "or");
	aa = test_vocabulary_merge(&vocabulary, "a", "a");
	aaaa = test_vocabulary_merge(&vocabulary, "aa", "aa");
	/* A pair named twice keeps its first rank. */
	test_vocabulary_rule(&vocabulary, "h e");
	tokenizer = make(&vocabulary, "gpt-2");

	EXPECT(tokenizer, "hello world", 0, hello, wor, 'l' - '!', 'd' - '!');
	EXPECT(tokenizer, "hell", 0, hell);
	EXPECT(tokenizer, "hel", 0, he, 'l' - '!');
	EXPECT(tokenizer, "helll", 0, hell, 'l' - '!');
	EXPECT(tokenizer, "lll", 0, ll, 'l' - '!');
	EXPECT(tokenizer, "hellor", 0, hello, 'r' - '!');
	EXPECT(tokenizer, "hor", 0, 'h' - '!', or);
	EXPECT(tokenizer, "hello  w", 0, hello, 220, w);
	EXPECT(tokenizer, "aaa", 0, aa, 'a' - '!');
	EXPECT(tokenizer, "aaaaaaa", 0, aaaa, aa, 'a' - '!');
	bitnpu_tokenizer_destroy(tokenizer);
	test_vocabulary_free(&vocabulary);
}

struct words {
	size_t lengths[256];
	size_t count;
};

static int collect(void *user, const char *text, size_t bytes)
{
	struct words *words = user;

	assert_true(words->count < 256);
	words->lengths[words->count++] = bytes;
	return 0;
}

static size_t from_hex(const char *hex, char *out)
{
	size_t count = 0;
	unsigned int byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		out[count++] = byte;
	return count;
}

static void test_splits(void **state)
{
	struct bitnpu_pretokenizer *pretokenizers[3];
	char line[4096], text[2048];
	size_t cases = 0, i;
	FILE *file = fopen("tests/data/tokenizer/splits.txt", "r");

	assert_non_null(file);
	for (i = 0; i < 3; i++) {
		static const int kinds[] = { BITNPU_PRETOKENIZER_GPT2, BITNPU_PRETOKENIZER_LLAMA3,
					     BITNPU_PRETOKENIZER_DEFAULT };

		assert_int_equal(bitnpu_pretokenizer_create(kinds[i], &pretokenizers[i], NULL), 0);
	}
	while (fgets(line, sizeof(line), file)) {
		struct words words = { .count = 0 };
		char *save, *name, *hex, *number;
		size_t bytes;

		if (line[0] == '#')
			continue;
		name = strtok_r(line, " \n", &save);
		hex = strtok_r(NULL, " \n", &save);
		bytes = from_hex(hex, text);
		for (i = 0; strcmp(name, pre_names[i]); i++)
			;
		assert_int_equal(bitnpu_pretokenizer_split(pretokenizers[i], text, bytes, collect,
							   &words, NULL), 0);
		for (i = 0; (number = strtok_r(NULL, " \n", &save)); i++) {
			if (i >= words.count || words.lengths[i] != strtoul(number, NULL, 10))
				fail_msg("%s %s: word %zu", name, hex, i);
		}
		assert_int_equal(i, words.count);
		cases++;
	}
	fclose(file);
	assert_true(cases > 400);
	for (i = 0; i < 3; i++)
		bitnpu_pretokenizer_destroy(pretokenizers[i]);
}

/* The textbook algorithm on strings: look for the best pair again after each merge. */
struct naive_part {
	size_t start, length;
};

static int naive_rank(const struct test_vocabulary *vocabulary, const char *text,
		      struct naive_part left, struct naive_part right)
{
	uint32_t i;

	for (i = 0; i < vocabulary->n_merges; i++) {
		const char *rule = vocabulary->merges[i].data;
		size_t gap = strchr(rule, ' ') - rule;

		if (gap == left.length && strlen(rule) - gap - 1 == right.length &&
		    !memcmp(rule, text + left.start, left.length) &&
		    !memcmp(rule + gap + 1, text + right.start, right.length))
			return i;
	}
	return -1;
}

static size_t naive_merge(const struct test_vocabulary *vocabulary, const char *text,
			  struct naive_part *parts)
{
	size_t count = strlen(text);
	size_t i;

	for (i = 0; i < count; i++)
		parts[i] = (struct naive_part){ i, 1 };
	for (;;) {
		int best_rank = -1;
		size_t best = 0;

		for (i = 0; i + 1 < count; i++) {
			int rank = naive_rank(vocabulary, text, parts[i], parts[i + 1]);

			if (rank >= 0 && (best_rank < 0 || rank < best_rank)) {
				best_rank = rank;
				best = i;
			}
		}
		if (best_rank < 0)
			return count;
		parts[best].length += parts[best + 1].length;
		memmove(&parts[best + 1], &parts[best + 2],
			(count - best - 2) * sizeof(parts[0]));
		count--;
	}
}

/* Random merges of tokens made of a to d, each result only once. */
static void add_random_merges(struct test_vocabulary *vocabulary, struct test_random *random,
			      unsigned int tries)
{
	uint32_t first = vocabulary->n_tokens;

	while (tries--) {
		const char *part[2];
		char result[256];
		uint32_t i;

		for (i = 0; i < 2; i++) {
			uint32_t at = test_random_below(random, 4 + vocabulary->n_tokens - first);

			part[i] = vocabulary->tokens[at < 4 ? 'a' - '!' + at : first + at - 4].data;
		}
		if (strlen(part[0]) + strlen(part[1]) > 12)
			continue;
		snprintf(result, sizeof(result), "%s%s", part[0], part[1]);
		for (i = 0; i < vocabulary->n_tokens; i++) {
			if (!strcmp(vocabulary->tokens[i].data, result))
				break;
		}
		if (i == vocabulary->n_tokens)
			test_vocabulary_merge(vocabulary, part[0], part[1]);
	}
}

static void test_against_naive(void **state)
{
	struct naive_part parts[256];
	struct test_random random;
	unsigned int round, texts;

	test_random_init(&random, 1);
	for (round = 0; round < 12; round++) {
		struct test_vocabulary vocabulary;
		struct bitnpu_tokenizer *tokenizer;

		test_vocabulary_init(&vocabulary);
		add_random_merges(&vocabulary, &random, 20 + 20 * round);
		tokenizer = make(&vocabulary, "gpt-2");
		for (texts = 0; texts < 60; texts++) {
			char text[256] = "";
			uint32_t length = 1 + test_random_below(&random, texts < 50 ? 24 : 200);
			uint32_t *tokens, i;
			size_t count;

			for (i = 0; i < length; i++)
				text[i] = 'a' + test_random_below(&random, 2 + round % 3);
			count = encode(tokenizer, text, length, 0, &tokens);
			assert_int_equal(count, naive_merge(&vocabulary, text, parts));
			for (i = 0; i < count; i++) {
				size_t bytes;
				const char *part = bitnpu_tokenizer_bytes(tokenizer, tokens[i],
									  &bytes);

				assert_int_equal(bytes, parts[i].length);
				assert_memory_equal(part, text + parts[i].start, bytes);
			}
			free(tokens);
		}
		bitnpu_tokenizer_destroy(tokenizer);
		test_vocabulary_free(&vocabulary);
	}
}

static void test_round_trip(void **state)
{
	static const char *const snippets[] = { "hello", " world", "\xc3\xa9", "\xe4\xbd\xa0", "\n",
						"\xf0\x9f\x98\x80", "\x80", "\xe4\xbd", "'s", "123",
						"\xed\xa0\x80", "\xc0\x80", "  ", "\xf5" };
	struct test_random random;
	struct test_vocabulary vocabulary;
	unsigned int name, round, i;

	test_random_init(&random, 2);
	test_vocabulary_init(&vocabulary);
	add_random_merges(&vocabulary, &random, 100);
	test_vocabulary_merge(&vocabulary, SPACE, "w");
	test_vocabulary_merge(&vocabulary, "\xc3\x83", "\xc2\xa9");
	test_vocabulary_token(&vocabulary, "  ", TEST_TOKEN_USER);
	test_vocabulary_token(&vocabulary, "<|eot_id|>", TEST_TOKEN_CONTROL);
	for (name = 0; name < 3; name++) {
		struct bitnpu_tokenizer *tokenizer = make(&vocabulary, pre_names[name]);

		for (round = 0; round < 300; round++) {
			char text[512];
			size_t bytes = test_random_below(&random, 120);

			test_random_bytes(&random, text, bytes);
			expect_round_trip(tokenizer, text, bytes);
			bytes = 0;
			for (i = test_random_below(&random, 40); i; i--) {
				const char *part = snippets[test_random_below(&random, 14)];

				memcpy(text + bytes, part, strlen(part));
				bytes += strlen(part);
			}
			expect_round_trip(tokenizer, text, bytes);
		}
		bitnpu_tokenizer_destroy(tokenizer);
	}
	test_vocabulary_free(&vocabulary);
}

/* Quadratic work on any of these would take hours. */
static void test_long_runs(void **state)
{
	enum { LENGTH = 1 << 18 };
	static const char *const patterns[] = { "a",
						" ",
						"\n ",
						"\xff",
						"1",
						"\xc3\xa9",
						"! ",
						" \n",
						("\xff"
						 "a") };
	struct test_vocabulary vocabulary;
	char *text = malloc(LENGTH);
	unsigned int name, pattern;
	char run[64] = "a";
	size_t i;

	assert_non_null(text);
	test_vocabulary_init(&vocabulary);
	while (strlen(run) < 32) {
		test_vocabulary_merge(&vocabulary, run, run);
		memset(run, 'a', 2 * strlen(run));
	}
	test_vocabulary_token(&vocabulary, run, TEST_TOKEN_USER);
	for (name = 0; name < 3; name++) {
		struct bitnpu_tokenizer *tokenizer = make(&vocabulary, pre_names[name]);

		for (pattern = 0; pattern < sizeof(patterns) / sizeof(patterns[0]); pattern++) {
			for (i = 0; i < LENGTH; i++)
				text[i] = patterns[pattern][i % strlen(patterns[pattern])];
			expect_round_trip(tokenizer, text, LENGTH);
			text[LENGTH - 1] = 'x';
			expect_round_trip(tokenizer, text, LENGTH);
		}
		bitnpu_tokenizer_destroy(tokenizer);
	}
	test_vocabulary_free(&vocabulary);
	free(text);
}

static void test_special_tokens(void **state)
{
	struct test_vocabulary vocabulary;
	struct bitnpu_tokenizer *tokenizer;
	int eot, eot_long, user, user_long, nested;
	size_t bytes = 7;
	uint32_t *tokens;

	test_vocabulary_init(&vocabulary);
	eot = test_vocabulary_token(&vocabulary, "<|eot|>", TEST_TOKEN_CONTROL);
	eot_long = test_vocabulary_token(&vocabulary, "<|eot|>>", TEST_TOKEN_UNKNOWN);
	user = test_vocabulary_token(&vocabulary, "[x]", TEST_TOKEN_USER);
	user_long = test_vocabulary_token(&vocabulary, "[x][x]", TEST_TOKEN_USER);
	nested = test_vocabulary_token(&vocabulary, "[x][c]", TEST_TOKEN_CONTROL);
	test_vocabulary_token(&vocabulary, "", TEST_TOKEN_CONTROL);
	tokenizer = make(&vocabulary, "gpt-2");

	EXPECT(tokenizer, "a<|eot|>b", BITNPU_TOKENIZE_SPECIAL, 'a' - '!', eot, 'b' - '!');
	EXPECT(tokenizer, "<|eot|>>", BITNPU_TOKENIZE_SPECIAL, eot_long);
	EXPECT(tokenizer, "<|eot|>", BITNPU_TOKENIZE_SPECIAL, eot);
	EXPECT(tokenizer, "<|eot|", BITNPU_TOKENIZE_SPECIAL, '<' - '!', '|' - '!', 'e' - '!',
	       'o' - '!', 't' - '!', '|' - '!');
	EXPECT(tokenizer, "<|eot|><|eot|>", BITNPU_TOKENIZE_SPECIAL, eot, eot);
	EXPECT(tokenizer, "[x][x][x]", 0, user_long, user);
	EXPECT(tokenizer, "[x][c]", BITNPU_TOKENIZE_SPECIAL, nested);
	EXPECT(tokenizer, "[x][c]", 0, user, '[' - '!', 'c' - '!', ']' - '!');
	assert_int_equal(encode(tokenizer, "<|eot|>", 7, 0, &tokens), 7);
	free(tokens);
	assert_string_equal(bitnpu_tokenizer_bytes(tokenizer, eot, &bytes), "");
	assert_int_equal(bytes, 0);
	assert_string_equal(bitnpu_tokenizer_bytes(tokenizer, user, &bytes), "[x]");
	assert_int_equal(bytes, 3);
	bitnpu_tokenizer_destroy(tokenizer);
	test_vocabulary_free(&vocabulary);
}

static void test_whole_words(void **state)
{
	struct test_vocabulary vocabulary;
	struct bitnpu_tokenizer *tokenizer;
	int word, ab;

	test_vocabulary_init(&vocabulary);
	ab = test_vocabulary_merge(&vocabulary, "a", "b");
	word = test_vocabulary_token(&vocabulary, SPACE "abc", TEST_TOKEN_NORMAL);
	tokenizer = make(&vocabulary, "llama-bpe");
	EXPECT(tokenizer, "abc abc", 0, ab, 'c' - '!', word);
	bitnpu_tokenizer_destroy(tokenizer);
	tokenizer = make(&vocabulary, "gpt-2");
	EXPECT(tokenizer, " abc", 0, 220, ab, 'c' - '!');
	bitnpu_tokenizer_destroy(tokenizer);
	test_vocabulary_free(&vocabulary);
}

static void test_names_of_pretokenizers(void **state)
{
	/* A space joins a digit in gpt-2 only, punctuation in gpt-2 and llama-3. */
	static const struct {
		const char *pre;
		int first;	/* 0 gpt-2, 1 llama-3, 2 default */
	} cases[] = {
		{ NULL, 2 }, { "", 2 }, { "default", 2 }, { "gpt-2", 0 }, { "gpt2", 0 },
		{ "llama-bpe", 1 }, { "llama3", 1 }, { "llama-v3", 1 },
	};
	struct test_vocabulary vocabulary;
	uint32_t space_one, space_dot;
	size_t i;

	test_vocabulary_init(&vocabulary);
	space_one = test_vocabulary_merge(&vocabulary, SPACE, "1");
	space_dot = test_vocabulary_merge(&vocabulary, SPACE, ".");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bitnpu_tokenizer *tokenizer = make(&vocabulary, cases[i].pre);
		uint32_t *tokens;

		encode(tokenizer, " 1 .", 4, 0, &tokens);
		if (cases[i].first == 0)
			assert_int_equal(tokens[0], space_one);
		else
			assert_int_equal(tokens[0], 220);
		assert_int_equal(tokens[cases[i].first ? 2 : 1],
				 cases[i].first == 2 ? 220 : space_dot);
		free(tokens);
		bitnpu_tokenizer_destroy(tokenizer);
	}
	test_vocabulary_free(&vocabulary);
}

static void test_bos(void **state)
{
	/* add_bos: -1 for no key */
	static const struct {
		const char *pre;
		int add_bos, has_bos, expected;
	} cases[] = {
		{ "gpt-2", -1, 1, 0 }, { "gpt-2", 1, 1, 1 },	 { "gpt-2", 0, 1, 0 },
		{ "llama3", -1, 1, 1 }, { "llama3", 0, 1, 0 },	 { "llama3", -1, 0, 0 },
		{ NULL, -1, 1, 0 },	{ NULL, 1, 1, 1 },
	};
	struct test_vocabulary vocabulary;
	uint32_t bos, *tokens;
	size_t i;

	test_vocabulary_init(&vocabulary);
	bos = test_vocabulary_token(&vocabulary, "<s>", TEST_TOKEN_CONTROL);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gguf_builder *builder = test_vocabulary_build(&vocabulary, cases[i].pre);
		struct bitnpu_tokenizer *tokenizer;

		if (cases[i].has_bos)
			gguf_builder_u32(builder, "tokenizer.ggml.bos_token_id", bos);
		if (cases[i].add_bos >= 0)
			gguf_builder_bool(builder, "tokenizer.ggml.add_bos_token",
					  cases[i].add_bos);
		tokenizer = load(builder);
		assert_int_equal(encode(tokenizer, "a", 1, BITNPU_TOKENIZE_BOS, &tokens),
				 1 + cases[i].expected);
		assert_int_equal(tokens[0], cases[i].expected ? bos : 'a' - '!');
		free(tokens);
		assert_int_equal(encode(tokenizer, "a", 1, 0, &tokens), 1);
		free(tokens);
		assert_int_equal(encode(tokenizer, NULL, 0, BITNPU_TOKENIZE_BOS, &tokens),
				 cases[i].expected);
		free(tokens);
		bitnpu_tokenizer_destroy(tokenizer);
		gguf_builder_free(builder);
	}
	test_vocabulary_free(&vocabulary);
}

static void test_ends(void **state)
{
	struct test_vocabulary vocabulary;
	struct gguf_builder *builder;
	struct bitnpu_tokenizer *tokenizer;
	uint32_t eos, eot, eom, named, other, token;
	size_t bytes;

	test_vocabulary_init(&vocabulary);
	eos = test_vocabulary_token(&vocabulary, "</s>", TEST_TOKEN_CONTROL);
	eot = test_vocabulary_token(&vocabulary, "<t>", TEST_TOKEN_CONTROL);
	eom = test_vocabulary_token(&vocabulary, "<m>", TEST_TOKEN_CONTROL);
	named = test_vocabulary_token(&vocabulary, "<|eot_id|>", TEST_TOKEN_NORMAL);
	other = test_vocabulary_token(&vocabulary, "<|eot_id", TEST_TOKEN_CONTROL);
	builder = test_vocabulary_build(&vocabulary, "gpt-2");
	gguf_builder_u32(builder, "tokenizer.ggml.eos_token_id", eos);
	gguf_builder_u32(builder, "tokenizer.ggml.eot_token_id", eot);
	gguf_builder_u32(builder, "tokenizer.ggml.eom_token_id", eom);
	tokenizer = load(builder);
	for (token = 0; token < vocabulary.n_tokens; token++)
		assert_int_equal(bitnpu_tokenizer_is_end(tokenizer, token),
				 token == eos || token == eot || token == eom || token == named);
	assert_false(bitnpu_tokenizer_is_end(tokenizer, other));
	/* What its name gives away is a control token, whatever the file says. */
	assert_string_equal(bitnpu_tokenizer_bytes(tokenizer, named, &bytes), "");
	EXPECT(tokenizer, "<|eot_id|>", BITNPU_TOKENIZE_SPECIAL, (int)named);
	bitnpu_tokenizer_destroy(tokenizer);
	gguf_builder_free(builder);
	test_vocabulary_free(&vocabulary);
}

static void test_capacity(void **state)
{
	struct test_vocabulary vocabulary;
	struct bitnpu_tokenizer *tokenizer;
	struct bitnpu_error err;
	uint32_t tokens[4] = { 7, 7, 7, 7 };
	size_t count = 99;

	test_vocabulary_init(&vocabulary);
	tokenizer = make(&vocabulary, "gpt-2");
	assert_int_equal(bitnpu_tokenizer_encode(tokenizer, "abc", 3, 0, NULL, 0, &count, &err),
			 -ENOSPC);
	assert_int_equal(count, 3);
	assert_int_equal(bitnpu_tokenizer_encode(tokenizer, "abc", 3, 0, tokens, 2, &count, &err),
			 -ENOSPC);
	assert_int_equal(count, 3);
	assert_int_equal(tokens[2], 7);
	assert_int_equal(bitnpu_tokenizer_encode(tokenizer, "abc", 3, 0, tokens, 3, &count, NULL),
			 0);
	assert_int_equal(tokens[3], 7);
	assert_int_equal(bitnpu_tokenizer_encode(tokenizer, NULL, 0, 0, NULL, 0, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_int_equal(bitnpu_tokenizer_encode(tokenizer, "a", 1, 4, tokens, 4, &count, &err),
			 -EINVAL);
	assert_non_null(strstr(err.message, "0x4"));
	assert_int_equal(bitnpu_tokenizer_encode(tokenizer, "a", (size_t)1 << 32, 0, tokens, 4,
						 &count, &err), -E2BIG);
	bitnpu_tokenizer_destroy(tokenizer);
	test_vocabulary_free(&vocabulary);
}

/* Load what @builder holds, which must fail with @code and @words in the message. */
static void expect_refusal(struct gguf_builder *builder, int code, const char *words)
{
	struct bitnpu_tokenizer *tokenizer = NULL;
	struct bitnpu_error err = { 0 };

	assert_int_equal(test_vocabulary_load(builder, &tokenizer, &err), code);
	assert_null(tokenizer);
	assert_int_equal(err.code, code);
	if (!strstr(err.message, words) || !strstr(err.message, "test.gguf"))
		fail_msg("\"%s\" does not say \"%s\"", err.message, words);
	gguf_builder_free(builder);
}

static void test_missing_keys(void **state)
{
	static const char *const keys[] = { "tokenizer.ggml.model", "tokenizer.ggml.tokens",
					    "tokenizer.ggml.merges" };
	struct test_vocabulary vocabulary;
	struct gguf_builder *builder;
	size_t i;

	test_vocabulary_init(&vocabulary);
	for (i = 0; i < 3; i++) {
		builder = test_vocabulary_build(&vocabulary, "gpt-2");
		gguf_builder_remove(builder, keys[i]);
		expect_refusal(builder, -EINVAL, keys[i]);
		builder = test_vocabulary_build(&vocabulary, "gpt-2");
		gguf_builder_remove(builder, keys[i]);
		gguf_builder_u32(builder, keys[i], 3);
		expect_refusal(builder, -EINVAL, keys[i]);
	}
	builder = test_vocabulary_build(&vocabulary, "gpt-2");
	gguf_builder_remove(builder, "tokenizer.ggml.model");
	gguf_builder_string(builder, "tokenizer.ggml.model", "llama");
	expect_refusal(builder, -ENOTSUP, "tokenizer.ggml.model is \"llama\"");
	expect_refusal(test_vocabulary_build(&vocabulary, "qwen2"), -ENOTSUP,
		       "tokenizer.ggml.pre is \"qwen2\"");
	/* token_type may be missing, then all are normal */
	builder = test_vocabulary_build(&vocabulary, "gpt-2");
	gguf_builder_remove(builder, "tokenizer.ggml.token_type");
	bitnpu_tokenizer_destroy(load(builder));
	gguf_builder_free(builder);
	test_vocabulary_free(&vocabulary);
}

static void test_bad_tokens(void **state)
{
	char long_token[BITNPU_SPECIAL_MAX + 2] = "";
	struct test_vocabulary vocabulary;
	struct gguf_builder *builder;

	test_vocabulary_init(&vocabulary);
	builder = test_vocabulary_build(&vocabulary, "gpt-2");
	gguf_builder_remove(builder, "tokenizer.ggml.tokens");
	gguf_builder_strings(builder, "tokenizer.ggml.tokens", NULL, 0);
	expect_refusal(builder, -EINVAL, "tokenizer.ggml.tokens: 0 tokens");

	builder = test_vocabulary_build(&vocabulary, "gpt-2");
	gguf_builder_remove(builder, "tokenizer.ggml.tokens");
	gguf_builder_strings(builder, "tokenizer.ggml.tokens", vocabulary.tokens, 255);
	expect_refusal(builder, -EINVAL, "tokenizer.ggml.token_type: 256 entries for 255 tokens");

	vocabulary.n_tokens = 255;
	expect_refusal(test_vocabulary_build(&vocabulary, "gpt-2"), -EINVAL,
		       "no token for byte 0xad");
	vocabulary.n_tokens = 256;
	vocabulary.types[0] = TEST_TOKEN_CONTROL;
	expect_refusal(test_vocabulary_build(&vocabulary, "gpt-2"), -EINVAL,
		       "no token for byte 0x21");
	vocabulary.types[0] = TEST_TOKEN_NORMAL;

	test_vocabulary_token(&vocabulary, "A", TEST_TOKEN_NORMAL);
	expect_refusal(test_vocabulary_build(&vocabulary, "gpt-2"), -EINVAL,
		       "token 256 is the same as token 32");
	vocabulary.types[256] = TEST_TOKEN_CONTROL;
	test_vocabulary_token(&vocabulary, "A", TEST_TOKEN_USER);
	expect_refusal(test_vocabulary_build(&vocabulary, "gpt-2"), -EINVAL,
		       "is the same as token");
	memset(long_token, 'x', BITNPU_SPECIAL_MAX + 1);
	vocabulary.types[256] = TEST_TOKEN_NORMAL;
	free((char *)vocabulary.tokens[256].data);
	vocabulary.tokens[256] = (struct gguf_builder_text){ strdup(long_token), 257 };
	bitnpu_tokenizer_destroy(make(&vocabulary, "gpt-2"));
	vocabulary.types[256] = TEST_TOKEN_CONTROL;
	expect_refusal(test_vocabulary_build(&vocabulary, "gpt-2"), -EINVAL, "of 257 bytes");
	test_vocabulary_free(&vocabulary);
}

static void test_bad_merges(void **state)
{
	static const struct {
		const char *rule, *words;
	} cases[] = {
		{ "ab", "merge 1 has no space: \"ab\"" },
		{ "", "merge 1 has no space" },
		{ "a ", "the right part is not a token" },
		{ " a", "the left part is not a token" },
		{ "a b c", "the right part is not a token" },
		{ "zz a", "the left part is not a token" },
		{ "a zz", "the right part is not a token" },
		{ "a \xff", "the right part is not a token" },
		{ "a c", "the result is not a token" },
		{ "<s> a", "the left part is not a token" },
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct test_vocabulary vocabulary;

		test_vocabulary_init(&vocabulary);
		test_vocabulary_token(&vocabulary, "<s>", TEST_TOKEN_CONTROL);
		test_vocabulary_merge(&vocabulary, "a", "b");
		test_vocabulary_rule(&vocabulary, cases[i].rule);
		expect_refusal(test_vocabulary_build(&vocabulary, "gpt-2"), -EINVAL,
			       cases[i].words);
		test_vocabulary_free(&vocabulary);
	}
}

static void test_bad_ids(void **state)
{
	static const char *const keys[] = {
		"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
		"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id",
	};
	struct test_vocabulary vocabulary;
	struct gguf_builder *builder;
	size_t i;

	test_vocabulary_init(&vocabulary);
	for (i = 0; i < 4; i++) {
		builder = test_vocabulary_build(&vocabulary, "gpt-2");
		gguf_builder_u32(builder, keys[i], 256);
		expect_refusal(builder, -EINVAL, keys[i]);
		builder = test_vocabulary_build(&vocabulary, "gpt-2");
		gguf_builder_string(builder, keys[i], "1");
		expect_refusal(builder, -EINVAL, keys[i]);
	}
	builder = test_vocabulary_build(&vocabulary, "gpt-2");
	gguf_builder_bool(builder, "tokenizer.ggml.add_bos_token", 1);
	expect_refusal(builder, -EINVAL, "tokenizer.ggml.bos_token_id is missing");
	builder = test_vocabulary_build(&vocabulary, "gpt-2");
	gguf_builder_u32(builder, "tokenizer.chat_template", 1);
	expect_refusal(builder, -EINVAL, "tokenizer.chat_template");
	test_vocabulary_free(&vocabulary);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_byte_alphabet),
		cmocka_unit_test(test_known_merges),
		cmocka_unit_test(test_splits),
		cmocka_unit_test(test_against_naive),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_long_runs),
		cmocka_unit_test(test_special_tokens),
		cmocka_unit_test(test_whole_words),
		cmocka_unit_test(test_names_of_pretokenizers),
		cmocka_unit_test(test_bos),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_missing_keys),
		cmocka_unit_test(test_bad_tokens),
		cmocka_unit_test(test_bad_merges),
		cmocka_unit_test(test_bad_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
