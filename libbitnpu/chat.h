/* SPDX-License-Identifier: MIT */
/* Conversation formats, recognised by what a model's chat template says. */
#ifndef BITNPU_CHAT_H
#define BITNPU_CHAT_H

#include "error.h"

enum bitnpu_chat_style {
	BITNPU_CHAT_NONE,	/* no template in the file */
	BITNPU_CHAT_UNKNOWN,	/* a template that is not one of these */
	BITNPU_CHAT_BITNET,	/* User: ...<|eot_id|>Assistant: ...<|eot_id|> */
	BITNPU_CHAT_LLAMA3,	/* <|start_header_id|>user<|end_header_id|>\n\n...<|eot_id|> */
	BITNPU_CHAT_CHATML,	/* <|im_start|>user\n...<|im_end|>\n */
};

/** bitnpu_chat_detect() - Return: style of a Jinja template, BITNPU_CHAT_UNKNOWN if none fits */
enum bitnpu_chat_style bitnpu_chat_detect(const char *text, size_t bytes);

/** bitnpu_chat_render() - bitnpu_chat_format() once the style is known */
int bitnpu_chat_render(enum bitnpu_chat_style style, const char *role, const char *text, char *out,
		       size_t capacity, size_t *bytes, struct bitnpu_error *err);

#endif /* BITNPU_CHAT_H */
