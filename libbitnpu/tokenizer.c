// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "chat.h"
#include "merges.h"
#include "pretokenizer.h"
#include "tokenizer.h"
#include "utf8.h"
#include "vocabulary.h"

#define MODEL_KEY "tokenizer.ggml.model"
#define PRE_KEY "tokenizer.ggml.pre"
#define MERGES_KEY "tokenizer.ggml.merges"
#define BOS_KEY "tokenizer.ggml.bos_token_id"
#define ADD_BOS_KEY "tokenizer.ggml.add_bos_token"
#define TEMPLATE_KEY "tokenizer.chat_template"

/* Merging takes up to 48 bytes of memory a byte of text. */
#define TEXT_MAX ((size_t)64 << 20)
#define MERGES_MAX (UINT32_C(1) << 26)

/**
 * struct bitnpu_tokenizer - a vocabulary and how text becomes it
 * @vocabulary: the tokens
 * @merges: pairs of plain tokens
 * @pretokenizer: cuts text into words
 * @whole_words: a word that is a token is taken as it is, whatever the merges say
 * @add_bos: the model wants @bos first
 * @bos: begins a text, or BITNPU_NO_TOKEN
 * @chat: format of conversations
 */
struct bitnpu_tokenizer {
	struct bitnpu_vocabulary vocabulary;
	struct bitnpu_merges merges;
	struct bitnpu_pretokenizer *pretokenizer;
	bool whole_words, add_bos;
	uint32_t bos;
	enum bitnpu_chat_style chat;
};

/* The names llama.cpp knows these by; it treats a file without the key like "default". */
static const struct pre_name {
	const char *name;
	enum bitnpu_pretokenizer_kind kind;
} pre_names[] = {
	{ "", BITNPU_PRETOKENIZER_DEFAULT },
	{ "default", BITNPU_PRETOKENIZER_DEFAULT },
	{ "gpt-2", BITNPU_PRETOKENIZER_GPT2 },
	{ "gpt2", BITNPU_PRETOKENIZER_GPT2 },
	{ "llama-bpe", BITNPU_PRETOKENIZER_LLAMA3 },
	{ "llama3", BITNPU_PRETOKENIZER_LLAMA3 },
	{ "llama-v3", BITNPU_PRETOKENIZER_LLAMA3 },
};

void bitnpu_tokenizer_destroy(struct bitnpu_tokenizer *tokenizer)
{
	if (!tokenizer)
		return;
	bitnpu_pretokenizer_destroy(tokenizer->pretokenizer);
	bitnpu_merges_free(&tokenizer->merges);
	bitnpu_vocabulary_free(&tokenizer->vocabulary);
	free(tokenizer);
}

static bool is_named(const struct bitnpu_gguf_string *string, const char *name)
{
	return string->length == strlen(name) && !memcmp(string->data, name, string->length);
}

/* Precision for "%.*s": messages are short, lengths in files are not. */
static int shown(const struct bitnpu_gguf_string *string)
{
	return string->length < 64 ? (int)string->length : 64;
}

static int load_model(const struct bitnpu_gguf *gguf, struct bitnpu_error *err)
{
	struct bitnpu_gguf_string model;
	int ret = bitnpu_gguf_get_string(gguf, MODEL_KEY, &model, err);

	if (ret == -ENOENT)
		return bitnpu_fail(err, -EINVAL, "%s: %s is missing", gguf->path, MODEL_KEY);
	if (ret)
		return ret;
	if (!is_named(&model, "gpt2"))
		return bitnpu_fail(err, -ENOTSUP, "%s: %s is \"%.*s\", only \"gpt2\" is supported",
				   gguf->path, MODEL_KEY, shown(&model), model.data);
	return 0;
}

static int load_pretokenizer(struct bitnpu_tokenizer *tokenizer, const struct bitnpu_gguf *gguf,
			     struct bitnpu_error *err)
{
	struct bitnpu_gguf_string pre = { "", 0 };
	int ret = bitnpu_gguf_get_string(gguf, PRE_KEY, &pre, err);
	size_t i;

	if (ret && ret != -ENOENT)
		return ret;
	for (i = 0; i < sizeof(pre_names) / sizeof(pre_names[0]); i++) {
		if (!is_named(&pre, pre_names[i].name))
			continue;
		tokenizer->whole_words = pre_names[i].kind == BITNPU_PRETOKENIZER_LLAMA3;
		return bitnpu_pretokenizer_create(pre_names[i].kind, &tokenizer->pretokenizer, err);
	}
	return bitnpu_fail(err, -ENOTSUP,
			   "%s: %s is \"%.*s\", only default, gpt-2 and llama-bpe are supported",
			   gguf->path, PRE_KEY, shown(&pre), pre.data);
}

/* The plain token that @text, in the byte alphabet, spells; @scratch has room for it. */
static uint32_t find_part(const struct bitnpu_tokenizer *tokenizer, const char *text, size_t length,
			  char *scratch)
{
	ptrdiff_t bytes = bitnpu_alphabet_decode(text, length, scratch);

	if (bytes < 0)
		return BITNPU_NO_TOKEN;
	return bitnpu_vocabulary_find(&tokenizer->vocabulary, scratch, bytes);
}

/* Enter one merge, "LEFT RIGHT"; @scratch has room for @pair. */
static int load_merge(struct bitnpu_tokenizer *tokenizer, const struct bitnpu_gguf *gguf,
		      const struct bitnpu_gguf_string *pair, uint32_t rank, char *scratch,
		      struct bitnpu_error *err)
{
	const char *gap = memchr(pair->data, ' ', pair->length);
	size_t left_length, right_length, length;
	uint32_t left, right, result;

	if (!gap)
		return bitnpu_fail(err, -EINVAL, "%s: %s: merge %u has no space: \"%.*s\"",
				   gguf->path, MERGES_KEY, rank, shown(pair), pair->data);
	left_length = gap - pair->data;
	right_length = pair->length - left_length - 1;
	left = find_part(tokenizer, pair->data, left_length, scratch);
	right = find_part(tokenizer, gap + 1, right_length, scratch);
	if (left == BITNPU_NO_TOKEN || right == BITNPU_NO_TOKEN)
		return bitnpu_fail(
			err, -EINVAL, "%s: %s: merge %u: the %s part is not a token: \"%.*s\"",
			gguf->path, MERGES_KEY, rank, left == BITNPU_NO_TOKEN ? "left" : "right",
			shown(pair), pair->data);
	length = bitnpu_alphabet_decode(pair->data, left_length, scratch);
	length += bitnpu_alphabet_decode(gap + 1, right_length, scratch + length);
	result = bitnpu_vocabulary_find(&tokenizer->vocabulary, scratch, length);
	if (result == BITNPU_NO_TOKEN)
		return bitnpu_fail(err, -EINVAL,
				   "%s: %s: merge %u: the result is not a token: \"%.*s\"",
				   gguf->path, MERGES_KEY, rank, shown(pair), pair->data);
	bitnpu_merges_add(&tokenizer->merges, left, right, rank, result);
	return 0;
}

static int load_merges(struct bitnpu_tokenizer *tokenizer, const struct bitnpu_gguf *gguf,
		       uint64_t seed, struct bitnpu_error *err)
{
	const struct bitnpu_gguf_kv *kv;
	struct bitnpu_gguf_cursor cursor;
	struct bitnpu_gguf_string pair;
	uint32_t rank = 0;
	char *scratch;
	int ret;

	ret = bitnpu_gguf_get_array(gguf, MERGES_KEY, BITNPU_GGUF_STRING, &kv, err);
	if (ret == -ENOENT)
		return bitnpu_fail(err, -EINVAL, "%s: %s is missing", gguf->path, MERGES_KEY);
	if (ret)
		return ret;
	if (kv->count > MERGES_MAX)
		return bitnpu_fail(err, -EINVAL, "%s: %s: %llu merges, at most %u", gguf->path,
				   MERGES_KEY, (unsigned long long)kv->count, MERGES_MAX);
	scratch = malloc(kv->bytes + 1);
	if (!scratch || bitnpu_merges_init(&tokenizer->merges, kv->count, seed)) {
		free(scratch);
		return bitnpu_fail(err, -ENOMEM, "%s: %s: out of memory for %llu merges",
				   gguf->path, MERGES_KEY, (unsigned long long)kv->count);
	}
	bitnpu_gguf_strings(kv, &cursor);
	while (!ret && bitnpu_gguf_next_string(&cursor, &pair))
		ret = load_merge(tokenizer, gguf, &pair, rank++, scratch, err);
	free(scratch);
	return ret;
}

/* A token id that need not be there: *token is then BITNPU_NO_TOKEN. */
static int load_id(const struct bitnpu_tokenizer *tokenizer, const struct bitnpu_gguf *gguf,
		   const char *key, uint32_t *token, struct bitnpu_error *err)
{
	uint32_t value;
	int ret = bitnpu_gguf_get_u32(gguf, key, &value, err);

	*token = BITNPU_NO_TOKEN;
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (value >= tokenizer->vocabulary.size)
		return bitnpu_fail(err, -EINVAL, "%s: %s is %u, there are %u tokens", gguf->path,
				   key, value, tokenizer->vocabulary.size);
	*token = value;
	return 0;
}

static int load_ends(struct bitnpu_tokenizer *tokenizer, const struct bitnpu_gguf *gguf,
		     struct bitnpu_error *err)
{
	static const char *const keys[] = {
		"tokenizer.ggml.eos_token_id",
		"tokenizer.ggml.eot_token_id",
		"tokenizer.ggml.eom_token_id",
	};
	uint32_t token;
	size_t i;
	int ret;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		ret = load_id(tokenizer, gguf, keys[i], &token, err);
		if (ret)
			return ret;
		if (token != BITNPU_NO_TOKEN)
			tokenizer->vocabulary.is_end[token] = true;
	}
	return 0;
}

/* Without the key llama.cpp begins a text with BOS for the llama-3 family only. */
static int load_bos(struct bitnpu_tokenizer *tokenizer, const struct bitnpu_gguf *gguf,
		    struct bitnpu_error *err)
{
	int ret = load_id(tokenizer, gguf, BOS_KEY, &tokenizer->bos, err);

	if (ret)
		return ret;
	ret = bitnpu_gguf_get_bool(gguf, ADD_BOS_KEY, &tokenizer->add_bos, err);
	if (ret == -ENOENT) {
		tokenizer->add_bos = tokenizer->whole_words && tokenizer->bos != BITNPU_NO_TOKEN;
		return 0;
	}
	if (ret)
		return ret;
	if (tokenizer->add_bos && tokenizer->bos == BITNPU_NO_TOKEN)
		return bitnpu_fail(err, -EINVAL, "%s: %s is true, but %s is missing", gguf->path,
				   ADD_BOS_KEY, BOS_KEY);
	return 0;
}

static int load_chat(struct bitnpu_tokenizer *tokenizer, const struct bitnpu_gguf *gguf,
		     struct bitnpu_error *err)
{
	struct bitnpu_gguf_string text;
	int ret = bitnpu_gguf_get_string(gguf, TEMPLATE_KEY, &text, err);

	if (!ret)
		tokenizer->chat = bitnpu_chat_detect(text.data, text.length);
	return ret == -ENOENT ? 0 : ret;
}

int bitnpu_tokenizer_create(const struct bitnpu_gguf *gguf, struct bitnpu_tokenizer **tokenizer,
			    struct bitnpu_error *err)
{
	struct bitnpu_tokenizer *new;
	uint64_t seed = 0;
	int ret = load_model(gguf, err);

	if (ret)
		return ret;
	new = calloc(1, sizeof(*new));
	if (!new)
		return bitnpu_fail(err, -ENOMEM, "%s: out of memory", gguf->path);
	/* Without entropy the hash tables work just as well on files that mean no harm. */
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (uintptr_t)new;

	ret = load_pretokenizer(new, gguf, err);
	if (!ret)
		ret = bitnpu_vocabulary_load(&new->vocabulary, gguf, seed, err);
	if (!ret)
		ret = load_merges(new, gguf, seed, err);
	if (!ret)
		ret = load_ends(new, gguf, err);
	if (!ret)
		ret = load_bos(new, gguf, err);
	if (!ret)
		ret = load_chat(new, gguf, err);
	if (ret) {
		bitnpu_tokenizer_destroy(new);
		return ret;
	}
	*tokenizer = new;
	return 0;
}

uint32_t bitnpu_tokenizer_size(const struct bitnpu_tokenizer *tokenizer)
{
	return tokenizer->vocabulary.size;
}

const char *bitnpu_tokenizer_bytes(const struct bitnpu_tokenizer *tokenizer, uint32_t token,
				   size_t *bytes)
{
	if (token >= tokenizer->vocabulary.size)
		return NULL;
	if (tokenizer->vocabulary.kind[token] == BITNPU_TOKEN_CONTROL) {
		*bytes = 0;
		return "";
	}
	return bitnpu_vocabulary_spelling(&tokenizer->vocabulary, token, bytes);
}

bool bitnpu_tokenizer_is_end(const struct bitnpu_tokenizer *tokenizer, uint32_t token)
{
	return token < tokenizer->vocabulary.size && tokenizer->vocabulary.is_end[token];
}

int bitnpu_tokenizer_chat(const struct bitnpu_tokenizer *tokenizer, const char *role,
			  const char *text, char *out, size_t capacity, size_t *bytes,
			  struct bitnpu_error *err)
{
	return bitnpu_chat_render(tokenizer->chat, role, text, out, capacity, bytes, err);
}

/**
 * struct encoder - one call of bitnpu_tokenizer_encode()
 * @tokenizer: how
 * @tokens: room for @capacity tokens
 * @capacity: tokens after these are only counted
 * @count: tokens so far
 * @word: room to merge in
 * @err: optional
 */
struct encoder {
	const struct bitnpu_tokenizer *tokenizer;
	uint32_t *tokens;
	size_t capacity, count;
	struct bitnpu_word word;
	struct bitnpu_error *err;
};

static void emit(struct encoder *encoder, uint32_t token)
{
	if (encoder->count < encoder->capacity)
		encoder->tokens[encoder->count] = token;
	encoder->count++;
}

static int encode_word(void *user, const char *text, size_t bytes)
{
	struct encoder *encoder = user;
	const struct bitnpu_tokenizer *tokenizer = encoder->tokenizer;
	size_t i, count;

	if (tokenizer->whole_words) {
		uint32_t token = bitnpu_vocabulary_find(&tokenizer->vocabulary, text, bytes);

		if (token != BITNPU_NO_TOKEN) {
			emit(encoder, token);
			return 0;
		}
	}
	if (bitnpu_word_reserve(&encoder->word, bytes))
		return bitnpu_fail(encoder->err, -ENOMEM,
				   "tokenizer: out of memory for a word of %zu bytes", bytes);
	for (i = 0; i < bytes; i++)
		encoder->word.tokens[i] =
			tokenizer->vocabulary.byte_token[(unsigned char)text[i]];
	count = bitnpu_word_merge(&encoder->word, bytes, &tokenizer->merges);
	for (i = 0; i < count; i++)
		emit(encoder, encoder->word.tokens[i]);
	return 0;
}

/* Text without special tokens: a byte that is not UTF-8 is a word of its own. */
static int encode_plain(struct encoder *encoder, const char *text, size_t bytes)
{
	const struct bitnpu_tokenizer *tokenizer = encoder->tokenizer;
	size_t done = 0;
	int ret = 0;

	while (!ret && done < bytes) {
		size_t valid = 0;
		unsigned int used;
		uint32_t code;

		while (done + valid < bytes &&
		       (used = bitnpu_utf8_decode(text + done + valid, bytes - done - valid,
						  &code)))
			valid += used;
		if (valid)
			ret = bitnpu_pretokenizer_split(tokenizer->pretokenizer, text + done, valid,
							encode_word, encoder, encoder->err);
		done += valid;
		if (!valid) {
			emit(encoder,
			     tokenizer->vocabulary.byte_token[(unsigned char)text[done]]);
			done++;
		}
	}
	return ret;
}

static int encode_text(struct encoder *encoder, const char *text, size_t bytes, bool control)
{
	const struct bitnpu_vocabulary *vocabulary = &encoder->tokenizer->vocabulary;
	size_t start = 0, at = 0;
	int ret = 0;

	while (!ret && at < bytes) {
		uint32_t token =
			bitnpu_vocabulary_match(vocabulary, text + at, bytes - at, control);
		size_t length;

		if (token == BITNPU_NO_TOKEN) {
			at++;
			continue;
		}
		ret = encode_plain(encoder, text + start, at - start);
		emit(encoder, token);
		bitnpu_vocabulary_spelling(vocabulary, token, &length);
		at += length;
		start = at;
	}
	return ret ? ret : encode_plain(encoder, text + start, bytes - start);
}

int bitnpu_tokenizer_encode(const struct bitnpu_tokenizer *tokenizer, const char *text,
			    size_t bytes, uint32_t flags, uint32_t *tokens, size_t capacity,
			    size_t *count, struct bitnpu_error *err)
{
	struct encoder encoder = {
		.tokenizer = tokenizer,
		.tokens = tokens,
		.capacity = capacity,
		.err = err,
	};
	int ret = 0;

	if (flags & ~(BITNPU_TOKENIZE_BOS | BITNPU_TOKENIZE_SPECIAL))
		return bitnpu_fail(err, -EINVAL, "tokenizer: unknown flags 0x%x", flags);
	if (bytes > TEXT_MAX)
		return bitnpu_fail(err, -E2BIG, "tokenizer: a text of %zu bytes, at most %zu",
				   bytes, TEXT_MAX);
	if (flags & BITNPU_TOKENIZE_BOS && tokenizer->add_bos)
		emit(&encoder, tokenizer->bos);
	if (bytes)
		ret = encode_text(&encoder, text, bytes, flags & BITNPU_TOKENIZE_SPECIAL);
	bitnpu_word_free(&encoder.word);
	if (ret)
		return ret;
	*count = encoder.count;
	if (encoder.count > capacity)
		return bitnpu_fail(err, -ENOSPC, "tokenizer: the text takes %zu tokens, there is "
				   "room for %zu", encoder.count, capacity);
	return 0;
}
