// SPDX-License-Identifier: MIT
/*
 * Conversation formats without a template engine: a template is recognised by the markers it
 * writes.
 *
 * A conversation is the concatenation of its turns.  The user's turn opens the assistant's, so the
 * assistant's own turn is what was said and the marker that closes it.
 *
 * Sources: the chat templates of BitNet b1.58 2B4T and Llama 3 (tokenizer_config.json), ChatML as
 * Qwen has it.
 */
#include <errno.h>
#include <string.h>

#include "chat.h"

/* How a style writes the turns; a user's turn is followed by the head of the assistant's. */
struct style {
	const char *system_head, *user_head, *assistant_head;
	const char *tail;
	bool trim;		/* the template strips white space around the text */
};

static const struct style styles[] = {
	[BITNPU_CHAT_BITNET] = {
		.system_head = "System: ",
		.user_head = "User: ",
		.assistant_head = "Assistant: ",
		.tail = "<|eot_id|>",
		.trim = true,
	},
	[BITNPU_CHAT_LLAMA3] = {
		.system_head = "<|start_header_id|>system<|end_header_id|>\n\n",
		.user_head = "<|start_header_id|>user<|end_header_id|>\n\n",
		.assistant_head = "<|start_header_id|>assistant<|end_header_id|>\n\n",
		.tail = "<|eot_id|>",
		.trim = true,
	},
	[BITNPU_CHAT_CHATML] = {
		.system_head = "<|im_start|>system\n",
		.user_head = "<|im_start|>user\n",
		.assistant_head = "<|im_start|>assistant\n",
		.tail = "<|im_end|>\n",
	},
};

static bool contains(const char *text, size_t bytes, const char *marker)
{
	return memmem(text, bytes, marker, strlen(marker)) != NULL;
}

enum bitnpu_chat_style bitnpu_chat_detect(const char *text, size_t bytes)
{
	if (contains(text, bytes, "<|start_header_id|>") &&
	    contains(text, bytes, "<|end_header_id|>"))
		return BITNPU_CHAT_LLAMA3;
	if (contains(text, bytes, "<|im_start|>") && contains(text, bytes, "<|im_end|>"))
		return BITNPU_CHAT_CHATML;
	if (contains(text, bytes, "capitalize") && contains(text, bytes, "': '") &&
	    contains(text, bytes, "<|eot_id|>"))
		return BITNPU_CHAT_BITNET;
	/*
	 * The GGUF files published of BitNet b1.58 2B4T carry a template ("Human: ...
	 * BITNETAssistant: ") that its converter made up; the model was trained on the other one
	 * and does not stop with this.
	 */
	if (contains(text, bytes, "BITNETAssistant"))
		return BITNPU_CHAT_BITNET;
	return BITNPU_CHAT_UNKNOWN;
}

static bool is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static const char *trim(const char *text, size_t *length)
{
	while (*length && is_space(*text)) {
		text++;
		--*length;
	}
	while (*length && is_space(text[*length - 1]))
		--*length;
	return text;
}

/* What goes before and after the text of a turn; NULL when there is no such role. */
static const char *turn_head(const struct style *style, const char *role, const char **next)
{
	*next = "";
	if (!strcmp(role, "system"))
		return style->system_head;
	if (!strcmp(role, "assistant"))
		return "";
	if (strcmp(role, "user"))
		return NULL;
	*next = style->assistant_head;
	return style->user_head;
}

int bitnpu_chat_render(enum bitnpu_chat_style style, const char *role, const char *text, char *out,
		       size_t capacity, size_t *bytes, struct bitnpu_error *err)
{
	const struct style *how = &styles[style];
	const char *parts[4];
	size_t lengths[4];
	size_t total = 0;
	int i;

	if (style == BITNPU_CHAT_NONE)
		return bitnpu_fail(err, -ENOTSUP, "the model has no tokenizer.chat_template");
	if (style == BITNPU_CHAT_UNKNOWN)
		return bitnpu_fail(err, -ENOTSUP,
				   "tokenizer.chat_template is none of bitnet, llama3, chatml");
	parts[0] = turn_head(how, role, &parts[3]);
	if (!parts[0])
		return bitnpu_fail(err, -EINVAL,
				   "role \"%s\" is none of system, user, assistant", role);
	parts[1] = text;
	parts[2] = how->tail;
	for (i = 0; i < 4; i++)
		lengths[i] = strlen(parts[i]);
	if (how->trim)
		parts[1] = trim(parts[1], &lengths[1]);
	for (i = 0; i < 4; i++)
		total += lengths[i];

	*bytes = total;
	if (total > capacity)
		return bitnpu_fail(err, -ENOSPC, "the turn takes %zu bytes, there is room for %zu",
				   total, capacity);
	for (i = 0; i < 4; i++) {
		if (lengths[i])
			memcpy(out, parts[i], lengths[i]);
		out = lengths[i] ? out + lengths[i] : out;
	}
	return 0;
}
