// SPDX-License-Identifier: MIT
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "utf8.h"
#include "vocabulary.h"

#define TOKENS_KEY "tokenizer.ggml.tokens"
#define TYPES_KEY "tokenizer.ggml.token_type"

/* tokenizer.ggml.token_type, from the GGUF specification; the other types are stored as plain. */
enum {
	TYPE_UNKNOWN = 2,
	TYPE_CONTROL = 3,
	TYPE_USER_DEFINED = 4,
};

/*
 * Tokens that end a turn by convention.  Files often name only eos, and some converters mark none
 * of them as control tokens; llama.cpp goes by the same names.
 */
static const char *const end_names[] = {
	"<|eot_id|>",	 "<|eom_id|>",	    "<|im_end|>",      "<|end|>",
	"<end_of_turn>", "<|endoftext|>",   "<|end_of_text|>", "<EOT>",
};

/*
 * GPT-2 writes each byte as one printable character: those printable in Latin-1 stand for
 * themselves, the other 68 bytes are U+0100, U+0101 and so on in order.
 */
static int alphabet_byte(uint32_t code)
{
	if ((code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xff && code != 0xad))
		return code;
	if (code >= 0x100 && code <= 0x120)
		return code - 0x100;
	if (code >= 0x121 && code <= 0x142)
		return code - 0x121 + 0x7f;
	return code == 0x143 ? 0xad : -1;
}

ptrdiff_t bitnpu_alphabet_decode(const char *text, size_t length, char *out)
{
	size_t done = 0, written = 0;

	while (done < length) {
		uint32_t code = 0;
		unsigned int used = bitnpu_utf8_decode(text + done, length - done, &code);
		int byte = used ? alphabet_byte(code) : -1;

		if (byte < 0)
			return -1;
		out[written++] = byte;
		done += used;
	}
	return written;
}

void bitnpu_vocabulary_free(struct bitnpu_vocabulary *vocabulary)
{
	free(vocabulary->arena);
	free(vocabulary->start);
	free(vocabulary->kind);
	free(vocabulary->is_end);
	free(vocabulary->slots);
	free(vocabulary->special);
	*vocabulary = (struct bitnpu_vocabulary){ 0 };
}

/* The slot of these bytes, or the free one where they belong. */
static uint32_t *find_slot(const struct bitnpu_vocabulary *vocabulary, const char *bytes,
			   size_t length)
{
	uint32_t at = XXH3_64bits_withSeed(bytes, length, vocabulary->seed) & vocabulary->mask;

	for (;;) {
		uint32_t *slot = &vocabulary->slots[at];
		const char *other;
		size_t other_length;

		if (*slot == BITNPU_NO_TOKEN)
			return slot;
		other = bitnpu_vocabulary_spelling(vocabulary, *slot, &other_length);
		if (other_length == length && !memcmp(other, bytes, length))
			return slot;
		at = (at + 1) & vocabulary->mask;
	}
}

uint32_t bitnpu_vocabulary_find(const struct bitnpu_vocabulary *vocabulary, const char *bytes,
				size_t length)
{
	return *find_slot(vocabulary, bytes, length);
}

static int allocate(struct bitnpu_vocabulary *vocabulary, const struct bitnpu_gguf *gguf,
		    const struct bitnpu_gguf_kv *tokens, struct bitnpu_error *err)
{
	uint32_t slots = 2;

	if (!tokens->count || tokens->count > BITNPU_VOCABULARY_MAX)
		return bitnpu_fail(err, -EINVAL, "%s: %s: %llu tokens, must be 1 to %u", gguf->path,
				   TOKENS_KEY, (unsigned long long)tokens->count,
				   BITNPU_VOCABULARY_MAX);
	vocabulary->size = tokens->count;
	while (slots < 2 * vocabulary->size)
		slots *= 2;
	vocabulary->mask = slots - 1;
	/* A string takes eight bytes more in the file than here: the array's size is enough. */
	vocabulary->arena = malloc(tokens->bytes);
	vocabulary->start = calloc(vocabulary->size + 1, sizeof(*vocabulary->start));
	vocabulary->kind = calloc(vocabulary->size, sizeof(*vocabulary->kind));
	vocabulary->is_end = calloc(vocabulary->size, sizeof(*vocabulary->is_end));
	vocabulary->slots = malloc(slots * sizeof(*vocabulary->slots));
	vocabulary->special = calloc(vocabulary->size, sizeof(*vocabulary->special));
	if (!vocabulary->arena || !vocabulary->start || !vocabulary->kind || !vocabulary->is_end ||
	    !vocabulary->slots || !vocabulary->special)
		return bitnpu_fail(err, -ENOMEM, "%s: %s: out of memory for %u tokens", gguf->path,
				   TOKENS_KEY, vocabulary->size);
	memset(vocabulary->slots, 0xff, slots * sizeof(*vocabulary->slots));
	return 0;
}

static int load_kinds(struct bitnpu_vocabulary *vocabulary, const struct bitnpu_gguf *gguf,
		      struct bitnpu_error *err)
{
	const struct bitnpu_gguf_kv *types;
	uint32_t token;
	int ret;

	ret = bitnpu_gguf_get_array(gguf, TYPES_KEY, BITNPU_GGUF_INT32, &types, err);
	if (ret == -ENOENT)
		return 0;
	if (ret)
		return ret;
	if (types->count != vocabulary->size)
		return bitnpu_fail(err, -EINVAL, "%s: %s: %llu entries for %u tokens", gguf->path,
				   TYPES_KEY, (unsigned long long)types->count, vocabulary->size);
	for (token = 0; token < vocabulary->size; token++) {
		uint32_t type;

		memcpy(&type, types->data + 4 * (size_t)token, 4);
		type = le32toh(type);
		if (type == TYPE_UNKNOWN || type == TYPE_CONTROL)
			vocabulary->kind[token] = BITNPU_TOKEN_CONTROL;
		else if (type == TYPE_USER_DEFINED)
			vocabulary->kind[token] = BITNPU_TOKEN_USER;
	}
	return 0;
}

static bool is_end_name(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < sizeof(end_names) / sizeof(end_names[0]); i++) {
		if (strlen(end_names[i]) == length && !memcmp(end_names[i], text, length))
			return true;
	}
	return false;
}

/* Enter a token that merges may make.  An empty one is never made. */
static int enter_plain(struct bitnpu_vocabulary *vocabulary, const struct bitnpu_gguf *gguf,
		       uint32_t token, struct bitnpu_error *err)
{
	size_t length;
	const char *bytes = bitnpu_vocabulary_spelling(vocabulary, token, &length);
	uint32_t *slot;

	if (!length)
		return 0;
	slot = find_slot(vocabulary, bytes, length);
	if (*slot != BITNPU_NO_TOKEN)
		return bitnpu_fail(err, -EINVAL, "%s: %s: token %u is the same as token %u",
				   gguf->path, TOKENS_KEY, token, *slot);
	*slot = token;
	return 0;
}

/*
 * Tokens that are not in the byte alphabet (padding of odd vocabularies) keep their spelling; no
 * merge can make them.
 */
static int load_tokens(struct bitnpu_vocabulary *vocabulary, const struct bitnpu_gguf *gguf,
		       const struct bitnpu_gguf_kv *tokens, struct bitnpu_error *err)
{
	struct bitnpu_gguf_cursor cursor;
	struct bitnpu_gguf_string string;
	char *end = vocabulary->arena;
	uint32_t token;
	int ret;

	bitnpu_gguf_strings(tokens, &cursor);
	for (token = 0; token < vocabulary->size; token++) {
		ptrdiff_t decoded = -1;

		if (!bitnpu_gguf_next_string(&cursor, &string))
			return bitnpu_fail(err, -EINVAL, "%s: %s: token %u is missing", gguf->path,
					   TOKENS_KEY, token);
		if (is_end_name(string.data, string.length)) {
			vocabulary->kind[token] = BITNPU_TOKEN_CONTROL;
			vocabulary->is_end[token] = true;
		}
		if (vocabulary->kind[token] == BITNPU_TOKEN_PLAIN)
			decoded = bitnpu_alphabet_decode(string.data, string.length, end);
		if (decoded < 0)
			memcpy(end, string.data, string.length);
		vocabulary->start[token] = end - vocabulary->arena;
		end += decoded < 0 ? (ptrdiff_t)string.length : decoded;
		*end++ = '\0';
		vocabulary->start[token + 1] = end - vocabulary->arena;
		if (decoded >= 0) {
			ret = enter_plain(vocabulary, gguf, token, err);
			if (ret)
				return ret;
		}
	}
	return 0;
}

static int compare_spelling(const void *a, const void *b, void *user)
{
	const struct bitnpu_vocabulary *vocabulary = user;
	size_t length_a, length_b;
	const char *bytes_a =
		bitnpu_vocabulary_spelling(vocabulary, *(const uint32_t *)a, &length_a);
	const char *bytes_b =
		bitnpu_vocabulary_spelling(vocabulary, *(const uint32_t *)b, &length_b);
	int order = memcmp(bytes_a, bytes_b, length_a < length_b ? length_a : length_b);

	return order ? order : (length_a > length_b) - (length_a < length_b);
}

static int sort_special(struct bitnpu_vocabulary *vocabulary, const struct bitnpu_gguf *gguf,
			struct bitnpu_error *err)
{
	uint32_t count = 0;
	uint32_t token, i;

	for (token = 0; token < vocabulary->size; token++) {
		size_t length;
		const char *bytes = bitnpu_vocabulary_spelling(vocabulary, token, &length);

		if (vocabulary->kind[token] == BITNPU_TOKEN_PLAIN || !length)
			continue;
		if (length > BITNPU_SPECIAL_MAX)
			return bitnpu_fail(err, -EINVAL,
					   "%s: %s: token %u is a control or user-defined one of "
					   "%zu bytes, at most %u",
					   gguf->path, TOKENS_KEY, token, length,
					   BITNPU_SPECIAL_MAX);
		vocabulary->special[count++] = token;
		vocabulary->special_start[(unsigned char)bytes[0] + 1]++;
	}
	for (i = 0; i < 256; i++)
		vocabulary->special_start[i + 1] += vocabulary->special_start[i];
	qsort_r(vocabulary->special, count, sizeof(*vocabulary->special), compare_spelling,
		vocabulary);
	for (i = 1; i < count; i++) {
		if (!compare_spelling(&vocabulary->special[i - 1], &vocabulary->special[i],
				      vocabulary))
			return bitnpu_fail(err, -EINVAL, "%s: %s: token %u is the same as token %u",
					   gguf->path, TOKENS_KEY, vocabulary->special[i],
					   vocabulary->special[i - 1]);
	}
	return 0;
}

static int find_bytes(struct bitnpu_vocabulary *vocabulary, const struct bitnpu_gguf *gguf,
		      struct bitnpu_error *err)
{
	unsigned int byte;

	for (byte = 0; byte < 256; byte++) {
		char text = byte;

		vocabulary->byte_token[byte] = bitnpu_vocabulary_find(vocabulary, &text, 1);
		if (vocabulary->byte_token[byte] == BITNPU_NO_TOKEN)
			return bitnpu_fail(err, -EINVAL, "%s: %s: no token for byte 0x%02x",
					   gguf->path, TOKENS_KEY, byte);
	}
	return 0;
}

int bitnpu_vocabulary_load(struct bitnpu_vocabulary *vocabulary, const struct bitnpu_gguf *gguf,
			   uint64_t seed, struct bitnpu_error *err)
{
	const struct bitnpu_gguf_kv *tokens;
	int ret;

	*vocabulary = (struct bitnpu_vocabulary){ .seed = seed };
	ret = bitnpu_gguf_get_array(gguf, TOKENS_KEY, BITNPU_GGUF_STRING, &tokens, err);
	if (ret == -ENOENT)
		return bitnpu_fail(err, -EINVAL, "%s: %s is missing", gguf->path, TOKENS_KEY);
	if (ret)
		return ret;
	ret = allocate(vocabulary, gguf, tokens, err);
	if (!ret)
		ret = load_kinds(vocabulary, gguf, err);
	if (!ret)
		ret = load_tokens(vocabulary, gguf, tokens, err);
	if (!ret)
		ret = sort_special(vocabulary, gguf, err);
	if (!ret)
		ret = find_bytes(vocabulary, gguf, err);
	if (ret)
		bitnpu_vocabulary_free(vocabulary);
	return ret;
}

/* First index in [low, high) whose byte at @at is @byte or more; all agree on the bytes before. */
static uint32_t lower_bound(const struct bitnpu_vocabulary *vocabulary, uint32_t low, uint32_t high,
			    size_t at, unsigned int byte)
{
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		size_t length;
		const char *bytes = bitnpu_vocabulary_spelling(
			vocabulary, vocabulary->special[middle], &length);

		if (at >= length || (unsigned char)bytes[at] < byte)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

uint32_t bitnpu_vocabulary_match(const struct bitnpu_vocabulary *vocabulary, const char *text,
				 size_t bytes, bool control)
{
	uint32_t low = vocabulary->special_start[(unsigned char)text[0]];
	uint32_t high = vocabulary->special_start[(unsigned char)text[0] + 1];
	uint32_t found = BITNPU_NO_TOKEN;
	size_t at;

	/* Of the tokens that agree with the text so far, the one that ends here sorts first. */
	for (at = 1; low < high; at++) {
		uint32_t token = vocabulary->special[low];
		size_t length;

		bitnpu_vocabulary_spelling(vocabulary, token, &length);
		if (length == at) {
			if (control || vocabulary->kind[token] == BITNPU_TOKEN_USER)
				found = token;
			low++;
		}
		if (at == bytes)
			break;
		low = lower_bound(vocabulary, low, high, at, (unsigned char)text[at]);
		high = lower_bound(vocabulary, low, high, at, (unsigned char)text[at] + 1);
	}
	return found;
}
