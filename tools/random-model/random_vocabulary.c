// SPDX-License-Identifier: MIT
/*
 * A synthetic byte-pair vocabulary.  First the 256 byte tokens in GPT-2's spelling, then pseudo-words:
 * every word is an earlier one, or a space, with a letter added, which is also its merge rule; last
 * the control tokens, as Llama 3 has them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random_vocabulary.h"

#define BYTES		256
#define LETTERS		26
#define CONTROLS	3
/* "\xc4\xa0", the space, and fewer than 16 letters; twice that and a space in a merge */
#define WORD_BYTES	20

static const char *const controls[CONTROLS] = { "<|begin_of_text|>", "<|end_of_text|>",
						"<|eot_id|>" };

/* GPT-2 spells a byte as itself if that is printable Latin-1, else as the next code from U+0100. */
static void spell_bytes(char (*out)[WORD_BYTES])
{
	unsigned int next = 0x100;

	for (unsigned int byte = 0; byte < BYTES; byte++) {
		bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
		unsigned int code = printable ? byte : next++;

		if (code < 0x80)
			snprintf(out[byte], WORD_BYTES, "%c", code);
		else
			snprintf(out[byte], WORD_BYTES, "%c%c", 0xc0 | code >> 6,
				 0x80 | (code & 0x3f));
	}
}

/* Word @i extends the space (i < 26) or word i / 26 - 1: breadth first, so parents come first. */
static void spell_word(char (*tokens)[WORD_BYTES], uint32_t i, char *merge)
{
	const char *parent = i < LETTERS ? tokens[' '] : tokens[BYTES + i / LETTERS - 1];
	char letter = (char)('a' + i % LETTERS);

	snprintf(tokens[BYTES + i], WORD_BYTES, "%.*s%c", WORD_BYTES - 2, parent, letter);
	snprintf(merge, WORD_BYTES + 2, "%.*s %c", WORD_BYTES - 2, parent, letter);
}

static void write_metadata(struct bitnpu_gguf_writer *w, uint32_t n_vocab, uint32_t words,
			   const char *const *tokens, const int32_t *types,
			   const char *const *merges)
{
	uint32_t first_control = BYTES + words;

	bitnpu_gguf_write_string(w, "tokenizer.ggml.model", "gpt2");
	bitnpu_gguf_write_string(w, "tokenizer.ggml.pre", "llama-bpe");
	bitnpu_gguf_write_string_array(w, "tokenizer.ggml.tokens", n_vocab, tokens);
	bitnpu_gguf_write_array(w, "tokenizer.ggml.token_type", BITNPU_GGUF_INT32, n_vocab, types);
	bitnpu_gguf_write_string_array(w, "tokenizer.ggml.merges", words, merges);
	bitnpu_gguf_write_u32(w, "tokenizer.ggml.bos_token_id", first_control);
	bitnpu_gguf_write_u32(w, "tokenizer.ggml.eos_token_id", first_control + 1);
}

int random_vocabulary_write(struct bitnpu_gguf_writer *w, uint32_t n_vocab,
			    struct bitnpu_error *err)
{
	enum { NORMAL = 1, CONTROL = 3 };
	uint32_t words = n_vocab - BYTES - CONTROLS;
	char(*text)[WORD_BYTES] = calloc(n_vocab, sizeof(*text));
	char(*rules)[WORD_BYTES + 2] = calloc((size_t)words + 1, sizeof(*rules));
	const char **tokens = calloc(n_vocab, sizeof(*tokens));
	const char **merges = calloc((size_t)words + 1, sizeof(*merges));
	int32_t *types = calloc(n_vocab, sizeof(*types));
	int ret = -ENOMEM;

	if (!text || !rules || !tokens || !merges || !types) {
		bitnpu_fail(err, ret, "vocabulary: out of memory");
		goto out;
	}
	spell_bytes(text);
	for (uint32_t i = 0; i < words; i++) {
		spell_word(text, i, rules[i]);
		merges[i] = rules[i];
	}
	for (uint32_t i = 0; i < n_vocab; i++) {
		bool control = i >= BYTES + words;

		tokens[i] = control ? controls[i - BYTES - words] : text[i];
		types[i] = control ? CONTROL : NORMAL;
	}
	write_metadata(w, n_vocab, words, tokens, types, merges);
	ret = 0;
out:
	free(types);
	free(merges);
	free(tokens);
	free(rules);
	free(text);
	return ret;
}
