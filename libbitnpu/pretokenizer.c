// SPDX-License-Identifier: MIT
/*
 * The pre-tokenizers as regular expressions.
 *
 * Sources: gpt2 from Radford et al. 2019 (encoder.py), llama3 from Llama 3's tokenizer, "default"
 * from llama.cpp's table of pre-tokenizers.  White space is spelled out instead of \s, because
 * PCRE2 counts U+180E as space, which Unicode's White_Space, and so the sources' engines, do not.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include <errno.h>
#include <stdlib.h>

#include <pcre2.h>

#include "pretokenizer.h"

#define SPACE "\\x09-\\x0d\\x{85}\\p{Z}"
#define SPACES_BEFORE_SPACE "[" SPACE "]+(?![^" SPACE "])"

#define GPT2_PATTERN                                                                               \
	"'s|'t|'re|'ve|'m|'ll|'d"                                                                  \
	"| ?\\p{L}+| ?\\p{N}+| ?[^" SPACE "\\p{L}\\p{N}]+"                                         \
	"|" SPACES_BEFORE_SPACE "|[" SPACE "]+"

#define LLAMA3_PATTERN                                                                             \
	"(?i:'s|'t|'re|'ve|'m|'ll|'d)"                                                             \
	"|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"                                               \
	"| ?[^" SPACE "\\p{L}\\p{N}]+[\\r\\n]*|[" SPACE "]*[\\r\\n]+"                              \
	"|" SPACES_BEFORE_SPACE "|[" SPACE "]+"

#define MAX_STAGES 4

/* Every stage cuts the pieces of the one before into its matches and what lies between them. */
static const char *const patterns[][MAX_STAGES] = {
	[BITNPU_PRETOKENIZER_DEFAULT] = { "[\\p{P}$+<=>^~|]+", GPT2_PATTERN, "\\p{N}+",
					  "[0-9][0-9][0-9]" },
	[BITNPU_PRETOKENIZER_GPT2] = { GPT2_PATTERN },
	[BITNPU_PRETOKENIZER_LLAMA3] = { LLAMA3_PATTERN },
};

struct bitnpu_pretokenizer {
	unsigned int stages;
	pcre2_code *code[MAX_STAGES];
	pcre2_match_context *limits;
};

/* One call of bitnpu_pretokenizer_split(). */
struct split {
	const struct bitnpu_pretokenizer *pretokenizer;
	pcre2_match_data *match;
	bitnpu_word_fn *word;
	void *user;
	struct bitnpu_error *err;
};

void bitnpu_pretokenizer_destroy(struct bitnpu_pretokenizer *pretokenizer)
{
	unsigned int i;

	if (!pretokenizer)
		return;
	for (i = 0; i < pretokenizer->stages; i++)
		pcre2_code_free(pretokenizer->code[i]);
	pcre2_match_context_free(pretokenizer->limits);
	free(pretokenizer);
}

static int fail_pcre2(struct bitnpu_error *err, int code, const char *what)
{
	PCRE2_UCHAR message[128] = "";

	if (code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAPLIMIT)
		return bitnpu_fail(err, -ENOMEM, "pre-tokenizer: out of memory while %s", what);
	pcre2_get_error_message(code, message, sizeof(message));
	return bitnpu_fail(err, -EINVAL, "pre-tokenizer: %s: PCRE2 says \"%s\"", what,
			   (const char *)message);
}

int bitnpu_pretokenizer_create(enum bitnpu_pretokenizer_kind kind,
			       struct bitnpu_pretokenizer **pretokenizer, struct bitnpu_error *err)
{
	struct bitnpu_pretokenizer *new = calloc(1, sizeof(*new));
	int ret, code;
	size_t offset;

	if (!new)
		return bitnpu_fail(err, -ENOMEM, "pre-tokenizer: out of memory");
	new->limits = pcre2_match_context_create(NULL);
	if (!new->limits) {
		ret = bitnpu_fail(err, -ENOMEM, "pre-tokenizer: out of memory");
		goto fail;
	}
	/*
	 * The patterns backtrack at most once along a run of spaces, so a match takes linear time;
	 * PCRE2's own limit would only refuse long runs.
	 */
	pcre2_set_match_limit(new->limits, UINT32_MAX);
	while (new->stages < MAX_STAGES && patterns[kind][new->stages]) {
		pcre2_code *stage = pcre2_compile((PCRE2_SPTR)patterns[kind][new->stages],
						  PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP,
						  &code, &offset, NULL);

		if (!stage) {
			ret = fail_pcre2(err, code, "compiling");
			goto fail;
		}
		new->code[new->stages++] = stage;
	}
	*pretokenizer = new;
	return 0;

fail:
	bitnpu_pretokenizer_destroy(new);
	return ret;
}

static int split_stage(struct split *split, unsigned int stage, const char *text, size_t bytes)
{
	const struct bitnpu_pretokenizer *pretokenizer = split->pretokenizer;
	size_t done = 0;

	if (!bytes)
		return 0;
	if (stage == pretokenizer->stages)
		return split->word(split->user, text, bytes);

	while (done < bytes) {
		size_t start = bytes, end = bytes;
		int ret = pcre2_match(pretokenizer->code[stage], (PCRE2_SPTR)text, bytes, done,
				      PCRE2_NO_UTF_CHECK, split->match, pretokenizer->limits);

		if (ret >= 0) {
			const size_t *ends = pcre2_get_ovector_pointer(split->match);

			start = ends[0];
			end = ends[1];
		} else if (ret != PCRE2_ERROR_NOMATCH) {
			return fail_pcre2(split->err, ret, "matching");
		}
		ret = split_stage(split, stage + 1, text + done, start - done);
		if (!ret)
			ret = split_stage(split, stage + 1, text + start, end - start);
		if (ret)
			return ret;
		done = end;
	}
	return 0;
}

int bitnpu_pretokenizer_split(const struct bitnpu_pretokenizer *pretokenizer, const char *text,
			      size_t bytes, bitnpu_word_fn *word, void *user,
			      struct bitnpu_error *err)
{
	struct split split = {
		.pretokenizer = pretokenizer,
		.match = pcre2_match_data_create(1, NULL),
		.word = word,
		.user = user,
		.err = err,
	};
	int ret;

	if (!split.match)
		return bitnpu_fail(err, -ENOMEM, "pre-tokenizer: out of memory");
	ret = split_stage(&split, 0, text, bytes);
	pcre2_match_data_free(split.match);
	return ret;
}
